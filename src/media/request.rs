// SPDX-License-Identifier: GPL-2.0

//! Media requests: a frame together with the controls that it is processed with.
//!
//! V4L2 has two calls for a request's controls. `v4l2_ctrl_request_setup` makes them the current
//! controls of the file. `v4l2_ctrl_request_complete` completes the request's object for them, with
//! the values of all controls. Both take the lock of the controls, which an ioctl holds while it
//! waits for pages of userspace. The start of a frame and unbinding must not wait for that, so they
//! make neither call. A request is settled when both calls are made for it:
//!
//! ```text
//!   MEDIA_REQUEST_IOC_QUEUE  validate: the driver prepares the controls, and a Ticket is stored at
//!                            the buffer; queue: the Ticket becomes an object of the request
//!   the frame starts         it has the prepared controls; the Ticket goes to the Settlement
//!   the frame is dropped     the Ticket goes to the Settlement, without the controls
//!   an ioctl that reads or   settle: for each Ticket both calls, or the second one if the controls
//!   sets controls, returns a took no effect
//!   buffer or stops a stream;
//!   a worker; close
//! ```
//!
//! A request is complete when its Ticket, its controls and its buffer are. It may be settled while
//! its frame still runs.

use super::{
    bindings,
    control::Handler,
    order::Order, //
};
use core::{
    mem,
    slice, //
};
use kernel::{
    container_of,
    ffi::c_void,
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex,
        SpinLock, //
    },
    time::{
        Instant,
        Monotonic, //
    },
    types::Opaque, //
};

/// The controls of a request that is being validated.
///
/// # Invariants
///
/// `raw` is null, or a request's handler to which this holds a reference. The handler does not
/// change, because the request is being validated and the lock of its file's queues is held.
pub(crate) struct Controls<'a> {
    raw: *mut bindings::v4l2_ctrl_handler,
    /// The controls of the file.
    of_file: &'a Handler,
}

impl<'a> Controls<'a> {
    /// Returns the controls that `request` has for the file of `controls`.
    ///
    /// # Safety
    ///
    /// `request` must be valid and in the state `MEDIA_REQUEST_STATE_VALIDATING` until the result
    /// is dropped. The caller must hold the lock of the queues of the file of `controls` until
    /// then.
    pub(super) unsafe fn of(request: *mut bindings::media_request, controls: &'a Handler) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: Both are valid.
            raw: unsafe { bindings::v4l2_ctrl_request_hdl_find(request, controls.as_raw()) },
            of_file: controls,
        }
    }

    fn find(&self, id: u32) -> Option<&bindings::v4l2_ctrl_ref> {
        if self.raw.is_null() {
            return None;
        }
        // SAFETY: By the type invariant the handler is valid. Its entries are not removed, and not
        // written: V4L2 sets values only in a request that is not being validated, and
        // `Dimensions::set` changes them only while `VIDIOC_S_FMT` holds the lock of the queues,
        // which by the type invariant is held here.
        unsafe { bindings::helper_v4l2_ctrl_request_find(self.raw, id).as_ref() }
    }

    /// Returns whether the request sets the control with identifier `id`.
    pub(super) fn has(&self, id: u32) -> bool {
        self.find(id).is_some()
    }

    /// Returns the elements of the array control, row by row; [`None`] if the request does not set
    /// it.
    ///
    /// Fails with `ENOMEM` if V4L2 had no memory for the elements, and with `EINVAL` if the
    /// control's dimensions have changed since its elements were set, or if it is no array.
    pub(crate) fn array(&self, id: u32) -> Result<Option<&[u32]>> {
        if !self.of_file.is_array(id) {
            return Err(EINVAL);
        }
        let Some(value) = self.find(id) else {
            return Ok(None);
        };
        if !value.p_req_valid {
            return Err(ENOMEM);
        }
        // SAFETY: The control is one of the file's, which live as long as the file.
        let elements = unsafe { (*value.ctrl).elems };
        // `helper_v4l2_ctrl_modify_dimensions` sets `p_req_elems` to 0 when the dimensions change,
        // even if the number of elements stays the same.
        if value.p_req_elems != elements {
            return Err(EINVAL);
        }
        // SAFETY: The request's value has that many elements, which by the type invariant do not
        // change.
        Ok(Some(unsafe {
            // CAST: `usize` is at least 32 bits wide.
            slice::from_raw_parts(value.p_req.p_u32.cast_const(), elements as usize)
        }))
    }

    /// Returns the value of a control with one value; [`None`] if the request does not set it, or
    /// if the control is an array.
    pub(crate) fn number(&self, id: u32) -> Option<i32> {
        let value = self.find(id)?;
        let is_number = value.p_req_valid && !self.of_file.is_array(id);
        // SAFETY: The request's value is valid, and the control is not an array.
        is_number.then(|| unsafe { *value.p_req.p_s32 })
    }
}

impl Drop for Controls<'_> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this holds a reference; the function accepts null.
        unsafe { bindings::helper_v4l2_ctrl_request_hdl_put(self.raw) };
    }
}

/// The driver's data of a queued request: the prepared controls (`P`), and an object of the
/// request. The media core completes a request when all its objects are complete, so the request is
/// not complete before the ticket is settled.
#[pin_data]
pub(super) struct Ticket<P> {
    #[pin]
    object: Opaque<bindings::media_request_object>,
    prepared: Option<P>,
    /// The controls that the request sets: bit n is the n-th of the driver's list.
    controls: u32,
    /// The number of the change in [`Order`] by which the controls took effect, if they did.
    in_effect: Option<u64>,
    /// The rest of the list that the ticket is in, see [`Waiting`].
    rest: Option<Pin<KBox<Self>>>,
}

// SAFETY: The request that the object belongs to has its own lock.
unsafe impl<P: Send> Send for Ticket<P> {}

impl<P> Ticket<P> {
    const OBJECT_OPS: bindings::media_request_object_ops = bindings::media_request_object_ops {
        prepare: None,
        unprepare: None,
        queue: None,
        unbind: None,
        release: Some(Self::release),
    };

    /// Creates a ticket with the prepared controls. Bit n of `controls` is set if the request sets
    /// the n-th control of the driver's list, counted from 0.
    pub(super) fn new(prepared: P, controls: u32) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                // SAFETY: The memory is valid for writes, and pinned.
                object <- Opaque::ffi_init(|object: *mut bindings::media_request_object| unsafe {
                    object.write_bytes(0, 1);
                    bindings::media_request_object_init(object);
                }),
                prepared: Some(prepared),
                controls,
                in_effect: None,
                rest: None,
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Passes the prepared controls to `apply`, and notes that they take effect with the frame that
    /// starts now.
    pub(super) fn apply(
        self: Pin<&mut Self>,
        order: &mut Order,
        apply: impl FnOnce(P) -> Result,
    ) -> Result {
        let this = self.project();
        if let Some(prepared) = this.prepared.take() {
            apply(prepared)?;
            *this.in_effect = Some(order.note_all(*this.controls));
        }
        Ok(())
    }

    /// Makes the ticket an object of `request`, which is being queued. `owner` is the request's
    /// file.
    ///
    /// # Safety
    ///
    /// `request` must be valid and queued, and none of its buffers given to the driver yet. The
    /// ticket must not be bound yet, and must not be freed by other code than [`Self::settle`],
    /// which gives it to the media core.
    pub(super) unsafe fn bind(&self, request: *mut bindings::media_request, owner: *mut c_void) {
        // It fails only if the request is neither being changed nor queued. If it does, the ticket
        // is no object of the request, and `settle` frees it.
        // SAFETY: By the safety requirements both are valid, and the object stays valid.
        unsafe {
            bindings::media_request_object_bind(
                request,
                &Self::OBJECT_OPS,
                owner,
                false,
                self.object.get(),
            );
        }
    }

    /// Drops the prepared controls, for a request whose frame is not started.
    pub(super) fn discard(self: Pin<&mut Self>) {
        drop(self.project().prepared.take());
    }

    /// Frees the ticket when the media core drops its last reference to the object.
    ///
    /// # Safety
    ///
    /// Only the media core may call this, for an object whose ticket [`Self::settle`] gave to it.
    unsafe extern "C" fn release(object: *mut bindings::media_request_object) {
        // SAFETY: The object is a field of a `Ticket<P>`, which `settle` took out of its box.
        drop(unsafe {
            let this: *const Self = container_of!(Opaque::cast_from(object), Self, object);
            KBox::from_raw(this.cast_mut())
        });
    }

    /// Makes the request's controls the current ones of its file for V4L2 if they took effect, and
    /// completes the request's objects for the controls and for this ticket. It may wait for pages
    /// of userspace.
    fn settle(self: Pin<KBox<Self>>, controls: &Handler, settlement: &Settlement<P>) {
        let in_effect = self.in_effect;
        let object = self.object.get();
        // SAFETY: The object is valid.
        let request = unsafe { (*object).req };
        if request.is_null() {
            // The ticket is not bound, so it is freed here.
            return;
        }
        let controls = controls.as_raw();
        // From here on the media core owns the ticket.
        // SAFETY: The ticket is not moved.
        let _ = KBox::into_raw(unsafe { Pin::into_inner_unchecked(self) });
        if let Some(change) = in_effect {
            // An error is ignored: the frame has the controls in any case.
            // SAFETY: The request has an incomplete object, so it is queued and valid.
            settlement.during_setup(change, || unsafe {
                bindings::v4l2_ctrl_request_setup(request, controls);
            });
        }
        // SAFETY: The request is queued and valid until its last object is complete. Unbinding the
        // object may complete it.
        unsafe {
            bindings::v4l2_ctrl_request_complete(request, controls);
            bindings::media_request_object_unbind(object);
            bindings::media_request_object_put(object);
        }
    }
}

/// A list of tickets to settle. The latest is the first of the list.
struct Waiting<P> {
    latest: Option<Pin<KBox<Ticket<P>>>>,
}

impl<P> Waiting<P> {
    /// Creates an empty list.
    const fn new() -> Self {
        Self { latest: None }
    }

    /// Settles all of them, in the order in which they were pushed.
    fn settle(mut self, controls: &Handler, settlement: &Settlement<P>) {
        // The same list, with the earliest first.
        let mut earliest = None;
        while let Some(mut ticket) = self.latest {
            self.latest = mem::replace(ticket.as_mut().project().rest, earliest);
            earliest = Some(ticket);
        }
        while let Some(mut ticket) = earliest {
            earliest = ticket.as_mut().project().rest.take();
            ticket.settle(controls, settlement);
        }
    }
}

/// The tickets of a file's requests whose frames have started or were dropped, until they are
/// settled.
#[pin_data]
pub(super) struct Settlement<P> {
    #[pin]
    waiting: SpinLock<Waiting<P>>,
    /// Held by the thread that settles. The lock of the controls is taken after it.
    #[pin]
    settling: Mutex<()>,
    /// The PID of that thread while it calls `v4l2_ctrl_request_setup`; else 0. A thread that finds
    /// its own PID here has stored it and `setup_change` itself, so no order is needed.
    setup_pid: Atomic<i32>,
    /// The number of the change by which the controls of that call took effect.
    setup_change: Atomic<u64>,
    /// Whether the file ever had a request. If not, no thread has to settle.
    had_request: Atomic<bool>,
}

impl<P> Settlement<P> {
    /// Creates a settlement without tickets.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            waiting <- new_spinlock!(Waiting::new(), "Settlement::waiting"),
            settling <- new_mutex!((), "Settlement::settling"),
            setup_pid: Atomic::new(0),
            setup_change: Atomic::new(0),
            had_request: Atomic::new(false),
        })
    }

    /// Notes that the file has a request.
    pub(super) fn note_request(&self) {
        self.had_request.store(true, Relaxed);
    }

    /// Returns whether the file ever had a request, so that there may be a ticket to settle.
    pub(super) fn had_request(&self) -> bool {
        self.had_request.load(Relaxed)
    }

    /// Adds a ticket to settle.
    pub(super) fn push(&self, mut ticket: Pin<KBox<Ticket<P>>>) {
        let mut waiting = self.waiting.lock();
        *ticket.as_mut().project().rest = waiting.latest.take();
        waiting.latest = Some(ticket);
    }

    /// Settles all tickets with the file's `controls`, and calls `settled` afterwards if there were
    /// any. If another thread is settling, it first waits until that thread is done.
    pub(super) fn settle(&self, controls: &Handler, settled: impl FnOnce()) {
        let _settling = self.settling.lock();
        let all = mem::replace(&mut *self.waiting.lock(), Waiting::new());
        if all.latest.is_some() {
            all.settle(controls, self);
            settled();
        }
    }

    /// Runs `f`, in which V4L2 calls `s_ctrl` for controls that took effect by the change number
    /// `change`.
    fn during_setup(&self, change: u64, f: impl FnOnce()) {
        self.setup_change.store(change, Relaxed);
        self.setup_pid.store(kernel::current!().pid(), Relaxed);
        f();
        self.setup_pid.store(0, Relaxed);
    }

    /// Returns the number of the change if the current thread is in [`Settlement::during_setup`].
    /// `s_ctrl` tells a request's value by this from one that userspace sets.
    pub(super) fn setup_change(&self) -> Option<u64> {
        let is_setup = self.setup_pid.load(Relaxed) == kernel::current!().pid();
        is_setup.then(|| self.setup_change.load(Relaxed))
    }
}

/// The structure that vb2 allocates for each buffer: `buf_struct_size` is its size.
///
/// # Invariants
///
/// vb2 allocates it with zeroes. The ticket is [`None`] when vb2 frees it.
#[repr(C)]
pub(super) struct Slot<P> {
    buffer: bindings::v4l2_m2m_buffer,
    note: Note<P>,
}

/// The layer's data of a buffer. Only the code that has the buffer may access it: the request until
/// it is queued, then `buf_queue`, mem2mem's running job, or the code that drops the buffer.
pub(super) struct Note<P> {
    /// When the buffer was last given to the driver; 0 if never.
    pub(super) handed_over: Instant<Monotonic>,
    /// The ticket of the buffer's request, from the validation of the request until the frame
    /// starts or is dropped. Validating and dropping hold the media device's `req_queue_mutex`.
    /// From queueing until the frame starts, the buffer is in mem2mem's list.
    pub(super) ticket: Option<Pin<KBox<Ticket<P>>>>,
}

impl<P> Slot<P> {
    /// Returns the note of `buffer`.
    ///
    /// # Safety
    ///
    /// `buffer` must be a valid buffer of a queue whose `buf_struct_size` is that of `Self`. No
    /// other thread may access it during `'a`.
    pub(super) unsafe fn note<'a>(buffer: *mut bindings::vb2_v4l2_buffer) -> &'a mut Note<P> {
        // SAFETY: By the safety requirements; the buffer is the first field of `v4l2_m2m_buffer`,
        // which is the first field of `Self`. vb2 allocates zeroes, which are a valid note without
        // a ticket.
        unsafe { &mut (*buffer.cast::<Self>()).note }
    }
}
