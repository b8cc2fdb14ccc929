// SPDX-License-Identifier: GPL-2.0

//! Work that a thread does after some time, and that is cancelled when its device is unbound. The
//! kernel crate cannot cancel such work, which might run after the module is unloaded.

use super::{
    binding::{
        self,
        Ends, //
    },
    workers, //
};
use core::ptr;
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc,
    time::{
        msecs_to_jiffies,
        Msecs, //
    },
    workqueue::{
        impl_has_delayed_work,
        new_delayed_work,
        DelayedWork,
        WorkItem, //
    }, //
};

/// What a [`Delayed`] does.
pub(crate) trait Work: Send + Sync + 'static {
    /// Does the work, in a thread that may sleep.
    fn work(&self);
}

/// Work for a device.
///
/// # Invariants
///
/// The value is in an [`Arc`]. While `work` is pending, it owns a reference to that.
#[pin_data]
pub(crate) struct Delayed<T: Work> {
    #[pin]
    work: DelayedWork<Self>,
    what: T,
}

impl_has_delayed_work! {
    impl{T: Work} HasDelayedWork<Self> for Delayed<T> { self.work }
}

impl<T: Work> Delayed<T> {
    /// Creates the work. It is cancelled for good when `device` is unbound, after what is
    /// registered with `device` later was undone, and before what was registered earlier is undone.
    pub(crate) fn new(device: &Device<Bound>, what: T) -> Result<Arc<Self>> {
        // INVARIANT: The work is not pending.
        let this = Arc::pin_init(
            pin_init!(Self {
                work <- new_delayed_work!("Delayed::work"),
                what,
            }),
            GFP_KERNEL,
        )?;
        binding::at_end(device, this.clone())?;
        Ok(this)
    }

    /// Does the work in `after` milliseconds. It does nothing if the work is pending, or when the
    /// device is unbound. The work itself may call this.
    pub(crate) fn start(this: &Arc<Self>, after: Msecs) {
        // An error means that the work is pending or disabled.
        let _ = workers::any().enqueue_delayed(this.clone(), msecs_to_jiffies(after));
    }
}

impl<T: Work> Ends for Delayed<T> {
    /// Disables the work for good, and waits for it if it is being done.
    fn end(&self) {
        // SAFETY: The work is initialised, and a `struct delayed_work`.
        let was_pending = unsafe {
            bindings::disable_delayed_work_sync(
                DelayedWork::raw_as_work(&raw const self.work).cast::<bindings::delayed_work>(),
            )
        };
        if was_pending {
            // SAFETY: By the type invariant `self` is in an `Arc`, and the pending work owned this
            // reference, which nothing takes over any more.
            drop(unsafe { Arc::from_raw(ptr::from_ref(self)) });
        }
    }
}

impl<T: Work> WorkItem for Delayed<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.what.work();
    }
}
