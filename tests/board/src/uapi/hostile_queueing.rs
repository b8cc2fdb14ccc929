// SPDX-License-Identifier: GPL-2.0

//! Tests invalid arguments for queueing buffers: the call returns the error that the V4L2
//! documentation or vb2 names, and the device still works.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};

use super::hostile::{OTHER_TYPES, works};
use super::hostile_buffers::{OTHER_MEMORIES, small};
use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::bindings::{V4L2_BUF_FLAG_REQUEST_FD, v4l2_buffer, v4l2_plane};
use crate::v4l2::{Device, Errno, Memory, Queue, Sent, Stream, Way, Which, raw};

pub(super) const TESTS: &[Test] = &[
    test("buffers that do not exist are EINVAL", no_such_buffer),
    test("more bytes used than there are is EINVAL", overfull),
    test("an empty source counts as full", empty),
    test(
        "QBUF and PREPARE_BUF of another type or memory are EINVAL",
        other_memory,
    ),
    test("files that are none are EINVAL in QBUF", no_files),
    test("flags of no meaning are ignored in QBUF", other_flags),
    test(
        "too few planes are EINVAL and bad pointers EFAULT",
        bad_planes,
    ),
    test("a buffer is prepared once, and in no request", prepared),
];

/// Returns addresses where a process has no memory.
fn nowhere<T>() -> [*mut T; 2] {
    [
        std::ptr::null_mut(),
        std::ptr::without_provenance_mut(0x10_0000_0000_0000),
    ]
}

fn no_such_buffer() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let queue = Queue::allocate(&device, way, 2)?;
        for index in [2, 31, 32, 255, 0x7fff_ffff, 0xffff_ffff] {
            let sent = Sent::default();
            fails(queue.queue(index, &sent), Errno::EINVAL, "QBUF")?;
            fails(queue.prepare(index, &sent), Errno::EINVAL, "PREPARE_BUF")?;
            fails(queue.flags(index), Errno::EINVAL, "QUERYBUF")?;
            fails(device.export(way, index, 0), Errno::EINVAL, "EXPBUF")?;
        }
    }
    Ok(())
}

fn overfull() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let queue = Queue::allocate(&device, Way::Output, 1)?;
    let length = bands.output.planes[0].sizeimage;
    // __verify_length() in vb2 checks this.
    for (bytesused, data_offset) in [
        (length + 1, 0),
        (u32::MAX, 0),
        (length, length),
        (length, u32::MAX),
        (1, 2),
    ] {
        let sent = Sent {
            bytesused: Some(bytesused),
            data_offset,
            ..Sent::default()
        };
        for (name, result) in [
            ("QBUF", queue.queue(0, &sent)),
            ("PREPARE_BUF", queue.prepare(0, &sent)),
        ] {
            let what = format!("{name} of {bytesused} bytes from {data_offset}");
            fails(result, Errno::EINVAL, &what)?;
        }
    }
    drop(queue);
    works(&device)
}

fn empty() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(14))?;
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &bands.source)?;
    // "If the application sets this to 0 for an output stream, then bytesused will be set to the
    // size of the buffer."
    let sent = Sent {
        bytesused: Some(0),
        ..Sent::default()
    };
    stream.queue(0, &sent)?;
    let (output, _) = stream.dequeue()?;
    ensure!(
        output.bytesused == [bands.output.planes[0].sizeimage],
        "it came back with {:?} bytes",
        output.bytesused
    );
    bands.check(&stream.capture.read(0), 14)
}

/// `VIDIOC_QBUF` and `VIDIOC_PREPARE_BUF`.
const QUEUEING: [(&str, Call); 2] = [("QBUF", raw::qbuf), ("PREPARE_BUF", raw::prepare_buf)];

type Call = unsafe fn(i32, *mut v4l2_buffer) -> Result<i32, Errno>;

/// Returns the first buffer of a queue, with `length` planes at `planes`.
fn first(way: Way, planes: *mut v4l2_plane, length: u32) -> v4l2_buffer {
    let mut buffer = v4l2_buffer {
        type_: way.buffer_type(),
        memory: Memory::Mmap.number(),
        field: 1,
        length,
        ..Default::default()
    };
    buffer.m.planes = planes;
    buffer
}

fn other_memory() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        small(&device, way, b"NV12")?;
        let queue = Queue::allocate(&device, way, 1)?;
        let mut planes = [v4l2_plane::default(); 8];
        // EINVAL: "The buffer type is not supported", and vb2_queue_or_prepare_buf().
        for (name, ioctl) in QUEUEING {
            let mut refused = |what: &str, change: fn(&mut v4l2_buffer, u32), value| {
                let mut buffer = first(way, planes.as_mut_ptr(), 8);
                change(&mut buffer, value);
                // SAFETY: There are as many planes as the buffer says.
                let result = unsafe { ioctl(device.as_raw_fd(), &mut buffer) };
                fails(result, Errno::EINVAL, &format!("{name} of {what} {value}"))
            };
            for memory in OTHER_MEMORIES.into_iter().chain([4]) {
                refused("memory", |buffer, value| buffer.memory = value, memory)?;
            }
            for type_ in OTHER_TYPES {
                refused("type", |buffer, value| buffer.type_ = value, type_)?;
            }
        }
        queue.queue(0, &Sent::default()).context("the right one")?;
    }
    works(&device)
}

fn no_files() -> Result<()> {
    let device = Device::open()?;
    let files = [-1, i32::MIN, i32::MAX, 0, device.as_raw_fd()];
    for way in Way::BOTH {
        small(&device, way, b"NV12")?;
        let mut planes = [v4l2_plane::default(); 8];
        {
            let _queue = Queue::import(&device, way, 1)?;
            // EINVAL: "m.fd was an invalid DMABUF file descriptor."
            for fd in files {
                planes[0].m.fd = fd;
                let mut buffer = first(way, planes.as_mut_ptr(), 8);
                buffer.memory = Memory::DmaBuf.number();
                // SAFETY: There are as many planes as the buffer says.
                let result = unsafe { raw::qbuf(device.as_raw_fd(), &mut buffer) };
                fails(result, Errno::EINVAL, &format!("QBUF of dma-buf {fd}"))?;
            }
        }
        if way == Way::Capture {
            continue;
        }
        let queue = Queue::allocate(&device, way, 1)?;
        // EINVAL: "the flag REQUEST_FD was set but the given request_fd was invalid".
        for fd in files {
            let mut buffer = first(way, planes.as_mut_ptr(), 8);
            buffer.flags = V4L2_BUF_FLAG_REQUEST_FD;
            buffer.__bindgen_anon_1.request_fd = fd;
            // SAFETY: There are as many planes as the buffer says.
            let result = unsafe { raw::qbuf(device.as_raw_fd(), &mut buffer) };
            fails(result, Errno::EINVAL, &format!("QBUF in request {fd}"))?;
        }
        queue.queue(0, &Sent::default()).context("in no request")?;
    }
    works(&device)
}

fn other_flags() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(14))?;
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &bands.source)?;
    // vb2_fill_vb2_v4l2_buffer() clears the flags that only the driver sets.
    for flags in [
        !V4L2_BUF_FLAG_REQUEST_FD,
        0xff00_0000,
        0x7fff,
        1 << 20,
        1 << 9,
    ] {
        let sent = Sent {
            flags,
            ..Sent::default()
        };
        stream.capture.queue(0, &sent).context("QBUF of CAPTURE")?;
        stream.output.queue(0, &sent).context("QBUF of OUTPUT")?;
        let frame = stream.dequeue();
        frame.with_context(|| format!("a frame with flags {flags:#x}"))?;
        bands.check(&stream.capture.read(0), 14)?;
    }
    Ok(())
}

fn bad_planes() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        small(&device, way, b"NM12")?;
        let queue = Queue::allocate(&device, way, 1)?;
        let mut planes = [v4l2_plane::default(); 8];
        let good = planes.as_mut_ptr();
        let [null, far] = nowhere();
        for (name, ioctl) in QUEUEING {
            // __verify_planes_array() in vb2, check_array_args() and the copy in the V4L2 core
            // check these.
            for (pointer, length, due) in [
                (good, 0, Errno::EINVAL),
                (good, 1, Errno::EINVAL),
                (good, 9, Errno::EINVAL),
                (good, u32::MAX, Errno::EINVAL),
                (null, 2, Errno::EFAULT),
                (far, 2, Errno::EFAULT),
            ] {
                let mut buffer = first(way, pointer, length);
                // SAFETY: V4L2 accepts 8 planes at most, and checks pointers before it uses them.
                let result = unsafe { ioctl(device.as_raw_fd(), &mut buffer) };
                fails(result, due, &format!("{name} with {length} planes"))?;
            }
        }
        let sent = Sent::default();
        queue.queue(0, &sent).context("QBUF with both planes")?;
    }
    works(&device)
}

fn prepared() -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    for way in Way::BOTH {
        small(&device, way, b"NV12")?;
        let queue = Queue::allocate(&device, way, 1)?;
        let request = media.request()?;
        let inside = Sent {
            request: Some(&request),
            ..Sent::default()
        };
        // vb2_prepare_buf() refuses it: requests prepare their buffers themselves.
        fails(queue.prepare(0, &inside), Errno::EINVAL, "in a request")?;
        let sent = Sent::default();
        queue.prepare(0, &sent)?;
        // vb2_core_prepare_buf() refuses it.
        fails(queue.prepare(0, &sent), Errno::EINVAL, "for a second time")?;
        queue.queue(0, &sent).context("QBUF of a prepared buffer")?;
        fails(queue.prepare(0, &sent), Errno::EINVAL, "once queued")?;
    }
    works(&device)
}
