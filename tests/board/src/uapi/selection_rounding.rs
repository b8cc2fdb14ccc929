// SPDX-License-Identifier: GPL-2.0

//! The crop rectangle of OUTPUT where it has to be rounded: which of the engine's it becomes.

use anyhow::{Context, Result, ensure};

use super::selection::source;
use super::{Test, test};
use crate::picture::inside;
use crate::v4l2::bindings::{V4L2_SEL_FLAG_GE as GE, V4L2_SEL_FLAG_LE as LE};
use crate::v4l2::{Device, Rect};

pub(super) const TESTS: &[Test] = &[
    test(
        "the rectangle returned is one that the scale of n/128 gives",
        representable,
    ),
    test(
        "no crop is below a quarter of a side or below 176x144",
        not_too_small,
    ),
    test(
        "with GE the least crop that holds what was asked for, with LE the largest in it",
        flags,
    ),
    test(
        "a rectangle that grows or shrinks keeps its centre",
        centred,
    ),
    test(
        "without flags the crop has the mean of what both sides ask for",
        nearest,
    ),
    test("what was returned can be set again", stable),
];

/// Sizes with and without remainders by 128.
const SIZES: [(u32, u32); 5] = [
    (640, 480),
    (1920, 1080),
    (4096, 3072),
    (648, 488),
    (1368, 1032),
];

/// Rectangles of all shapes for a source of a size.
fn rectangles(width: u32, height: u32) -> impl Iterator<Item = Rect> {
    // Steps without a common divisor, so that each shape comes with many places.
    let spans = move |side: u32| (1..=13).map(move |n| side * n / 13 + n % 3);
    spans(width).flat_map(move |w| {
        spans(height).map(move |h| {
            let place = |side: u32, length: u32, step: u32| {
                (side.saturating_sub(length) * (step % 5) / 4) as i32
            };
            Rect::new(place(width, w, w + h), place(height, h, w), w, h)
        })
    })
}

/// The sizes of crop that the engine has for a source, from the least on: n/128 of both sides to
/// the nearest pixel, for n from 32 to 128, no less than the smallest image.
pub(super) fn crops(width: u32, height: u32) -> impl DoubleEndedIterator<Item = (u32, u32)> {
    let share = |side: u32, scale: u32| (side * scale + 64) / 128;
    (32..=128)
        .map(move |scale| (share(width, scale), share(height, scale)))
        .filter(|crop| crop.0 >= 176 && crop.1 >= 144)
}

/// The least of them.
pub(super) fn least_crop(width: u32, height: u32) -> (u32, u32) {
    crops(width, height).next().unwrap_or((width, height))
}

/// Rectangles that lie in a source and are no less than its least crop: only the engine's scale
/// stands between them and what is returned.
fn fitting(width: u32, height: u32) -> impl Iterator<Item = Rect> {
    let least = least_crop(width, height);
    rectangles(width, height).filter(move |rect| {
        inside(*rect, width, height) && rect.width >= least.0 && rect.height >= least.1
    })
}

fn representable() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in rectangles(width, height) {
            let got = device.set_crop(wanted)?;
            let mut crops = crops(width, height);
            ensure!(
                crops.any(|crop| crop == (got.width, got.height)) && inside(got, width, height),
                "{wanted:?} of {width}x{height} became {got:?}, which is no n/128 of it"
            );
        }
    }
    Ok(())
}

fn not_too_small() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        let least = least_crop(width, height);
        for flags in [0, GE, LE] {
            for (w, h) in [(1, 1), (0, 0), (200, 1), (1, 200), (width / 5, height / 5)] {
                let got = device.set_crop_by(Rect::new(0, 0, w, h), flags)?;
                ensure!(
                    got.width >= least.0 && got.height >= least.1,
                    "{w}x{h} of {width}x{height} became {got:?}"
                );
                ensure!(
                    w > least.0 || h > least.1 || (got.width, got.height) == least,
                    "{w}x{h} of {width}x{height} became {got:?}, and not the least crop {least:?}"
                );
            }
        }
    }
    Ok(())
}

fn flags() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in fitting(width, height) {
            let holds = |crop: &(u32, u32)| crop.0 >= wanted.width && crop.1 >= wanted.height;
            let held = |crop: &(u32, u32)| crop.0 <= wanted.width && crop.1 <= wanted.height;
            let larger = crops(width, height).find(holds);
            let smaller = crops(width, height).rfind(held);
            for (flags, name, due) in [(GE, "GE", larger), (LE, "LE", smaller)] {
                let got = device.set_crop_by(wanted, flags)?;
                ensure!(
                    Some((got.width, got.height)) == due,
                    "{wanted:?} of {width}x{height} became {got:?} with {name}, not {due:?}"
                );
            }
        }
    }
    Ok(())
}

fn centred() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for (wanted, flags) in fitting(width, height).flat_map(|r| [0, GE, LE].map(|f| (r, f))) {
            let got = device.set_crop_by(wanted, flags)?;
            let axes = [
                (wanted.left, wanted.width, got.left, got.width, width),
                (wanted.top, wanted.height, got.top, got.height, height),
            ];
            for (start, length, new_start, new_length, side) in axes {
                // Twice the centre, moved no more than it takes to stay inside, where n/128 of the
                // side may be a part of a pixel more than the length.
                let (length, new) = (i64::from(length), i64::from(new_length));
                let n = (new_length * 128 + side / 2) / side;
                let last = i64::from(side - (side * n).div_ceil(128));
                let centre = (2 * i64::from(start) + length).clamp(new, 2 * last + new);
                let shift = 2 * i64::from(new_start) + new - centre;
                // Half a pixel is lost where the lengths differ by an odd number.
                ensure!(
                    shift.abs() <= 1,
                    "{wanted:?} of {width}x{height} became {got:?}: its centre moved by {}/2",
                    shift
                );
            }
        }
    }
    Ok(())
}

fn nearest() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in fitting(width, height) {
            let got = device.set_crop(wanted)?;
            // Both sides in parts of the source's: how far their mean is from that asked for.
            let error = |w: u32, h: u32| {
                let [w, h, sw, sh] = [w, h, width, height].map(i64::from);
                let mean = |w: i64, h: i64| w * sh + h * sw;
                (mean(w, h) - mean(wanted.width.into(), wanted.height.into())).abs()
            };
            // What is lost in rounding both sides to pixels.
            let slack = i64::from(width + height);
            let best = crops(width, height).map(|(w, h)| error(w, h)).min();
            let got_error = error(got.width, got.height);
            ensure!(
                best.is_some_and(|best| got_error <= best + slack),
                "{wanted:?} of {width}x{height} became {got:?}, and another crop is nearer"
            );
        }
    }
    Ok(())
}

fn stable() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in rectangles(width, height) {
            let first = device.set_crop(wanted)?;
            for flags in [0, GE, LE, GE | LE] {
                let again = device
                    .set_crop_by(first, flags)
                    .with_context(|| format!("{first:?} of {width}x{height}, flags {flags}"))?;
                ensure!(
                    again == first,
                    "{first:?} of {width}x{height} became {again:?} when set again"
                );
            }
        }
    }
    Ok(())
}
