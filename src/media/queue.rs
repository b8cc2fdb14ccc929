// SPDX-License-Identifier: GPL-2.0

//! The two videobuf2 queues of one open file, and the callbacks through which vb2 asks
//! the driver. They run with the open file's lock held, or when nobody else knows it.

use super::{
    bindings,
    buffer::Buffer,
    file::File,
    format::Direction,
    m2m::Operations,
    request::Slot, //
};
use core::{
    marker::PhantomData,
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*, //
};

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
    /// Creates the queues of `file`.
    ///
    /// # Safety
    ///
    /// `file` must stay in place and its fields other than the queues must be
    /// initialised until the queues are dropped.
    pub(super) unsafe fn new<T: Operations>(file: *const File<T>) -> Result<Self> {
        // SAFETY: The device is initialised by the caller's promise.
        let m2m_dev = unsafe { (*file).device.m2m_dev() };
        // SAFETY: `m2m_dev` is valid while `file` refers to its device, which is
        // longer than the queues live; `queue_init` gets what it expects.
        let raw = unsafe {
            bindings::v4l2_m2m_ctx_init(
                m2m_dev,
                file.cast_mut().cast::<c_void>(),
                Some(Callbacks::<T>::queue_init),
            )
        };
        let raw = kernel::error::from_err_ptr(raw)?;
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

/// Settles the request that `buffer` came in, if any: no frame was processed with it.
///
/// # Safety
///
/// `buffer` must be a valid buffer of a queue of `file`, which must not have been released,
/// and the caller have it for itself.
unsafe fn give_up_request<T: Operations>(
    file: *const File<T>,
    buffer: *mut bindings::vb2_v4l2_buffer,
) {
    // SAFETY: The caller's promise.
    if let Some(mut ticket) = unsafe { Slot::<T>::take(buffer) } {
        ticket.as_mut().give_up();
        // SAFETY: As above.
        let file = unsafe { File::<T>::borrow(file.cast_mut().cast()) };
        File::settle_soon(file, ticket);
    }
}

/// The C callbacks of the queues of `T`.
struct Callbacks<T: Operations>(PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
    const OPS: bindings::vb2_ops = bindings::vb2_ops {
        queue_setup: Some(Self::queue_setup),
        buf_out_validate: Some(Self::buf_out_validate),
        buf_init: None,
        buf_prepare: Some(Self::buf_prepare),
        buf_finish: None,
        buf_cleanup: None,
        prepare_streaming: None,
        start_streaming: Some(Self::start_streaming),
        stop_streaming: Some(Self::stop_streaming),
        unprepare_streaming: None,
        buf_queue: Some(Self::buf_queue),
        buf_request_complete: Some(Self::buf_request_complete),
    };

    unsafe extern "C" fn queue_init(
        file: *mut c_void,
        output: *mut bindings::vb2_queue,
        capture: *mut bindings::vb2_queue,
    ) -> c_int {
        let file = file.cast::<File<T>>();
        for (queue, direction) in [(output, Direction::Output), (capture, Direction::Capture)] {
            // SAFETY: mem2mem calls this from `Queues::new` with the file given there and
            // two zeroed queues. The lock and the parent device live longer than the
            // queues do.
            let result = unsafe {
                (*queue).type_ = direction.buffer_type();
                (*queue).io_modes =
                    bindings::vb2_io_modes_VB2_MMAP | bindings::vb2_io_modes_VB2_DMABUF;
                (*queue).drv_priv = file.cast::<c_void>();
                // CAST: A small constant.
                (*queue).buf_struct_size = mem::size_of::<Slot<T>>() as c_uint;
                (*queue).ops = &Self::OPS;
                (*queue).mem_ops = &raw const bindings::vb2_dma_contig_memops;
                (*queue).timestamp_flags = bindings::V4L2_BUF_FLAG_TIMESTAMP_COPY;
                (*queue).lock = (*file).lock.as_raw();
                (*queue).dev = (*file).device.parent_raw();
                bindings::helper_vb2_set_nowarn(queue);
                // Buffers in cached memory, which a CPU reads fast: vb2 does what that takes.
                (*queue).set_allow_cache_hints(1);
                (*queue).set_supports_requests(c_uint::from(direction == Direction::Output));
                bindings::vb2_queue_init(queue)
            };
            if result != 0 {
                return result;
            }
        }
        0
    }

    /// The file, its context and the direction that a queue belongs to.
    ///
    /// # Safety
    ///
    /// `queue` must be a queue that `queue_init` set up, and `'a` no longer than
    /// the callback that it was given to.
    unsafe fn parts<'a>(
        queue: *mut bindings::vb2_queue,
    ) -> Result<(*const File<T>, &'a T, Direction)> {
        // SAFETY: `queue_init` stored the file, which outlives its queues, and whose
        // context is initialised.
        let (file, buffer_type) = unsafe { ((*queue).drv_priv.cast::<File<T>>(), (*queue).type_) };
        let direction = Direction::of(buffer_type).ok_or(EINVAL)?;
        // SAFETY: As above.
        Ok((file, unsafe { &(*file).context }, direction))
    }

    unsafe extern "C" fn queue_setup(
        queue: *mut bindings::vb2_queue,
        _num_buffers: *mut c_uint,
        num_planes: *mut c_uint,
        sizes: *mut c_uint,
        _alloc_devs: *mut *mut bindings::device,
    ) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a queue of ours.
            let (_, context, direction) = unsafe { Self::parts(queue)? };
            let format = context.format(direction);
            // SAFETY: vb2 passes a valid counter.
            let wanted = unsafe { *num_planes };
            // CAST: At most `MAX_PLANES`.
            let count = format.planes().len() as c_uint;
            if wanted != 0 && wanted != count {
                return Err(EINVAL);
            }
            for (index, plane) in format.planes().iter().enumerate() {
                // SAFETY: vb2 passes room for more sizes than a format has planes.
                let size = unsafe { &mut *sizes.add(index) };
                if wanted == 0 {
                    *size = plane.size_image;
                } else if *size < plane.size_image {
                    return Err(EINVAL);
                }
            }
            // SAFETY: As above.
            unsafe { *num_planes = count };
            Ok(0)
        })
    }

    unsafe extern "C" fn buf_out_validate(vb: *mut bindings::vb2_buffer) -> c_int {
        // SAFETY: vb2 passes a buffer of a queue of ours, which is the first field of
        // a `vb2_v4l2_buffer`.
        unsafe {
            (*vb.cast::<bindings::vb2_v4l2_buffer>()).field = bindings::v4l2_field_V4L2_FIELD_NONE
        };
        0
    }

    unsafe extern "C" fn buf_prepare(vb: *mut bindings::vb2_buffer) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a valid buffer of a queue of ours.
            let (_, context, direction) = unsafe { Self::parts((*vb).vb2_queue)? };
            // SAFETY: As above; vb2 attached its memory before, and lends it for the time
            // of this callback.
            let buffer = unsafe { Buffer::from_raw(vb.cast()) };
            buffer.fill(&context.format(direction))?;
            context.prepare(direction, buffer)?;
            Ok(0)
        })
    }

    unsafe extern "C" fn buf_queue(vb: *mut bindings::vb2_buffer) {
        // SAFETY: vb2 passes a valid buffer of a queue of ours, which nobody else has until it
        // is queued; the file handle knows its queues since before there was any buffer.
        unsafe {
            let file = (*(*vb).vb2_queue).drv_priv.cast::<File<T>>();
            Slot::<T>::hand_over(vb.cast());
            bindings::v4l2_m2m_buf_queue((*file).m2m_ctx(), vb.cast());
        }
    }

    unsafe extern "C" fn buf_request_complete(vb: *mut bindings::vb2_buffer) {
        // SAFETY: vb2 passes a valid buffer of a queue of ours.
        unsafe {
            let file = (*(*vb).vb2_queue).drv_priv.cast::<File<T>>();
            give_up_request::<T>(file, vb.cast());
        }
    }

    unsafe extern "C" fn start_streaming(queue: *mut bindings::vb2_queue, _count: c_uint) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a queue of ours.
            let (file, context, direction) = unsafe { Self::parts(queue)? };
            // SAFETY: The file outlives its queues, and its controls are initialised.
            let controls = unsafe {
                (*file).settle();
                &(*file).controls
            };
            context.start(direction, controls).inspect_err(|_| {
                // SAFETY: As above.
                unsafe {
                    Self::return_all(
                        file,
                        direction,
                        bindings::vb2_buffer_state_VB2_BUF_STATE_QUEUED,
                    );
                }
            })?;
            // SAFETY: As above.
            unsafe { (*file).note_start(direction) };
            Ok(0)
        })
    }

    unsafe extern "C" fn stop_streaming(queue: *mut bindings::vb2_queue) {
        // SAFETY: vb2 passes a queue of ours.
        if let Ok((file, context, direction)) = unsafe { Self::parts(queue) } {
            // SAFETY: As above.
            unsafe {
                (*file).note_stop(direction);
                // No job of the file runs; the last one's buffers may be on their way.
                (*file).hand_back.wait();
                Self::return_all(
                    file,
                    direction,
                    bindings::vb2_buffer_state_VB2_BUF_STATE_ERROR,
                );
            }
            context.stop(direction);
        }
    }

    /// Hands every buffer that waits in mem2mem's list back to vb2.
    ///
    /// # Safety
    ///
    /// `file` must be valid, its lock held, none of its jobs running, and none of its buffers on its
    /// way.
    unsafe fn return_all(
        file: *const File<T>,
        direction: Direction,
        state: bindings::vb2_buffer_state,
    ) {
        // SAFETY: `file` is valid by the caller's promise.
        let m2m_ctx = unsafe { (*file).m2m_ctx() };
        loop {
            // SAFETY: The context belongs to `file` and is valid.
            let buffer = unsafe {
                match direction {
                    Direction::Output => bindings::helper_v4l2_m2m_src_buf_remove(m2m_ctx),
                    Direction::Capture => bindings::helper_v4l2_m2m_dst_buf_remove(m2m_ctx),
                }
            };
            if buffer.is_null() {
                return;
            }
            if direction == Direction::Output
                && state == bindings::vb2_buffer_state_VB2_BUF_STATE_ERROR
            {
                // SAFETY: The buffer was mem2mem's until now and is nobody else's.
                unsafe { give_up_request::<T>(file, buffer) };
            }
            // SAFETY: The buffer was mem2mem's until now and is nobody else's.
            unsafe { bindings::vb2_buffer_done(&raw mut (*buffer).vb2_buf, state) };
        }
    }
}
