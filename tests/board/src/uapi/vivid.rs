// SPDX-License-Identifier: GPL-2.0

//! Tests frames of a camera without a copy: buffers of the kernel's test driver vivid, which has to
//! be loaded with `multiplanar=2 allocators=1`. The other direction is not tested, because the DMA
//! debugging reports that vivid sets no limit for the segments that it maps. A request of vivid
//! belongs to another media device, and is refused.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result, ensure};

use super::requests::Requests;
use super::{Test, fails, test};
use crate::picture::{gather, same};
use crate::v4l2::{Device, Errno, Format, Memory, PATIENCE, Queue, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test(
        "frames of a camera go through buffers that the camera exported",
        of_camera,
    ),
    test(
        "frames of a camera go into buffers that the camera exported",
        into_camera,
    ),
    test("a request of another media device is EINVAL", foreign),
];

/// How many buffers the camera writes to.
const BUFFERS: usize = 2;

/// A camera and the engine, set to formats with the same layout.
struct Set {
    camera: Device,
    device: Device,
    output: Format,
    capture: Format,
    filmed: Format,
}

impl Set {
    fn new() -> Result<Self> {
        let camera = Device::of_driver("vivid").context("is vivid loaded, with multiplanar=2?")?;
        let device = Device::open()?;
        let format = Format::new(b"NV12", 640, 480);
        let (output, capture) = device.set_formats(&format, &format)?;
        let filmed = camera.set_format(Way::Capture, &format)?;
        ensure!(
            filmed.planes == output.planes,
            "the camera has {filmed:?} and the driver {output:?}"
        );
        Ok(Self {
            camera,
            device,
            output,
            capture,
            filmed,
        })
    }

    /// Exports the first buffers of the camera.
    fn exported(&self, count: usize) -> Result<Vec<Shared>> {
        let length = self.output.sizes()[0];
        (0..count)
            .map(|index| Ok([(self.camera.export(Way::Capture, index, 0)?, length)]))
            .collect()
    }

    /// Waits for a picture. Returns the index of its buffer.
    fn picture(&self) -> Result<usize> {
        ensure!(
            self.camera.ready(Way::Capture, PATIENCE)?,
            "the camera gives no frame"
        );
        let picture = self.camera.dequeue(Way::Capture, Memory::Mmap)?;
        ensure!(!picture.failed(), "the camera failed on a picture");
        Ok(picture.index)
    }

    /// Checks that planes hold this frame.
    fn shows(&self, planes: &[Vec<u8>], frame: &[u8]) -> Result<()> {
        same(&gather(&self.capture, planes)?, frame, 640)
    }
}

/// The single plane of a buffer, for another device.
type Shared = [(OwnedFd, usize); 1];

fn of_camera() -> Result<()> {
    let set = Set::new()?;
    let Set { camera, device, .. } = &set;
    let pictures = Queue::allocate(camera, Way::Capture, BUFFERS as u32)?;
    let shared = set.exported(BUFFERS)?;
    for index in 0..BUFFERS {
        pictures.queue(index, &Sent::default())?;
    }
    camera.start(Way::Capture)?;

    let stream = Stream {
        device,
        output: Queue::import(device, Way::Output, BUFFERS as u32)?,
        capture: Queue::allocate(device, Way::Capture, 1)?,
    };
    stream.resume()?;
    for round in 0..6 {
        let index = set.picture()?;
        let frame = gather(&set.filmed, &pictures.read(index))?;
        stream.capture.queue(0, &Sent::default())?;
        let sent = Sent::default();
        stream.output.queue_shared(index, &sent, &shared[index])?;
        stream.dequeue()?;
        set.shows(&stream.capture.read(0), &frame)
            .with_context(|| format!("frame {round}"))?;
        pictures.queue(index, &Sent::default())?;
    }
    camera.stop(Way::Capture)?;
    Ok(())
}

fn into_camera() -> Result<()> {
    let set = Set::new()?;
    let Set { camera, device, .. } = &set;
    // The engine's frames are written to buffers that the camera does not write to.
    let pictures = Queue::allocate(camera, Way::Capture, 2 * BUFFERS as u32)?;
    let shared = set.exported(2 * BUFFERS)?;
    for index in 0..BUFFERS {
        pictures.queue(index, &Sent::default())?;
    }
    camera.start(Way::Capture)?;

    let stream = Stream {
        device,
        output: Queue::import(device, Way::Output, BUFFERS as u32)?,
        capture: Queue::import(device, Way::Capture, BUFFERS as u32)?,
    };
    stream.resume()?;
    for round in 0..6 {
        let index = set.picture()?;
        let frame = gather(&set.filmed, &pictures.read(index))?;
        let to = BUFFERS + round % BUFFERS;
        pictures.planes(to)[0].fill(0xa5);
        let sent = Sent::default();
        stream
            .capture
            .queue_shared(round % BUFFERS, &sent, &shared[to])?;
        stream.output.queue_shared(index, &sent, &shared[index])?;
        stream.dequeue()?;
        set.shows(&pictures.read(to), &frame)
            .with_context(|| format!("frame {round}"))?;
        pictures.queue(index, &Sent::default())?;
    }
    camera.stop(Way::Capture)?;
    Ok(())
}

fn foreign() -> Result<()> {
    let camera = Device::of_driver("vivid")?;
    let request = camera.media()?.request()?;
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    // EINVAL: "the given request_fd was invalid".
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    fails(all.stream.output.queue(0, &sent), Errno::EINVAL, "QBUF")?;
    fails(
        device.set_map(Which::Request(&request), &all.bands.map(4)),
        Errno::EINVAL,
        "setting its map",
    )?;
    fails(
        device.map(Which::Request(&request)),
        Errno::EINVAL,
        "asking for its map",
    )?;
    all.frame(&all.media.request()?, Some(7), 7)
}
