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
    file::File,
    m2m::Operations,
    request::Slot, //
};
use core::ptr;
use kernel::{
    ffi::c_void,
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow,
        Mutex,
        SpinLock, //
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

    /// Its own.
    fn hand_back(&self) -> &HandBack;
}

impl<T: Operations> Client for File<T> {
    unsafe fn go_on(&self) -> Next {
        if !self.device.has_one_user() || self.is_stopping() {
            return Next::None;
        }
        // SAFETY: mem2mem knows the file by this pointer, and its job refers to it. The rest is
        // the caller's promise.
        unsafe { start_next(Self::borrow(ptr::from_ref(self).cast_mut().cast())) }
    }

    fn hand_back(&self) -> &HandBack {
        &self.hand_back
    }
}

/// How the buffers of a file's frames come back: in the order of the frames, although the next one
/// starts before; and before the file's stream is stopped, although its job may be over.
#[pin_data]
pub(super) struct HandBack {
    /// Held from before a frame's job may end until its buffers are back: by who starts frames
    /// meanwhile, of whatever file, and so taken before [`File::starting`].
    #[pin]
    turn: Mutex<()>,
    #[pin]
    state: SpinLock<HandBackState>,
}

/// What a frame that cannot be started has to know.
struct HandBackState {
    /// Whether buffers are being handed back.
    busy: bool,
    /// The frame that is to follow them. There is no other until it has ended: its job runs.
    refused: Option<Job>,
}

impl HandBack {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            turn <- new_mutex!((), "HandBack::turn"),
            state <- new_spinlock!(HandBackState { busy: false, refused: None }, "HandBack::state"),
        })
    }

    /// Waits until no buffers are being handed back. To be called when no job runs.
    pub(super) fn wait(&self) {
        drop(self.turn.lock());
    }

    /// Ends a frame that could not be started, when what is being handed back is back.
    fn refuse(&self, job: Job) {
        let mut state = self.state.lock();
        let ends_now = if state.busy {
            state.refused.replace(job)
        } else {
            Some(job)
        };
        drop(state);
        drop(ends_now);
    }

    /// Does what hands buffers back.
    fn during(&self, work: impl FnOnce()) {
        let turn = self.turn.lock();
        self.state.lock().busy = true;
        work();
        let refused = {
            let mut state = self.state.lock();
            state.busy = false;
            state.refused.take()
        };
        drop(turn);
        drop(refused);
    }
}

/// Starts the next frame of the job of `file`.
///
/// # Safety
///
/// As for [`Client::go_on`].
unsafe fn start_next<T: Operations>(file: ArcBorrow<'_, File<T>>) -> Next {
    // SAFETY: The caller's promise.
    let Some(job) = (unsafe { Job::next(file) }) else {
        return Next::None;
    };
    let _starting = file.starting.lock();
    // SAFETY: The source is the job's alone.
    let mut ticket = unsafe { Slot::<T>::take(job.source) };
    let prepared = ticket.as_mut().and_then(|t| t.as_mut().take_prepared());
    let (moment, started) = match file.device.binding().enter() {
        Some(bound) => file.context.run(&bound, job, prepared),
        None => (None, Err(job)),
    };
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
    unsafe fn next<T: Operations>(file: ArcBorrow<'_, File<T>>) -> Option<Self> {
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
            file: Arc::<File<T>>::from(file),
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
                // SAFETY: It was taken off the lists and is nobody else's. The stream is not
                // stopped before this returns.
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

/// mem2mem's `device_run` for `T`.
///
/// # Safety
///
/// To be called by mem2mem only.
pub(super) unsafe extern "C" fn device_run<T: Operations>(context: *mut c_void) {
    // SAFETY: mem2mem calls this with the pointer that `Queues::new` gave it, and the file is not
    // released before the job has ended. It may end before this does.
    let file = Arc::from(unsafe { File::<T>::borrow(context) });
    // SAFETY: mem2mem has started the file's job just now, which has no frame yet.
    match unsafe { start_next(file.as_arc_borrow()) } {
        Next::Started => {}
        Next::Refused(job) => file.hand_back.refuse(job),
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
    unsafe { File::<T>::borrow(context) }.set_stopping();
}
