// SPDX-License-Identifier: GPL-2.0

//! The order in which a file's buffers are returned, and the wait for them when a stream is
//! stopped.

use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    }, //
};

/// Orders the return of a file's buffers. The buffers of a frame are returned before those of the
/// next frame, although the next frame is started first. All buffers are returned before the file's
/// stream is stopped, although mem2mem's job may have ended before that.
///
/// `J` is a frame that is over without having run. Dropping it returns its buffers.
///
/// ```text
///   interrupt thread, during()          STREAMOFF, wait()
///   --------------------------          -----------------
///   lock returning, set busy
///     start the next frame  -- over --> end(): kept until busy is cleared
///     (or end the job)      ----------> mem2mem: no job runs
///     return the buffers                lock returning: blocks
///   clear busy, unlock      ----------> goes on
///   drop the kept frame
/// ```
#[pin_data]
pub(super) struct BufferReturn<J> {
    /// Held by [`Self::during`], from before the frame's job may end until its buffers are
    /// returned. The `starting` of a file is locked after it.
    #[pin]
    returning: Mutex<()>,
    #[pin]
    state: SpinLock<State<J>>,
}

/// Decides when a frame that is over without having run is dropped.
struct State<J> {
    /// Whether [`BufferReturn::during`] runs.
    busy: bool,
    /// The frame to drop after that. There is at most one, because its job runs until it is
    /// dropped.
    over: Option<J>,
}

impl<J: Unpin> BufferReturn<J> {
    /// Creates one for a file without a frame in flight.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            returning <- new_mutex!((), "BufferReturn::returning"),
            state <- new_spinlock!(State { busy: false, over: None }, "BufferReturn::state"),
        })
    }

    /// Waits until all buffers are returned. No job of the file may run, nor start during the call.
    pub(super) fn wait(&self) {
        drop(self.returning.lock());
    }

    /// Drops a frame that is over without having run: now, or after the buffers that are being
    /// returned.
    pub(super) fn end(&self, job: J) {
        let mut state = self.state.lock();
        let ends_now = if state.busy {
            state.over.replace(job)
        } else {
            Some(job)
        };
        drop(state);
        drop(ends_now);
    }

    /// Runs `work`, which starts the next frame and returns the buffers of the last one.
    pub(super) fn during(&self, work: impl FnOnce()) {
        let returning = self.returning.lock();
        self.state.lock().busy = true;
        work();
        let over = {
            let mut state = self.state.lock();
            state.busy = false;
            state.over.take()
        };
        drop(returning);
        drop(over);
    }
}
