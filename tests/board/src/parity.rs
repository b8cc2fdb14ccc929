// SPDX-License-Identifier: GPL-2.0

//! Processes the frames of the parity suite with the loaded driver: it reads a plan, and writes one
//! line for each frame, in order, with what the driver returned and the digests of the pixels.
//!
//! The calls are always the same: a node is opened for each setting, OUTPUT's format is set before
//! CAPTURE's, each queue has one buffer, there is a stream for each map, and in it a frame for each
//! crop.

mod plan;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use twox_hash::XxHash64;

use crate::picture::noise;
use crate::v4l2::{Device, Format, Rect, Sent, Stream, Way, Which};
use plan::{Setting, Side};

/// The value of the destination's bytes before a frame, which shows the bytes that the engine does
/// not write.
const UNTOUCHED: u8 = 0xa5;

/// Processes a plan's frames and writes their record. With `pixels`, sources are filled and
/// destinations are read.
pub fn run(plan: &Path, record: &Path, pixels: bool) -> Result<()> {
    let reading = || format!("reading {}", plan.display());
    let settings = plan::parse(&fs::read_to_string(plan).with_context(reading)?)?;
    let maps = plan.parent().unwrap_or(Path::new("."));
    let node = Device::open()?;
    let mut record = BufWriter::new(File::create(record)?);
    for setting in &settings {
        frames(&node.again()?, setting, maps, pixels, &mut record)
            .with_context(|| format!("{setting:?}"))?;
    }
    Ok(record.flush()?)
}

fn frames(
    device: &Device,
    setting: &Setting,
    maps: &Path,
    pixels: bool,
    record: &mut impl Write,
) -> Result<()> {
    let output = set_format(device, Way::Output, &setting.output)?;
    let capture = set_format(device, Way::Capture, &setting.capture)?;
    let formats = (described(&output), described(&capture));
    let stream = Stream::prepare(device, 1)?;
    if pixels {
        let source = output.sizes().into_iter().zip(1..);
        let source: Vec<_> = source.map(|(bytes, seed)| noise(bytes, seed)).collect();
        stream.output.write(0, &source)?;
    }
    for streaming in &setting.streams {
        if let Some(file) = &streaming.map {
            let file = maps.join(file);
            let words = words(&file).with_context(|| format!("reading {}", file.display()))?;
            device
                .set_map(Which::Current, &words)
                .context("setting the map")?;
        }
        stream.resume().context("starting to stream")?;
        for &wanted in &streaming.crops {
            let crop = device.set_crop(wanted);
            let planes = frame(&stream, pixels).with_context(|| format!("{wanted:?}"))?;
            let line = json!({
                "output": formats.0,
                "capture": formats.1,
                "crop": match crop {
                    Ok(Rect { left, top, width, height }) => json!({"Ok": [left, top, width, height]}),
                    Err(error) => json!({"Err": format!("{error:?}")}),
                },
                "planes": planes,
            });
            writeln!(record, "{line}")?;
        }
        stream.stop().context("stopping to stream")?;
    }
    Ok(())
}

fn set_format(device: &Device, way: Way, side: &Side) -> Result<Format> {
    let wanted = Format::new(&side.format.fourcc, side.width, side.height);
    device
        .set_format(way, &wanted)
        .with_context(|| format!("setting the format of {way:?}"))
}

fn described(format: &Format) -> Value {
    let planes = format.planes.iter();
    json!({
        "fourcc": String::from_utf8_lossy(&format.fourcc),
        "width": format.width,
        "height": format.height,
        "buffers": planes.map(|plane| (plane.bytesperline, plane.sizeimage)).collect::<Vec<_>>(),
    })
}

/// Processes one frame. Returns the digests of its planes, if they are read.
fn frame(stream: &Stream<'_>, pixels: bool) -> Result<Option<Vec<String>>> {
    if pixels {
        for plane in stream.capture.planes(0) {
            plane.fill(UNTOUCHED);
        }
    }
    stream.queue(0, &Sent::default()).context("queueing")?;
    stream.dequeue().context("waiting for the frame")?;
    let digest = |plane: Vec<u8>| format!("{:016x}", XxHash64::oneshot(0, &plane));
    Ok(pixels.then(|| stream.capture.read(0).into_iter().map(digest).collect()))
}

/// Returns the elements of a map's file.
fn words(file: &Path) -> Result<Vec<u32>> {
    let bytes = fs::read(file)?;
    let word = |bytes: &[u8]| Ok(u32::from_le_bytes(bytes.try_into()?));
    bytes.chunks(4).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_described_with_its_code_and_buffers() {
        let format = Format::new(b"NM12", 176, 144).with_stride(192);
        let due = json!({
            "fourcc": "NM12", "width": 176, "height": 144, "buffers": [[192, 0], [192, 0]],
        });
        assert_eq!(described(&format), due);
    }
}
