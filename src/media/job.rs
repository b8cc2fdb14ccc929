// SPDX-License-Identifier: GPL-2.0

//! One mem2mem job: a pair of buffers that the device is to process. It is made
//! when mem2mem starts it and ended exactly once: [`Job::finish`] takes it by
//! value, and dropping it ends it as failed.

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
use kernel::{
    ffi::c_void,
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Something that only has to stay alive.
trait Keep: Send + Sync {}

impl<T: Operations> Keep for File<T> {}

/// A running job of some open file.
///
/// # Invariants
///
/// - `ctx` is valid while `_file` is held, and it is the one that its device runs
///   until [`Job::end`] is called.
/// - `source` and `destination` are the first buffers of its two lists until then.
pub(crate) struct Job {
    ctx: *mut bindings::v4l2_m2m_ctx,
    source: *mut bindings::vb2_v4l2_buffer,
    destination: *mut bindings::vb2_v4l2_buffer,
    ready: Instant<Monotonic>,
    ended: bool,
    _file: Arc<dyn Keep>,
}

// SAFETY: mem2mem lets a job be ended from any thread; its buffers are the job's
// alone.
unsafe impl Send for Job {}

impl Job {
    /// Takes on the job that mem2mem just started for `T`'s open file `context`.
    ///
    /// # Safety
    ///
    /// To be called by mem2mem's `device_run`, once, with the pointer it got.
    unsafe fn new<T: Operations>(context: *mut c_void) -> (Arc<File<T>>, Self) {
        // SAFETY: A file is not released before its running job has ended.
        let file = unsafe { File::<T>::reference(context) };
        let ctx = file.m2m_ctx();
        // SAFETY: The file has its mem2mem context.
        let source = unsafe { bindings::helper_v4l2_m2m_next_src_buf(ctx) };
        // SAFETY: As above.
        let destination = unsafe { bindings::helper_v4l2_m2m_next_dst_buf(ctx) };
        // SAFETY: mem2mem starts a job only when both lists have a buffer, and these are the
        // job's alone.
        let (one, other) = unsafe {
            (
                Slot::<T>::handed_over(source),
                Slot::<T>::handed_over(destination),
            )
        };
        // INVARIANT: As above, and mem2mem takes none off while the job runs.
        let job = Self {
            ctx,
            source,
            destination,
            ready: if (one - other).is_negative() {
                other
            } else {
                one
            },
            ended: false,
            _file: file.clone(),
        };
        (file, job)
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

    /// Ends the job, gives both buffers back, and starts the device's next job in
    /// the calling thread. May sleep.
    pub(crate) fn finish(mut self, state: State) {
        self.end(state);
        // SAFETY: `ctx` is valid by the type invariant.
        unsafe { bindings::v4l2_m2m_try_schedule(self.ctx) };
    }

    fn end(&mut self, state: State) {
        self.ended = true;
        // The CAPTURE buffer goes back first, so that who waits for the request finds
        // it done.
        // SAFETY: By the type invariant the context and its device are valid, and this
        // is the job that the device runs.
        unsafe {
            bindings::v4l2_m2m_buf_done_and_job_finish(
                (*self.ctx).m2m_dev,
                self.ctx,
                state.into_raw(),
            );
        }
    }
}

impl Drop for Job {
    /// A job that nobody finished has failed. The next one is started by mem2mem's
    /// worker: the drop may happen where that job's start would be nested in this
    /// one's.
    fn drop(&mut self) {
        if !self.ended {
            self.end(State::Error);
        }
    }
}

/// mem2mem's `device_run` for `T`.
///
/// # Safety
///
/// To be called by mem2mem only.
pub(super) unsafe extern "C" fn device_run<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this once for each job, with the pointer that
    // `Queues::new` gave it.
    let (file, job) = unsafe { Job::new::<T>(context) };
    let _starting = file.starting.lock();
    // SAFETY: The source is the job's alone.
    let mut ticket = unsafe { Slot::<T>::take(job.source) };
    let prepared = ticket.as_mut().and_then(|t| t.as_mut().take_prepared());
    let moment = file.context.run(job, prepared);
    // The engine is at work: now there is time for the rest.
    if let Some(mut ticket) = ticket {
        ticket.as_mut().set_in_effect(moment);
        File::settle_soon(&file, ticket);
    }
}
