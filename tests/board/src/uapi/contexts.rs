// SPDX-License-Identifier: GPL-2.0

//! Tests several open files at the same time.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::{Bands, constant_map, draw, gather, spread, uniform};
use crate::v4l2::{Device, Errno, Format, PATIENCE, Sent, Stream, Which};

pub(super) const TESTS: &[Test] = &[
    test("four files are served in turn", fair),
    test("formats and maps of four files do not mix", apart),
    test("a file that waits does not hold up another", waiting),
    test(
        "a file that is closed does not take its neighbour along",
        neighbour,
    ),
];

fn fair() -> Result<()> {
    const FILES: usize = 4;
    const BUFFERS: u32 = 6;
    let devices = (0..FILES)
        .map(|_| Device::open())
        .collect::<Result<Vec<_>>>()?;
    let mut streams = Vec::new();
    for device in &devices {
        // The frames are large enough that the program is not slower than the engine.
        let bands = Bands::set_to(device, 640, 480)?;
        let stream = Stream::prepare(device, BUFFERS)?;
        for index in 0..BUFFERS as usize {
            stream.output.write(index, &bands.source)?;
            stream.queue(index, &Sent::default())?;
        }
        streams.push(stream);
    }
    for stream in &streams {
        stream.resume()?;
    }
    // The file that starts first is ahead until all have started. These frames are left
    // out.
    let (settled, all) = (64, 144);
    let mut counts = [0_u32; FILES];
    let mut before = counts;
    let end = Instant::now() + 2 * PATIENCE;
    while counts.iter().sum::<u32>() < all {
        ensure!(Instant::now() < end, "only {counts:?} frames came");
        for (stream, count) in streams.iter().zip(&mut counts) {
            match stream.capture.dequeue() {
                Ok(capture) => {
                    *count += 1;
                    stream.capture.queue(capture.index, &Sent::default())?;
                    let output = stream.output.dequeue_within(PATIENCE)?;
                    stream.output.queue(output.index, &Sent::default())?;
                }
                Err(Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if counts.iter().sum::<u32>() <= settled {
            before = counts;
        }
    }
    let served: Vec<u32> = counts
        .iter()
        .zip(before)
        .map(|(now, then)| now - then)
        .collect();
    let most = served.iter().max().copied().unwrap_or(0);
    let least = served.iter().min().copied().unwrap_or(0);
    // One frame may be in flight, and one between the two counts.
    ensure!(most - least <= 3, "the files got {served:?} frames");
    Ok(())
}

fn apart() -> Result<()> {
    // The formats, the size of the destination, and the place in the source that it
    // shows.
    type Case = (&'static [u8; 4], &'static [u8; 4], (u32, u32), u32);
    let cases: [Case; 4] = [
        (b"NV12", b"NV12", (176, 144), 40),
        (b"YUYV", b"NV16", (320, 240), 90),
        (b"NM16", b"UYVY", (640, 480), 150),
        (b"UYVY", b"NM21", (184, 152), 220),
    ];
    let mut devices = Vec::new();
    for (from, to, (width, height), _) in cases {
        let device = Device::open()?;
        let formats = device.set_formats(
            &Format::new(from, 640, 480),
            &Format::new(to, width, height),
        )?;
        devices.push((device, formats));
    }
    let mut streams = Vec::new();
    for ((device, (output, capture)), (_, _, _, place)) in devices.iter().zip(cases) {
        device.set_map(Which::Current, &constant_map(capture, place, place))?;
        let frame = draw(output, |x, y| if x == y { x as u8 } else { 0 })?;
        let stream = Stream::start(device, 2)?;
        for index in 0..2 {
            stream.output.write(index, &spread(output, &frame, 0)?)?;
        }
        streams.push(stream);
    }
    for round in 0..6 {
        for stream in &streams {
            stream.queue(round % 2, &Sent::default())?;
        }
        for ((stream, (_, (_, capture))), (from, to, _, place)) in
            streams.iter().zip(&devices).zip(cases)
        {
            let (_, done) = stream.dequeue()?;
            let planes = stream.capture.read(done.index);
            let shown = uniform(capture, &planes)
                .with_context(|| format!("{from:?} to {to:?}, round {round}"))?;
            ensure!(
                u32::from(shown) == place,
                "{from:?} to {to:?} shows {shown}, not {place}"
            );
            gather(capture, &planes)?;
        }
    }
    Ok(())
}

fn waiting() -> Result<()> {
    let (one, other) = (Device::open()?, Device::open()?);
    let bands = Bands::set(&one)?;
    Bands::set(&other)?;
    // The first file has sources queued and no destination.
    let stuck = Stream::start(&one, 2)?;
    stuck.output.write(0, &bands.source)?;
    stuck.output.queue(0, &Sent::default())?;
    let runs = Stream::start(&other, 1)?;
    for _ in 0..5 {
        runs.frame(&bands.source)
            .context("beside a file that waits")?;
    }
    stuck.capture.queue(0, &Sent::default())?;
    stuck.dequeue().context("the file that waited")?;
    Ok(())
}

fn neighbour() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(23))?;
    let stream = Stream::start(&device, 1)?;
    for round in 0..8 {
        let other = Device::open()?;
        Bands::set(&other)?;
        let passing = Stream::start(&other, 2)?;
        passing.queue(0, &Sent::default())?;
        if round % 2 == 0 {
            passing.abandon();
        } else {
            drop(passing);
        }
        drop(other);
        bands
            .check(&stream.frame(&bands.source)?, 23)
            .with_context(|| format!("round {round}"))?;
    }
    Ok(())
}
