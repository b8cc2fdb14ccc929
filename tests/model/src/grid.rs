// SPDX-License-Identifier: GPL-2.0
//! The vertex map: which source coordinate belongs to a destination pixel.
//!
//! A vertex stands at each corner of the destination's 16x16 blocks; the last block of a
//! row or column has the pixels that remain. Vertices hold UQ12.4 source coordinates, x in
//! bits 15:0, y in bits 31:16.
//!
//! Assumed for the zoom: pixel (x, y) looks the map up at destination position (x, y) *
//! SCALE_FACTOR / 128 + ROI_START. ROI_START therefore counts destination pixels: with a
//! map that spreads the whole source over the destination, SCALE `128 * crop / source` and
//! ROI `left * destination / source` fill the destination with the crop rectangle. In
//! [`World::RoiByWidth`] ROI_START.Y has another unit. Assumed for the rounding: the four
//! vertices are weighted exactly and the sum is rounded to 1/256 pixel, half up;
//! [`World::RoundDown`] truncates.

use crate::memory::BusError;
use crate::memory::Memory;
use crate::program::Program;
use crate::world::World;

/// Marks a destination pixel for which there is no source coordinate.
pub const OUTSIDE: u32 = u32::MAX;

/// Fractional bits of the coordinates that [`Grid::row`] yields.
pub const COORDINATE_BITS: u32 = 8;

/// One destination pixel in the units of a map position (1/128 pixel).
const POSITION_ONE: u32 = 128;
/// One block in the units of a map position.
const BLOCK: u32 = 16 * POSITION_ONE;

/// A vertex map in the engine, ready to be looked up.
#[derive(Debug)]
pub struct Grid {
    vertices: Vec<[u16; 2]>,
    columns: usize,
    rows: usize,
    /// Destination size in map positions.
    width: u32,
    height: u32,
    /// Map positions from one pixel to the next.
    step: u32,
    /// Map position of pixel (0, 0).
    start: (u32, u32),
    /// Whether blocks that the map scales down cannot be fetched.
    fetches_one_to_one: bool,
    round_down: bool,
    /// The current row's coordinates at each vertex column, multiplied by the height of the
    /// row's block.
    edge: [Vec<u64>; 2],
}

/// Fetches the map that a program names, as it is in memory.
pub fn fetch(program: &Program, memory: &mut impl Memory) -> Result<Vec<u8>, BusError> {
    let mut map = vec![0; program.map.columns as usize * program.map.rows as usize * 4];
    memory.read(program.map.base, &mut map)?;
    Ok(map)
}

impl Grid {
    /// Prepares the map that [`fetch`] returned for this program.
    pub fn new(program: &Program, map: &[u8]) -> Self {
        let columns = program.map.columns as usize;
        let vertices = map
            .chunks_exact(4)
            .map(|v| {
                [
                    u16::from_le_bytes([v[0], v[1]]),
                    u16::from_le_bytes([v[2], v[3]]),
                ]
            })
            .collect();
        Self {
            vertices,
            columns,
            rows: program.map.rows as usize,
            width: program.destination.width * POSITION_ONE,
            height: program.destination.height * POSITION_ONE,
            // Assumed: values outside the valid range act as its nearest end.
            step: program.scale.clamp(32, POSITION_ONE),
            start: start(program),
            fetches_one_to_one: program.traversal && program.worlds.has(World::TraversalDiffers),
            round_down: program.worlds.has(World::RoundDown),
            edge: [vec![0; columns], vec![0; columns]],
        }
    }

    /// Computes the source coordinates of destination row `y`, in 1/256 pixel; [`OUTSIDE`]
    /// where the map does not reach.
    pub fn row(&mut self, y: u32, xs: &mut [u32], ys: &mut [u32]) {
        xs.fill(OUTSIDE);
        ys.fill(OUTSIDE);
        let position = self.start.1 + y * self.step;
        let block = (position / BLOCK) as usize;
        if position >= self.height || block + 1 >= self.rows {
            return;
        }
        let tall = u64::from(side(self.height, block));
        let down = u64::from(position % BLOCK);
        let upper = &self.vertices[block * self.columns..][..self.columns];
        let lower = &self.vertices[(block + 1) * self.columns..][..self.columns];
        for (axis, edge) in self.edge.iter_mut().enumerate() {
            for (out, (a, b)) in edge.iter_mut().zip(upper.iter().zip(lower)) {
                *out = u64::from(a[axis]) * (tall - down) + u64::from(b[axis]) * down;
            }
        }
        self.interpolate(tall, 0, xs);
        self.interpolate(tall, 1, ys);
        if self.fetches_one_to_one {
            self.drop_spread_blocks(block, xs, ys);
        }
    }

    /// Replaces the coordinates of blocks that the map scales down by [`OUTSIDE`]. `row` is
    /// the block row.
    fn drop_spread_blocks(&self, row: usize, xs: &mut [u32], ys: &mut [u32]) {
        let tall = side(self.height, row);
        let (upper, lower) = (row * self.columns, (row + 1) * self.columns);
        let spread = |block: usize| {
            let corners = [
                upper + block,
                upper + block + 1,
                lower + block,
                lower + block + 1,
            ];
            let [a, b, c, d] = corners.map(|at| self.vertices[at]);
            // Positions have 7 fractional bits, vertices 4.
            let far = |from: [u16; 2], to: [u16; 2], length: u32| {
                let longest = from[0].abs_diff(to[0]).max(from[1].abs_diff(to[1]));
                u32::from(longest) * 8 > length
            };
            let wide = side(self.width, block);
            far(a, b, wide) || far(c, d, wide) || far(a, c, tall) || far(b, d, tall)
        };
        let mut position = self.start.0;
        for (x, y) in xs.iter_mut().zip(ys).take_while(|(x, _)| **x != OUTSIDE) {
            if spread((position / BLOCK) as usize) {
                (*x, *y) = (OUTSIDE, OUTSIDE);
            }
            position += self.step;
        }
    }

    /// Fills one coordinate of a row from `edge`, block by block.
    fn interpolate(&self, tall: u64, axis: usize, out: &mut [u32]) {
        let edge = &self.edge[axis];
        let mut position = self.start.0;
        let mut x = 0;
        while x < out.len() && position < self.width {
            let block = (position / BLOCK) as usize;
            let (Some(&left), Some(&right)) = (edge.get(block), edge.get(block + 1)) else {
                return;
            };
            let wide = side(self.width, block);
            let into = position % BLOCK;
            let count = ((wide - into).div_ceil(self.step) as usize).min(out.len() - x);
            // 4 fractional bits become 8.
            let scale = 1 << (COORDINATE_BITS - 4);
            let area = u64::from(wide) * tall;
            let rounding = if self.round_down { 0 } else { area / 2 };
            let mut sum =
                scale * (left * u64::from(wide - into) + right * u64::from(into)) + rounding;
            let slope = (right.wrapping_sub(left)).wrapping_mul(scale * u64::from(self.step));
            let shift = area.is_power_of_two().then(|| area.trailing_zeros());
            for coordinate in &mut out[x..x + count] {
                *coordinate = match shift {
                    Some(shift) => sum >> shift,
                    None => sum / area,
                } as u32;
                sum = sum.wrapping_add(slope);
            }
            x += count;
            position += count as u32 * self.step;
        }
    }
}

/// Returns the map position of pixel (0, 0).
fn start(program: &Program) -> (u32, u32) {
    let (x, mut y) = (program.roi.0 * POSITION_ONE, program.roi.1 * POSITION_ONE);
    if program.worlds.has(World::RoiByWidth) {
        let (source, destination) = (&program.source, &program.destination);
        let wide = u64::from(source.width) * u64::from(destination.height);
        let tall = u64::from(source.height) * u64::from(destination.width);
        // From the unit of the widths' ratio to source lines, and from these to destination
        // lines.
        let scaled = (u64::from(y) * wide + tall / 2).checked_div(tall);
        // All positions beyond the map are outside, so `y` is limited to the first of them.
        let beyond = u64::from(destination.height * POSITION_ONE);
        y = scaled.unwrap_or(beyond).min(beyond) as u32;
    }
    (x, y)
}

/// Returns how many positions block number `block` spans, of a side of `whole` positions.
fn side(whole: u32, block: usize) -> u32 {
    BLOCK.min(whole - block as u32 * BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::identity_map;
    use crate::program::tests::program;
    use crate::world::Worlds;
    use proptest::prelude::*;

    fn grid(width: u32, height: u32, map: &[u32], scale: u32, roi: (u32, u32)) -> Grid {
        let mut program = program(width, height);
        program.scale = scale;
        program.roi = roi;
        let bytes: Vec<u8> = map.iter().flat_map(|v| v.to_le_bytes()).collect();
        Grid::new(&program, &bytes)
    }

    fn row(grid: &mut Grid, y: u32, width: u32) -> (Vec<u32>, Vec<u32>) {
        let mut xs = vec![0; width as usize];
        let mut ys = xs.clone();
        grid.row(y, &mut xs, &mut ys);
        (xs, ys)
    }

    proptest! {
        #[test]
        fn identity_is_exact_at_any_size(width in 1u32..100, height in 1u32..100) {
            let mut grid = grid(width, height, &identity_map(width, height), 128, (0, 0));
            for y in 0..height {
                let (xs, ys) = row(&mut grid, y, width);
                prop_assert_eq!(xs, (0..width).map(|x| x << 8).collect::<Vec<_>>());
                prop_assert!(ys.iter().all(|&at| at == y << 8));
            }
        }

        #[test]
        fn interpolation_matches_real_numbers(
            width in 1u32..50,
            height in 1u32..50,
            scale in 32u32..=128,
            roi in (0u32..20, 0u32..20),
            seed in prop::collection::vec(any::<u32>(), 25),
        ) {
            let (columns, rows) = (width.div_ceil(16) + 1, height.div_ceil(16) + 1);
            let map = &seed[..(columns * rows) as usize];
            let mut grid = grid(width, height, map, scale, roi);
            let vertex = |c: u32, r: u32| map[(r * columns + c) as usize];
            for y in 0..height {
                let (xs, ys) = row(&mut grid, y, width);
                let v = f64::from(y * scale) / 128.0 + f64::from(roi.1);
                for x in 0..width {
                    let u = f64::from(x * scale) / 128.0 + f64::from(roi.0);
                    let found = (xs[x as usize], ys[x as usize]);
                    if u >= f64::from(width) || v >= f64::from(height) {
                        prop_assert_eq!(found, (OUTSIDE, OUTSIDE));
                        continue;
                    }
                    let (c, r) = ((u / 16.0) as u32, (v / 16.0) as u32);
                    let fu = (u - f64::from(c * 16)) / f64::from(16.min(width - c * 16));
                    let fv = (v - f64::from(r * 16)) / f64::from(16.min(height - r * 16));
                    let mix = |axis: u32| {
                        let at = |c, r| f64::from(vertex(c, r) >> (16 * axis) & 0xffff) / 16.0;
                        (at(c, r) * (1.0 - fu) + at(c + 1, r) * fu) * (1.0 - fv)
                            + (at(c, r + 1) * (1.0 - fu) + at(c + 1, r + 1) * fu) * fv
                    };
                    for (axis, found) in [(0, found.0), (1, found.1)] {
                        let error = f64::from(found) / 256.0 - mix(axis);
                        prop_assert!(error.abs() <= 0.51 / 256.0, "off by {} pixel", error);
                    }
                }
            }
        }
    }

    #[test]
    fn a_map_too_small_for_the_picture_leaves_the_rest_outside() {
        let mut grid = grid(64, 16, &identity_map(64, 16), 128, (0, 0));
        grid.columns = 3;
        grid.edge = [vec![0; 3], vec![0; 3]];
        let (xs, _) = row(&mut grid, 0, 64);
        assert_eq!(xs[31], 31 << 8);
        assert!(xs[32..].iter().all(|&x| x == OUTSIDE));
    }

    /// Returns the source line that the first row of a crop of `lines` lines from `top`
    /// shows, with ROI_START.Y by the ratio of the heights and of the widths.
    fn first_lines(worlds: Worlds, top: u32) -> [u32; 2] {
        // The source has 640x480 pixels, the destination 320x320: heights 480 to 320,
        // widths 640 to 320.
        let map: Vec<u32> = identity_map(320, 320)
            .iter()
            .map(|v| (((v >> 16) * 3 / 2) << 16) | ((v & 0xffff) * 2))
            .collect();
        [top * 320 / 480, top * 320 / 640].map(|roi| {
            let mut program = program(320, 320);
            (program.source.width, program.source.height) = (640, 480);
            program.worlds = worlds;
            program.scale = 64;
            program.roi = (0, roi);
            let bytes: Vec<u8> = map.iter().flat_map(|v| v.to_le_bytes()).collect();
            row(&mut Grid::new(&program, &bytes), 0, 320).1[0] >> 8
        })
    }

    #[test]
    fn roi_lines_are_in_units_of_the_heights_or_of_the_widths() {
        assert_eq!(first_lines(Worlds::NONE, 96), [96, 72]);
        let by_width = Worlds::NONE.with(World::RoiByWidth);
        assert_eq!(first_lines(by_width, 96), [128, 96]);
    }

    #[test]
    fn roi_by_width_takes_any_size() {
        for (width, height, outside) in [(0, 0, true), (8191, 1, true), (1, 8191, false)] {
            let mut program = program(32, 32);
            (program.source.width, program.source.height) = (width, height);
            program.worlds = Worlds::NONE.with(World::RoiByWidth);
            program.roi = (0, 8191);
            let map: Vec<u8> = identity_map(32, 32)
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect();
            let (xs, _) = row(&mut Grid::new(&program, &map), 0, 32);
            assert_eq!(xs[0] == OUTSIDE, outside, "{width}x{height}");
        }
    }

    #[test]
    fn traversal_may_fail_where_the_map_scales_down() {
        // The second block of the first row spans 17 pixels, others 16 or less.
        let mut map = identity_map(48, 32);
        map[1] -= 16;
        let mut program = program(48, 32);
        let bytes: Vec<u8> = map.iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut outside = |traversal, worlds| {
            (program.traversal, program.worlds) = (traversal, worlds);
            let (xs, ys) = row(&mut Grid::new(&program, &bytes), 3, 48);
            let at =
                |list: &[u32]| -> Vec<usize> { (0..48).filter(|&x| list[x] == OUTSIDE).collect() };
            assert_eq!(at(&xs), at(&ys));
            at(&xs)
        };
        let differs = Worlds::NONE.with(World::TraversalDiffers);
        assert_eq!(outside(true, differs), (16..32).collect::<Vec<_>>());
        assert!(outside(false, differs).is_empty());
        assert!(outside(true, Worlds::NONE).is_empty());
    }

    #[test]
    fn vertices_may_be_interpolated_downwards() {
        // Half-way down, 1/16 pixel at the upper right vertex is 1/512 pixel for each
        // column.
        let mut program = program(16, 16);
        let bytes: Vec<u8> = [0u32, 1, 0, 0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let xs = row(&mut Grid::new(&program, &bytes), 8, 16).0;
        assert_eq!(xs[..4], [0, 1, 1, 2]);
        program.worlds = Worlds::NONE.with(World::RoundDown);
        let xs = row(&mut Grid::new(&program, &bytes), 8, 16).0;
        assert_eq!(xs[..4], [0, 0, 1, 1]);
    }

    #[test]
    fn crop_programming_fills_the_picture_with_the_crop() {
        // 640x480 whole source on 320x240: crop 320x240 at (160, 80).
        let map: Vec<u32> = identity_map(320, 240)
            .iter()
            .map(|v| (((v >> 16) * 2) << 16) | ((v & 0xffff) * 2))
            .collect();
        let (scale, roi) = (128 * 320 / 640, (160 * 320 / 640, 80 * 240 / 480));
        let mut grid = grid(320, 240, &map, scale, roi);
        let (xs, ys) = row(&mut grid, 0, 320);
        assert_eq!((xs[0], ys[0]), (160 << 8, 80 << 8));
        assert_eq!(xs[319], (160 + 319) << 8);
        let (_, ys) = row(&mut grid, 239, 320);
        assert_eq!(ys[0], (80 + 239) << 8);
    }
}
