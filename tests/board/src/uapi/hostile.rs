// SPDX-License-Identifier: GPL-2.0

//! Nonsense in every ioctl: an error or a clamped value, and a device that still works.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::{Bands, noise};
use crate::v4l2::bindings::{
    v4l2_buffer, v4l2_ext_control, v4l2_ext_controls, v4l2_format, v4l2_plane,
};
use crate::v4l2::{
    Device, Errno, Format, MAP, Memory, Plane, Queue, Sent, Stream, Way, Which, one_frame, raw,
};

pub(super) const TESTS: &[Test] = &[
    test(
        "formats of any numbers are clamped to what the engine takes",
        formats,
    ),
    test("a format of another buffer type is EINVAL", other_types),
    test("buffers that do not exist are EINVAL", no_such_buffer),
    test("more bytes used than there are is EINVAL", overfull),
    test(
        "too few planes are EINVAL and bad pointers EFAULT",
        bad_planes,
    ),
    test("controls behind bad pointers are EFAULT", bad_controls),
    test("a map of extreme vertices gives a frame", extreme_maps),
];

/// Numbers that arithmetic likes least.
const NUMBERS: [u32; 9] = [
    0,
    1,
    7,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    u32::MAX,
];

/// That the device still makes a frame of a frame.
pub(super) fn works(device: &Device) -> Result<()> {
    let bands = Bands::set(device)?;
    device.set_map(Which::Current, &bands.map(14))?;
    bands
        .check(&one_frame(device, &bands.source)?, 14)
        .context("a frame after all that")
}

fn formats() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for (index, width) in NUMBERS.into_iter().enumerate() {
            for (other, height) in NUMBERS.into_iter().enumerate() {
                let number = |step: usize| NUMBERS[(index * 2 + other * 5 + step) % NUMBERS.len()];
                let fourcc = if other % 2 == 0 {
                    *b"NM12"
                } else {
                    number(1).to_le_bytes()
                };
                let mut format = Format::new(&fourcc, width, height);
                format.field = number(2);
                format.colours.colorspace = number(3);
                let plane = Plane {
                    bytesperline: number(4),
                    sizeimage: number(5),
                };
                format.planes = vec![plane; other];
                let got = device.set_format(way, &format)?;
                ensure!(
                    (176..=4096).contains(&got.width)
                        && (144..=3072).contains(&got.height)
                        && got.width % 8 == 0
                        && got.height % 8 == 0,
                    "{format:?} became {got:?}"
                );
                let all = device.formats(way)?;
                ensure!(all.contains(&got.fourcc), "{format:?} became {got:?}");
                for plane in &got.planes {
                    ensure!(
                        plane.bytesperline >= got.width
                            && plane.bytesperline <= 0xfff8
                            && plane.sizeimage >= plane.bytesperline * (got.height / 2)
                            && plane.sizeimage < 1 << 29,
                        "{format:?} became {got:?}"
                    );
                }
            }
        }
    }
    works(&device)
}

fn other_types() -> Result<()> {
    let device = Device::open()?;
    for type_ in [0, 1, 2, 3, 4, 8, 11, 99, u32::MAX] {
        type Call = unsafe fn(i32, *mut v4l2_format) -> Result<i32, Errno>;
        let all: [(&str, Call); 3] = [
            ("G_FMT", raw::g_fmt),
            ("TRY_FMT", raw::try_fmt),
            ("S_FMT", raw::s_fmt),
        ];
        for (name, ioctl) in all {
            let mut format = v4l2_format {
                type_,
                ..Default::default()
            };
            // SAFETY: The argument points to nothing.
            let result = unsafe { ioctl(device.as_raw_fd(), &mut format) };
            fails(result, Errno::EINVAL, &format!("{name} of type {type_}"))?;
        }
    }
    Ok(())
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
        fails(
            queue.queue(0, &sent),
            Errno::EINVAL,
            &format!("QBUF of {bytesused} bytes from {data_offset}"),
        )?;
    }
    drop(queue);
    works(&device)
}

fn bad_planes() -> Result<()> {
    let device = Device::open()?;
    device.set_format(Way::Output, &Format::new(b"NM12", 640, 480))?;
    let queue = Queue::allocate(&device, Way::Output, 1)?;
    let mut planes = [v4l2_plane::default(); 8];
    let far = std::ptr::without_provenance_mut(0x10_0000_0000_0000);
    for (pointer, length, due) in [
        (planes.as_mut_ptr(), 0, Errno::EINVAL),
        (planes.as_mut_ptr(), 1, Errno::EINVAL),
        (planes.as_mut_ptr(), 9, Errno::EINVAL),
        (planes.as_mut_ptr(), u32::MAX, Errno::EINVAL),
        (std::ptr::null_mut(), 2, Errno::EFAULT),
        (far, 2, Errno::EFAULT),
    ] {
        let mut buffer = v4l2_buffer {
            type_: Way::Output.buffer_type(),
            memory: Memory::Mmap.number(),
            length,
            ..Default::default()
        };
        buffer.m.planes = pointer;
        // SAFETY: V4L2 takes 8 planes at most, and looks at pointers before it uses them.
        let result = unsafe { raw::qbuf(device.as_raw_fd(), &mut buffer) };
        fails(result, due, &format!("QBUF with {length} planes"))?;
    }
    queue
        .queue(0, &Sent::default())
        .context("QBUF with both planes")
}

fn bad_controls() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(3))?;
    let far = std::ptr::without_provenance_mut::<u32>(0x10_0000_0000_0000);
    let mut control = v4l2_ext_control {
        id: MAP,
        // CAST: 480 bytes.
        size: size_of_val(bands.map(0).as_slice()) as u32,
        ..Default::default()
    };
    control.__bindgen_anon_1.p_u32 = far;
    for (controls, count, due) in [
        (&raw mut control, 1, Errno::EFAULT),
        (far.cast(), 1, Errno::EFAULT),
        (std::ptr::null_mut(), 1, Errno::EFAULT),
        (&raw mut control, u32::MAX, Errno::EINVAL),
    ] {
        for ioctl in [raw::s_ext_ctrls, raw::g_ext_ctrls] {
            let mut all = v4l2_ext_controls {
                count,
                controls,
                ..Default::default()
            };
            // SAFETY: V4L2 looks at pointers before it uses them.
            let result = unsafe { ioctl(device.as_raw_fd(), &mut all) };
            fails(result, due, &format!("{count} controls"))?;
        }
    }
    ensure!(
        device.map(Which::Current)? == bands.map(3),
        "a map from nowhere changed the one that was set"
    );
    Ok(())
}

fn extreme_maps() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let count = bands.map(0).len();
    let random = noise(4 * count, 77);
    let random = random
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let stream = Stream::start(&device, 1)?;
    for map in [
        vec![u32::MAX; count],
        vec![0xffff; count],
        vec![0xffff_0000; count],
        (0..count)
            .map(|n| if n % 2 == 0 { 0 } else { u32::MAX })
            .collect(),
        random.collect(),
    ] {
        device.set_map(Which::Current, &map)?;
        stream.queue(0, &Sent::default())?;
        stream.dequeue().context("a frame with an extreme map")?;
    }
    drop(stream);
    works(&device)
}
