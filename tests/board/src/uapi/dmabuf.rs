// SPDX-License-Identifier: GPL-2.0

//! Tests imported buffers on both queues, as dma-bufs.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::{Bands, gather, noise, pixels, same, size, spread};
use crate::v4l2::dma_heap::{DmaBuf, Heap};
use crate::v4l2::{Device, Errno, Format, PATIENCE, Queue, Sent, Stream, Way, Which, one_frame};

pub(super) const TESTS: &[Test] = &[
    test(
        "frames go through buffers of a dma-heap on both queues",
        heap,
    ),
    test(
        "a queue of dma-bufs takes another buffer for each frame",
        changing,
    ),
    test(
        "a dma-buf that is too small is refused on both queues",
        too_small,
    ),
    test("a file that is no dma-buf is refused", no_dma_buf),
    test(
        "a frame goes from one context to the next without a copy",
        chained,
    ),
    test(
        "a queue keeps the dma-buf that the program has closed",
        closed,
    ),
];

/// Allocates one dma-buf for each plane.
pub(super) fn of_heap(heap: &Heap, format: &Format) -> Result<Vec<DmaBuf>> {
    let plane = |length| heap.allocate(length).context("allocating from a dma-heap");
    format.sizes().into_iter().map(plane).collect()
}

/// Returns a buffer's planes in the form in which they are queued.
pub(super) fn shared(planes: &[DmaBuf]) -> Vec<(&DmaBuf, usize)> {
    planes.iter().map(|plane| (plane, plane.len())).collect()
}

fn heap() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    for fourcc in device.formats(Way::Output)? {
        let format = Format::new(&fourcc, 640, 480);
        let (output, capture) = device.set_formats(&format, &format)?;
        let (from, to) = (of_heap(&heap, &output)?, of_heap(&heap, &capture)?);
        let frame = noise(pixels(fourcc)?.frame_bytes(size(&output)), 5);
        for (plane, bytes) in from.iter().zip(spread(&output, &frame, 0)?) {
            plane.write(&bytes)?;
        }
        for plane in &to {
            plane.fill(0xa5)?;
        }
        let stream = Stream {
            device: &device,
            output: Queue::import(&device, Way::Output, 1)?,
            capture: Queue::import(&device, Way::Capture, 1)?,
        };
        stream.resume()?;
        let sent = Sent::default();
        stream.capture.queue_shared(0, &sent, &shared(&to))?;
        stream.output.queue_shared(0, &sent, &shared(&from))?;
        let (_, done) = stream.dequeue()?;
        ensure!(!done.failed(), "the frame is marked as failed");
        let planes = to.iter().map(DmaBuf::read).collect::<Result<Vec<_>, _>>()?;
        same(
            &gather(&capture, &planes)?,
            &frame,
            output.planes[0].bytesperline,
        )
        .with_context(|| String::from_utf8_lossy(&fourcc).into_owned())?;
    }
    Ok(())
}

fn changing() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    // The numbers of sources and destinations are different, so that each pair
    // occurs once.
    let from = (0..3)
        .map(|by| {
            let planes = of_heap(&heap, &bands.output)?;
            planes[0].write(&bands.moved(by)?[0])?;
            Ok(planes)
        })
        .collect::<Result<Vec<_>>>()?;
    let to = (0..4)
        .map(|_| of_heap(&heap, &bands.capture))
        .collect::<Result<Vec<_>>>()?;
    device.set_map(Which::Current, &bands.map(17))?;
    let stream = Stream {
        device: &device,
        output: Queue::import(&device, Way::Output, 1)?,
        capture: Queue::import(&device, Way::Capture, 1)?,
    };
    stream.resume()?;
    for round in 0..12_u32 {
        let sent = Sent::default();
        let source = &from[round as usize % 3];
        let planes = &to[round as usize % 4];
        stream.capture.queue_shared(0, &sent, &shared(planes))?;
        stream.output.queue_shared(0, &sent, &shared(source))?;
        stream.dequeue()?;
        let got = planes[0].read()?;
        bands
            .check(&[got], 17 + round % 3)
            .with_context(|| format!("frame {round}"))?;
    }
    Ok(())
}

fn too_small() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in [b"NV12", b"NM12"] {
            let format = device.set_format(way, &Format::new(fourcc, 640, 480))?;
            let queue = Queue::import(&device, way, 1)?;
            device.start(way)?;
            for short in 0..format.planes.len() {
                let mut small = format.clone();
                // The size is 8192 bytes less, because the heap allocates whole
                // pages.
                small.planes[short].sizeimage -= 8192;
                let planes = of_heap(&heap, &small)?;
                fails(
                    queue.queue_shared(0, &Sent::default(), &shared(&planes)),
                    Errno::EINVAL,
                    &format!("{way:?} with plane {short} too small"),
                )?;
                // A length that is larger than the dma-buf does not help.
                let lie: Vec<_> = planes.iter().zip(format.sizes()).collect();
                fails(
                    queue.queue_shared(0, &Sent::default(), &lie),
                    Errno::EFAULT,
                    &format!("{way:?} with plane {short} smaller than said"),
                )?;
            }
            let planes = of_heap(&heap, &format)?;
            queue
                .queue_shared(0, &Sent::default(), &shared(&planes))
                .context("one that is large enough")?;
            device.stop(way)?;
        }
    }
    Ok(())
}

fn no_dma_buf() -> Result<()> {
    let device = Device::open()?;
    let null = std::fs::File::open("/dev/null")?;
    for way in Way::BOTH {
        let format = device.set_format(way, &Format::new(b"NV12", 640, 480))?;
        let queue = Queue::import(&device, way, 1)?;
        device.start(way)?;
        let result = queue.queue_shared(0, &Sent::default(), &[(&null, format.sizes()[0])]);
        fails(result, Errno::EINVAL, "/dev/null as a dma-buf")?;
        device.stop(way)?;
    }
    Ok(())
}

fn chained() -> Result<()> {
    // NV12 is converted to NV16 and back: the output has the luma of the input.
    let (first, second) = (Device::open()?, Device::open()?);
    let nv12 = Format::new(b"NV12", 640, 480);
    let nv16 = Format::new(b"NV16", 640, 480);
    let (source, between) = first.set_formats(&nv12, &nv16)?;
    let (_, result) = second.set_formats(&nv16, &nv12)?;

    let stream = Stream::start(&first, 1)?;
    let shared = [(first.export(Way::Capture, 0, 0)?, between.sizes()[0])];
    let frame = noise(640 * 480 * 3 / 2, 2);
    stream.frame(&spread(&source, &frame, 0)?)?;

    let next = Stream {
        device: &second,
        output: Queue::import(&second, Way::Output, 1)?,
        capture: Queue::allocate(&second, Way::Capture, 1)?,
    };
    next.resume()?;
    next.capture.queue(0, &Sent::default())?;
    next.output.queue_shared(0, &Sent::default(), &shared)?;
    next.dequeue()?;
    let got = gather(&result, &next.capture.read(0))?;
    same(&got[..640 * 480], &frame[..640 * 480], 640)
}

fn closed() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(31))?;
    let stream = Stream {
        device: &device,
        output: Queue::import(&device, Way::Output, 1)?,
        capture: Queue::allocate(&device, Way::Capture, 1)?,
    };
    stream.resume()?;
    {
        let from = of_heap(&heap, &bands.output)?;
        from[0].write(&bands.source[0])?;
        stream
            .output
            .queue_shared(0, &Sent::default(), &shared(&from))?;
    }
    // If the memory of the queued buffer were freed, this buffer could get it, and
    // the frame would be wrong.
    let other = of_heap(&heap, &bands.output)?;
    other[0].fill(0)?;
    stream.capture.queue(0, &Sent::default())?;
    stream.capture.dequeue_within(PATIENCE)?;
    bands.check(&stream.capture.read(0), 31)?;
    drop(stream);
    // The queue can use its own buffers again.
    bands.check(&one_frame(&device, &bands.source)?, 31)
}
