// SPDX-License-Identifier: GPL-2.0

//! Tests formats: which there are, how invalid ones are adjusted, colours, and when they can
//! be set.

use anyhow::{Context, Result, ensure};

use super::{Test, fails, test};
use crate::v4l2::bindings::{
    v4l2_colorspace_V4L2_COLORSPACE_BT2020 as BT2020, v4l2_colorspace_V4L2_COLORSPACE_JPEG as JPEG,
    v4l2_colorspace_V4L2_COLORSPACE_REC709 as REC709,
    v4l2_colorspace_V4L2_COLORSPACE_SMPTE170M as SMPTE170M,
    v4l2_colorspace_V4L2_COLORSPACE_SRGB as SRGB, v4l2_field_V4L2_FIELD_INTERLACED as INTERLACED,
    v4l2_field_V4L2_FIELD_NONE as NONE, v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE as STEPWISE,
};
use crate::v4l2::{Colours, Device, Errno, Format, Memory, Way};

pub(super) const TESTS: &[Test] = &[
    test(
        "the formats are those of the C driver in their order",
        listed,
    ),
    test("frame sizes go from 176x144 to 4096x3072 by 8", sizes),
    test(
        "a new file has NV16 640x480 in Rec. 709 on both queues",
        fresh,
    ),
    test(
        "a size off the grid is rounded up and one out of range clamped",
        odd_sizes,
    ),
    test(
        "a format that the queue has not becomes NV16",
        unknown_format,
    ),
    test(
        "pictures are progressive whatever is asked for",
        progressive,
    ),
    test("TRY_FMT says what S_FMT would do and does nothing", tried),
    test(
        "a queue with buffers keeps its format and the other need not",
        busy,
    ),
    test("the colours of OUTPUT appear on CAPTURE", colours_propagate),
    test("CAPTURE cannot change the colours", colours_of_capture),
    test(
        "colours left open are filled in from the colour space",
        colours_by_default,
    ),
    test("formats belong to the file they were set on", own_formats),
];

fn listed() -> Result<()> {
    let device = Device::open()?;
    let due: [&[&[u8; 4]]; 2] = [
        &[b"NV16", b"NM16", b"YUYV", b"UYVY", b"NV12", b"NM12"],
        &[
            b"NV16", b"NM16", b"NV61", b"NM61", b"YUYV", b"UYVY", b"NV12", b"NM12", b"NV21",
            b"NM21",
        ],
    ];
    for (way, due) in Way::BOTH.into_iter().zip(due) {
        let got = device.formats(way)?;
        ensure!(
            got.iter().eq(due.iter().copied()),
            "{way:?} has {:?}",
            got.iter()
                .map(|code| String::from_utf8_lossy(code).into_owned())
                .collect::<Vec<_>>()
        );
        fails(
            device.nth_format(way, u32::MAX),
            Errno::EINVAL,
            "the last number",
        )?;
    }
    Ok(())
}

fn sizes() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in device.formats(way)? {
            let sizes = device.frame_sizes(&fourcc, 0)?;
            ensure!(sizes.type_ == STEPWISE, "the type is {}", sizes.type_);
            // SAFETY: The type says that the union holds this field.
            let got = unsafe { sizes.__bindgen_anon_1.stepwise };
            let widths = (got.min_width, got.max_width, got.step_width);
            let heights = (got.min_height, got.max_height, got.step_height);
            ensure!(
                widths == (176, 4096, 8) && heights == (144, 3072, 8),
                "the sizes are {widths:?} by {heights:?}"
            );
            for index in [1, u32::MAX] {
                fails(
                    device.frame_sizes(&fourcc, index),
                    Errno::EINVAL,
                    "another index",
                )?;
            }
        }
    }
    for unknown in [b"RGB3", b"\0\0\0\0", &[0xff; 4]] {
        fails(
            device.frame_sizes(unknown, 0),
            Errno::EINVAL,
            "an unknown format",
        )?;
    }
    Ok(())
}

/// The colours that the driver starts with: Rec. 709, its transfer function and encoding,
/// limited range.
const REC709_COLOURS: Colours = Colours {
    colorspace: REC709,
    transfer: 1,
    encoding: 2,
    quantization: 2,
};

fn fresh() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        let got = device.format(way)?;
        ensure!(
            (got.fourcc, got.width, got.height) == (*b"NV16", 640, 480),
            "{way:?} starts with {got:?}"
        );
        ensure!(
            got.colours == REC709_COLOURS && got.field == NONE,
            "{way:?} starts with {got:?}"
        );
        let planes: Vec<_> = got
            .planes
            .iter()
            .map(|plane| (plane.bytesperline, plane.sizeimage))
            .collect();
        ensure!(
            planes == [(640, 640 * 480 * 2)],
            "its planes are {planes:?}"
        );
    }
    Ok(())
}

fn odd_sizes() -> Result<()> {
    let device = Device::open()?;
    let cases = [
        ((0, 0), (176, 144)),
        ((1, 1), (176, 144)),
        ((175, 143), (176, 144)),
        ((177, 145), (184, 152)),
        ((641, 480), (648, 480)),
        ((645, 484), (648, 488)),
        ((4095, 3071), (4096, 3072)),
        ((4097, 3073), (4096, 3072)),
        ((0x7fff_ffff, 0x8000_0000), (4096, 3072)),
        ((u32::MAX, u32::MAX), (4096, 3072)),
        ((u32::MAX, 0), (4096, 144)),
    ];
    for way in Way::BOTH {
        for ((width, height), due) in cases {
            let got = device.set_format(way, &Format::new(b"NV12", width, height))?;
            ensure!(
                (got.width, got.height) == due,
                "{way:?}: {width}x{height} became {}x{}",
                got.width,
                got.height
            );
            ensure!(device.format(way)? == got, "G_FMT says otherwise");
        }
    }
    Ok(())
}

fn unknown_format() -> Result<()> {
    let device = Device::open()?;
    let unknown: [(Way, &[u8; 4]); 6] = [
        (Way::Output, b"NV21"),
        (Way::Output, b"NM61"),
        (Way::Output, b"RGB3"),
        (Way::Capture, b"YU12"),
        (Way::Capture, b"\0\0\0\0"),
        (Way::Capture, &[0xff; 4]),
    ];
    for (way, fourcc) in unknown {
        let got = device.set_format(way, &Format::new(fourcc, 800, 600))?;
        ensure!(
            (got.fourcc, got.width, got.height) == (*b"NV16", 800, 600),
            "{fourcc:?} became {got:?}"
        );
    }
    Ok(())
}

fn progressive() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for field in [0, INTERLACED, 99, u32::MAX] {
            let mut format = Format::new(b"NV12", 640, 480);
            format.field = field;
            let got = device.set_format(way, &format)?;
            ensure!(got.field == NONE, "field {field} became {}", got.field);
        }
    }
    Ok(())
}

fn tried() -> Result<()> {
    let device = Device::open()?;
    let before = Way::BOTH.map(|way| device.format(way));
    let wanted = [
        Format::new(b"NM12", 1920, 1080),
        Format::new(b"YUYV", 645, 3),
        Format::new(b"????", 0, u32::MAX).with_colours(Colours {
            colorspace: SRGB,
            ..Colours::default()
        }),
    ];
    for way in Way::BOTH {
        for format in &wanted {
            let tried = device.try_format(way, format)?;
            ensure!(
                Way::BOTH.map(|way| device.format(way)) == before,
                "TRY_FMT changed a format"
            );
            let other = device.again()?;
            let set = other.set_format(way, format)?;
            ensure!(tried == set, "TRY_FMT says {tried:?}, and S_FMT {set:?}");
        }
    }
    Ok(())
}

fn busy() -> Result<()> {
    for (way, other) in [(Way::Output, Way::Capture), (Way::Capture, Way::Output)] {
        let device = Device::open()?;
        device.request_buffers(way, Memory::Mmap, 2)?;
        let before = device.format(way)?;
        let wanted = Format::new(b"NV12", 320, 240);
        fails(
            device.set_format(way, &wanted),
            Errno::EBUSY,
            &format!("S_FMT of {way:?} with buffers"),
        )?;
        ensure!(device.format(way)? == before, "the format changed");
        device.try_format(way, &wanted).context("TRY_FMT of it")?;
        device
            .set_format(other, &wanted)
            .context("S_FMT of the other queue")?;
        device.request_buffers(way, Memory::Mmap, 0)?;
        device
            .set_format(way, &wanted)
            .context("S_FMT without buffers")?;
    }
    Ok(())
}

/// Colours with no default in them: SMPTE 170M, sRGB transfer, BT.2020 encoding, full range.
const STRANGE: Colours = Colours {
    colorspace: SMPTE170M,
    transfer: 2,
    encoding: 6,
    quantization: 1,
};

fn colours_propagate() -> Result<()> {
    let device = Device::open()?;
    let wanted = Format::new(b"NV12", 640, 480).with_colours(STRANGE);
    let got = device.set_format(Way::Output, &wanted)?;
    ensure!(got.colours == STRANGE, "OUTPUT has {:?}", got.colours);
    let got = device.format(Way::Capture)?;
    ensure!(got.colours == STRANGE, "CAPTURE has {:?}", got.colours);
    // It is also possible while CAPTURE has buffers, because they do not depend on it.
    device.request_buffers(Way::Capture, Memory::Mmap, 1)?;
    device.set_format(Way::Output, &Format::new(b"NV12", 640, 480))?;
    let got = device.format(Way::Capture)?;
    ensure!(
        got.colours == REC709_COLOURS,
        "CAPTURE has {:?}",
        got.colours
    );
    Ok(())
}

fn colours_of_capture() -> Result<()> {
    let device = Device::open()?;
    let wanted = Format::new(b"NV12", 640, 480).with_colours(STRANGE);
    for got in [
        device.try_format(Way::Capture, &wanted)?,
        device.set_format(Way::Capture, &wanted)?,
        device.format(Way::Capture)?,
        device.format(Way::Output)?,
    ] {
        ensure!(
            got.colours == REC709_COLOURS,
            "the colours are {:?}",
            got.colours
        );
    }
    Ok(())
}

fn colours_by_default() -> Result<()> {
    let device = Device::open()?;
    // Each case is a colour space, and the transfer, encoding and quantization that
    // videodev2.h derives from it.
    let cases = [
        (0, (REC709, 1, 2, 2)),
        (REC709, (REC709, 1, 2, 2)),
        (SMPTE170M, (SMPTE170M, 1, 1, 2)),
        (SRGB, (SRGB, 2, 1, 2)),
        (JPEG, (JPEG, 2, 1, 1)),
        (BT2020, (BT2020, 1, 6, 2)),
    ];
    for (colorspace, (space, transfer, encoding, quantization)) in cases {
        let asked = Colours {
            colorspace,
            ..Colours::default()
        };
        let due = Colours {
            colorspace: space,
            transfer,
            encoding,
            quantization,
        };
        let wanted = Format::new(b"NV12", 640, 480).with_colours(asked);
        let got = device.set_format(Way::Output, &wanted)?.colours;
        ensure!(got == due, "{asked:?} became {got:?}, not {due:?}");
    }
    Ok(())
}

fn own_formats() -> Result<()> {
    let (one, other) = (Device::open()?, Device::open()?);
    for way in Way::BOTH {
        one.set_format(way, &Format::new(b"YUYV", 1280, 720))?;
        let got = other.format(way)?;
        ensure!(got.width == 640, "the other file has {got:?}");
    }
    Ok(())
}
