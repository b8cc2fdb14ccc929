// SPDX-License-Identifier: GPL-2.0

//! Tests the crop rectangle of OUTPUT together with maps that programs set: a map's picture of the
//! whole source becomes one of the crop. A map is composed with the present crop, and one in a
//! request with the crop at the time when the request was queued.

use anyhow::{Context, Result, ensure};

use super::selection_pixels::{Rulers, Span, set_crop};
use super::{Test, test};
use crate::v4l2::{Device, Format, Media, Rect, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test("a crop shows what a map shows, in the crop", with_map),
    test(
        "a crop set while streaming holds for the map that is in use",
        while_streaming,
    ),
    test(
        "a map set while streaming shows in the crop that is in use",
        map_while_streaming,
    ),
    test(
        "S_FMT of OUTPUT shows a map in the whole source again",
        reset,
    ),
    test(
        "a map of a request has the crop of the moment when it was queued",
        of_its_queueing,
    ),
    test(
        "a request queued before streaming has the crop of that moment",
        queued_before_streaming,
    ),
    test(
        "a crop set after a request holds for its map from the next frame on",
        after_a_request,
    ),
];

/// A map of half of each side, from some pixel of a source of 640x480, in a destination of that
/// size: pixel x,y shows from.0 + x/2, from.1 + y/2.
#[derive(Clone, Copy)]
struct Half([u32; 2]);

const ONE: Half = Half([100, 60]);
const OTHER: Half = Half([240, 160]);

/// Crops of one shape and of another, at even and odd places.
const CROPS: [Rect; 4] = [
    rect(160, 120, 320, 240),
    rect(241, 17, 399, 211),
    rect(0, 0, 640, 480),
    rect(3, 300, 480, 120),
];

const fn rect(left: i32, top: i32, width: u32, height: u32) -> Rect {
    Rect {
        left,
        top,
        width,
        height,
    }
}

impl Half {
    /// Returns the elements of the map.
    fn words(self) -> Vec<u32> {
        let Self([x, y]) = self;
        let row = |row: u32| (0..=40).map(move |column| vertex(x + 8 * column, y + 8 * row));
        (0..=30).flat_map(row).collect()
    }

    /// Returns the places that it shows in a crop.
    fn spans(self, crop: Rect) -> [Span; 2] {
        let span = |from: u32, start: i32, length: u32, side: u32| {
            let scale = f64::from(length) / f64::from(side);
            Span {
                start: f64::from(start) + scale * f64::from(from),
                step: scale / 2.0,
            }
        };
        [
            span(self.0[0], crop.left, crop.width, 640),
            span(self.0[1], crop.top, crop.height, 480),
        ]
    }
}

/// Returns a vertex at whole pixels.
fn vertex(x: u32, y: u32) -> u32 {
    (y << 20) | (x << 4)
}

fn rulers(device: &Device) -> Result<Rulers> {
    Rulers::set(device, (640, 480), (640, 480))
}

/// Checks that frames without requests show a map in a crop.
fn check(rulers: &Rulers, stream: &Stream<'_>, map: Half, crop: Rect) -> Result<()> {
    rulers
        .shows(map.spans(crop), |source| stream.frame(source))
        .with_context(|| format!("{crop:?}"))
}

fn with_map() -> Result<()> {
    let device = Device::open()?;
    let rulers = rulers(&device)?;
    for crop in CROPS {
        device.set_map(Which::Current, &ONE.words())?;
        set_crop(&device, crop)?;
        check(&rulers, &Stream::start(&device, 1)?, ONE, crop)?;
        // Now the map is set first.
        device.set_map(Which::Current, &OTHER.words())?;
        check(&rulers, &Stream::start(&device, 1)?, OTHER, crop)?;
    }
    Ok(())
}

fn while_streaming() -> Result<()> {
    let device = Device::open()?;
    let rulers = rulers(&device)?;
    device.set_map(Which::Current, &ONE.words())?;
    let stream = Stream::start(&device, 1)?;
    for crop in CROPS {
        set_crop(&device, crop)?;
        check(&rulers, &stream, ONE, crop)?;
    }
    // The last of several crops applies, and a frame in between does not compose it again.
    for crop in CROPS {
        set_crop(&device, crop)?;
    }
    for _ in 0..2 {
        check(&rulers, &stream, ONE, CROPS[3])?;
    }
    Ok(())
}

fn map_while_streaming() -> Result<()> {
    let device = Device::open()?;
    let rulers = rulers(&device)?;
    set_crop(&device, CROPS[1])?;
    let stream = Stream::start(&device, 1)?;
    for map in [ONE, OTHER, ONE] {
        device.set_map(Which::Current, &map.words())?;
        check(&rulers, &stream, map, CROPS[1])?;
    }
    device.set_map(Which::Current, &OTHER.words())?;
    set_crop(&device, CROPS[0])?;
    check(&rulers, &stream, OTHER, CROPS[0]).context("the map first, then the crop")
}

fn reset() -> Result<()> {
    let device = Device::open()?;
    let rulers = rulers(&device)?;
    device.set_map(Which::Current, &ONE.words())?;
    set_crop(&device, CROPS[0])?;
    check(&rulers, &Stream::start(&device, 1)?, ONE, CROPS[0])?;
    device.set_format(Way::Output, &Format::new(b"NV12", 640, 480))?;
    check(&rulers, &Stream::start(&device, 1)?, ONE, CROPS[2]).context("after S_FMT of OUTPUT")
}

/// Queues a request with a source and perhaps a map. No CAPTURE buffer is queued yet.
fn send(stream: &Stream<'_>, media: &Media, source: &[Vec<u8>], map: Option<Half>) -> Result<()> {
    let request = media.request()?;
    stream.output.write(0, source)?;
    if let Some(map) = map {
        let which = Which::Request(&request);
        stream.device.set_map(which, &map.words())?;
    }
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    stream.output.queue(0, &sent)?;
    request.queue().context("queueing a request")
}

/// Queues a CAPTURE buffer, and returns the frame of the request that was queued.
fn take(stream: &Stream<'_>) -> Result<Vec<Vec<u8>>> {
    for plane in stream.capture.planes(0) {
        // Bytes that the engine does not write must not look like those of the frame before.
        plane.fill(0xa5);
    }
    stream.capture.queue(0, &Sent::default())?;
    stream.dequeue()?;
    Ok(stream.capture.read(0))
}

fn of_its_queueing() -> Result<()> {
    let device = Device::open()?;
    let (rulers, media) = (rulers(&device)?, device.media()?);
    let stream = Stream::prepare(&device, 1)?;
    stream.resume()?;
    for (map, then, later) in [
        (ONE, CROPS[0], CROPS[2]),
        (OTHER, CROPS[1], CROPS[0]),
        (ONE, CROPS[2], CROPS[3]),
    ] {
        // The frame has no CAPTURE buffer until the crop has changed.
        let frame = |source: &[Vec<u8>]| {
            set_crop(&device, then)?;
            send(&stream, &media, source, Some(map))?;
            set_crop(&device, later)?;
            take(&stream)
        };
        rulers
            .shows(map.spans(then), frame)
            .with_context(|| format!("queued with {then:?}, before {later:?}"))?;
        ensure!(device.crop()? == later, "the crop is {:?}", device.crop()?);
    }
    Ok(())
}

fn queued_before_streaming() -> Result<()> {
    let device = Device::open()?;
    let (rulers, media) = (rulers(&device)?, device.media()?);
    let stream = Stream::prepare(&device, 1)?;
    let frame = |source: &[Vec<u8>]| {
        set_crop(&device, CROPS[1])?;
        send(&stream, &media, source, Some(ONE))?;
        set_crop(&device, CROPS[0])?;
        stream.resume()?;
        let frame = take(&stream)?;
        stream.stop()?;
        Ok(frame)
    };
    rulers.shows(ONE.spans(CROPS[1]), frame)
}

fn after_a_request() -> Result<()> {
    let device = Device::open()?;
    let (rulers, media) = (rulers(&device)?, device.media()?);
    let stream = Stream::prepare(&device, 1)?;
    stream.resume()?;
    let without_map = |source: &[Vec<u8>]| {
        send(&stream, &media, source, None)?;
        take(&stream)
    };
    for (map, then, later) in [(ONE, CROPS[0], CROPS[1]), (OTHER, CROPS[3], CROPS[2])] {
        // The crop is set while the request waits: its own frame keeps the crop that it was queued
        // with.
        let waiting = |source: &[Vec<u8>]| {
            set_crop(&device, then)?;
            send(&stream, &media, source, Some(map))?;
            set_crop(&device, later)?;
            take(&stream)
        };
        rulers.shows(map.spans(then), waiting)?;
        rulers
            .shows(map.spans(later), without_map)
            .context("set while the request waited, in the frame after its own")?;
        // The crop is set when the frame is over.
        set_crop(&device, then)?;
        rulers
            .shows(map.spans(then), without_map)
            .context("set after the request")?;
    }
    Ok(())
}
