// SPDX-License-Identifier: GPL-2.0

//! Composes the maps of an open file: vertices with the crop and the flips, in memory that the
//! engine can read.

use super::{
    maps::{
        Displaced,
        Map,
        OwnMap, //
    },
    state::{
        Change,
        State, //
    },
    Context, //
};
use crate::{
    dewarp::{
        crop::{
            self,
            Crop, //
        },
        view::View, //
    },
    media::control::{
        self,
        CID_HFLIP, //
    }, //
};
use kernel::{
    device::{
        self,
        Bound, //
    },
    prelude::*,
    sync::Arc, //
};

impl Context {
    /// Returns a map that is to be composed, for the present formats.
    pub(super) fn blank(&self, bound: &device::Device<Bound>) -> Result<OwnMap> {
        let mut state = self.state.lock();
        let grid = state.grid();
        let spare = state.maps.take_spare();
        drop(state);

        match spare {
            Some(spare) if spare.fits(grid) => Ok(spare),
            _ => Map::new(bound, grid),
        }
    }

    /// Composes `vertices`, or the identity if there are none, with a view, in memory that the
    /// engine can read.
    ///
    /// `EINVAL` if there is not one vertex for each of the grid.
    pub(super) fn map(
        &self,
        bound: &device::Device<Bound>,
        vertices: Option<&[u32]>,
        view: View,
    ) -> Result<Arc<Map>> {
        let mut map = self.blank(bound)?;
        let identity = self.state.lock().identity();
        map.compose(vertices, &identity, view)?;
        Ok(map.into())
    }

    /// Composes `vertices`, or the identity if they are not new and the user has set no map, with
    /// the file's view, and installs the map by `install`. The crop does not change in between.
    pub(super) fn install(
        &self,
        vertices: &[u32],
        is_new: bool,
        install: impl FnOnce(&mut State, Arc<Map>) -> Displaced,
    ) -> Result {
        let _composing = self.composing.lock();
        // Unbinding waits until the map is installed, because it ends the stream and then frees the
        // maps that are installed.
        let bound = self.opened.device().bound().ok_or(ENODEV)?;
        let state = self.state.lock();
        let is_users = is_new || state.map_is_set;
        let view = state.view(is_users, state.crop, state.flips);
        drop(state);
        let map = self.map(&bound, is_users.then_some(vertices), view)?;
        let mut state = self.state.lock();
        let displaced = install(&mut state, map);
        drop(state);
        // The maps are freed when no frame waits for the state.
        drop(displaced);
        Ok(())
    }

    /// Loads the control's map into memory that the engine can read.
    pub(super) fn load_map(&self, controls: &control::Handler) -> Result {
        // The control is locked until the map is installed where a change of the control replaces
        // it.
        controls
            .with_array(|vertices| self.install(vertices, false, |state, map| state.maps.load(map)))
    }

    /// Changes the crop or a flip. If a queue streams and its map shows another view then, the map
    /// of the next frame is composed anew. Nothing changes if that fails. Returns the crop.
    pub(super) fn change_view(&self, change: Change) -> Result<Crop> {
        let _composing = self.composing.lock();
        // Unbinding waits until the map is installed, because it ends the stream and then frees the
        // maps that are installed.
        let bound = self.opened.device().bound();
        loop {
            let state = self.state.lock();
            let (mut crop, mut flips) = (state.crop, state.flips);
            match change {
                Change::Crop(rect, flags) => {
                    crop = Crop::adjusted(rect, state.output.image.size(), flags).map_err(
                        |unfit| match unfit {
                            crop::Unfit::Range => ERANGE,
                            crop::Unfit::Flags => EINVAL,
                        },
                    )?;
                }
                Change::Flip(CID_HFLIP, on) => flips[0] = on,
                Change::Flip(_, on) => flips[1] = on,
                Change::Nothing => {}
            }
            let is_users = state.map_is_set;
            let view = state.view(is_users, crop, flips);
            let latest = state.maps.latest().cloned();
            let changes = state.maps.changes();
            drop(state);

            let next = match latest.filter(|map| !map.has(&view)) {
                Some(map) => {
                    let bound = bound.as_ref().ok_or(ENODEV)?;
                    let mut read = KVVec::new();
                    let vertices = match is_users {
                        true => Some(map.vertices(&mut read)?),
                        false => None,
                    };
                    Some(self.map(bound, vertices, view)?)
                }
                None => None,
            };
            let mut state = self.state.lock();
            // Meanwhile the map of a request may have become the latest, which happens once for
            // each queued request, or a stream was stopped.
            if state.maps.changes() != changes {
                continue;
            }
            (state.crop, state.flips) = (crop, flips);
            if let Change::Flip(id, _) = change {
                state.note_change(id);
            }
            let displaced = next.map(|map| state.maps.set_next(map));
            drop(state);
            drop(displaced);
            return Ok(crop);
        }
    }
}
