// SPDX-License-Identifier: GPL-2.0

//! The vertex maps of an open file, in memory that the engine can read.

use crate::dewarp::{
    crop::Crop,
    frame,
    map::{
        Grid,
        Identity, //
    },
    size::Size,
    view::View, //
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

/// Returns the flags of allocations for maps. Any user can ask for 200 kB in one piece, which is no
/// reason for a kernel warning if it fails.
fn gfp() -> Flags {
    GFP_KERNEL | __GFP_NOWARN
}

/// A vertex map in memory that the engine can read: vertices, moved to where they show a view.
pub(super) struct Map {
    grid: Grid,
    /// It is not written once the map is shared.
    memory: Coherent<[u8]>,
    view: View,
    /// The vertices as they were set, over the whole source, to be composed with another view.
    /// Empty for the identity, and if the view is plain, because then they are in `memory` as they
    /// were set.
    vertices: KVVec<u32>,
}

/// A map that only its owner refers to, and can compose.
pub(super) type OwnMap = Pin<UniqueArc<Map>>;

impl Map {
    /// Allocates a map over `grid`. It must be composed before it is used.
    pub(super) fn new(device: &Device<Bound>, grid: Grid) -> Result<OwnMap> {
        let this = Self {
            grid,
            memory: Coherent::zeroed_slice(device, grid.bytes(), gfp())?,
            view: View::new(Crop::full(Size::DEFAULT), [false; 2], Size::DEFAULT),
            vertices: KVVec::new(),
        };
        Ok(UniqueArc::new(this, gfp())?.into())
    }

    /// Composes `vertices`, or the identity if there are none, with a view.
    ///
    /// The identity needs no allocation, so a thread that starts a frame can compose it.
    ///
    /// `EINVAL` if there is not one vertex for each of the grid. After an error the map must not be
    /// used.
    pub(super) fn compose(
        &mut self,
        vertices: Option<&[u32]>,
        identity: &Identity,
        view: View,
    ) -> Result {
        // CAST: `usize` is at least 32 bits wide.
        let columns = self.grid.columns() as usize;
        let count = vertices.map_or(identity.grid().vertices(), <[u32]>::len);
        if count != self.grid.vertices() {
            return Err(EINVAL);
        }
        self.view = view;
        self.vertices.clear();
        if let Some(vertices) = vertices.filter(|_| !view.is_plain()) {
            self.vertices.extend_from_slice(vertices, gfp())?;
        }
        let memory = &self.memory;
        // The two rows take 2 kB of stack: composing the identity at the start of a frame must not
        // allocate.
        let mut first = [0_u32; Grid::MAX_COLUMNS];
        let first = first.get_mut(..columns).ok_or(EINVAL)?;
        if vertices.is_none() {
            identity.fill(first, 0);
        }
        let mut line = [0_u32; Grid::MAX_COLUMNS];
        let line = line.get_mut(..columns).ok_or(EINVAL)?;
        let mut rows = vertices.map(|vertices| vertices.chunks_exact(columns));
        let mut start = 0;
        for row in 0..self.grid.rows() {
            let set = rows.as_mut().map(|rows| rows.next().ok_or(EINVAL));
            let set = set.transpose()?;
            let shown = match set {
                // The vertices are written as they were set, without a copy in between.
                Some(set) if view.is_plain() => set,
                _ => {
                    match set {
                        Some(set) => line.copy_from_slice(set),
                        None => identity.fill_below(first, row, line),
                    }
                    if !view.is_plain() {
                        view.compose(line);
                    }
                    &*line
                }
            };
            let bytes = shown.as_bytes();
            let end = start + bytes.len();
            io_project!(memory, [try: start..end]).copy_from_slice(bytes);
            start = end;
        }
        Ok(())
    }

    /// Returns whether the map is over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.grid == grid
    }

    /// Returns whether the map shows the same as if it were composed with `view`.
    pub(super) fn has(&self, view: &View) -> bool {
        self.view == *view || self.view.is_plain() && view.is_plain()
    }

    /// Returns the vertices as they were set, of a map that is not the identity. Vertices that are
    /// only in `memory` are read into `read`. This takes long, so a thread that starts frames must
    /// not call it.
    pub(super) fn vertices<'a>(&'a self, read: &'a mut KVVec<u32>) -> Result<&'a [u32]> {
        if !self.vertices.is_empty() {
            return Ok(&self.vertices);
        }
        let memory = &self.memory;
        *read = KVVec::from_elem(0_u32, self.grid.vertices(), gfp())?;
        let bytes = read.as_mut_bytes();
        io_project!(memory, [try: ..bytes.len()]).copy_to_slice(bytes);
        Ok(read)
    }

    /// Returns the map's grid and address, for the engine.
    pub(super) fn place(&self) -> frame::Map {
        frame::Map {
            grid: self.grid,
            address: self.memory.dma_address(),
        }
    }
}

/// Maps that are no longer used. They are dropped where freeing them may take time.
pub(super) type Displaced = [Option<Arc<Map>>; 3];

/// The vertex maps of a stream. A new map is written to memory that the engine does not read, and
/// takes effect as a whole, with a frame.
pub(super) struct Maps {
    /// The map that the engine reads. It exists while a queue streams, unless a format was set
    /// since the queue started.
    current: Option<Arc<Map>>,
    /// The map that was set outside of a request, for the frame that starts next.
    next: Option<Arc<Map>>,
    /// The map of the request whose frame starts next. A map that was set before is not used, and
    /// one that is set after this is `next`.
    of_request: Option<Arc<Map>>,
    /// Maps to free when that frame has started.
    aside: [Option<Arc<Map>>; 2],
    /// Memory for more maps. It also exists only while a queue streams.
    spare: [Option<OwnMap>; 2],
    /// How often another map has become the latest.
    changes: u64,
}

impl Maps {
    /// Creates the state without a map.
    pub(super) const fn new() -> Self {
        Self {
            current: None,
            next: None,
            of_request: None,
            aside: [None, None],
            spare: [None, None],
            changes: 0,
        }
    }

    /// Removes all maps, and returns them, to be freed with no lock held.
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

    /// Returns whether there are maps: a queue streams, and no format was set since it started.
    pub(super) fn are_loaded(&self) -> bool {
        self.current.is_some()
    }

    /// Returns the map of the frame that starts now.
    pub(super) fn current(&self) -> Option<&Arc<Map>> {
        self.current.as_ref()
    }

    /// Takes a map that can be composed anew, if one is kept.
    pub(super) fn take_spare(&mut self) -> Option<OwnMap> {
        self.spare.iter_mut().find_map(Option::take)
    }

    /// Returns the map of the next frame, unless its request has another.
    pub(super) fn latest(&self) -> Option<&Arc<Map>> {
        let set = self.next.as_ref().or(self.of_request.as_ref());
        set.or(self.current.as_ref())
    }

    /// Returns how often another map has become the latest.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes `map` the current one, for a stream that starts.
    pub(super) fn load(&mut self, map: Arc<Map>) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        [self.next.take(), self.current.replace(map), None]
    }

    /// Makes `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Arc<Map>) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        let old = self.next.replace(map);
        [self.keep(old), None, None]
    }

    /// Makes the map of a request take effect with the request's frame, which starts next.
    pub(super) fn set_of_request(&mut self, map: Arc<Map>) {
        self.changes = self.changes.wrapping_add(1);
        let overtaken = self.next.take();
        self.put_aside(overtaken);
        // There is none: the frame of each request calls `advance` before the next one.
        let left_over = self.of_request.replace(map);
        self.put_aside(left_over);
    }

    /// Keeps a map to be composed anew, or to be freed when the next frame has started.
    pub(super) fn put_aside(&mut self, map: Option<Arc<Map>>) {
        if let Some(map) = self.keep(map) {
            // A frame puts aside two maps at most, and `advance` empties both places, so one is
            // free. Otherwise the map would be freed here, with the lock held.
            if let Some(place) = self.aside.iter_mut().find(|place| place.is_none()) {
                *place = Some(map);
            }
        }
    }

    /// Makes the map of the frame that starts now the current one. The frame before has ended.
    pub(super) fn advance(&mut self) -> Displaced {
        let [one, other] = mem::take(&mut self.aside);
        let new = self.of_request.take().or_else(|| self.next.take());
        let old = match new {
            Some(new) => self.current.replace(new),
            None => None,
        };
        [one, other, self.keep(old)]
    }

    /// Keeps a map to be composed anew, unless enough are kept, or another reference to it exists,
    /// whose owner frees it. Returns a map that is not kept.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    fn keep(&mut self, map: Option<Arc<Map>>) -> Option<Arc<Map>> {
        let place = self.spare.iter_mut().find(|place| place.is_none());
        let Some(place) = place else {
            return map;
        };
        *place = map.and_then(Arc::into_unique_or_drop);
        None
    }
}
