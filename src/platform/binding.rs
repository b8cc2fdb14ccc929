// SPDX-License-Identifier: GPL-2.0

//! A device's binding to its driver, for code that may run when it is over: an
//! ioctl on a file that was opened before. A [`Guard`] is proof that it is not,
//! and holds it up; it must not be held while waiting for userspace.

use super::pm::as_raw;
use core::ops::Deref;
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    ffi::c_void,
    new_srcu,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        srcu::{
            self,
            Srcu, //
        },
        Arc, //
    },
    types::ForeignOwnable, //
};

/// Whether a device is bound still.
///
/// # Invariants
///
/// While `bound` is true to a reader of `readers`, `device` is bound.
#[pin_data]
pub(crate) struct Binding {
    #[pin]
    readers: Srcu,
    bound: Atomic<i32>,
    device: ARef<Device>,
}

impl Binding {
    /// The binding of `device`, which unbinding ends: after what is registered with
    /// `device` later was undone, and before what was registered earlier is.
    pub(crate) fn new(device: &Device<Bound>) -> Result<Arc<Self>> {
        let this = Arc::pin_init(
            try_pin_init!(Self {
                readers <- new_srcu!("Binding::readers"),
                // INVARIANT: `device` is bound until this was said to be over.
                bound: Atomic::new(1),
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        at_end(device, this.clone())?;
        Ok(this)
    }

    /// Ends the binding before that. When this returns, nobody has a [`Guard`] or gets one. Not for
    /// who has one.
    pub(crate) fn end(&self) {
        self.bound.store(0, Release);
        self.readers.synchronize();
    }

    /// Holds unbinding up until the guard is dropped. [`None`] if it is over.
    // One copy of the code for all who call it.
    #[inline(never)]
    pub(crate) fn enter(&self) -> Option<Guard<'_>> {
        let reader = self.readers.read_lock();
        if self.bound.load(Acquire) == 0 {
            return None;
        }
        // SAFETY: By the type invariant the device is bound, and who ends that waits for
        // this reader.
        let device = unsafe { self.device.as_bound() };
        Some(Guard {
            device,
            _reader: reader,
        })
    }
}

impl Ends for Binding {
    fn end(&self) {
        self.end();
    }
}

/// Proof that a device is bound.
pub(crate) struct Guard<'a> {
    device: &'a Device<Bound>,
    _reader: srcu::Guard<'a>,
}

impl Deref for Guard<'_> {
    type Target = Device<Bound>;

    fn deref(&self) -> &Self::Target {
        self.device
    }
}

/// What ends with a device's binding.
pub(crate) trait Ends: Send + Sync + 'static {
    /// Ends it. Called once.
    fn end(&self);
}

/// Ends `this` when `device` is unbound: after what is registered with it later was undone, and
/// before what was registered earlier is. If this fails, it is ended at once.
pub(crate) fn at_end<T: Ends>(device: &Device<Bound>, this: Arc<T>) -> Result {
    // SAFETY: The device is bound. The function is called once with what it takes over: here, or
    // when the device is unbound.
    to_result(unsafe {
        bindings::devm_add_action_or_reset(as_raw(device), Some(end::<T>), this.into_foreign())
    })
}

/// # Safety
///
/// `this` must be an `Arc<T>` that was made foreign, which this takes over.
unsafe extern "C" fn end<T: Ends>(this: *mut c_void) {
    // SAFETY: The caller's promise.
    unsafe { Arc::<T>::from_foreign(this) }.end();
}
