// SPDX-License-Identifier: GPL-2.0

//! Open files: of the video node, the media node, debugfs, and requests.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::gone;
use crate::harness::{becomes_true, errno, fails};
use crate::lifetime::client::Link;
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, Media, PATIENCE, Request, Sent, Stream, Which};

pub(super) fn idle(link: &Link) -> Result<()> {
    let device = Device::open()?;
    link.hold()?;
    gone(&device)
}

pub(super) fn media(link: &Link) -> Result<()> {
    let media = Device::open()?.media()?;
    media.info()?;
    link.hold()?;
    // A kernel thread unregisters this node, because any process could delay that. Unbinding waits
    // for the thread for a limited time, and the thread needs a CPU as well.
    becomes_true(PATIENCE, || Ok(media.info().is_err()))?;
    fails(media.info().map(drop), Errno::EIO, "DEVICE_INFO")?;
    fails(media.request().map(drop), Errno::EIO, "REQUEST_ALLOC")
}

/// Opens a file in the debugfs directory of the device.
fn open_debugfs(name: &str, options: &OpenOptions) -> Result<File> {
    let directory = PathBuf::from("/sys/kernel/debug").join(Device::open()?.name()?);
    let path = directory.join(name);
    let file = options.open(&path);
    file.with_context(|| path.display().to_string())
}

pub(super) fn debugfs_text(link: &Link) -> Result<()> {
    let open = || open_debugfs("dump_regs", File::options().read(true));
    let mut begun = open()?;
    let mut bytes = [0; 8];
    begun.read_exact(&mut bytes)?;
    let mut unread = open()?;
    link.hold()?;
    let read = unread.read(&mut bytes).map_err(errno);
    fails(read, Errno::EIO, "reading dump_regs")?;
    // The text of the file was composed when its first byte was read.
    let mut rest = String::new();
    begun.read_to_string(&mut rest)?;
    ensure!(
        rest.ends_with('\n'),
        "a file that is half read ends with {rest:?}"
    );
    Ok(())
}

pub(super) fn debugfs_number(link: &Link) -> Result<()> {
    let mut number = open_debugfs("watchdog_ms", File::options().read(true).write(true))?;
    link.hold()?;
    let read = number.read(&mut [0; 8]).map_err(errno);
    fails(read, Errno::EIO, "reading watchdog_ms")?;
    let set = number.write(b"500").map_err(errno);
    fails(set, Errno::EIO, "setting watchdog_ms")
}

/// Returns a request with a control and a buffer, which is not queued.
fn filled<'d>(device: &'d Device, media: &Media) -> Result<(Request, Stream<'d>)> {
    let bands = Bands::set(device)?;
    let stream = Stream::start(device, 1)?;
    stream.output.write(0, &bands.source)?;
    let request = media.request()?;
    device.set_map(Which::Request(&request), &bands.map(3))?;
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    stream.output.queue(0, &sent)?;
    Ok((request, stream))
}

pub(super) fn request(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    let (request, _stream) = filled(&device, &media)?;
    link.hold()?;
    fails(request.queue(), Errno::ENODEV, "queueing a request")?;
    gone(&device)
}

pub(super) fn lone_request(link: &Link) -> Result<()> {
    let request = {
        let device = Device::open()?;
        let media = device.media()?;
        filled(&device, &media)?.0
    };
    link.hold()?;
    fails(
        request.queue(),
        Errno::ENODEV,
        "queueing a request of no device",
    )
}

pub(super) fn queued_request(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    let (request, _stream) = filled(&device, &media)?;
    request.queue()?;
    ensure!(
        !request.completed(std::time::Duration::ZERO)?,
        "the request completed with no buffer to write to"
    );
    link.hold()?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    request.reinit().context("emptying the request")?;
    fails(
        request.queue(),
        Errno::ENODEV,
        "queueing the request that was emptied",
    )?;
    gone(&device)
}
