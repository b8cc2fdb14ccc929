// SPDX-License-Identifier: GPL-2.0

//! The two videobuf2 queues of one open file.

use super::{
    bindings,
    format::Direction, //
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

/// Sets up the OUTPUT and the CAPTURE queue of an open file, which it gets first.
pub(super) type Init =
    unsafe extern "C" fn(*mut c_void, *mut bindings::vb2_queue, *mut bindings::vb2_queue) -> c_int;

/// The [`struct v4l2_m2m_ctx`] of one open file: its two queues and its place in
/// the device's list of jobs.
///
/// # Invariants
///
/// The pointer is valid and owned.
///
/// [`struct v4l2_m2m_ctx`]: srctree/include/media/v4l2-mem2mem.h
pub(super) struct Queues(NonNull<bindings::v4l2_m2m_ctx>);

impl Queues {
    /// Creates the queues of `file`, which `init` sets up.
    ///
    /// # Safety
    ///
    /// `m2m_dev` must be valid until the queues are dropped. `init` may be called with `file`, and
    /// so may the callbacks that it sets, and those of `m2m_dev`, until then.
    pub(super) unsafe fn new(
        m2m_dev: *mut bindings::v4l2_m2m_dev,
        file: *mut c_void,
        init: Init,
    ) -> Result<Self> {
        // SAFETY: The caller's promise.
        let raw = from_err_ptr(unsafe { bindings::v4l2_m2m_ctx_init(m2m_dev, file, Some(init)) })?;
        // INVARIANT: The context was made just now.
        Ok(Self(NonNull::new(raw).ok_or(ENOMEM)?))
    }

    /// The C structure.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_m2m_ctx {
        self.0.as_ptr()
    }

    /// Whether `direction` has buffers allocated.
    pub(super) fn is_busy(&self, direction: Direction) -> bool {
        // SAFETY: By the type invariant the context is valid, and both types have a
        // queue.
        unsafe {
            let queue = bindings::v4l2_m2m_get_vq(self.as_raw(), direction.buffer_type());
            bindings::helper_vb2_is_busy(queue)
        }
    }

    /// Ends streaming on both queues: waits for a running job, hands every buffer back and
    /// ends its request, wakes who waits for one.
    ///
    /// # Safety
    ///
    /// The caller must hold the open file's lock.
    pub(super) unsafe fn stop(&self) {
        for direction in [Direction::Output, Direction::Capture] {
            // SAFETY: By the type invariant the context is valid; the lock is held by
            // the caller's promise; the function does not use the file pointer. It
            // fails only for a type that is not the queue's.
            unsafe {
                bindings::v4l2_m2m_streamoff(
                    ptr::null_mut(),
                    self.as_raw(),
                    direction.buffer_type(),
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

// SAFETY: The queues may be used and released from any thread: their lists are
// protected by their own locks, the rest by the open file's.
unsafe impl Send for Queues {}
// SAFETY: As above.
unsafe impl Sync for Queues {}
