// SPDX-License-Identifier: GPL-2.0
//! One run through the device: frames in, frames out, with several buffers in flight so that the
//! engine does not wait for the program. Several outputs are as many open files of the device,
//! which read the same buffers.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use v4l2r::ioctl::Request;

use crate::camera::Camera;
use crate::device::{Colours, Device, Queue, Way};
use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::frames::{Maps, Source};
use crate::node::Plane;
use crate::statistics::Outcome;

/// Buffers per queue, if there are as many frames: one that the engine processes, one that it
/// processes next, and two for the program to fill and empty.
const BUFFERS: u64 = 4;

/// Buffers per queue for pictures of more than [`LARGE`] pixels: a board has no memory for many of
/// them. The engine still finds the next one queued.
const BUFFERS_LARGE: u64 = 2;

/// The pixels of a Full HD picture.
const LARGE: u64 = 1920 * 1080;

/// The time limit for a camera's frame. Some cameras take seconds for the first.
const PATIENCE: Duration = Duration::from_secs(10);

/// The interval at which the progress bar is drawn.
const REFRESH: Duration = Duration::from_millis(250);

/// The format and size of one side of the device.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The pixel format.
    pub format: Format,
    /// The size.
    pub size: Size,
}

/// The source of a run's frames.
pub enum Input<'a> {
    /// The frames come from files.
    Source(&'a mut Source, Colours),
    /// The frames come from a camera, until the flag is set.
    Camera(&'a mut Camera, &'a AtomicBool),
}

/// The memory from which the device reads the frames.
enum Feed<'a> {
    /// Buffers of the first output's file; the other outputs read them as well.
    Copied {
        source: &'a mut Source,
        queue: Queue,
        shared: Vec<Vec<OwnedFd>>,
        free: VecDeque<usize>,
    },
    /// Buffers of the camera.
    Filmed {
        camera: &'a mut Camera,
        over: &'a AtomicBool,
    },
}

/// A frame that is ready to be sent.
struct Ready {
    /// The index of its buffer.
    index: usize,
    /// Its number in time, which selects its map.
    time: u64,
}

impl Feed<'_> {
    /// Returns frame `number`. Returns `None` if no buffer is free, if the run is over, or if
    /// `patience` is 0 and the camera has no frame yet.
    ///
    /// Returns an error if `patience` is longer and the camera delivers no frame within it.
    fn next(&mut self, number: u64, patience: Duration) -> Result<Option<Ready>> {
        match self {
            Feed::Copied {
                source,
                queue,
                free,
                ..
            } => {
                let Some(index) = free.pop_front() else {
                    return Ok(None);
                };
                // If one frame is repeated, a used buffer has it already.
                if source.count() > 1 || number < queue.len() as u64 {
                    queue.write(index, &source.frame(number)?)?;
                }
                Ok(Some(Ready {
                    index,
                    time: number,
                }))
            }
            Feed::Filmed { camera, over } => {
                let until = Instant::now() + patience;
                while !over.load(Ordering::Relaxed) {
                    let left = until.saturating_duration_since(Instant::now());
                    if let Some(filmed) = camera.filmed(left)? {
                        return Ok(Some(Ready {
                            index: filmed.index,
                            time: filmed.number,
                        }));
                    }
                    if patience.is_zero() {
                        break;
                    }
                    if Instant::now() >= until {
                        let seconds = patience.as_secs();
                        return Err(Error::failed(format!(
                            "the camera gave no frame for {seconds} s"
                        )));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Returns the planes of a buffer, for an output.
    fn planes(&self, output: usize, index: usize) -> Vec<Plane<'_>> {
        match self {
            Feed::Copied { queue, shared, .. } => {
                let mut planes = queue.planes(index);
                if output > 0 {
                    for (plane, file) in planes.iter_mut().zip(&shared[index]) {
                        plane.shared = Some(file.as_fd());
                    }
                }
                planes
            }
            Feed::Filmed { camera, .. } => camera.planes(index),
        }
    }

    /// Releases a buffer that the device has read.
    fn done(&mut self, index: usize) -> Result<()> {
        match self {
            Feed::Copied { free, .. } => {
                free.push_back(index);
                Ok(())
            }
            Feed::Filmed { camera, .. } => camera.film(index),
        }
    }
}

/// An output: an open file of the device with one map, or with a map for each frame.
struct Output {
    device: Device,
    queue: Queue,
    maps: Maps,
    /// The media device for requests, if each frame has its own map.
    media: Option<File>,
}

impl Output {
    fn send(&mut self, index: usize, number: u64, time: u64, planes: &[Plane<'_>]) -> Result<()> {
        let device = &self.device;
        let (Some(media), Some(map)) = (&self.media, self.maps.of_frame(time)?) else {
            return device.send(index, number, planes, None);
        };
        // The kernel keeps a queued request until its frame is done, so it may be closed here.
        let request =
            Request::alloc(media).map_err(|error| device.error("making a request", error))?;
        device.set_map(&map, Some(&request))?;
        device.send(index, number, planes, Some(&request))?;
        request
            .queue()
            .map_err(|error| device.error("queueing a request", error))
    }
}

/// A device that is set up for a run.
pub struct Stream<'a> {
    feed: Feed<'a>,
    outputs: Vec<Output>,
    room: usize,
    total: Option<u64>,
    /// Bytes per line in each memory plane: input, output.
    strides: [Vec<usize>; 2],
}

impl<'a> Stream<'a> {
    /// Sets formats and maps and allocates the buffers for a run of `total` frames, or of as many
    /// as the camera delivers. There is an output for each device and its maps.
    pub fn new(
        input: Input<'a>,
        outputs: Vec<(Device, Maps)>,
        [from, to]: [Side; 2],
        total: Option<u64>,
    ) -> Result<Self> {
        let pixels = |side: Side| u64::from(side.size.width) * u64::from(side.size.height);
        let large = pixels(from).max(pixels(to)) > LARGE;
        let most = if large { BUFFERS_LARGE } else { BUFFERS };
        // CAST: it is at most BUFFERS.
        let count = total.map_or(most, |total| total.min(most)) as u32;
        let (stride, colours) = match &input {
            Input::Source(_, colours) => (0, *colours),
            Input::Camera(camera, _) => (camera.strides[0], Colours::Unknown),
        };
        let mut strides = [Vec::new(), Vec::new()];
        let mut ready = Vec::with_capacity(outputs.len());
        for (mut device, maps) in outputs {
            // The map control gets its dimensions from the output's format, and the colours of the
            // input are the output's as well.
            strides = [
                device.set_format(Way::In, from.format, from.size, colours, stride)?,
                device.set_format(Way::Out, to.format, to.size, colours, 0)?,
            ];
            let mut media = None;
            match &maps {
                Maps::Identity => {}
                Maps::One(map) => device.set_map(map, None)?,
                Maps::Each(..) => media = Some(device.media()?),
            }
            let queue = device.allocate(Way::Out, to.format, to.size, strides[1].clone(), count)?;
            ready.push(Output {
                device,
                queue,
                maps,
                media,
            });
        }
        let (feed, room) = feed(input, &ready, from, &strides[0], count)?;
        Ok(Stream {
            feed,
            room: ready
                .iter()
                .fold(room, |room, output| room.min(output.queue.len())),
            outputs: ready,
            total,
            strides,
        })
    }

    /// Streams the frames. It calls `sink` for each finished frame, in order, with the number of
    /// its output and a closure that reads the frame; a frame that is not read is not copied. It
    /// calls `sent` for each frame of a camera in the same way.
    pub fn run(
        &mut self,
        mut sent: impl FnMut(u64, &dyn Fn() -> Result<Vec<u8>>) -> Result<()>,
        mut sink: impl FnMut(usize, u64, &dyn Fn() -> Result<Vec<u8>>) -> Result<()>,
    ) -> Result<Outcome> {
        let progress = progress(self.total);
        let mut shown = Instant::now();
        let started = Instant::now();
        for Output { device, queue, .. } in &self.outputs {
            for index in 0..queue.len() {
                device.receive(queue, index)?;
            }
            device.start()?;
        }
        if let Feed::Filmed { camera, .. } = &self.feed {
            camera.start()?;
        }
        // Frames in flight: number and buffer.
        let mut running = VecDeque::new();
        let (mut next, mut errors) = (0, 0);
        loop {
            while running.len() < self.room && self.total.is_none_or(|total| next < total) {
                // Waiting for a camera is allowed only when no frame is in flight.
                let patience = if running.is_empty() {
                    PATIENCE
                } else {
                    Duration::ZERO
                };
                let Some(Ready { index, time }) = self.feed.next(next, patience)? else {
                    break;
                };
                if let Feed::Filmed { camera, .. } = &self.feed {
                    sent(next, &|| camera.read(index))?;
                }
                for (which, output) in self.outputs.iter_mut().enumerate() {
                    output.send(index, next, time, &self.feed.planes(which, index))?;
                }
                running.push_back((next, index));
                next += 1;
            }
            let Some((number, index)) = running.pop_front() else {
                break;
            };
            let mut made = Vec::with_capacity(self.outputs.len());
            for Output { device, .. } in &self.outputs {
                let done = device.returned(Way::Out)?;
                let read = device.returned(Way::In)?;
                if (done.number, read.index) != (number, index) {
                    return Err(Error::failed(format!(
                        "{}: frame {} came back where frame {number} was due",
                        device.path.display(),
                        done.number
                    )));
                }
                errors += u64::from(done.failed);
                made.push(done.index);
            }
            self.feed.done(index)?;
            for (which, index) in made.into_iter().enumerate() {
                let Output { device, queue, .. } = &self.outputs[which];
                sink(which, number, &|| queue.read(index))?;
                device.receive(queue, index)?;
            }
            // indicatif does not limit bursts, and a serial console is slow.
            if shown.elapsed() >= REFRESH {
                progress.set_position(number + 1);
                shown = Instant::now();
            }
        }
        let elapsed = started.elapsed();
        progress.finish_and_clear();
        let mut dropped = None;
        if let Feed::Filmed { camera, .. } = &self.feed {
            camera.stop()?;
            dropped = Some(camera.dropped());
        }
        for Output { device, .. } in &self.outputs {
            device.stop()?;
        }
        Ok(Outcome {
            frames: next,
            errors,
            dropped,
            elapsed,
            engine: self.outputs[0].device.engine_time(),
        })
    }

    /// Returns the report of a run.
    pub fn report(&self, [from, to]: [Side; 2], maps: &[PathBuf], outcome: &Outcome) -> Value {
        let side = |side: Side, strides: &[usize]| {
            json!({
                "format": side.format.name,
                "width": side.size.width,
                "height": side.size.height,
                "bytes_per_line": strides,
            })
        };
        let device = &self.outputs[0].device;
        let names: Vec<_> = maps.iter().map(|path| path.display().to_string()).collect();
        json!({
            "device": device.path.display().to_string(),
            "driver": device.capability.driver,
            "card": device.capability.card,
            "bus": device.capability.bus_info,
            "input": side(from, &self.strides[0]),
            "output": side(to, &self.strides[1]),
            "map": match names.as_slice() {
                [] => Value::Null,
                [name] => json!(name),
                names => json!(names),
            },
            "frames": outcome.frames,
            "errors": outcome.errors,
            "dropped": outcome.dropped,
            "seconds": outcome.elapsed.as_secs_f64(),
            "fps": outcome.rate(),
            "engine_ns_mean": outcome.engine.map(|engine| engine.mean_ns),
            "engine_ns_max": outcome.engine.map(|engine| engine.max_ns),
        })
    }
}

/// Creates the buffers that the outputs read, and returns how many of them may be in flight.
fn feed<'a>(
    input: Input<'a>,
    outputs: &[Output],
    from: Side,
    strides: &[usize],
    count: u32,
) -> Result<(Feed<'a>, usize)> {
    let (first, others) = match outputs {
        [first, others @ ..] => (first, others),
        [] => return Err(Error::failed("a run without an output")),
    };
    match input {
        Input::Source(source, _) => {
            let strides = strides.to_vec();
            let device = &first.device;
            let queue = device.allocate(Way::In, from.format, from.size, strides, count)?;
            let shared = match others {
                [] => Vec::new(),
                _ => queue.share(device)?,
            };
            for output in others {
                output.device.import(queue.len())?;
            }
            let room = queue.len();
            let free = (0..room).collect();
            Ok((
                Feed::Copied {
                    source,
                    queue,
                    shared,
                    free,
                },
                room,
            ))
        }
        Input::Camera(camera, over) => {
            if camera.strides != strides {
                return Err(Error::failed(format!(
                    "the camera's lines are {:?} bytes apart, and the driver takes {strides:?}",
                    camera.strides
                )));
            }
            for output in outputs {
                output.device.import(camera.buffers())?;
            }
            let room = camera.lent();
            Ok((Feed::Filmed { camera, over }, room))
        }
    }
}

/// Creates a progress bar for more than one frame. indicatif hides it if standard error is not a
/// terminal.
fn progress(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(0 | 1) => return ProgressBar::hidden(),
        Some(total) => (
            ProgressBar::new(total),
            "{bar:30} {pos}/{len} frames, {per_sec}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{pos} frames, {per_sec}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
