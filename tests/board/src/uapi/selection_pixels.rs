// SPDX-License-Identifier: GPL-2.0

//! Tests the crop rectangle of OUTPUT in pixels: the requested picture is shown, exact to the
//! rounding of the vertex map.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::{draw, luma, noise, spread, uniform};
use crate::v4l2::{Device, Format, Queue, Rect, Sent, Stream, Way};

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
        "a crop shows just the rectangle that was asked for",
        as_asked,
    ),
    test(
        "a crop set while streaming shows in the next frame",
        while_streaming,
    ),
    test(
        "a crop set before a queue streams shows in the first frame",
        before_streaming,
    ),
    test(
        "a crop shows in a destination whose format is set later",
        late_format,
    ),
    test("S_FMT of OUTPUT shows the whole source again", reset),
    test(
        "a frame has the crop of its start, whatever is set while it runs",
        of_its_start,
    ),
    test(
        "a crop that changes beside running frames is whole in each",
        never_torn,
    ),
    test(
        "a crop at the last corner shows nothing but the source",
        last_corner,
    ),
];

/// The largest error of a place, in pixels of the source: 1/32 pixel where a map is set or
/// computed, and another one where it is composed with a crop.
const PLACE: f64 = 1.0 / 16.0;

/// The largest error of a luma, where neighbours differ by one: the error of the place, its
/// rounding to 1/256 pixel, and the rounding to a whole number.
const LUMA: f64 = PLACE + 1.0 / 512.0 + 0.5;

/// Sources of a size whose luma shows the column, or the line: roughly from side to side, and to
/// the pixel in waves.
pub(super) struct Rulers {
    capture: Format,
    /// The rough sources for columns, and for lines.
    rough: [Vec<Vec<u8>>; 2],
    fine: [Vec<Vec<u8>>; 2],
    size: [u32; 2],
}

/// The places of the source that are visible along one side, in pixels of it.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The first place.
    pub start: f64,
    /// The distance from one pixel of the destination to the next.
    pub step: f64,
}

/// Rises and falls between 0 and 255 by one in each pixel, so that a place between two pixels has
/// the luma between theirs.
fn wave(place: f64) -> f64 {
    let phase = place.rem_euclid(510.0);
    phase.min(510.0 - phase)
}

impl Rulers {
    /// Sets both formats and draws the sources.
    pub fn set(device: &Device, output: (u32, u32), capture: (u32, u32)) -> Result<Self> {
        let (output, capture) = device.set_formats(
            &Format::new(b"NV12", output.0, output.1),
            &Format::new(b"NV12", capture.0, capture.1),
        )?;
        let (width, height) = (output.width, output.height);
        let drawn = |luma: &dyn Fn(u32, u32) -> u8| -> Result<_> {
            spread(&output, &draw(&output, luma)?, 0)
        };
        // CAST: It is not more than 255.
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

    /// Checks that a stream shows this rectangle of the source, with the identity map.
    pub fn check(&self, stream: &Stream<'_>, rect: Rect) -> Result<()> {
        let span = |start: i32, length: u32, whole: u32| Span {
            start: start.into(),
            step: f64::from(length) / f64::from(whole),
        };
        let spans = [
            span(rect.left, rect.width, self.capture.width),
            span(rect.top, rect.height, self.capture.height),
        ];
        self.shows(spans, |source| stream.frame(source))
            .with_context(|| format!("{rect:?}"))
    }

    /// Checks that frames of the sources, which `frame` processes, show these places of the source
    /// along the destination's middle lines.
    pub fn shows(
        &self,
        spans: [Span; 2],
        frame: impl FnMut(&[Vec<u8>]) -> Result<Vec<Vec<u8>>>,
    ) -> Result<()> {
        let at = |axis: usize, place| spans[axis].start + place * spans[axis].step;
        self.shows_at(at, frame)
    }

    /// Checks the same for places from a function of the axis, 0 or 1, and the place in the
    /// destination.
    pub fn shows_at(
        &self,
        at: impl Fn(usize, f64) -> f64,
        mut frame: impl FnMut(&[Vec<u8>]) -> Result<Vec<Vec<u8>>>,
    ) -> Result<()> {
        let (width, height) = (self.capture.width as usize, self.capture.height as usize);
        for axis in 0..2 {
            let mut middle = |source: &[Vec<u8>]| -> Result<Vec<u8>> {
                let frame = luma(&self.capture, &frame(source)?)?;
                Ok(match axis {
                    0 => frame[height / 2 * width..][..width].to_vec(),
                    _ => frame[width / 2..].iter().step_by(width).copied().collect(),
                })
            };
            let (rough, fine) = (middle(&self.rough[axis])?, middle(&self.fine[axis])?);
            let side = f64::from(self.size[axis]);
            for (place, (rough, fine)) in (0_u32..).zip(rough.into_iter().zip(fine)) {
                // After the last pixel the edge is repeated.
                let due = at(axis, place.into()).min(side - 1.0);
                let what = ["column", "line"][axis];
                let about = f64::from(rough) * side / 256.0;
                ensure!(
                    (about - due).abs() <= 2.0 * side / 256.0 + PLACE,
                    "{what} {place} shows the source at about {about:.0}, not {due:.1}"
                );
                ensure!(
                    (f64::from(fine) - wave(due)).abs() <= LUMA,
                    "{what} {place} shows luma {fine}, not the {:.2} of the source at {due:.2}",
                    wave(due)
                );
            }
        }
        Ok(())
    }
}

/// Sets a crop, which must be accepted without a change.
pub(super) fn set_crop(device: &Device, wanted: Rect) -> Result<()> {
    let got = device.set_crop(wanted).context("S_SELECTION")?;
    ensure!(got == wanted, "{wanted:?} became {got:?}");
    Ok(())
}

fn same_scale() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (640, 480), (640, 480))?;
    let stream = Stream::start(&device, 1)?;
    for (left, top) in [(0, 0), (320, 240), (160, 120), (320, 0), (0, 240)] {
        let half = Rect::new(left, top, 320, 240);
        set_crop(&device, half)?;
        rulers.check(&stream, half)?;
    }
    Ok(())
}

fn other_shape() -> Result<()> {
    let device = Device::open()?;
    for capture in [(1280, 720), (640, 1280)] {
        let rulers = Rulers::set(&device, (640, 480), capture)?;
        let crop = Rect::new(160, 120, 320, 240);
        set_crop(&device, crop)?;
        let stream = Stream::start(&device, 1)?;
        rulers
            .check(&stream, crop)
            .with_context(|| format!("of 640x480 in {capture:?}"))?;
    }
    Ok(())
}

fn as_asked() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (1000, 752), (504, 376))?;
    let stream = Stream::start(&device, 1)?;
    for wanted in [
        Rect::new(10, 20, 333, 251),
        Rect::new(501, 0, 450, 131),
        Rect::new(3, 101, 77, 526),
        Rect::new(0, 0, 997, 749),
        Rect::new(984, 736, 16, 16),
        Rect::new(0, 700, 1000, 17),
        Rect::new(487, 1, 19, 751),
    ] {
        set_crop(&device, wanted)?;
        rulers.check(&stream, wanted)?;
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
        set_crop(&device, rect).context("while streaming")?;
        rulers.check(&stream, rect)?;
    }
    Ok(())
}

fn before_streaming() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (640, 480), (320, 240))?;
    let stream = Stream::prepare(&device, 1)?;
    let crops = [
        Rect::new(320, 0, 320, 240),
        Rect::new(0, 240, 320, 240),
        Rect::new(160, 120, 320, 240),
    ];
    let [first, earlier, crop] = crops;
    for (one, other) in [(Way::Output, Way::Capture), (Way::Capture, Way::Output)] {
        // The crop is set before both queues stream, between the two starts, and after them.
        for moment in 0..3 {
            let steps = [first, earlier, earlier];
            let at = |step: usize| if step == moment { crop } else { steps[step] };
            let set = |step: usize| match step <= moment {
                true => set_crop(&device, at(step)),
                false => Ok(()),
            };
            set(0)?;
            device.start(one)?;
            set(1)?;
            device.start(other)?;
            set(2)?;
            rulers
                .check(&stream, crop)
                .with_context(|| format!("{one:?} first, and the crop at moment {moment}"))?;
            stream.stop()?;
        }
    }
    Ok(())
}

fn late_format() -> Result<()> {
    let device = Device::open()?;
    let rulers = Rulers::set(&device, (640, 480), (320, 240))?;
    device.set_format(Way::Capture, &Format::new(b"NV12", 640, 480))?;
    let crop = Rect::new(101, 60, 320, 240);
    set_crop(&device, crop)?;
    let output = Queue::allocate(&device, Way::Output, 1)?;
    device.start(Way::Output)?;
    device.set_format(Way::Capture, &rulers.capture)?;
    let capture = Queue::allocate(&device, Way::Capture, 1)?;
    device.start(Way::Capture)?;
    let stream = Stream {
        device: &device,
        output,
        capture,
    };
    rulers.check(&stream, crop)
}

fn reset() -> Result<()> {
    let device = Device::open()?;
    let (output, whole) = (Format::new(b"NV12", 640, 480), Rect::new(0, 0, 640, 480));
    for _ in 0..2 {
        let rulers = Rulers::set(&device, (640, 480), (320, 240))?;
        let crop = Rect::new(320, 240, 320, 240);
        set_crop(&device, crop)?;
        rulers.check(&Stream::start(&device, 1)?, crop)?;
        device.set_format(Way::Output, &output)?;
        rulers
            .check(&Stream::start(&device, 1)?, whole)
            .context("after S_FMT of OUTPUT")?;
    }
    Ok(())
}

/// Two crops with different scales and places, and what a destination of half the source's size
/// shows of them: every second pixel of the source, and its last quarter unscaled.
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

    /// Returns which of the crops a frame shows. Returns an error if it shows anything else.
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
    // The C driver, which reads a crop while it is set, fails in about one of 50 frames.
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
    // A larger picture has a finer resolution, and takes longer.
    for (times, step) in [(1, 9), (2, 41)] {
        let (w, h) = (times * width, times * height);
        let (output, capture) = device.set_formats(&format, &Format::new(b"NV12", w, h))?;
        let source = spread(&output, &draw(&output, |_, _| GREY)?, 0)?;
        let stream = Stream::start(&device, 1)?;
        for w in (16..=width).step_by(step) {
            // All heights are used in turn, and all widths.
            let h = 16 + w * 7 % (height - 15);
            // CAST: They are less than a side.
            let last = Rect::new((width - w) as i32, (height - h) as i32, w, h);
            let got = device.set_crop(last)?;
            let shown = uniform(&capture, &stream.frame(&source)?)
                .with_context(|| format!("{got:?} in {}x{}", capture.width, capture.height))?;
            ensure!(shown == GREY, "{got:?} shows {shown}, not {GREY}");
        }
    }
    Ok(())
}
