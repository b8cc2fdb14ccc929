// SPDX-License-Identifier: GPL-2.0

//! Frames for which both drivers have to produce the same picture: every pair of formats, some
//! sizes, maps that change while it streams, and two open files that take turns.

use anyhow::{Context, Result, ensure};
use dewarp::format::{FORMATS, Format as Pixels};
use dewarp::map::VertexMap;

use super::{Record, opened, untouched};
use crate::picture::{noise, size};
use crate::v4l2::{Device, Format, PATIENCE, Request, Sent, Stream, Which};

/// The smallest size.
const SMALL: (u32, u32) = (176, 144);

/// The width of the destination that only `speed` has, and the least height of it.
const SPEED: (u32, u32) = (656, 152);

/// Tests each pair of formats at the smallest size: a frame with the driver's own map and one with
/// a map that is set.
///
/// Each pair has its own open file, so the formats change from frame to frame, and the engine is
/// powered up and reset for each of them.
pub(super) fn formats(record: &Record<'_>) -> Result<()> {
    let node = Device::open()?;
    for (input, output) in pairs() {
        let name = format!("{} to {}", input.name, output.name);
        pair(record, &node, &name, (input, SMALL), (output, SMALL), true).context(name)?;
    }
    Ok(())
}

/// Tests other sizes, scaled up and down, with sides that are no multiples of a block's; with
/// `full` for each pair.
pub(super) fn sizes(record: &Record<'_>) -> Result<()> {
    const VGA: (u32, u32) = (640, 480);
    const CHANGES: [((u32, u32), (u32, u32)); 3] =
        [(VGA, (648, 488)), (VGA, (328, 240)), ((328, 240), VGA)];
    let node = Device::open()?;
    let chosen: Vec<_> = if record.full {
        pairs().collect()
    } else {
        pairs().step_by(19).collect()
    };
    for ((input, output), number) in chosen.into_iter().zip(0..) {
        let (from, to) = CHANGES[number % CHANGES.len()];
        let name = format!("{} {from:?} to {} {to:?}", input.name, output.name);
        pair(record, &node, &name, (input, from), (output, to), false).context(name)?;
    }
    Ok(())
}

/// Processes frames that can be found in the engine's trace by the size of their destination, which
/// depends on the world.
pub(super) fn speed(record: &Record<'_>) -> Result<()> {
    let (width, least) = SPEED;
    let (device, [output, capture]) = opened(
        &Device::open()?,
        (b"NV12", 640, 480),
        (b"NV12", width, least + 8 * record.number),
    )?;
    device.set_map(Which::Current, &turned(&output, &capture, 0))?;
    let stream = Stream::start(&device, 1)?;
    stream.output.write(0, &source(&output))?;
    (0..3).try_for_each(|number| record.next(&format!("frame {number}"), &stream))
}

/// Returns every format that OUTPUT accepts with every format that CAPTURE accepts.
fn pairs() -> impl Iterator<Item = (Pixels, Pixels)> {
    // The engine cannot swap the bytes of chroma in a source.
    let taken = |format: &Pixels| !format.swapped || format.name == "uyvy";
    let inputs = FORMATS.into_iter().filter(taken);
    inputs.flat_map(|input| FORMATS.into_iter().map(move |output| (input, output)))
}

/// Processes a frame with a map that is set, and one with the driver's own if `identity` is set.
/// Both drivers have that right only where blocks are whole and nothing is scaled.
fn pair(
    record: &Record<'_>,
    node: &Device,
    name: &str,
    (input, from): (Pixels, (u32, u32)),
    (output, to): (Pixels, (u32, u32)),
    identity: bool,
) -> Result<()> {
    let (device, [output, capture]) = opened(
        node,
        (&input.fourcc, from.0, from.1),
        (&output.fourcc, to.0, to.1),
    )?;
    let stream = Stream::prepare(&device, 1)?;
    stream.output.write(0, &source(&output))?;
    if identity {
        stream.resume()?;
        record.next(&format!("{name}, identity"), &stream)?;
        stream.stop()?;
    }
    device.set_map(Which::Current, &turned(&output, &capture, 0))?;
    stream.resume()?;
    record.next(&format!("{name}, map"), &stream)
}

/// The maps of the requests of `maps`, by their numbers; [`None`] where a request has no map.
const MAPS: [Option<usize>; 8] = [
    Some(0),
    Some(1),
    Some(2),
    None,
    Some(1),
    None,
    Some(0),
    Some(2),
];

/// Processes a stream of requests whose maps change from frame to frame.
pub(super) fn maps(record: &Record<'_>) -> Result<()> {
    const BUFFERS: usize = 3;
    let (device, [output, capture]) =
        opened(&Device::open()?, (b"NV12", 640, 480), (b"NV12", 328, 240))?;
    let media = device.media()?;
    let requests = (0..BUFFERS)
        .map(|_| media.request())
        .collect::<Result<Vec<Request>, _>>()?;
    let stream = Stream::start(&device, BUFFERS as u32)?;
    let send = |frame: usize| -> Result<()> {
        let index = frame % BUFFERS;
        let request = &requests[index];
        if let Some(number) = MAPS[frame] {
            let map = turned(&output, &capture, number);
            device.set_map(Which::Request(request), &map)?;
        }
        stream
            .output
            .write(index, &[noise(output.sizes()[0], frame as u32)])?;
        untouched(&stream, index);
        let sent = Sent {
            request: Some(request),
            ..Sent::default()
        };
        stream.queue(index, &sent)?;
        Ok(request.queue()?)
    };
    for frame in 0..BUFFERS {
        send(frame).with_context(|| format!("sending frame {frame}"))?;
    }
    for frame in 0..MAPS.len() {
        let (index, name) = (frame % BUFFERS, format!("frame {frame}"));
        stream
            .dequeue()
            .with_context(|| format!("waiting for {name}"))?;
        record.frame(&name, &stream, index, false)?;
        let request = &requests[index];
        ensure!(
            request.completed(PATIENCE)?,
            "the request of {name} did not complete"
        );
        request.reinit()?;
        if frame + BUFFERS < MAPS.len() {
            send(frame + BUFFERS).with_context(|| format!("sending the frame after {name}"))?;
        }
    }
    Ok(())
}

/// Processes frames of two open files with other formats, sizes and maps, which take turns.
pub(super) fn files(record: &Record<'_>) -> Result<()> {
    const ROUNDS: u32 = 3;
    let node = Device::open()?;
    let opened = [
        opened(&node, (b"YUYV", 640, 480), (b"NM21", 328, 240))?,
        opened(&node, (b"NV16", 176, 144), (b"UYVY", 648, 488))?,
    ];
    let mut streams = Vec::new();
    for ((device, [output, capture]), number) in opened.iter().zip(1..) {
        device.set_map(Which::Current, &turned(output, capture, number))?;
        let stream = Stream::start(device, 3)?;
        for index in 0..stream.output.len() {
            stream.output.write(index, &source(output))?;
        }
        streams.push(stream);
    }
    for round in 0..ROUNDS {
        for index in 0..3 {
            for stream in &streams {
                untouched(stream, index);
                stream.queue(index, &Sent::default())?;
            }
        }
        for index in 0..3 {
            for (stream, file) in streams.iter().zip(0..) {
                let name = format!("file {file}, round {round}, frame {index}");
                stream
                    .dequeue()
                    .with_context(|| format!("waiting for {name}"))?;
                record.frame(&name, stream, index, false)?;
            }
        }
    }
    Ok(())
}

/// Returns a source of pseudo-random bytes, which are different in each plane.
pub(super) fn source(output: &Format) -> Vec<Vec<u8>> {
    let planes = output.sizes().into_iter().zip(1..);
    planes.map(|(bytes, seed)| noise(bytes, seed)).collect()
}

/// Returns one of three maps that turn, bend and scale. Their corners reach beyond the source, and
/// in places they scale down to less than half.
pub(super) fn turned(output: &Format, capture: &Format, number: usize) -> Vec<u32> {
    // Cosine and sine are constants and not computed by a library, so that the bits are the same
    // everywhere.
    let (cosine, sine) = [(0.96, 0.28), (0.8, -0.6), (-0.28, 0.96)][number];
    let [w, h, width, height] =
        [output.width, output.height, capture.width, capture.height].map(f64::from);
    let map = VertexMap::from_fn(size(capture), |x, y| {
        let (u, v) = (x / width - 0.5, y / height - 0.5);
        let bend = 0.4 + 2.0 * (u * u + v * v);
        let (u, v) = (
            bend * (cosine * u - sine * v),
            bend * (sine * u + cosine * v),
        );
        [(u + 0.5) * w, (v + 0.5) * h]
    });
    map.vertices().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_sixty_pairs_and_a_few_of_them_have_each_layout() {
        assert_eq!(pairs().count(), 60);
        let some: Vec<_> = pairs().step_by(19).map(|(a, b)| (a.name, b.name)).collect();
        assert_eq!(
            some,
            [
                ("nv12", "nv12"),
                ("nv12m", "uyvy"),
                ("nv16m", "yuyv"),
                ("uyvy", "nv61m")
            ]
        );
    }

    #[test]
    fn the_maps_differ_and_reach_beyond_the_source() {
        let format = Format::new(b"NV12", 640, 480);
        let maps = [0, 1, 2].map(|number| turned(&format, &format, number));
        assert!(maps[0] != maps[1] && maps[1] != maps[2] && maps[0] != maps[2]);
        for map in maps {
            assert!(map.iter().any(|word| word & 0xffff >= 640 << 4));
            assert_eq!(map[15 * 41 + 20], 240 << 20 | 320 << 4);
        }
    }
}
