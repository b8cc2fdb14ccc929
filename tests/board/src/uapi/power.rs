// SPDX-License-Identifier: GPL-2.0

//! Tests runtime power management: the device is on while it streams, and off otherwise,
//! whatever went wrong.

use anyhow::{Result, ensure};

use super::{Test, becomes_true, fails, test};
use crate::picture::Bands;
use crate::v4l2::{Device, Errno, Format, Memory, PATIENCE, Queue, Sent, Stream, Way, one_frame};

pub(super) const TESTS: &[Test] = &[
    test("an open node does not power the device", opened),
    test(
        "the device is powered while it streams and not after",
        streaming,
    ),
    test("the device is off after half a stream", half),
    test(
        "the device is off after a stream that could not start",
        not_started,
    ),
    test(
        "the device is off after a node was closed in mid-stream",
        closed,
    ),
    test(
        "the device stays on as long as one of two files streams",
        two_files,
    ),
    test(
        "the device is off after the tests before and goes on again",
        at_the_end,
    ),
];

fn status(device: &Device) -> Result<String> {
    let file = device.sysfs()?.join("power/runtime_status");
    Ok(std::fs::read_to_string(file)?.trim().to_owned())
}

/// Checks that the device is off, or will be soon.
fn off(device: &Device, when: &str) -> Result<()> {
    let off = becomes_true(PATIENCE / 5, || Ok(status(device)? == "suspended"))?;
    ensure!(off, "{when} the device is {}", status(device)?);
    Ok(())
}

fn on(device: &Device, when: &str) -> Result<()> {
    let status = status(device)?;
    ensure!(status == "active", "{when} the device is {status}");
    Ok(())
}

fn opened() -> Result<()> {
    let device = Device::open()?;
    off(&device, "with an open node")?;
    Bands::set(&device)?;
    device.request_buffers(Way::Output, Memory::Mmap, 2)?;
    off(&device, "with formats and buffers")
}

fn streaming() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for _ in 0..3 {
        let stream = Stream::start(&device, 1)?;
        on(&device, "while streaming")?;
        stream.frame(&bands.source)?;
        on(&device, "after a frame")?;
        stream.stop()?;
        off(&device, "after STREAMOFF")?;
    }
    Ok(())
}

fn half() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    for way in Way::BOTH {
        let queue = Queue::allocate(&device, way, 1)?;
        queue.queue(0, &Sent::default())?;
        for _ in 0..2 {
            device.start(way)?;
            device.stop(way)?;
            device.stop(way)?;
        }
        off(&device, "after half a stream")?;
        device.start(way)?;
        drop(queue);
        device.stop(way)?;
        device.request_buffers(way, Memory::Mmap, 0)?;
        off(&device, "after another half")?;
    }
    Ok(())
}

fn not_started() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    for way in Way::BOTH {
        fails(device.start(way), Errno::EINVAL, "STREAMON without buffers")?;
    }
    off(&device, "after a STREAMON that failed")?;
    let output = Queue::allocate(&device, Way::Output, 1)?;
    device.start(Way::Output)?;
    fails(
        device.start(Way::Capture),
        Errno::EINVAL,
        "STREAMON without buffers",
    )?;
    device.stop(Way::Output)?;
    drop(output);
    off(
        &device,
        "after a STREAMON that failed beside a queue that ran",
    )
}

fn closed() -> Result<()> {
    let watch = Device::open()?;
    for frames in [0, 1, 3] {
        let device = Device::open()?;
        let bands = Bands::set(&device)?;
        let stream = Stream::start(&device, 3)?;
        for index in 0..frames {
            stream.output.write(index, &bands.source)?;
            stream.queue(index, &Sent::default())?;
        }
        stream.abandon();
        drop(device);
        off(&watch, "after closing in mid-stream")?;
    }
    Ok(())
}

fn two_files() -> Result<()> {
    let (one, other) = (Device::open()?, Device::open()?);
    let bands = Bands::set(&one)?;
    Bands::set(&other)?;
    let first = Stream::start(&one, 1)?;
    let second = Stream::start(&other, 1)?;
    first.frame(&bands.source)?;
    first.stop()?;
    on(&one, "with one of two streams")?;
    second.frame(&bands.source)?;
    second.stop()?;
    off(&one, "after both streams")
}

fn at_the_end() -> Result<()> {
    let device = Device::open()?;
    off(&device, "after all that was")?;
    let format = Format::new(b"NV12", 176, 144);
    let (output, _) = device.set_formats(&format, &format)?;
    one_frame(&device, &[vec![0; output.sizes()[0]]])?;
    off(&device, "after a last frame")
}
