// SPDX-License-Identifier: GPL-2.0

//! Tests maps of requests together with maps that are set at once: which frame shows which, and
//! which is the current one afterwards.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::maps::LongFrames;
use super::requests::Requests;
use super::undisturbed::undisturbed;
use super::{Test, repeats, test};
use crate::picture::{BAND, Bands, band_luma, constant_map, identity_map, luma, uniform};
use crate::v4l2::{Device, Format, PATIENCE, Queue, Request, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test(
        "the frame of a request shows its map, whatever is set while it runs",
        of_its_request,
    ),
    test(
        "a request that is queued while a frame runs leaves that its map",
        queued_meanwhile,
    ),
    test(
        "a map for another size that was queued before S_FMT fails its own frame alone",
        queued_before_format,
    ),
    test(
        "a map for another size fails its own frame alone also behind a running one",
        queued_behind_another,
    ),
    test(
        "a map set after a request started its frame stays the current one",
        set_at_once,
    ),
];

/// Puts an OUTPUT buffer and a map into a request and queues it.
fn send(stream: &Stream<'_>, request: &Request, index: usize, map: Option<&[u32]>) -> Result<()> {
    if let Some(map) = map {
        let which = Which::Request(request);
        stream
            .device
            .set_map(which, map)
            .context("a request's map")?;
    }
    let sent = Sent {
        request: Some(request),
        ..Sent::default()
    };
    stream.output.queue(index, &sent)?;
    request.queue().context("queueing a request")
}

/// Allocates two buffers for each queue, with the source in each.
fn two_buffers<'d>(device: &'d Device, long: &LongFrames) -> Result<Stream<'d>> {
    let stream = Stream::prepare(device, 2)?;
    for index in 0..2 {
        stream.output.write(index, &long.bands.source)?;
    }
    Ok(stream)
}

fn of_its_request() -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    let mut long = LongFrames::set(&device)?;
    let stream = two_buffers(&device, &long)?;
    for round in 0..repeats(4) {
        stream.resume()?;
        stream.capture.queue(0, &Sent::default())?;
        // The engine is idle, so the frame has started when this returns.
        let start = Instant::now();
        send(&stream, &media.request()?, 0, Some(long.map(round)))?;
        device.set_map(Which::Current, long.map(round + 10))?;
        long.note(start);
        device.set_map(Which::Current, long.map(round + 20))?;
        device.set_map(Which::Current, long.map(round + 30))?;
        stream.dequeue()?;
        long.bands
            .check(&stream.capture.read(0), round)
            .context("the frame that ran")?;
        stream.capture.queue(0, &Sent::default())?;
        send(&stream, &media.request()?, 0, None)?;
        stream.dequeue()?;
        long.bands
            .check(&stream.capture.read(0), round + 30)
            .context("the next frame")?;
        stream.stop()?;
    }
    long.came_in_time()
}

fn queued_meanwhile() -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    let mut long = LongFrames::set(&device)?;
    let stream = two_buffers(&device, &long)?;
    for round in 0..4 {
        stream.resume()?;
        for index in 0..2 {
            stream.capture.queue(index, &Sent::default())?;
        }
        let start = Instant::now();
        for index in 0..2 {
            let map = long.map(round + 20 * index as u32);
            send(&stream, &media.request()?, index, Some(map))?;
        }
        long.note(start);
        for index in 0..2 {
            stream.dequeue()?;
            long.bands
                .check(&stream.capture.read(index), round + 20 * index as u32)
                .with_context(|| format!("frame {index}"))?;
        }
        stream.stop()?;
    }
    long.came_in_time()
}

/// Tests a request with a map for 176x144, then the size 320x240, and perhaps a map for that.
/// `before` frames without a map are queued before the one of the request.
fn outgrown(before: usize, later: Option<u32>) -> Result<()> {
    let device = Device::open()?;
    let small = Bands::set(&device)?;
    let media = device.media()?;
    let output = Queue::allocate(&device, Way::Output, 2)?;
    output.write(0, &small.source)?;
    output.write(1, &small.source)?;
    device.start(Way::Output)?;
    let requests = (0..=before)
        .map(|_| media.request())
        .collect::<Result<Vec<_>, _>>()?;
    let early = &requests[before];
    device.set_map(Which::Request(early), &small.map(6))?;
    for (index, request) in requests.iter().enumerate() {
        let sent = Sent {
            request: Some(request),
            ..Sent::default()
        };
        output.queue(index, &sent)?;
        request.queue().context("queueing a request")?;
    }

    let late = device.set_format(Way::Capture, &Format::new(b"NV12", 320, 240))?;
    if let Some(band) = later {
        let map = constant_map(&late, band * BAND + BAND / 2, 8);
        device.set_map(Which::Current, &map)?;
    }
    let capture = Queue::allocate(&device, Way::Capture, 2)?;
    for index in 0..=before {
        capture.queue(index, &Sent::default())?;
    }
    device.start(Way::Capture)?;
    let stream = Stream {
        device: &device,
        output,
        capture,
    };
    for _ in 0..before {
        stream.dequeue().context("the frame before it")?;
    }
    let (from, to) = stream.dequeue_any().context("the frame with the old map")?;
    ensure!(
        from.failed() && to.failed(),
        "the frame with the map for 176x144 did not fail"
    );
    ensure!(early.completed(PATIENCE)?, "its request never completed");

    let current = device.map(Which::Current)?;
    for index in [1, 0] {
        stream.capture.queue(index, &Sent::default())?;
        send(&stream, &media.request()?, index, None)?;
        stream.dequeue().context("a frame after it")?;
        let frame = stream.capture.read(index);
        match later {
            Some(band) => {
                let shown = uniform(&late, &frame)?;
                ensure!(shown == band_luma(band), "it shows luma {shown}");
            }
            None => {
                ensure!(
                    current == identity_map(&small.output, &late),
                    "the map is not the identity"
                );
                let got = luma(&late, &frame)?;
                // The map shows half of each side, so each column of the destination is every
                // second column of the source.
                let due = |place: usize| band_luma(2 * (place as u32 % late.width) / BAND);
                let wrong = (0..got.len()).find(|&place| got[place] != due(place));
                ensure!(
                    wrong.is_none(),
                    "it is not all of the source: pixel {wrong:?}"
                );
            }
        }
    }
    Ok(())
}

fn queued_before_format() -> Result<()> {
    outgrown(0, None).context("with no map set after S_FMT")?;
    outgrown(0, Some(33)).context("with a map set after S_FMT")
}

/// The interrupt thread starts that frame, and not the process that starts the stream.
fn queued_behind_another() -> Result<()> {
    outgrown(1, None).context("with no map set after S_FMT")?;
    outgrown(1, Some(33)).context("with a map set after S_FMT")
}

fn set_at_once() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    for round in 0..40 {
        let (of_request, later) = (round % 20, 20 + round % 20);
        let request = all.media.request()?;
        let map = all.bands.map(later);
        all.stream.capture.queue(0, &Sent::default())?;
        let both = || -> Result<()> {
            all.queue(&request, 0, Some(of_request))?;
            Ok(device.set_map(Which::Current, &map)?)
        };
        // The kernel's worker runs after both, or between them.
        match round % 2 {
            0 => undisturbed(both)??,
            _ => both()?,
        }
        let told = || format!("round {round}");
        all.take(0, of_request).with_context(told)?;
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        ensure!(
            device.map(Which::Current)? == map,
            "round {round}: the map that was set last is not the current one"
        );
        all.frame(&all.media.request()?, None, later)
            .with_context(told)
            .context("the frame after the map was set")?;
        device.set_map(Which::Current, &all.bands.map(of_request))?;
        all.frame(&all.media.request()?, None, of_request)
            .with_context(told)
            .context("the frame after the request's map was set again")?;
    }
    Ok(())
}
