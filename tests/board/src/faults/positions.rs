// SPDX-License-Identifier: GPL-2.0

//! Tests one fault of the engine at some place in a stream of several open files: each buffer is
//! returned once, the frame with the fault as failed, and all others as if there had been no fault.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::model;
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, PATIENCE, Request, Sent, Stream, Which};

/// The test of each position with one of the faults.
pub(super) const SAMPLE: &[Test] = &[test(
    "a fault at any position of a stream of three files hits one frame, one fault a position",
    || sweep((1..=FRAMES).map(|position| (&FAULTS[position % FAULTS.len()], position))),
)];

/// The test of every fourth position, each with another of the faults.
pub(super) const SMALL_SAMPLE: &[Test] = &[test(
    "a fault at each fourth position of a stream of three files hits one frame",
    || sweep(FAULTS.iter().zip((1..=FRAMES).step_by(4))),
)];

/// The test of each position with each fault.
pub(super) const ALL: &[Test] = &[test(
    "a fault at any position of a stream of three files hits one frame, all faults a position",
    || {
        sweep(
            FAULTS
                .iter()
                .flat_map(|fault| (1..=FRAMES).map(move |position| (fault, position))),
        )
    },
)];

/// The number of frames of a stream, all files together.
const FRAMES: usize = 50;

/// The number of open files.
const FILES: usize = 3;

/// The number of buffers of each queue.
const BUFFERS: usize = 4;

/// A fault of a frame: the model's key up to the frame's number, and how many frames fail.
struct Fault(&'static str, usize);

const FAULTS: [Fault; 13] = [
    Fault("drop-irq=", 1),
    Fault("stall=", 1),
    // The bus times out before the watchdog expires. It also times out where the machine is slow
    // and the frame is done, which does not matter.
    Fault("timeout-cycles=default;stall=", 1),
    Fault("spurious-irq=", 0),
    Fault("dma-fault=", 1),
    Fault("error=0x02@", 1),
    Fault("error=0x04@", 1),
    Fault("error=0x08@", 1),
    Fault("error=0x10@", 1),
    Fault("error=0x20@", 1),
    Fault("error=0x40@", 1),
    Fault("error=0x80@", 1),
    // An error is reported together with a frame that is done.
    Fault("error=0x81@", 0),
];

/// The model's keys for no fault, and a bus that waits without limit.
const NO_FAULT: &str =
    "drop-irq=off;stall=off;spurious-irq=off;dma-fault=off;error=off;timeout-cycles=0";

/// The planes of a frame; [`None`] if it failed.
type Frame = Option<Vec<Vec<u8>>>;

/// One open file and its part of the stream: every third frame.
struct Share<'d> {
    bands: Bands,
    stream: Stream<'d>,
    /// The frames' requests, one for each buffer, each with a map. There are none if the sources
    /// differ.
    requests: Vec<Request>,
    /// The band that the first frame shows.
    first: u32,
}

impl<'d> Share<'d> {
    fn start(device: &'d Device, number: usize) -> Result<Self> {
        // CAST: `number` is less than 3.
        let first = 3 + 11 * number as u32;
        let bands = Bands::set(device)?;
        device.set_map(Which::Current, &bands.map(first))?;
        let stream = Stream::start(device, BUFFERS as u32)?;
        // The last file's frames differ by their maps, those of the others by their sources.
        let with_requests = number == FILES - 1;
        for index in 0..BUFFERS {
            let by = if with_requests { 0 } else { index as u32 };
            stream.output.write(index, &bands.moved(by)?)?;
        }
        let requests = match with_requests {
            true => {
                let media = device.media()?;
                (0..BUFFERS)
                    .map(|_| media.request())
                    .collect::<Result<_, _>>()?
            }
            false => Vec::new(),
        };
        Ok(Self {
            bands,
            stream,
            requests,
            first,
        })
    }

    /// Returns the band that the file's `count`-th frame shows.
    fn band(&self, count: usize) -> u32 {
        let period = if self.requests.is_empty() { BUFFERS } else { 7 };
        // CAST: It is less than the period.
        self.first + (count % period) as u32
    }

    fn queue(&self, count: usize) -> Result<()> {
        let index = count % BUFFERS;
        for plane in self.stream.capture.planes(index) {
            // Bytes that the engine does not write must not look like those of the frame before.
            plane.fill(0xa5);
        }
        let request = self.requests.get(index);
        let sent = Sent {
            request,
            timestamp: count as u64 + 1,
            ..Sent::default()
        };
        if let Some(request) = request {
            let map = self.bands.map(self.band(count));
            self.stream.device.set_map(Which::Request(request), &map)?;
        }
        self.stream.queue(index, &sent)?;
        if let Some(request) = request {
            request.queue()?;
        }
        Ok(())
    }

    /// Dequeues the file's `count`-th frame.
    fn take(&self, count: usize) -> Result<Frame> {
        let (from, to) = self.stream.dequeue_any().context("waiting for it")?;
        let (index, time) = (count % BUFFERS, count as u64 + 1);
        ensure!(
            [from.index, to.index] == [index; 2] && [from.timestamp, to.timestamp] == [time; 2],
            "another came back: {from:?} and {to:?}"
        );
        ensure!(from.failed() == to.failed(), "half of it failed");
        if let Some(request) = self.requests.get(index) {
            ensure!(request.completed(PATIENCE)?, "its request never completed");
            request.reinit()?;
        }
        if from.failed() {
            return Ok(None);
        }
        let planes = self.stream.capture.read(index);
        self.bands.check(&planes, self.band(count))?;
        Ok(Some(planes))
    }

    /// Checks that all buffers are returned.
    fn is_over(&self) -> Result<()> {
        for queue in [&self.stream.output, &self.stream.capture] {
            fails(queue.dequeue(), Errno::EAGAIN, "taking one buffer more")?;
        }
        Ok(())
    }
}

/// Processes a whole stream. Returns the result of each frame.
fn stream(shares: &[Share<'_>]) -> Result<Vec<Frame>> {
    for frame in 0..FILES * BUFFERS {
        shares[frame % FILES].queue(frame / FILES)?;
    }
    let mut frames = Vec::new();
    for frame in 0..FRAMES {
        let share = &shares[frame % FILES];
        let taken = share.take(frame / FILES);
        frames.push(taken.with_context(|| format!("frame {frame}"))?);
        if frame + FILES * BUFFERS < FRAMES {
            share.queue(frame / FILES + BUFFERS)?;
        }
    }
    shares.iter().try_for_each(Share::is_over)?;
    Ok(frames)
}

/// Processes a stream for each fault and position.
fn sweep<'f>(faults: impl Iterator<Item = (&'f Fault, usize)>) -> Result<()> {
    let devices = [Device::open()?, Device::open()?, Device::open()?];
    let shares = devices
        .iter()
        .enumerate()
        .map(|(number, device)| Share::start(device, number))
        .collect::<Result<Vec<_>>>()?;
    model::set(NO_FAULT)?;
    let wanted = stream(&shares).context("a stream with no fault")?;
    ensure!(wanted.iter().all(Option::is_some), "it fails with no fault");
    let result = faults
        .into_iter()
        .try_for_each(|(Fault(what, due), position)| {
            let setting = format!("{what}{position}");
            let hit = || -> Result<()> {
                model::set(&format!("{NO_FAULT};{setting}"))?;
                let frames = stream(&shares)?;
                let failed = frames.iter().filter(|frame| frame.is_none()).count();
                ensure!(failed == *due, "{failed} frames failed, not {due}");
                let differs = |(got, wanted): (&Frame, &Frame)| got.is_some() && got != wanted;
                let other = frames.iter().zip(&wanted).position(differs);
                ensure!(other.is_none(), "frame {other:?} is another one");
                Ok(())
            };
            hit().with_context(|| setting.clone())
        });
    model::set(NO_FAULT)?;
    result
}
