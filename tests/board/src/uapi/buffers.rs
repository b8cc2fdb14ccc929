// SPDX-License-Identifier: GPL-2.0

//! Tests how buffers are created, prepared and exported, and which calls are
//! refused.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::{Bands, gather, noise, same, spread};
use crate::v4l2::bindings::{
    V4L2_BUF_CAP_SUPPORTS_DMABUF as CAP_DMABUF, V4L2_BUF_CAP_SUPPORTS_MMAP as CAP_MMAP,
    V4L2_BUF_CAP_SUPPORTS_USERPTR as CAP_USERPTR, V4L2_BUF_FLAG_PREPARED as PREPARED,
    V4L2_BUF_FLAG_QUEUED as QUEUED,
};
use crate::v4l2::dma_heap::DmaBuf;
use crate::v4l2::{Device, Errno, Format, Memory, Queue, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test("both queues take MMAP and DMABUF and no USERPTR", memories),
    test(
        "CREATE_BUFS takes a larger size and refuses a smaller one",
        created,
    ),
    test(
        "CREATE_BUFS refuses another number of planes",
        created_planes,
    ),
    test(
        "created and requested buffers stream together",
        created_stream,
    ),
    test("a prepared buffer is marked so and streams", prepared),
    test("both queues export each plane", exported),
    test("a queue without buffers does not start", no_buffers),
    test(
        "REQBUFS and the freeing of buffers are refused while streaming",
        requested_while_streaming,
    ),
    test("a buffer is queued once", queued_once),
    test("each of 32 buffers a queue brings its own frame", many),
    test("buffers of each format have the planes it says", planes),
];

fn memories() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let got = device.request_buffers(way, Memory::Mmap, 0)?.capabilities;
        ensure!(
            got & CAP_MMAP != 0 && got & CAP_DMABUF != 0 && got & CAP_USERPTR == 0,
            "{way:?} has capabilities {got:#x}"
        );
        fails(
            device.request_buffers(way, Memory::UserPtr, 1),
            Errno::EINVAL,
            "REQBUFS of USERPTR",
        )?;
        let format = device.format(way)?;
        fails(
            device.create_buffers(way, Memory::UserPtr, 1, &format),
            Errno::EINVAL,
            "CREATE_BUFS of USERPTR",
        )?;
        device.request_buffers(way, Memory::DmaBuf, 1)?;
        device.request_buffers(way, Memory::DmaBuf, 0)?;
    }
    Ok(())
}

/// Returns a format whose planes are so many bytes larger or smaller.
fn resized(format: &Format, by: i32) -> Format {
    let mut format = format.clone();
    for plane in &mut format.planes {
        plane.sizeimage = plane.sizeimage.saturating_add_signed(by);
    }
    format
}

fn created() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in [b"NV12", b"NM12"] {
            let format = device.set_format(way, &Format::new(fourcc, 640, 480))?;
            for by in [0, 1, 4096, 1_000_000] {
                let larger = resized(&format, by);
                let (index, count) = device
                    .create_buffers(way, Memory::Mmap, 2, &larger)
                    .with_context(|| format!("{way:?}, {by} bytes more"))?;
                ensure!(count == 2, "{count} buffers from {index}, not 2");
            }
            for by in [-1, -4096, i32::MIN] {
                fails(
                    device.create_buffers(way, Memory::Mmap, 1, &resized(&format, by)),
                    Errno::EINVAL,
                    &format!("CREATE_BUFS of {way:?} with {by} bytes"),
                )?;
            }
            device.request_buffers(way, Memory::Mmap, 0)?;
        }
    }
    Ok(())
}

fn created_planes() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let one = device.set_format(way, &Format::new(b"NV12", 640, 480))?;
        let mut two = one.clone();
        two.planes.push(two.planes[0]);
        let mut none = one.clone();
        none.planes.clear();
        for wrong in [two, none] {
            fails(
                device.create_buffers(way, Memory::Mmap, 1, &wrong),
                Errno::EINVAL,
                &format!("CREATE_BUFS with {} planes", wrong.planes.len()),
            )?;
        }
    }
    Ok(())
}

fn created_stream() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let mut stream = Stream::prepare(&device, 2)?;
    for (queue, format) in [
        (&mut stream.output, &bands.output),
        (&mut stream.capture, &bands.capture),
    ] {
        let larger = resized(format, 12_345);
        let (index, count) = device.create_buffers(queue.way, Memory::Mmap, 2, &larger)?;
        ensure!((index, count) == (2, 2), "{count} buffers from {index}");
        for index in [2, 3] {
            queue.map(index)?;
            let length = queue.planes(index)[0].len();
            let due = larger.sizes()[0];
            ensure!(length >= due, "it has {length} bytes, not {due}");
        }
    }
    device.set_map(Which::Current, &bands.map(3))?;
    stream.resume()?;
    for index in 0..4 {
        let by = index as u32 * 9;
        stream.output.write(index, &bands.moved(by)?)?;
        stream.queue(index, &Sent::default())?;
        let (output, capture) = stream.dequeue()?;
        ensure!(
            (output.index, capture.index) == (index, index),
            "{output:?}"
        );
        let mut frame = stream.capture.read(index);
        frame[0].truncate(bands.capture.sizes()[0]);
        bands.check(&frame, 3 + by)?;
    }
    Ok(())
}

fn prepared() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &bands.source)?;
    for queue in [&stream.capture, &stream.output] {
        let sent = Sent::default();
        queue.prepare(0, &sent).context("PREPARE_BUF")?;
        let flags = queue.flags(0)?;
        ensure!(
            flags & PREPARED != 0 && flags & QUEUED == 0,
            "its flags are {flags:#x}"
        );
        fails(queue.prepare(0, &sent), Errno::EINVAL, "PREPARE_BUF twice")?;
        queue.queue(0, &sent)?;
        fails(
            queue.prepare(0, &sent),
            Errno::EINVAL,
            "PREPARE_BUF of a queued buffer",
        )?;
    }
    stream.dequeue()?;
    let frame = crate::picture::luma(&bands.capture, &stream.capture.read(0))?;
    ensure!(frame[0] == crate::picture::band_luma(0), "{}", frame[0]);
    Ok(())
}

fn exported() -> Result<()> {
    let device = Device::open()?;
    let format = Format::new(b"NM12", 640, 480);
    let (output, capture) = device.set_formats(&format, &format)?;
    let stream = Stream::start(&device, 1)?;
    let open = |way, format: &Format| -> Result<Vec<DmaBuf>> {
        let plane = |(plane, length)| -> Result<DmaBuf> {
            let file = device.export(way, 0, plane).context("EXPBUF")?;
            Ok(DmaBuf::new(file, length)?)
        };
        format.sizes().into_iter().enumerate().map(plane).collect()
    };
    let (to, from) = (open(Way::Output, &output)?, open(Way::Capture, &capture)?);
    let frame = noise(640 * 480 * 3 / 2, 9);
    for (plane, bytes) in to.iter().zip(spread(&output, &frame, 0)?) {
        plane.write(&bytes)?;
    }
    stream.queue(0, &Sent::default())?;
    stream.dequeue()?;
    let planes = from
        .iter()
        .map(DmaBuf::read)
        .collect::<Result<Vec<_>, _>>()?;
    same(&gather(&capture, &planes)?, &frame, 640)?;
    for (index, plane) in [(1, 0), (0, 2), (99, 0), (0, usize::MAX)] {
        fails(
            device.export(Way::Output, index, plane),
            Errno::EINVAL,
            &format!("EXPBUF of buffer {index} plane {plane}"),
        )?;
    }
    Ok(())
}

fn no_buffers() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        fails(device.start(way), Errno::EINVAL, "STREAMON without buffers")?;
        device
            .stop(way)
            .context("STREAMOFF of what never started")?;
    }
    Ok(())
}

fn requested_while_streaming() -> Result<()> {
    let device = Device::open()?;
    let stream = Stream::start(&device, 2)?;
    stream.queue(0, &Sent::default())?;
    for way in Way::BOTH {
        for count in [0, 1, 4] {
            fails(
                device.request_buffers(way, Memory::Mmap, count),
                Errno::EBUSY,
                &format!("REQBUFS of {count} while {way:?} streams"),
            )?;
        }
        device.start(way).context("STREAMON twice")?;
    }
    Ok(())
}

fn queued_once() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let queue = Queue::allocate(&device, way, 2)?;
        queue.queue(1, &Sent::default())?;
        fails(
            queue.queue(1, &Sent::default()),
            Errno::EINVAL,
            "queueing it twice",
        )?;
        fails(queue.dequeue(), Errno::EINVAL, "DQBUF before STREAMON")?;
        device.start(way)?;
        device.stop(way)?;
        queue
            .queue(1, &Sent::default())
            .context("queueing it after STREAMOFF")?;
        device.start(way)?;
        device.stop(way)?;
    }
    Ok(())
}

fn many() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::prepare(&device, 32)?;
    ensure!(
        (stream.output.len(), stream.capture.len()) == (32, 32),
        "there are {} and {} buffers",
        stream.output.len(),
        stream.capture.len()
    );
    for index in 0..32 {
        // Each source has one luma.
        let length = bands.output.sizes()[0];
        stream
            .output
            .write(index, &[vec![index as u8 * 7; length]])?;
        let sent = Sent {
            timestamp: index as u64,
            ..Sent::default()
        };
        // CAPTURE buffers are queued in reverse order: pairs are made by order,
        // not by index.
        stream.output.queue(index, &sent)?;
        stream.capture.queue(31 - index, &Sent::default())?;
    }
    stream.resume()?;
    for index in 0..32 {
        let (output, capture) = stream.dequeue()?;
        ensure!(
            (output.index, capture.index) == (index, 31 - index),
            "OUTPUT {} came with CAPTURE {}",
            output.index,
            capture.index
        );
        ensure!(capture.timestamp == index as u64, "{capture:?}");
        let got = stream.capture.read(capture.index)[0][0];
        ensure!(got == index as u8 * 7, "frame {index} shows {got}");
    }
    Ok(())
}

fn planes() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in device.formats(way)? {
            let format = device.set_format(way, &Format::new(&fourcc, 648, 488))?;
            let queue = Queue::allocate(&device, way, 1)?;
            let lengths: Vec<usize> = queue.planes(0).iter().map(|plane| plane.len()).collect();
            ensure!(
                lengths == format.sizes(),
                "{way:?} {fourcc:?}: the planes have {lengths:?} bytes, the format says {:?}",
                format.sizes()
            );
        }
    }
    Ok(())
}
