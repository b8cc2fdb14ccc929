// SPDX-License-Identifier: GPL-2.0

//! One frame of a mem2mem job: a pair of buffers that the device is to process. It ends exactly
//! once: [`Job::finish`] takes it by value, and dropping it ends it as failed.
//!
//! The engine is not kept waiting: what comes next starts before the buffers are handed back, and
//! without mem2mem's worker. As long as no other file streams that is the next frame of the same
//! job, for to mem2mem a job may be more than one frame. Otherwise it is another file's job.
//! Stopping a stream waits for its job, and for what is still being handed back after it.

use super::{
    bindings,
    buffer::{
        Buffer,
        State, //
    },
    file::File,
    m2m::Operations,
    request::Slot, //
};
use core::ptr;
use kernel::{
    ffi::c_void,
    sync::{
        Arc,
        Mutex, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// What became of the next frame of a job.
enum Next {
    /// It is under way.
    Started,
    /// It could not be started.
    Refused(Job),
    /// There is none, or another file may come first: the job is over.
    None,
}

/// An open file, to its job.
trait Client: Send + Sync {
    /// Starts the next frame of its job, if there is one and no other file streams.
    ///
    /// # Safety
    ///
    /// The device must run the file's job, and the frame before be off mem2mem's lists.
    unsafe fn go_on(&self) -> Next;

    /// Held while buffers are handed back after their job.
    fn handing_back(&self) -> &Mutex<()>;
}

impl<T: Operations> Client for File<T> {
    unsafe fn go_on(&self) -> Next {
        if !self.device.has_one_user() || self.is_stopping() {
            return Next::None;
        }
        // SAFETY: mem2mem knows the file by this pointer, and its job refers to it. The rest is
        // the caller's promise.
        unsafe {
            let this = Self::reference(ptr::from_ref(self).cast_mut().cast());
            start_next(&this)
        }
    }

    fn handing_back(&self) -> &Mutex<()> {
        &self.handing_back
    }
}

/// Starts the next frame of the job of `file`.
///
/// # Safety
///
/// As for [`Client::go_on`].
unsafe fn start_next<T: Operations>(file: &Arc<File<T>>) -> Next {
    // SAFETY: The caller's promise.
    let Some(job) = (unsafe { Job::next(file) }) else {
        return Next::None;
    };
    let _starting = file.starting.lock();
    // SAFETY: The source is the job's alone.
    let mut ticket = unsafe { Slot::<T>::take(job.source) };
    let prepared = ticket.as_mut().and_then(|t| t.as_mut().take_prepared());
    let (moment, started) = file.context.run(job, prepared);
    // The engine is at work: now there is time for the rest.
    if let Some(mut ticket) = ticket {
        ticket.as_mut().set_in_effect(moment);
        File::settle_soon(file, ticket);
    }
    match started {
        Ok(()) => Next::Started,
        Err(job) => Next::Refused(job),
    }
}

/// A frame of some open file, whose job runs.
///
/// # Invariants
///
/// - `ctx` is valid while `file` is held, and until the frame has ended it is the one that its
///   device runs.
/// - `source` and `destination` are the first buffers of its two lists until then.
pub(crate) struct Job {
    ctx: *mut bindings::v4l2_m2m_ctx,
    source: *mut bindings::vb2_v4l2_buffer,
    destination: *mut bindings::vb2_v4l2_buffer,
    ready: Instant<Monotonic>,
    ended: bool,
    file: Arc<dyn Client>,
}

// SAFETY: mem2mem lets a job be ended from any thread; its buffers are the job's
// alone.
unsafe impl Send for Job {}

impl Job {
    /// The next frame of the job of `file`, if it has one.
    ///
    /// # Safety
    ///
    /// As for [`Client::go_on`].
    unsafe fn next<T: Operations>(file: &Arc<File<T>>) -> Option<Self> {
        let ctx = file.m2m_ctx();
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
        // SAFETY: What the lists of a running job start with is the job's alone.
        let (one, other) = unsafe {
            (
                Slot::<T>::handed_over(source),
                Slot::<T>::handed_over(destination),
            )
        };
        // INVARIANT: As above, and mem2mem takes none off while the job runs.
        Some(Self {
            ctx,
            source,
            destination,
            ready: if (one - other).is_negative() {
                other
            } else {
                one
            },
            ended: false,
            file: file.clone(),
        })
    }

    /// The frame to read.
    pub(crate) fn source(&self) -> &Buffer {
        // SAFETY: By the type invariant the buffer is the job's.
        unsafe { Buffer::from_raw(self.source) }
    }

    /// The frame to write.
    pub(crate) fn destination(&self) -> &Buffer {
        // SAFETY: By the type invariant the buffer is the job's.
        unsafe { Buffer::from_raw(self.destination) }
    }

    /// When the later one of its buffers was handed to the driver.
    pub(crate) fn ready(&self) -> Instant<Monotonic> {
        self.ready
    }

    /// Hands timestamp, timecode and field from the source to the destination.
    pub(crate) fn copy_metadata(&self) {
        // SAFETY: By the type invariant both buffers are the job's.
        unsafe {
            bindings::v4l2_m2m_buf_copy_metadata(self.source, self.destination);
        }
    }

    /// Ends the frame: starts what comes next, in the calling thread; does what is to be done
    /// `meanwhile`; and gives the buffers back to userspace. May sleep.
    pub(crate) fn finish(mut self, state: State, meanwhile: impl FnOnce()) {
        self.ended = true;
        // SAFETY: By the type invariant the context is valid and runs, and these are the first
        // buffers of its lists.
        let next = unsafe {
            bindings::helper_v4l2_m2m_src_buf_remove(self.ctx);
            bindings::helper_v4l2_m2m_dst_buf_remove(self.ctx);
            self.file.go_on()
        };
        // From the end of its job on, this keeps the stream from being stopped.
        let handing_back = matches!(next, Next::None).then(|| self.file.handing_back().lock());
        if handing_back.is_some() {
            // SAFETY: By the type invariant the context and its device are valid, and this is the
            // job that the device runs.
            unsafe {
                bindings::v4l2_m2m_job_finish((*self.ctx).m2m_dev, self.ctx);
                bindings::v4l2_m2m_try_schedule(self.ctx);
            }
        }
        meanwhile();
        // The CAPTURE buffer goes back first, so that who waits for the request finds it done.
        for buffer in [self.destination, self.source] {
            // SAFETY: It is on no list any more, and so nobody else's. Its stream is not stopped
            // while its job runs or the lock is held.
            unsafe { bindings::vb2_buffer_done(&raw mut (*buffer).vb2_buf, state.into_raw()) };
        }
        drop(handing_back);
        if let Next::Refused(job) = next {
            drop(job);
        }
    }
}

impl Drop for Job {
    /// A frame that nobody finished has failed, and its job is over. The next one is started by
    /// mem2mem's worker: the drop may happen where that job's start would be nested in this
    /// one's.
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: By the type invariant the context and its device are valid, and this is
            // the job that the device runs.
            unsafe {
                bindings::v4l2_m2m_buf_done_and_job_finish(
                    (*self.ctx).m2m_dev,
                    self.ctx,
                    State::Error.into_raw(),
                );
            }
        }
    }
}

/// mem2mem's `device_run` for `T`.
///
/// # Safety
///
/// To be called by mem2mem only.
pub(super) unsafe extern "C" fn device_run<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave it, and the file is not
    // released before the job has ended.
    let file = unsafe { File::<T>::reference(context) };
    // SAFETY: mem2mem has started the file's job just now, which has no frame yet.
    match unsafe { start_next(&file) } {
        Next::Started => {}
        Next::Refused(job) => drop(job),
        // mem2mem starts no job of a file that lacks a buffer.
        Next::None => {
            let ctx = file.m2m_ctx();
            // SAFETY: The context and its device are valid, and this is the job that it runs.
            unsafe { bindings::v4l2_m2m_job_finish((*ctx).m2m_dev, ctx) };
        }
    }
}

/// mem2mem's `job_abort` for `T`: the file's job is to end with the frame that is at work.
///
/// # Safety
///
/// To be called by mem2mem only.
pub(super) unsafe extern "C" fn job_abort<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave it, and the file is not
    // released before the job has ended.
    unsafe { File::<T>::reference(context) }.set_stopping();
}
