// SPDX-License-Identifier: GPL-2.0

//! Tests requests, which refer to the media device but do not keep it, when they are the last open
//! files of it.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::state::State;
use crate::harness::fails;
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, PollFlags, Request, Sent, Stream, Which, wait};

/// Returns a request with nothing in it, and one with a control and a buffer, of a device that is
/// unbound and whose nodes are closed.
fn left(state: &mut State) -> Result<[Request; 2]> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let media = device.media()?;
    let requests = [media.request()?, media.request()?];
    {
        let stream = Stream::start(&device, 1)?;
        device.set_map(Which::Request(&requests[1]), &bands.map(3))?;
        let sent = Sent {
            request: Some(&requests[1]),
            ..Sent::default()
        };
        stream.output.queue(0, &sent)?;
        state.unbind()?;
        // The node stays open as long as something is mapped, or a stream is not dropped.
        stream.abandon();
    }
    drop(device);
    drop(media);
    if state.mapped()?.is_some() {
        // A kernel with `DEBUG_KOBJECT_RELEASE` frees device model objects up to four seconds late.
        sleep(Duration::from_secs(6));
    }
    Ok(requests)
}

pub(super) fn closed_last() -> Result<()> {
    let mut state = State::new()?;
    drop(left(&mut state)?);
    state.nothing_left()?;
    state.bind()?;
    state.works()
}

pub(super) fn used_last() -> Result<()> {
    let mut state = State::new()?;
    for request in left(&mut state)? {
        let polled = wait(&request, PollFlags::POLLPRI, Duration::ZERO)?;
        // The media core returns this for a request that is not queued.
        ensure!(
            polled == PollFlags::POLLERR,
            "poll says {polled:?} of a request of no device"
        );
        fails(
            request.queue(),
            Errno::ENODEV,
            "queueing a request of no device",
        )?;
        request.reinit().context("emptying it")?;
        fails(
            request.queue(),
            Errno::ENODEV,
            "queueing it when it is empty",
        )?;
    }
    state.nothing_left()?;
    state.bind()?;
    state.works()
}
