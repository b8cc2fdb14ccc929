// SPDX-License-Identifier: GPL-2.0

//! Tests invalid arguments for formats, controls and rectangles: the call returns the error that
//! the V4L2 documentation names, or a clamped value, and the device still works.

use std::os::fd::AsRawFd;

use anyhow::{Context, Result, bail, ensure};

use super::{Test, fails, test};
use crate::picture::{Bands, inside, noise};
use crate::v4l2::bindings::{
    V4L2_SEL_FLAG_GE as GE, V4L2_SEL_FLAG_LE as LE, v4l2_ext_control, v4l2_ext_controls,
    v4l2_ext_controls__bindgen_ty_1, v4l2_fmtdesc, v4l2_format,
};
use crate::v4l2::{
    Device, Errno, Format, MAP, Plane, Rect, Sent, Stream, Way, Which, one_frame, raw,
};

pub(super) const TESTS: &[Test] = &[
    test(
        "formats of any numbers become what the engine takes, tried or set",
        formats,
    ),
    test("a format of another buffer type is EINVAL", other_types),
    test(
        "ENUM_FMT ends with EINVAL after the last format",
        enumerated,
    ),
    test("controls behind bad pointers are EFAULT", bad_controls),
    test(
        "an unknown class of controls is EINVAL, and so is setting a limit",
        other_classes,
    ),
    test("a map of extreme vertices gives a frame", extreme_maps),
    test(
        "a rectangle far outside becomes one inside, or is ERANGE",
        far_outside,
    ),
    test(
        "flags of no meaning are EINVAL for any rectangle",
        other_flags,
    ),
];

/// Numbers at which arithmetic is most likely to fail.
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

/// Types of buffers that the node does not have.
pub(super) const OTHER_TYPES: [u32; 9] = [0, 1, 2, 3, 4, 8, 11, 99, u32::MAX];

/// Checks that the device still processes a frame.
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
                let tried = device.try_format(way, &format)?;
                let got = device.set_format(way, &format)?;
                ensure!(
                    tried == got,
                    "{format:?} became {got:?}, and {tried:?} when tried"
                );
                ensure!(
                    device.format(way)? == got,
                    "G_FMT does not give {got:?} after S_FMT"
                );
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
    for type_ in OTHER_TYPES {
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
            // SAFETY: The argument contains no pointer to other memory.
            let result = unsafe { ioctl(device.as_raw_fd(), &mut format) };
            fails(result, Errno::EINVAL, &format!("{name} of type {type_}"))?;
        }
    }
    Ok(())
}

fn enumerated() -> Result<()> {
    let device = Device::open()?;
    let ask = |type_, index| {
        let mut description = v4l2_fmtdesc {
            index,
            type_,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::enum_fmt(device.as_raw_fd(), &mut description) }
    };
    // EINVAL: "The type is not supported or the index is out of bounds."
    for way in Way::BOTH {
        // CAST: It is a small number.
        let count = device.formats(way)?.len() as u32;
        ask(way.buffer_type(), count - 1).context("asking for the last format")?;
        for index in [count, count + 1, 255, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let result = ask(way.buffer_type(), index);
            fails(result, Errno::EINVAL, &format!("{way:?} format {index}"))?;
        }
    }
    for type_ in OTHER_TYPES {
        let result = ask(type_, 0);
        fails(result, Errno::EINVAL, &format!("ENUM_FMT of type {type_}"))?;
    }
    Ok(())
}

fn bad_controls() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(3))?;
    let far = std::ptr::without_provenance_mut::<u32>(0x10_0000_0000_0000);
    let mut control = v4l2_ext_control {
        id: MAP,
        // CAST: It is 480 bytes.
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
            // SAFETY: V4L2 checks pointers before it uses them.
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

fn other_classes() -> Result<()> {
    /// The class of the driver's controls.
    const USER: u32 = 0x0098_0000;
    const CODEC: u32 = 0x0099_0000;
    const DEFAULT: u32 = 0x0f00_0000;
    const REQUEST: u32 = 0x0f01_0000;
    const MINIMUM: u32 = 0x0f02_0000;
    const MAXIMUM: u32 = 0x0f03_0000;
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(3))?;
    let mut map = bands.map(9);
    let mut control = v4l2_ext_control {
        id: MAP,
        // CAST: It is 480 bytes.
        size: size_of_val(map.as_slice()) as u32,
        ..Default::default()
    };
    control.__bindgen_anon_1.p_u32 = map.as_mut_ptr();
    let mut call = |ioctl: Call, which, count, request_fd| {
        let mut all = v4l2_ext_controls {
            __bindgen_anon_1: v4l2_ext_controls__bindgen_ty_1 { which },
            count,
            request_fd,
            controls: &mut control,
            ..Default::default()
        };
        // SAFETY: There are as many controls as `count` says, which is one at most, and the
        // control's memory has the size that it says.
        unsafe { ioctl(device.as_raw_fd(), &mut all) }
    };
    type Call = unsafe fn(i32, *mut v4l2_ext_controls) -> Result<i32, Errno>;
    let (get, set, attempt): (Call, Call, Call) =
        (raw::g_ext_ctrls, raw::s_ext_ctrls, raw::try_ext_ctrls);
    // EINVAL: "which is invalid", or "the given request_fd was invalid".
    for (name, ioctl, which, count, request_fd) in [
        ("S of another class", set, CODEC, 1, 0),
        ("TRY of another class", attempt, CODEC, 1, 0),
        ("G of another class", get, CODEC, 1, 0),
        ("S of a class that is none", set, 0x0234_0000, 1, 0),
        ("S of nothing of another class", set, CODEC, 0, 0),
        ("G of nothing of another class", get, CODEC, 0, 0),
        ("S of the default", set, DEFAULT, 1, 0),
        ("TRY of the default", attempt, DEFAULT, 1, 0),
        ("S of the minimum", set, MINIMUM, 1, 0),
        ("S of the maximum", set, MAXIMUM, 1, 0),
        // Only controls that support these values have them.
        ("G of the minimum", get, MINIMUM, 1, 0),
        ("G of the maximum", get, MAXIMUM, 1, 0),
        ("S in request -1", set, REQUEST, 1, -1),
        ("TRY in request -1", attempt, REQUEST, 1, -1),
        ("G of request -1", get, REQUEST, 1, -1),
        ("S in a request that is /dev/null", set, REQUEST, 1, 0),
        ("S in a request that is not open", set, REQUEST, 1, i32::MAX),
    ] {
        fails(call(ioctl, which, count, request_fd), Errno::EINVAL, name)?;
    }
    ensure!(
        device.map(Which::Current)? == bands.map(3),
        "a refused map changed the one that was set"
    );
    call(set, USER, 1, 0).context("S of the class that the map is of")?;
    let map = device.map(Which::Current)?;
    ensure!(map == bands.map(9), "the map is another one");
    Ok(())
}

/// Returns maps whose vertices are outside of the source.
pub(super) fn extreme(count: usize) -> [Vec<u32>; 5] {
    let random = noise(4 * count, 77);
    let random = random
        .chunks_exact(4)
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    [
        vec![u32::MAX; count],
        vec![0xffff; count],
        vec![0xffff_0000; count],
        (0..count)
            .map(|n| if n % 2 == 0 { 0 } else { u32::MAX })
            .collect(),
        random.collect(),
    ]
}

fn extreme_maps() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    for map in extreme(bands.map(0).len()) {
        device.set_map(Which::Current, &map)?;
        stream.queue(0, &Sent::default())?;
        stream.dequeue().context("a frame with an extreme map")?;
    }
    drop(stream);
    works(&device)
}

/// Returns rectangles on a source of 640x480 that are outside, or empty, or far too large.
fn outsiders() -> impl Iterator<Item = Rect> {
    let starts = [i32::MIN, -641, -1, 0, 479, 640, i32::MAX];
    let lengths = [0, 1, 480, 641, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let spans = move || {
        starts
            .into_iter()
            .flat_map(move |s| lengths.map(|l| (s, l)))
    };
    spans().flat_map(move |(left, width)| {
        // It is not every combination: each span is used with some of the other side.
        let others = spans().enumerate();
        others
            .filter(move |(n, _)| (n + width as usize) % 5 == 0)
            .map(move |(_, (top, height))| Rect::new(left, top, width, height))
    })
}

fn far_outside() -> Result<()> {
    let device = Device::open()?;
    device.set_format(Way::Output, &Format::new(b"NV12", 640, 480))?;
    for wanted in outsiders() {
        for flags in [0, GE, LE, GE | LE] {
            let before = device.crop()?;
            let got = match device.set_crop_by(wanted, flags) {
                Ok(got) => got,
                // "If constraints flags have to be violated then ERANGE is returned."
                Err(Errno::ERANGE) if flags != 0 => {
                    let after = device.crop()?;
                    ensure!(after == before, "refused, and the crop is now {after:?}");
                    continue;
                }
                Err(error) => bail!("{wanted:?} with flags {flags} gave {error:?}"),
            };
            ensure!(
                inside(got, 640, 480) && device.crop()? == got,
                "{wanted:?} with flags {flags} became {got:?}, and {:?}",
                device.crop()?
            );
            // "The driver must choose the size exactly the same as in the requested rectangle."
            ensure!(
                flags != GE | LE || (got.width, got.height) == (wanted.width, wanted.height),
                "{wanted:?} with GE and LE became {got:?}"
            );
        }
    }
    Ok(())
}

fn other_flags() -> Result<()> {
    let device = Device::open()?;
    device.set_format(Way::Output, &Format::new(b"NV12", 640, 480))?;
    let before = device.crop()?;
    // EINVAL: "the flags argument is not valid". KEEP_CONFIG is for subdevices.
    for flags in [4, 8, GE | 4, LE | 0x1_0000, 1 << 31, u32::MAX] {
        for wanted in [
            Rect::new(0, 0, 640, 480),
            Rect::new(160, 120, 320, 240),
            Rect::new(0, 0, 320, 300),
            Rect::new(i32::MAX, i32::MIN, u32::MAX, 0),
        ] {
            let what = format!("{wanted:?} with flags {flags:#x}");
            fails(device.set_crop_by(wanted, flags), Errno::EINVAL, &what)?;
        }
    }
    ensure!(device.crop()? == before, "a refused crop was set");
    works(&device)
}
