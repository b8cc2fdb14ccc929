// SPDX-License-Identifier: GPL-2.0

//! The binding of a device to its driver, for code that may run after the device is unbound, such
//! as an ioctl on a file that was opened before. A [`Guard`] proves that the device is bound, and
//! unbinding waits until it is dropped. It must not be held while waiting for userspace.

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

/// The state of a device's binding: whether the device is still bound.
///
/// # Invariants
///
/// While a reader of `readers` that has read `bound` as 1 is active, `device` is bound.
#[pin_data]
pub(crate) struct Binding {
    #[pin]
    readers: Srcu,
    bound: Atomic<i32>,
    device: ARef<Device>,
}

impl Binding {
    /// Creates the binding of `device`. Unbinding ends it as [`at_end`] says.
    pub(crate) fn new(device: &Device<Bound>) -> Result<Arc<Self>> {
        let this = Arc::pin_init(
            try_pin_init!(Self {
                readers <- new_srcu!("Binding::readers"),
                // INVARIANT: `device` stays bound until `end` has stored 0 and waited for the
                // readers.
                bound: Atomic::new(1),
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        at_end(device, this.clone())?;
        Ok(this)
    }

    /// Ends the binding before the device is unbound. When this returns, there is no [`Guard`], and
    /// no new one is created. A caller that has a guard must not call this, because it waits for
    /// all guards. It may be called again.
    pub(crate) fn end(&self) {
        self.bound.store(0, Release);
        self.readers.synchronize();
    }

    /// Returns a guard, or [`None`] if the binding has ended. Unbinding waits until the guard is
    /// dropped.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub(crate) fn enter(&self) -> Option<Guard<'_>> {
        let reader = self.readers.read_lock();
        if self.bound.load(Acquire) == 0 {
            return None;
        }
        // SAFETY: By the type invariant the device is bound, and `end` waits for this reader before
        // the device is unbound.
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

/// An object that ends with a device's binding.
pub(crate) trait Ends: Send + Sync + 'static {
    /// Ends the object. It is called once.
    fn end(&self);
}

/// Makes devres end `this` when `device` is unbound. Devres works in reverse order: what is
/// registered with `device` after this call is undone before `this` ends, and what was registered
/// before this call is undone later. If this fails, `this` is ended at once.
pub(crate) fn at_end<T: Ends>(device: &Device<Bound>, this: Arc<T>) -> Result {
    // SAFETY: The device is bound. `devm_add_action_or_reset` calls the function exactly once with
    // the foreign `Arc`, which the function takes over: at once if it fails, otherwise when the
    // device is unbound.
    to_result(unsafe {
        bindings::devm_add_action_or_reset(as_raw(device), Some(end::<T>), this.into_foreign())
    })
}

/// Ends `this`, when devres calls it.
///
/// # Safety
///
/// `this` must be an `Arc<T>` that was made foreign, which this takes over.
unsafe extern "C" fn end<T: Ends>(this: *mut c_void) {
    // SAFETY: By the safety requirements `this` is a foreign `Arc<T>`, which this takes over.
    unsafe { Arc::<T>::from_foreign(this) }.end();
}
