// SPDX-License-Identifier: GPL-2.0

//! What the device does to a frame: it converts, scales and mirrors, line by line.

use crate::format::{Image, Layout};
use crate::media::prelude::*;
use kernel::prelude::*;

/// A pixel: red, green and blue.
type Pixel = [u8; 3];

/// Reads a pixel of an OUTPUT format.
fn decode(layout: Layout, bytes: &[u8]) -> Option<Pixel> {
    let value = match (layout, bytes) {
        (Layout::Rgb565, &[low, high]) | (Layout::Rgb565X, &[high, low]) => {
            u16::from_le_bytes([low, high])
        }
        (Layout::Bytes(order), bytes) => {
            let mut pixel = Pixel::default();
            for (channel, byte) in order.into_iter().zip(bytes) {
                *pixel.get_mut(channel)? = *byte;
            }
            return Some(pixel);
        }
        _ => return None,
    };
    // CAST: Five or six bits each. The bits that the format lacks are set.
    let [red, green, blue] = [value >> 11, value >> 5 & 0x3f, value & 0x1f].map(|n| n as u8);
    Some([red << 3 | 0x07, green << 2 | 0x03, blue << 3 | 0x07])
}

/// Returns luma, or blue or red difference (BT.601): the sum of the weighted channels and `offset`,
/// in units of 2^-15.
fn sum(pixel: Pixel, weights: [i32; 3], offset: i32) -> u8 {
    let weighted = weights.into_iter().zip(pixel);
    let sum = weighted.fold(offset, |sum, (weight, value)| {
        sum + weight * i32::from(value)
    });
    // CAST: The weights keep the sum in eight bits.
    (sum >> 15) as u8
}

/// Writes two neighbouring pixels of line `y`.
fn encode(layout: Layout, y: usize, pair: [Pixel; 2], to: &mut [u8]) -> Option<()> {
    let [one, two] = pair;
    let luma = |pixel| sum(pixel, [8453, 16_594, 3223], 524_288);
    match layout {
        Layout::Rgb565 | Layout::Rgb565X => {
            let [red, green, blue] = one.map(u16::from);
            let value = red >> 3 << 11 | green >> 2 << 5 | blue >> 3;
            let [low, high] = value.to_le_bytes();
            // As vim2m does: the second pixel is the first one again.
            to.copy_from_slice(&match layout {
                Layout::Rgb565 => [low, high, low, high],
                _ => [high, low, high, low],
            });
        }
        Layout::Bytes(order) => {
            for (pixel, to) in pair.into_iter().zip(to.chunks_exact_mut(3)) {
                for (channel, to) in order.into_iter().zip(to) {
                    *to = *pixel.get(channel)?;
                }
            }
        }
        Layout::Yuyv => to.copy_from_slice(&[
            luma(one),
            sum(one, [-4878, -9578, 14_456], 4_210_688),
            luma(two),
            sum(one, [14_456, -12_105, -2351], 4_210_688),
        ]),
        Layout::Bayer([even, odd]) => {
            let [left, right] = if y % 2 == 0 { even } else { odd };
            to.copy_from_slice(&[*one.get(left)?, *two.get(right)?]);
        }
    }
    Some(())
}

/// The columns of a source that the columns of a destination show, in turn, as vim2m counts them.
fn columns(source: usize, destination: usize) -> impl Iterator<Item = usize> {
    let (mut column, mut error) = (0, 0);
    core::iter::repeat_with(move || {
        let shown = column;
        column += source / destination;
        error += source % destination;
        if error > destination {
            column += 1;
            error -= destination;
        }
        shown
    })
}

/// Writes the destination of `job`, mirrored if `flips` say so: left to right, top to bottom.
pub(crate) fn convert(job: &Job, source: Image, destination: Image, flips: [bool; 2]) -> Result {
    let mut read = KVec::from_elem(0_u8, source.line(), GFP_KERNEL)?;
    let mut written = KVec::from_elem(0_u8, destination.line(), GFP_KERNEL)?;
    let depth = source.format.depth();
    let is_copy = source == destination;
    let [horizontal, vertical] = flips;
    for y in 0..destination.height {
        let from_below = destination.height - 1 - y;
        let shown = if vertical { from_below } else { y };
        let line = shown * source.height / destination.height;
        job.source().read(0, line * source.line(), &mut read)?;
        let mut columns = columns(source.width, destination.width);
        let mut bytes = || {
            let column = columns.next()?;
            let mirrored = source.width.checked_sub(column + 1)?;
            let start = if horizontal { mirrored } else { column } * depth;
            read.get(start..)?.get(..depth)
        };
        if is_copy {
            for to in written.chunks_exact_mut(depth) {
                to.copy_from_slice(bytes().ok_or(EINVAL)?);
            }
        } else {
            let mut pixel = || decode(source.format.layout, bytes()?);
            for to in written.chunks_exact_mut(2 * destination.format.depth()) {
                let pair = [pixel().ok_or(EINVAL)?, pixel().ok_or(EINVAL)?];
                encode(destination.format.layout, y, pair, to).ok_or(EINVAL)?;
            }
        }
        job.destination()
            .write(0, y * destination.line(), &written)?;
    }
    Ok(())
}
