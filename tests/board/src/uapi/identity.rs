// SPDX-License-Identifier: GPL-2.0

//! Tests the map that the driver starts with: the whole source in the whole destination,
//! exactly.

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::{
    Bands, band_luma, draw, gather, identity_map, luma, noise, pixels, same, size, spread,
};
use crate::v4l2::{Device, Format, Stream, Way, Which, one_frame};

pub(super) const TESTS: &[Test] = &[
    test("a new file has the identity of the default formats", fresh),
    test(
        "the identity is exact for sides that are not multiples of 16",
        odd_sides,
    ),
    test("the identity is exact where it scales", scaled),
    test("the identity saturates at 4096 columns", widest),
    test(
        "what goes through the identity comes back as it was",
        returns,
    ),
    test("4096 columns come back as they were", widest_returns),
    test("S_FMT of OUTPUT renews the identity", renewed),
    test(
        "what another source gives through the identity is all of it",
        renewed_pixels,
    ),
    test(
        "the default is the identity and asking for it leaves the map as it is",
        default_value,
    ),
    test(
        "asking for the default while streaming does not show in the next frame",
        default_while_streaming,
    ),
];

/// Sets both formats and compares the map with the identity, vertex by vertex.
fn exact(device: &Device, output: (u32, u32), capture: (u32, u32)) -> Result<()> {
    let (output, capture) = device.set_formats(
        &Format::new(b"NV12", output.0, output.1),
        &Format::new(b"NV12", capture.0, capture.1),
    )?;
    compare(&device.map(Which::Current)?, &output, &capture)
}

fn compare(map: &[u32], output: &Format, capture: &Format) -> Result<()> {
    let wanted = identity_map(output, capture);
    let name = format!("{} -> {}", size(output), size(capture));
    ensure!(
        map.len() == wanted.len(),
        "{name} has {} vertices, not {}",
        map.len(),
        wanted.len()
    );
    let columns = capture.width.div_ceil(16) as usize + 1;
    for (index, (&got, &due)) in map.iter().zip(&wanted).enumerate() {
        ensure!(
            got == due,
            "{name}: vertex {},{} is {:.4},{:.4} and not {:.4},{:.4}",
            index % columns,
            index / columns,
            f64::from(got & 0xffff) / 16.0,
            f64::from(got >> 16) / 16.0,
            f64::from(due & 0xffff) / 16.0,
            f64::from(due >> 16) / 16.0,
        );
    }
    Ok(())
}

fn fresh() -> Result<()> {
    let device = Device::open()?;
    let formats = Way::BOTH.map(|way| device.format(way));
    let [output, capture] = formats;
    compare(&device.map(Which::Current)?, &output?, &capture?)
}

fn odd_sides() -> Result<()> {
    let device = Device::open()?;
    for side in [(1920, 1080), (2592, 1944), (648, 480), (1368, 1032)] {
        exact(&device, side, side)?;
    }
    Ok(())
}

fn scaled() -> Result<()> {
    let device = Device::open()?;
    for (output, capture) in [
        ((640, 480), (1280, 720)),
        ((1920, 1080), (640, 480)),
        ((648, 488), (1368, 1032)),
        ((4088, 3072), (176, 144)),
        ((176, 144), (4096, 3072)),
    ] {
        exact(&device, output, capture)?;
    }
    Ok(())
}

fn widest() -> Result<()> {
    let device = Device::open()?;
    exact(&device, (4096, 144), (4096, 144))?;
    exact(&device, (4096, 3072), (640, 480))
}

fn returns() -> Result<()> {
    let device = Device::open()?;
    for fourcc in [b"NV12", b"NV16", b"YUYV"] {
        for (width, height) in [(176, 144), (648, 488), (1000, 152)] {
            let format = Format::new(fourcc, width, height);
            let (output, capture) = device.set_formats(&format, &format)?;
            let bytes = pixels(*fourcc)?.frame_bytes(size(&output));
            let frame = noise(bytes, width);
            let got = one_frame(&device, &spread(&output, &frame, 0)?)?;
            same(
                &gather(&capture, &got)?,
                &frame,
                capture.strides()[0] as u32,
            )
            .with_context(|| format!("{width}x{height}"))?;
        }
    }
    Ok(())
}

fn widest_returns() -> Result<()> {
    let device = Device::open()?;
    let format = Format::new(b"NV12", 4096, 144);
    let (output, capture) = device.set_formats(&format, &format)?;
    // The luma rises by 1 in 16 columns. Therefore the last block, whose last vertex is 1/16
    // pixel short of 4096, is also right to one step.
    let frame = draw(&output, |x, _| (x / 16) as u8)?;
    let got = one_frame(&device, &spread(&output, &frame, 0)?)?;
    let got = luma(&capture, &got)?;
    for (index, (&got, &due)) in got.iter().zip(&frame).enumerate() {
        let column = index % 4096;
        let slack = u8::from(column >= 4080);
        ensure!(
            got.abs_diff(due) <= slack,
            "column {column} of line {} shows {got}, not {due}",
            index / 4096
        );
    }
    Ok(())
}

fn renewed() -> Result<()> {
    let device = Device::open()?;
    let capture = device.set_format(Way::Capture, &Format::new(b"NV12", 640, 480))?;
    for (width, height) in [(1280, 720), (176, 144), (1920, 1080), (640, 480)] {
        let output = device.set_format(Way::Output, &Format::new(b"NV12", width, height))?;
        compare(&device.map(Which::Current)?, &output, &capture)?;
    }
    Ok(())
}

fn renewed_pixels() -> Result<()> {
    let device = Device::open()?;
    let capture = device.set_format(Way::Capture, &Format::new(b"NV12", 176, 144))?;
    for (width, height) in [(1280, 720), (320, 240)] {
        let output = device.set_format(Way::Output, &Format::new(b"NV12", width, height))?;
        // Luma shows the side in eighths, so that scaling does not change the middle of each.
        let frame = draw(&output, |x, y| (x * 8 / width * 16 + y * 8 / height) as u8)?;
        let got = one_frame(&device, &spread(&output, &frame, 0)?)?;
        let got = luma(&capture, &got)?;
        for (column, row) in [(0, 0), (7, 0), (0, 7), (7, 7), (3, 4)] {
            let (x, y) = (column * 22 + 11, row * 18 + 9);
            let shown = got[y * 176 + x];
            ensure!(
                usize::from(shown) == column * 16 + row,
                "a source of {width}x{height} shows {shown} at {x},{y}, not {}",
                column * 16 + row
            );
        }
    }
    Ok(())
}

fn default_value() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(19))?;
    compare(&device.map(Which::Default)?, &bands.output, &bands.capture).context("the default")?;
    ensure!(
        device.map(Which::Current)? == bands.map(19),
        "asking for the default changed the map"
    );
    bands.check(&one_frame(&device, &bands.source)?, 19)?;

    let output = device.set_format(Way::Output, &Format::new(b"NV12", 1920, 1080))?;
    compare(&device.map(Which::Default)?, &output, &bands.capture)
        .context("the default for another source")?;
    ensure!(
        device.map(Which::Current)? == bands.map(19),
        "asking for the default changed the map"
    );
    Ok(())
}

fn default_while_streaming() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(5))?;
    let stream = Stream::start(&device, 1)?;
    let media = device.media()?;
    for _ in 0..3 {
        device.map(Which::Default)?;
        let frame = stream.frame(&bands.source)?;
        bands.check(&frame, 5)?;
    }
    // A request makes the C driver read the map again.
    stream.stop()?;
    stream.resume()?;
    device.map(Which::Default)?;
    let request = media.request()?;
    stream.capture.queue(0, &Default::default())?;
    let sent = crate::v4l2::Sent {
        request: Some(&request),
        ..Default::default()
    };
    stream.output.queue(0, &sent)?;
    request.queue()?;
    stream.dequeue()?;
    bands
        .check(&stream.capture.read(0), 5)
        .with_context(|| format!("in a request, where {} is due", band_luma(5)))
}
