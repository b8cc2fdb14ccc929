// SPDX-License-Identifier: GPL-2.0

//! Tests buffers in cached memory, and buffers that are removed one by one.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::{gather, noise, pixels, same, size, spread};
use crate::v4l2::bindings::{
    V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS as CACHE_HINTS,
    V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS as REMOVE_BUFS, V4L2_MEMORY_FLAG_NON_COHERENT as CACHED,
};
use crate::v4l2::{Device, Errno, Format, Memory, Queue, Sent, Stream, Way};

pub(super) const TESTS: &[Test] = &[
    test(
        "both queues offer cached memory for MMAP, and for nothing else",
        offered,
    ),
    test(
        "frames through cached memory are right on either queue",
        cached,
    ),
    test(
        "REMOVE_BUFS removes buffers of a queue that streams, and makes room for others",
        removed,
    ),
    test(
        "REMOVE_BUFS refuses what is not there or in use",
        not_removed,
    ),
];

// CAST: It is a flag in one byte.
const FLAG: u8 = CACHED as u8;

fn offered() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for (memory, asked, due) in [
            (Memory::Mmap, FLAG, FLAG),
            (Memory::Mmap, 0, 0),
            (Memory::Mmap, 0xff, FLAG),
            (Memory::DmaBuf, FLAG, 0),
        ] {
            let got = device.request_buffers_in(way, memory, 2, asked)?;
            ensure!(
                got.capabilities & CACHE_HINTS != 0,
                "{way:?} has capabilities {:#x}",
                got.capabilities
            );
            ensure!(
                got.flags == due,
                "{way:?} {memory:?}: flags {asked:#x} became {:#x}, not {due:#x}",
                got.flags
            );
        }
        // All buffers of a queue have the same kind of memory.
        device.request_buffers_in(way, Memory::Mmap, 1, FLAG)?;
        let format = device.format(way)?;
        let more = device.create_buffers(way, Memory::Mmap, 1, &format);
        fails(more, Errno::EINVAL, "CREATE_BUFS of memory of another kind")?;
        device.request_buffers(way, Memory::Mmap, 0)?;
    }
    Ok(())
}

fn cached() -> Result<()> {
    let device = Device::open()?;
    for fourcc in [b"NV12", b"NM12", b"YUYV"] {
        let format = Format::new(fourcc, 640, 480);
        for (output_flags, capture_flags) in [(FLAG, 0), (0, FLAG), (FLAG, FLAG)] {
            let (output, capture) = device.set_formats(&format, &format)?;
            let stream = Stream {
                device: &device,
                output: Queue::allocate_in(&device, Way::Output, 2, output_flags)?,
                capture: Queue::allocate_in(&device, Way::Capture, 2, capture_flags)?,
            };
            stream.resume()?;
            for seed in 0..4 {
                let frame = noise(pixels(*fourcc)?.frame_bytes(size(&output)), seed);
                let got = stream.frame(&spread(&output, &frame, 0)?)?;
                same(&gather(&capture, &got)?, &frame, 640).with_context(|| {
                    let name = String::from_utf8_lossy(fourcc);
                    format!("{name}, flags {output_flags} and {capture_flags}, frame {seed}")
                })?;
            }
        }
    }
    Ok(())
}

/// Returns a stream with so many buffers, and a frame for it.
fn start(device: &Device, count: u32) -> Result<(Stream<'_>, Vec<u8>)> {
    let format = Format::new(b"NV12", 176, 144);
    let (output, _) = device.set_formats(&format, &format)?;
    let frame = noise(pixels(output.fourcc)?.frame_bytes(size(&output)), 5);
    Ok((Stream::start(device, count)?, frame))
}

fn removed() -> Result<()> {
    let device = Device::open()?;
    let (mut stream, frame) = start(&device, 4)?;
    let pass = |stream: &Stream<'_>, index: usize| -> Result<()> {
        stream.output.write(index, &[&frame])?;
        stream.queue(index, &Sent::default())?;
        let (output, capture) = stream.dequeue()?;
        ensure!(output.index == index, "buffer {} came back", output.index);
        same(&stream.capture.read(capture.index)[0], &frame, 176)
    };
    for way in Way::BOTH {
        let got = device.create_buffers_as(way, Memory::Mmap, 0, &device.format(way)?)?;
        ensure!(got.index == 4, "there are {}, not 4", got.index);
        ensure!(
            got.capabilities & REMOVE_BUFS != 0,
            "{way:?} has capabilities {:#x}",
            got.capabilities
        );
    }
    pass(&stream, 1)?;
    for way in Way::BOTH {
        device.remove_buffers(way, 1, 2).context("removing two")?;
        let queue = match way {
            Way::Output => &stream.output,
            Way::Capture => &stream.capture,
        };
        for index in [1, 2] {
            fails(queue.flags(index), Errno::EINVAL, "QUERYBUF of one removed")?;
            let sent = queue.queue(index, &Sent::default());
            fails(sent, Errno::EINVAL, "QBUF of one removed")?;
        }
        // Mapped memory stays until it is unmapped.
        same(&queue.planes(1)[0].read(), &frame, 176).context("the memory of one removed")?;
    }
    for index in [3, 0] {
        pass(&stream, index).with_context(|| format!("buffer {index}, which was left"))?;
    }
    for queue in [&mut stream.output, &mut stream.capture] {
        let format = device.format(queue.way)?;
        let got = device.create_buffers(queue.way, Memory::Mmap, 1, &format)?;
        ensure!(got == (1, 1), "a new one has {got:?} for index and count");
        queue.map_again(1)?;
    }
    pass(&stream, 1).context("the new one")
}

fn not_removed() -> Result<()> {
    let device = Device::open()?;
    let (stream, _) = start(&device, 3)?;
    let media = device.media()?;
    for way in Way::BOTH {
        device.remove_buffers(way, 0, 0).context("removing none")?;
        for (index, count) in [
            (0, 4),
            (2, 2),
            (3, 1),
            (31, 2),
            (u32::MAX, 1),
            (1, u32::MAX),
        ] {
            let result = device.remove_buffers(way, index, count);
            let what = format!("{way:?}: removing {count} from {index}");
            fails(result, Errno::EINVAL, &what)?;
        }
    }
    // The states are: queued, in a request that is not queued, and done.
    let request = media.request()?;
    let in_request = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    stream.output.queue(0, &in_request)?;
    stream.capture.queue(1, &Sent::default())?;
    for (way, busy) in [(Way::Output, 0), (Way::Capture, 1)] {
        for (index, count) in [(busy, 1), (0, 3)] {
            let result = device.remove_buffers(way, index, count);
            fails(result, Errno::EBUSY, "removing a buffer in use")?;
        }
        device
            .remove_buffers(way, 2, 1)
            .context("removing another")?;
        let result = device.remove_buffers(way, 0, 3);
        fails(result, Errno::EINVAL, "removing across a gap")?;
    }
    request.queue()?;
    let done = stream.capture.dequeue_within(crate::v4l2::PATIENCE)?;
    ensure!(!done.failed(), "the frame failed");
    let result = device.remove_buffers(Way::Output, 0, 1);
    fails(result, Errno::EBUSY, "removing a buffer that is done")?;
    stream.output.dequeue_within(crate::v4l2::PATIENCE)?;
    device.remove_buffers(Way::Output, 0, 2)?;
    // The queue goes on to stream, and its format does not change.
    let other = device.set_format(Way::Output, &Format::new(b"NV12", 640, 480));
    fails(other, Errno::EBUSY, "S_FMT with all buffers removed")
}
