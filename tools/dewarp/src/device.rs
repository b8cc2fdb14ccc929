// SPDX-License-Identifier: GPL-2.0
//! The DW100 as a V4L2 memory-to-memory device: how to find it, its formats, the map control,
//! requests, and its two queues of buffers.

use std::fs::{File, OpenOptions};
use std::ops::Deref;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use v4l2r::bindings;
use v4l2r::ioctl::{self, CtrlWhich, PlaneMapping, Request, V4l2MplaneFormat};
use v4l2r::memory::MemoryType;
use v4l2r::nix::errno::Errno;
use v4l2r::{Colorspace, Quantization, QueueType, XferFunc, YCbCrEncoding};

use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::map::VertexMap;
use crate::node::{Node, Plane, Returned};
use crate::statistics::EngineTime;

/// The driver name that every driver of the engine carries.
pub const DRIVER: &str = "dw100";

/// `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP` of `linux/dw100.h`.
const VERTEX_MAP: u32 = bindings::V4L2_CID_USER_DW100_BASE + 1;

/// The mount point of debugfs.
const DEBUGFS: &str = "/sys/kernel/debug";

/// `VIDEO_MAX_PLANES`.
const PLANES: usize = bindings::VIDEO_MAX_PLANES as usize;

/// The time limit for a frame. The largest frame takes well under a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// The advice if there is no device.
const LOAD: &str = "load the driver, `modprobe dw100_rust` (or the C one, `modprobe dw100`), on a \
                    board with a DW100";

/// The colours of the frames, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// Frames made from a PNG or JPEG file: see [`crate::picture`].
    Picture,
    /// Other frames: the driver's default.
    Unknown,
}

/// The direction of the pixels, seen from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Frames that are sent to the device: V4L2's OUTPUT.
    In,
    /// Frames that come from the device: V4L2's CAPTURE.
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
pub struct Device(Node);

impl Deref for Device {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl Device {
    /// Opens the node at `path`, or else the first one whose driver is `dw100`.
    pub fn open(path: Option<&Path>) -> Result<Device> {
        let Some(path) = path else {
            return Self::find();
        };
        let node = Node::open(path).map_err(|error| {
            Error::failed(format!("cannot open {}: {error}; {LOAD}", path.display()))
        })?;
        match node.capability.driver.as_str() {
            DRIVER => Ok(Device(node)),
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
            match Node::open(node) {
                Ok(found) if found.capability.driver == DRIVER => return Ok(Device(found)),
                Ok(_) => {}
                Err(error) => closed = format!(" ({} does not open: {error})", node.display()),
            }
        }
        Err(Error::failed(format!(
            "no {DRIVER} device among {} nodes /dev/video*{closed}; {LOAD}",
            nodes.len()
        )))
    }

    /// Sets the format of a queue, exactly as asked. Lines are `stride` bytes apart; if that is 0,
    /// the driver chooses. Returns the bytes per line in each memory plane.
    ///
    /// Returns a bad-use error that says what the device takes, if the driver changed the format.
    pub fn set_format(
        &mut self,
        way: Way,
        format: Format,
        size: Size,
        colours: Colours,
        stride: usize,
    ) -> Result<Vec<usize>> {
        let wanted = v4l2_format(way, format, size, colours, stride);
        let got: V4l2MplaneFormat = ioctl::s_fmt(&mut self.0, wanted)
            .map_err(|error| self.error(&format!("setting the {} format", way.name()), error))?;
        if got.pixelformat().to_fourcc() != format.fourcc {
            return Err(Error::bad_use(format!(
                "the device does not take {format} as {}; it takes {}",
                way.name(),
                self.takes(way).join(" ")
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

    /// Returns the names of the formats that a queue takes.
    pub fn takes(&self, way: Way) -> Vec<String> {
        self.formats(way.queue_type())
    }

    /// Sets the vertex map, for `request` if there is one. The output's format must be set before,
    /// because the control gets its dimensions from it.
    pub fn set_map(&self, map: &VertexMap, request: Option<&Request>) -> Result<()> {
        set_map(&self.0, map, request).map_err(|error| self.error("setting the vertex map", error))
    }

    /// Opens the media device that requests are made with.
    pub fn media(&self) -> Result<File> {
        let sysfs = self.sysfs()?;
        let look = |error| Error::file("cannot look into", &sysfs, error);
        let name = std::fs::read_dir(&sysfs)
            .map_err(look)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.starts_with("media"));
        let Some(name) = name else {
            return Err(self.error(
                "looking for its media device",
                "it has none, and a map for each frame takes one",
            ));
        };
        let path = Path::new("/dev").join(name);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        file.map_err(|error| Error::file("cannot open", &path, error))
    }

    /// Returns the time that the engine took for this process's frames, if the driver counts it and
    /// this process may read it.
    pub fn engine_time(&self) -> Option<EngineTime> {
        let sysfs = self.sysfs().ok()?;
        let path = Path::new(DEBUGFS)
            .join(sysfs.file_name()?)
            .join("statistics");
        let text = std::fs::read_to_string(path).ok()?;
        EngineTime::of_process(&text, std::process::id())
    }

    /// Allocates `count` buffers in the format that was set. The driver may change the count.
    pub fn allocate(
        &self,
        way: Way,
        format: Format,
        size: Size,
        strides: Vec<usize>,
        count: u32,
    ) -> Result<Queue> {
        let kind = way.queue_type();
        let count = self.reserve(kind, MemoryType::Mmap, count)?;
        let buffers = (0..count)
            .map(|index| self.map(kind, index))
            .collect::<Result<_>>()?;
        Ok(Queue {
            kind,
            format,
            size,
            strides,
            buffers,
        })
    }

    /// Prepares the input queue for `count` buffers in the memory of other devices.
    pub fn import(&self, count: usize) -> Result<()> {
        // CAST: a queue has at most 32 buffers.
        self.reserve(Way::In.queue_type(), MemoryType::DmaBuf, count as u32)
            .map(drop)
    }

    /// Starts both queues.
    pub fn start(&self) -> Result<()> {
        self.0.start(Way::Out.queue_type())?;
        self.0.start(Way::In.queue_type())
    }

    /// Stops both queues; the program has all buffers again.
    pub fn stop(&self) -> Result<()> {
        self.0.stop(Way::In.queue_type())?;
        self.0.stop(Way::Out.queue_type())
    }

    /// Queues a frame to be dewarped, with its number.
    pub fn send(
        &self,
        index: usize,
        number: u64,
        planes: &[Plane<'_>],
        request: Option<&Request>,
    ) -> Result<()> {
        self.enqueue(Way::In.queue_type(), index, number, planes, request)
    }

    /// Queues a buffer to be filled.
    pub fn receive(&self, queue: &Queue, index: usize) -> Result<()> {
        self.enqueue(queue.kind, index, 0, &queue.planes(index), None)
    }

    /// Waits until the driver returns a buffer.
    pub fn returned(&self, way: Way) -> Result<Returned> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if let Some(returned) = self.dequeue(way.queue_type(), left)? {
                return Ok(returned);
            }
            // A signal does not end the wait.
            if Instant::now() >= until {
                return Err(Error::failed(format!(
                    "{}: no frame came back for {} s; see the kernel log",
                    self.path.display(),
                    PATIENCE.as_secs()
                )));
            }
        }
    }
}

/// The same for a file that another part of the program has opened.
pub fn set_map(
    file: &impl AsRawFd,
    map: &VertexMap,
    request: Option<&Request>,
) -> std::result::Result<(), Errno> {
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
    let which = match request {
        Some(request) => CtrlWhich::Request(request.as_raw_fd()),
        None => CtrlWhich::Current,
    };
    ioctl::s_ext_ctrls(file, which, controls.as_mut_slice()).map_err(Errno::from)
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
    /// Returns how many buffers there are.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Returns whether there are no buffers.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Returns the planes of a buffer, for the device that it belongs to.
    pub fn planes(&self, index: usize) -> Vec<Plane<'static>> {
        let plane = |plane: &PlaneMapping| Plane {
            shared: None,
            // CAST: a plane of the largest frame has 24 MiB.
            length: plane.size() as u32,
            offset: 0,
        };
        self.buffers[index].iter().map(plane).collect()
    }

    /// Exports all buffers for other open files of the device, a dma-buf for each plane.
    pub fn share(&self, device: &Device) -> Result<Vec<Vec<OwnedFd>>> {
        (0..self.len())
            .map(|index| device.export(self.kind, index, self.buffers[index].len()))
            .collect()
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

/// Creates the argument of VIDIOC_S_FMT.
fn v4l2_format(
    way: Way,
    format: Format,
    size: Size,
    colours: Colours,
    stride: usize,
) -> bindings::v4l2_format {
    let (colorspace, transfer, encoding, range) = match colours {
        // JFIF prescribes these. V4L2_COLORSPACE_JPEG has the same meaning, but is for compressed
        // formats.
        Colours::Picture => (
            Colorspace::Srgb,
            XferFunc::Srgb,
            YCbCrEncoding::E601,
            Quantization::FullRange,
        ),
        Colours::Unknown => Default::default(),
    };
    let mut plane_fmt = [bindings::v4l2_plane_pix_format::default(); PLANES];
    // CAST: it is 0, or a value that a driver returned in 32 bits.
    plane_fmt[0].bytesperline = stride as u32;
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
                plane_fmt,
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
