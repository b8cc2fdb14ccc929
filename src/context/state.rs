// SPDX-License-Identifier: GPL-2.0

//! What an open file is set to.

use super::maps::Maps;
use crate::{
    device::Powered,
    dewarp::{
        crop::Crop,
        format,
        image::Image,
        map::{
            Grid,
            Identity, //
        },
        prefetch::Prefetch,
        size::Size, //
    },
    media::format::{
        Colorimetry,
        Direction, //
    }, //
};
use core::mem;

/// What changes of an open file.
pub(super) struct State {
    pub(super) output: Queue,
    pub(super) capture: Queue,
    /// The engine converts no colours, so one serves both queues.
    pub(super) colorimetry: Colorimetry,
    pub(super) crop: Crop,
    pub(super) prefetch: Prefetch,
    pub(super) maps: Maps,
    /// The map is the user's, and not the identity.
    pub(super) map_is_set: bool,
}

/// One of its two queues.
pub(super) struct Queue {
    pub(super) image: Image,
    /// Number of the next frame.
    pub(super) sequence: u32,
    /// There while the queue streams.
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
            output,
            capture: Queue::new(),
            colorimetry: Colorimetry::rec709(),
            prefetch: Prefetch::DEFAULT,
            maps: Maps::new(),
            map_is_set: false,
        }
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
