// SPDX-License-Identifier: GPL-2.0

//! Tests requests: a map belongs to the frame of its request, and to no other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, Media, PATIENCE, Request, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test(
        "each of 32 requests queued at once has the map of its own",
        all_at_once,
    ),
    test(
        "requests that are queued before any queue streams keep their maps",
        before_streaming,
    ),
    test(
        "requests are kept apart also when they are queued while frames run",
        one_after_the_other,
    ),
    test(
        "a request without a map leaves the map as it is",
        without_map,
    ),
    test(
        "the map of a request becomes the current one with its frame",
        becomes_current,
    ),
    test(
        "a request is signalled when both its buffers can be taken back",
        signalled_last,
    ),
    test(
        "a request waits as long as its frame has nowhere to go",
        not_before,
    ),
    test(
        "a completed request gives its map back",
        map_of_completed_request,
    ),
    test(
        "a completed request without a map gives back the one that was used",
        map_used,
    ),
    test(
        "a request serves again after it is reinitialised",
        reinitialised,
    ),
    test(
        "a map for another size of picture fails its own request and no other",
        outgrown_map,
    ),
    test(
        "a map for a transposed size of picture fails its own request and no other",
        transposed_map,
    ),
];

/// A stream whose frames are in requests, and the source of requests.
pub(super) struct Requests<'d> {
    /// Both queues.
    pub stream: Stream<'d>,
    /// The source and the maps whose bands identify frames.
    pub bands: Bands,
    /// The media device that requests are allocated from.
    pub media: Media,
}

impl<'d> Requests<'d> {
    /// Allocates `count` buffers for each queue, with the source in each, and does not start.
    pub fn prepare(device: &'d Device, count: u32) -> Result<Self> {
        let bands = Bands::set(device)?;
        let stream = Stream::prepare(device, count)?;
        for index in 0..stream.output.len() {
            stream.output.write(index, &bands.source)?;
        }
        Ok(Self {
            stream,
            bands,
            media: device.media()?,
        })
    }

    /// Does the same as [`Requests::prepare`], and starts the stream.
    pub fn start(device: &'d Device, count: u32) -> Result<Self> {
        let this = Self::prepare(device, count)?;
        this.stream.resume()?;
        Ok(this)
    }

    /// Puts an OUTPUT buffer and, if there is one, a map into a request and queues it.
    pub fn queue(&self, request: &Request, index: usize, band: Option<u32>) -> Result<()> {
        if let Some(band) = band {
            let map = self.bands.map(band);
            let device = self.stream.device;
            device
                .set_map(Which::Request(request), &map)
                .context("setting a request's map")?;
        }
        self.put(request, index)?;
        request.queue().context("queueing a request")
    }

    /// Puts an OUTPUT buffer into a request.
    pub fn put(&self, request: &Request, index: usize) -> Result<()> {
        let sent = Sent {
            request: Some(request),
            timestamp: index as u64,
            ..Sent::default()
        };
        self.stream
            .output
            .queue(index, &sent)
            .context("putting a buffer into a request")
    }

    /// Processes one frame in a request, which must show `shown`.
    pub fn frame(&self, request: &Request, band: Option<u32>, shown: u32) -> Result<()> {
        self.stream.capture.queue(0, &Sent::default())?;
        self.queue(request, 0, band)?;
        self.take(0, shown)
    }

    /// Dequeues the next frame, which must be of this OUTPUT buffer and show this band.
    pub fn take(&self, index: usize, band: u32) -> Result<()> {
        let (output, capture) = self.stream.dequeue().context("waiting for a frame")?;
        ensure!(
            output.index == index && capture.timestamp == index as u64,
            "frame {} came back in the place of {index}",
            output.index
        );
        self.bands
            .check(&self.stream.capture.read(capture.index), band)
    }
}

/// Queues a request for each of some OUTPUT buffers. Neighbours differ by more than one band, and
/// the order is not that of the bands.
fn queue_all(all: &Requests<'_>) -> Result<Vec<(Request, u32)>> {
    let requests = (0..all.stream.output.len()).map(|index| {
        let request = all.media.request()?;
        let band = (index as u32 * 17 + 3) % 40;
        all.queue(&request, index, Some(band))?;
        Ok((request, band))
    });
    requests.collect()
}

/// Dequeues the frames of those requests.
fn take_all(all: &Requests<'_>, requests: &[(Request, u32)]) -> Result<()> {
    for (index, (request, band)) in requests.iter().enumerate() {
        all.take(index, *band)
            .with_context(|| format!("frame {index}"))?;
        ensure!(request.completed(PATIENCE)?, "a request never completed");
    }
    Ok(())
}

fn all_at_once() -> Result<()> {
    let device = Device::open()?;
    // A queue cannot have more buffers.
    let all = Requests::prepare(&device, 32)?;
    device.start(Way::Output)?;
    let requests = queue_all(&all)?;
    ensure!(requests.len() == 32, "there are {}", requests.len());
    for index in 0..requests.len() {
        all.stream.capture.queue(index, &Sent::default())?;
    }
    device.start(Way::Capture)?;
    take_all(&all, &requests)
}

fn before_streaming() -> Result<()> {
    let device = Device::open()?;
    for order in [[Way::Output, Way::Capture], [Way::Capture, Way::Output]] {
        let all = Requests::prepare(&device, 4)?;
        device.set_map(Which::Current, &all.bands.map(38))?;
        let requests = queue_all(&all)?;
        for index in 0..requests.len() {
            all.stream.capture.queue(index, &Sent::default())?;
        }
        for (request, _) in &requests {
            ensure!(
                !request.completed(Duration::ZERO)?,
                "a request completed before its queue streamed"
            );
        }
        for way in order {
            device.start(way)?;
        }
        take_all(&all, &requests).with_context(|| format!("started in the order {order:?}"))?;
    }
    Ok(())
}

fn one_after_the_other() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 3)?;
    let requests = (0..3)
        .map(|_| all.media.request())
        .collect::<Result<Vec<_>, _>>()?;
    let band = |frame: usize| (frame as u32 * 7) % 40;
    let send = |frame: usize| {
        let slot = frame % 3;
        all.stream.capture.queue(slot, &Sent::default())?;
        all.queue(&requests[slot], slot, Some(band(frame)))
    };
    for frame in 0..3 {
        send(frame)?;
    }
    for frame in 0..40 {
        let slot = frame % 3;
        all.take(slot, band(frame))
            .with_context(|| format!("frame {frame}"))?;
        ensure!(
            requests[slot].completed(PATIENCE)?,
            "a request never completed"
        );
        requests[slot].reinit()?;
        send(frame + 3)?;
    }
    Ok(())
}

fn without_map() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let mut shown = 0;
    for band in [Some(4), None, None, Some(30), None, Some(9), None] {
        shown = band.unwrap_or(shown);
        all.frame(&all.media.request()?, band, shown)
            .with_context(|| format!("a request with {band:?}"))?;
    }
    Ok(())
}

fn becomes_current() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    device.set_map(Which::Current, &all.bands.map(2))?;
    // Its frame cannot run yet, because there is no CAPTURE buffer.
    all.queue(&request, 0, Some(22))?;
    ensure!(
        device.map(Which::Current)? == all.bands.map(2),
        "a request's map is the current one before its frame ran"
    );
    all.stream.capture.queue(0, &Sent::default())?;
    all.take(0, 22)?;
    ensure!(
        device.map(Which::Current)? == all.bands.map(22),
        "the map of a frame that ran is not the current one"
    );
    Ok(())
}

fn signalled_last() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    for round in 0..60 {
        all.stream.capture.queue(0, &Sent::default())?;
        all.queue(&request, 0, Some(round % 40))?;
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        // This does not wait: EAGAIN would mean that the request was signalled before its
        // buffers.
        let capture = all.stream.capture.dequeue();
        let capture = capture.with_context(|| format!("CAPTURE after request {round}"))?;
        let output = all.stream.output.dequeue();
        output.with_context(|| format!("OUTPUT after request {round}"))?;
        all.bands
            .check(&all.stream.capture.read(capture.index), round % 40)?;
        let map = device.map(Which::Request(&request))?;
        ensure!(map == all.bands.map(round % 40), "the map is another one");
        request.reinit()?;
    }
    Ok(())
}

fn not_before() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    all.queue(&request, 0, Some(7))?;
    ensure!(
        !request.completed(Duration::from_millis(100))?,
        "the request completed without a frame"
    );
    fails(
        all.stream.output.dequeue(),
        Errno::EAGAIN,
        "taking OUTPUT back",
    )?;
    fails(request.reinit(), Errno::EBUSY, "reinitialising it")?;
    all.stream.capture.queue(0, &Sent::default())?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    all.take(0, 7)
}

fn map_of_completed_request() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let (first, second) = (all.media.request()?, all.media.request()?);
    all.frame(&first, Some(12), 12)?;
    all.frame(&second, Some(34), 34)?;
    device.set_map(Which::Current, &all.bands.map(1))?;
    for (request, band) in [(&first, 12), (&second, 34)] {
        ensure!(request.completed(PATIENCE)?, "a request never completed");
        ensure!(
            device.map(Which::Request(request))? == all.bands.map(band),
            "the map of a completed request is not its own"
        );
    }
    Ok(())
}

fn map_used() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let (first, second) = (all.media.request()?, all.media.request()?);
    all.frame(&first, Some(12), 12)?;
    all.frame(&second, None, 12)?;
    ensure!(second.completed(PATIENCE)?, "a request never completed");
    device.set_map(Which::Current, &all.bands.map(1))?;
    ensure!(
        device.map(Which::Request(&second))? == all.bands.map(12),
        "the map of a completed request is not the one that its frame used"
    );
    Ok(())
}

fn reinitialised() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    all.frame(&request, Some(5), 5)?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    fails(request.queue(), Errno::EBUSY, "queueing it once more")?;
    request.reinit()?;
    fails(
        request.queue(),
        Errno::ENOENT,
        "queueing it empty after REINIT",
    )?;
    // REINIT removed its map, so the frame uses the current one.
    device.set_map(Which::Request(&request), &all.bands.map(25))?;
    request.reinit()?;
    all.frame(&request, None, 5)?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    request.reinit()?;
    all.frame(&request, Some(16), 16)
}

fn outgrown_map() -> Result<()> {
    map_before_s_fmt((176, 144), (320, 240))
}

/// Tests sizes whose grids have the same number of vertices.
fn transposed_map() -> Result<()> {
    map_before_s_fmt((640, 480), (480, 640))
}

/// Tests a request with a map for one size of the destination, and then another size.
fn map_before_s_fmt(before: (u32, u32), after: (u32, u32)) -> Result<()> {
    let device = Device::open()?;
    let small = Bands::set_to(&device, before.0, before.1)?;
    let media = device.media()?;
    let outgrown = media.request()?;
    device.set_map(Which::Request(&outgrown), &small.map(6))?;

    // The grid has other dimensions now.
    let bands = Bands::set_to(&device, after.0, after.1)?;
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &bands.source)?;
    let all = Requests {
        stream,
        bands,
        media,
    };
    all.frame(&all.media.request()?, Some(10), 10)?;

    all.put(&outgrown, 0)?;
    fails(outgrown.queue(), Errno::EINVAL, "queueing the old map")?;

    device.set_map(Which::Request(&outgrown), &all.bands.map(20))?;
    all.stream.capture.queue(0, &Sent::default())?;
    outgrown.queue().context("with a map that fits")?;
    all.take(0, 20)?;
    all.frame(&all.media.request()?, Some(30), 30)
        .context("the frame after it")
}
