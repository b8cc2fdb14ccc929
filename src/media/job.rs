// SPDX-License-Identifier: GPL-2.0

//! One frame of a mem2mem job: a pair of buffers that the device processes. It ends exactly once,
//! because [`Job::finish`] takes it by value, and dropping it ends it as failed.
//!
//! The next frame starts before the buffers of the last one are returned, and without mem2mem's
//! worker. While one file streams alone, or has frames left of its turn, it is the next frame of the
//! same mem2mem job, since a job may process several frames. Otherwise the job ends, and mem2mem
//! starts another file's job.
//!
//! A job may therefore be over before its buffers are returned. Stopping a stream waits for both.
//! [`HandBack`] provides that wait, and the order in which a file's buffers are returned.

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

/// What became of a frame that the driver was to start.
pub(crate) enum Run {
    /// The frame was started. [`Job::finish`] ends it.
    Started,
    /// The frame is over, and its buffers get this state: it could not be started, or it took no
    /// time.
    Ended(Job, State),
}

/// What became of the attempt to start the next frame of a job.
pub(super) enum Next {
    /// The frame was started.
    Started,
    /// The frame is over, and with it the job.
    Ended(Job),
    /// There is no frame, or another file waits for the device: the job is over.
    None,
}

/// What a job needs of its open file. It is a trait so that [`Job`] does not depend on the driver's
/// type.
pub(super) trait Client: Send + Sync {
    /// Starts the next frame of the file's job, if there is one and the job is to go on: no other
    /// file streams, or the job has not had all its frames.
    ///
    /// # Safety
    ///
    /// The device must run the file's job, and the buffers of the frame before must be removed from
    /// mem2mem's lists.
    unsafe fn go_on(&self) -> Next;

    /// Returns what orders the return of the file's buffers.
    fn hand_back(&self) -> &HandBack<Job>;
}

/// A frame of an open file whose mem2mem job runs.
///
/// # Invariants
///
/// - `ctx` is valid while `file` is held. Until the frame has ended, it is the context whose job
///   the device runs, and `source` and `destination` are the first buffers of its two lists.
/// - `file` is the open file of `ctx`. A stream of `ctx` is stopped only after
///   `file.hand_back().wait()`.
pub(crate) struct Job {
    ctx: *mut bindings::v4l2_m2m_ctx,
    source: *mut bindings::vb2_v4l2_buffer,
    destination: *mut bindings::vb2_v4l2_buffer,
    ready: Instant<Monotonic>,
    ended: bool,
    /// The state of the buffers if the job is dropped.
    state: State,
    file: Arc<dyn Client>,
}

// SAFETY: mem2mem allows any thread to end a job, and only the job accesses its buffers.
unsafe impl Send for Job {}

impl Job {
    /// Creates a frame of the job of `file`. `ready` is when the later one of its two buffers was
    /// given to the driver.
    ///
    /// # Safety
    ///
    /// The arguments must satisfy the type invariants.
    pub(super) unsafe fn new(
        ctx: *mut bindings::v4l2_m2m_ctx,
        (source, destination): (
            *mut bindings::vb2_v4l2_buffer,
            *mut bindings::vb2_v4l2_buffer,
        ),
        ready: Instant<Monotonic>,
        file: Arc<dyn Client>,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            ctx,
            source,
            destination,
            ready,
            ended: false,
            state: State::Error,
            file,
        }
    }

    /// Returns the buffer with the image to read.
    pub(crate) fn source(&self) -> &Buffer {
        // SAFETY: By the type invariant the buffer is the job's.
        unsafe { Buffer::from_raw(self.source) }
    }

    /// Returns the buffer for the image to write.
    pub(crate) fn destination(&self) -> &Buffer {
        // SAFETY: By the type invariant the buffer is the job's.
        unsafe { Buffer::from_raw(self.destination) }
    }

    /// Returns when the later one of its buffers was given to the driver.
    pub(crate) fn ready(&self) -> Instant<Monotonic> {
        self.ready
    }

    /// Numbers the two buffers, and copies timestamp, timecode and field from the source to the
    /// destination.
    pub(super) fn describe(&self, [source, destination]: [u32; 2]) {
        // SAFETY: By the type invariant both buffers are the job's.
        unsafe {
            (*self.source).sequence = source;
            (*self.destination).sequence = destination;
            bindings::v4l2_m2m_buf_copy_metadata(self.source, self.destination);
        }
    }

    /// Returns the frame, to be dropped where its buffers may be returned in the state `state`.
    pub(super) fn with_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Ends the frame: starts the next one in the calling thread, calls `meanwhile`, and returns
    /// the buffers to userspace. It may sleep.
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
                Next::Ended(job) => hand_back.end(job),
                // SAFETY: By the type invariant the device runs the job, and both are valid as
                // long as the file is held.
                Next::None => unsafe {
                    bindings::v4l2_m2m_job_finish((*self.ctx).m2m_dev, self.ctx);
                    bindings::v4l2_m2m_try_schedule(self.ctx);
                },
            }
            meanwhile();
            // The CAPTURE buffer is returned first, so that it is done when the request completes.
            for buffer in [self.destination, self.source] {
                // SAFETY: The buffer was removed from the lists, so only this function uses it. By
                // the type invariant the stream is not stopped before this returns.
                unsafe { bindings::vb2_buffer_done(&raw mut (*buffer).vb2_buf, state.into_raw()) };
            }
        });
    }
}

impl Drop for Job {
    /// Ends the frame, and its job: as failed, unless it was given another state. mem2mem's worker
    /// starts the next job: the frame may be dropped while it is being started, and the next start
    /// must not be nested in that.
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: By the type invariant the context and its device are valid, and this is
            // the job that the device runs.
            unsafe {
                bindings::v4l2_m2m_buf_done_and_job_finish(
                    (*self.ctx).m2m_dev,
                    self.ctx,
                    self.state.into_raw(),
                );
            }
        }
    }
}
