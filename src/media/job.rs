// SPDX-License-Identifier: GPL-2.0

//! One frame of a mem2mem job: a pair of buffers that the device is to process. It ends exactly
//! once: [`Job::finish`] takes it by value, and dropping it ends it as failed.
//!
//! The engine is not kept waiting: what comes next starts before the buffers are handed back, and
//! without mem2mem's worker. As long as no other file streams that is the next frame of the same
//! job, for to mem2mem a job may be more than one frame. Otherwise it is another file's job.
//! Stopping a stream waits for its job, and for what is still being handed back after it.
//! [`HandBack`] sees to that, and that a file's buffers come back in their order.

use super::{
    bindings,
    buffer::{
        Buffer,
        State, //
    },
    hand_back::HandBack, //
};
use kernel::{
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// What became of the next frame of a job.
pub(super) enum Next {
    /// It is under way.
    Started,
    /// It could not be started.
    Refused(Job),
    /// There is none, or another file may come first: the job is over.
    None,
}

/// What a job needs of its open file, of whatever driver that is.
pub(super) trait Client: Send + Sync {
    /// Starts the next frame of its job, if there is one and no other file streams.
    ///
    /// # Safety
    ///
    /// The device must run the file's job, and the frame before be off mem2mem's lists.
    unsafe fn go_on(&self) -> Next;

    /// The file's hand-back.
    fn hand_back(&self) -> &HandBack<Job>;
}

/// A frame of some open file, whose job runs.
///
/// # Invariants
///
/// - `ctx` is valid while `file` is held, and until the frame has ended it is the one that its
///   device runs.
/// - `source` and `destination` are the first buffers of its two lists until then.
/// - `file` is the open file of `ctx`, and its hand-back is waited for before a stream of `ctx` is
///   stopped.
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
    /// A frame of the job of `file`, of two buffers of which the later one was handed to the driver at
    /// the moment `ready`.
    ///
    /// # Safety
    ///
    /// The pointers and `file` must be as the type invariants say.
    pub(super) unsafe fn new(
        ctx: *mut bindings::v4l2_m2m_ctx,
        (source, destination): (
            *mut bindings::vb2_v4l2_buffer,
            *mut bindings::vb2_v4l2_buffer,
        ),
        ready: Instant<Monotonic>,
        file: Arc<dyn Client>,
    ) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            ctx,
            source,
            destination,
            ready,
            ended: false,
            file,
        }
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
        let hand_back = self.file.hand_back();
        hand_back.during(|| {
            // SAFETY: By the type invariant the context is valid and runs, and these are the first
            // buffers of its lists.
            let next = unsafe {
                bindings::helper_v4l2_m2m_src_buf_remove(self.ctx);
                bindings::helper_v4l2_m2m_dst_buf_remove(self.ctx);
                self.file.go_on()
            };
            match next {
                Next::Started => {}
                Next::Refused(job) => hand_back.refuse(job),
                // SAFETY: By the type invariant the device runs the job, and both are valid as
                // long as the file is held.
                Next::None => unsafe {
                    bindings::v4l2_m2m_job_finish((*self.ctx).m2m_dev, self.ctx);
                    bindings::v4l2_m2m_try_schedule(self.ctx);
                },
            }
            meanwhile();
            // The CAPTURE buffer goes back first, so that who waits for the request finds it done.
            for buffer in [self.destination, self.source] {
                // SAFETY: It was taken off the lists and is nobody else's. By the type invariant
                // the stream is not stopped before this returns.
                unsafe { bindings::vb2_buffer_done(&raw mut (*buffer).vb2_buf, state.into_raw()) };
            }
        });
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
