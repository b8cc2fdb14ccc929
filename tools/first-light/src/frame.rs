// SPDX-License-Identifier: GPL-2.0

//! Processes frames with the device, with one open file and one stream for each kind. Every wait
//! has a time limit: a frame that is not returned is [`Ended::Lost`], and its file is left open,
//! because with the C driver closing it would wait for ever.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dewarp::format::{Format as Pixels, Size};
use dw100_board::picture;
use dw100_board::statistics::Statistics;
use dw100_board::v4l2::{
    Device, Errno, Format, PREFETCH_MODE, PREFETCH_THRESHOLD, Rect, Sent, Stream, Way, Which,
};
use dw100_model::{Crop, Image, ImageSpec, PixelFormat, Worlds, dewarp_image_in};
use nix::unistd::dup;

use crate::registers::Registers;

/// The longest time to wait for a frame. This driver's watchdog ends the largest frame within
/// four seconds at a clock of 400 MHz.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The value of each byte of source and destination before a frame is written.
const UNTOUCHED: u8 = 0xa5;

/// The prefetch modes, with their values of the control of this project's driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefetch {
    /// Traversal.
    Traversal = 0,
    /// Calculation, which both drivers use by default.
    Calculation = 1,
    /// Automatic, with the threshold that both drivers set.
    Auto = 2,
}

impl Prefetch {
    /// All modes. Calculation is first, because the others are compared with it.
    pub const ALL: [Self; 3] = [Self::Calculation, Self::Traversal, Self::Auto];

    /// Returns the mode's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traversal => "traversal",
            Self::Calculation => "calculation",
            Self::Auto => "automatic",
        }
    }
}

/// The threshold of the automatic prefetch.
const THRESHOLD: i32 = 32;

/// The parameters of frames of one kind.
#[derive(Clone)]
pub struct Shot {
    /// The source's format and size.
    pub source: (Pixels, Size),
    /// The destination's format and size.
    pub target: (Pixels, Size),
    /// The vertex map.
    pub map: Vec<u32>,
    /// The prefetch mode; [`None`] for the driver's default.
    pub prefetch: Option<Prefetch>,
    /// The crop, if one is set.
    pub crop: Option<Rect>,
    /// The number of frames, one after the other.
    pub count: u32,
}

impl Shot {
    /// Creates the parameters of one frame in the driver's default prefetch mode, without a crop.
    pub fn new(source: (Pixels, Size), target: (Pixels, Size), map: Vec<u32>) -> Self {
        Self {
            source,
            target,
            map,
            prefetch: None,
            crop: None,
            count: 1,
        }
    }

    /// Returns the frame that the engine's model computes from a source frame in some worlds.
    pub fn model(&self, worlds: Worlds, source: &[u8]) -> Result<Vec<u8>> {
        let format = |pixels: Pixels| -> Result<PixelFormat> { Ok(pixels.name.parse()?) };
        let image = Image {
            format: format(self.source.0)?,
            width: self.source.1.width,
            height: self.source.1.height,
            data: source,
        };
        let spec = ImageSpec {
            format: format(self.target.0)?,
            width: self.target.1.width,
            height: self.target.1.height,
        };
        Ok(dewarp_image_in(
            worlds,
            &image,
            &spec,
            &self.map,
            Crop::FULL,
        )?)
    }
}

/// The engine's time in the driver's statistics, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct EngineTime {
    /// The time of the shortest frame.
    pub min: u64,
    /// The mean time.
    pub mean: u64,
    /// The time of the longest frame.
    pub max: u64,
}

/// The results of frames that were all returned.
pub struct Shots {
    /// The last frame's pixels, without padding. [`None`] if it failed.
    pub frame: Option<Vec<u8>>,
    /// How many frames were returned as failed.
    pub failed: u32,
    /// The times from queueing to return of the frames that did not fail, in nanoseconds.
    pub wall_ns: Vec<u64>,
    /// The engine's time in the driver's statistics, if it has any.
    pub engine: Option<EngineTime>,
    /// The registers after the last frame, while the engine is still powered.
    pub registers: Option<Registers>,
}

/// How the frames ended.
pub enum Ended {
    /// All frames were returned.
    Back(Shots),
    /// One frame was not returned in [`PATIENCE`]. Its file stays open.
    Lost,
}

/// Processes the frames of `shot` with the pixels of `source`, which has no padding.
pub fn send(shot: &Shot, source: &[u8]) -> Result<Ended> {
    let device = Device::open()?;
    prepare(&device, shot)?;
    run(Stream::prepare(&device, 1)?, shot, source)
}

/// Processes the frames of `shot` with a stream that is ready for them.
pub fn run(stream: Stream<'_>, shot: &Shot, source: &[u8]) -> Result<Ended> {
    fill(&stream, shot, source)?;
    stream.resume().context("starting to stream")?;
    let format = stream.device.format(Way::Capture)?;
    let mut shots = Shots {
        frame: None,
        failed: 0,
        wall_ns: Vec::new(),
        engine: None,
        registers: None,
    };
    for _ in 0..shot.count {
        let began = Instant::now();
        stream.queue(0, &Sent::default()).context("queueing")?;
        let back = stream
            .capture
            .dequeue_within(PATIENCE)
            .and_then(|capture| Ok((capture, stream.output.dequeue_within(PATIENCE)?)));
        let took = began.elapsed();
        match back {
            Ok((capture, output)) if capture.failed() || output.failed() => {
                shots.failed += 1;
                shots.frame = None;
            }
            Ok((capture, _)) => {
                // CAST: It is less than PATIENCE.
                shots.wall_ns.push(took.as_nanos() as u64);
                let planes = stream.capture.read(capture.index);
                shots.frame = Some(picture::gather(&format, &planes)?);
            }
            Err(Errno::ETIME) => {
                // Another descriptor, which is never closed, keeps the file open.
                dup(stream.device.as_raw_fd())?;
                stream.abandon();
                return Ok(Ended::Lost);
            }
            Err(error) => return Err(error).context("taking a frame back"),
        }
    }
    shots.registers = Registers::read().ok();
    shots.engine = engine_time(stream.device);
    Ok(Ended::Back(shots))
}

/// Sets formats, crop, map and prefetch mode.
fn prepare(device: &Device, shot: &Shot) -> Result<()> {
    set_formats(device, shot)?;
    set_map(device, shot)
}

/// Sets formats and crop.
pub fn set_formats(device: &Device, shot: &Shot) -> Result<()> {
    let format =
        |(pixels, size): (Pixels, Size)| Format::new(&pixels.fourcc, size.width, size.height);
    device.set_formats(&format(shot.source), &format(shot.target))?;
    if let Some(crop) = shot.crop {
        device.set_crop(crop).context("setting the crop")?;
    }
    Ok(())
}

/// Sets map and prefetch mode.
pub fn set_map(device: &Device, shot: &Shot) -> Result<()> {
    device
        .set_map(Which::Current, &shot.map)
        .context("setting the vertex map")?;
    if let Some(mode) = shot.prefetch {
        device
            .set_number(Which::Current, PREFETCH_THRESHOLD, THRESHOLD)
            .and_then(|()| device.set_number(Which::Current, PREFETCH_MODE, mode as i32))
            .context("setting the prefetch mode")?;
    }
    Ok(())
}

/// Writes the source, and fills the destination with bytes that cannot be taken for the engine's.
fn fill(stream: &Stream<'_>, shot: &Shot, source: &[u8]) -> Result<()> {
    let format = stream.device.format(Way::Output)?;
    let planes = picture::spread(&format, source, UNTOUCHED)
        .with_context(|| format!("laying out a frame of {}", shot.source.0))?;
    stream.output.write(0, &planes)?;
    for plane in stream.capture.planes(0) {
        plane.fill(UNTOUCHED);
    }
    Ok(())
}

/// Returns the engine's time for the frames of an open file.
fn engine_time(device: &Device) -> Option<EngineTime> {
    let statistics = Statistics::read(device).ok()?;
    let own = statistics.own();
    let numbers = own.last()?;
    let time = EngineTime {
        min: numbers.get("engine_ns_min").ok()?,
        mean: numbers.get("engine_ns_mean").ok()?,
        max: numbers.get("engine_ns_max").ok()?,
    };
    (time.max > 0).then_some(time)
}
