// SPDX-License-Identifier: GPL-2.0

//! What mem2mem calls to start and to end the job of an open file, and how the next frame of a job
//! starts.

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

/// Makes a device that nobody can open yet.
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
    // SAFETY: These are for the open files of a `Device<T>`.
    unsafe { Device::new(operations, parent, binding, data) }
}

impl<T: Operations> Client for File<T> {
    unsafe fn go_on(&self) -> Next {
        if !self.device.has_one_user() || self.handle.is_stopping() {
            return Next::None;
        }
        // SAFETY: mem2mem knows the file by this pointer, and its job refers to it. The rest is
        // the caller's promise.
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
/// As for [`Client::go_on`].
unsafe fn start_next<T: Operations>(file: ArcBorrow<'_, File<T>>) -> Next {
    // SAFETY: The caller's promise.
    let Some((job, source)) = (unsafe { next(file) }) else {
        return Next::None;
    };
    let _starting = file.handle.starting.lock();
    // SAFETY: The source is the job's alone.
    let mut ticket = unsafe { Slot::<T::Prepared>::note(source) }.ticket.take();
    let prepared = ticket.as_mut().and_then(|t| t.as_mut().take_prepared());
    let (moment, started) = match file.device.binding().enter() {
        Some(bound) => file.context.run(&bound, job, prepared),
        None => (None, Err(job)),
    };
    // The frame has started: the engine does not wait for the rest.
    if let Some(mut ticket) = ticket {
        ticket.as_mut().set_in_effect(moment);
        File::settle_soon(file, ticket);
    }
    match started {
        Ok(()) => Next::Started,
        Err(job) => Next::Refused(job),
    }
}

/// The next frame of the job of `file`, if it has one, and its source.
///
/// # Safety
///
/// As for [`Client::go_on`].
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
    // SAFETY: By the caller's promise the device runs the job of `file`, whose context this is. What
    // the lists of a running job start with is the job's alone, and mem2mem takes none off while it
    // runs. `stop_streaming` waits for the file's hand-back.
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

/// mem2mem's `device_run` for `T`.
///
/// # Safety
///
/// To be called by mem2mem only.
unsafe extern "C" fn device_run<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave it, and the file is not
    // released before the job has ended. It may end before this does.
    let file = Arc::from(unsafe { File::<T>::borrow(context) });
    // SAFETY: mem2mem has started the file's job just now, which has no frame yet.
    match unsafe { start_next(file.as_arc_borrow()) } {
        Next::Started => {}
        Next::Refused(job) => file.handle.hand_back.refuse(job),
        // mem2mem starts no job of a file that lacks a buffer.
        Next::None => {
            let ctx = file.handle.m2m_ctx();
            // SAFETY: The context and its device are valid, and this is the job that it runs.
            unsafe { bindings::v4l2_m2m_job_finish((*ctx).m2m_dev, ctx) };
        }
    }
}

/// mem2mem's `job_abort` for `T`: the file's job is to end with the running frame.
///
/// # Safety
///
/// To be called by mem2mem only.
unsafe extern "C" fn job_abort<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave it, and the file is not
    // released before the job has ended.
    unsafe { File::<T>::borrow(context) }
        .handle
        .set_stopping(true);
}
