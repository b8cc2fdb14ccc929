// SPDX-License-Identifier: GPL-2.0

//! The crop rectangle of OUTPUT, in pixels: what it says is what is shown.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use super::selection_rounding::crops;
use super::{Test, test};
use crate::picture::{draw, luma, noise, spread, uniform};
use crate::v4l2::{Device, Format, Rect, Sent, Stream, Which};

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
    test(
        "a frame has the crop of its start, whatever is set while it runs",
        of_its_start,
    ),
    test(
        "a crop that changes beside running frames is whole in each",
        never_torn,
    ),
    test("a crop and a map go together", with_map),
    test(
        "a crop at the last corner shows nothing but the source",
        last_corner,
    ),
];

/// Sources of a size whose luma tells the column, or the line: roughly from side to side, and to the
/// pixel in waves.
struct Rulers {
    capture: Format,
    /// For columns, and for lines.
    rough: [Vec<Vec<u8>>; 2],
    fine: [Vec<Vec<u8>>; 2],
    size: [u32; 2],
}

/// The places of the source that are to be seen along one side, in pixels of it.
#[derive(Clone, Copy)]
struct Span {
    /// The first.
    start: f64,
    /// From one pixel of the destination to the next.
    step: f64,
    /// How far off each may be.
    slack: f64,
}

impl Span {
    /// What a crop puts into `whole` pixels, through the map that shows all of a source's side.
    fn of_crop(start: i32, length: u32, side: u32, whole: u32) -> Self {
        // The engine is told the start in pixels of the destination, and the length in 1/128 of
        // the side. What is no whole number of either may be off by one, and by half a pixel.
        let exact = start as u32 * whole % side == 0 && length * 128 % side == 0;
        let unit = f64::from(side) / f64::from(whole);
        Self {
            start: start.into(),
            step: f64::from(length) / f64::from(whole),
            slack: if exact { 1.0 } else { unit + 1.5 },
        }
    }
}

/// Up and down between 0 and 255 with a pixel a step, so that a place between two pixels has the
/// luma between theirs.
fn wave(place: f64) -> f64 {
    let phase = place.rem_euclid(510.0);
    phase.min(510.0 - phase)
}

impl Rulers {
    fn set(device: &Device, output: (u32, u32), capture: (u32, u32)) -> Result<Self> {
        let (output, capture) = device.set_formats(
            &Format::new(b"NV12", output.0, output.1),
            &Format::new(b"NV12", capture.0, capture.1),
        )?;
        let (width, height) = (output.width, output.height);
        let drawn = |luma: &dyn Fn(u32, u32) -> u8| -> Result<_> {
            spread(&output, &draw(&output, luma)?, 0)
        };
        // CAST: Not more than 255.
        let fine = |place: u32| wave(place.into()) as u8;
        Ok(Self {
            rough: [
                drawn(&|x, _| (x * 256 / width) as u8)?,
                drawn(&|_, y| (y * 256 / height) as u8)?,
            ],
            fine: [drawn(&|x, _| fine(x))?, drawn(&|_, y| fine(y))?],
            size: [width, height],
            capture,
        })
    }

    /// That a stream shows this rectangle of the source, through the identity.
    fn check(&self, stream: &Stream<'_>, rect: Rect) -> Result<()> {
        let (width, height) = (self.capture.width, self.capture.height);
        self.shows(
            stream,
            [
                Span::of_crop(rect.left, rect.width, self.size[0], width),
                Span::of_crop(rect.top, rect.height, self.size[1], height),
            ],
        )
    }

    /// That a stream shows these places of the source, along the destination's middle lines.
    fn shows(&self, stream: &Stream<'_>, spans: [Span; 2]) -> Result<()> {
        let (width, height) = (self.capture.width as usize, self.capture.height as usize);
        for (axis, span) in spans.into_iter().enumerate() {
            let middle = |source: &[Vec<u8>]| -> Result<Vec<u8>> {
                let frame = luma(&self.capture, &stream.frame(source)?)?;
                Ok(match axis {
                    0 => frame[height / 2 * width..][..width].to_vec(),
                    _ => frame[width / 2..].iter().step_by(width).copied().collect(),
                })
            };
            let (rough, fine) = (middle(&self.rough[axis])?, middle(&self.fine[axis])?);
            let side = f64::from(self.size[axis]);
            for (place, (rough, fine)) in (0_u32..).zip(rough.into_iter().zip(fine)) {
                // Beyond the last pixel the edge repeats.
                let due = (span.start + f64::from(place) * span.step).min(side - 1.0);
                let what = ["column", "line"][axis];
                let about = f64::from(rough) * side / 256.0;
                ensure!(
                    (about - due).abs() <= 2.0 * side / 256.0 + span.slack,
                    "{what} {place} shows the source at about {about:.0}, not {due:.1}"
                );
                ensure!(
                    (f64::from(fine) - wave(due)).abs() <= span.slack,
                    "{what} {place} shows luma {fine}, not the {:.1} of the source at {due:.1}",
                    wave(due)
                );
            }
        }
        Ok(())
    }
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
    let rulers = Rulers::set(&device, (640, 480), (640, 480))?;
    // Half of each side, from 100,60: pixel x,y shows 100 + x/2, 60 + y/2.
    let row = |row: u32| (0..=40).map(move |column| vertex(100 + 8 * column, 60 + 8 * row));
    let map: Vec<u32> = (0..=30).flat_map(row).collect();
    device.set_map(Which::Current, &map)?;
    let stream = Stream::start(&device, 1)?;
    for crop in [
        Rect::new(160, 120, 320, 240),
        Rect::new(240, 180, 400, 300),
        Rect::new(0, 0, 640, 480),
    ] {
        let got = device.set_crop(crop)?;
        ensure!(got == crop, "{crop:?} became {got:?}");
        // The crop chooses among the places of the destination, which the map leads to the source.
        let span = |from: u32, start: i32, length: u32, side: u32| Span {
            start: f64::from(from) + f64::from(start) / 2.0,
            step: f64::from(length) / f64::from(side) / 2.0,
            slack: 1.0,
        };
        let across = span(100, crop.left, crop.width, 640);
        let down = span(60, crop.top, crop.height, 480);
        rulers
            .shows(&stream, [across, down])
            .with_context(|| format!("{crop:?}"))?;
    }
    Ok(())
}

/// A vertex at whole pixels.
fn vertex(x: u32, y: u32) -> u32 {
    (y << 20) | (x << 4)
}

/// Two crops, of another scale and another place each, and what a destination of half the source's
/// size shows of them: every second pixel of the source, and the last quarter of it as it is.
struct Pair {
    capture: Format,
    source: Vec<Vec<u8>>,
    due: [Vec<u8>; 2],
}

impl Pair {
    const CROPS: [Rect; 2] = [
        Rect {
            left: 0,
            top: 0,
            width: 352,
            height: 288,
        },
        Rect {
            left: 176,
            top: 144,
            width: 176,
            height: 144,
        },
    ];

    fn set(device: &Device) -> Result<Self> {
        let (output, capture) = device.set_formats(
            &Format::new(b"NV12", 352, 288),
            &Format::new(b"NV12", 176, 144),
        )?;
        let frame = noise(352 * 288 * 3 / 2, 16);
        let seen = |step: usize, x: usize, y: usize| {
            let row = |line: usize| &frame[(y + step * line) * 352 + x..][..step * 176];
            let rows = (0..144).flat_map(|line| row(line).iter().step_by(step));
            rows.copied().collect()
        };
        Ok(Self {
            capture,
            source: spread(&output, &frame, 0)?,
            due: [seen(2, 0, 0), seen(1, 176, 144)],
        })
    }

    /// Which of the crops a frame shows, and nothing else.
    fn shown(&self, planes: &[Vec<u8>]) -> Result<usize> {
        let got = luma(&self.capture, planes)?;
        let found = self.due.iter().position(|due| *due == got);
        found.context("it shows neither crop")
    }
}

fn of_its_start() -> Result<()> {
    let device = Device::open()?;
    let pair = Pair::set(&device)?;
    let stream = Stream::prepare(&device, 1)?;
    stream.output.write(0, &pair.source)?;
    for round in 0..20 {
        let (now, next) = (round % 2, 1 - round % 2);
        device.set_crop(Pair::CROPS[now])?;
        stream.resume()?;
        // The engine is idle, so the frame has started when this returns.
        stream.queue(0, &Sent::default())?;
        device.set_crop(Pair::CROPS[next])?;
        stream.dequeue()?;
        let shown = pair.shown(&stream.capture.read(0))?;
        ensure!(shown == now, "the frame that ran has the crop of the next");
        let shown = pair.shown(&stream.frame(&pair.source)?)?;
        ensure!(shown == next, "the next frame has the crop of the last");
        stream.stop()?;
    }
    Ok(())
}

fn never_torn() -> Result<()> {
    const BUFFERS: usize = 3;
    // The C driver, which reads a crop while it is set, fails once in some 50.
    const FRAMES: usize = 1000;
    let device = Device::open()?;
    let pair = Pair::set(&device)?;
    let stream = Stream::prepare(&device, BUFFERS as u32)?;
    for index in 0..BUFFERS {
        stream.output.write(index, &pair.source)?;
        stream.queue(index, &Sent::default())?;
    }
    stream.resume()?;
    let over = AtomicBool::new(false);
    let mut seen = [0; 2];
    thread::scope(|scope| {
        let changes = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                for crop in Pair::CROPS {
                    device.set_crop(crop)?;
                }
            }
            Ok(())
        });
        let mut frames = || -> Result<()> {
            for number in 0..FRAMES {
                let (output, capture) = stream.dequeue()?;
                let shown = pair.shown(&stream.capture.read(capture.index));
                seen[shown.with_context(|| format!("frame {number}"))?] += 1;
                stream.capture.queue(capture.index, &Sent::default())?;
                stream.output.queue(output.index, &Sent::default())?;
            }
            Ok(())
        };
        let result = frames();
        over.store(true, Ordering::Relaxed);
        changes.join().ok().context("the thread panicked")??;
        result
    })?;
    ensure!(
        seen.iter().all(|&count| count > 0),
        "only one of two crops was ever seen: {seen:?}"
    );
    Ok(())
}

fn last_corner() -> Result<()> {
    const GREY: u8 = 200;
    let device = Device::open()?;
    let (width, height) = (648, 488);
    let format = Format::new(b"NV12", width, height);
    // A larger picture looks closer, and takes longer.
    for (times, step) in [(1, 1), (2, 4)] {
        let (w, h) = (times * width, times * height);
        let (output, capture) = device.set_formats(&format, &Format::new(b"NV12", w, h))?;
        let source = spread(&output, &draw(&output, |_, _| GREY)?, 0)?;
        let stream = Stream::start(&device, 1)?;
        for (w, h) in crops(width, height).step_by(step) {
            // CAST: Less than a side.
            let last = Rect::new((width - w) as i32, (height - h) as i32, w, h);
            let got = device.set_crop(last)?;
            let shown = uniform(&capture, &stream.frame(&source)?)
                .with_context(|| format!("{got:?} in {}x{}", capture.width, capture.height))?;
            ensure!(shown == GREY, "{got:?} shows {shown}, not {GREY}");
        }
    }
    Ok(())
}
