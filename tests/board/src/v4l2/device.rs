// SPDX-License-Identifier: GPL-2.0

//! The video node: finds it, and gets its properties, formats, selection, streaming and events.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::libc::{O_CLOEXEC, O_NONBLOCK};
use v4l2r::bindings::{
    self, v4l2_capability, v4l2_event, v4l2_event_subscription, v4l2_fmtdesc, v4l2_format,
    v4l2_frmsizeenum, v4l2_selection,
};

use super::media::Media;
use super::{Errno, Format, Rect, raw};

/// The driver name that every driver of the engine reports.
const DRIVER: &str = "dw100";

/// A queue in V4L2's terms: OUTPUT takes frames to the engine, CAPTURE returns them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The queue of frames to the engine.
    Output,
    /// The queue of frames from the engine.
    Capture,
}

impl Way {
    /// Both queues, in the order in which a frame passes them.
    pub const BOTH: [Self; 2] = [Self::Output, Self::Capture];

    /// Returns `V4L2_BUF_TYPE_…_MPLANE`.
    pub fn buffer_type(self) -> u32 {
        match self {
            Self::Output => bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
            Self::Capture => bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
        }
    }
}

/// An open video node, which is one context of the driver.
pub struct Device {
    file: File,
    /// The path of the node, `/dev/videoN`.
    pub path: PathBuf,
}

impl AsRawFd for Device {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Device {
    /// Opens the first video node whose driver is `dw100`.
    pub fn open() -> Result<Self> {
        Self::of_driver(DRIVER)
    }

    /// Opens the first video node of a driver.
    pub fn of_driver(driver: &str) -> Result<Self> {
        for entry in fs::read_dir("/dev")? {
            let path = entry?.path();
            if !path.to_string_lossy().starts_with("/dev/video") {
                continue;
            }
            let device = Self::open_node(&path)?;
            if text(&device.capability()?.driver) == driver {
                return Ok(device);
            }
        }
        bail!("no video node belongs to the driver {driver}")
    }

    /// Opens a video node.
    pub fn open_node(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(O_NONBLOCK | O_CLOEXEC)
            .open(path)
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    /// Opens the same node again.
    pub fn again(&self) -> Result<Self> {
        Self::open_node(&self.path)
    }

    /// Duplicates the handle of this open file.
    pub fn duplicate(&self) -> Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            path: self.path.clone(),
        })
    }

    /// Returns the node's name in sysfs: `videoN`.
    fn node(&self) -> Result<String> {
        let name = self.path.file_name().context("a node has a name")?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// Returns the directory in sysfs of the device behind the node.
    pub fn sysfs(&self) -> Result<PathBuf> {
        let link = format!("/sys/class/video4linux/{}/device", self.node()?);
        Ok(fs::canonicalize(link)?)
    }

    /// Returns the name of the device behind the node, as in `dev_name()`.
    pub fn name(&self) -> Result<String> {
        let sysfs = self.sysfs()?;
        let name = sysfs.file_name().context("a device has a name")?;
        Ok(name.to_string_lossy().into_owned())
    }

    /// Opens the media device that requests are allocated from.
    pub fn media(&self) -> Result<Media> {
        Media::of_device(&self.sysfs()?)
    }

    /// Calls `VIDIOC_QUERYCAP`.
    pub fn capability(&self) -> Result<v4l2_capability, Errno> {
        let mut capability = v4l2_capability::default();
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::querycap(self.as_raw_fd(), &mut capability) }?;
        Ok(capability)
    }

    /// Calls `VIDIOC_ENUM_FMT`. Returns the n-th format of a queue.
    pub fn nth_format(&self, way: Way, index: u32) -> Result<[u8; 4], Errno> {
        let mut description = v4l2_fmtdesc {
            index,
            type_: way.buffer_type(),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::enum_fmt(self.as_raw_fd(), &mut description) }?;
        Ok(description.pixelformat.to_le_bytes())
    }

    /// Returns all formats of a queue, in order.
    pub fn formats(&self, way: Way) -> Result<Vec<[u8; 4]>, Errno> {
        let mut formats = Vec::new();
        loop {
            match self.nth_format(way, formats.len() as u32) {
                Ok(fourcc) => formats.push(fourcc),
                Err(Errno::EINVAL) => return Ok(formats),
                Err(error) => return Err(error),
            }
        }
    }

    /// Calls `VIDIOC_ENUM_FRAMESIZES`.
    pub fn frame_sizes(&self, fourcc: &[u8; 4], index: u32) -> Result<v4l2_frmsizeenum, Errno> {
        let mut sizes = v4l2_frmsizeenum {
            index,
            pixel_format: u32::from_le_bytes(*fourcc),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::enum_framesizes(self.as_raw_fd(), &mut sizes) }?;
        Ok(sizes)
    }

    /// Calls `VIDIOC_G_FMT`.
    pub fn format(&self, way: Way) -> Result<Format, Errno> {
        let mut format = v4l2_format {
            type_: way.buffer_type(),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::g_fmt(self.as_raw_fd(), &mut format) }?;
        Ok(Format::from_raw(&format))
    }

    /// Calls `VIDIOC_S_FMT`. Returns the format that the driver set.
    pub fn set_format(&self, way: Way, format: &Format) -> Result<Format, Errno> {
        let mut format = format.to_raw(way);
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::s_fmt(self.as_raw_fd(), &mut format) }?;
        Ok(Format::from_raw(&format))
    }

    /// Calls `VIDIOC_TRY_FMT`. Returns the format that the driver would set.
    pub fn try_format(&self, way: Way, format: &Format) -> Result<Format, Errno> {
        let mut format = format.to_raw(way);
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::try_fmt(self.as_raw_fd(), &mut format) }?;
        Ok(Format::from_raw(&format))
    }

    /// Sets the formats of both queues. Returns an error if the driver changed one.
    pub fn set_formats(&self, output: &Format, capture: &Format) -> Result<(Format, Format)> {
        let set = |way, wanted: &Format| {
            let got = self.set_format(way, wanted)?;
            let key = |format: &Format| (format.fourcc, format.width, format.height);
            if key(&got) != key(wanted) {
                bail!("{way:?} took {got:?} for {wanted:?}");
            }
            Ok(got)
        };
        let output = set(Way::Output, output)?;
        Ok((output, set(Way::Capture, capture)?))
    }

    /// Calls `VIDIOC_G_SELECTION` with any type and target.
    pub fn selection(&self, buffer_type: u32, target: u32) -> Result<Rect, Errno> {
        let mut selection = v4l2_selection {
            type_: buffer_type,
            target,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::g_selection(self.as_raw_fd(), &mut selection) }?;
        Ok(selection.r.into())
    }

    /// Calls `VIDIOC_S_SELECTION` with any type, target and flags. Returns the rectangle that
    /// the driver set.
    pub fn set_selection(
        &self,
        buffer_type: u32,
        target: u32,
        flags: u32,
        rect: Rect,
    ) -> Result<Rect, Errno> {
        let mut selection = v4l2_selection {
            type_: buffer_type,
            target,
            flags,
            r: rect.into(),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::s_selection(self.as_raw_fd(), &mut selection) }?;
        Ok(selection.r.into())
    }

    /// Returns the crop of the frames to the engine.
    pub fn crop(&self) -> Result<Rect, Errno> {
        let buffer_type = bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
        self.selection(buffer_type, bindings::V4L2_SEL_TGT_CROP)
    }

    /// Crops the frames to the engine. Returns the rectangle that the driver set.
    pub fn set_crop(&self, rect: Rect) -> Result<Rect, Errno> {
        self.set_crop_by(rect, 0)
    }

    /// Crops the frames to the engine with `V4L2_SEL_FLAG_…`. Returns the rectangle that the
    /// driver set.
    pub fn set_crop_by(&self, rect: Rect, flags: u32) -> Result<Rect, Errno> {
        let buffer_type = bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
        self.set_selection(buffer_type, bindings::V4L2_SEL_TGT_CROP, flags, rect)
    }

    /// Calls `VIDIOC_STREAMON`.
    pub fn start(&self, way: Way) -> Result<(), Errno> {
        // CAST: It is one of two small numbers.
        // SAFETY: The argument is a number.
        unsafe { raw::streamon(self.as_raw_fd(), &(way.buffer_type() as i32)) }.map(drop)
    }

    /// Calls `VIDIOC_STREAMOFF`, which returns all buffers to the program.
    pub fn stop(&self, way: Way) -> Result<(), Errno> {
        // CAST: It is one of two small numbers.
        // SAFETY: The argument is a number.
        unsafe { raw::streamoff(self.as_raw_fd(), &(way.buffer_type() as i32)) }.map(drop)
    }

    /// Calls `VIDIOC_LOG_STATUS`.
    pub fn log_status(&self) -> Result<(), Errno> {
        // SAFETY: There is no argument.
        unsafe { raw::log_status(self.as_raw_fd()) }.map(drop)
    }

    /// Calls `VIDIOC_SUBSCRIBE_EVENT`.
    pub fn subscribe(&self, event: u32, id: u32, flags: u32) -> Result<(), Errno> {
        let subscription = v4l2_event_subscription {
            type_: event,
            id,
            flags,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::subscribe_event(self.as_raw_fd(), &subscription) }.map(drop)
    }

    /// Calls `VIDIOC_UNSUBSCRIBE_EVENT`.
    pub fn unsubscribe(&self, event: u32, id: u32) -> Result<(), Errno> {
        let subscription = v4l2_event_subscription {
            type_: event,
            id,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::unsubscribe_event(self.as_raw_fd(), &subscription) }.map(drop)
    }

    /// Calls `VIDIOC_DQEVENT`. Returns `ENOENT` if there is no event.
    pub fn event(&self) -> Result<v4l2_event, Errno> {
        let mut event = v4l2_event::default();
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::dqevent(self.as_raw_fd(), &mut event) }?;
        Ok(event)
    }
}

/// Returns the string in an array, up to its first zero byte.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}
