// SPDX-License-Identifier: GPL-2.0
//! The DW100 as a V4L2 memory-to-memory device: finding it, its formats, the
//! map control, and its two queues of memory-mapped buffers.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use v4l2r::bindings;
use v4l2r::ioctl::{
    self, Capability, CtrlWhich, MemoryConsistency, PlaneMapping, QueryBuffer, V4l2Buffer,
    V4l2MplaneFormat,
};
use v4l2r::memory::MemoryType;
use v4l2r::nix::errno::Errno;
use v4l2r::nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use v4l2r::{Colorspace, Quantization, QueueType, XferFunc, YCbCrEncoding};

use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::map::VertexMap;

/// The driver name that every driver of the engine carries.
const DRIVER: &str = "dw100";

/// `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP` of `linux/dw100.h`.
const VERTEX_MAP: u32 = bindings::V4L2_CID_USER_DW100_BASE + 1;

/// What to do when there is no device.
const LOAD: &str = "load the driver, `modprobe dw100_rust` (or the C one, `modprobe dw100`), on a \
                    board with a DW100";

/// What is known of the colours of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Frames made from a PNG or JPEG file: see [`crate::picture`].
    Picture,
    /// Raw frames: the driver's default.
    Unknown,
}

/// The way of the pixels, seen from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Frames to the device: V4L2's OUTPUT.
    In,
    /// Frames from the device: V4L2's CAPTURE.
    Out,
}

impl Way {
    fn queue_type(self) -> QueueType {
        match self {
            Way::In => QueueType::VideoOutputMplane,
            Way::Out => QueueType::VideoCaptureMplane,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Way::In => "input",
            Way::Out => "output",
        }
    }
}

/// An open device node of a DW100 driver.
pub struct Device {
    file: File,
    /// Its path, `/dev/videoN`.
    pub path: PathBuf,
    /// What it says of itself.
    pub capability: Capability,
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Device {
    /// Opens the node at `path`, or else the first one whose driver is `dw100`.
    pub fn open(path: Option<&Path>) -> Result<Device> {
        let Some(path) = path else {
            return Self::find();
        };
        let device = Self::open_node(path).map_err(|error| {
            Error::failed(format!("cannot open {}: {error}; {LOAD}", path.display()))
        })?;
        match device.capability.driver.as_str() {
            DRIVER => Ok(device),
            other => Err(Error::failed(format!(
                "{} belongs to the driver {other}, not to {DRIVER}; leave -d out to have the \
                 device found",
                path.display()
            ))),
        }
    }

    fn find() -> Result<Device> {
        let mut nodes: Vec<PathBuf> = std::fs::read_dir("/dev")
            .map_err(|error| Error::failed(format!("cannot look for devices in /dev: {error}")))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.to_str()
                    .is_some_and(|text| text.starts_with("/dev/video"))
            })
            .collect();
        nodes.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
        let mut closed = String::new();
        for node in &nodes {
            match Self::open_node(node) {
                Ok(device) if device.capability.driver == DRIVER => return Ok(device),
                Ok(_) => {}
                Err(error) => closed = format!(" ({} does not open: {error})", node.display()),
            }
        }
        Err(Error::failed(format!(
            "no {DRIVER} device among {} nodes /dev/video*{closed}; {LOAD}",
            nodes.len()
        )))
    }

    fn open_node(path: &Path) -> std::result::Result<Device, String> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| error.to_string())?;
        let capability = ioctl::querycap(&file).map_err(|_| "it is not a V4L2 device")?;
        Ok(Device {
            file,
            path: path.to_owned(),
            capability,
        })
    }

    /// Sets the format of a queue, exactly as asked.
    ///
    /// Returns the bytes from line to line in each memory plane. A bad-use
    /// error says what the device takes when it would take something else.
    pub fn set_format(
        &mut self,
        way: Way,
        format: Format,
        size: Size,
        colours: Colours,
    ) -> Result<Vec<usize>> {
        let wanted = v4l2_format(way, format, size, colours);
        let got: V4l2MplaneFormat = ioctl::s_fmt(self, wanted)
            .map_err(|error| self.error(&format!("setting the {} format", way.name()), error))?;
        if got.pixelformat().to_fourcc() != format.fourcc {
            return Err(Error::bad_use(format!(
                "the device does not take {format} as {}; it takes {}",
                way.name(),
                self.formats(way).join(" ")
            )));
        }
        let (width, height) = got.size();
        if (Size { width, height }) != size {
            return Err(size.refused(Size { width, height }));
        }
        Ok(got
            .planes()
            .iter()
            .map(|plane| plane.bytesperline as usize)
            .collect())
    }

    /// The names of the formats a queue takes.
    fn formats(&self, way: Way) -> Vec<String> {
        ioctl::FormatIterator::new(self, way.queue_type())
            .map(|description| {
                let fourcc = description.pixelformat.to_fourcc();
                match Format::from_fourcc(fourcc) {
                    Some(format) => format.to_string(),
                    None => description.pixelformat.to_string(),
                }
            })
            .collect()
    }

    /// Sets the vertex map. To be called after the output format is set, which
    /// is what gives the control its dimensions.
    pub fn set_map(&self, map: &VertexMap) -> Result<()> {
        // The kernel takes the words in the machine's order and does not write to them.
        let mut words = map.vertices().to_vec();
        let mut controls = [bindings::v4l2_ext_control {
            id: VERTEX_MAP,
            size: VertexMap::bytes_for(map.size()) as u32,
            reserved2: [0],
            __bindgen_anon_1: bindings::v4l2_ext_control__bindgen_ty_1 {
                p_u32: words.as_mut_ptr(),
            },
        }];
        ioctl::s_ext_ctrls(self, CtrlWhich::Current, controls.as_mut_slice())
            .map_err(|error| self.error("setting the vertex map", error.error))
    }

    /// Allocates `count` buffers (or what the driver makes of it) in the format
    /// that was set.
    pub fn allocate(
        &self,
        way: Way,
        format: Format,
        size: Size,
        strides: Vec<usize>,
        count: u32,
    ) -> Result<Queue> {
        let kind = way.queue_type();
        let count: usize = ioctl::reqbufs(
            self,
            kind,
            MemoryType::Mmap,
            count,
            MemoryConsistency::empty(),
        )
        .map_err(|error| {
            let text = format!("allocating {count} {} buffers of {size}", way.name());
            match Errno::from(error) {
                Errno::ENOMEM => Error::failed(format!(
                    "{}: {text}: no memory; give the kernel more contiguous memory, such \
                             as cma=128M",
                    self.path.display()
                )),
                error => self.error(&text, error),
            }
        })?;
        let mut buffers = Vec::with_capacity(count);
        for index in 0..count {
            let buffer: QueryBuffer = ioctl::querybuf(self, kind, index)
                .map_err(|error| self.error("asking for a buffer", error))?;
            let planes = buffer
                .planes
                .iter()
                .map(|plane| ioctl::mmap(&self.file.as_fd(), plane.mem_offset, plane.length))
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(|error| self.error("mapping a buffer", error))?;
            buffers.push(planes);
        }
        Ok(Queue {
            kind,
            format,
            size,
            strides,
            buffers,
        })
    }

    /// Starts a queue.
    pub fn start(&self, queue: &Queue) -> Result<()> {
        ioctl::streamon(self, queue.kind).map_err(|error| self.error("starting to stream", error))
    }

    /// Stops a queue; its buffers are the program's again.
    pub fn stop(&self, queue: &Queue) -> Result<()> {
        ioctl::streamoff(self, queue.kind).map_err(|error| self.error("stopping to stream", error))
    }

    /// Queues a buffer that carries frame `number`.
    pub fn enqueue(&self, queue: &Queue, index: usize, number: u64) -> Result<()> {
        // The driver copies the time stamp from input to output: the number of
        // the frame comes back with its picture.
        let stamp = i64::try_from(number).unwrap_or(i64::MAX);
        let mut buffer = V4l2Buffer::new(queue.kind, index as u32, MemoryType::Mmap);
        buffer.set_field(ioctl::BufferField::None);
        buffer.set_timestamp(bindings::timeval {
            tv_sec: stamp / 1_000_000,
            tv_usec: stamp % 1_000_000,
        });
        let lengths: Vec<u32> = queue.buffers[index]
            .iter()
            .map(|plane| plane.size() as u32)
            .collect();
        buffer
            .set_num_planes(lengths.len())
            .map_err(|error| self.error("queueing a buffer", error))?;
        for (plane, length) in buffer.planes_iter_mut().zip(lengths) {
            *plane.length = length;
            if queue.kind == Way::In.queue_type() {
                *plane.bytesused = length;
            }
        }
        ioctl::qbuf::<_, ()>(self, buffer).map_err(|error| self.error("queueing a buffer", error))
    }

    /// Waits for a buffer to come back, `patience` long.
    pub fn dequeue(&self, queue: &Queue, patience: Duration) -> Result<Returned> {
        let ready = match queue.kind {
            QueueType::VideoOutputMplane => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        };
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(self.file.as_fd(), ready)];
        match poll(&mut polled, timeout) {
            Ok(0) => {
                return Err(Error::failed(format!(
                    "{}: no frame came back for {} s; see the kernel log",
                    self.path.display(),
                    patience.as_secs()
                )));
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(self.error("waiting for a frame", error)),
        }
        let buffer: V4l2Buffer = ioctl::dqbuf(self, queue.kind)
            .map_err(|error| self.error("taking a buffer back", error))?;
        let stamp = buffer.timestamp();
        Ok(Returned {
            index: buffer.index() as usize,
            number: (stamp.tv_sec * 1_000_000 + stamp.tv_usec)
                .max(0)
                .unsigned_abs(),
            failed: buffer.has_error(),
        })
    }

    /// An error of the device's.
    fn error(&self, doing: &str, cause: impl std::fmt::Display) -> Error {
        Error::failed(format!("{}: {doing}: {cause}", self.path.display()))
    }
}

/// A buffer that came back.
#[derive(Debug, Clone, Copy)]
pub struct Returned {
    /// Which buffer of the queue.
    pub index: usize,
    /// The frame it carries.
    pub number: u64,
    /// Whether the engine failed on it.
    pub failed: bool,
}

/// The buffers of one way, mapped into memory.
pub struct Queue {
    kind: QueueType,
    format: Format,
    size: Size,
    strides: Vec<usize>,
    buffers: Vec<Vec<PlaneMapping>>,
}

impl Queue {
    /// How many buffers there are.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Whether the driver gave none.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Writes a tight frame into a buffer that is not queued.
    pub fn write(&mut self, index: usize, frame: &[u8]) -> Result<()> {
        let mut planes: Vec<&mut [u8]> = self.buffers[index]
            .iter_mut()
            .map(|plane| plane.as_mut())
            .collect();
        self.format
            .spread(self.size, frame, &mut planes, &self.strides)
    }

    /// Reads a tight frame out of a buffer that is not queued.
    pub fn read(&self, index: usize) -> Result<Vec<u8>> {
        let planes: Vec<&[u8]> = self.buffers[index]
            .iter()
            .map(|plane| plane.as_ref())
            .collect();
        self.format.gather(self.size, &planes, &self.strides)
    }
}

/// What to ask VIDIOC_S_FMT for.
fn v4l2_format(way: Way, format: Format, size: Size, colours: Colours) -> bindings::v4l2_format {
    let (colorspace, transfer, encoding, range) = match colours {
        // What JFIF prescribes; V4L2_COLORSPACE_JPEG stands for the same and
        // is meant for compressed formats.
        Colours::Picture => (
            Colorspace::Srgb,
            XferFunc::Srgb,
            YCbCrEncoding::E601,
            Quantization::FullRange,
        ),
        Colours::Unknown => Default::default(),
    };
    bindings::v4l2_format {
        type_: way.queue_type() as u32,
        fmt: bindings::v4l2_format__bindgen_ty_1 {
            pix_mp: bindings::v4l2_pix_format_mplane {
                width: size.width,
                height: size.height,
                pixelformat: u32::from_le_bytes(format.fourcc),
                field: bindings::v4l2_field_V4L2_FIELD_NONE,
                colorspace: colorspace as u32,
                xfer_func: transfer as u8,
                quantization: range as u8,
                __bindgen_anon_1: bindings::v4l2_pix_format_mplane__bindgen_ty_1 {
                    ycbcr_enc: encoding as u8,
                },
                ..Default::default()
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_is_the_one_of_the_kernel_headers() {
        // V4L2_CID_USER_BASE (0x00980900) + 0x1190 + 1: linux/v4l2-controls.h, linux/dw100.h.
        assert_eq!(VERTEX_MAP, 0x0098_1a91);
    }

    #[test]
    fn a_missing_node_says_which_driver_to_load() {
        let error = Device::open(Some(Path::new("/dev/no-such-video")))
            .err()
            .unwrap();
        assert!(error.to_string().contains("modprobe dw100_rust"), "{error}");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn what_is_no_v4l2_device_is_said_so() {
        let error = Device::open(Some(Path::new("/dev/null"))).err().unwrap();
        assert!(error.to_string().contains("not a V4L2 device"), "{error}");
    }
}
