// SPDX-License-Identifier: GPL-2.0

//! Measures the cost of frames and open files, for `cargo xtask bench`: each measurement is a line
//! of JSON on stdout, in nanoseconds and bytes. With `--icount` a nanosecond is an instruction,
//! including those of this program.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::picture::constant_map;
use crate::scheduling::Class;
use crate::v4l2::{Device, Errno, Format, PATIENCE, Rect, Request, Sent, Stream, Which};

/// The number of frames that a stream has before it is measured.
const WARM_UP: u32 = 16;

/// How long the idle loop is measured, milliseconds. A frame's work is a hundredth of its time, so
/// this is long enough that one kernel tick more or less does not matter.
const ALONE: u64 = 500;

/// How often each file is opened and closed.
const OPENED: u32 = 10;

/// The driver whose device is measured, and a format that both of its queues have.
struct Target {
    driver: &'static str,
    fourcc: &'static [u8; 4],
}

const DW100: Target = Target {
    driver: "dw100",
    fourcc: b"NV12",
};

/// A device that does nothing (`vim2m_rust work=0`).
const IDLE: Target = Target {
    driver: "vim2m",
    fourcc: b"RGBP",
};

/// Runs a measurement: `stream WIDTH HEIGHT FILES BUFFERS FRAMES SECONDS`, `idle` with the same
/// arguments for a device that does nothing, `requests WIDTH HEIGHT FRAMES`, `files COUNT` or
/// `events FRAMES`.
pub fn run(words: &[String]) -> Result<()> {
    let (verb, numbers) = words.split_first().context("bench what?")?;
    let numbers = numbers
        .iter()
        .map(|word| word.parse().with_context(|| format!("'{word}'")))
        .collect::<Result<Vec<u32>>>()?;
    let measured = match (verb.as_str(), numbers.as_slice()) {
        ("stream", &[width, height, files, buffers, frames, seconds]) => {
            stream(&DW100, (width, height), files, buffers, frames, seconds)?
        }
        ("idle", &[width, height, files, buffers, frames, seconds]) => {
            stream(&IDLE, (width, height), files, buffers, frames, seconds)?
        }
        ("requests", &[width, height, frames]) => requests((width, height), frames)?,
        ("files", &[count]) => files(count)?,
        ("events", &[frames]) => events(frames)?,
        _ => bail!("no measurement: {words:?}"),
    };
    println!("{measured}");
    Ok(())
}

/// Sets the target's format and this size on both queues.
fn set_size(target: &Target, device: &Device, (width, height): (u32, u32)) -> Result<Format> {
    let format = Format::new(target.fourcc, width, height);
    Ok(device.set_formats(&format, &format)?.1)
}

/// Streams with several open files at once, each with its own thread and `buffers` for each queue,
/// until each file has had `frames` or `seconds` are over. With one CPU, `busy_ns` is the time in
/// which it had work.
fn stream(
    target: &Target,
    size: (u32, u32),
    files: u32,
    buffers: u32,
    frames: u32,
    seconds: u32,
) -> Result<Value> {
    let ready = Barrier::new(files as usize + 1);
    let limit = Duration::from_secs(seconds.into());
    let devices = (0..files)
        .map(|_| Device::of_driver(target.driver))
        .collect::<Result<Vec<_>>>()?;
    let one = |device| -> Result<u32> {
        let stream = warm(target, device, size, buffers);
        // A thread that failed also waits here, because the others wait for all.
        ready.wait();
        let stream = stream?;
        let start = Instant::now();
        let mut count = 0;
        while count < frames && start.elapsed() < limit {
            turn(&stream)?;
            count += 1;
        }
        Ok(count)
    };
    let over = AtomicBool::new(false);
    let idle = AtomicU64::new(0);
    thread::scope(|scope| {
        let soak = thread::available_parallelism()?.get() == 1;
        if soak {
            scope.spawn(|| soak_up(&idle, &over));
        }
        let threads: Vec<_> = devices
            .iter()
            .map(|device| scope.spawn(|| one(device)))
            .collect();
        ready.wait();
        let (start, switches) = (Instant::now(), context_switches()?);
        let idled = idle.load(Ordering::Relaxed);
        let mut count = 0;
        let counts: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let (took, switches) = (nanoseconds(start), context_switches()? - switches);
        let idled = idle.load(Ordering::Relaxed) - idled;

        // The count of the idle loop while nothing else runs.
        let (start, from) = (Instant::now(), idle.load(Ordering::Relaxed));
        thread::sleep(Duration::from_millis(if soak { ALONE } else { 0 }));
        let (alone, to) = (nanoseconds(start), idle.load(Ordering::Relaxed));
        over.store(true, Ordering::Relaxed);
        for frames in counts {
            count += match frames {
                Ok(frames) => frames?,
                Err(_) => bail!("a thread panicked"),
            };
        }
        let busy = soak.then(|| took.saturating_sub(idled * alone / (to - from).max(1)));
        Ok(json!({"frames": count, "ns": took, "busy_ns": busy, "switches": switches}))
    })
}

/// Counts while no other thread wants the CPU. If the thread's class cannot be set, the count stays
/// 0, which is visible in the result.
fn soak_up(count: &AtomicU64, over: &AtomicBool) -> Result<()> {
    Class::Idle.take()?;
    while !over.load(Ordering::Relaxed) {
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn nanoseconds(since: Instant) -> u64 {
    // CAST: It is less than five centuries.
    since.elapsed().as_nanos() as u64
}

/// Starts a stream and lets it run for [`WARM_UP`] frames.
fn warm<'a>(
    target: &Target,
    device: &'a Device,
    size: (u32, u32),
    buffers: u32,
) -> Result<Stream<'a>> {
    set_size(target, device, size)?;
    let stream = Stream::start(device, buffers)?;
    (0..stream.output.len()).try_for_each(|index| stream.queue(index, &Sent::default()))?;
    (0..WARM_UP).try_for_each(|_| turn(&stream))?;
    Ok(stream)
}

/// Dequeues a frame and queues its buffers again.
fn turn(stream: &Stream<'_>) -> Result<()> {
    let capture = stream.capture.dequeue_within(PATIENCE)?;
    let output = match stream.output.dequeue() {
        Err(Errno::EAGAIN) => stream.output.dequeue_within(PATIENCE)?,
        output => output?,
    };
    ensure!(!capture.failed(), "a frame failed");
    stream.capture.queue(capture.index, &Sent::default())?;
    Ok(stream.output.queue(output.index, &Sent::default())?)
}

/// Processes frames in requests, one after the other: without a control, each with its own map, and
/// with a map and a crop. Then frames with crops only, which are set while it streams.
fn requests(size: (u32, u32), frames: u32) -> Result<Value> {
    let device = Device::open()?;
    let media = device.media()?;
    let format = set_size(&DW100, &device, size)?;
    let map = constant_map(&format, 16, 16);
    let stream = Stream::start(&device, 1)?;
    let request = media.request()?;
    let one = |request: &Request, map: Option<&[u32]>| -> Result<()> {
        if let Some(map) = map {
            device.set_map(Which::Request(request), map)?;
        }
        stream.capture.queue(0, &Sent::default())?;
        let sent = Sent {
            request: Some(request),
            ..Default::default()
        };
        stream.output.queue(0, &sent)?;
        request.queue()?;
        stream.dequeue()?;
        ensure!(request.completed(PATIENCE)?, "a request does not complete");
        Ok(request.reinit()?)
    };
    let timed = |map: Option<&[u32]>| -> Result<u64> {
        (0..WARM_UP).try_for_each(|_| one(&request, map))?;
        let start = Instant::now();
        (0..frames).try_for_each(|_| one(&request, map))?;
        Ok(nanoseconds(start))
    };
    let (without, with) = (timed(None)?, timed(Some(&map))?);
    // CAST: They are small numbers.
    let crop = |margin: u32| {
        let (width, height) = (size.0 - 2 * margin, size.1 - 2 * margin);
        device.set_crop(Rect::new(margin as i32, margin as i32, width, height))
    };
    crop(400)?;
    let cropped = timed(Some(&map))?;
    let start = Instant::now();
    (0..frames).try_for_each(|frame| crop(400 + 8 * (frame % 2 + 1)).map(drop))?;
    let crops = nanoseconds(start);
    Ok(json!({
        "frames": frames,
        "ns": without,
        "ns_with_map": with,
        "ns_with_map_and_crop": cropped,
        "ns_of_crops": crops,
        "vertices": map.len(),
    }))
}

/// Opens and closes files; then opens all at once, with both streams started.
fn files(count: u32) -> Result<Value> {
    (0..WARM_UP).try_for_each(|_| Device::open().map(drop))?;
    let device = Device::open()?;
    let start = Instant::now();
    (0..count * OPENED).try_for_each(|_| device.again().map(drop))?;
    let took = nanoseconds(start) / u64::from(OPENED);

    let before = memory()?;
    let all = (0..count)
        .map(|_| device.again())
        .collect::<Result<Vec<_>>>()?;
    let opened = memory()?;
    let streams = all
        .iter()
        .map(|device| Stream::start(device, 1))
        .collect::<Result<Vec<_>>>()?;
    let started = memory()?;
    drop(streams);
    Ok(json!({
        "files": count,
        "ns": took,
        "bytes_open": before.saturating_sub(opened),
        "bytes_streaming": before.saturating_sub(started),
    }))
}

/// The directory of the kernel's trace events.
const TRACING: &str = "/sys/kernel/tracing";

/// The events that are counted.
const EVENTS: [&str; 3] = [
    "kmem/kmalloc",
    "kmem/kmem_cache_alloc",
    "sched/sched_wakeup",
];

/// The tasks that allocate for a frame: this program, the interrupt thread, interrupts of an idle
/// CPU, and any task in a driver's module.
const TASKS: [&str; 3] = ["dw100-board-", "irq/", "<idle>-"];
const MODULE: &str = "[dw100";

/// The tasks that are woken for a frame.
const WOKEN: [&str; 3] = ["dw100-board", "irq/", "kworker/"];

/// Allocations that a driver cannot avoid: V4L2's copies of the arguments of system calls, and the
/// records of the kernel's own checks.
const NOT_THE_DRIVERS: [&str; 3] = [
    "call_site=video_usercopy",
    "name=kmemleak_object",
    "name=debug_objects_cache",
];

/// Processes frames of one file, and counts the kernel's events. They need tracefs.
fn events(frames: u32) -> Result<Value> {
    let path = |event: &str| format!("{TRACING}/{event}");
    let enable = |on: &str| {
        EVENTS.iter().try_for_each(|event| {
            let path = path(&format!("events/{event}/enable"));
            fs::write(&path, on).context(path)
        })
    };
    let device = Device::open()?;
    let stream = warm(&DW100, &device, (640, 480), 4)?;
    // Kilobytes for each CPU, enough for all events.
    fs::write(path("buffer_size_kb"), "8192")?;
    let mut marker = OpenOptions::new().write(true).open(path("trace_marker"))?;
    enable("1")?;
    marker.write_all(b"from here")?;
    (0..frames).try_for_each(|_| turn(&stream))?;
    marker.write_all(b"to here")?;
    enable("0")?;
    let trace = fs::read_to_string(path("trace"))?;
    let traced = trace
        .split_once("from here")
        .and_then(|(_, rest)| rest.split_once("to here"));
    let (traced, _) = traced.context("no marks in the trace")?;

    let allocates = |line: &&str| {
        let line = line.trim_start();
        line.contains("alloc: call_site=")
            && (TASKS.iter().any(|task| line.starts_with(task)) || line.contains(MODULE))
            && !NOT_THE_DRIVERS.iter().any(|word| line.contains(word))
    };
    let wakes = |line: &&str| {
        let woken = line.split_once("sched_wakeup: comm=");
        woken.is_some_and(|(_, comm)| WOKEN.iter().any(|task| comm.starts_with(task)))
    };
    let mut allocations = 0;
    for line in traced.lines().filter(allocates) {
        eprintln!("{}", line.trim());
        allocations += 1;
    }
    let wakeups = traced.lines().filter(wakes).count();
    Ok(json!({"frames": frames, "allocations": allocations, "wakeups": wakeups}))
}

/// Returns the free memory, bytes. It includes the pages that each CPU keeps in reserve, which are
/// thousands after many files were closed.
fn memory() -> Result<u64> {
    const PAGE: u64 = 4096;

    let text = fs::read_to_string("/proc/zoneinfo")?;
    let numbers = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let is_free = matches!(words.next()?, "nr_free_pages" | "count:");
        is_free.then(|| words.next()?.parse::<u64>().ok()).flatten()
    });
    match numbers.sum() {
        0 => bail!("no free page in /proc/zoneinfo"),
        pages => Ok(PAGE * pages),
    }
}

/// Returns the context switches of all CPUs since the boot.
fn context_switches() -> Result<u64> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().find_map(|line| line.strip_prefix("ctxt "));
    Ok(line.context("no ctxt in /proc/stat")?.trim().parse()?)
}
