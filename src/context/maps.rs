// SPDX-License-Identifier: GPL-2.0

//! The vertex maps of an open file, in the engine's memory.

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

/// How memory for maps is allocated: any user can ask for 200 kB in one piece, which is no reason
/// for a warning.
fn gfp() -> Flags {
    GFP_KERNEL | __GFP_NOWARN
}

/// A vertex map in memory that the engine can read: vertices, moved to where they show a view.
pub(super) struct Map {
    grid: Grid,
    /// Nobody writes to it once the map is shared.
    memory: Coherent<[u8]>,
    view: View,
    /// The vertices as they were set, over the whole source, for another view. None for the identity,
    /// and if the view is plain: then they are in memory as they were set.
    vertices: KVVec<u32>,
}

/// A map that only its owner knows, and can compose.
pub(super) type OwnMap = Pin<UniqueArc<Map>>;

impl Map {
    /// Memory for a map over `grid`. To be composed before it is used.
    pub(super) fn new(device: &Device<Bound>, grid: Grid) -> Result<OwnMap> {
        let this = Self {
            grid,
            memory: Coherent::zeroed_slice(device, grid.bytes(), gfp())?,
            view: View::new(Crop::full(Size::DEFAULT), [false; 2], Size::DEFAULT),
            vertices: KVVec::new(),
        };
        Ok(UniqueArc::new(this, gfp())?.into())
    }

    /// Composes vertices, or else the identity, and a view. `EINVAL` if there is not one vertex for each
    /// of the grid. After an error the map shows nothing.
    ///
    /// The identity needs no memory, and can be composed by a thread that starts a frame.
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
                // As they were set, without a copy on the way.
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

    /// Whether it is a map over `grid`.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.grid == grid
    }

    /// Whether it shows what it would show if it were composed with `view`.
    pub(super) fn has(&self, view: &View) -> bool {
        self.view == *view || self.view.is_plain() && view.is_plain()
    }

    /// The vertices as they were set, of a map that is not the identity. Those that are only in memory
    /// are read into `read`, which takes long: not for a thread that starts frames.
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

    /// Where the engine finds it.
    pub(super) fn place(&self) -> frame::Map {
        frame::Map {
            grid: self.grid,
            address: self.memory.dma_address(),
        }
    }
}

/// Maps that are no longer used. To be dropped where that may take a while.
pub(super) type Displaced = [Option<Arc<Map>>; 2];

/// The vertex maps of a stream: a new one is written where the engine does not look, and takes
/// effect with a frame, whole.
pub(super) struct Maps {
    /// What the engine reads. There while a queue streams, unless a format was set since it started.
    current: Option<Arc<Map>>,
    /// Set outside of a request, for the frame that starts next.
    next: Option<Arc<Map>>,
    /// Memory for more. Only while a queue streams, too.
    spare: [Option<OwnMap>; 2],
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
    pub(super) fn current(&self) -> Option<&Arc<Map>> {
        self.current.as_ref()
    }

    /// A map to compose anew, if one is kept.
    pub(super) fn take_spare(&mut self) -> Option<OwnMap> {
        self.spare.iter_mut().find_map(Option::take)
    }

    /// The map of the next frame, unless its request brings another.
    pub(super) fn latest(&self) -> Option<&Arc<Map>> {
        self.next.as_ref().or(self.current.as_ref())
    }

    /// How often another map has become the latest.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes `map` the current one, for a stream that starts.
    pub(super) fn load(&mut self, map: Arc<Map>) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        [self.next.take(), self.current.replace(map)]
    }

    /// Makes `map` take effect with the next frame.
    pub(super) fn set_next(&mut self, map: Arc<Map>) -> Displaced {
        self.changes = self.changes.wrapping_add(1);
        let old = self.next.replace(map);
        [self.keep(old), None]
    }

    /// Makes the map of the frame that starts now the current one: that of its request, if it
    /// brings one. The frame before is over.
    pub(super) fn advance(&mut self, of_request: Option<Arc<Map>>) -> Displaced {
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

    /// Keeps a map to compose anew, unless enough are kept, or somebody reads it, who frees it then.
    /// Returns one that is not kept.
    // One copy of the code for all who call it.
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
