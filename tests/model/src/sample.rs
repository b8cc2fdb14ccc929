// SPDX-License-Identifier: GPL-2.0
//! A source picture in the engine, and bilinear sampling of it.
//!
//! Assumed: coordinates are those of [`crate::grid`], with 8-bit weights, and the sum is rounded
//! half up. A whole coordinate is the place of a sample. Coordinates at or beyond the picture's
//! width or height give the boundary pixel (libcamera: "black for everything > 63" of 64 pixels);
//! between the last sample and that limit the edge is repeated, except in [`World::EdgeBlack`].
//! [`World::RoundDown`] truncates. Chroma is sampled at half the coordinate (vertically only in
//! 4:2:0), truncated to 1/256 chroma sample.

use crate::grid::COORDINATE_BITS;
use crate::memory::BusError;
use crate::memory::Memory;
use crate::program::Layout;
use crate::program::Surface;
use crate::swap;
use crate::world::World;
use crate::world::Worlds;

const ONE: u32 = 1 << COORDINATE_BITS;

/// A source picture, with luma and interleaved UV pairs apart.
#[derive(Debug)]
pub struct Picture {
    width: u32,
    height: u32,
    rows_per_chroma: u32,
    luma: Vec<u8>,
    chroma: Vec<[u8; 2]>,
    /// The first coordinates that are outside.
    limits: (u32, u32),
    /// The value that is added to a sum of weighted samples before it is truncated.
    rounding: u32,
}

impl Picture {
    /// Fetches a picture. Assumed: all of it, whatever the map refers to.
    pub fn fetch(
        surface: &Surface,
        worlds: Worlds,
        memory: &mut impl Memory,
    ) -> Result<Self, BusError> {
        let (width, height) = (surface.width, surface.height);
        let layout = surface.layout;
        let pairs = width.div_ceil(2) as usize;
        let mut luma = Vec::with_capacity(width as usize * height as usize);
        let mut chroma = Vec::with_capacity(pairs * height as usize);
        let mut row = vec![0; layout.luma_row(width)];
        for y in 0..height {
            let offset = u64::from(y) * u64::from(surface.stride);
            swap::read_row(memory, &surface.luma, offset, &mut row)?;
            match layout {
                Layout::Yuv422Packed => {
                    let pixels = row.chunks_exact(2).map(|pixel| pixel[0]);
                    luma.extend(pixels.take(width as usize));
                    chroma.extend(row.chunks_exact(4).map(|two| [two[1], two[3]]));
                }
                Layout::Yuv422SemiPlanar | Layout::Yuv420SemiPlanar => luma.extend(&row),
            }
        }
        let mut row = vec![0; layout.chroma_row(width)];
        for y in 0..layout.chroma_rows(height) {
            let offset = u64::from(y) * u64::from(surface.stride);
            swap::read_row(memory, &surface.chroma, offset, &mut row)?;
            chroma.extend(row.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        }
        Ok(Self {
            width,
            height,
            rows_per_chroma: layout.rows_per_chroma(),
            luma,
            chroma,
            limits: limits(width, height, worlds),
            rounding: rounding(worlds),
        })
    }

    /// Returns whether a coordinate is in the picture.
    fn holds(&self, x: u32, y: u32) -> bool {
        x < self.limits.0 && y < self.limits.1
    }

    /// Computes luma at each coordinate, and `boundary` for those outside.
    pub fn luma_row(&self, xs: &[u32], ys: &[u32], boundary: u8, out: &mut [u8]) {
        let (right, bottom) = (self.width.saturating_sub(1), self.height.saturating_sub(1));
        for (out, (&x, &y)) in out.iter_mut().zip(xs.iter().zip(ys)) {
            *out = if self.holds(x, y) {
                let tap = Tap::new(x, y, right, bottom, self.width as usize);
                tap.blend(tap.at.map(|at| self.luma[at]), self.rounding)
            } else {
                boundary
            };
        }
    }

    /// Computes U and V at every second coordinate, and `boundary` for those outside.
    pub fn chroma_row(&self, xs: &[u32], ys: &[u32], boundary: [u8; 2], out: &mut [u8]) {
        let pitch = self.width.div_ceil(2);
        let right = pitch.saturating_sub(1);
        let bottom = self.height.div_ceil(self.rows_per_chroma).saturating_sub(1);
        let even = xs.iter().step_by(2).zip(ys.iter().step_by(2));
        for (out, (&x, &y)) in out.chunks_exact_mut(2).zip(even) {
            let pair = if self.holds(x, y) {
                let y = y / self.rows_per_chroma;
                let tap = Tap::new(x / 2, y, right, bottom, pitch as usize);
                let near = tap.at.map(|at| self.chroma[at]);
                [0, 1].map(|i| tap.blend(near.map(|pair| pair[i]), self.rounding))
            } else {
                boundary
            };
            out.copy_from_slice(&pair);
        }
    }
}

/// Returns the first coordinates that are outside of a picture, in 1/256 pixel.
fn limits(width: u32, height: u32, worlds: Worlds) -> (u32, u32) {
    let limit = |side: u32| match worlds.has(World::EdgeBlack) {
        true if side != 0 => ((side - 1) << COORDINATE_BITS) + 1,
        _ => side << COORDINATE_BITS,
    };
    (limit(width), limit(height))
}

/// Returns the value that makes a sum of weighted samples round half up, or truncate.
fn rounding(worlds: Worlds) -> u32 {
    match worlds.has(World::RoundDown) {
        true => 0,
        false => ONE * ONE / 2,
    }
}

/// The four samples around a coordinate, and its place between them.
struct Tap {
    at: [usize; 4],
    right: u32,
    down: u32,
}

impl Tap {
    /// Creates the tap of a coordinate. `right` and `bottom` are the last column and row, `pitch`
    /// the row's length.
    /// PANIC: Indexing with the tap does not panic if the whole part of (x, y) is within them.
    #[inline]
    fn new(x: u32, y: u32, right: u32, bottom: u32, pitch: usize) -> Self {
        let (x0, y0) = (x >> COORDINATE_BITS, y >> COORDINATE_BITS);
        let (x1, y1) = ((x0 + 1).min(right) as usize, (y0 + 1).min(bottom) as usize);
        let (upper, lower) = (y0 as usize * pitch, y1 * pitch);
        let x0 = x0 as usize;
        Self {
            at: [upper + x0, upper + x1, lower + x0, lower + x1],
            right: x % ONE,
            down: y % ONE,
        }
    }

    #[inline]
    fn blend(&self, near: [u8; 4], rounding: u32) -> u8 {
        let [a, b, c, d] = near.map(u32::from);
        let upper = a * (ONE - self.right) + b * self.right;
        let lower = c * (ONE - self.right) + d * self.right;
        let sum = upper * (ONE - self.down) + lower * self.down;
        ((sum + rounding) >> (2 * COORDINATE_BITS)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::OUTSIDE;
    use proptest::prelude::*;

    fn picture(width: u32, height: u32, luma: Vec<u8>) -> Picture {
        picture_in(Worlds::NONE, width, height, luma)
    }

    fn picture_in(worlds: Worlds, width: u32, height: u32, luma: Vec<u8>) -> Picture {
        let pairs = (width.div_ceil(2) * height.div_ceil(2)) as usize;
        Picture {
            width,
            height,
            rows_per_chroma: 2,
            luma,
            chroma: (0..pairs).map(|i| [i as u8 * 16, 255 - i as u8]).collect(),
            limits: limits(width, height, worlds),
            rounding: rounding(worlds),
        }
    }

    fn luma(picture: &Picture, x: f64, y: f64) -> u8 {
        let mut out = [0];
        let fixed = |v: f64| (v * 256.0) as u32;
        picture.luma_row(&[fixed(x)], &[fixed(y)], 7, &mut out);
        out[0]
    }

    #[test]
    fn halves_round_up_and_edges_repeat() {
        let picture = picture(2, 2, vec![0, 1, 100, 201]);
        assert_eq!(luma(&picture, 0.5, 0.0), 1);
        assert_eq!(luma(&picture, 0.0, 0.5), 50);
        assert_eq!(luma(&picture, 0.5, 0.5), 76);
        assert_eq!(luma(&picture, 1.75, 1.75), 201);
        assert_eq!(luma(&picture, 1.75, 0.0), 1);
    }

    #[test]
    fn the_boundary_begins_at_width_and_height() {
        let picture = picture(2, 2, vec![9; 4]);
        assert_eq!(luma(&picture, 1.99, 0.0), 9);
        assert_eq!(luma(&picture, 2.0, 0.0), 7);
        assert_eq!(luma(&picture, 0.0, 2.0), 7);
        let mut out = [0; 2];
        picture.chroma_row(&[OUTSIDE], &[OUTSIDE], [3, 4], &mut out);
        assert_eq!(out, [3, 4]);
    }

    #[test]
    fn the_boundary_may_begin_right_beyond_the_last_sample() {
        let picture = picture_in(Worlds::NONE.with(World::EdgeBlack), 2, 2, vec![9; 4]);
        assert_eq!(luma(&picture, 1.0, 1.0), 9);
        assert_eq!(luma(&picture, 1.0 + 1.0 / 256.0, 0.0), 7);
        assert_eq!(luma(&picture, 0.0, 1.5), 7);
        let mut out = [0; 2];
        picture.chroma_row(&[257], &[0], [3, 4], &mut out);
        assert_eq!(out, [3, 4]);
    }

    #[test]
    fn samples_may_be_truncated() {
        let picture = picture_in(
            Worlds::NONE.with(World::RoundDown),
            2,
            2,
            vec![0, 1, 100, 201],
        );
        assert_eq!(luma(&picture, 0.5, 0.0), 0);
        assert_eq!(luma(&picture, 0.5, 0.5), 75);
        assert_eq!(luma(&picture, 1.0, 1.0), 201);
    }

    #[test]
    fn chroma_lies_at_half_the_coordinate() {
        let picture = picture(4, 4, vec![0; 16]);
        let mut out = [0; 4];
        let at = |v: u32| v << COORDINATE_BITS;
        picture.chroma_row(&[at(1), 0, at(2)], &[at(2), 0, at(3)], [0, 0], &mut out);
        // The pairs are 0, 16 above 32, 48: half-way along the lower row, then the corner.
        assert_eq!(out, [40, 253, 48, 252]);
    }

    proptest! {
        #[test]
        fn bilinear_matches_real_numbers(
            samples in prop::collection::vec(any::<u8>(), 12),
            x in 0u32..4 * 256,
            y in 0u32..3 * 256,
        ) {
            let picture = picture(4, 3, samples.clone());
            let mut out = [0];
            picture.luma_row(&[x], &[y], 0, &mut out);
            let at = |x: u32, y: u32| f64::from(samples[(y.min(2) * 4 + x.min(3)) as usize]);
            let (x0, y0) = (x / 256, y / 256);
            let (fx, fy) = (f64::from(x % 256) / 256.0, f64::from(y % 256) / 256.0);
            let exact = (at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx) * (1.0 - fy)
                + (at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx) * fy;
            prop_assert!((f64::from(out[0]) - exact).abs() <= 0.5);
        }
    }
}
