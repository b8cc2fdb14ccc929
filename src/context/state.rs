// SPDX-License-Identifier: GPL-2.0

//! The settings of an open file.

use super::{
    controls::{
        CID_PREFETCH_MODE,
        CID_PREFETCH_THRESHOLD,
        CID_VERTEX_MAP, //
    },
    convert::place,
    maps::{
        Displaced,
        Map,
        Maps,
        OwnMap, //
    }, //
};
use crate::{
    device::Powered,
    dewarp::{
        crop::{
            Crop,
            Rect, //
        },
        format,
        frame::{
            Frame,
            Program, //
        },
        image::Image,
        map::{
            Grid,
            Identity, //
        },
        prefetch::{
            Prefetch,
            PrefetchMode, //
        },
        size::Size,
        view::View, //
    },
    media::{
        control::{
            CID_HFLIP,
            CID_VFLIP, //
        },
        format::{
            Colorimetry,
            Direction, //
        },
        m2m::Job, //
    }, //
};
use core::mem;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A change of the view that maps are composed with.
pub(super) enum Change {
    /// A crop for a rectangle and flags.
    Crop(Rect, u32),
    /// One of the two flips, by its control.
    Flip(u32, bool),
    /// No change, for a map that was composed with another view.
    Nothing,
}

/// The number of controls of an open file.
const CONTROLS: usize = 5;

/// Returns the index of a control in [`State::changed`]; past the end for another control.
// Not inlined, to have the code once for all callers.
#[inline(never)]
fn place_of(id: u32) -> usize {
    match id {
        CID_VERTEX_MAP => 0,
        CID_PREFETCH_MODE => 1,
        CID_PREFETCH_THRESHOLD => 2,
        CID_HFLIP => 3,
        CID_VFLIP => 4,
        _ => CONTROLS,
    }
}

/// The settings of an open file that change.
pub(super) struct State {
    pub(super) output: Queue,
    pub(super) capture: Queue,
    /// The colorimetry of both queues, because the engine does not convert colours.
    pub(super) colorimetry: Colorimetry,
    pub(super) crop: Crop,
    /// HFLIP and VFLIP.
    pub(super) flips: [bool; 2],
    pub(super) prefetch: Prefetch,
    pub(super) maps: Maps,
    /// Whether the map is the user's, and not the identity.
    pub(super) map_is_set: bool,
    /// How often controls have changed.
    changes: u64,
    /// The value of `changes` when each of the controls changed last, in the order of [`place_of`].
    changed: [u64; CONTROLS],
}

/// The prepared controls of a request, for its frame.
pub(crate) struct Prepared {
    pub(super) map: Option<Arc<Map>>,
    /// HFLIP and VFLIP.
    pub(super) flips: [Option<bool>; 2],
    /// Memory in which the identity is composed if the flips change.
    pub(super) spare: Option<OwnMap>,
    pub(super) mode: Option<PrefetchMode>,
    pub(super) threshold: Option<u8>,
}

/// One of the two queues of an open file.
pub(super) struct Queue {
    pub(super) image: Image,
    /// The number of the next frame.
    pub(super) sequence: u32,
    /// Keeps the device powered while the queue streams.
    pub(super) powered: Option<Powered>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            image: Image::new(format::DEFAULT, Size::DEFAULT),
            sequence: 0,
            powered: None,
        }
    }

    pub(super) fn next_sequence(&mut self) -> u32 {
        let next = self.sequence.wrapping_add(1);
        mem::replace(&mut self.sequence, next)
    }
}

impl State {
    pub(super) fn new() -> Self {
        let output = Queue::new();
        Self {
            crop: Crop::full(output.image.size()),
            flips: [false; 2],
            output,
            capture: Queue::new(),
            colorimetry: Colorimetry::rec709(),
            prefetch: Prefetch::DEFAULT,
            maps: Maps::new(),
            map_is_set: false,
            changes: 0,
            changed: [0; CONTROLS],
        }
    }

    /// Notes that a control changes now.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub(super) fn note_change(&mut self, id: u32) {
        self.changes = self.changes.wrapping_add(1);
        if let Some(changed) = self.changed.get_mut(place_of(id)) {
            *changed = self.changes;
        }
    }

    /// Returns whether a control has changed since `moment`.
    pub(super) fn has_changed_since(&self, moment: u64, id: u32) -> bool {
        let changed = self.changed.get(place_of(id));
        changed.is_some_and(|changed| *changed > moment)
    }

    /// Applies the controls that a request has prepared, for the frame that starts now; without a
    /// request, makes the next map take effect. Returns the moment at which a request's controls
    /// took effect, and the maps that are no longer used.
    ///
    /// `EINVAL` if the request's map, or its memory for flips, is from before the destination had
    /// its size. Nothing changes then.
    pub(super) fn take_on(
        &mut self,
        prepared: &mut Option<Prepared>,
    ) -> Result<(Option<u64>, Displaced)> {
        let Some(prepared) = prepared else {
            return Ok((None, self.maps.advance(None)));
        };
        if let Some(map) = &prepared.map {
            if !map.fits(self.grid()) {
                return Err(EINVAL);
            }
        }
        let mut flips = self.flips;
        for (flip, new) in flips.iter_mut().zip(prepared.flips) {
            *flip = new.unwrap_or(*flip);
        }
        let mut map = prepared.map.take();
        if map.is_none() && !self.map_is_set && flips != self.flips {
            let mut flipped = prepared.spare.take().ok_or(EINVAL)?;
            flipped.compose(None, &self.identity(), self.view(false, self.crop, flips))?;
            map = Some(flipped.into());
        } else if map.is_some() {
            self.map_is_set = true;
            self.note_change(CID_VERTEX_MAP);
        }
        let displaced = self.maps.advance(map);
        self.flips = flips;
        for (id, new) in [CID_HFLIP, CID_VFLIP].into_iter().zip(prepared.flips) {
            if new.is_some() {
                self.note_change(id);
            }
        }
        if let Some(mode) = prepared.mode {
            self.prefetch.mode = mode;
            self.note_change(CID_PREFETCH_MODE);
        }
        if let Some(threshold) = prepared.threshold {
            self.prefetch.threshold = threshold;
            self.note_change(CID_PREFETCH_THRESHOLD);
        }
        Ok((Some(self.changes), displaced))
    }

    /// Returns the view that a map is composed with, the user's or the identity. A user's map is
    /// not flipped.
    pub(super) fn view(&self, is_users: bool, crop: Crop, flips: [bool; 2]) -> View {
        let flips = flips.map(|flip| flip && !is_users);
        View::new(crop, flips, self.capture.image.size())
    }

    /// Returns the register values for a job.
    pub(super) fn program(&self, job: &Job) -> Result<Program> {
        let map = self.maps.current().ok_or(EINVAL)?;
        let frame = Frame {
            source: place(self.output.image, job.source())?,
            destination: place(self.capture.image, job.destination())?,
            map: map.place(),
            prefetch: self.prefetch,
        };
        frame.program().map_err(|_| EINVAL)
    }

    pub(super) fn queue(&mut self, direction: Direction) -> &mut Queue {
        match direction {
            Direction::Output => &mut self.output,
            Direction::Capture => &mut self.capture,
        }
    }

    pub(super) fn grid(&self) -> Grid {
        Grid::of(self.capture.image.size())
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::new(self.output.image.size(), self.capture.image.size())
    }
}
