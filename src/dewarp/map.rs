// SPDX-License-Identifier: GPL-2.0

//! The vertex map: for the corners of each 16x16 block of the destination, the position in the
//! source. The numbers of the C driver's faults are those of docs/dw100-rust.rst.

use super::size::Size;
use core::mem;

/// Side of a block of the destination, in pixels.
pub const BLOCK: u32 = 16;

/// One pixel in UQ12.4.
const ONE: u32 = 16;

/// The corners of all blocks of a destination.
///
/// When a side is not a multiple of [`BLOCK`], the last block is the remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    columns: u32,
    rows: u32,
}

impl Grid {
    /// The number of columns of the widest grid.
    pub const MAX_COLUMNS: usize = Self::of(Size::MAX).columns as usize;

    /// Returns the grid over a destination: 257 x 193 vertices at most.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub const fn of(destination: Size) -> Self {
        Self {
            columns: destination.width().div_ceil(BLOCK) + 1,
            rows: destination.height().div_ceil(BLOCK) + 1,
        }
    }

    /// Returns the number of vertices in a row.
    pub const fn columns(self) -> u32 {
        self.columns
    }

    /// Returns the number of rows of vertices.
    pub const fn rows(self) -> u32 {
        self.rows
    }

    /// Returns the number of all vertices, which is the number of words of the map.
    pub const fn vertices(self) -> usize {
        // CAST: The product is 49,601 at most.
        self.columns.wrapping_mul(self.rows) as usize
    }

    /// Returns the size of the map, bytes.
    pub const fn bytes(self) -> usize {
        self.vertices() * size_of::<u32>()
    }
}

/// Returns a vertex as the engine reads it: Y in the upper half, X in the lower.
///
/// The coordinates are UQ12.4. A coordinate that exceeds it saturates, so 4096.0 becomes 4095.9375
/// and not 0 as in the C driver (its fault 12).
pub fn vertex(x: u32, y: u32) -> u32 {
    const MAX: u32 = 0xffff;
    y.min(MAX) << 16 | x.min(MAX)
}

/// The map that shows the whole source in the whole destination, undistorted.
///
/// A vertex at destination X has source X * source width / destination width, rounded to the
/// nearest 1/16 pixel, halves up; the same for Y. The C driver treats the last block as a whole one
/// and truncates the distance between two vertices (its fault 13): its map is off by pixels if a
/// side is not a multiple of 16, and by up to 1/16 pixel more with each block when it scales.
/// Otherwise both maps are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    source: Size,
    destination: Size,
    grid: Grid,
}

impl Identity {
    /// Creates the identity map from one image to another.
    pub const fn new(source: Size, destination: Size) -> Self {
        Self {
            source,
            destination,
            grid: Grid::of(destination),
        }
    }

    /// Returns the grid of the vertices.
    pub const fn grid(&self) -> Grid {
        self.grid
    }

    /// Returns the source X of a column of vertices, UQ12.4.
    fn x(&self, column: u32) -> u32 {
        coordinate(column, self.source.width(), self.destination.width())
    }

    /// Returns the source Y of a row of vertices, UQ12.4.
    fn y(&self, row: u32) -> u32 {
        coordinate(row, self.source.height(), self.destination.height())
    }

    /// Writes the row of vertices with the number `row` to `line`, from another row with as many
    /// vertices.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub fn fill_below(&self, above: &[u32], row: u32, line: &mut [u32]) {
        let y = self.y(row);
        // Without vector registers, eight vertices in an iteration take two thirds of the
        // instructions.
        let (mut from, mut to) = (above.chunks_exact(8), line.chunks_exact_mut(8));
        for (from, to) in (&mut from).zip(&mut to) {
            for (from, to) in from.iter().zip(to) {
                *to = vertex(from & 0xffff, y);
            }
        }
        for (from, to) in from.remainder().iter().zip(to.into_remainder()) {
            *to = vertex(from & 0xffff, y);
        }
    }

    /// Writes the vertices of a map, row by row, except those before index `from`. Past the end of
    /// the grid the last row is repeated.
    pub fn fill(&self, map: &mut [u32], from: usize) {
        // CAST: There are 257 columns at most.
        let columns = self.grid.columns as usize;
        let mut before = from % columns;
        let mut above: Option<&[u32]> = None;
        // V4L2 also calls this after a program has set the whole map, for the elements behind it:
        // there are none.
        let rows = map.get_mut(from - before..).unwrap_or_default();
        // CAST: A map has few rows.
        for (row, line) in ((from / columns) as u32..).zip(rows.chunks_mut(columns)) {
            if let Some(above) = above.and_then(|above| above.get(..line.len())) {
                self.fill_below(above, row, line);
            } else {
                let y = self.y(row);
                // CAST: `before` is 256 at most.
                let columns = before as u32..;
                for (column, word) in columns.zip(line.get_mut(before..).unwrap_or_default()) {
                    *word = vertex(self.x(column), y);
                }
            }
            // The row in which the map starts may be incomplete, so the next row is not computed
            // from it.
            above = (mem::take(&mut before) == 0).then_some(line);
        }
    }
}

/// Returns the source coordinate of a corner along one side, UQ12.4.
fn coordinate(corner: u32, source: u32, destination: u32) -> u32 {
    let position = corner.saturating_mul(BLOCK).min(destination);
    // The product is 2^28 at most: see the invariants of `Size`.
    let scaled = position.wrapping_mul(source).wrapping_mul(ONE);
    scaled.wrapping_add(destination / 2) / destination
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::*;
    use proptest::prelude::*;

    fn any_size() -> impl Strategy<Value = Size> {
        (176u32..=4096, 144u32..=3072).prop_map(|(w, h)| Size::constrained(w, h))
    }

    fn whole(source: Size, destination: Size) -> Vec<u32> {
        let identity = Identity::new(source, destination);
        let mut map = vec![0; identity.grid().vertices()];
        identity.fill(&mut map, 0);
        map
    }

    /// Returns the largest distance between this map and the C driver's, in X and Y, 1/16 pixel.
    fn distance(source: Size, destination: Size) -> (u32, u32) {
        whole(source, destination)
            .iter()
            .zip(c_driver::map(source, destination))
            .fold((0, 0), |(x, y), (ours, theirs)| {
                (
                    x.max((ours & 0xffff).abs_diff(theirs & 0xffff)),
                    y.max((ours >> 16).abs_diff(theirs >> 16)),
                )
            })
    }

    proptest! {
        #[test]
        fn sides_of_whole_blocks_give_the_map_of_the_c_driver(w in 11u32..256, h in 9u32..=192) {
            let size = Size::constrained(16 * w, 16 * h);
            prop_assert_eq!(whole(size, size), c_driver::map(size, size));
        }

        #[test]
        fn every_vertex_is_the_nearest_there_is(source in any_size(), destination in any_size()) {
            let columns = destination.width().div_ceil(16) + 1;
            for (index, word) in (0u32..).zip(whole(source, destination)) {
                let sides = [
                    (word & 0xffff, index % columns, source.width(), destination.width()),
                    (word >> 16, index / columns, source.height(), destination.height()),
                ];
                for (q, corner, from, to) in sides {
                    let position = i64::from((16 * corner).min(to));
                    let (q, from, to) = (i64::from(q), i64::from(from), i64::from(to));
                    // q / 16 and position * from / to are at most 1/32 apart, and q is the only
                    // such value.
                    let error = q * to - 16 * position * from;
                    let saturated = q == 0xffff && error < 0;
                    prop_assert!(saturated || (-to < 2 * error && 2 * error <= to));
                }
            }
        }

        #[test]
        fn the_last_vertex_is_the_end_of_the_source(
            source in any_size(),
            destination in any_size(),
        ) {
            let last = *whole(source, destination).last().unwrap();
            prop_assert_eq!(last & 0xffff, (16 * source.width()).min(0xffff));
            prop_assert_eq!(last >> 16, 16 * source.height());
        }

        #[test]
        fn filling_leaves_what_stands_before_the_start(from in 0usize..2000) {
            let identity = Identity::new(Size::DEFAULT, Size::DEFAULT);
            let mut map = vec![0xdead_beef; identity.grid().vertices()];
            identity.fill(&mut map, from);
            let kept = from.min(map.len());
            prop_assert!(map[..kept].iter().all(|word| *word == 0xdead_beef));
            prop_assert_eq!(&map[kept..], &whole(Size::DEFAULT, Size::DEFAULT)[kept..]);
        }
    }

    #[test]
    fn a_row_below_another_is_that_row_of_the_map() {
        let (source, destination) = (Size::MAX, Size::constrained(648, 488));
        let identity = Identity::new(source, destination);
        let mut first = vec![0; 42];
        identity.fill(&mut first, 0);
        for (row, due) in (0..).zip(whole(source, destination).chunks(42)) {
            let mut line = vec![0xdead_beef; 42];
            identity.fill_below(&first, row, &mut line);
            assert_eq!(line, due);
        }
    }

    #[test]
    fn the_grid_has_one_vertex_a_corner() {
        let grid = |w, h| {
            let grid = Grid::of(Size::constrained(w, h));
            (grid.columns(), grid.rows(), grid.vertices(), grid.bytes())
        };
        assert_eq!(grid(640, 480), (41, 31, 1271, 5084));
        assert_eq!(grid(1920, 1080), (121, 69, 8349, 33396));
        assert_eq!(grid(4096, 3072), (257, 193, 49601, 198_404));
        assert_eq!(grid(648, 488), (42, 32, 1344, 5376));
    }

    #[test]
    fn a_640x480_map_has_the_values_worked_out_by_hand() {
        let map = whole(Size::DEFAULT, Size::DEFAULT);
        assert_eq!(map[0], 0);
        assert_eq!(map[1], 0x0000_0100);
        assert_eq!(map[40], 0x0000_2800);
        assert_eq!(map[41], 0x0100_0000);
        assert_eq!(map[1270], 0x1e00_2800);
    }

    #[test]
    fn a_width_of_4096_saturates_where_the_c_driver_writes_zero() {
        let map = whole(Size::MAX, Size::MAX);
        assert_eq!(map[255], 0xff00);
        assert_eq!(map[256], 0xffff);
        // This is the C driver's fault 12.
        assert!(c_driver::map(Size::MAX, Size::MAX)
            .iter()
            .all(|word| word & 0xffff == 0));
    }

    #[test]
    fn a_remainder_block_moves_the_c_drivers_map_by_pixels() {
        // Fault 13: 8.4 pixels at 1080 lines, 15.1 at 1944, 10 at a width of 648.
        let off = |w, h| {
            let size = Size::constrained(w, h);
            distance(size, size)
        };
        assert_eq!(off(1920, 1080), (0, 134));
        assert_eq!(off(2592, 1944), (0, 242));
        assert_eq!(off(648, 480).0 / 16, 10);
    }

    #[test]
    fn scaling_up_makes_the_c_driver_fall_short_of_the_end() {
        // 85 instead of 85 1/3 sixteenths a block, 120 blocks: 2.5 pixels short.
        let (x, _) = distance(Size::DEFAULT, Size::constrained(1920, 1440));
        assert_eq!(x, 40);
    }

    #[test]
    fn past_the_end_the_last_row_goes_on() {
        let identity = Identity::new(Size::MAX, Size::MAX);
        let (columns, vertices) = (257, 257 * 193);
        let mut map = vec![0; vertices + columns + 9];
        identity.fill(&mut map, 0);
        assert_eq!(
            map[vertices..][..columns],
            map[vertices - columns..vertices]
        );
        assert_eq!(map[vertices + columns..], map[vertices - columns..][..9]);
    }
}
