// SPDX-License-Identifier: GPL-2.0

//! Frames in flight, and threads that wait for them.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::gone;
use crate::harness::{becomes_true, fails};
use crate::lifetime::client::Link;
use crate::model;
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, Memory, PATIENCE, PollFlags, Sent, Stream, Way, Which, wait};

/// The band that the frames show.
const BAND: u32 = 17;

/// Returns a stream of `count` buffers for each queue, with a source in each.
fn set(device: &Device, count: u32) -> Result<(Bands, Stream<'_>)> {
    let bands = Bands::set(device)?;
    device.set_map(Which::Current, &bands.map(BAND))?;
    let stream = Stream::start(device, count)?;
    for index in 0..stream.output.len() {
        stream.output.write(index, &bands.source)?;
    }
    Ok((bands, stream))
}

/// Processes frame after frame, and counts those that are right. Returns the error that ends
/// it.
fn send(device: &Device, count: &AtomicU32) -> Result<Errno> {
    let (bands, stream) = set(device, 2)?;
    for index in 0..stream.output.len() {
        stream.queue(index, &Sent::default())?;
    }
    let end = loop {
        let (from, to) = match stream.dequeue_any() {
            Ok(frame) => frame,
            Err(error) => break error,
        };
        // The fault for another client's frame may have hit this one.
        if !from.failed() && !to.failed() {
            bands.check(&stream.capture.read(to.index), BAND)?;
            count.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(error) = stream.queue(from.index, &Sent::default()) {
            break error;
        }
    };
    // The content of the buffers is not defined then. They can be read and written.
    stream.capture.read(0);
    stream.output.write(1, &bands.source)?;
    Ok(end)
}

pub(super) fn stream(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let count = AtomicU32::new(0);
    let end = thread::scope(|scope| {
        let sending = scope.spawn(|| send(&device, &count));
        let streams = becomes_true(PATIENCE, || Ok(count.load(Ordering::Relaxed) >= 2))?;
        ensure!(streams, "no frames come");
        link.hold()?;
        let end = sending.join();
        end.map_err(|_| anyhow!("the thread that sends frames panicked"))?
    })?;
    ensure!(end == Errno::ENODEV, "the stream ended with {end:?}");
    gone(&device)
}

/// Returns the result of a thread that waited until the device was gone.
fn woken<T>(receiver: &Receiver<T>) -> Result<T> {
    let woken = receiver.recv_timeout(PATIENCE);
    woken.context("the thread still waits")
}

/// Starts a thread that waits. It is not joined: one that waits for ever ends with the
/// process.
fn waiting<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> Result<Receiver<T>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(wait()));
    let early = receiver.recv_timeout(Duration::from_millis(50));
    ensure!(early.is_err(), "the thread did not wait");
    Ok(receiver)
}

pub(super) fn dqbuf(link: &Link) -> Result<()> {
    let device = Arc::new(Device::open()?);
    let (_, stream) = set(&device, 1)?;
    stream.capture.queue(0, &Sent::default())?;
    // From here on DQBUF waits.
    fcntl(device.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_RDWR))?;
    let waits = device.clone();
    let receiver = waiting(move || waits.dequeue(Way::Capture, Memory::Mmap))?;
    link.hold()?;
    // The call began while the device was bound, and returns that the stream is over.
    fails(woken(&receiver)?, Errno::EINVAL, "the DQBUF that waited")?;
    gone(&device)
}

pub(super) fn poll(link: &Link) -> Result<()> {
    let device = Arc::new(Device::open()?);
    let (_, stream) = set(&device, 1)?;
    stream.capture.queue(0, &Sent::default())?;
    let waits = device.clone();
    let receiver = waiting(move || wait(&*waits, PollFlags::POLLIN, 60 * PATIENCE))?;
    link.hold()?;
    let polled = woken(&receiver)??;
    ensure!(
        polled.contains(PollFlags::POLLERR),
        "the poll that waited says {polled:?}"
    );
    gone(&device)
}

pub(super) fn stall(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let (_, stream) = set(&device, 2)?;
    model::set("stall=1")?;
    for index in 0..2 {
        stream.queue(index, &Sent::default())?;
    }
    sleep(Duration::from_millis(20));
    fails(
        stream.capture.dequeue(),
        Errno::EAGAIN,
        "taking a frame back that the engine does not end",
    )?;
    link.hold()?;
    gone(&device)
}
