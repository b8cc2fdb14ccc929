// SPDX-License-Identifier: GPL-2.0

//! A device's binding to its driver, for code that may run when it is over: an
//! ioctl on a file that was opened before. A [`Guard`] is proof that it is not,
//! and holds it up; it must not be held while waiting for userspace.

use core::ops::Deref;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    devres,
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
    }, //
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
                // INVARIANT: `device` is bound until `End` is dropped.
                bound: Atomic::new(1),
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        devres::register(device, End(this.clone()), GFP_KERNEL)?;
        Ok(this)
    }

    /// Holds unbinding up until the guard is dropped. [`None`] if it is over.
    pub(crate) fn enter(&self) -> Option<Guard<'_>> {
        let reader = self.readers.read_lock();
        if self.bound.load(Acquire) == 0 {
            return None;
        }
        // SAFETY: By the type invariant the device is bound, and `End` waits for this
        // reader.
        let device = unsafe { self.device.as_bound() };
        Some(Guard {
            device,
            _reader: reader,
        })
    }
}

/// Ends a binding when it is dropped, in which devres sees to it.
struct End(Arc<Binding>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.bound.store(0, Release);
        self.0.readers.synchronize();
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
