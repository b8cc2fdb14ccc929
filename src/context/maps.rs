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
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// How memory for maps is allocated: any user can ask for 200 kB in one piece, which is no reason
/// for a warning.
fn gfp() -> Flags {
    GFP_KERNEL | __GFP_NOWARN
}

/// Vertices that are composed at a time, on the stack.
const CHUNK: usize = 64;

/// The vertices of a map as they were set, over the whole source.
type Vertices = Arc<KVVec<u32>>;

/// Memory for a vertex map, which the engine can read.
pub(super) struct Memory {
    grid: Grid,
    bytes: Coherent<[u8]>,
}

/// Memory that only its owner knows.
pub(super) type OwnMemory = Pin<UniqueArc<Memory>>;

impl Memory {
    /// Memory for a map over `grid`.
    pub(super) fn new(device: &Device<Bound>, grid: Grid) -> Result<OwnMemory> {
        let this = Self {
            grid,
            bytes: Coherent::zeroed_slice(device, grid.bytes(), gfp())?,
        };
        Ok(UniqueArc::new(this, gfp())?.into())
    }

    /// Whether it is for a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.grid == grid
    }

    /// Composes vertices and crop. `EINVAL` if there is not one vertex for each of the grid.
    fn write(&self, vertices: &[u32], crop: &Crop) -> Result {
        if vertices.len() != self.grid.vertices() {
            return Err(EINVAL);
        }
        let memory = &self.bytes;
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
}

/// A vertex map in memory that the engine can read: vertices, moved into a crop.
#[derive(Clone)]
pub(super) struct Map {
    /// Nobody writes to it from now on.
    memory: Arc<Memory>,
    crop: Crop,
    /// Kept for another crop. [`None`] if the crop is the whole source: then they are in memory as
    /// they were set.
    vertices: Option<Vertices>,
}

impl Map {
    /// Composes `vertices` and `crop` in `memory`. `EINVAL` if there is not one vertex for each of
    /// its grid.
    pub(super) fn new(memory: OwnMemory, vertices: &[u32], crop: Crop) -> Result<Self> {
        let mut kept = None;
        if !crop.is_full() {
            let mut copy = KVVec::with_capacity(vertices.len(), gfp())?;
            copy.extend_from_slice(vertices, gfp())?;
            kept = Some(Arc::new(copy, gfp())?);
        }
        memory.write(vertices, &crop)?;
        Ok(Self {
            memory: memory.into(),
            crop,
            vertices: kept,
        })
    }

    /// Whether it is a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.memory.fits(grid)
    }

    /// Whether it shows what it would show if it were composed with `crop`.
    pub(super) fn has(&self, crop: &Crop) -> bool {
        self.crop == *crop || self.crop.is_full() && crop.is_full()
    }

    /// The vertices as they were set. Those that are only in memory take long to read: not for a
    /// thread that starts frames.
    pub(super) fn vertices(&self) -> Result<Vertices> {
        if let Some(vertices) = &self.vertices {
            return Ok(vertices.clone());
        }
        let memory = &self.memory.bytes;
        let mut vertices = KVVec::from_elem(0_u32, self.memory.grid.vertices(), gfp())?;
        let bytes = vertices.as_mut_bytes();
        io_project!(memory, [try: ..bytes.len()]).copy_to_slice(bytes);
        Ok(Arc::new(vertices, gfp())?)
    }

    /// Where the engine finds it.
    pub(super) fn place(&self) -> frame::Map {
        frame::Map {
            grid: self.memory.grid,
            address: self.memory.bytes.dma_address(),
        }
    }
}

/// What is no longer used of a map. To be dropped where that may take a while.
pub(super) struct Unused {
    _memory: Option<Arc<Memory>>,
    _vertices: Option<Vertices>,
}

impl From<Map> for Unused {
    fn from(map: Map) -> Self {
        Self {
            _memory: Some(map.memory),
            _vertices: map.vertices,
        }
    }
}

/// Of two maps.
pub(super) type Displaced = [Option<Unused>; 2];

/// The vertex maps of a stream: a new one is written where the engine does not look, and takes
/// effect with a frame, whole.
pub(super) struct Maps {
    /// What the engine reads. There while a queue streams, unless a format was set since it started.
    current: Option<Map>,
    /// Set outside of a request, for the frame that starts next.
    next: Option<Map>,
    /// Memory for more. Only while a queue streams, too.
    spare: [Option<OwnMemory>; 2],
    /// How often another map has become the latest.
    changes: u64,
}

impl Maps {
    /// Has no map.
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            next: None,
            spare: [None, None],
            changes: 0,
        }
    }

    /// Forgets all maps. Returns them, to be freed with no lock held.
    pub(super) fn clear(&mut self) -> Self {
        let changes = self.changes.wrapping_add(1);
        mem::replace(
            self,
            Self {
                changes,
                ..Self::new()
            },
        )
    }

    /// Whether there are maps: a queue streams, and no format was set since it started.
    pub(super) fn are_loaded(&self) -> bool {
        self.current.is_some()
    }

    /// The map of the frame that starts now.
    pub(super) fn current(&self) -> Option<&Map> {
        self.current.as_ref()
    }

    /// Memory for a map, if some is kept.
    pub(super) fn take_spare(&mut self) -> Option<OwnMemory> {
        self.spare.iter_mut().find_map(Option::take)
    }

    /// The map of the next frame, unless its request brings another.
    pub(super) fn latest(&self) -> Option<&Map> {
        self.next.as_ref().or(self.current.as_ref())
    }

    /// How often another map has become the latest.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes `map` the current one, for a stream that starts.
    pub(super) fn load(&mut self, map: Map) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        [self.next.take(), self.current.replace(map)].map(|old| old.map(Unused::from))
    }

    /// Makes `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Map) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        let old = self.next.replace(map);
        [self.keep(old), None]
    }

    /// Makes the map of the frame that starts now the current one: that of its request, if it
    /// brings one. The frame before is over.
    pub(super) fn advance(&mut self, of_request: Option<Map>) -> Displaced {
        let next = self.next.take();
        let (new, overtaken) = match of_request {
            Some(map) => {
                self.changes = self.changes.wrapping_add(1);
                // The other one was set before this one took effect.
                (Some(map), next)
            }
            None => (next, None),
        };
        let overtaken = self.keep(overtaken);
        if new.is_none() {
            return [overtaken, None];
        }
        let old = mem::replace(&mut self.current, new);
        [overtaken, self.keep(old)]
    }

    /// Keeps a map's memory for another one, unless enough is kept, or somebody reads it, who frees it
    /// then. Returns the rest.
    fn keep(&mut self, map: Option<Map>) -> Option<Unused> {
        let map = map?;
        let Some(place) = self.spare.iter_mut().find(|place| place.is_none()) else {
            return Some(map.into());
        };
        *place = Arc::into_unique_or_drop(map.memory);
        Some(Unused {
            _memory: None,
            _vertices: map.vertices,
        })
    }
}
