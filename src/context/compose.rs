// SPDX-License-Identifier: GPL-2.0

//! Composes the maps of an open file: vertices with the crop and the flips, in memory that the
//! engine can read.

use super::{
    controls::CID_VERTEX_MAP,
    maps::{
        Displaced,
        Map,
        OwnMap, //
    },
    state::Edit,
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
    media::{
        control::{
            self,
            CID_HFLIP, //
        },
        order::{
            Change,
            Changed, //
        }, //
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
    /// the file's view. `composing` must be held until the map is installed.
    fn viewed(
        &self,
        bound: &device::Device<Bound>,
        vertices: &[u32],
        is_new: bool,
    ) -> Result<Arc<Map>> {
        let state = self.state.lock();
        let is_of_user = is_new || state.map_is_set;
        let view = state.view(is_of_user, state.crop, state.flips);
        drop(state);
        self.map(bound, is_of_user.then_some(vertices), view)
    }

    /// Loads the control's map into memory that the engine can read.
    pub(super) fn load_map(&self, controls: &control::Handler) -> Result {
        // The control stays locked until the map is installed. A later change of the control then
        // replaces this map.
        controls.with_array(CID_VERTEX_MAP, |vertices| {
            let _composing = self.composing.lock();
            // Unbinding waits until the map is installed, because it ends the stream and then frees
            // the maps that are installed.
            let bound = self.opened.device().bound().ok_or(ENODEV)?;
            let map = self.viewed(&bound, vertices, false)?;
            let mut state = self.state.lock();
            let displaced = state.maps.load(map);
            drop(state);
            // The maps are freed when no frame waits for the state.
            drop(displaced);
            Ok(())
        })
    }

    /// Sets the user's map.
    pub(super) fn set_map(&self, vertices: &[u32], change: &Change<'_>) -> Result<Changed> {
        let state = self.state.lock();
        // A grid of another size means that CAPTURE does not stream: the map is loaded when it
        // starts.
        let streams = state.maps.are_loaded() && state.grid().vertices() == vertices.len();
        drop(state);
        if !streams {
            let changing = change.lock();
            self.state.lock().map_is_set = true;
            return Ok(changing.done());
        }

        let _composing = self.composing.lock();
        // As in `load_map`.
        let bound = self.opened.device().bound().ok_or(ENODEV)?;
        let map = self.viewed(&bound, vertices, true)?;
        let changing = change.lock();
        let mut state = self.state.lock();
        state.map_is_set = true;
        let displaced = if state.maps.are_loaded() {
            state.maps.set_next(map)
        } else {
            // The stream was stopped meanwhile.
            [Some(map), None, None]
        };
        drop(state);
        let changed = changing.done();
        // The maps are freed when no frame waits for the locks.
        drop(displaced);
        Ok(changed)
    }

    /// Sets one of the two flips, by its control.
    pub(super) fn set_flip(&self, id: u32, on: bool, change: &Change<'_>) -> Result<Changed> {
        let _composing = self.composing.lock();
        let bound = self.opened.device().bound();
        loop {
            let next = self.next_view(bound.as_deref(), Edit::Flip(id, on))?;
            let changing = change.lock();
            let set = self.set_view(next);
            // The maps are freed when no frame waits for the lock.
            if set.is_ok() {
                return Ok(changing.done());
            }
            drop(changing);
        }
    }

    /// Changes the crop, or composes the latest map with the present one. Returns the crop.
    ///
    /// `ERANGE` and `EINVAL` as documented for `VIDIOC_S_SELECTION`.
    pub(super) fn edit_view(&self, edit: Edit) -> Result<Crop> {
        let _composing = self.composing.lock();
        let bound = self.opened.device().bound();
        loop {
            let next = self.next_view(bound.as_deref(), edit)?;
            let crop = next.crop;
            if self.set_view(next).is_ok() {
                return Ok(crop);
            }
        }
    }

    /// Applies an edit to the present view, and returns the result. If a queue streams and its map
    /// shows another view, the result has a map for the next frame.
    ///
    /// `composing` must be held until the view is set, and `bound` until then, because unbinding
    /// ends the stream and then frees the maps that are installed.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    fn next_view(&self, bound: Option<&device::Device<Bound>>, edit: Edit) -> Result<NextView> {
        let state = self.state.lock();
        let mut next = NextView {
            crop: state.crop,
            flips: state.flips,
            map: None,
            seen: state.maps_and_flips(),
        };
        match edit {
            Edit::Crop(rect, flags) => {
                let source = state.output.image.size();
                next.crop = Crop::adjusted(rect, source, flags).map_err(|unfit| match unfit {
                    crop::Unfit::Range => ERANGE,
                    crop::Unfit::Flags => EINVAL,
                })?;
            }
            Edit::Flip(CID_HFLIP, on) => next.flips[0] = on,
            Edit::Flip(_, on) => next.flips[1] = on,
            Edit::Nothing => {}
        }
        let is_of_user = state.map_is_set;
        let view = state.view(is_of_user, next.crop, next.flips);
        let latest = state.maps.latest().cloned();
        drop(state);

        if let Some(map) = latest.filter(|map| !map.has(&view)) {
            let mut read = KVVec::new();
            let vertices = match is_of_user {
                true => Some(map.vertices(&mut read)?),
                false => None,
            };
            next.map = Some(self.map(bound.ok_or(ENODEV)?, vertices, view)?);
        }
        Ok(next)
    }

    /// Sets the view, and returns the maps that are no longer used.
    ///
    /// Returns the view as an error if its base has changed meanwhile: the controls of a request
    /// took effect, a stream was stopped or a format was set. The caller then makes the view anew.
    /// This ends, because the number of queued requests is limited.
    fn set_view(&self, next: NextView) -> Result<Displaced, NextView> {
        let mut state = self.state.lock();
        if state.maps_and_flips() != next.seen {
            return Err(next);
        }
        (state.crop, state.flips) = (next.crop, next.flips);
        let set_next = next.map.map(|map| state.maps.set_next(map));
        Ok(set_next.unwrap_or_default())
    }
}

/// A view that is to be set.
struct NextView {
    crop: Crop,
    /// HFLIP and VFLIP.
    flips: [bool; 2],
    /// The map with this view for the next frame, if it needs another.
    map: Option<Arc<Map>>,
    /// What the view was made of.
    seen: (u64, [bool; 2], bool),
}
