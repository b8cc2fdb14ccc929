// SPDX-License-Identifier: GPL-2.0

//! Tests opening, starting, stopping and closing, and which calls wait for
//! others meanwhile.

use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::maps::LongFrames;
use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, PATIENCE, PollFlags, Sent, Stream, Way, Which, one_frame, wait};

pub(super) const TESTS: &[Test] = &[
    test(
        "a hundred streams one after the other in one file",
        again_and_again,
    ),
    test("fifty files are open at once and each works", many_files),
    test(
        "STREAMOFF in mid-frame gives all buffers back",
        stopped_in_mid_frame,
    ),
    test(
        "STREAMOFF waits for the running frame and for no other",
        stopped_soon,
    ),
    test("STREAMOFF wakes who waits for a buffer", wakes_dqbuf),
    test(
        "poll reports an error before streaming and buffers after",
        polled,
    ),
    test(
        "buffers stay mapped and readable after STREAMOFF",
        readable_after,
    ),
];

fn again_and_again() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::prepare(&device, 1)?;
    for round in 0..100 {
        if round % 10 == 0 {
            device.set_map(Which::Current, &bands.map(round / 10))?;
        }
        stream.resume()?;
        if round % 10 == 0 {
            bands.check(&stream.frame(&bands.source)?, round / 10)?;
        }
        stream.stop()?;
    }
    Ok(())
}

fn stopped_soon() -> Result<()> {
    const BUFFERS: u32 = 8;
    let device = Device::open()?;
    let long = LongFrames::set(&device)?;
    let stream = Stream::prepare(&device, BUFFERS)?;
    stream.resume()?;
    for index in 0..BUFFERS as usize {
        stream.output.write(index, &long.bands.source)?;
        stream.queue(index, &Sent::default())?;
    }
    let start = Instant::now();
    stream.stop()?;
    let took = start.elapsed();
    // That is far from all frames, on a slow machine as well.
    let most = long.length().map(|length| length * (BUFFERS / 2));
    ensure!(
        most.is_none_or(|most| took < most),
        "it took {took:?}, with {BUFFERS} frames of {:?} queued",
        long.length()
    );
    Ok(())
}

fn many_files() -> Result<()> {
    let devices = (0..50)
        .map(|_| Device::open())
        .collect::<Result<Vec<_>>>()?;
    for (index, device) in devices.iter().enumerate() {
        let bands = Bands::set(device)?;
        device.set_map(Which::Current, &bands.map(index as u32 % 40))?;
        if index % 10 == 0 {
            let frame = one_frame(device, &bands.source)?;
            bands.check(&frame, index as u32 % 40)?;
        }
    }
    Ok(())
}

fn stopped_in_mid_frame() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set_to(&device, 1280, 720)?;
    let stream = Stream::prepare(&device, 3)?;
    for index in 0..3 {
        stream.output.write(index, &bands.source)?;
    }
    for round in 0..20 {
        stream.resume()?;
        for index in 0..3 {
            stream.queue(index, &Sent::default())?;
        }
        let order = if round % 2 == 0 {
            Way::BOTH
        } else {
            [Way::Capture, Way::Output]
        };
        for way in order {
            device.stop(way)?;
        }
        for queue in [&stream.output, &stream.capture] {
            for index in 0..3 {
                let flags = queue.flags(index)?;
                let held = crate::v4l2::bindings::V4L2_BUF_FLAG_QUEUED
                    | crate::v4l2::bindings::V4L2_BUF_FLAG_DONE;
                ensure!(
                    flags & held == 0,
                    "after STREAMOFF {:?} {index} has flags {flags:#x}",
                    queue.way
                );
            }
        }
    }
    device.set_map(Which::Current, &bands.map(7))?;
    stream.resume()?;
    bands.check(&stream.frame(&bands.source)?, 7)
}

fn wakes_dqbuf() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    stream.capture.queue(0, &Sent::default())?;
    // From here on DQBUF waits.
    fcntl(device.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_RDWR))?;
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let capture = &device;
        scope.spawn(move || sender.send(capture.dequeue(Way::Capture, crate::v4l2::Memory::Mmap)));
        let early = receiver.recv_timeout(Duration::from_millis(100));
        ensure!(early.is_err(), "DQBUF did not wait: {early:?}");
        device.stop(Way::Capture)?;
        let woken = receiver
            .recv_timeout(PATIENCE)
            .context("DQBUF still waits after STREAMOFF")?;
        fails(woken, Errno::EINVAL, "DQBUF after STREAMOFF")
    })
}

fn polled() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let both = PollFlags::POLLIN | PollFlags::POLLOUT;
    let now = || wait(&device, both, Duration::ZERO);
    ensure!(
        now()?.contains(PollFlags::POLLERR),
        "without streaming poll says {:?}",
        now()?
    );
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &bands.source)?;
    stream.queue(0, &Sent::default())?;
    let both_ready = || Ok(now()?.contains(both));
    ensure!(
        super::becomes_true(PATIENCE, both_ready)?,
        "after a frame poll says {:?}",
        now()?
    );
    stream.dequeue()?;
    ensure!(
        !now()?.intersects(both),
        "with nothing to take poll says {:?}",
        now()?
    );
    Ok(())
}

fn readable_after() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(29))?;
    let stream = Stream::start(&device, 1)?;
    stream.frame(&bands.source)?;
    stream.stop()?;
    bands.check(&stream.capture.read(0), 29)
}
