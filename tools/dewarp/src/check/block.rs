// SPDX-License-Identifier: GPL-2.0
//! A block of a map: what the engine shows between four vertices.

use super::Middle;
use crate::format::Size;
use crate::map::{LARGEST, VertexMap};

/// A block of the output, and the source points of its corners.
pub(crate) struct Block {
    pub(crate) at: [u32; 2],
    pub(crate) side: [f64; 2],
    /// The source points: top left, top right, bottom left, bottom right.
    pub(super) corners: [[f64; 2]; 4],
}

pub(crate) fn blocks(map: &VertexMap) -> impl Iterator<Item = Block> {
    let (columns, rows) = VertexMap::dimensions(map.size());
    (0..rows - 1).flat_map(move |row| {
        (0..columns - 1).map(move |column| {
            let (at, end) = (map.position(column, row), map.position(column + 1, row + 1));
            Block {
                at,
                side: [0, 1].map(|axis| f64::from(end[axis] - at[axis])),
                corners: [(0, 0), (1, 0), (0, 1), (1, 1)]
                    .map(|(right, down)| map.point(column + right, row + down)),
            }
        })
    })
}

impl Block {
    /// Returns whether all of the block shows the source.
    pub(crate) fn lies_in(&self, source: Option<Size>) -> bool {
        // A vertex with the largest value that it can store may be clamped.
        let [right, bottom] = source.map_or([LARGEST / 16.0 - 1.0 / 16.0; 2], |size| {
            [f64::from(size.width), f64::from(size.height)]
        });
        self.corners
            .iter()
            .all(|[x, y]| *x <= right && *y <= bottom)
    }

    /// Returns whether none of the block shows the source or an edge of it.
    pub(super) fn is_outside(&self, source: Option<Size>) -> bool {
        let ends = source.map_or([LARGEST / 16.0; 2], |size| {
            [f64::from(size.width), f64::from(size.height)]
        });
        (0..2).any(|axis| self.corners.iter().all(|corner| corner[axis] >= ends[axis]))
    }

    /// Returns the transformation of the source in the block.
    pub(super) fn middle_of(&self) -> Middle {
        let [[a, b], [c, d]] = self.slope();
        Middle {
            scale: [a.hypot(c), b.hypot(d)],
            turned: match self.is_mirrored() {
                // Left and right are exchanged, so the direction down gives the
                // angle.
                true => b.atan2(d),
                false => (-c).atan2(a),
            }
            .to_degrees(),
            mirrored: self.is_mirrored(),
        }
    }

    /// Returns whether any of the block may show the source.
    pub(super) fn meets(&self, source: Size) -> bool {
        [(0, source.width), (1, source.height)]
            .into_iter()
            .all(|(axis, side)| {
                let parts = self.corners.map(|corner| corner[axis]);
                parts.iter().any(|part| *part > 0.0)
                    && parts.iter().any(|part| *part < f64::from(side))
            })
    }

    pub(crate) fn middle(&self) -> [f64; 2] {
        [0, 1].map(|axis| f64::from(self.at[axis]) + self.side[axis] / 2.0)
    }

    /// Returns the source point that the engine interpolates for the middle.
    pub(super) fn between(&self) -> [f64; 2] {
        [0, 1].map(|axis| self.corners.iter().map(|corner| corner[axis]).sum::<f64>() / 4.0)
    }

    /// Returns the area of the source per output pixel, negative if mirrored.
    pub(super) fn area(&self) -> f64 {
        let [[a, b], [c, d]] = self.slope();
        a * d - b * c
    }

    /// Returns whether the block shows the source mirrored, by more than
    /// rounding can make of a block that shows nearly a line.
    pub(super) fn is_mirrored(&self) -> bool {
        self.area() < -self.rounding()
    }

    /// Returns whether the block shows the source not mirrored, by more than
    /// rounding can make of it.
    pub(super) fn is_upright(&self) -> bool {
        self.area() > self.rounding()
    }

    /// Returns how far the area may be off because vertices are rounded to
    /// sixteenths.
    fn rounding(&self) -> f64 {
        let [[a, b], [c, d]] = self.slope().map(|row| row.map(f64::abs));
        (a + b + c + d) / (16.0 * self.side[0].min(self.side[1]))
    }

    /// Returns the source pixels per output pixel, the mean of all directions.
    #[cfg(feature = "preview")]
    pub(crate) fn scale(&self) -> f64 {
        self.area().abs().sqrt()
    }

    /// Returns the source pixels per output pixel: rows x and y, columns across
    /// and down.
    pub(crate) fn slope(&self) -> [[f64; 2]; 2] {
        let [a, b, c, d] = self.corners;
        [0, 1].map(|axis| {
            [
                (b[axis] - a[axis] + d[axis] - c[axis]) / 2.0 / self.side[0],
                (c[axis] - a[axis] + d[axis] - b[axis]) / 2.0 / self.side[1],
            ]
        })
    }
}
