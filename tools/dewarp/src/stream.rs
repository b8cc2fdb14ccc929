// SPDX-License-Identifier: GPL-2.0
//! One run through the device: frames in, frames out, several buffers in
//! flight so that the engine never waits for the program.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::device::{Colours, Device, Queue, Way};
use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::map::VertexMap;

/// Buffers a queue, when there are as many frames: one that the engine works
/// on, one that it goes on to, and two for the program to fill and empty.
const BUFFERS: u64 = 4;

/// Buffers a queue for pictures of more than [`LARGE`] pixels, of which a board
/// has no memory for many: the engine still finds the next one waiting.
const BUFFERS_LARGE: u64 = 2;

/// Full HD.
const LARGE: u64 = 1920 * 1080;

/// How long a frame may take. The largest takes well under a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the progress bar is drawn anew.
const REFRESH: Duration = Duration::from_millis(250);

/// Where the frames come from.
pub enum Source {
    /// One frame, repeated.
    Frame(Vec<u8>),
    /// A file of raw frames.
    File {
        /// The open file.
        file: File,
        /// Its path, for errors.
        path: PathBuf,
        /// Bytes of a frame.
        bytes: usize,
        /// Frames in the file.
        count: u64,
    },
}

impl Source {
    /// A file of raw frames.
    ///
    /// A bad-use error unless it holds whole frames of this format and size.
    pub fn raw(path: &Path, format: Format, size: Size) -> Result<Self> {
        let read = |error| Error::file("cannot read", path, error);
        let file = File::open(path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let bytes = format.frame_bytes(size);
        let count = length / bytes as u64;
        if count == 0 || length % bytes as u64 != 0 {
            return Err(Error::bad_use(format!(
                "{} has {length} bytes, and a {format} frame of {size} has {bytes}: it must hold \
                 whole frames",
                path.display()
            )));
        }
        Ok(Source::File {
            file,
            path: path.to_owned(),
            bytes,
            count,
        })
    }

    /// How many different frames there are.
    pub fn count(&self) -> u64 {
        match self {
            Source::Frame(_) => 1,
            Source::File { count, .. } => *count,
        }
    }

    /// Frame `number`, starting again from the first after the last.
    pub fn frame(&mut self, number: u64) -> Result<Vec<u8>> {
        match self {
            Source::Frame(frame) => Ok(frame.clone()),
            Source::File {
                file,
                path,
                bytes,
                count,
            } => {
                let mut frame = vec![0; *bytes];
                file.seek(SeekFrom::Start(number % *count * *bytes as u64))
                    .and_then(|_| file.read_exact(&mut frame))
                    .map_err(|error| Error::file("cannot read", path, error))?;
                Ok(frame)
            }
        }
    }
}

/// What one side of the device is to have.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// Its pixel format.
    pub format: Format,
    /// Its size.
    pub size: Size,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Frames that came back.
    pub frames: u64,
    /// Frames among them that the engine failed on.
    pub errors: u64,
    /// From the first start to the last frame.
    pub elapsed: Duration,
    /// Bytes from line to line: input, output.
    pub strides: [Vec<usize>; 2],
}

impl Outcome {
    /// Frames each second.
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// A device set up for a run.
pub struct Stream<'a> {
    device: &'a mut Device,
    input: Queue,
    output: Queue,
    strides: [Vec<usize>; 2],
    total: u64,
}

impl<'a> Stream<'a> {
    /// Sets formats and map (the driver's identity without one) and allocates
    /// the buffers for a run of `total` frames.
    pub fn new(
        device: &'a mut Device,
        [input, output]: [Side; 2],
        colours: Colours,
        map: Option<&VertexMap>,
        total: u64,
    ) -> Result<Self> {
        // The output's format gives the map control its dimensions, and the
        // colours of the input's are the output's as well.
        let in_strides = device.set_format(Way::In, input.format, input.size, colours)?;
        let out_strides = device.set_format(Way::Out, output.format, output.size, colours)?;
        if let Some(map) = map {
            device.set_map(map)?;
        }
        let pixels = |side: Side| u64::from(side.size.width) * u64::from(side.size.height);
        let large = pixels(input).max(pixels(output)) > LARGE;
        // CAST: no more than BUFFERS.
        let count = total.min(if large { BUFFERS_LARGE } else { BUFFERS }) as u32;
        let strides = [in_strides.clone(), out_strides.clone()];
        let input = device.allocate(Way::In, input.format, input.size, in_strides, count)?;
        let output = device.allocate(Way::Out, output.format, output.size, out_strides, count)?;
        if input.is_empty() || output.is_empty() {
            return Err(Error::failed(format!(
                "{}: it gave no buffers",
                device.path.display()
            )));
        }
        Ok(Stream {
            device,
            input,
            output,
            strides,
            total,
        })
    }

    /// Streams the frames; `sink` gets each one that comes back, in order,
    /// as a closure to read it with (frames nobody reads cost no copy).
    pub fn run(
        mut self,
        source: &mut Source,
        mut sink: impl FnMut(u64, &dyn Fn() -> Result<Vec<u8>>) -> Result<()>,
    ) -> Result<Outcome> {
        let progress = progress(self.total);
        let mut shown = Instant::now();
        let started = Instant::now();
        for index in 0..self.output.len() {
            self.device.enqueue(&self.output, index, 0)?;
        }
        let ahead = (self.input.len() as u64).min(self.total);
        for number in 0..ahead {
            self.input.write(number as usize, &source.frame(number)?)?;
            self.device.enqueue(&self.input, number as usize, number)?;
        }
        self.device.start(&self.output)?;
        self.device.start(&self.input)?;
        let (mut next, mut errors) = (ahead, 0);
        for number in 0..self.total {
            let done = self.device.dequeue(&self.output, PATIENCE)?;
            let free = self.device.dequeue(&self.input, PATIENCE)?;
            if next < self.total {
                // With one frame to repeat, the buffer holds it already.
                if source.count() > 1 {
                    self.input.write(free.index, &source.frame(next)?)?;
                }
                self.device.enqueue(&self.input, free.index, next)?;
                next += 1;
            }
            errors += u64::from(done.failed);
            if done.number != number {
                return Err(Error::failed(format!(
                    "{}: frame {} came back where frame {number} was due",
                    self.device.path.display(),
                    done.number
                )));
            }
            let output = &self.output;
            sink(number, &|| output.read(done.index))?;
            if number + (self.output.len() as u64) < self.total {
                self.device.enqueue(&self.output, done.index, 0)?;
            }
            // indicatif lets bursts through; a serial console is slow.
            if shown.elapsed() >= REFRESH {
                progress.set_position(number + 1);
                shown = Instant::now();
            }
        }
        let elapsed = started.elapsed();
        progress.finish_and_clear();
        self.device.stop(&self.input)?;
        self.device.stop(&self.output)?;
        Ok(Outcome {
            frames: self.total,
            errors,
            elapsed,
            strides: self.strides,
        })
    }
}

/// A bar for more than one frame (indicatif hides it when nobody looks).
fn progress(total: u64) -> ProgressBar {
    if total < 2 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} frames, {per_sec}, {eta} left");
    ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The report of a run.
pub fn report(
    device: &Device,
    [input, output]: [Side; 2],
    map: Option<&Path>,
    outcome: &Outcome,
) -> Value {
    let side = |side: Side, strides: &[usize]| {
        json!({
            "format": side.format.name,
            "width": side.size.width,
            "height": side.size.height,
            "bytes_per_line": strides,
        })
    };
    json!({
        "device": device.path.display().to_string(),
        "driver": device.capability.driver,
        "card": device.capability.card,
        "bus": device.capability.bus_info,
        "input": side(input, &outcome.strides[0]),
        "output": side(output, &outcome.strides[1]),
        "map": map.map(|path| path.display().to_string()),
        "frames": outcome.frames,
        "errors": outcome.errors,
        "seconds": outcome.elapsed.as_secs_f64(),
        "fps": outcome.rate(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_input_must_hold_whole_frames() {
        let path = std::env::temp_dir().join(format!("dewarp-raw-{}", std::process::id()));
        let size = Size {
            width: 176,
            height: 144,
        };
        let nv12: Format = "nv12".parse().unwrap();
        let bytes = nv12.frame_bytes(size);
        std::fs::write(&path, [vec![1; bytes], vec![2; bytes]].concat()).unwrap();
        let mut source = Source::raw(&path, nv12, size).unwrap();
        assert_eq!(source.count(), 2);
        assert_eq!(source.frame(3).unwrap(), vec![2; bytes]);
        std::fs::write(&path, vec![1; bytes + 1]).unwrap();
        let error = Source::raw(&path, nv12, size).err().unwrap();
        assert!(
            error
                .to_string()
                .contains("38017 bytes, and a nv12 frame of 176x144 has 38016")
        );
        assert_eq!(error.exit_code(), 2);
        std::fs::remove_file(&path).unwrap();
    }
}
