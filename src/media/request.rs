// SPDX-License-Identifier: GPL-2.0

//! Media requests: a frame together with the controls that it is to be processed with.
//!
//! V4L2 has two calls for a request's controls: one makes them the file's current ones,
//! one completes them. Both take the lock of the controls, which an ioctl holds while it
//! waits for pages of userspace. So neither may stand in the way of a frame, or of unbinding:
//! what a request brings is prepared when it is queued, goes with its frame, and is settled
//! with V4L2 afterwards: by the thread that asks for the frame or for the controls, else by
//! a worker.

use super::{
    bindings,
    control::Handler, //
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

/// The controls that a request brings.
///
/// # Invariants
///
/// `raw` is null or a request's handler that is referred to, and that nobody changes: the
/// request is being validated, and the lock of its file's queues is held.
pub(crate) struct Controls {
    raw: *mut bindings::v4l2_ctrl_handler,
}

impl Controls {
    /// Those that `request` brings for the file of `controls`.
    ///
    /// # Safety
    ///
    /// `request` must be valid, and not leave the state of being validated before this is
    /// dropped. Until then the lock of the queues of the file of `controls` must be held.
    pub(super) unsafe fn of(request: *mut bindings::media_request, controls: &Handler) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            // SAFETY: Both are valid.
            raw: unsafe { bindings::v4l2_ctrl_request_hdl_find(request, controls.as_raw()) },
        }
    }

    fn find(&self, id: u32) -> Option<&bindings::v4l2_ctrl_ref> {
        if self.raw.is_null() {
            return None;
        }
        // SAFETY: By the type invariant the handler is valid. What is in it stays there, and is not
        // written to: a value is only set in a request that is not being validated, and is marked
        // by `Dimensions::set` only in `Operations::set_format`, with the lock held that is held here
        // by the type invariant.
        unsafe { bindings::helper_v4l2_ctrl_request_find(self.raw, id).as_ref() }
    }

    /// The elements of the array control, row by row; [`None`] if the request has none.
    ///
    /// `ENOMEM` if V4L2 had no memory for them, `EINVAL` if the control has had other
    /// dimensions since.
    pub(crate) fn array(&self, id: u32) -> Result<Option<&[u32]>> {
        let Some(value) = self.find(id) else {
            return Ok(None);
        };
        if !value.p_req_valid {
            return Err(ENOMEM);
        }
        // SAFETY: The control is one of the file's, which by the type invariant stay.
        let elements = unsafe { (*value.ctrl).elems };
        // `helper_v4l2_ctrl_modify_dimensions` makes it none for other dimensions of as many elements.
        if value.p_req_elems != elements {
            return Err(EINVAL);
        }
        // SAFETY: The request's value has that many elements, which by the type invariant
        // nobody changes.
        Ok(Some(unsafe {
            // CAST: `usize` is at least 32 bits wide.
            slice::from_raw_parts(value.p_req.p_u32.cast_const(), elements as usize)
        }))
    }

    /// The value of a control with one; [`None`] if the request has none, or the control is the array.
    pub(crate) fn number(&self, id: u32) -> Option<i32> {
        let value = self.find(id)?;
        // SAFETY: The control is one of the file's, which by the type invariant stay.
        let is_array = unsafe { (*value.ctrl).is_array() } != 0;
        // SAFETY: The request's value is there, and that of a control of one number.
        (value.p_req_valid && !is_array).then(|| unsafe { *value.p_req.p_s32 })
    }
}

impl Drop for Controls {
    fn drop(&mut self) {
        // SAFETY: By the type invariant it is referred to, or null, which is fine.
        unsafe { bindings::helper_v4l2_ctrl_request_hdl_put(self.raw) };
    }
}

/// A queued request, as its file sees it: what it brings, and one of its objects in the eyes
/// of the media core, which takes a request for complete when all its objects are. `P` is what the
/// driver prepared.
#[pin_data]
pub(super) struct Ticket<P> {
    #[pin]
    object: Opaque<bindings::media_request_object>,
    prepared: Option<P>,
    /// When the controls took effect, if they did.
    in_effect: Option<u64>,
    /// The one that is to be settled before, while both wait.
    earlier: Option<Pin<KBox<Self>>>,
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

    pub(super) fn new(prepared: P) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            pin_init!(Self {
                // SAFETY: The place is valid for writes, and stays where it is.
                object <- Opaque::ffi_init(|object: *mut bindings::media_request_object| unsafe {
                    object.write_bytes(0, 1);
                    bindings::media_request_object_init(object);
                }),
                prepared: Some(prepared),
                in_effect: None,
                earlier: None,
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Takes out what was prepared, for the frame that starts now.
    pub(super) fn take_prepared(self: Pin<&mut Self>) -> Option<P> {
        self.project().prepared.take()
    }

    /// Notes when the controls took effect with the frame, if they did.
    pub(super) fn set_in_effect(self: Pin<&mut Self>, moment: Option<u64>) {
        *self.project().in_effect = moment;
    }

    /// Makes it one of the objects of `request`, which is about to be queued. `owner` is the
    /// request's file.
    ///
    /// # Safety
    ///
    /// `request` must be valid and queued, none of its buffers yet the driver's, and the ticket not be
    /// bound. It must stay in place until it is settled, when the media core lets go of it.
    pub(super) unsafe fn bind(&self, request: *mut bindings::media_request, owner: *mut c_void) {
        // SAFETY: Both are valid by the caller's promise, and the object remains so.
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

    /// Drops what was prepared: there will be no frame.
    pub(super) fn give_up(self: Pin<&mut Self>) {
        drop(self.project().prepared.take());
    }

    /// The media core's last word on the object.
    ///
    /// # Safety
    ///
    /// To be called by the media core, for an object whose ticket was given up.
    unsafe extern "C" fn release(object: *mut bindings::media_request_object) {
        // SAFETY: The object is a field of a `Ticket<P>`, which came from a box.
        drop(unsafe {
            let this: *const Self = container_of!(Opaque::cast_from(object), Self, object);
            KBox::from_raw(this.cast_mut())
        });
    }

    /// Has V4L2 note what the request brought to the controls of its file, and completes the request.
    /// May wait for userspace.
    fn settle(self: Pin<KBox<Self>>, controls: &Handler, settlement: &Settlement<P>) {
        let in_effect = self.in_effect;
        let object = self.object.get();
        // SAFETY: The object is valid.
        let request = unsafe { (*object).req };
        if request.is_null() {
            // The request was never queued, so nobody else knows of this.
            return;
        }
        let controls = controls.as_raw();
        // From here on the media core owns it.
        // SAFETY: It is not moved.
        let _ = KBox::into_raw(unsafe { Pin::into_inner_unchecked(self) });
        if let Some(moment) = in_effect {
            // No error matters: the frame has its controls.
            // SAFETY: The request is queued, for it has an incomplete object. That also keeps
            // it valid.
            settlement.while_noting(moment, || unsafe {
                bindings::v4l2_ctrl_request_setup(request, controls);
            });
        }
        // SAFETY: As above. Taking the object out may complete the request.
        unsafe {
            bindings::v4l2_ctrl_request_complete(request, controls);
            bindings::media_request_object_unbind(object);
            bindings::media_request_object_put(object);
        }
    }
}

/// Tickets that wait to be settled.
struct Waiting<P> {
    latest: Option<Pin<KBox<Ticket<P>>>>,
}

impl<P> Waiting<P> {
    /// Creates an empty list.
    const fn new() -> Self {
        Self { latest: None }
    }

    /// Settles all, in the order in which they came.
    fn settle(mut self, controls: &Handler, settlement: &Settlement<P>) {
        let mut first = None;
        while let Some(mut ticket) = self.latest {
            self.latest = mem::replace(ticket.as_mut().project().earlier, first);
            first = Some(ticket);
        }
        while let Some(mut ticket) = first {
            first = ticket.as_mut().project().earlier.take();
            ticket.settle(controls, settlement);
        }
    }
}

/// The requests of a file whose frames have started or were given up, and what settles them.
#[pin_data]
pub(super) struct Settlement<P> {
    #[pin]
    waiting: SpinLock<Waiting<P>>,
    /// Held by the one thread that settles, until what it took is settled. The controls' lock
    /// is taken after it.
    #[pin]
    turn: Mutex<()>,
    /// That thread, while V4L2 makes a request's controls the current ones; 0 for none.
    noting: Atomic<i32>,
    /// When those took effect.
    moment: Atomic<u64>,
    /// Whether there has ever been a request: else nobody has to look.
    used: Atomic<bool>,
}

impl<P> Settlement<P> {
    /// Nothing to settle.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            waiting <- new_spinlock!(Waiting::new(), "Settlement::waiting"),
            turn <- new_mutex!((), "Settlement::turn"),
            noting: Atomic::new(0),
            moment: Atomic::new(0),
            used: Atomic::new(false),
        })
    }

    /// There is a request, from now on.
    pub(super) fn use_it(&self) {
        self.used.store(true, Relaxed);
    }

    /// Whether there may be anything to settle, now or when a frame that has started ends.
    pub(super) fn is_used(&self) -> bool {
        self.used.load(Relaxed)
    }

    /// Adds one that is to be settled.
    pub(super) fn push(&self, mut ticket: Pin<KBox<Ticket<P>>>) {
        let mut waiting = self.waiting.lock();
        *ticket.as_mut().project().earlier = waiting.latest.take();
        waiting.latest = Some(ticket);
    }

    /// Settles all with the file's `controls`, or waits until another thread has. Calls `settled`
    /// after that if there were any.
    pub(super) fn settle(&self, controls: &Handler, settled: impl FnOnce()) {
        let _turn = self.turn.lock();
        let all = mem::replace(&mut *self.waiting.lock(), Waiting::new());
        if all.latest.is_some() {
            all.settle(controls, self);
            settled();
        }
    }

    /// Runs `f`, in which V4L2 makes a request's controls the file's current ones, which they
    /// are in truth since `moment`.
    fn while_noting(&self, moment: u64, f: impl FnOnce()) {
        self.moment.store(moment, Relaxed);
        self.noting.store(kernel::current!().pid(), Relaxed);
        f();
        self.noting.store(0, Relaxed);
    }

    /// The moment, if this is called from [`Settlement::while_noting`].
    pub(super) fn noting(&self) -> Option<u64> {
        let noting = self.noting.load(Relaxed) == kernel::current!().pid();
        noting.then(|| self.moment.load(Relaxed))
    }
}

/// What vb2 allocates for each buffer.
///
/// # Invariants
///
/// All zeroes at first, and the ticket is [`None`] when vb2 frees it.
#[repr(C)]
pub(super) struct Slot<P> {
    buffer: bindings::v4l2_m2m_buffer,
    note: Note<P>,
}

/// What is noted of a buffer, for the one that has the buffer.
pub(super) struct Note<P> {
    /// When the buffer was last handed to the driver; zero for never, which is a moment as well.
    pub(super) handed_over: Instant<Monotonic>,
    /// There from the validation of the buffer's request until its frame starts or is given
    /// up. Each of these has the buffer for itself: the first and the last hold the mutex of
    /// the request queue, in between it is mem2mem's.
    pub(super) ticket: Option<Pin<KBox<Ticket<P>>>>,
}

impl<P> Slot<P> {
    /// What is noted of `buffer`.
    ///
    /// # Safety
    ///
    /// `buffer` must be a valid one of a queue whose buffers are `Self`, and the caller have it for
    /// itself for the time of `'a`.
    pub(super) unsafe fn note<'a>(buffer: *mut bindings::vb2_v4l2_buffer) -> &'a mut Note<P> {
        // SAFETY: The caller's promise; the buffer is the first field of those around it. vb2 allocates
        // zeroes, which are a note: a moment, and no ticket.
        unsafe { &mut (*buffer.cast::<Self>()).note }
    }
}
