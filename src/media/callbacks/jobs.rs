// SPDX-License-Identifier: GPL-2.0

//! The functions that mem2mem calls to start and to end the job of an open file, and the start of a
//! job's next frame.

use crate::{
    media::{
        bindings,
        buffer::State,
        buffer_return::BufferReturn,
        device::Device,
        file::File,
        format::Api,
        job::{
            Client,
            Job,
            Next,
            Run, //
        },
        operations::Operations,
        request::Slot, //
    },
    platform::binding::Binding, //
};
use core::ptr;
use kernel::{
    device,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// Creates a device. It cannot be opened yet.
pub(in super::super) fn device<T: Operations>(
    parent: &device::Device,
    api: Api,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
) -> Result<Arc<Device<T>>> {
    let operations = bindings::v4l2_m2m_ops {
        device_run: Some(device_run::<T>),
        job_ready: match T::HAS_FRAMES_IN_TURN {
            true => Some(job_ready::<T>),
            false => None,
        },
        job_abort: Some(job_abort::<T>),
    };
    // SAFETY: The operations are those for the open files of a `Device<T>`.
    unsafe { Device::new(operations, parent, api, binding, data) }
}

impl<T: Operations> Client for File<T> {
    unsafe fn start_next(&self) -> Next {
        if self.handle.is_stopping() || self.device.is_paused() {
            return Next::None;
        }
        if self.handle.frames_left() == 0 && !(self.device.has_one_streaming() && is_ready(self)) {
            return Next::None;
        }
        // SAFETY: mem2mem knows the file by this pointer, and the file's job holds a reference to
        // it. The rest is in the safety requirements.
        unsafe { start_frame(Self::borrow(ptr::from_ref(self).cast_mut().cast())) }
    }

    fn buffer_return(&self) -> &BufferReturn<Job> {
        &self.handle.buffer_return
    }
}

/// Returns how many frames of `file`, with the next one, are processed before those of another
/// file.
fn frames_in_turn<T: Operations>(file: &File<T>) -> u32 {
    match file.handle.frames_left() {
        0 if T::HAS_FRAMES_IN_TURN => file.context.frames_in_turn().max(1),
        0 => 1,
        left => left,
    }
}

/// Returns whether `file` has buffers for the frames that are processed before those of another
/// file. For one frame it returns true without looking: mem2mem and [`next`] check its buffers.
fn is_ready<T: Operations>(file: &File<T>) -> bool {
    let count = frames_in_turn(file);
    // SAFETY: The file has its mem2mem context.
    count == 1 || unsafe { bindings::helper_v4l2_m2m_has_frames(file.handle.m2m_ctx(), count) }
}

/// Starts the next frame of the job of `file`.
///
/// # Safety
///
/// The requirements are those of [`Client::start_next`].
unsafe fn start_frame<T: Operations>(file: ArcBorrow<'_, File<T>>) -> Next {
    // SAFETY: By the safety requirements.
    let Some((job, source)) = (unsafe { next(file) }) else {
        return Next::None;
    };
    let mut order = file.handle.starting.lock();
    if T::HAS_FRAMES_IN_TURN {
        let left = frames_in_turn(&file).saturating_sub(1);
        file.handle.set_frames_left(left);
    }
    job.set_metadata(order.next_sequences());
    // SAFETY: Only the job accesses the source buffer.
    let mut ticket = unsafe { Slot::<T::Prepared>::note(source) }.ticket.take();
    let run = match file.device.binding().enter() {
        Some(bound) => {
            let applied = match &mut ticket {
                Some(ticket) if T::HAS_APPLY_CONTROLS => ticket
                    .as_mut()
                    .apply(&mut order, |prepared| file.context.apply_controls(prepared)),
                _ => Ok(()),
            };
            match applied {
                Ok(()) => file.context.run(&bound, job),
                Err(_) => Run::Ended(job, State::Error),
            }
        }
        None => Run::Ended(job, State::Error),
    };
    // The frame has started or ended, so the device does not wait for the following steps.
    if let Some(mut ticket) = ticket {
        // If the device is unbound, the prepared controls were not applied. They are freed here,
        // because they may contain DMA memory of the device.
        ticket.as_mut().discard();
        File::settle_soon(file, ticket);
    }
    match run {
        Run::Started => Next::Started,
        Run::Ended(job, state) => Next::Ended(job.with_state(state)),
    }
}

/// Returns the next frame of the job of `file` and its source buffer; [`None`] if a buffer is
/// missing.
///
/// # Safety
///
/// The requirements are those of [`Client::start_next`].
unsafe fn next<T: Operations>(
    file: ArcBorrow<'_, File<T>>,
) -> Option<(Job, *mut bindings::vb2_v4l2_buffer)> {
    let ctx = file.handle.m2m_ctx();
    // SAFETY: The file has its mem2mem context.
    let (source, destination) = unsafe {
        (
            bindings::helper_v4l2_m2m_next_src_buf(ctx),
            bindings::helper_v4l2_m2m_next_dst_buf(ctx),
        )
    };
    if source.is_null() || destination.is_null() {
        return None;
    }
    // SAFETY: By the safety requirements the device runs the job of `file`, whose context this is.
    // Only a running job accesses the first buffers of its lists, and mem2mem removes none of them
    // while the job runs. `stop_streaming` calls `buffer_return.wait()` of the file.
    let job = unsafe {
        let one = Slot::<T::Prepared>::note(source).handed_over;
        let other = Slot::<T::Prepared>::note(destination).handed_over;
        let ready = if (one - other).is_negative() {
            other
        } else {
            one
        };
        Job::new(
            ctx,
            (source, destination),
            ready,
            Arc::<File<T>>::from(file),
        )
    };
    Some((job, source))
}

/// Starts the first frame of a job: mem2mem's `device_run` for `T`.
///
/// # Safety
///
/// Only mem2mem may call this.
unsafe extern "C" fn device_run<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave to it, and the file is
    // not released before the job has ended. The job may end before this function returns, so it
    // takes a reference of its own.
    let file = Arc::from(unsafe { File::<T>::borrow(context) });
    // SAFETY: mem2mem has just started the file's job, which has no frame yet.
    match unsafe { start_frame(file.as_arc_borrow()) } {
        Next::Started => {}
        Next::Ended(job) => file.handle.buffer_return.end(job),
        // mem2mem starts no job of a file that lacks a buffer.
        Next::None => {
            let ctx = file.handle.m2m_ctx();
            // SAFETY: The context and its device are valid, and the device runs this job.
            unsafe { bindings::v4l2_m2m_job_finish((*ctx).m2m_dev, ctx) };
        }
    }
}

/// Returns 1 if the file has buffers for a job, else 0: mem2mem's `job_ready` for `T`.
///
/// # Safety
///
/// Only mem2mem may call this.
unsafe extern "C" fn job_ready<T: Operations>(context: *mut c_void) -> c_int {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave to it, for a file that is
    // not released during the call.
    let file = unsafe { File::<T>::borrow(context) };
    is_ready(&file).into()
}

/// Makes the file's job end with the running frame: mem2mem's `job_abort` for `T`.
///
/// # Safety
///
/// Only mem2mem may call this.
unsafe extern "C" fn job_abort<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave to it, and the file is
    // not released before the job has ended.
    unsafe { File::<T>::borrow(context) }
        .handle
        .set_stopping(true);
}
