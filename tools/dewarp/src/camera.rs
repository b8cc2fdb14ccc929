// SPDX-License-Identifier: GPL-2.0
//! A V4L2 camera whose buffers the dewarper reads in place. The camera exports
//! them as dma-bufs, and captures into those that the dewarper does not use.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use v4l2r::QueueType;
use v4l2r::ioctl::{self, Capabilities, PlaneMapping};
use v4l2r::memory::MemoryType;

use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::node::{Node, Plane};

/// The number of capture buffers: two for the dewarper and two for the camera.
const BUFFERS: u32 = 4;

/// The number of buffers that the camera keeps at any time.
const FILMING: usize = 2;

/// An open camera with its format set.
pub struct Camera {
    node: Node,
    kind: QueueType,
    /// The format of its frames.
    pub format: Format,
    /// The size of its frames.
    pub size: Size,
    /// Bytes per line in each memory plane.
    pub strides: Vec<usize>,
    buffers: Vec<Shared>,
    counter: Counter,
}

/// A buffer: mapped for the program, and as dma-bufs for the dewarper.
struct Shared {
    planes: Vec<PlaneMapping>,
    files: Vec<OwnedFd>,
    /// The offset of the pixels in each plane, in bytes.
    offsets: Vec<u32>,
}

/// A captured frame.
#[derive(Debug, Clone, Copy)]
pub struct Filmed {
    /// The index of its buffer.
    pub index: usize,
    /// The camera's number of the frame, counted from the first one and
    /// including lost frames.
    pub number: u64,
}

/// Returns whether a file is a device node.
pub fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_char_device())
}

impl Camera {
    /// Opens the camera at `path` and sets the format and the size that are
    /// given.
    ///
    /// Returns a bad-use error if the format is not one that the device
    /// `takes`.
    pub fn open(
        path: &Path,
        format: Option<Format>,
        size: Option<Size>,
        takes: &[String],
    ) -> Result<Self> {
        let mut node = Node::open(path)
            .map_err(|error| Error::failed(format!("cannot open {}: {error}", path.display())))?;
        let caps = node.capability.device_caps();
        let kind = if caps.contains(Capabilities::VIDEO_CAPTURE_MPLANE) {
            QueueType::VideoCaptureMplane
        } else if caps.contains(Capabilities::VIDEO_CAPTURE) {
            QueueType::VideoCapture
        } else {
            return Err(Error::bad_use(format!(
                "{} of the driver {} is no camera: it captures no video",
                path.display(),
                node.capability.driver
            )));
        };
        let (format, size, strides) = set(&mut node, kind, format, size, takes)?;
        let count = node.reserve(kind, MemoryType::Mmap, BUFFERS)?;
        let share = |index| {
            let planes = node.map(kind, index)?;
            Ok(Shared {
                files: node.export(kind, index, planes.len())?,
                offsets: vec![0; planes.len()],
                planes,
            })
        };
        let buffers = (0..count).map(share).collect::<Result<_>>()?;
        Ok(Camera {
            node,
            kind,
            format,
            size,
            strides,
            buffers,
            counter: Counter::default(),
        })
    }

    /// Returns how many buffers there are.
    pub fn buffers(&self) -> usize {
        self.buffers.len()
    }

    /// Returns how many buffers the dewarper may hold at a time.
    pub fn lent(&self) -> usize {
        self.buffers.len().saturating_sub(FILMING).max(1)
    }

    /// Returns how many frames were lost between the first and the last one.
    pub fn dropped(&self) -> u64 {
        self.counter.dropped
    }

    /// Starts the capture.
    pub fn start(&self) -> Result<()> {
        for index in 0..self.buffers.len() {
            self.film(index)?;
        }
        self.node.start(self.kind)
    }

    /// Stops the capture.
    pub fn stop(&self) -> Result<()> {
        self.node.stop(self.kind)
    }

    /// Queues a buffer for the camera to capture into.
    pub fn film(&self, index: usize) -> Result<()> {
        let plane = |plane: &PlaneMapping| Plane {
            shared: None,
            // CAST: V4L2 stores it in 32 bits.
            length: plane.size() as u32,
            offset: 0,
        };
        let planes: Vec<_> = self.buffers[index].planes.iter().map(plane).collect();
        self.node.enqueue(self.kind, index, 0, &planes, None)
    }

    /// Waits for a frame until `patience` has passed or a signal arrives.
    /// Returns `None` then, and for a frame with an error, which counts as
    /// dropped.
    pub fn filmed(&mut self, patience: Duration) -> Result<Option<Filmed>> {
        let Some(frame) = self.node.dequeue(self.kind, patience)? else {
            return Ok(None);
        };
        if frame.failed {
            self.film(frame.index)?;
            return Ok(None);
        }
        if !frame.progressive {
            return Err(Error::failed(format!(
                "{}: it gives interlaced frames; set it to whole pictures",
                self.node.path.display()
            )));
        }
        self.buffers[frame.index].offsets = frame.offsets;
        Ok(Some(Filmed {
            index: frame.index,
            number: self.counter.count(frame.sequence),
        }))
    }

    /// Returns the planes of a buffer, for the dewarper.
    pub fn planes(&self, index: usize) -> Vec<Plane<'_>> {
        let Shared {
            planes,
            files,
            offsets,
        } = &self.buffers[index];
        let lengths = planes.iter().map(PlaneMapping::size);
        lengths
            .zip(files)
            .zip(offsets)
            .map(|((length, file), offset)| Plane {
                shared: Some(file.as_fd()),
                // CAST: V4L2 stores it in 32 bits.
                length: length as u32,
                offset: *offset,
            })
            .collect()
    }

    /// Reads a tight frame out of a buffer that the camera does not have.
    pub fn read(&self, index: usize) -> Result<Vec<u8>> {
        let Shared {
            planes, offsets, ..
        } = &self.buffers[index];
        let planes: Vec<&[u8]> = planes
            .iter()
            .zip(offsets)
            .map(|(plane, offset)| plane.get(*offset as usize..).unwrap_or_default())
            .collect();
        self.format.gather(self.size, &planes, &self.strides)
    }
}

/// Sets the format and the size that are given. Returns the camera's format,
/// its size, and its bytes per line.
fn set(
    node: &mut Node,
    kind: QueueType,
    format: Option<Format>,
    size: Option<Size>,
    takes: &[String],
) -> Result<(Format, Size, Vec<usize>)> {
    let mut got: v4l2r::Format =
        ioctl::g_fmt(node, kind).map_err(|error| node.error("asking for the format", error))?;
    if format.is_some() || size.is_some() {
        let wanted = v4l2r::Format {
            width: size.map_or(got.width, |size| size.width),
            height: size.map_or(got.height, |size| size.height),
            pixelformat: format.map_or(got.pixelformat, |format| (&format.fourcc).into()),
            plane_fmt: Vec::new(),
        };
        got = ioctl::s_fmt(node, (kind, &wanted))
            .map_err(|error| node.error("setting the format", error))?;
    }
    let refused = |why: String| Error::bad_use(format!("{} {why}", node.path.display()));
    let given = Format::from_fourcc(got.pixelformat.to_fourcc());
    let asked = |given: &Format| format.is_none_or(|format| format == *given);
    let taken = |given: &Format| takes.iter().any(|name| name == given.name);
    let Some(given) = given.filter(asked).filter(taken) else {
        let choice = choice(&node.formats(kind), takes);
        return Err(refused(match (format, given) {
            (Some(format), _) => {
                format!("gives no {format} that the device takes; {choice}")
            }
            (None, Some(given)) => format!("gives {given}, not for the device; {choice}"),
            (None, None) => format!("gives {}, not for the device; {choice}", got.pixelformat),
        }));
    };
    let given_size = Size {
        width: got.width,
        height: got.height,
    };
    if size.is_some_and(|size| size != given_size) {
        return Err(refused(format!("gives frames of {given_size}")));
    }
    let (planes, want) = (got.plane_fmt.len(), given.memory_planes());
    if planes != want {
        return Err(refused(format!(
            "gives {given} in {planes} memory planes, and the device takes {want}"
        )));
    }
    let stride = |plane: &v4l2r::PlaneLayout| plane.bytesperline as usize;
    Ok((
        given,
        given_size,
        got.plane_fmt.iter().map(stride).collect(),
    ))
}

/// Returns the advice which format to choose, from those that the camera offers
/// and the device takes.
fn choice(offers: &[String], takes: &[String]) -> String {
    let common: Vec<&str> = offers
        .iter()
        .filter(|name| takes.contains(name))
        .map(String::as_str)
        .collect();
    let offers = offers.join(" ");
    match common.as_slice() {
        [] => format!(
            "it offers {offers}, and the device takes {}",
            takes.join(" ")
        ),
        common => format!(
            "it offers {offers}; choose with --in-format among {}",
            common.join(" ")
        ),
    }
}

/// Counts a camera's frames, and those between them that were lost.
#[derive(Debug, Default)]
struct Counter {
    /// The sequence number of the last frame.
    last: Option<u32>,
    /// The number of the last frame since the first one.
    number: u64,
    dropped: u64,
}

impl Counter {
    /// Returns the number of the frame that has this sequence number.
    fn count(&mut self, sequence: u32) -> u64 {
        if let Some(last) = self.last {
            let step = u64::from(sequence.wrapping_sub(last));
            self.number += step;
            self.dropped += step.saturating_sub(1);
        }
        self.last = Some(sequence);
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_never_came_are_counted_from_the_first_that_came() {
        let mut counter = Counter::default();
        let numbers = [7, 8, 11, 12].map(|sequence| counter.count(sequence));
        assert_eq!(numbers, [0, 1, 4, 5]);
        assert_eq!(counter.dropped, 2);
    }

    #[test]
    fn a_sequence_number_that_wraps_is_no_gap() {
        let mut counter = Counter::default();
        let numbers = [u32::MAX, 0, 2].map(|sequence| counter.count(sequence));
        assert_eq!(numbers, [0, 1, 3]);
        assert_eq!(counter.dropped, 1);
    }

    #[test]
    fn a_choice_is_what_both_have() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let takes = names("nv16 yuyv nv12");
        assert_eq!(
            choice(&names("MJPG nv12 yuyv"), &takes),
            "it offers MJPG nv12 yuyv; choose with --in-format among nv12 yuyv"
        );
        assert_eq!(
            choice(&names("MJPG H264"), &takes),
            "it offers MJPG H264, and the device takes nv16 yuyv nv12"
        );
    }

    #[test]
    fn what_is_no_device_is_no_camera() {
        assert!(is_device(Path::new("/dev/null")));
        assert!(!is_device(Path::new("/dev")));
        assert!(!is_device(Path::new("/no/such/file")));
        let error = Camera::open(Path::new("/dev/null"), None, None, &[])
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            "cannot open /dev/null: it is not a V4L2 device"
        );
    }
}
