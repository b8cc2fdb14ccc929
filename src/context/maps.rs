// SPDX-License-Identifier: GPL-2.0

//! The vertex maps of an open file, in the engine's memory.

use crate::dewarp::{
    crop::Crop,
    frame,
    map::Grid, //
};
use core::mem;
use kernel::{
    alloc::{
        flags::__GFP_NOWARN,
        Flags, //
    },
    device::{
        Bound,
        Device, //
    },
    dma::Coherent,
    io::{
        io_project,
        Io, //
    },
    prelude::*,
    sync::Arc, //
};

/// How memory for maps is allocated: any user can ask for 200 kB in one piece, which is no reason
/// for a warning.
fn gfp() -> Flags {
    GFP_KERNEL | __GFP_NOWARN
}

/// How many maps that are not used are kept for the next ones.
const SPARE: usize = 2;

/// Vertices that are composed at a time, on the stack.
const CHUNK: usize = 64;

/// The vertices of a map as they were set, over the whole source.
pub(super) type Vertices = Arc<KVVec<u32>>;

/// A copy of vertices. `ENOMEM` if there is no memory for it.
pub(super) fn vertices(of: &[u32]) -> Result<Vertices> {
    let mut copy = KVVec::with_capacity(of.len(), gfp())?;
    copy.extend_from_slice(of, gfp())?;
    Ok(Arc::new(copy, gfp())?)
}

/// Memory for a vertex map, which the engine can read.
pub(super) struct Memory {
    grid: Grid,
    bytes: Coherent<[u8]>,
}

impl Memory {
    /// Memory for a map over `grid`.
    pub(super) fn new(device: &Device<Bound>, grid: Grid) -> Result<Self> {
        Ok(Self {
            grid,
            bytes: Coherent::zeroed_slice(device, grid.bytes(), gfp())?,
        })
    }

    /// Whether it is for a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.grid == grid
    }
}

/// A vertex map in memory that the engine can read: vertices, moved into a crop.
pub(super) struct Map {
    vertices: Vertices,
    crop: Crop,
    memory: Memory,
}

impl Map {
    /// Composes `vertices` and `crop` in `memory`. `EINVAL` if there is not one vertex for each of
    /// its grid.
    pub(super) fn new(memory: Memory, vertices: Vertices, crop: Crop) -> Result<Self> {
        if vertices.len() != memory.grid.vertices() {
            return Err(EINVAL);
        }
        let mut this = Self {
            vertices,
            crop,
            memory,
        };
        this.write()?;
        Ok(this)
    }

    /// Whether it is a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.memory.fits(grid)
    }

    /// Composes the map anew if it was composed with another crop. The engine must not be reading
    /// it.
    fn follow(&mut self, crop: Crop) -> Result {
        if self.crop != crop {
            self.crop = crop;
            self.write()?;
        }
        Ok(())
    }

    /// Writes vertices and crop to memory. It has as many bytes as the vertices.
    fn write(&mut self) -> Result {
        let memory = &self.memory.bytes;
        if self.crop.is_full() {
            let bytes = self.vertices.as_bytes();
            io_project!(memory, [try: ..bytes.len()]).copy_from_slice(bytes);
            return Ok(());
        }
        let mut composed = [0_u32; CHUNK];
        let mut start = 0;
        for vertices in self.vertices.chunks(CHUNK) {
            let composed = composed.get_mut(..vertices.len()).ok_or(EINVAL)?;
            self.crop.compose(vertices, composed);
            let bytes = composed.as_bytes();
            let end = start + bytes.len();
            io_project!(memory, [try: start..end]).copy_from_slice(bytes);
            start = end;
        }
        Ok(())
    }

    /// Where the engine finds it.
    pub(super) fn place(&self) -> frame::Map {
        frame::Map {
            grid: self.memory.grid,
            address: self.memory.bytes.dma_address(),
        }
    }
}

/// The vertex maps of a stream: a new one is written where the engine does not look, and takes
/// effect with a frame, whole.
pub(super) struct Maps {
    /// What the engine reads. There while a queue streams.
    pub(super) current: Option<Map>,
    /// Set outside of a request, for the frame that starts next.
    next: Option<Map>,
    /// Memory for more. Only while a queue streams, too.
    spare: KVec<Memory>,
}

impl Maps {
    /// Has no map.
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            next: None,
            spare: KVec::new(),
        }
    }

    /// Memory for a map, if some is kept.
    pub(super) fn take_spare(&mut self) -> Option<Memory> {
        self.spare.pop()
    }

    /// The vertices of the next frame, unless its request brings others.
    pub(super) fn latest(&self) -> Option<&Vertices> {
        let latest = self.next.as_ref().or(self.current.as_ref());
        latest.map(|map| &map.vertices)
    }

    /// Makes `map` the current one, for a stream that starts. Returns what was there, to be freed
    /// with no lock held.
    pub(super) fn load(&mut self, map: Map) -> (Option<Map>, Option<Map>) {
        (self.next.take(), self.current.replace(map))
    }

    /// Makes `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Map) {
        let old = self.next.replace(map);
        self.keep(old);
    }

    /// Makes the map of the frame that starts now the current one: that of its request, if it
    /// brings one. One from elsewhere follows `crop`, which may have changed after it was composed;
    /// that of a request has the crop from when that was queued.
    pub(super) fn advance(&mut self, of_request: Option<Map>, crop: Crop) -> Result {
        let is_of_request = of_request.is_some();
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
        match &mut self.current {
            // The frame before is over, and so the engine does not read it.
            Some(map) if !is_of_request => map.follow(crop),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, map: Option<Map>) {
        if let Some(map) = map.filter(|_| self.spare.len() < SPARE) {
            // If there is no memory for the list, the map's own is freed.
            let _ = self.spare.push(map.memory, gfp());
        }
    }
}
