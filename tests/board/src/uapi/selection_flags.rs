// SPDX-License-Identifier: GPL-2.0

//! Tests the flags of VIDIOC_S_SELECTION: which crops they allow, and when the call returns ERANGE.
//! "If constraints flags have to be violated then ERANGE is returned."

use anyhow::{Context, Result, bail, ensure};

use super::selection::{LEAST, SIZES, rectangles, sides, source};
use super::{Test, fails, test};
use crate::v4l2::bindings::{V4L2_SEL_FLAG_GE as GE, V4L2_SEL_FLAG_LE as LE};
use crate::v4l2::{Device, Errno, Rect};

pub(super) const TESTS: &[Test] = &[
    test("a crop that is possible is kept under any flags", any_flags),
    test("what was returned can be set again", stable),
    test(
        "with GE the crop holds what was asked for, or it is ERANGE",
        greater,
    ),
    test(
        "with LE the crop lies in what was asked for, or it is ERANGE",
        less,
    ),
    test(
        "with GE and LE the crop has the size asked for, or it is ERANGE",
        both_flags,
    ),
    test("unknown flags are EINVAL", unknown_flags),
];

/// Rectangles on a source of 640x480 that are no crops: too small, outside, or partly outside.
const IMPOSSIBLE: [Rect; 12] = [
    rect(0, 0, 15, 16),
    rect(0, 0, 16, 15),
    rect(630, 470, 5, 5),
    rect(100, 100, 0, 0),
    rect(-1, 0, 320, 240),
    rect(0, -16, 320, 240),
    rect(400, 300, 320, 240),
    rect(632, 100, 100, 100),
    rect(-84, 100, 100, 100),
    rect(640, 480, 16, 16),
    rect(-50, -50, 5000, 5000),
    rect(i32::MIN, i32::MAX, u32::MAX, u32::MAX),
];

const fn rect(left: i32, top: i32, width: u32, height: u32) -> Rect {
    Rect {
        left,
        top,
        width,
        height,
    }
}

fn any_flags() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in rectangles(width, height) {
            for flags in [0, GE, LE, GE | LE] {
                let told = || format!("{wanted:?} of {width}x{height}, flags {flags}");
                let got = device.set_crop_by(wanted, flags).with_context(told)?;
                ensure!(got == wanted, "{} became {got:?}", told());
            }
        }
    }
    Ok(())
}

fn stable() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    for wanted in IMPOSSIBLE {
        let first = device.set_crop(wanted)?;
        for flags in [0, GE, LE, GE | LE] {
            let again = device
                .set_crop_by(first, flags)
                .with_context(|| format!("{first:?}, flags {flags}"))?;
            ensure!(
                again == first,
                "{first:?} became {again:?} when set again with flags {flags}"
            );
        }
    }
    Ok(())
}

/// Tests flags with each impossible rectangle: the result is the one of `due`, or ERANGE, which
/// leaves the crop unchanged.
fn each(flags: u32, due: impl Fn(Rect) -> Option<Rect>) -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    let good = rect(101, 99, 321, 17);
    for wanted in IMPOSSIBLE {
        let before = device.set_crop(good)?;
        match (device.set_crop_by(wanted, flags), due(wanted)) {
            (Ok(got), Some(due)) => ensure!(
                got == due && device.crop()? == due,
                "{wanted:?} became {got:?}, and not {due:?}"
            ),
            (Err(Errno::ERANGE), None) => ensure!(
                device.crop()? == before,
                "{wanted:?} was refused, and the crop is now {:?}",
                device.crop()?
            ),
            (got, due) => bail!("{wanted:?} gave {got:?}, where {due:?} was due"),
        }
    }
    Ok(())
}

/// Returns a rectangle from both sides, if both are there.
fn of_spans(spans: [Option<(i64, i64)>; 2]) -> Option<Rect> {
    let [across, down] = spans;
    let (across, down) = (across?, down?);
    // CAST: They are in a source of 640x480.
    let span = |span: (i64, i64)| (span.0 as i32, (span.1 - span.0) as u32);
    let ((left, width), (top, height)) = (span(across), span(down));
    Some(rect(left, top, width, height))
}

fn greater() -> Result<()> {
    each(GE, |wanted| {
        // A rectangle that is too small grows; one that leaves the source cannot be contained in a
        // crop.
        let [across, down] = sides(wanted);
        let grown = |(start, end): (i64, i64), side: i64| {
            let length = (end - start).max(LEAST.into());
            let first = start.min(side - length);
            (start >= 0 && end <= side).then_some((first, first + length))
        };
        of_spans([grown(across, 640), grown(down, 480)])
    })
}

fn less() -> Result<()> {
    each(LE, |wanted| {
        // The part of the rectangle in the source is used, if it is long enough.
        let [across, down] = sides(wanted);
        let cut = |(start, end): (i64, i64), side: i64| {
            let (first, last) = (start.max(0), end.min(side));
            (last - first >= LEAST.into()).then_some((first, last))
        };
        of_spans([cut(across, 640), cut(down, 480)])
    })
}

fn both_flags() -> Result<()> {
    each(GE | LE, |wanted| {
        // The rectangle is moved, if a crop can have its length.
        let [across, down] = sides(wanted);
        let moved = |(start, end): (i64, i64), side: i64| {
            let length = end - start;
            let first = start.clamp(0, (side - length).max(0));
            let fits = (LEAST.into()..=side).contains(&length);
            fits.then_some((first, first + length))
        };
        of_spans([moved(across, 640), moved(down, 480)])
    })
}

fn unknown_flags() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    for flags in [1 << 31, 1 << 3, GE | 1 << 16, u32::MAX] {
        for wanted in [rect(0, 0, 320, 300), rect(0, 0, 640, 480)] {
            fails(
                device.set_crop_by(wanted, flags),
                Errno::EINVAL,
                &format!("flags {flags:#x}"),
            )?;
        }
    }
    Ok(())
}
