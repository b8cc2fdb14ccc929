// SPDX-License-Identifier: GPL-2.0

//! Tests requests that are queued when the stream ends: all are completed, and can be used
//! again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::requests::Requests;
use super::undisturbed::undisturbed;
use super::{Test, test};
use crate::v4l2::{Device, Request, Sent, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test("STREAMOFF of OUTPUT completes the queued requests", || {
        stopped(&[Way::Output, Way::Capture])
    }),
    test(
        "STREAMOFF of CAPTURE first completes them with OUTPUT",
        || stopped(&[Way::Capture, Way::Output]),
    ),
    test(
        "STREAMOFF completes queued requests that have no map",
        stopped_without_map,
    ),
    test(
        "STREAMOFF in the middle of many requests completes them all",
        stopped_in_the_middle,
    ),
    test(
        "a request serves again as soon as its frame is back, without any worker",
        at_once_after_frame,
    ),
    test(
        "a request serves again as soon as STREAMOFF is over, without any worker",
        at_once_after_stop,
    ),
    test("closing the node completes the queued requests", || {
        closed(true)
    }),
    test(
        "closing the node completes requests of a queue that never streamed",
        || closed(false),
    ),
    test(
        "a request outlives the node that it was for",
        request_outlives_node,
    ),
    test(
        "closing a queued request leaves its frame to run",
        forgotten_request,
    ),
];

/// The longest time from the end of a stream until a request must be completed.
const SOON: Duration = Duration::from_secs(1);

fn all_completed(requests: &[Request], when: &str) -> Result<()> {
    for (index, request) in requests.iter().enumerate() {
        ensure!(
            request.completed(SOON)?,
            "request {index} is not completed after {when}"
        );
    }
    Ok(())
}

/// Returns three queued requests with a map each, which cannot run.
fn three(all: &Requests<'_>) -> Result<Vec<Request>> {
    let requests = (0..3)
        .map(|_| all.media.request())
        .collect::<Result<Vec<_>, _>>()?;
    for (index, request) in requests.iter().enumerate() {
        all.queue(request, index, Some(index as u32))?;
    }
    Ok(requests)
}

/// Checks that requests can be used in a stream that starts again.
fn serve_again(all: &Requests<'_>, requests: &[Request]) -> Result<()> {
    for request in requests {
        request.reinit().context("reinitialising a request")?;
    }
    all.stream.resume()?;
    for (round, request) in requests.iter().enumerate() {
        let band = 30 + round as u32;
        all.frame(request, Some(band), band)
            .context("a request in the next stream")?;
    }
    Ok(())
}

fn stopped(order: &[Way]) -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 3)?;
    let requests = three(&all)?;
    for &way in order {
        device.stop(way)?;
    }
    all_completed(&requests, "STREAMOFF")?;
    serve_again(&all, &requests)
}

fn stopped_without_map() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 2)?;
    let requests = [all.media.request()?, all.media.request()?];
    for (index, request) in requests.iter().enumerate() {
        all.queue(request, index, None)?;
    }
    all.stream.stop()?;
    all_completed(&requests, "STREAMOFF")?;
    serve_again(&all, &requests)
}

fn stopped_in_the_middle() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 8)?;
    for round in 0..10 {
        let requests = (0..8)
            .map(|_| all.media.request())
            .collect::<Result<Vec<_>, _>>()?;
        for (index, request) in requests.iter().enumerate() {
            all.stream.capture.queue(index, &Sent::default())?;
            all.queue(request, index, Some(index as u32))?;
        }
        // Some rounds stop at once, some when frames were done.
        if round % 2 == 1 {
            ensure!(requests[round / 2].completed(SOON)?, "a frame never came");
        }
        let order = if round % 4 < 2 {
            [Way::Output, Way::Capture]
        } else {
            [Way::Capture, Way::Output]
        };
        for way in order {
            device.stop(way)?;
        }
        all_completed(&requests, "STREAMOFF").with_context(|| format!("round {round}"))?;
        all.stream.resume()?;
    }
    Ok(())
}

fn at_once_after_frame() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    for round in 0..20 {
        all.stream.capture.queue(0, &Sent::default())?;
        let reused = undisturbed(|| -> Result<()> {
            all.queue(&request, 0, Some(round))?;
            all.stream.dequeue()?;
            request.reinit().context("reinitialising the request")
        })?;
        reused.with_context(|| format!("round {round}"))?;
    }
    all.frame(&request, Some(38), 38)
}

fn at_once_after_stop() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    for round in 0..20 {
        let reused = undisturbed(|| -> Result<()> {
            all.queue(&request, 0, Some(round))?;
            device.stop(Way::Output)?;
            request.reinit().context("reinitialising the request")
        })?;
        reused.with_context(|| format!("round {round}"))?;
        device.start(Way::Output)?;
    }
    all.frame(&request, Some(38), 38)
}

fn closed(streaming: bool) -> Result<()> {
    let requests = {
        let device = Device::open()?;
        let all = Requests::prepare(&device, 3)?;
        if streaming {
            all.stream.resume()?;
        }
        let requests = three(&all)?;
        // The stream is ended by closing the node, and by no other call.
        all.stream.abandon();
        requests
    };
    all_completed(&requests, "closing the node")?;
    for request in &requests {
        request.reinit().context("reinitialising a request")?;
    }
    // They can be used with another open file.
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    all.frame(&requests[0], Some(33), 33)
        .context("a request with another open file")
}

fn request_outlives_node() -> Result<()> {
    let request = {
        let device = Device::open()?;
        let all = Requests::start(&device, 1)?;
        let request = all.media.request()?;
        // It was never queued: it has a map and nothing else.
        device.set_map(Which::Request(&request), &all.bands.map(3))?;
        request
    };
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    all.frame(&request, Some(9), 9)
}

fn forgotten_request() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    all.queue(&all.media.request()?, 0, Some(14))?;
    // The request's file is closed by now.
    all.stream.capture.queue(0, &Sent::default())?;
    all.take(0, 14)
}
