// SPDX-License-Identifier: GPL-2.0

//! One frame of a mem2mem job: a pair of buffers that the device processes. A [`Job`] ends exactly
//! once, because [`Job::finish`] takes it by value, and dropping it ends it as failed.
//!
//! [`Job::finish`] starts the next frame itself, before it returns the buffers of the last one, and
//! does not leave that to mem2mem's worker. The next frame belongs to the same mem2mem job if no
//! other file streams, or if the file has frames left of its turn (`Operations::frames_in_turn`).
//! Otherwise the mem2mem job ends, and mem2mem starts that of another file.
//!
//! So a mem2mem job may be over before its buffers are returned. Stopping a stream waits for the
//! end of the job and for the return of the buffers. [`BufferReturn`] provides that wait, and the
//! order in which a file's buffers are returned.

use super::{
    bindings,
    buffer::{
        Buffer,
        State, //
    },
    buffer_return::BufferReturn, //
};
use kernel::{
    sync::Arc,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// The result of `Operations::run`.
pub(crate) enum Run {
    /// The frame was started. [`Job::finish`] ends it.
    Started,
    /// The frame is over, and its buffers are returned in this state: it could not be started, or
    /// the device has no work that takes time.
    Ended(Job, State),
}

/// The result of [`Client::start_next`].
pub(super) enum Next {
    /// The frame was started.
    Started,
    /// The frame was over when [`Client::start_next`] returned, and with it the mem2mem job.
    /// Dropping it ends both.
    Ended(Job),
    /// No frame was started: the caller ends the mem2mem job.
    None,
}

/// The operations of an open file that a [`Job`] uses. It is a trait so that [`Job`] does not
/// depend on the driver's type.
pub(super) trait Client: Send + Sync {
    /// Starts the next frame of the file's job. It does not if a buffer is missing, the stream is
    /// being stopped or the device is paused; nor if the file has had all frames of its turn,
    /// unless it is the only one that streams and has the buffers of another turn.
    ///
    /// # Safety
    ///
    /// The device must run the file's job, and the buffers of the frame before must be removed from
    /// mem2mem's lists.
    unsafe fn start_next(&self) -> Next;

    /// Returns the file's [`BufferReturn`].
    fn buffer_return(&self) -> &BufferReturn<Job>;
}

/// A frame whose buffers belong to an open file. mem2mem runs the job of that file.
///
/// # Invariants
///
/// - `ctx` is valid while `file` is held. Until the frame has ended, the device runs the job of
///   `ctx`, `source` and `destination` are the first buffers of its two lists, and only this frame
///   accesses them.
/// - `file` is the open file of `ctx`. A stream of `ctx` is stopped only after
///   `file.buffer_return().wait()`.
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
        // SAFETY: By the type invariant the buffer is valid, and only this frame accesses it.
        unsafe { Buffer::from_raw(self.source) }
    }

    /// Returns the buffer for the image to write.
    pub(crate) fn destination(&self) -> &Buffer {
        // SAFETY: By the type invariant the buffer is valid, and only this frame accesses it.
        unsafe { Buffer::from_raw(self.destination) }
    }

    /// Returns when the later one of its buffers was given to the driver.
    pub(crate) fn ready(&self) -> Instant<Monotonic> {
        self.ready
    }

    /// Sets the sequence numbers of the two buffers, and copies timestamp, timecode and field from
    /// the source to the destination.
    pub(super) fn set_metadata(&self, [source, destination]: [u32; 2]) {
        // SAFETY: By the type invariant both buffers are valid, and only this frame accesses them.
        unsafe {
            (*self.source).sequence = source;
            (*self.destination).sequence = destination;
            bindings::v4l2_m2m_buf_copy_metadata(self.source, self.destination);
        }
    }

    /// Sets the state in which dropping this frame returns its buffers. The caller drops it when
    /// the buffers may be returned.
    pub(super) fn with_state(mut self, state: State) -> Self {
        self.state = state;
        self
    }

    /// Ends the frame: tries to start the next one in the calling thread, calls `after_start`, and
    /// returns the buffers to userspace. It may sleep.
    pub(crate) fn finish(mut self, state: State, after_start: impl FnOnce()) {
        self.ended = true;
        let buffer_return = self.file.buffer_return();
        buffer_return.during(|| {
            // SAFETY: By the type invariant the context is valid, the device runs its job, and
            // these are the first buffers of its lists.
            let next = unsafe {
                bindings::helper_v4l2_m2m_src_buf_remove(self.ctx);
                bindings::helper_v4l2_m2m_dst_buf_remove(self.ctx);
                self.file.start_next()
            };
            match next {
                Next::Started => {}
                Next::Ended(job) => buffer_return.end(job),
                // `v4l2_m2m_job_finish` leaves the next job to mem2mem's worker, and
                // `v4l2_m2m_try_schedule` starts it in this thread.
                // SAFETY: By the type invariant the device runs the job, and the context and its
                // device are valid as long as the file is held.
                Next::None => unsafe {
                    bindings::v4l2_m2m_job_finish((*self.ctx).m2m_dev, self.ctx);
                    bindings::v4l2_m2m_try_schedule(self.ctx);
                },
            }
            after_start();
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
    /// Ends the frame and its mem2mem job, as failed unless [`Job::with_state`] set another state.
    /// mem2mem's worker starts the next job: this may run inside the start of the frame, and starts
    /// must not be nested.
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
