// SPDX-License-Identifier: GPL-2.0

//! Tests an engine that fails, or raises no interrupt: frames that it did not finish are returned
//! as failed, soon, and no others are. The emulated board's `model` injects the faults.

mod allocations;
mod fail_nth;
mod log;
mod positions;
mod statistics;
mod watchdog;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::binding::Binding;
use crate::harness::{Test, fails, slow_kernel, test};
use crate::model;
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, PATIENCE, Sent, Stream, Which};

/// The tests of how soon frames are returned, for a board on which an instruction takes a
/// nanosecond (`--icount`). On another board a machine with other work may take any time.
pub const TIMED: &[Test] = &[
    test(
        "a frame whose interrupt is lost comes back no later than twice its limit",
        || no_later_than_twice("drop-irq=1"),
    ),
    test(
        "a frame that the engine stalls on comes back no later than twice its limit",
        || no_later_than_twice("stall=1"),
    ),
    test(
        "a frame has a second at least by itself, and a minute at most whatever is set",
        watchdog::bounds,
    ),
];

/// Returns all tests. With `full` they include those that take minutes, instead of samples of them;
/// with `debug` they include fewer samples, and those in which memory runs out, which need a debug
/// kernel.
pub fn tests(full: bool, debug: bool) -> impl Iterator<Item = &'static Test> {
    let positions = match (full, debug) {
        (true, _) => positions::ALL,
        (false, false) => positions::SAMPLE,
        (false, true) => positions::SMALL_SAMPLE,
    };
    let allocations: [&[Test]; 2] = match (debug, full) {
        (false, _) => [&[], &[]],
        (true, false) => [allocations::TESTS, allocations::SAMPLE],
        (true, true) => [allocations::TESTS, allocations::ALL],
    };
    [
        TESTS,
        log::TESTS,
        statistics::TESTS,
        watchdog::TESTS,
        positions,
    ]
    .into_iter()
    .chain(allocations)
    .flatten()
}

const TESTS: &[Test] = &[
    test(
        "a frame whose interrupt is lost comes back as failed and the stream goes on",
        || timed_out("drop-irq=1"),
    ),
    test(
        "a frame that the engine stalls on comes back as failed and the stream goes on",
        || timed_out("stall=1"),
    ),
    test(
        "a frame that times out leaves those of other files alone",
        others_go_on,
    ),
    test(
        "STREAMOFF waits no longer for a frame that never ends",
        || stopped(|stream| Ok(stream.stop()?)),
    ),
    test("close waits no longer for a frame that never ends", || {
        stopped(|stream| {
            stream.abandon();
            Ok(())
        })
    }),
    test(
        "unbinding waits no longer for a frame that never ends",
        unbound,
    ),
    test(
        "a request whose frame times out completes and serves again",
        request_completes,
    ),
    test(
        "each error of the engine fails its own frame and no other",
        errors,
    ),
    test(
        "an AXI error on the way to the source fails its own frame and no other",
        || failed_at_once("dma-fault=1"),
    ),
    test(
        "an error beside a frame that is done does not fail it",
        error_beside_done,
    ),
    test(
        "a spurious interrupt in each frame changes nothing",
        spurious,
    ),
];

/// Returns how soon a small frame that the engine does not end must be returned: the driver was
/// told to wait at least a tenth of a second, and the rest is for a slow board.
fn soon() -> Duration {
    Duration::from_secs(if slow_kernel() { 10 } else { 2 })
}

/// The least time that the driver waits.
const LEAST: Duration = Duration::from_millis(100);

/// A stream with a source in each buffer. Its frames show which map they were made with.
struct Set<'d> {
    bands: Bands,
    stream: Stream<'d>,
}

impl<'d> Set<'d> {
    /// Starts it with `count` buffers for each queue, and a map that shows a band of the source.
    fn start(device: &'d Device, count: u32, band: u32) -> Result<Self> {
        let bands = Bands::set(device)?;
        device.set_map(Which::Current, &bands.map(band))?;
        let stream = Stream::start(device, count)?;
        for index in 0..stream.output.len() {
            stream.output.write(index, &bands.source)?;
        }
        Ok(Self { bands, stream })
    }

    /// Dequeues both buffers of a frame, which must have failed.
    fn take_failed(&self, index: usize) -> Result<()> {
        let (from, to) = self.stream.dequeue_any().context("waiting for the frame")?;
        ensure!(
            from.index == index && to.index == index,
            "{} and {} came back in the place of {index}",
            from.index,
            to.index
        );
        ensure!(from.failed() && to.failed(), "the frame did not fail");
        Ok(())
    }

    /// Dequeues a frame that must be made with the map of this band.
    fn take(&self, index: usize, band: u32) -> Result<()> {
        let (from, to) = self.stream.dequeue()?;
        ensure!(
            from.index == index,
            "{} came back in the place of {index}",
            from.index
        );
        self.bands.check(&self.stream.capture.read(to.index), band)
    }
}

fn timed_out(fault: &str) -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 3, 10)?;
    for round in 0..3 {
        model::set(fault)?;
        let start = Instant::now();
        for index in 0..3 {
            set.stream.queue(index, &Sent::default())?;
        }
        set.take_failed(0)
            .with_context(|| format!("round {round}"))?;
        let took = start.elapsed();
        ensure!(
            (LEAST..soon()).contains(&took),
            "the frame came back after {took:?}"
        );
        for index in 1..3 {
            set.take(index, 10)
                .with_context(|| format!("frame {index} of round {round}"))?;
        }
    }
    Ok(())
}

/// The longest time for queueing and dequeueing a frame on a board on which an instruction takes a
/// nanosecond. The engine takes less than a millisecond for a frame of this size.
const CALLS: Duration = Duration::from_millis(5);

/// Returns how long it takes until a frame that the engine does not end is returned, on such a
/// board. Virtual time jumps forward while the CPU is idle, so a program that is loaded meanwhile
/// could take any time.
fn lost(set: &Set<'_>, fault: &str, patience: Duration) -> Result<Duration> {
    model::set(fault)?;
    let start = Instant::now();
    set.stream.queue(0, &Sent::default())?;
    let capture = set.stream.capture.dequeue_within(patience)?;
    let took = start.elapsed();
    let output = set.stream.output.dequeue_within(patience)?;
    ensure!(
        capture.failed() && output.failed(),
        "the frame did not fail"
    );
    Ok(took)
}

/// Checks that a frame which the engine does not end has at least its time limit, and at most twice
/// that.
fn no_later_than_twice(fault: &str) -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 10)?;
    lost(&set, fault, PATIENCE).context("while the program is loaded")?;
    // The timer still runs after the frame before, which must make no difference.
    for pause_ms in [0, 30, 60, 90, 150, 250] {
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 10)?;
        sleep(Duration::from_millis(pause_ms));
        let took = lost(&set, fault, PATIENCE)?;
        ensure!(
            (LEAST..2 * LEAST + CALLS).contains(&took),
            "{pause_ms} ms after another frame it came back after {took:?}"
        );
    }
    Ok(())
}

fn others_go_on() -> Result<()> {
    let devices = [Device::open()?, Device::open()?];
    let sets = [
        Set::start(&devices[0], 4, 5)?,
        Set::start(&devices[1], 4, 25)?,
    ];
    model::set("drop-irq=3")?;
    for index in 0..4 {
        for set in &sets {
            set.stream.queue(index, &Sent::default())?;
        }
    }
    let mut failed = 0;
    for index in 0..4 {
        for (set, band) in sets.iter().zip([5, 25]) {
            let (from, to) = set.stream.dequeue_any()?;
            ensure!(from.index == index, "frame {index} is missing");
            ensure!(from.failed() == to.failed(), "half a frame failed");
            if from.failed() {
                failed += 1;
            } else {
                set.bands
                    .check(&set.stream.capture.read(to.index), band)
                    .with_context(|| format!("frame {index}"))?;
            }
        }
    }
    ensure!(failed == 1, "{failed} frames failed, not 1");
    Ok(())
}

/// Checks that `end` stops a stream in no more time than the limit of a frame.
fn stopped(end: impl FnOnce(Stream<'_>) -> Result<()>) -> Result<()> {
    {
        let device = Device::open()?;
        let stream = stalled(&device)?;
        let start = Instant::now();
        end(stream)?;
        drop(device);
        let took = start.elapsed();
        ensure!(took < soon(), "it took {took:?}");
    }
    works().context("the next stream")
}

/// Returns a stream with a frame that never ends, and one that waits for it.
fn stalled(device: &Device) -> Result<Stream<'_>> {
    let Set { stream, .. } = Set::start(device, 2, 7)?;
    model::set("stall=1")?;
    for index in 0..2 {
        stream.queue(index, &Sent::default())?;
    }
    Ok(stream)
}

/// Checks that another open file can process a frame.
pub(crate) fn works() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 7)?;
    set.stream.queue(0, &Sent::default())?;
    set.take(0, 7)
}

fn unbound() -> Result<()> {
    let binding = Binding::find()?;
    {
        let device = Device::open()?;
        let stream = stalled(&device)?;
        binding.unbind()?;
        binding.bind()?;
        fails(
            stream.output.dequeue(),
            Errno::ENODEV,
            "taking a frame back afterwards",
        )?;
    }
    works().context("after binding again")
}

fn request_completes() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 0)?;
    let media = device.media()?;
    let request = media.request()?;
    for (fault, band) in [(true, 12), (false, 22), (true, 32), (false, 2)] {
        if fault {
            model::set("drop-irq=1")?;
        }
        device.set_map(Which::Request(&request), &set.bands.map(band))?;
        let sent = Sent {
            request: Some(&request),
            ..Sent::default()
        };
        set.stream.capture.queue(0, &Sent::default())?;
        set.stream.output.queue(0, &sent)?;
        request.queue()?;
        if fault {
            set.take_failed(0)?;
        } else {
            set.take(0, band)?;
        }
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        request.reinit()?;
    }
    Ok(())
}

/// Checks that the next frame, with a fault, fails at once, and the one after it does not.
fn failed_at_once(fault: &str) -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 2, 9)?;
    model::set(fault)?;
    for index in 0..2 {
        set.stream.queue(index, &Sent::default())?;
    }
    set.take_failed(0)?;
    set.take(1, 9).context("the frame after it")
}

fn errors() -> Result<()> {
    for bit in 1..8 {
        let fault = format!("error={:#x}@1", 1 << bit);
        failed_at_once(&fault).with_context(|| fault)?;
    }
    Ok(())
}

fn error_beside_done() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 19)?;
    model::set("error=0x81@1")?;
    set.stream.queue(0, &Sent::default())?;
    set.take(0, 19)
}

fn spurious() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 29)?;
    model::set("spurious-irq=every:1")?;
    let result = (0..20).try_for_each(|frame| -> Result<()> {
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 29).with_context(|| format!("frame {frame}"))
    });
    model::set("spurious-irq=off")?;
    result?;
    fails(
        set.stream.capture.dequeue(),
        Errno::EAGAIN,
        "taking one more frame back",
    )
}
