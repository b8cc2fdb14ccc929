// SPDX-License-Identifier: GPL-2.0
//! An open V4L2 node of any device: its identity, its formats, and the buffers of its queues. The
//! dewarper's own functions are in [`crate::device`], a camera's in [`crate::camera`].

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use v4l2r::QueueType;
use v4l2r::bindings;
use v4l2r::ioctl::{
    self, Capability, ExpbufFlags, FormatIterator, MemoryConsistency, PlaneMapping, QBufPlane,
    QBuffer, QueryBuffer, Request, V4l2Buffer,
};
use v4l2r::memory::{DmaBufHandle, MemoryType, MmapHandle, PlaneHandle};
use v4l2r::nix::errno::Errno;
use v4l2r::nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::{Error, Result};
use crate::format::Format;

/// An open V4L2 node.
pub struct Node {
    file: File,
    /// The path, `/dev/videoN`.
    pub path: PathBuf,
    /// The result of VIDIOC_QUERYCAP.
    pub capability: Capability,
}

impl AsRawFd for Node {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// One memory plane of a buffer that is queued.
#[derive(Debug, Clone, Copy)]
pub struct Plane<'a> {
    /// The dma-buf that holds it; `None` for memory of the driver.
    pub shared: Option<BorrowedFd<'a>>,
    /// The length in bytes.
    pub length: u32,
    /// The offset of the pixels in it, in bytes.
    pub offset: u32,
}

/// A buffer that the driver returned.
#[derive(Debug, Clone)]
pub struct Returned {
    /// The index of the buffer in the queue.
    pub index: usize,
    /// The number that [`Node::enqueue`] gave it.
    pub number: u64,
    /// The driver's frame counter.
    pub sequence: u32,
    /// Whether the driver reported an error for it.
    pub failed: bool,
    /// Whether it holds a whole picture, not one or two fields.
    pub progressive: bool,
    /// The offset of the pixels in each plane, in bytes.
    pub offsets: Vec<u32>,
}

impl Node {
    /// Opens the node at `path`.
    pub fn open(path: &Path) -> std::result::Result<Node, String> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| error.to_string())?;
        let capability = ioctl::querycap(&file).map_err(|_| "it is not a V4L2 device")?;
        Ok(Node {
            file,
            path: path.to_owned(),
            capability,
        })
    }

    /// Returns the path of the node's device in sysfs.
    pub fn sysfs(&self) -> Result<PathBuf> {
        let find = || {
            let node = self.path.canonicalize()?;
            let name = node.file_name().unwrap_or_default();
            Path::new("/sys/class/video4linux")
                .join(name)
                .join("device")
                .canonicalize()
        };
        find().map_err(|error| self.error("looking for the device in sysfs", error))
    }

    /// Returns the names of the formats that a queue takes.
    pub fn formats(&self, kind: QueueType) -> Vec<String> {
        FormatIterator::new(self, kind)
            .map(|description| {
                let fourcc = description.pixelformat.to_fourcc();
                match Format::from_fourcc(fourcc) {
                    Some(format) => format.to_string(),
                    None => description.pixelformat.to_string(),
                }
            })
            .collect()
    }

    /// Requests `count` buffers, and returns how many there are.
    pub fn reserve(&self, kind: QueueType, memory: MemoryType, count: u32) -> Result<usize> {
        let room = ioctl::reqbufs(self, kind, memory, count, MemoryConsistency::empty());
        let count = room.map_err(|error| {
            let text = format!("allocating {count} buffers");
            match Errno::from(error) {
                Errno::ENOMEM => Error::failed(format!(
                    "{}: {text}: no memory; give the kernel more contiguous memory, such as \
                     cma=128M",
                    self.path.display()
                )),
                error => self.error(&text, error),
            }
        })?;
        match count {
            0 => Err(Error::failed(format!(
                "{}: it gave no buffers",
                self.path.display()
            ))),
            count => Ok(count),
        }
    }

    /// Maps the planes of a buffer in the driver's memory.
    pub fn map(&self, kind: QueueType, index: usize) -> Result<Vec<PlaneMapping>> {
        let buffer: QueryBuffer = ioctl::querybuf(self, kind, index)
            .map_err(|error| self.error("asking for a buffer", error))?;
        buffer
            .planes
            .iter()
            .map(|plane| ioctl::mmap(&self.file.as_fd(), plane.mem_offset, plane.length))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| self.error("mapping a buffer", error))
    }

    /// Exports the planes of a buffer in the driver's memory as dma-bufs.
    pub fn export(&self, kind: QueueType, index: usize, planes: usize) -> Result<Vec<OwnedFd>> {
        let flags = ExpbufFlags::CLOEXEC | ExpbufFlags::RDWR;
        (0..planes)
            .map(|plane| ioctl::expbuf(self, kind, index, plane, flags))
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| self.error("sharing a buffer", error))
    }

    /// Starts a queue.
    pub fn start(&self, kind: QueueType) -> Result<()> {
        ioctl::streamon(self, kind).map_err(|error| self.error("starting to stream", error))
    }

    /// Stops a queue; the program has its buffers again.
    pub fn stop(&self, kind: QueueType) -> Result<()> {
        ioctl::streamoff(self, kind).map_err(|error| self.error("stopping to stream", error))
    }

    /// Queues a buffer with a number that the program chooses, in a request if there is one.
    pub fn enqueue(
        &self,
        kind: QueueType,
        index: usize,
        number: u64,
        planes: &[Plane<'_>],
        request: Option<&Request>,
    ) -> Result<()> {
        if planes.iter().any(|plane| plane.shared.is_some()) {
            let buffer = described::<DmaBufHandle<File>>(kind, index, number, planes, request);
            ioctl::qbuf::<_, ()>(self, buffer)
                .map_err(|error| self.error("taking memory of another device", error))
        } else {
            let buffer = described::<MmapHandle>(kind, index, number, planes, request);
            ioctl::qbuf::<_, ()>(self, buffer)
                .map_err(|error| self.error("queueing a buffer", error))
        }
    }

    /// Waits until the driver returns a buffer, `patience` has passed, or a signal arrives.
    pub fn dequeue(&self, kind: QueueType, patience: Duration) -> Result<Option<Returned>> {
        let ready = match kind {
            QueueType::VideoOutput | QueueType::VideoOutputMplane => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        };
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.file.as_fd(), ready)];
        match poll(&mut polled, timeout) {
            Ok(0) | Err(Errno::EINTR) => return Ok(None),
            Ok(_) => {}
            Err(error) => return Err(self.error("waiting for a frame", error)),
        }
        let buffer: V4l2Buffer =
            ioctl::dqbuf(self, kind).map_err(|error| self.error("taking a buffer back", error))?;
        let stamp = buffer.timestamp();
        let offset = |plane: ioctl::V4l2PlaneAccessor<'_>| plane.data_offset.copied();
        Ok(Some(Returned {
            index: buffer.index() as usize,
            number: (stamp.tv_sec * 1_000_000 + stamp.tv_usec)
                .max(0)
                .unsigned_abs(),
            sequence: buffer.sequence(),
            failed: buffer.has_error(),
            progressive: buffer.as_v4l2_buffer().field == bindings::v4l2_field_V4L2_FIELD_NONE,
            offsets: buffer
                .planes_iter()
                .map(|plane| offset(plane).unwrap_or(0))
                .collect(),
        }))
    }

    /// Creates an error of the device.
    pub fn error(&self, doing: &str, cause: impl std::fmt::Display) -> Error {
        Error::failed(format!("{}: {doing}: {cause}", self.path.display()))
    }
}

/// Creates the argument of VIDIOC_QBUF.
fn described<H: PlaneHandle>(
    kind: QueueType,
    index: usize,
    number: u64,
    planes: &[Plane<'_>],
    request: Option<&Request>,
) -> QBuffer<H> {
    // CAST: a queue has at most 32 buffers.
    let mut buffer = QBuffer::new(kind, index as u32);
    buffer.field = bindings::v4l2_field_V4L2_FIELD_NONE;
    // A mem2mem driver copies the time stamp from input to output, so the number is returned with
    // the picture.
    let stamp = i64::try_from(number).unwrap_or(i64::MAX);
    buffer = buffer.set_timestamp(stamp / 1_000_000, stamp % 1_000_000);
    let input = kind == QueueType::VideoOutputMplane;
    buffer.planes = planes
        .iter()
        .map(|plane| {
            QBufPlane(bindings::v4l2_plane {
                length: plane.length,
                bytesused: if input { plane.length } else { 0 },
                data_offset: plane.offset,
                m: match &plane.shared {
                    Some(file) => bindings::v4l2_plane__bindgen_ty_1 {
                        fd: file.as_raw_fd(),
                    },
                    None => Default::default(),
                },
                ..Default::default()
            })
        })
        .collect();
    match request {
        Some(request) => buffer.set_request(request.as_raw_fd()),
        None => buffer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_v4l2_device_is_said_so() {
        let error = Node::open(Path::new("/dev/null")).err().unwrap();
        assert_eq!(error, "it is not a V4L2 device");
    }
}
