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

/// The handler of a [`Timer`].
pub(crate) trait Expire: Send + Sync + 'static {
    /// Handles the expiry of the timer. It runs in hard interrupt context on every kernel: it must
    /// not sleep, and must not take a `SpinLock`, which sleeps on PREEMPT_RT.
    ///
    /// Returns the time after which the timer expires again, or [`None`] if it does not.
    fn expire(&self, device: &Device<Bound>) -> Option<Delta>;
}

/// A timer with its handler, for a device.
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
    /// Creates a timer that does not run. It is stopped for good when `device` is unbound, after
    /// what is registered with `device` later was undone, and before what was registered earlier is
    /// undone.
    pub(crate) fn new(device: &Device<Bound>, handler: T) -> Result<Arc<Self>> {
        let this = Arc::pin_init(
            pin_init!(Self {
                timer <- HrTimer::new(),
                // INVARIANT: The device is bound until `end` has set `stopped`.
                stopped: Atomic::new(false),
                handler,
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        binding::at_end(device, this.clone())?;
        Ok(this)
    }

    /// Makes the timer expire after the time `after` from now, and not at the time that was set
    /// before. It does nothing when the device is unbound. The timer's own handler must not call
    /// this.
    pub(crate) fn arm(this: &Arc<Self>, after: Delta) {
        this.start(after);
        // Pairs with the barrier in `end`: either `end` finds the timer queued and cancels it, or
        // this finds `stopped` set.
        smp_mb(Full);
        if this.stopped.load(Relaxed) {
            this.cancel();
        }
    }

    fn start(&self, after: Delta) {
        // SAFETY: `self` is valid until the timer is cancelled: by `end`, which holds a reference,
        // or by `arm`, whose caller holds one.
        unsafe { <Self as HasHrTimer<Self>>::start(self, after) };
    }

    /// Stops the timer. When this returns, its handler does not run.
    fn cancel(&self) {
        // SAFETY: `self` is valid, and its timer is initialised.
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
            // SAFETY: By the type invariant the device is bound, and `end` waits for this handler
            // before the device is unbound.
            let device = unsafe { this.device.as_bound() };
            if let Some(more) = this.handler.expire(device) {
                // Another thread may have called `arm` meanwhile, and the expiry of a queued timer
                // must not be changed for `HrTimerRestart::Restart`. `start` replaces that thread's
                // time, so `expire` may be called earlier than `arm` asked.
                this.start(more);
            }
        }
        HrTimerRestart::NoRestart
    }
}
