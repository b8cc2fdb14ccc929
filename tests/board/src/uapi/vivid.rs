// SPDX-License-Identifier: GPL-2.0

//! Frames of a camera, without a copy: the kernel's test driver vivid exports its buffers. Only
//! the debug kernel has it.

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::{gather, same};
use crate::v4l2::{Device, Format, Memory, PATIENCE, Queue, Sent, Stream, Way};

pub(super) const TESTS: &[Test] = &[test(
    "frames of a camera go through buffers that the camera exported",
    of_camera,
)];

fn of_camera() -> Result<()> {
    const BUFFERS: usize = 2;
    let camera = Device::of_driver("vivid").context("is vivid loaded, with multiplanar=2?")?;
    let device = Device::open()?;
    let (output, capture) = device.set_formats(
        &Format::new(b"NV12", 640, 480),
        &Format::new(b"NV12", 640, 480),
    )?;
    let filmed = camera.set_format(Way::Capture, &Format::new(b"NV12", 640, 480))?;
    ensure!(
        filmed.planes == output.planes,
        "the camera has {filmed:?} and the driver {output:?}"
    );
    let pictures = Queue::allocate(&camera, Way::Capture, BUFFERS as u32)?;
    let length = output.sizes()[0];
    let shared = (0..BUFFERS)
        .map(|index| Ok([(camera.export(Way::Capture, index, 0)?, length)]))
        .collect::<Result<Vec<_>>>()?;
    for index in 0..BUFFERS {
        pictures.queue(index, &Sent::default())?;
    }
    camera.start(Way::Capture)?;

    let stream = Stream {
        device: &device,
        output: Queue::import(&device, Way::Output, BUFFERS as u32)?,
        capture: Queue::allocate(&device, Way::Capture, 1)?,
    };
    stream.resume()?;
    for round in 0..6 {
        ensure!(
            camera.ready(Way::Capture, PATIENCE)?,
            "the camera gives no frame"
        );
        let picture = camera.dequeue(Way::Capture, Memory::Mmap)?;
        let frame = gather(&filmed, &pictures.read(picture.index))?;
        stream.capture.queue(0, &Sent::default())?;
        stream
            .output
            .queue_shared(picture.index, &Sent::default(), &shared[picture.index])?;
        stream.dequeue()?;
        same(&gather(&capture, &stream.capture.read(0))?, &frame, 640)
            .with_context(|| format!("frame {round}"))?;
        pictures.queue(picture.index, &Sent::default())?;
    }
    camera.stop(Way::Capture)?;
    Ok(())
}
