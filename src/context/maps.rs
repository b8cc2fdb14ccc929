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

/// Room for the vertices of a map over `grid`. `ENOMEM` if there is none.
pub(super) fn room(grid: Grid) -> Result<KVVec<u32>> {
    Ok(KVVec::from_elem(0, grid.vertices(), gfp())?)
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
    memory: Memory,
    crop: Crop,
    /// Kept for another crop. [`None`] if the crop is the whole source: then they are in memory as
    /// they were set.
    vertices: Option<Vertices>,
}

impl Map {
    /// Composes `vertices` and `crop` in `memory`. `EINVAL` if there is not one vertex for each of
    /// its grid.
    pub(super) fn new(memory: Memory, vertices: &[u32], crop: Crop) -> Result<Self> {
        let mut kept = None;
        if !crop.is_full() {
            let mut copy = KVVec::with_capacity(vertices.len(), gfp())?;
            copy.extend_from_slice(vertices, gfp())?;
            kept = Some(Arc::new(copy, gfp())?);
        }
        let this = Self {
            memory,
            crop,
            vertices: kept,
        };
        this.write(vertices, crop)?;
        Ok(this)
    }

    /// Whether it is a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.memory.fits(grid)
    }

    /// The vertices as they were set. `room` is for those that are only in memory, which is slow to
    /// read; it must have been made for the map's grid, else `EINVAL`.
    fn vertices(&self, mut room: KVVec<u32>) -> Result<Vertices> {
        if let Some(vertices) = &self.vertices {
            return Ok(vertices.clone());
        }
        let memory = &self.memory.bytes;
        let bytes = room.as_mut_bytes();
        io_project!(memory, [try: ..bytes.len()]).copy_to_slice(bytes);
        Ok(Arc::new(room, gfp())?)
    }

    /// Composes the map anew if it was composed with another crop. The engine must not be reading
    /// it.
    fn follow(&mut self, crop: Crop) -> Result {
        if self.crop != crop {
            let vertices = self.vertices(room(self.memory.grid)?)?;
            self.write(&vertices, crop)?;
            self.crop = crop;
            self.vertices = Some(vertices);
        }
        Ok(())
    }

    /// Composes vertices and crop in memory. `EINVAL` if there is not one vertex for each of its
    /// grid.
    fn write(&self, vertices: &[u32], crop: Crop) -> Result {
        if vertices.len() != self.memory.grid.vertices() {
            return Err(EINVAL);
        }
        let memory = &self.memory.bytes;
        if crop.is_full() {
            let bytes = vertices.as_bytes();
            io_project!(memory, [try: ..bytes.len()]).copy_from_slice(bytes);
            return Ok(());
        }
        let mut composed = [0_u32; CHUNK];
        let mut start = 0;
        for vertices in vertices.chunks(CHUNK) {
            let composed = composed.get_mut(..vertices.len()).ok_or(EINVAL)?;
            crop.compose(vertices, composed);
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
    /// How often another map has become the latest.
    changes: u64,
}

impl Maps {
    /// Has no map.
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            next: None,
            spare: KVec::new(),
            changes: 0,
        }
    }

    /// Memory for a map, if some is kept.
    pub(super) fn take_spare(&mut self) -> Option<Memory> {
        self.spare.pop()
    }

    /// The vertices of the latest map, which is that of the next frame unless its request brings
    /// another; and its number. [`None`] if there is no map.
    ///
    /// `EINVAL` if `room` was made for another grid.
    pub(super) fn latest(&self, room: KVVec<u32>) -> Result<Option<(Vertices, u64)>> {
        let latest = self.next.as_ref().or(self.current.as_ref());
        let vertices = latest.map(|map| map.vertices(room)).transpose()?;
        Ok(vertices.map(|vertices| (vertices, self.changes)))
    }

    /// Whether the map of that number is still the latest.
    pub(super) fn is_latest(&self, number: u64) -> bool {
        self.current.is_some() && self.changes == number
    }

    /// Makes `map` the current one, for a stream that starts. Returns what was there, to be freed
    /// with no lock held.
    pub(super) fn load(&mut self, map: Map) -> (Option<Map>, Option<Map>) {
        self.changes = self.changes.wrapping_add(1);
        (self.next.take(), self.current.replace(map))
    }

    /// Makes `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Map) {
        self.changes = self.changes.wrapping_add(1);
        let old = self.next.replace(map);
        self.keep(old);
    }

    /// Makes the map of the frame that starts now the current one: that of its request, if it
    /// brings one. One from elsewhere follows `crop`, which may have changed after it was composed;
    /// that of a request has the crop from when that was queued.
    ///
    /// `ENOMEM` if there is no memory for what it takes to follow.
    pub(super) fn advance(&mut self, of_request: Option<Map>, crop: Crop) -> Result {
        let is_of_request = of_request.is_some();
        let next = self.next.take();
        let new = match of_request {
            Some(map) => {
                // It was set before this one took effect.
                self.keep(next);
                self.changes = self.changes.wrapping_add(1);
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
