// SPDX-License-Identifier: GPL-2.0

//! Tests memory that runs out: each allocation of each call fails once. The call then fails and
//! changes nothing, or succeeds without that memory, and nothing is lost. Imported buffers are left
//! out: after a QBUF that fails, vb2 counts them wrongly, and reports that on a debug kernel.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::fail_nth::{How, sweep};
use super::{Set, Test, test, works};
use crate::binding::Binding;
use crate::harness::{becomes_true, errno};
use crate::v4l2::{Device, Errno, Format, Memory, PATIENCE, Request, Sent, Stream, Way, Which};

/// The tests that take a moment.
pub(super) const TESTS: &[Test] = &[
    test("opening the device without memory fails, or works", open),
    test("S_FMT without memory fails and changes nothing", set_format),
    test(
        "REQBUFS and CREATE_BUFS without memory leave no buffer",
        allocate,
    ),
    test("a map without memory is not set", set_map),
    test("STREAMON without memory fails, and then streams", start),
    test("QBUF without memory loses no frame", queue),
    test("a request without memory loses no frame", request),
];

/// The test of binding, with some of its many allocations.
pub(super) const SAMPLE: &[Test] = &[test(
    "binding without memory fails, and then binds, for each 13th allocation",
    || bind(13),
)];

/// The test of binding, with all of its allocations.
pub(super) const ALL: &[Test] = &[test(
    "binding without memory fails, and then binds, for each allocation",
    || bind(1),
)];

/// The error that a call usually returns.
const NO_MEMORY: &[Errno] = &[Errno::ENOMEM];

/// Returns the format of a small frame, and one with other planes and more of everything.
fn formats() -> [Format; 2] {
    [
        Format::new(b"NV12", 176, 144),
        Format::new(b"NM12", 1920, 1080),
    ]
}

fn fine<S>(_: &S) -> Result<()> {
    Ok(())
}

fn bind(step: usize) -> Result<()> {
    let device = Binding::find()?;
    // The file is already open, so that only binding fails.
    let bind = OpenOptions::new().write(true).open(device.bind_file())?;
    let swept = sweep(
        "binding",
        step,
        // The driver core returns the second for a device without a name. V4L2 had no memory for
        // the name and did not check that. The third is what drivers return if the registers cannot
        // be requested: the kernel does not say whether they are in use or there was no memory.
        &[Errno::ENOMEM, Errno::EINVAL, Errno::EBUSY],
        || {
            if device.bound() {
                device.unbind()?;
            }
            Ok(())
        },
        |()| {
            let written = bind.write_at(device.name.as_bytes(), 0);
            written.map(drop).map_err(errno)
        },
        |()| {
            ensure!(!device.bound(), "it is bound");
            Ok(())
        },
        |(), how| {
            ensure!(device.bound(), "it is not bound");
            // A device that was bound without some memory may have no node.
            if how != How::Without {
                node_appears()?;
            }
            Ok(())
        },
    );
    if device.bound() {
        device.unbind()?;
    }
    device.bind()?;
    swept?;
    node_appears()?;
    works()
}

/// Waits for the node, which another thread of the kernel creates.
fn node_appears() -> Result<()> {
    let there = becomes_true(PATIENCE, || Ok(Device::open().is_ok()))?;
    ensure!(there, "there is no node");
    Ok(())
}

fn open() -> Result<()> {
    let path = Device::open()?.path;
    let open = |path: &&Path| File::open(path).map(drop).map_err(errno);
    sweep(
        "open and close",
        1,
        NO_MEMORY,
        || Ok(path.as_path()),
        open,
        fine,
        |_, _| Ok(()),
    )?;
    works()
}

fn set_format() -> Result<()> {
    let device = Device::open()?;
    let [small, large] = formats();
    let is = |way, wanted: &Format| -> Result<()> {
        let got = device.format(way)?;
        let key = |format: &Format| (format.fourcc, format.width, format.height);
        ensure!(key(&got) == key(wanted), "{way:?} is {got:?}");
        Ok(())
    };
    for way in Way::BOTH {
        sweep(
            &format!("S_FMT of {way:?}"),
            1,
            NO_MEMORY,
            || {
                device.set_formats(&small, &small)?;
                Ok(device.map(Which::Current)?)
            },
            |_| device.set_format(way, &large).map(drop),
            |map| {
                ensure!(
                    device.map(Which::Current)? == *map,
                    "the map is another one"
                );
                Way::BOTH.into_iter().try_for_each(|way| is(way, &small))
            },
            |_, _| is(way, &large),
        )?;
    }
    drop(device);
    works()
}

fn allocate() -> Result<()> {
    let device = Device::open()?;
    let [format, _] = formats();
    device.set_formats(&format, &format)?;
    let free = |way| -> Result<()> {
        device.request_buffers(way, Memory::Mmap, 0)?;
        Ok(())
    };
    for way in Way::BOTH {
        let none = |_: &()| {
            // The format of a queue that has buffers cannot be changed.
            let result = device.set_format(way, &format);
            result.map(drop).context("a buffer is left behind")
        };
        sweep(
            &format!("REQBUFS of {way:?}"),
            1,
            NO_MEMORY,
            || free(way),
            |()| device.request_buffers(way, Memory::Mmap, 2).map(drop),
            none,
            |(), _| Ok(()),
        )?;
        let format = device.format(way)?;
        sweep(
            &format!("CREATE_BUFS of {way:?}"),
            1,
            NO_MEMORY,
            || free(way),
            |()| {
                let made = device.create_buffers(way, Memory::Mmap, 1, &format);
                made.map(drop)
            },
            none,
            |(), _| Ok(()),
        )?;
        free(way)?;
    }
    drop(device);
    works()
}

fn set_map() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 1)?;
    let set_to = |band| device.set_map(Which::Current, &set.bands.map(band));
    sweep(
        "S_EXT_CTRLS",
        1,
        NO_MEMORY,
        || Ok(set_to(1)?),
        |()| set_to(2),
        |()| {
            set.stream.queue(0, &Sent::default())?;
            set.take(0, 1)
        },
        |(), how| {
            set.stream.queue(0, &Sent::default())?;
            taken(&set, 2, how)
        },
    )?;
    drop(set);
    works()
}

/// Dequeues a frame. It may have failed only if memory was short when it was started.
fn taken(set: &Set<'_>, band: u32, how: How) -> Result<()> {
    let (from, to) = set.stream.dequeue_any()?;
    ensure!(from.failed() == to.failed(), "half of it failed");
    if from.failed() {
        ensure!(how == How::Without, "the frame failed");
        return Ok(());
    }
    let planes = set.stream.capture.read(to.index);
    set.bands.check(&planes, band)
}

fn start() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 3)?;
    // The queue that starts first copies the map to memory that the engine reads; the other one
    // allocates nothing.
    for [first, last] in [[Way::Output, Way::Capture], [Way::Capture, Way::Output]] {
        sweep(
            &format!("STREAMON of {first:?}"),
            1,
            NO_MEMORY,
            || {
                set.stream.stop()?;
                Ok(set.stream.queue(0, &Sent::default())?)
            },
            |()| device.start(first),
            fine,
            |(), how| {
                device.start(last)?;
                taken(&set, 3, how)
            },
        )?;
    }
    drop(set);
    works()
}

fn queue() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 4)?;
    let Stream {
        output, capture, ..
    } = &set.stream;
    for [first, last] in [[output, capture], [capture, output]] {
        sweep(
            &format!("QBUF of {:?}", last.way),
            1,
            NO_MEMORY,
            || Ok(first.queue(0, &Sent::default())?),
            |()| last.queue(0, &Sent::default()),
            fine,
            |(), how| taken(&set, 4, how),
        )?;
    }
    drop(set);
    works()
}

fn request() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 5)?;
    let media = device.media()?;
    let with_map = |band| -> Result<Request> {
        let request = media.request()?;
        device.set_map(Which::Request(&request), &set.bands.map(band))?;
        Ok(request)
    };
    let put = |request: &Request| {
        let sent = Sent {
            request: Some(request),
            ..Sent::default()
        };
        set.stream.output.queue(0, &sent)
    };
    // Does what is left to be done for the request's frame, when the request has a map.
    let go_on = |request: Request, with_buffer: bool, queued: bool, how| -> Result<()> {
        set.stream.capture.queue(0, &Sent::default())?;
        if !with_buffer {
            put(&request)?;
        }
        if !queued {
            match request.queue() {
                // V4L2 had no memory for the map, and has not returned an error before.
                Err(Errno::ENOMEM) if how == How::Without => {
                    device.set_map(Which::Request(&request), &set.bands.map(6))?;
                    request.queue()?;
                }
                result => result?,
            }
        }
        taken(&set, 6, how)?;
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        Ok(())
    };
    sweep(
        "MEDIA_IOC_REQUEST_ALLOC",
        1,
        NO_MEMORY,
        || Ok(()),
        |()| media.request().map(drop),
        fine,
        |(), _| go_on(with_map(6)?, false, false, How::Untouched),
    )?;
    let map = set.bands.map(6);
    sweep(
        "S_EXT_CTRLS into a request",
        1,
        NO_MEMORY,
        || Ok(media.request()?),
        |request| device.set_map(Which::Request(request), &map),
        fine,
        |request, how| go_on(request, false, false, how),
    )?;
    sweep(
        "QBUF into a request",
        1,
        NO_MEMORY,
        || with_map(6),
        put,
        fine,
        |request, how| go_on(request, true, false, how),
    )?;
    sweep(
        "MEDIA_REQUEST_IOC_QUEUE",
        1,
        NO_MEMORY,
        || {
            let request = with_map(6)?;
            put(&request)?;
            Ok(request)
        },
        Request::queue,
        fine,
        |request, how| go_on(request, true, true, how),
    )?;
    drop(set);
    works()
}
