// SPDX-License-Identifier: GPL-2.0

//! Tests the messages to a user in the kernel's log.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::{Test, test};
use crate::kernel_log::{INTERVAL, Log, MOST};
use crate::picture::Bands;
use crate::v4l2::{Device, Format, Sent, Stream, Way};

pub(super) const TESTS: &[Test] = &[
    test(
        "a frame with fewer bytes used than its format needs is told once in the log",
        too_few_bytes,
    ),
    test("LOG_STATUS prints both queues and all controls", status),
    test(
        "of many LOG_STATUS few print, so that no user can fill the log",
        limited,
    ),
];

fn too_few_bytes() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    let size = bands.output.planes[0].sizeimage;
    stream.output.write(0, &bands.source)?;
    let told = || -> Result<usize> {
        let all = Log::from_start()?.texts()?;
        let told = |text: &&String| text.contains("bytesused of an OUTPUT buffer is");
        Ok(all.iter().filter(told).count())
    };
    let frame = |bytesused| -> Result<()> {
        stream.queue(
            0,
            &Sent {
                bytesused: Some(bytesused),
                ..Sent::default()
            },
        )?;
        let (output, _) = stream.dequeue()?;
        ensure!(
            output.bytesused == [size],
            "{bytesused} bytes came back as {:?}",
            output.bytesused
        );
        Ok(())
    };
    let before = told()?;
    frame(size)?;
    ensure!(told()? == before, "a whole frame is told of");
    for _ in 0..2 {
        frame(size - 1)?;
        frame(1)?;
        let told = told()?;
        ensure!(told == 1, "the log tells of it {told} times");
    }
    Ok(())
}

fn status() -> Result<()> {
    let device = Device::open()?;
    device.set_formats(
        &Format::new(b"NV12", 640, 480).with_stride(704),
        &Format::new(b"NM16", 320, 240),
    )?;
    let stream = Stream::prepare(&device, 2)?;
    device.start(Way::Output)?;
    stream.output.queue(0, &Sent::default())?;
    // Other tests may have used up the rate limit.
    let mut log = Log::when_quiet()?;
    device.log_status().context("VIDIOC_LOG_STATUS")?;
    let texts = log.texts()?;
    for due in [
        ": OUTPUT: NV12 little-endian (0x3231564e) 640x480, 704 bytes a line, planes of 506880 and 0 bytes; 2 buffers, 1 queued, streaming",
        ": CAPTURE: NM16 little-endian (0x36314d4e) 320x240, 320 bytes a line, planes of 76800 and 76800 bytes; 2 buffers, 0 queued, not streaming",
        ": Dewarping Vertex Map: [21][16] ",
        ": Horizontal Flip: false",
        ": Prefetch Mode: Calculation",
    ] {
        ensure!(
            texts.iter().any(|text| text.contains(due)),
            "no line has '{due}': {texts:?}"
        );
    }
    Ok(())
}

fn limited() -> Result<()> {
    const CALLS: usize = MOST + 5;
    let device = Device::open()?;
    // If the board is so slow that the interval passes, the test proves nothing
    // and is repeated.
    for _ in 0..5 {
        let mut log = Log::when_quiet()?;
        let start = Instant::now();
        for _ in 0..CALLS {
            device.log_status()?;
        }
        let took = start.elapsed();
        let printed = |text: &&String| text.contains(": CAPTURE: ");
        let count = log.texts()?.iter().filter(printed).count();
        if took < INTERVAL {
            ensure!(
                count == MOST,
                "{count} of {CALLS} are printed, not {}",
                MOST
            );
            return Ok(());
        }
    }
    bail!("{CALLS} calls always take longer than {:?}", INTERVAL)
}
