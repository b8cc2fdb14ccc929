// SPDX-License-Identifier: GPL-2.0

//! A timer that expires in hard interrupt context on every kernel, and is stopped when its
//! device is unbound.

use super::binding::{
    self,
    Ends, //
};
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    impl_has_hr_timer,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full,
            Relaxed,
            Release, //
        },
        barrier::smp_mb,
        Arc,
        ArcBorrow, //
    },
    time::{
        hrtimer::{
            HasHrTimer,
            HrTimer,
            HrTimerCallback,
            HrTimerCallbackContext,
            HrTimerRestart,
            RelativeHardMode, //
        },
        Delta,
        Monotonic, //
    }, //
};

/// What a [`Timer`] does.
pub(crate) trait Expire: Send + Sync + 'static {
    /// The time is up. In hard interrupt context on every kernel, where nothing may sleep and on
    /// PREEMPT_RT no lock be taken.
    ///
    /// Returns how much longer to wait, if that is to be said again.
    fn expire(&self, device: &Device<Bound>) -> Option<Delta>;
}

/// A timer.
///
/// # Invariants
///
/// Until `stopped` is true, `device` is bound.
#[pin_data]
pub(crate) struct Timer<T: Expire> {
    #[pin]
    timer: HrTimer<Self>,
    stopped: Atomic<bool>,
    handler: T,
    device: ARef<Device>,
}

impl_has_hr_timer! {
    impl{T: Expire} HasHrTimer<Self> for Timer<T> {
        mode: RelativeHardMode<Monotonic>, field: self.timer
    }
}

impl<T: Expire> Timer<T> {
    /// A timer that does not run. It is stopped for good when `device` is unbound: after what is
    /// registered with `device` later was undone, and before what was registered earlier is.
    pub(crate) fn new(device: &Device<Bound>, handler: T) -> Result<Arc<Self>> {
        let this = Arc::pin_init(
            pin_init!(Self {
                timer <- HrTimer::new(),
                // INVARIANT: The device is bound until the end, which says so.
                stopped: Atomic::new(false),
                handler,
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        binding::at_end(device, this.clone())?;
        Ok(this)
    }

    /// Has the timer expire that much later from now, and no more when it was said before. Does
    /// nothing when the device is unbound. Not for the timer's own handler.
    pub(crate) fn arm(this: &Arc<Self>, after: Delta) {
        this.start(after);
        // Either the end finds the timer running, or is found to have stopped it before.
        smp_mb(Full);
        if this.stopped.load(Relaxed) {
            this.cancel();
        }
    }

    fn start(&self, after: Delta) {
        // SAFETY: This is valid until the timer is cancelled: at the end, which refers to it, or by
        // `arm`, whose caller does.
        unsafe { <Self as HasHrTimer<Self>>::start(self, after) };
    }

    /// Stops the timer. When this returns its handler does not run.
    fn cancel(&self) {
        // SAFETY: This is valid, and its timer initialised.
        unsafe {
            bindings::hrtimer_cancel(<Self as HasHrTimer<Self>>::c_timer_ptr(self).cast_mut())
        };
    }
}

impl<T: Expire> Ends for Timer<T> {
    fn end(&self) {
        self.stopped.store(true, Release);
        smp_mb(Full);
        self.cancel();
    }
}

impl<T: Expire> HrTimerCallback for Timer<T> {
    type Pointer<'a> = Arc<Self>;

    fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart {
        if !this.stopped.load(Acquire) {
            // SAFETY: By the type invariant the device is bound, and its end waits for this.
            let device = unsafe { this.device.as_bound() };
            if let Some(more) = this.handler.expire(device) {
                // Not by the return value: somebody may have armed the timer meanwhile.
                this.start(more);
            }
        }
        HrTimerRestart::NoRestart
    }
}
