// SPDX-License-Identifier: GPL-2.0

//! Tests that `bytesperline` and `data_offset` from the program are used, in numbers and in
//! pixels.

use anyhow::{Context, Result, ensure};

use super::dmabuf::{of_heap, shared};
use super::{Test, fails, test};
use crate::picture::{gather, noise, pixels, same, size, spread};
use crate::v4l2::dma_heap::Heap;
use crate::v4l2::{Device, Errno, Format, Memory, Queue, Sent, Stream, Way};

pub(super) const TESTS: &[Test] = &[
    test(
        "a larger bytesperline is honoured in every format",
        honoured,
    ),
    test(
        "a bytesperline that is too small becomes the minimum",
        too_small,
    ),
    test(
        "a bytesperline is rounded up to 8 bytes and ends at 0xfff8",
        limits,
    ),
    test("TRY_FMT answers to a bytesperline as S_FMT does", tried),
    test(
        "a line length left over from the present format is ignored, and tight frames come out right",
        left_over,
    ),
    test(
        "a line length beside another sizeimage, or for the present width, is a request for padding",
        not_left_over,
    ),
    test(
        "a source with padded lines shows its pixels and no padding",
        padded_source,
    ),
    test(
        "a destination with padded lines has its pixels in place",
        padded_destination,
    ),
    test("padded lines on both sides, each with its own", padded_both),
    test(
        "lines of 0xfff8 bytes carry a frame, and bound what may be written",
        widest,
    ),
    test(
        "a data_offset is honoured, or refused if the engine cannot start there",
        data_offset,
    ),
    test(
        "planes in one dma-buf have a data_offset each, and no more room than it has",
        one_dma_buf,
    ),
];

/// Returns the bytes of a line without padding.
fn tight(format: &Format) -> Result<u32> {
    // CAST: It is 8192 at most.
    Ok(pixels(format.fourcc)?.planes(size(format))[0].0 as u32)
}

/// Checks that a format has these strides, and sizes that follow from them.
fn check(way: Way, format: &Format, stride: u32) -> Result<()> {
    let lines: Vec<u32> = pixels(format.fourcc)?
        .planes(size(format))
        .iter()
        // CAST: It is 3072 at most.
        .map(|plane| plane.1 as u32)
        .collect();
    let split = pixels(format.fourcc)?.split;
    let due: Vec<(u32, u32)> = if split {
        lines.iter().map(|count| (stride, stride * count)).collect()
    } else {
        vec![(stride, stride * lines.iter().sum::<u32>())]
    };
    let got: Vec<(u32, u32)> = format
        .planes
        .iter()
        .map(|plane| (plane.bytesperline, plane.sizeimage))
        .collect();
    let name = String::from_utf8_lossy(&format.fourcc);
    ensure!(
        got == due,
        "{way:?} {name} {} has lines and planes of {got:?} bytes, not {due:?}",
        size(format)
    );
    Ok(())
}

/// Sets each format of each queue in two sizes, with a stride computed from the minimum.
fn each(
    set: impl Fn(Way, &Format) -> Result<Format, Errno>,
    wanted: impl Fn(u32) -> u32,
    due: impl Fn(u32) -> u32,
) -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in device.formats(way)? {
            for (width, height) in [(648, 488), (1920, 1080)] {
                let format = Format::new(&fourcc, width, height);
                let least = tight(&format)?;
                let got = set(way, &format.with_stride(wanted(least)))?;
                check(way, &got, due(least))
                    .with_context(|| format!("{} bytes a line", wanted(least)))?;
            }
        }
    }
    Ok(())
}

fn honoured() -> Result<()> {
    let device = Device::open()?;
    let set = |way, format: &Format| {
        let got = device.set_format(way, format)?;
        // VIDIOC_G_FMT returns what was set.
        if device.format(way)? == got {
            Ok(got)
        } else {
            Err(Errno::EPROTO)
        }
    };
    for more in [8, 64, 1000] {
        each(set, |least| least + more, |least| least + more)?;
    }
    Ok(())
}

fn too_small() -> Result<()> {
    let device = Device::open()?;
    let set = |way, format: &Format| device.set_format(way, format);
    each(set, |_| 0, |least| least)?;
    each(set, |_| 1, |least| least)?;
    each(set, |least| least - 1, |least| least)
}

fn limits() -> Result<()> {
    let device = Device::open()?;
    let set = |way, format: &Format| device.set_format(way, format);
    for (more, due) in [(1, 8), (7, 8), (9, 16), (4, 8)] {
        each(set, |least| least + more, |least| least + due)?;
    }
    for huge in [
        0xfff8,
        0xfff9,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        u32::MAX,
    ] {
        each(set, |_| huge, |_| 0xfff8)?;
    }
    Ok(())
}

fn tried() -> Result<()> {
    let device = Device::open()?;
    let before = Way::BOTH.map(|way| device.format(way));
    let set = |way, format: &Format| device.try_format(way, format);
    each(set, |least| least + 64, |least| least + 64)?;
    each(set, |_| 3, |least| least)?;
    each(set, |_| u32::MAX, |_| 0xfff8)?;
    let after = Way::BOTH.map(|way| device.format(way));
    ensure!(before == after, "TRY_FMT changed {before:?} to {after:?}");
    Ok(())
}

/// Returns the format of a program that takes the present format and changes only pixel format and
/// size.
fn changed(present: &Format, fourcc: &[u8; 4], width: u32, height: u32) -> Format {
    Format {
        planes: present.planes.clone(),
        ..Format::new(fourcc, width, height)
    }
}

fn left_over() -> Result<()> {
    const FULL: (u32, u32) = (1920, 1080);
    const HD: (u32, u32) = (1280, 720);
    for (before, after) in [
        ((b"NV12", FULL), (b"NV12", HD)),
        ((b"NM12", FULL), (b"NM12", HD)),
        ((b"YUYV", (640, 480)), (b"NV12", (640, 480))),
        ((b"NV16", FULL), (b"YUYV", (176, 144))),
    ] {
        let [tight_device, device] = [Device::open()?, Device::open()?];
        let (fourcc, (width, height)) = after;
        let wanted = Format::new(fourcc, width, height);
        // A program that ignores the adjusted strides sees this.
        let (tight_format, _) = tight_device.set_formats(&wanted, &wanted)?;
        let presents = {
            let (fourcc, (width, height)) = before;
            let wanted = Format::new(fourcc, width, height);
            let both = device.set_formats(&wanted, &wanted)?;
            [both.0, both.1]
        };
        let answers = |set: &dyn Fn(Way, &Format) -> Result<Format, Errno>| {
            let mut answers = Vec::new();
            for (way, present) in Way::BOTH.into_iter().zip(&presents) {
                answers.push((way, set(way, &changed(present, fourcc, width, height))?));
            }
            anyhow::Ok(answers)
        };
        let tried = answers(&|way, format| device.try_format(way, format))?;
        let set = answers(&|way, format| device.set_format(way, format))?;

        let frame = noise(pixels(*fourcc)?.frame_bytes(size(&wanted)), 8);
        let got = Stream::start(&device, 1)?.frame(&spread(&tight_format, &frame, 0)?)?;
        let name = String::from_utf8_lossy(fourcc).into_owned();
        same(&gather(&tight_format, &got)?, &frame, tight(&wanted)?)
            .with_context(|| format!("{name} {width}x{height} after {before:?}"))?;
        for (way, answer) in tried.into_iter().chain(set) {
            check(way, &answer, tight(&wanted)?)?;
        }
    }
    Ok(())
}

fn not_left_over() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let present =
            device.set_format(way, &Format::new(b"NV12", 1920, 1080).with_stride(2048))?;
        check(way, &present, 2048)?;
        // The size is the same again, or has fewer lines.
        for height in [1080, 720] {
            let again = changed(&present, b"NV12", 1920, height);
            check(way, &device.try_format(way, &again)?, 2048)?;
        }
        // libcamera does so: it sets a stride, and its own size or none.
        for size in [0, 2048 * 720 * 3 / 2] {
            let mut wanted = changed(&present, b"NV12", 1280, 720);
            wanted.planes[0].sizeimage = size;
            check(way, &device.try_format(way, &wanted)?, 2048)?;
        }
        let mut wanted = changed(&present, b"NV12", 1280, 720);
        wanted.planes[0].bytesperline = 1288;
        check(way, &device.try_format(way, &wanted)?, 1288)?;
    }
    Ok(())
}

/// Processes one frame with so much padding on both sides, in each format that both queues accept:
/// the output must equal the input.
fn through(output_more: u32, capture_more: u32) -> Result<()> {
    let device = Device::open()?;
    for fourcc in device.formats(Way::Output)? {
        let tightly = Format::new(&fourcc, 648, 488);
        let least = tight(&tightly)?;
        let (output, capture) = device.set_formats(
            &tightly.clone().with_stride(least + output_more),
            &tightly.with_stride(least + capture_more),
        )?;
        check(Way::Output, &output, least + output_more)?;
        check(Way::Capture, &capture, least + capture_more)?;
        let frame = noise(pixels(fourcc)?.frame_bytes(size(&output)), least);
        let stream = Stream::start(&device, 1)?;
        for padding in [0, 0xff] {
            let got = stream.frame(&spread(&output, &frame, padding)?)?;
            same(&gather(&capture, &got)?, &frame, least)
                .with_context(|| String::from_utf8_lossy(&fourcc).into_owned())?;
        }
    }
    Ok(())
}

fn padded_source() -> Result<()> {
    through(72, 0)
}

fn padded_destination() -> Result<()> {
    through(0, 40)
}

fn padded_both() -> Result<()> {
    through(8, 1024)
}

fn widest() -> Result<()> {
    const STRIDE: u32 = 0xfff8;
    let device = Device::open()?;
    for fourcc in [b"NV12", b"NM12", b"NV16", b"YUYV"] {
        let format = Format::new(fourcc, 176, 144).with_stride(STRIDE);
        let (output, capture) = device.set_formats(&format, &format)?;
        check(Way::Output, &output, STRIDE)?;
        check(Way::Capture, &capture, STRIDE)?;
        let frame = noise(pixels(*fourcc)?.frame_bytes(size(&output)), 11);
        let stream = Stream::start(&device, 1)?;
        let got = stream.frame(&spread(&output, &frame, 0)?)?;
        let name = String::from_utf8_lossy(fourcc);
        same(&gather(&capture, &got)?, &frame, 176).with_context(|| name.to_string())?;

        let registers = super::debugfs::read(&device)?;
        let planes = pixels(*fourcc)?.planes(size(&capture));
        // The bound is in units of 16 bytes. A line is no multiple of that.
        let bound = |plane: &(usize, usize)| STRIDE * plane.1 as u32 / 16;
        let names = ["DST_IMG_Y_SIZE1", "DST_IMG_UV_SIZE1"];
        for (name, due) in names.into_iter().zip(planes.iter().map(bound)) {
            let got = registers.get(name);
            ensure!(got == Some(&due), "{name} is {got:x?}, not {due:#x}");
        }
        for name in ["SRC_IMG_STRIDE", "DST_IMG_STRIDE"] {
            let got = registers.get(name);
            ensure!(got == Some(&STRIDE), "{name} is {got:x?}, not {STRIDE:#x}");
        }
    }
    Ok(())
}

fn data_offset() -> Result<()> {
    let device = Device::open()?;
    for fourcc in [b"NV12", b"NM12", b"YUYV"] {
        let format = Format::new(fourcc, 176, 144);
        for memory in [Memory::Mmap, Memory::DmaBuf] {
            let (output, capture) = device.set_formats(&format, &format)?;
            offset_frames(&device, &output, &capture, memory)
                .with_context(|| format!("{memory:?}, {}", String::from_utf8_lossy(fourcc)))?;
        }
    }
    Ok(())
}

/// Processes frames from the start of their planes and from offsets, in the same buffer.
fn offset_frames(device: &Device, output: &Format, capture: &Format, memory: Memory) -> Result<()> {
    const OFFSET: usize = 4096;
    let mut roomy = output.clone();
    for plane in &mut roomy.planes {
        // CAST: It is one page.
        plane.sizeimage += OFFSET as u32;
    }
    let (source, index, planes) = if memory == Memory::Mmap {
        let mut queue = Queue::allocate(device, Way::Output, 1)?;
        let (index, _) = device
            .create_buffers(Way::Output, memory, 1, &roomy)
            .context("CREATE_BUFS with room for an offset")?;
        queue.map(index as usize)?;
        (queue, index as usize, Vec::new())
    } else {
        let queue = Queue::import(device, Way::Output, 1)?;
        (queue, 0, of_heap(&Heap::open()?, &roomy)?)
    };
    let stream = Stream {
        device,
        output: source,
        capture: Queue::allocate(device, Way::Capture, 1)?,
    };
    stream.resume()?;
    let fill = |from: usize, frame: &[u8]| -> Result<()> {
        for (plane, bytes) in spread(output, frame, 0)?.into_iter().enumerate() {
            let mut all = vec![0x42; from];
            all.extend(bytes);
            match planes.get(plane) {
                Some(shared) => shared.write(&all)?,
                None => stream.output.planes(index)[plane].write(0, &all)?,
            }
        }
        Ok(())
    };
    let put = |sent: &Sent<'_>| match memory {
        Memory::Mmap => stream.output.queue(index, sent),
        _ => stream.output.queue_shared(index, sent, &shared(&planes)),
    };
    let shown = |frame: &[u8], offset: usize| -> Result<()> {
        stream.capture.queue(0, &Sent::default())?;
        let (done, _) = stream.dequeue()?;
        // CAST: It is one page.
        let due = output.planes.iter().map(|p| p.sizeimage + offset as u32);
        ensure!(
            done.bytesused.iter().copied().eq(due),
            "it came back with {:?} bytes",
            done.bytesused
        );
        let got = gather(capture, &stream.capture.read(0))?;
        same(&got, frame, output.planes[0].bytesperline)
    };
    let length = pixels(output.fourcc)?.frame_bytes(size(output));

    let first = noise(length, 3);
    fill(0, &first)?;
    put(&Sent::default()).context("QBUF without a data_offset")?;
    shown(&first, 0)?;

    // CAST: It is one page.
    let from = |offset: usize| Sent {
        data_offset: offset as u32,
        ..Sent::default()
    };
    for (offset, seed) in [(OFFSET, 4), (16, 5)] {
        let frame = noise(length, seed);
        fill(offset, &frame)?;
        put(&from(offset)).with_context(|| format!("QBUF with a data_offset of {offset}"))?;
        shown(&frame, offset)
            .with_context(|| format!("the data_offset of {offset} was taken and not heeded"))?;
    }
    // The engine's addresses are multiples of 16, and the memory after the buffer is not the
    // buffer's.
    for offset in [8, 2 * OFFSET] {
        let what = format!("QBUF with a data_offset of {offset}");
        fails(put(&from(offset)), Errno::EINVAL, &what)?;
    }
    fill(0, &first)?;
    put(&Sent::default()).context("QBUF after one that was refused")?;
    shown(&first, 0)
}

fn one_dma_buf() -> Result<()> {
    let device = Device::open()?;
    let format = Format::new(b"NM12", 176, 144);
    let (output, capture) = device.set_formats(&format, &format)?;
    let stream = Stream {
        device: &device,
        output: Queue::import(&device, Way::Output, 1)?,
        capture: Queue::allocate(&device, Way::Capture, 1)?,
    };
    stream.resume()?;

    let frame = noise(pixels(output.fourcc)?.frame_bytes(size(&output)), 6);
    let planes = spread(&output, &frame, 0)?;
    let luma = planes[0].len();
    let whole = Heap::open()?.allocate(planes.concat().len())?;
    whole.write(&planes.concat())?;
    let put = |offset: usize, length: usize| {
        let both = [(&whole, whole.len()), (&whole, length)];
        // CAST: It is some pages.
        let offsets = [0, offset as u32];
        stream.output.queue_parts(0, &both, &offsets)
    };

    // The second plane's length is larger than the dma-buf, which vb2 does not check.
    let behind = whole.len();
    let what = "QBUF of a plane behind the end of its dma-buf";
    fails(put(behind, 4 * behind), Errno::EINVAL, what)?;

    put(luma, whole.len()).context("QBUF of two planes in one dma-buf")?;
    stream.capture.queue(0, &Sent::default())?;
    stream.dequeue()?;
    let got = gather(&capture, &stream.capture.read(0))?;
    same(&got, &frame, output.planes[0].bytesperline)?;
    // This also fails where the same buffer was large enough before.
    fails(put(behind, 4 * behind), Errno::EINVAL, what)
}
