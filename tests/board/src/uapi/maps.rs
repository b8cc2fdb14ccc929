// SPDX-License-Identifier: GPL-2.0

//! Tests which frames the vertex map applies to when it is set without requests.

use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Test, repeats, test};
use crate::picture::{BAND, Bands, band_luma, constant_map, gather, luma, uniform};
use crate::v4l2::{Device, Format, Sent, Stream, Way, Which};

pub(super) const TESTS: &[Test] = &[
    test("a map set before streaming is used", before_streaming),
    test(
        "a map set while streaming is used from the next frame on",
        while_streaming,
    ),
    test(
        "a frame shows the map of its start, whatever is set while it runs",
        of_its_start,
    ),
    test(
        "a map set while frames run is used whole, and the last one wins",
        never_torn,
    ),
    test(
        "a map survives the end of a stream and the next S_FMT of OUTPUT",
        survives,
    ),
    test(
        "S_FMT of CAPTURE gives the map its grid and the identity",
        new_grid,
    ),
    test("S_FMT of CAPTURE while OUTPUT streams is used", late_format),
    test("a map belongs to the file it was set on", own_map),
    test("a map that points outside the source gives black", outside),
];

fn before_streaming() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for band in [11, 0, 39] {
        device.set_map(Which::Current, &bands.map(band))?;
        let frame = crate::v4l2::one_frame(&device, &bands.source)?;
        bands.check(&frame, band)?;
    }
    Ok(())
}

fn while_streaming() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(1))?;
    let stream = Stream::start(&device, 1)?;
    for band in [1, 21, 2, 38, 38, 0] {
        device.set_map(Which::Current, &bands.map(band))?;
        let frame = stream.frame(&bands.source)?;
        bands
            .check(&frame, band)
            .with_context(|| format!("after setting the map of band {band}"))?;
    }
    Ok(())
}

/// Frames that take the engine so long that maps can be set meanwhile.
///
/// The emulated engine is set to need 100 cycles of 2 ns for a pixel. It reads the map when they
/// are over, and computes the pixels after that.
pub(super) struct LongFrames {
    /// The source, and the maps' bands.
    pub bands: Bands,
    maps: Vec<Vec<u32>>,
    /// The shortest time from before a frame's start until a map was set.
    fastest: Duration,
    /// How long the engine works on a frame, if that is known.
    length: Option<Duration>,
}

impl LongFrames {
    /// Sets both formats, and the speed of an emulated engine.
    pub fn set(device: &Device) -> Result<Self> {
        const SIZE: (u32, u32) = (1280, 720);
        let bands = Bands::set_to(device, SIZE.0, SIZE.1)?;
        // Calculation prefetch takes four times as long as this value says.
        let slow = Self::set_speed("0.04")?;
        Ok(Self {
            maps: (0..40).map(|band| bands.map(band)).collect(),
            bands,
            fastest: Duration::MAX,
            length: slow.then(|| Duration::from_nanos(200 * u64::from(SIZE.0 * SIZE.1))),
        })
    }

    /// Sets the pixels that the emulated engine processes in a clock cycle. Returns `false` if
    /// the engine is not emulated.
    fn set_speed(pixels: &str) -> Result<bool> {
        let speed = format!("pixels-per-clock={pixels}");
        match Command::new("model").arg(speed).status() {
            Ok(status) => {
                ensure!(status.success(), "model: {status}");
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).context("model"),
        }
    }

    /// Returns the map that shows a band everywhere. It was computed before.
    pub fn map(&self, band: u32) -> &[u32] {
        &self.maps[band as usize]
    }

    /// Returns how long the engine works on a frame, if that is known.
    pub fn length(&self) -> Option<Duration> {
        self.length
    }

    /// Records how long it took to change something during a frame, from `start`, which is before
    /// the frame.
    pub fn note(&mut self, start: Instant) {
        self.fastest = self.fastest.min(start.elapsed());
    }

    /// Checks that a change came before the engine read its map, at least once.
    pub fn came_in_time(&self) -> Result<()> {
        let (fastest, length) = (self.fastest, self.length);
        ensure!(
            length.is_none_or(|length| fastest < length),
            "the fastest change took {fastest:?}, a frame {length:?}"
        );
        Ok(())
    }
}

impl Drop for LongFrames {
    fn drop(&mut self) {
        let _ = Self::set_speed("1");
    }
}

fn of_its_start() -> Result<()> {
    let device = Device::open()?;
    let mut long = LongFrames::set(&device)?;
    let stream = Stream::prepare(&device, 1)?;
    stream.output.write(0, &long.bands.source)?;
    for round in 0..repeats(4) {
        device.set_map(Which::Current, long.map(round))?;
        stream.resume()?;
        // The engine is idle, so the frame has started when this returns.
        let start = Instant::now();
        stream.queue(0, &Sent::default())?;
        device.set_map(Which::Current, long.map(round + 10))?;
        long.note(start);
        device.set_map(Which::Current, long.map(round + 20))?;
        device.set_map(Which::Current, long.map(round + 30))?;
        stream.dequeue()?;
        long.bands
            .check(&stream.capture.read(0), round)
            .context("the frame that ran")?;
        long.bands
            .check(&stream.frame(&long.bands.source)?, round + 30)
            .context("the next frame")?;
        stream.stop()?;
    }
    long.came_in_time()
}

fn never_torn() -> Result<()> {
    const BUFFERS: usize = 4;
    let device = Device::open()?;
    // The grid is large enough that it takes a while to copy: 81 x 46 vertices.
    let bands = Bands::set_to(&device, 1280, 720)?;
    let maps = [bands.map(3), bands.map(33)];
    device.set_map(Which::Current, &maps[0])?;
    let stream = Stream::prepare(&device, BUFFERS as u32)?;
    for index in 0..BUFFERS {
        stream.output.write(index, &bands.source)?;
        stream.queue(index, &Sent::default())?;
    }
    stream.resume()?;
    let mut changes = 0;
    let mut seen = [0; 2];
    for _ in 0..repeats(25) {
        // Beside each frame there are as many changes as there is time for, and one at least.
        loop {
            device.set_map(Which::Current, &maps[changes % 2])?;
            changes += 1;
            ensure!(changes < 1_000_000, "no frame came");
            if device.ready(Way::Capture, Duration::ZERO)? {
                break;
            }
        }
        let (output, capture) = stream.dequeue()?;
        let shown = uniform(&bands.capture, &stream.capture.read(capture.index))?;
        let which = [3, 33].iter().position(|&band| band_luma(band) == shown);
        seen[which.with_context(|| format!("a frame shows luma {shown}"))?] += 1;
        stream.capture.queue(capture.index, &Sent::default())?;
        stream.output.queue(output.index, &Sent::default())?;
    }
    ensure!(
        seen.iter().all(|&count| count > 0),
        "of {changes} maps only one was ever used: {seen:?}"
    );
    for _ in 0..BUFFERS {
        stream.dequeue()?;
    }
    for band in [3, 33, 3, 17] {
        device.set_map(Which::Current, &bands.map(band))?;
    }
    bands
        .check(&stream.frame(&bands.source)?, 17)
        .context("after the last map")
}

fn survives() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(15))?;
    for _ in 0..2 {
        let frame = crate::v4l2::one_frame(&device, &bands.source)?;
        bands.check(&frame, 15)?;
    }
    device.set_format(Way::Output, &Format::new(b"YUYV", 800, 600))?;
    ensure!(
        device.map(Which::Current)? == bands.map(15),
        "S_FMT of OUTPUT changed the map that was set"
    );
    let again = device.set_format(Way::Output, &bands.output)?;
    ensure!(again == bands.output, "the format became {again:?}");
    let frame = crate::v4l2::one_frame(&device, &bands.source)?;
    bands.check(&frame, 15)
}

fn new_grid() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for (width, height) in [(176, 144), (640, 480), (1280, 720), (176, 144)] {
        device.set_map(
            Which::Current,
            &constant_map(&device.format(Way::Capture)?, 40, 8),
        )?;
        let capture = device.set_format(Way::Capture, &Format::new(b"NV12", width, height))?;
        let (columns, rows) = (width.div_ceil(16) + 1, height.div_ceil(16) + 1);
        let map = device.map(Which::Current)?;
        ensure!(
            map.len() as u32 == columns * rows,
            "{width}x{height} has {} vertices, not {columns} x {rows}",
            map.len()
        );
        let frame = crate::v4l2::one_frame(&device, &bands.source)?;
        let luma = luma(&capture, &frame)?;
        let ends = (luma[0], luma[width as usize - 1]);
        ensure!(
            ends == (band_luma(0), band_luma(39)),
            "{width}x{height} shows {ends:?} at its sides"
        );
    }
    Ok(())
}

fn late_format() -> Result<()> {
    // This sequence found the first bug of this kind: the map's size changes while half of the
    // stream runs.
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let output = crate::v4l2::Queue::allocate(&device, Way::Output, 1)?;
    output.write(0, &bands.source)?;
    device.start(Way::Output)?;
    let late = device.set_format(Way::Capture, &Format::new(b"NV12", 1280, 720))?;
    device.set_map(Which::Current, &constant_map(&late, 9 * BAND + 8, 8))?;
    let capture = crate::v4l2::Queue::allocate(&device, Way::Capture, 1)?;
    device.start(Way::Capture)?;
    let stream = Stream {
        device: &device,
        output,
        capture,
    };
    stream.queue(0, &Sent::default())?;
    stream.dequeue()?;
    let shown = uniform(&late, &stream.capture.read(0))?;
    ensure!(shown == band_luma(9), "the frame shows luma {shown}");
    Ok(())
}

fn own_map() -> Result<()> {
    let (one, other) = (Device::open()?, Device::open()?);
    let bands = Bands::set(&one)?;
    Bands::set(&other)?;
    one.set_map(Which::Current, &bands.map(2))?;
    other.set_map(Which::Current, &bands.map(36))?;
    for (device, band) in [(&one, 2), (&other, 36), (&one, 2)] {
        ensure!(
            device.map(Which::Current)? == bands.map(band),
            "the map is the other file's"
        );
        bands.check(&crate::v4l2::one_frame(device, &bands.source)?, band)?;
    }
    Ok(())
}

fn outside() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for coordinate in [u32::MAX, 640 << 4, 480 << 20] {
        let map = vec![coordinate; bands.map(0).len()];
        device.set_map(Which::Current, &map)?;
        let frame = crate::v4l2::one_frame(&device, &bands.source)?;
        let frame = gather(&bands.capture, &frame)?;
        let (luma, chroma) = frame.split_at(176 * 144);
        ensure!(
            luma.iter().all(|&y| y == 0) && chroma.iter().all(|&uv| uv == 128),
            "the vertex {coordinate:#x} shows Y {} UV {}",
            luma[0],
            chroma[0]
        );
    }
    Ok(())
}
