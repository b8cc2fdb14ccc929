// SPDX-License-Identifier: GPL-2.0

//! Controls: the vertex map and the prefetch settings, current, default, and of a request.

use std::os::fd::AsRawFd;

use v4l2r::bindings::{
    self, v4l2_ext_control, v4l2_ext_controls, v4l2_query_ext_ctrl, v4l2_querymenu,
};

use super::device::text;
use super::{Device, Errno, Request, raw};

/// `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP`.
pub const MAP: u32 = bindings::V4L2_CID_USER_DW100_BASE + 1;

/// The prefetch mode, which is a menu. Only this project's driver has it.
pub const PREFETCH_MODE: u32 = bindings::V4L2_CID_USER_DW100_BASE + 14;

/// The threshold of the automatic prefetch. Only this project's driver has it.
pub const PREFETCH_THRESHOLD: u32 = bindings::V4L2_CID_USER_DW100_BASE + 15;

/// `V4L2_CID_HFLIP`. Only this project's driver has it.
pub const HFLIP: u32 = bindings::V4L2_CID_HFLIP;

/// `V4L2_CID_VFLIP`. Only this project's driver has it.
pub const VFLIP: u32 = bindings::V4L2_CID_VFLIP;

/// The values of a control.
#[derive(Clone, Copy)]
pub enum Which<'a> {
    /// The current value.
    Current,
    /// The default value.
    Default,
    /// The value in a request.
    Request(&'a Request),
}

impl Which<'_> {
    fn number(self) -> u32 {
        match self {
            Self::Current => bindings::V4L2_CTRL_WHICH_CUR_VAL,
            Self::Default => bindings::V4L2_CTRL_WHICH_DEF_VAL,
            Self::Request(_) => bindings::V4L2_CTRL_WHICH_REQUEST_VAL,
        }
    }

    fn request(self) -> i32 {
        match self {
            Self::Request(request) => request.as_raw_fd(),
            Self::Current | Self::Default => 0,
        }
    }
}

/// The ioctls for a control's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// `VIDIOC_G_EXT_CTRLS`
    Get,
    /// `VIDIOC_TRY_EXT_CTRLS`
    Try,
    /// `VIDIOC_S_EXT_CTRLS`
    Set,
}

impl Device {
    /// Calls one of the three ioctls with one control, which the call may change.
    ///
    /// # Safety
    ///
    /// The memory that the control points to must be valid and as long as the control's size, or as
    /// the control's value.
    pub unsafe fn ext_control(
        &self,
        verb: Verb,
        which: Which<'_>,
        control: &mut v4l2_ext_control,
    ) -> Result<(), Errno> {
        let mut controls = v4l2_ext_controls {
            __bindgen_anon_1: bindings::v4l2_ext_controls__bindgen_ty_1 {
                which: which.number(),
            },
            count: 1,
            request_fd: which.request(),
            controls: control,
            ..Default::default()
        };
        let ioctl = match verb {
            Verb::Get => raw::g_ext_ctrls,
            Verb::Try => raw::try_ext_ctrls,
            Verb::Set => raw::s_ext_ctrls,
        };
        // SAFETY: There is one control, and by the safety requirements its memory is valid.
        unsafe { ioctl(self.as_raw_fd(), &mut controls) }.map(drop)
    }

    /// Calls one of the ioctls with an array of 32-bit elements and a size of `bytes` bytes. The
    /// array first grows to that size, so that any size is valid.
    pub fn words(
        &self,
        verb: Verb,
        which: Which<'_>,
        id: u32,
        words: &mut Vec<u32>,
        bytes: u32,
    ) -> Result<(), Errno> {
        let room = bytes.div_ceil(4) as usize;
        if words.len() < room {
            words.resize(room, 0);
        }
        let mut control = v4l2_ext_control {
            id,
            size: bytes,
            reserved2: [0],
            __bindgen_anon_1: bindings::v4l2_ext_control__bindgen_ty_1 {
                p_u32: words.as_mut_ptr(),
            },
        };
        // SAFETY: The kernel accesses no more than the size of the control.
        unsafe { self.ext_control(verb, which, &mut control) }
    }

    /// Sets the vertex map.
    pub fn set_map(&self, which: Which<'_>, map: &[u32]) -> Result<(), Errno> {
        // CAST: It is 200 kB at most.
        let bytes = size_of_val(map) as u32;
        self.words(Verb::Set, which, MAP, &mut map.to_vec(), bytes)
    }

    /// Returns the vertex map.
    pub fn map(&self, which: Which<'_>) -> Result<Vec<u32>, Errno> {
        let elements = self.query(MAP)?.elems;
        let mut map = Vec::new();
        self.words(Verb::Get, which, MAP, &mut map, 4 * elements)?;
        Ok(map)
    }

    /// Sets a control that is a number.
    pub fn set_number(&self, which: Which<'_>, id: u32, value: i32) -> Result<(), Errno> {
        self.number_by(Verb::Set, which, id, value).map(drop)
    }

    /// Returns a control that is a number.
    pub fn number(&self, which: Which<'_>, id: u32) -> Result<i32, Errno> {
        self.number_by(Verb::Get, which, id, 0)
    }

    fn number_by(&self, verb: Verb, which: Which<'_>, id: u32, value: i32) -> Result<i32, Errno> {
        // A size of 0 means that there is no pointer: if the control were an array, the ioctl would
        // fail.
        let mut control = v4l2_ext_control {
            id,
            size: 0,
            reserved2: [0],
            __bindgen_anon_1: bindings::v4l2_ext_control__bindgen_ty_1 { value },
        };
        // SAFETY: The control contains no pointer.
        unsafe { self.ext_control(verb, which, &mut control) }?;
        // SAFETY: The kernel wrote a number there.
        Ok(unsafe { control.__bindgen_anon_1.value })
    }

    /// Calls `VIDIOC_QUERY_EXT_CTRL`.
    pub fn query(&self, id: u32) -> Result<v4l2_query_ext_ctrl, Errno> {
        let mut query = v4l2_query_ext_ctrl {
            id,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::query_ext_ctrl(self.as_raw_fd(), &mut query) }?;
        Ok(query)
    }

    /// Calls `VIDIOC_QUERYMENU`. Returns the name of an item.
    pub fn menu_item(&self, id: u32, index: u32) -> Result<String, Errno> {
        let mut item = v4l2_querymenu {
            id,
            index,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::querymenu(self.as_raw_fd(), &mut item) }?;
        // SAFETY: The field consists of plain bytes.
        Ok(text(unsafe { &item.__bindgen_anon_1.name }))
    }
}
