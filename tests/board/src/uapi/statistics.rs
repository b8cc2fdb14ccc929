// SPDX-License-Identifier: GPL-2.0

//! Tests the counters in debugfs, of a device whose engine does not fail.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};

use super::{Test, becomes_true, repeats, test};
use crate::picture::Bands;
use crate::statistics::{Numbers, Statistics, own_numbers};
use crate::v4l2::{Device, PATIENCE, Sent, Stream};

pub(super) const TESTS: &[Test] = &[
    test(
        "statistics count the frames of each file and of the device",
        frames,
    ),
    test(
        "statistics tell how long the engine took and a frame waited",
        times,
    ),
    test(
        "statistics of a file are there while it is open, those of the device for longer",
        closed,
    ),
    test(
        "statistics can be read beside frames and files that come and go",
        beside,
    ),
];

fn frames() -> Result<()> {
    let devices = [Device::open()?, Device::open()?, Device::open()?];
    let before = Statistics::read(&devices[0])?;
    let fresh = before.own().into_iter().cloned().collect::<Vec<_>>();
    ensure!(fresh.len() == 3, "{} files are listed, not 3", fresh.len());
    for (device, frames) in devices.iter().zip([5, 0, 3]) {
        let bands = Bands::set(device)?;
        let stream = Stream::start(device, 2)?;
        for _ in 0..frames {
            stream.frame(&bands.source)?;
        }
    }
    let after = Statistics::read(&devices[0])?;
    for ((before, after), frames) in fresh.iter().zip(after.own()).zip([5, 0, 3]) {
        ensure!(
            before.get("frames_done")? == 0,
            "a new file has had frames: {before:?}"
        );
        let due: &[_] = &[("frames_done", frames)][..usize::from(frames > 0)];
        after.ensure_since(before, due)?;
    }
    let due = [("frames_done", 8)];
    after.device.ensure_since(&before.device, &due)
}

/// Returns the last, least, most and mean time of a kind, after checking that they fit each
/// other.
fn spans(numbers: &Numbers, kind: &str) -> Result<[u64; 4]> {
    let mut spans = [0; 4];
    for (span, which) in spans.iter_mut().zip(["last", "min", "max", "mean"]) {
        *span = numbers.get(&format!("{kind}_ns_{which}"))?;
    }
    let [last, min, max, mean] = spans;
    ensure!(
        (min..=max).contains(&last) && (min..=max).contains(&mean),
        "last, least, most and mean {kind} time are {spans:?}"
    );
    Ok(spans)
}

/// Returns the time that the model takes for a frame, nanoseconds: four cycles of 2 ns for a
/// pixel.
fn engine_ns(width: u64, height: u64) -> u64 {
    width * height * 8
}

fn times() -> Result<()> {
    let device = Device::open()?;
    let own = || -> Result<Numbers> {
        let statistics = Statistics::read(&device)?;
        Ok((*statistics.own().first().context("the file is not listed")?).clone())
    };
    for kind in ["engine", "wait"] {
        let spans = spans(&own()?, kind)?;
        ensure!(
            spans == [0; 4],
            "before the first frame, {kind} times are {spans:?}"
        );
    }
    let (width, height) = (640, 480);
    let bands = Bands::set_to(&device, width, height)?;
    let due = engine_ns(width.into(), height.into());
    // There are two frames at a time, of which one waits for the other: both are queued when
    // the stream starts.
    let stream = Stream::prepare(&device, 2)?;
    for index in 0..2 {
        stream.output.write(index, &bands.source)?;
        stream.queue(index, &Sent::default())?;
    }
    let start = Instant::now();
    stream.resume()?;
    stream.dequeue()?;
    stream.dequeue()?;
    let took = u64::try_from(start.elapsed().as_nanos())?;
    let numbers = own()?;
    let [last, min, max, mean] = spans(&numbers, "engine")?;
    // The board's clock has a resolution of 1/8 microsecond.
    ensure!(
        min + 1000 >= due && min + max <= took,
        "the engine took {min} and {max} ns, where it takes {due} and {took} were over"
    );
    ensure!(
        mean == (min + max) / 2 && (last == min || last == max),
        "of {min} and {max} ns the mean is {mean} and the last {last}"
    );
    let first = if last == max { min } else { max };
    let [waited, ..] = spans(&numbers, "wait")?;
    ensure!(
        waited >= first && waited + last <= took,
        "the second frame waited for {waited} ns, while the first took {first} of {took} ns"
    );
    Ok(())
}

fn closed() -> Result<()> {
    let device = Device::open()?;
    let before = Statistics::read(&device)?;
    let first = own_numbers(&device)?;
    for round in 1..=3 {
        let other = device.again()?;
        let both = own_numbers(&device)?;
        ensure!(
            both.len() == 2 && both.starts_with(&first),
            "round {round}: beside {first:?} another was opened, and {both:?} are listed"
        );
        let bands = Bands::set(&other)?;
        Stream::start(&other, 1)?.frame(&bands.source)?;
        drop(other);
        // The thread that finished the file's last frame may still run.
        ensure!(
            becomes_true(PATIENCE, || Ok(own_numbers(&device)? == first))?,
            "round {round}: of {both:?} the last was closed, and {:?} are listed",
            own_numbers(&device)?
        );
    }
    let after = Statistics::read(&device)?;
    let due = [("frames_done", 3)];
    after.device.ensure_since(&before.device, &due)
}

/// Reads until `end` is set, and returns how often.
fn read_until(end: &AtomicBool, device: &Device) -> Result<u32> {
    let (mut reads, mut done) = (0, 0);
    let first = own_numbers(device)?;
    while !end.load(Relaxed) {
        let statistics = Statistics::read(device)?;
        let now = statistics.device.get("frames_done")?;
        ensure!(now >= done, "{done} frames were done, and then {now}");
        let own = statistics.own();
        let context = own.first().context("the open file is not listed")?;
        ensure!(
            [context.get("context")?] == first[..1],
            "{first:?} is open, and {context:?} is listed first"
        );
        (reads, done) = (reads + 1, now);
    }
    Ok(reads)
}

fn beside() -> Result<()> {
    let device = Device::open()?;
    let before = Statistics::read(&device)?;
    let end = AtomicBool::new(false);
    let files = repeats(15);
    let frames = || -> Result<()> {
        for _ in 0..files {
            let other = device.again()?;
            let bands = Bands::set(&other)?;
            let stream = Stream::start(&other, 2)?;
            stream.frame(&bands.source)?;
            stream.frame(&bands.source)?;
        }
        Ok(())
    };
    let reads = thread::scope(|scope| -> Result<u32> {
        let reader = scope.spawn(|| read_until(&end, &device));
        let result = frames();
        end.store(true, Relaxed);
        let reads = reader.join().map_err(|_| anyhow!("the reader panicked"))?;
        result?;
        reads
    })?;
    ensure!(reads > 10, "the statistics were read only {reads} times");
    let due = [("frames_done", u64::from(2 * files))];
    let after = Statistics::read(&device)?;
    after.device.ensure_since(&before.device, &due)
}
