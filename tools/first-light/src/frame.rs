// SPDX-License-Identifier: GPL-2.0

//! Frames through the device, one file and one stream for each kind. Nothing here waits without a
//! bound: a frame that does not come back is [`Ended::Lost`], and its file is left open, for with
//! the C driver closing it would wait for ever.

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

/// How long a frame may take. This driver's watchdog ends the largest within four seconds at a
/// clock of 400 MHz.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What the source and the destination are filled with where no frame is written.
const UNTOUCHED: u8 = 0xa5;

/// How the engine fetches the source, as the control of this project's driver counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefetch {
    /// Traversal.
    Traversal = 0,
    /// Calculation, which both drivers use unless told otherwise.
    Calculation = 1,
    /// Automatic, with the threshold that both drivers set.
    Auto = 2,
}

impl Prefetch {
    /// All modes, calculation first: the others are compared with it.
    pub const ALL: [Self; 3] = [Self::Calculation, Self::Traversal, Self::Auto];

    /// Its name in reports.
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

/// A kind of frame.
#[derive(Clone)]
pub struct Shot {
    /// The source's format and size.
    pub source: (Pixels, Size),
    /// The destination's format and size.
    pub target: (Pixels, Size),
    /// The vertex map.
    pub map: Vec<u32>,
    /// The prefetch mode; none leaves it to the driver.
    pub prefetch: Option<Prefetch>,
    /// The crop, where one is set.
    pub crop: Option<Rect>,
    /// How many frames, one after the other.
    pub count: u32,
}

impl Shot {
    /// One frame in the driver's own prefetch mode, without a crop.
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

    /// The frame that the engine's model makes of a source frame in some worlds.
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

/// The engine's time by the driver's statistics, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct EngineTime {
    /// The shortest frame's.
    pub min: u64,
    /// The mean.
    pub mean: u64,
    /// The longest frame's.
    pub max: u64,
}

/// What came of frames that all came back.
pub struct Shots {
    /// The last frame's pixels, without padding. None if it failed.
    pub frame: Option<Vec<u8>>,
    /// How many came back as failed.
    pub failed: u32,
    /// From queueing to return, of those that did not fail, in nanoseconds.
    pub wall_ns: Vec<u64>,
    /// By the driver's statistics, where it has any.
    pub engine: Option<EngineTime>,
    /// The registers after the last frame, with the engine still powered.
    pub registers: Option<Registers>,
}

/// How frames ended.
pub enum Ended {
    /// All came back.
    Back(Shots),
    /// One did not come back in [`PATIENCE`]. Its file stays open.
    Lost,
}

/// Sends the frames of `shot`, made of `source`, which has no padding.
pub fn send(shot: &Shot, source: &[u8]) -> Result<Ended> {
    let device = Device::open()?;
    prepare(&device, shot)?;
    run(Stream::prepare(&device, 1)?, shot, source)
}

/// Sends the frames of `shot` through a stream that is ready for them.
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
                // CAST: less than PATIENCE.
                shots.wall_ns.push(took.as_nanos() as u64);
                let planes = stream.capture.read(capture.index);
                shots.frame = Some(picture::gather(&format, &planes)?);
            }
            Err(Errno::ETIME) => {
                // One more descriptor, which is never closed, keeps the file open.
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

/// Writes the source, and what must not pass for what the engine wrote.
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

/// The engine's time for the frames of an open file.
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
