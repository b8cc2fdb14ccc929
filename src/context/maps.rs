// SPDX-License-Identifier: GPL-2.0

//! The vertex maps of an open file, in the engine's memory.

use crate::dewarp::{
    frame,
    map::Grid, //
};
use core::mem;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    dma::Coherent,
    io::Io,
    prelude::*, //
};

/// A vertex map in memory that the engine can read.
pub(super) struct Map {
    grid: Grid,
    memory: Coherent<[u8]>,
}

impl Map {
    /// A map over `grid` that was not written yet.
    pub(super) fn new(device: &Device<Bound>, grid: Grid) -> Result<Self> {
        Ok(Self {
            grid,
            memory: Coherent::zeroed_slice(device, grid.bytes(), GFP_KERNEL)?,
        })
    }

    /// Whether it is one over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.grid == grid
    }

    /// Takes on vertices, row by row. `EINVAL` if they are not one for each of the grid.
    pub(super) fn write(&self, vertices: &[u32]) -> Result {
        let bytes = vertices.as_bytes();
        if bytes.len() != self.memory.len() {
            return Err(EINVAL);
        }
        (&self.memory).copy_from_slice(bytes);
        Ok(())
    }

    /// Where the engine finds it.
    pub(super) fn place(&self) -> frame::Map {
        frame::Map {
            grid: self.grid,
            address: self.memory.dma_address(),
        }
    }
}

/// The vertex maps of a stream: a new one is written where the engine does not look, and takes
/// effect with a frame, whole.
pub(super) struct Maps {
    /// What the engine reads. There while a queue streams.
    pub(super) current: Option<Map>,
    /// Set outside of a request, for the frame that starts next.
    pub(super) next: Option<Map>,
    /// Memory for more. Only while a queue streams, too.
    pub(super) spare: KVec<Map>,
}

impl Maps {
    /// None.
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            next: None,
            spare: KVec::new(),
        }
    }

    /// Has `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Map) {
        let old = self.next.replace(map);
        self.keep(old);
    }

    /// Makes the map of the frame that starts now the current one: that of its request, if it
    /// brings one.
    pub(super) fn advance(&mut self, of_request: Option<Map>) {
        let next = self.next.take();
        let new = match of_request {
            Some(map) => {
                // It was set before this one took effect.
                self.keep(next);
                Some(map)
            }
            None => next,
        };
        if new.is_some() {
            // The frame that used it is over.
            let old = mem::replace(&mut self.current, new);
            self.keep(old);
        }
    }

    fn keep(&mut self, map: Option<Map>) {
        if let Some(map) = map {
            // Without memory for that its own is given back.
            let _ = self.spare.push(map, GFP_KERNEL);
        }
    }
}
