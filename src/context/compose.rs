// SPDX-License-Identifier: GPL-2.0

//! How the map of an open file comes to be: vertices are composed with the crop and the flips where the
//! engine can read them.

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
    /// A map to be composed for the present formats.
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

    /// Composes vertices, or else the identity, and a view where the engine can read them.
    ///
    /// `EINVAL` if they are not one for each of the grid.
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

    /// Composes vertices, unless the identity is to be used instead, and the file's view, and puts the
    /// map in place by `install`. The crop does not change in between.
    pub(super) fn install(
        &self,
        vertices: &[u32],
        is_new: bool,
        install: impl FnOnce(&mut State, Arc<Map>) -> Displaced,
    ) -> Result {
        let _composing = self.composing.lock();
        // Holds unbinding up until the map is where it ends the stream and frees it.
        let bound = self.opened.device().bound().ok_or(ENODEV)?;
        let state = self.state.lock();
        let is_users = is_new || state.map_is_set;
        let view = state.view(is_users, state.crop, state.flips);
        drop(state);
        let map = self.map(&bound, is_users.then_some(vertices), view)?;
        let mut state = self.state.lock();
        let displaced = install(&mut state, map);
        drop(state);
        // Freed when no frame waits for the state.
        drop(displaced);
        Ok(())
    }

    /// Puts the control's map where the engine can read it.
    pub(super) fn load_map(&self, controls: &control::Handler) -> Result {
        // The control is locked until the map is where a change of it will go, too.
        controls
            .with_array(|vertices| self.install(vertices, false, |state, map| state.maps.load(map)))
    }

    /// Makes a change to what maps are composed with, and composes the map of the next frame anew if a
    /// queue streams and it shows another view. Nothing changes if that fails. Returns the crop.
    pub(super) fn change_view(&self, change: Change) -> Result<Crop> {
        let _composing = self.composing.lock();
        // Holds unbinding up until the map is where it ends the stream and frees it.
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
            // A request's map may have become the latest meanwhile, of which there are as many as
            // are queued, or a stream was stopped.
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
