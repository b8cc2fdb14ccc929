// SPDX-License-Identifier: GPL-2.0

//! The functions that vb2 calls for the queues of an open file, with the lock of the queues held,
//! or while no other code knows the file.

use crate::media::{
    bindings,
    buffer::Buffer,
    file::File,
    format::Direction,
    memory::Memory,
    operations::Operations,
    request::Slot, //
};
use core::{
    marker::PhantomData,
    mem, //
};
use kernel::{
    ffi::{
        c_int,
        c_uint,
        c_void, //
    },
    prelude::*,
    time::Instant, //
};

/// Takes the ticket of the request that `buffer` came in, if any, and leaves it to the worker to
/// settle. No frame was or will be started with the buffer.
///
/// # Safety
///
/// `buffer` must be a valid buffer of a queue of a `File<T>`. The file must not have been released,
/// and no other thread may access the buffer.
unsafe fn drop_request<T: Operations>(buffer: *mut bindings::vb2_v4l2_buffer) {
    // SAFETY: By the safety requirements.
    if let Some(mut ticket) = unsafe { Slot::<T::Prepared>::note(buffer) }.ticket.take() {
        ticket.as_mut().discard();
        // SAFETY: The buffer is valid, and its file is not released. `queue_init` stored the file
        // in the queue.
        let file = unsafe { File::<T>::borrow((*(*buffer).vb2_buf.vb2_queue).drv_priv) };
        File::settle_soon(file, ticket);
    }
}

/// The C callbacks of the queues of `T`.
pub(super) struct Callbacks<T: Operations>(PhantomData<T>);

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

    /// Sets up the queues of a `File<T>`, for [`Queues::new`].
    ///
    /// [`Queues::new`]: crate::media::queue::Queues::new
    pub(super) unsafe extern "C" fn queue_init(
        file: *mut c_void,
        output: *mut bindings::vb2_queue,
        capture: *mut bindings::vb2_queue,
    ) -> c_int {
        let file = file.cast::<File<T>>();
        for (queue, direction) in [(output, Direction::Output), (capture, Direction::Capture)] {
            // SAFETY: mem2mem calls this from `Queues::new`, with the file that was passed there
            // and two zeroed queues. The lock and the parent device live longer than the queues.
            let result = unsafe {
                (*queue).type_ = direction.buffer_type((*file).device.api());
                (*queue).io_modes = T::Memory::IO_MODES;
                (*queue).drv_priv = file.cast::<c_void>();
                // CAST: The size is small.
                (*queue).buf_struct_size = mem::size_of::<Slot<T::Prepared>>() as c_uint;
                (*queue).ops = &Self::OPS;
                (*queue).mem_ops = T::Memory::operations();
                (*queue).timestamp_flags = bindings::V4L2_BUF_FLAG_TIMESTAMP_COPY;
                (*queue).lock = (*file).handle.lock.as_raw();
                (*queue).dev = (*file).device.parent_raw();
                bindings::helper_vb2_set_nowarn(queue);
                // Userspace may ask for cached memory, which a CPU reads faster; vb2 handles it.
                (*queue).set_allow_cache_hints(c_uint::from(T::Memory::HAS_CACHE_HINTS));
                (*queue).set_supports_requests(c_uint::from(
                    T::HAS_PREPARE_CONTROLS && direction == Direction::Output,
                ));
                bindings::vb2_queue_init(queue)
            };
            if result != 0 {
                return result;
            }
        }
        0
    }

    /// Returns the file and the direction that a queue belongs to.
    ///
    /// # Safety
    ///
    /// `queue` must be a queue that `queue_init` set up, and `'a` must not be longer than the
    /// callback that the queue was passed to.
    unsafe fn parts<'a>(queue: *mut bindings::vb2_queue) -> Result<(&'a File<T>, Direction)> {
        // SAFETY: `queue_init` stored the file, which outlives its queues. It is initialised before
        // a callback is called with one of them. No callback is called while they are dropped:
        // `File::close` has stopped them, and a file that was never opened has no stream.
        let (file, buffer_type) =
            unsafe { (&*(*queue).drv_priv.cast::<File<T>>(), (*queue).type_) };
        Ok((file, Direction::of(buffer_type).ok_or(EINVAL)?))
    }

    unsafe extern "C" fn queue_setup(
        queue: *mut bindings::vb2_queue,
        _num_buffers: *mut c_uint,
        num_planes: *mut c_uint,
        sizes: *mut c_uint,
        _alloc_devs: *mut *mut bindings::device,
    ) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a queue that `queue_init` set up.
            let (file, direction) = unsafe { Self::parts(queue)? };
            let format = file.context.format(direction);
            // SAFETY: vb2 passes a valid counter.
            let wanted = unsafe { *num_planes };
            // CAST: The number is at most `MAX_PLANES`.
            let count = format.planes().len() as c_uint;
            if wanted != 0 && wanted != count {
                return Err(EINVAL);
            }
            for (index, plane) in format.planes().iter().enumerate() {
                // SAFETY: vb2 passes an array with room for more sizes than a format has planes.
                let size = unsafe { &mut *sizes.add(index) };
                if wanted == 0 {
                    *size = plane.size_image;
                } else if *size < plane.size_image {
                    return Err(EINVAL);
                }
            }
            // SAFETY: vb2 passes a valid counter.
            unsafe { *num_planes = count };
            Ok(0)
        })
    }

    unsafe extern "C" fn buf_out_validate(vb: *mut bindings::vb2_buffer) -> c_int {
        // SAFETY: vb2 passes a buffer of a queue that `queue_init` set up. It is the first field of
        // a `vb2_v4l2_buffer`.
        unsafe {
            (*vb.cast::<bindings::vb2_v4l2_buffer>()).field = bindings::v4l2_field_V4L2_FIELD_NONE
        };
        0
    }

    unsafe extern "C" fn buf_prepare(vb: *mut bindings::vb2_buffer) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a valid buffer of a queue that `queue_init` set up.
            let (file, direction) = unsafe { Self::parts((*vb).vb2_queue)? };
            // SAFETY: The buffer is valid. vb2 attached its memory before, and no other code
            // changes it during this callback.
            let buffer = unsafe { Buffer::from_raw(vb.cast()) };
            buffer.fill(&file.context.format(direction))?;
            if T::HAS_CHECK_BUFFER {
                file.context.check_buffer(direction, buffer)?;
            }
            Ok(0)
        })
    }

    unsafe extern "C" fn buf_queue(vb: *mut bindings::vb2_buffer) {
        // SAFETY: vb2 passes a valid buffer of a queue that `queue_init` set up. No other thread
        // accesses it until it is queued. The file handle has had its queues since before there was
        // any buffer.
        unsafe {
            let file = (*(*vb).vb2_queue).drv_priv.cast::<File<T>>();
            Slot::<T::Prepared>::note(vb.cast()).handed_over = Instant::now();
            bindings::v4l2_m2m_buf_queue((*file).handle.m2m_ctx(), vb.cast());
        }
    }

    unsafe extern "C" fn buf_request_complete(vb: *mut bindings::vb2_buffer) {
        // SAFETY: vb2 passes a valid buffer of a queue that `queue_init` set up.
        unsafe { drop_request::<T>(vb.cast()) };
    }

    unsafe extern "C" fn start_streaming(queue: *mut bindings::vb2_queue, _count: c_uint) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: vb2 passes a queue that `queue_init` set up.
            let (file, direction) = unsafe { Self::parts(queue)? };
            file.settle();
            if T::HAS_START {
                let started = file.context.start(direction, &file.handle.controls);
                started.inspect_err(|_| {
                    // SAFETY: vb2 calls this with the file's lock held, and no job has started yet.
                    unsafe {
                        Self::return_all(
                            file,
                            direction,
                            bindings::vb2_buffer_state_VB2_BUF_STATE_QUEUED,
                        );
                    }
                })?;
            }
            file.note_start(direction);
            Ok(0)
        })
    }

    unsafe extern "C" fn stop_streaming(queue: *mut bindings::vb2_queue) {
        // SAFETY: vb2 passes a queue that `queue_init` set up.
        if let Ok((file, direction)) = unsafe { Self::parts(queue) } {
            file.note_stop(direction);
            // No job of the file runs, but the buffers of the last one may not be returned yet.
            file.handle.buffer_return.wait();
            // SAFETY: vb2 calls this with the file's lock held. No job runs, and `wait` has waited
            // until all buffers are returned.
            unsafe {
                Self::return_all(
                    file,
                    direction,
                    bindings::vb2_buffer_state_VB2_BUF_STATE_ERROR,
                );
            }
            if T::HAS_STOP {
                file.context.stop(direction);
            }
        }
    }

    /// Returns every buffer in mem2mem's list to vb2.
    ///
    /// # Safety
    ///
    /// The lock of `file` must be held, none of its jobs may run, and no other thread may be
    /// returning one of its buffers.
    unsafe fn return_all(file: &File<T>, direction: Direction, state: bindings::vb2_buffer_state) {
        let m2m_ctx = file.handle.m2m_ctx();
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
            let is_dropped = state == bindings::vb2_buffer_state_VB2_BUF_STATE_ERROR;
            // SAFETY: The buffer was removed from mem2mem's list, so only this function uses it.
            // Its file is `file`.
            unsafe {
                if direction == Direction::Output && is_dropped {
                    drop_request::<T>(buffer);
                }
                bindings::vb2_buffer_done(&raw mut (*buffer).vb2_buf, state);
            }
        }
    }
}
