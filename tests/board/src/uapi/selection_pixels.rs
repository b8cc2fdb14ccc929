// SPDX-License-Identifier: GPL-2.0

//! The crop rectangle of OUTPUT, in pixels: what it says is what is shown.

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::{Bands, draw, luma, spread};
use crate::v4l2::{Device, Format, Rect, Stream, Which};

pub(super) const TESTS: &[Test] = &[
    test(
        "a crop shows its corner of the source at the same scale",
        same_scale,
    ),
    test(
        "a crop shows its lines also in a picture of another shape",
        other_shape,
    ),
    test(
        "a crop shows just the rectangle that was returned",
        as_returned,
    ),
    test(
        "a crop set while streaming shows in the next frame",
        while_streaming,
    ),
    test("a crop and a map go together", with_map),
];

/// Two sources of a size: luma that tells the column, and luma that tells the line.
struct Rulers {
    capture: Format,
    columns: Vec<Vec<u8>>,
    lines: Vec<Vec<u8>>,
    size: (u32, u32),
}

impl Rulers {
    fn set(device: &Device, output: (u32, u32), capture: (u32, u32)) -> Result<Self> {
        let (output, capture) = device.set_formats(
            &Format::new(b"NV12", output.0, output.1),
            &Format::new(b"NV12", capture.0, capture.1),
        )?;
        let (width, height) = (output.width, output.height);
        let columns = draw(&output, |x, _| (x * 256 / width) as u8)?;
        let lines = draw(&output, |_, y| (y * 256 / height) as u8)?;
        Ok(Self {
            columns: spread(&output, &columns, 0)?,
            lines: spread(&output, &lines, 0)?,
            size: (width, height),
            capture,
        })
    }

    /// That a stream shows this rectangle of the source: at its first and last column and line,
    /// and in the middle.
    fn check(&self, stream: &Stream<'_>, rect: Rect) -> Result<()> {
        let columns = luma(&self.capture, &stream.frame(&self.columns)?)?;
        let lines = luma(&self.capture, &stream.frame(&self.lines)?)?;
        let (width, height) = (self.capture.width, self.capture.height);
        let middle = (width * (height / 2) + width / 2) as usize;
        let row = |x: u32| columns[middle - (width / 2) as usize + x as usize];
        let column = |y: u32| lines[(y * width + width / 2) as usize];
        for place in [0, width / 4, width / 2, width - 1] {
            near(
                "column",
                place,
                row(place),
                rect.left,
                rect.width,
                width,
                self.size.0,
            )?;
        }
        for place in [0, height / 4, height / 2, height - 1] {
            near(
                "line",
                place,
                column(place),
                rect.top,
                rect.height,
                height,
                self.size.1,
            )?;
        }
        Ok(())
    }
}

/// That the luma at a place of the destination is that of the place in the source which a span
/// puts there. Two steps of 256 are left for filters and for where a pixel's centre is.
fn near(
    what: &str,
    place: u32,
    shown: u8,
    start: i32,
    length: u32,
    whole: u32,
    side: u32,
) -> Result<()> {
    let due = f64::from(start) + f64::from(place) * f64::from(length) / f64::from(whole);
    let got = f64::from(shown) * f64::from(side) / 256.0;
    let slack = 2.0 * f64::from(side) / 256.0;
    ensure!(
        (got - due).abs() <= slack,
        "{what} {place} shows the source at {got:.0}, not {due:.0}"
    );
    Ok(())
}

fn same_scale() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (640, 480), (640, 480))?;
    let stream = Stream::start(&device, 1)?;
    for (left, top) in [(0, 0), (320, 240), (160, 120), (320, 0), (0, 240)] {
        let half = Rect::new(left, top, 320, 240);
        let got = device.set_crop(half)?;
        ensure!(got == half, "{half:?} became {got:?}");
        rulers
            .check(&stream, half)
            .with_context(|| format!("{half:?}"))?;
    }
    Ok(())
}

fn other_shape() -> Result<()> {
    let device = Device::open()?;
    for capture in [(1280, 720), (640, 1280)] {
        let rulers = Rulers::set(&device, (640, 480), capture)?;
        let crop = device.set_crop(Rect::new(160, 120, 320, 240))?;
        let stream = Stream::start(&device, 1)?;
        rulers
            .check(&stream, crop)
            .with_context(|| format!("{crop:?} of 640x480 in {capture:?}"))?;
    }
    Ok(())
}

fn as_returned() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (1000, 752), (504, 376))?;
    let stream = Stream::start(&device, 1)?;
    for (left, top, width, height) in [
        (10, 20, 333, 251),
        (500, 0, 450, 338),
        (100, 100, 700, 526),
        (0, 0, 997, 749),
        (700, 500, 1, 1),
        (250, 188, 257, 193),
    ] {
        let wanted = Rect::new(left, top, width, height);
        let got = device.set_crop(wanted)?;
        rulers
            .check(&stream, got)
            .with_context(|| format!("{wanted:?}, returned as {got:?}"))?;
    }
    Ok(())
}

fn while_streaming() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (640, 480), (320, 240))?;
    let stream = Stream::start(&device, 1)?;
    let whole = Rect::new(0, 0, 640, 480);
    let corner = Rect::new(320, 240, 320, 240);
    for rect in [whole, corner, whole] {
        device
            .set_crop(rect)
            .context("S_SELECTION while streaming")?;
        rulers
            .check(&stream, rect)
            .with_context(|| format!("{rect:?}"))?;
    }
    Ok(())
}

fn with_map() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(27))?;
    device.set_crop(Rect::new(0, 0, 320, 240))?;
    // The crop chooses among the places of the destination, which all show the same.
    bands.check(&crate::v4l2::one_frame(&device, &bands.source)?, 27)
}
