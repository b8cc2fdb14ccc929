// SPDX-License-Identifier: GPL-2.0

//! The crop rectangle of OUTPUT, as numbers: targets, clamping, rounding, flags.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::inside;
use crate::v4l2::bindings::{
    V4L2_SEL_FLAG_GE as GE, V4L2_SEL_FLAG_LE as LE, V4L2_SEL_TGT_COMPOSE as COMPOSE,
    V4L2_SEL_TGT_COMPOSE_BOUNDS as COMPOSE_BOUNDS, V4L2_SEL_TGT_COMPOSE_DEFAULT as COMPOSE_DEFAULT,
    V4L2_SEL_TGT_CROP as CROP, V4L2_SEL_TGT_CROP_BOUNDS as BOUNDS,
    V4L2_SEL_TGT_CROP_DEFAULT as DEFAULT, V4L2_SEL_TGT_NATIVE_SIZE as NATIVE_SIZE,
    v4l2_buf_type_V4L2_BUF_TYPE_VBI_CAPTURE as VBI,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE as CAPTURE,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE as CAPTURE_MPLANE,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT as OUTPUT,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE as OUTPUT_MPLANE,
};
use crate::v4l2::{Device, Errno, Format, Rect, Way};

pub(super) const TESTS: &[Test] = &[
    test(
        "OUTPUT has a crop with its default and bounds by either buffer type",
        targets,
    ),
    test("CAPTURE has no selection, and OUTPUT no other", no_other),
    test("a crop is kept until S_FMT of OUTPUT resets it", kept),
    test(
        "S_FMT of CAPTURE and TRY_FMT leave the crop alone",
        left_alone,
    ),
    test("a crop belongs to the file it was set on", own_crop),
    test("a crop that the engine can do is kept as it is", exact),
    test("any rectangle is clamped to one inside the source", clamped),
    test(
        "with GE and LE only an exact rectangle is taken",
        both_flags,
    ),
    test("unknown flags are EINVAL", unknown_flags),
];

/// Sets the source's size and opens nothing else.
pub(super) fn source(device: &Device, width: u32, height: u32) -> Result<()> {
    let got = device.set_format(Way::Output, &Format::new(b"NV12", width, height))?;
    ensure!((got.width, got.height) == (width, height), "{got:?}");
    Ok(())
}

fn targets() -> Result<()> {
    let device = Device::open()?;
    source(&device, 1920, 1080)?;
    for buffer_type in [OUTPUT, OUTPUT_MPLANE] {
        for target in [CROP, DEFAULT, BOUNDS] {
            let got = device.selection(buffer_type, target)?;
            ensure!(
                got == Rect::new(0, 0, 1920, 1080),
                "target {target:#x} of type {buffer_type} is {got:?}"
            );
        }
    }
    let half = Rect::new(480, 270, 960, 540);
    for buffer_type in [OUTPUT, OUTPUT_MPLANE] {
        device.set_crop(Rect::new(0, 0, 1920, 1080))?;
        let got = device.set_selection(buffer_type, CROP, 0, half)?;
        ensure!(got == half, "{half:?} became {got:?}");
        ensure!(device.crop()? == half, "the crop is {:?}", device.crop()?);
        for target in [DEFAULT, BOUNDS] {
            let got = device.selection(buffer_type, target)?;
            ensure!(
                got == Rect::new(0, 0, 1920, 1080),
                "with a crop, target {target:#x} is {got:?}"
            );
        }
    }
    Ok(())
}

fn no_other() -> Result<()> {
    let device = Device::open()?;
    let rect = Rect::new(0, 0, 320, 240);
    let both = |buffer_type, target, name: &str| {
        fails(
            device.selection(buffer_type, target),
            Errno::EINVAL,
            &format!("getting {name}"),
        )?;
        fails(
            device.set_selection(buffer_type, target, 0, rect),
            Errno::EINVAL,
            &format!("setting {name}"),
        )
    };
    for target in [
        CROP,
        DEFAULT,
        BOUNDS,
        COMPOSE,
        COMPOSE_DEFAULT,
        COMPOSE_BOUNDS,
    ] {
        for buffer_type in [CAPTURE, CAPTURE_MPLANE] {
            both(
                buffer_type,
                target,
                &format!("target {target:#x} of CAPTURE"),
            )?;
        }
        both(VBI, target, "a selection of VBI")?;
    }
    let others = [
        COMPOSE,
        COMPOSE_DEFAULT,
        COMPOSE_BOUNDS,
        NATIVE_SIZE,
        0x5555,
    ];
    for target in others {
        both(OUTPUT, target, &format!("target {target:#x} of OUTPUT"))?;
    }
    for target in [DEFAULT, BOUNDS] {
        fails(
            device.set_selection(OUTPUT, target, 0, rect),
            Errno::EINVAL,
            &format!("setting target {target:#x} of OUTPUT"),
        )?;
    }
    Ok(())
}

fn kept() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    let half = Rect::new(160, 120, 320, 240);
    device.set_crop(half)?;
    for _ in 0..3 {
        ensure!(
            device.crop()? == half,
            "the crop became {:?}",
            device.crop()?
        );
    }
    source(&device, 1280, 720)?;
    let got = device.crop()?;
    ensure!(
        got == Rect::new(0, 0, 1280, 720),
        "after S_FMT the crop is {got:?}"
    );
    device.set_crop(half)?;
    source(&device, 1280, 720)?;
    let got = device.crop()?;
    ensure!(
        got == Rect::new(0, 0, 1280, 720),
        "after S_FMT to the same size the crop is {got:?}"
    );
    Ok(())
}

fn left_alone() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    let half = Rect::new(160, 120, 320, 240);
    device.set_crop(half)?;
    device.try_format(Way::Output, &Format::new(b"NV12", 1280, 720))?;
    device.set_format(Way::Capture, &Format::new(b"NV12", 1280, 720))?;
    ensure!(
        device.crop()? == half,
        "the crop became {:?}",
        device.crop()?
    );
    Ok(())
}

fn own_crop() -> Result<()> {
    let (one, other) = (Device::open()?, Device::open()?);
    let half = Rect::new(160, 120, 320, 240);
    one.set_crop(half)?;
    let got = other.crop()?;
    ensure!(
        got == Rect::new(0, 0, 640, 480),
        "the other file's is {got:?}"
    );
    Ok(())
}

fn exact() -> Result<()> {
    let device = Device::open()?;
    source(&device, 1280, 960)?;
    for eighths in 2..=8 {
        let (width, height) = (160 * eighths, 120 * eighths);
        for (left, top) in [
            (0, 0),
            (1280 - width, 960 - height),
            ((1280 - width) / 2, (960 - height) / 3),
        ] {
            // CAST: Small numbers.
            let wanted = Rect::new(left as i32, top as i32, width, height);
            for flags in [0, GE, LE, GE | LE] {
                let got = device.set_crop_by(wanted, flags)?;
                ensure!(got == wanted, "{wanted:?} became {got:?}");
                ensure!(device.crop()? == wanted, "G_SELECTION says otherwise");
            }
        }
    }
    Ok(())
}

fn clamped() -> Result<()> {
    let device = Device::open()?;
    let far = [i32::MIN, -1, 0, 1, 100, 4096, i32::MAX];
    let long = [0, 1, 175, 4096, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    for (width, height) in [(640, 480), (176, 144), (4096, 3072)] {
        source(&device, width, height)?;
        for (index, left) in far.into_iter().enumerate() {
            for (other, side) in long.into_iter().enumerate() {
                let top = far[(index + other) % far.len()];
                let length = long[(index * 3 + other) % long.len()];
                let wanted = Rect::new(left, top, side, length);
                let got = device
                    .set_crop(wanted)
                    .with_context(|| format!("{wanted:?} of {width}x{height}"))?;
                ensure!(
                    got.width > 0 && got.height > 0 && inside(got, width, height),
                    "{wanted:?} of {width}x{height} became {got:?}"
                );
                ensure!(device.crop()? == got, "G_SELECTION says otherwise");
            }
        }
    }
    Ok(())
}

fn both_flags() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    let good = Rect::new(100, 100, 320, 240);
    ensure!(device.set_crop_by(good, GE | LE)? == good, "it was changed");
    for (width, height) in [(321, 240), (320, 241), (321, 241), (320, 300), (640, 240)] {
        fails(
            device.set_crop_by(Rect::new(0, 0, width, height), GE | LE),
            Errno::ERANGE,
            &format!("{width}x{height} with GE and LE"),
        )?;
        ensure!(device.crop()? == good, "a refused crop changed the one set");
    }
    Ok(())
}

fn unknown_flags() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    for flags in [1 << 31, 1 << 3, GE | 1 << 16, u32::MAX] {
        // A shape that has to be rounded: what flags are about.
        fails(
            device.set_crop_by(Rect::new(0, 0, 320, 300), flags),
            Errno::EINVAL,
            &format!("flags {flags:#x}"),
        )?;
    }
    Ok(())
}
