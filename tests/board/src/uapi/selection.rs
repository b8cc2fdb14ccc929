// SPDX-License-Identifier: GPL-2.0

//! Tests the crop rectangle of OUTPUT as numbers: its targets, what keeps it, and how it is
//! clamped.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::picture::{Bands, inside};
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
use crate::v4l2::{Device, Errno, Format, Rect, Stream, Way, Which};

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
    test("a crop of whole eighths is kept as it is", eighths),
    test("a crop of 16x16 or more is kept as it is", kept_as_it_is),
    test("any rectangle is clamped to one inside the source", clamped),
    test(
        "a rectangle that leaves the source has its position clamped, then its sides",
        clamped_exactly,
    ),
    test(
        "the map that is read back is the one that was set, whatever the crop",
        map_read_back,
    ),
];

/// The fewest columns and lines of a crop.
pub(super) const LEAST: u32 = 16;

/// Sizes of sources: multiples of 16 and of 8, the least and the largest.
pub(super) const SIZES: [(u32, u32); 5] = [
    (640, 480),
    (1920, 1080),
    (4096, 3072),
    (648, 488),
    (176, 144),
];

/// Returns rectangles of all shapes in a source, of 16x16 pixels and more, at even and odd places.
pub(super) fn rectangles(width: u32, height: u32) -> impl Iterator<Item = Rect> {
    // The steps have no common divisor, so that each shape occurs at many places.
    let lengths = |side: u32| (0..=13).map(move |n| LEAST + (side - LEAST) * n / 13);
    lengths(width).flat_map(move |w| {
        lengths(height).map(move |h| {
            // CAST: It is less than a side.
            let place =
                |side: u32, length: u32, step: u32| ((side - length) * (step % 5) / 4) as i32;
            Rect::new(place(width, w, w + h), place(height, h, w), w, h)
        })
    })
}

/// Returns the first column or line, and the one after the last, of both sides.
pub(super) fn sides(rect: Rect) -> [(i64, i64); 2] {
    let side = |start: i32, length: u32| (start.into(), i64::from(start) + i64::from(length));
    [side(rect.left, rect.width), side(rect.top, rect.height)]
}

/// Sets the source's size, and nothing else.
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

fn eighths() -> Result<()> {
    let device = Device::open()?;
    source(&device, 1280, 960)?;
    for eighths in 2..=8 {
        let (width, height) = (160 * eighths, 120 * eighths);
        for (left, top) in [
            (0, 0),
            (1280 - width, 960 - height),
            ((1280 - width) / 2, (960 - height) / 3),
        ] {
            // CAST: They are small numbers.
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

fn kept_as_it_is() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in SIZES {
        source(&device, width, height)?;
        for wanted in rectangles(width, height) {
            let got = device.set_crop(wanted)?;
            ensure!(
                got == wanted,
                "{wanted:?} of {width}x{height} became {got:?}"
            );
            ensure!(device.crop()? == wanted, "G_SELECTION says otherwise");
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

fn clamped_exactly() -> Result<()> {
    let device = Device::open()?;
    source(&device, 640, 480)?;
    for (wanted, due) in [
        (Rect::new(0, 0, 1, 1), Rect::new(0, 0, 16, 16)),
        (Rect::new(639, 479, 1, 1), Rect::new(624, 464, 16, 16)),
        (Rect::new(300, 200, 0, 15), Rect::new(300, 200, 16, 16)),
        (Rect::new(-100, -7, 300, 200), Rect::new(0, 0, 300, 200)),
        (Rect::new(-100, 470, 50, 300), Rect::new(0, 464, 50, 16)),
        (Rect::new(600, 400, 100, 200), Rect::new(600, 400, 40, 80)),
        (Rect::new(635, 10, 300, 20), Rect::new(624, 10, 16, 20)),
        (Rect::new(0, 0, 5000, 20), Rect::new(0, 0, 640, 20)),
        (Rect::new(20, -3, 16, 5000), Rect::new(20, 0, 16, 480)),
        (
            Rect::new(i32::MIN, i32::MAX, u32::MAX, u32::MAX),
            Rect::new(0, 464, 640, 16),
        ),
    ] {
        let got = device.set_crop(wanted)?;
        ensure!(
            got == due,
            "{wanted:?} of 640x480 became {got:?}, and not {due:?}"
        );
    }
    Ok(())
}

fn map_read_back() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let identity = device.map(Which::Default)?;
    device.set_crop(Rect::new(33, 47, 201, 99))?;
    for which in [Which::Current, Which::Default] {
        let map = device.map(which)?;
        ensure!(map == identity, "a crop changes the identity");
    }
    device.set_map(Which::Current, &bands.map(7))?;
    let check = |what: &str| -> Result<()> {
        let map = device.map(Which::Current)?;
        ensure!(map == bands.map(7), "the map is another {what}");
        Ok(())
    };
    check("with a crop")?;
    device.set_crop(Rect::new(8, 8, 100, 100))?;
    check("after the crop was set")?;
    let stream = Stream::start(&device, 1)?;
    stream.frame(&bands.source)?;
    device.set_crop(Rect::new(64, 32, 320, 240))?;
    stream.frame(&bands.source)?;
    check("after frames with a crop")
}
