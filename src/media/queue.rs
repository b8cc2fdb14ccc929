// SPDX-License-Identifier: GPL-2.0

//! The two videobuf2 queues of one open file.

use super::{
    bindings,
    format::{
        Api,
        Direction, //
    }, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    error::from_err_ptr,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*, //
};

/// A function that sets up the OUTPUT and the CAPTURE queue of an open file. Its arguments are the
/// file and the two queues, in this order.
pub(super) type Init =
    unsafe extern "C" fn(*mut c_void, *mut bindings::vb2_queue, *mut bindings::vb2_queue) -> c_int;

/// The [`struct v4l2_m2m_ctx`] of one open file: its two queues and its place in the device's list
/// of jobs.
///
/// # Invariants
///
/// The pointer is valid and owned by this value.
///
/// [`struct v4l2_m2m_ctx`]: srctree/include/media/v4l2-mem2mem.h
pub(super) struct Queues(NonNull<bindings::v4l2_m2m_ctx>);

impl Queues {
    /// Creates the queues of `file`, which `init` sets up.
    ///
    /// # Safety
    ///
    /// `m2m_dev` must be valid until the queues are dropped. Until then it must be sound to call
    /// `init` with `file`, the callbacks that `init` sets, and those of `m2m_dev`.
    pub(super) unsafe fn new(
        m2m_dev: *mut bindings::v4l2_m2m_dev,
        file: *mut c_void,
        init: Init,
    ) -> Result<Self> {
        // SAFETY: By the safety requirements.
        let raw = from_err_ptr(unsafe { bindings::v4l2_m2m_ctx_init(m2m_dev, file, Some(init)) })?;
        // INVARIANT: The context was created above, and has no other owner.
        Ok(Self(NonNull::new(raw).ok_or(ENOMEM)?))
    }

    /// Returns the C structure.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_m2m_ctx {
        self.0.as_ptr()
    }

    /// Returns the queue of a direction. It is valid as long as `self` is.
    pub(super) fn queue(&self, direction: Direction) -> *mut bindings::vb2_queue {
        // mem2mem looks at the direction of a type only.
        let buffer_type = direction.buffer_type(Api::MultiPlanar);
        // SAFETY: By the type invariant the context is valid.
        unsafe { bindings::v4l2_m2m_get_vq(self.as_raw(), buffer_type) }
    }

    /// Returns whether buffers were allocated for `direction` since the last `VIDIOC_REQBUFS` with
    /// count 0, also if `VIDIOC_REMOVE_BUFS` has removed them all.
    pub(super) fn is_busy(&self, direction: Direction) -> bool {
        // SAFETY: The queue is valid.
        unsafe { bindings::helper_vb2_is_busy(self.queue(direction)) }
    }

    /// Stops the streams of both queues: waits for a running job, returns all buffers, and wakes
    /// the threads that wait for a buffer. Requests that were not processed are complete when they
    /// are settled, which is later.
    ///
    /// # Safety
    ///
    /// The caller must hold the open file's lock.
    pub(super) unsafe fn stop(&self) {
        for direction in [Direction::Output, Direction::Capture] {
            // SAFETY: By the type invariant the context is valid, and by the safety requirements
            // the lock is held. The function does not use the file pointer. It fails only for a
            // type that is not the queue's.
            unsafe {
                bindings::v4l2_m2m_streamoff(
                    ptr::null_mut(),
                    self.as_raw(),
                    (*self.queue(direction)).type_,
                )
            };
        }
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the context is valid and owned.
        unsafe { bindings::v4l2_m2m_ctx_release(self.as_raw()) };
    }
}

// SAFETY: The queues may be used and released from any thread: their lists are protected by their
// own locks, the rest by the open file's lock.
unsafe impl Send for Queues {}
// SAFETY: The same locks protect the queues if several threads use them at the same time.
unsafe impl Sync for Queues {}
