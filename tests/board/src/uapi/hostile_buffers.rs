// SPDX-License-Identifier: GPL-2.0

//! Tests invalid arguments for allocating and sharing buffers: the call returns the error that the
//! V4L2 documentation or vb2 names, or a clamped value, and the device still works.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail, ensure};

use super::hostile::{OTHER_TYPES, works};
use super::{Test, fails, test};
use crate::kernel_log::Log;
use crate::v4l2::bindings::{
    V4L2_BUF_CAP_SUPPORTS_MMAP_CACHE_HINTS as CACHE_HINTS, v4l2_create_buffers, v4l2_exportbuffer,
    v4l2_format, v4l2_requestbuffers,
};
use crate::v4l2::{Device, Errno, Format, Memory, Queue, Way, raw};

pub(super) const TESTS: &[Test] = &[
    test(
        "REQBUFS takes any count and flags, and no other memory or type",
        requested,
    ),
    test(
        "CREATE_BUFS takes any count, and no other memory or type",
        created,
    ),
    test("CREATE_BUFS of planes that do not fit is EINVAL", misfits),
    test("memory that is not there is ENOMEM without a word", large),
    test("EXPBUF of another type, plane or flag is EINVAL", exported),
];

/// The largest number of buffers of a queue: `VIDEO_MAX_FRAME`.
const MOST: u32 = 32;

/// Numbers of kinds of memory that the queues do not accept. 2 is the program's own memory and 3 an
/// overlay.
pub(super) const OTHER_MEMORIES: [u32; 5] = [0, 2, 3, 99, u32::MAX];

/// Sets a small format of a queue.
pub(super) fn small(device: &Device, way: Way, fourcc: &[u8; 4]) -> Result<Format> {
    Ok(device.set_format(way, &Format::new(fourcc, 176, 144))?)
}

fn requested() -> Result<()> {
    let device = Device::open()?;
    let call = |mut request: v4l2_requestbuffers| {
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::reqbufs(device.as_raw_fd(), &mut request) }.map(|_| request)
    };
    let of = |type_, memory, count| v4l2_requestbuffers {
        count,
        type_,
        memory,
        ..Default::default()
    };
    for way in Way::BOTH {
        small(&device, way, b"NV12")?;
        let own = way.buffer_type();
        // "The actual number of buffers allocated, which may be smaller than requested."
        for count in [u32::MAX, 0x8000_0000, 33, MOST] {
            match call(of(own, 1, count)) {
                Ok(got) => ensure!(
                    (1..=MOST).contains(&got.count),
                    "{count} buffers became {}",
                    got.count
                ),
                Err(Errno::ENOMEM) => continue,
                Err(error) => bail!("REQBUFS of {count} gave {error:?}"),
            }
        }
        let there = call(of(own, 1, 3))?.count;
        // EINVAL: "The buffer type or the requested I/O method is not supported."
        for memory in OTHER_MEMORIES {
            let what = format!("REQBUFS of memory {memory}");
            fails(call(of(own, memory, 2)), Errno::EINVAL, &what)?;
        }
        for type_ in OTHER_TYPES {
            let what = format!("REQBUFS of type {type_}");
            fails(call(of(type_, 1, 2)), Errno::EINVAL, &what)?;
        }
        let (index, _) = device.create_buffers(way, Memory::Mmap, 0, &device.format(way)?)?;
        ensure!(index == there, "a refused REQBUFS left {index} buffers");
        // Only a queue that announces cache hints accepts a flag: vb2_set_flags_and_caps().
        for flags in [1, 0xfe, 0xff] {
            let got = call(v4l2_requestbuffers {
                flags,
                ..of(own, 1, 2)
            })
            .with_context(|| format!("REQBUFS with flags {flags:#x}"))?;
            let due = match got.capabilities & CACHE_HINTS {
                0 => 0,
                _ => flags & 1,
            };
            ensure!(got.flags == due, "flags {flags:#x} became {:#x}", got.flags);
        }
        call(of(own, 1, 0))?;
    }
    works(&device)
}

/// Calls `VIDIOC_CREATE_BUFS` with any arguments.
fn create(
    device: &Device,
    memory: u32,
    count: u32,
    format: v4l2_format,
) -> Result<v4l2_create_buffers, Errno> {
    let mut create = v4l2_create_buffers {
        count,
        memory,
        format,
        ..Default::default()
    };
    // SAFETY: The argument contains no pointer to other memory.
    unsafe { raw::create_bufs(device.as_raw_fd(), &mut create) }.map(|_| create)
}

fn created() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let format = small(&device, way, b"NM12")?.to_raw(way);
        let there = |count| -> Result<()> {
            // "If count is 0, index is the number of created buffers", and nothing else happens.
            let got = create(&device, 1, 0, format)?;
            ensure!(got.index == count, "{} buffers, not {count}", got.index);
            Ok(())
        };
        there(0)?;
        create(&device, 1, 2, format)?;
        there(2)?;
        // EINVAL: "The buffer type, requested I/O method or format is not valid", also of nothing.
        for count in [0, 1] {
            for memory in OTHER_MEMORIES {
                let what = format!("CREATE_BUFS of {count} of memory {memory}");
                fails(create(&device, memory, count, format), Errno::EINVAL, &what)?;
            }
            for type_ in OTHER_TYPES {
                let other = v4l2_format { type_, ..format };
                let what = format!("CREATE_BUFS of {count} of type {type_}");
                fails(create(&device, 1, count, other), Errno::EINVAL, &what)?;
            }
        }
        // All buffers of a queue are of one memory: vb2_core_create_bufs().
        let result = create(&device, Memory::DmaBuf.number(), 1, format);
        fails(result, Errno::EINVAL, "CREATE_BUFS of another memory")?;
        there(2)?;
        for count in [3, u32::MAX] {
            let got = create(&device, 1, count, format)?;
            ensure!(got.index + got.count <= MOST, "buffers past the last one");
        }
        // The queue cannot have one more: vb2_core_create_bufs().
        let result = create(&device, 1, 1, format);
        fails(result, Errno::ENOBUFS, "CREATE_BUFS past the last one")?;
        device.request_buffers(way, Memory::Mmap, 0)?;
    }
    works(&device)
}

fn misfits() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for (fourcc, planes) in [(b"NV12", 1), (b"NM12", 2)] {
            let format = small(&device, way, fourcc)?;
            let call = |format: &Format, what: &str| {
                let result = create(&device, 1, 1, format.to_raw(way));
                fails(result, Errno::EINVAL, &format!("{way:?}: {what}"))
            };
            // EINVAL: "format is not valid".
            for plane in 0..planes {
                let size = format.planes[plane].sizeimage;
                for bad in [0, 1, size / 2, size - 1] {
                    let mut wrong = format.clone();
                    wrong.planes[plane].sizeimage = bad;
                    call(&wrong, &format!("plane {plane} of {bad} bytes"))?;
                }
            }
            for count in [0, 3 - planes, 3, 8] {
                let mut wrong = format.clone();
                wrong.planes.resize(count, format.planes[0]);
                call(&wrong, &format!("{count} planes"))?;
            }
            let mut wrong = format.to_raw(way);
            wrong.fmt.pix_mp.num_planes = 255;
            let result = create(&device, 1, 1, wrong);
            fails(result, Errno::EINVAL, "CREATE_BUFS of 255 planes")?;
        }
    }
    works(&device)
}

/// Checks that the kernel printed no report.
fn quiet(mut log: Log) -> Result<()> {
    for text in log.texts()? {
        for complaint in ["WARNING", "allocation failure", "BUG"] {
            ensure!(!text.contains(complaint), "the kernel says: {text}");
        }
    }
    Ok(())
}

fn large() -> Result<()> {
    let log = Log::from_now()?;
    let device = Device::open()?;
    for way in Way::BOTH {
        let format = small(&device, way, b"NV12")?;
        for sizeimage in [0x7fff_f000, 0x8000_0000, 0xffff_f000, u32::MAX] {
            let mut huge = format.clone();
            huge.planes[0].sizeimage = sizeimage;
            // ENOMEM: "No memory to allocate buffers for memory mapped I/O."
            let result = device.create_buffers(way, Memory::Mmap, 2, &huge);
            let what = format!("CREATE_BUFS of {sizeimage:#x} bytes");
            fails(result, Errno::ENOMEM, &what)?;
        }
        device.set_format(way, &Format::new(b"NV16", 4096, 3072))?;
    }
    for way in Way::BOTH {
        match device.request_buffers(way, Memory::Mmap, MOST) {
            Ok(got) => ensure!((1..=MOST).contains(&got.count), "{} buffers", got.count),
            Err(error) => ensure!(error == Errno::ENOMEM, "REQBUFS gave {error:?}"),
        }
    }
    for way in Way::BOTH {
        device.request_buffers(way, Memory::Mmap, 0)?;
    }
    quiet(log)?;
    works(&device)
}

fn exported() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        small(&device, way, b"NM12")?;
        let own = way.buffer_type();
        let call = |type_, index, plane, flags| {
            let mut export = v4l2_exportbuffer {
                type_,
                index,
                plane,
                flags,
                ..Default::default()
            };
            // SAFETY: The argument contains no pointer to other memory.
            let result = unsafe { raw::expbuf(device.as_raw_fd(), &mut export) };
            let what = format!("EXPBUF of {type_}, {index}, {plane}, {flags:#x}");
            // EINVAL: "A queue is not in MMAP mode or flags or type or index or plane fields are
            // invalid."
            fails(result, Errno::EINVAL, &what)
        };
        let queue = Queue::allocate(&device, way, 2)?;
        for plane in [2, 3, 7, 8, 255, u32::MAX] {
            call(own, 0, plane, 0)?;
        }
        for index in [2, 31, 32, u32::MAX] {
            call(own, index, 0, 0)?;
        }
        // The flags are all but the access mode and `O_CLOEXEC`, which is 0o2000000.
        for flags in [4, 0o100, 0o4000, 1 << 31, u32::MAX] {
            call(own, 0, 0, flags)?;
        }
        for type_ in OTHER_TYPES {
            call(type_, 0, 0, 0)?;
        }
        device.export(way, 1, 1).context("EXPBUF as it should be")?;
        drop(queue);
        let _queue = Queue::import(&device, way, 1)?;
        call(own, 0, 0, 0)?;
    }
    works(&device)
}
