// SPDX-License-Identifier: GPL-2.0

//! The functions that mem2mem calls to start and to end the job of an open file, and the start of a
//! job's next frame.

use crate::{
    media::{
        bindings,
        device::Device,
        file::File,
        hand_back::HandBack,
        job::{
            Client,
            Job,
            Next, //
        },
        operations::Operations,
        request::Slot, //
    },
    platform::binding::Binding, //
};
use core::ptr;
use kernel::{
    device,
    ffi::c_void,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    }, //
};

/// Creates a device. It cannot be opened yet.
pub(in crate::media) fn device<T: Operations>(
    parent: &device::Device,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
) -> Result<Arc<Device<T>>> {
    let operations = bindings::v4l2_m2m_ops {
        device_run: Some(device_run::<T>),
        job_ready: None,
        job_abort: Some(job_abort::<T>),
    };
    // SAFETY: The operations are those for the open files of a `Device<T>`.
    unsafe { Device::new(operations, parent, binding, data) }
}

impl<T: Operations> Client for File<T> {
    unsafe fn go_on(&self) -> Next {
        if !self.device.has_one_user() || self.handle.is_stopping() {
            return Next::None;
        }
        // SAFETY: mem2mem knows the file by this pointer, and the file's job holds a reference to
        // it. The rest is in the safety requirements.
        unsafe { start_next(Self::borrow(ptr::from_ref(self).cast_mut().cast())) }
    }

    fn hand_back(&self) -> &HandBack<Job> {
        &self.handle.hand_back
    }
}

/// Starts the next frame of the job of `file`.
///
/// # Safety
///
/// The requirements are those of [`Client::go_on`].
unsafe fn start_next<T: Operations>(file: ArcBorrow<'_, File<T>>) -> Next {
    // SAFETY: By the safety requirements.
    let Some((job, source)) = (unsafe { next(file) }) else {
        return Next::None;
    };
    let _starting = file.handle.starting.lock();
    // SAFETY: Only the job accesses the source buffer.
    let mut ticket = unsafe { Slot::<T::Prepared>::note(source) }.ticket.take();
    let prepared = ticket.as_mut().and_then(|t| t.as_mut().take_prepared());
    let (moment, started) = match file.device.binding().enter() {
        Some(bound) => file.context.run(&bound, job, prepared),
        None => (None, Err(job)),
    };
    // The frame has started, so the engine does not wait for the following steps.
    if let Some(mut ticket) = ticket {
        ticket.as_mut().set_in_effect(moment);
        File::settle_soon(file, ticket);
    }
    match started {
        Ok(()) => Next::Started,
        Err(job) => Next::Refused(job),
    }
}

/// Returns the next frame of the job of `file` and its source buffer; [`None`] if a buffer is
/// missing.
///
/// # Safety
///
/// The requirements are those of [`Client::go_on`].
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
    // while the job runs. `stop_streaming` calls `hand_back.wait()` of the file.
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
    match unsafe { start_next(file.as_arc_borrow()) } {
        Next::Started => {}
        Next::Refused(job) => file.handle.hand_back.refuse(job),
        // mem2mem starts no job of a file that lacks a buffer.
        Next::None => {
            let ctx = file.handle.m2m_ctx();
            // SAFETY: The context and its device are valid, and the device runs this job.
            unsafe { bindings::v4l2_m2m_job_finish((*ctx).m2m_dev, ctx) };
        }
    }
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
