// SPDX-License-Identifier: GPL-2.0

//! One videobuf2 buffer, which the driver may use while it is prepared or processed.

use super::{
    bindings,
    format::PixelFormat, //
};
use kernel::prelude::*;

/// The state with which a buffer is returned to userspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The frame is good.
    Done,
    /// The frame failed: the buffer gets `V4L2_BUF_FLAG_ERROR`.
    Error,
}

impl State {
    pub(super) fn into_raw(self) -> bindings::vb2_buffer_state {
        match self {
            Self::Done => bindings::vb2_buffer_state_VB2_BUF_STATE_DONE,
            Self::Error => bindings::vb2_buffer_state_VB2_BUF_STATE_ERROR,
        }
    }
}

/// A [`struct vb2_v4l2_buffer`] that vb2 has given to the driver.
///
/// # Invariants
///
/// The wrapped buffer is valid, its memory is attached, and only the holder of the reference
/// changes it.
///
/// [`struct vb2_v4l2_buffer`]: srctree/include/media/videobuf2-v4l2.h
#[repr(transparent)]
pub(crate) struct Buffer(kernel::types::Opaque<bindings::vb2_v4l2_buffer>);

impl Buffer {
    /// Borrows a buffer.
    ///
    /// # Safety
    ///
    /// `raw` must be valid for `'a`, its memory must be attached, and no other code may change it
    /// for `'a`.
    pub(super) unsafe fn from_raw<'a>(raw: *mut bindings::vb2_v4l2_buffer) -> &'a Self {
        // INVARIANT: By the safety requirements.
        // SAFETY: `Buffer` is a transparent wrapper of the C type.
        unsafe { &*raw.cast::<Self>() }
    }

    fn vb2(&self) -> *mut bindings::vb2_buffer {
        // SAFETY: By the type invariant the buffer is valid; this only computes
        // the address of a field.
        unsafe { &raw mut (*self.0.get()).vb2_buf }
    }

    /// Returns the bus address of the image in memory plane `plane`.
    ///
    /// `EINVAL` if the buffer has no such plane, or if the memory has no bus address.
    pub(crate) fn dma_address(&self, plane: u32) -> Result<u64> {
        let mut address = 0;
        // SAFETY: The buffer is valid, and its memory is attached by the type invariant.
        match unsafe { bindings::helper_vb2_plane_image_addr(self.vb2(), plane, &mut address) } {
            true => Ok(address),
            false => Err(EINVAL),
        }
    }

    /// Copies bytes of the image in memory plane `plane`, from `offset` on.
    ///
    /// Userspace may write them meanwhile. It does no cache maintenance, which memory of a device
    /// may need. `EINVAL` if the plane does not have these bytes, or if the CPU cannot access them.
    #[allow(dead_code, reason = "for drivers whose frames the CPU writes")]
    pub(crate) fn read(&self, plane: u32, offset: usize, to: &mut [u8]) -> Result {
        let (start, len) = (to.as_mut_ptr().cast(), to.len());
        // SAFETY: The buffer is valid, its memory is attached, and `to` has `len` bytes.
        match unsafe { bindings::helper_vb2_read(self.vb2(), plane, offset, start, len) } {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// Writes bytes of the image in memory plane `plane`, from `offset` on, as [`Self::read`] reads
    /// them.
    #[allow(dead_code, reason = "for drivers whose frames the CPU writes")]
    pub(crate) fn write(&self, plane: u32, offset: usize, from: &[u8]) -> Result {
        let (start, len) = (from.as_ptr().cast(), from.len());
        // SAFETY: The buffer is valid, its memory is attached, and `from` has `len` bytes.
        match unsafe { bindings::helper_vb2_write(self.vb2(), plane, offset, start, len) } {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// Checks that each plane of `format` fits behind the data offset of the buffer's plane, and
    /// declares the planes filled.
    ///
    /// `EINVAL` if a plane is missing or too small.
    pub(super) fn fill(&self, format: &PixelFormat) -> Result {
        let (images, count) = format.plane_sizes();
        // SAFETY: The buffer is valid, and the array has at least `count` sizes.
        match unsafe { bindings::helper_vb2_fill(self.vb2(), images.as_ptr(), count) } {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }
}
