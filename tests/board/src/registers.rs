// SPDX-License-Identifier: GPL-2.0

//! Processes frames whose registers the host checks: the prefetch controls change registers of
//! the engine, which are visible in the emulated engine's trace only.

use anyhow::{Context, Result, ensure};

use crate::picture::Bands;
use crate::v4l2::{Device, PREFETCH_MODE, PREFETCH_THRESHOLD, Sent, Stream, Which};

/// Mode and threshold of each frame, in the order in which they are processed. The last is set
/// in a request.
pub const PREFETCH: [(i32, i32); 6] = [(1, 32), (0, 32), (2, 32), (2, 0), (2, 127), (1, 77)];

/// Processes the frames.
pub fn run() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for (mode, threshold) in &PREFETCH[..PREFETCH.len() - 1] {
        device.set_number(Which::Current, PREFETCH_MODE, *mode)?;
        device.set_number(Which::Current, PREFETCH_THRESHOLD, *threshold)?;
        crate::v4l2::one_frame(&device, &bands.source)?;
    }
    let (mode, threshold) = PREFETCH[PREFETCH.len() - 1];
    let request = device.media()?.request()?;
    device.set_number(Which::Request(&request), PREFETCH_MODE, mode)?;
    device.set_number(Which::Request(&request), PREFETCH_THRESHOLD, threshold)?;
    let stream = Stream::start(&device, 1)?;
    stream.capture.queue(0, &Sent::default())?;
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    stream.output.queue(0, &sent)?;
    request.queue()?;
    let (_, done) = stream.dequeue().context("the frame of a request")?;
    ensure!(!done.failed(), "the frame of a request failed");
    Ok(())
}
