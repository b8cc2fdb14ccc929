// SPDX-License-Identifier: GPL-2.0

//! The settings of an open file.

use super::{
    convert::place,
    maps::{
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
        format::{
            Colorimetry,
            Direction, //
        },
        m2m::Job, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An edit of the view that maps are composed with.
#[derive(Clone, Copy)]
pub(super) enum Edit {
    /// A crop for a rectangle and flags (`V4L2_SEL_FLAG_…`).
    Crop(Rect, u32),
    /// One of the two flips, by its control.
    Flip(u32, bool),
    /// No change: composes the latest map again, if it was composed with another view.
    Nothing,
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
    /// Keeps the device powered while the queue streams.
    pub(super) powered: Option<Powered>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            image: Image::new(format::DEFAULT, Size::DEFAULT),
            powered: None,
        }
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
        }
    }

    /// Returns what a view of the latest map depends on beside the crop: how often another map has
    /// become the latest, the flips, and whether the map is the user's.
    pub(super) fn maps_and_flips(&self) -> (u64, [bool; 2], bool) {
        (self.maps.changes(), self.flips, self.map_is_set)
    }

    /// Applies the controls that a request has prepared, for the frame that starts next.
    ///
    /// `EINVAL` if the request's map, or its memory for flips, is from before the destination had
    /// its size. Nothing changes then.
    pub(super) fn apply(&mut self, prepared: Prepared) -> Result {
        let Prepared {
            mut map, mut spare, ..
        } = prepared;
        if let Some(map) = &map {
            if !map.fits(self.grid()) {
                return Err(EINVAL);
            }
        }
        let mut flips = self.flips;
        for (flip, new) in flips.iter_mut().zip(prepared.flips) {
            *flip = new.unwrap_or(*flip);
        }
        if map.is_some() {
            self.map_is_set = true;
        } else if !self.map_is_set && flips != self.flips {
            let mut flipped = spare.take().ok_or(EINVAL)?;
            flipped.compose(None, &self.identity(), self.view(false, self.crop, flips))?;
            map = Some(flipped.into());
        }
        if let Some(map) = map {
            self.maps.set_of_request(map);
        }
        self.maps.put_aside(spare.map(Into::into));
        self.flips = flips;
        self.prefetch = Prefetch {
            mode: prepared.mode.unwrap_or(self.prefetch.mode),
            threshold: prepared.threshold.unwrap_or(self.prefetch.threshold),
        };
        Ok(())
    }

    /// Returns the view that a map is composed with, the user's or the identity. A user's map is
    /// not flipped.
    pub(super) fn view(&self, is_of_user: bool, crop: Crop, flips: [bool; 2]) -> View {
        let flips = flips.map(|flip| flip && !is_of_user);
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
