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
                // INVARIANT: `device` is bound until this was said to be over.
                bound: Atomic::new(1),
                device: device.into(),
            }),
            GFP_KERNEL,
        )?;
        let ended = this.clone();
        at_end(device, move |_| ended.end())?;
        Ok(this)
    }

    /// Ends the binding before that. When this returns, nobody has a [`Guard`] or gets one. Not for
    /// who has one.
    pub(crate) fn end(&self) {
        self.bound.store(0, Release);
        self.readers.synchronize();
    }

    /// Holds unbinding up until the guard is dropped. [`None`] if it is over.
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

/// Has `end` called when `device` is unbound, once: after what is registered with it later
/// was undone, and before what was registered earlier is. If this fails, it is called at once.
pub(crate) fn at_end(
    device: &Device<Bound>,
    end: impl FnMut(&Device<Bound>) + Send + 'static,
) -> Result {
    // INVARIANT: Devres drops this while the device is bound.
    let last = AtEnd {
        end,
        device: device.into(),
    };
    devres::register(device, last, GFP_KERNEL)
}

/// What to do at the end.
///
/// # Invariants
///
/// `device` is bound.
struct AtEnd<F: FnMut(&Device<Bound>)> {
    end: F,
    device: ARef<Device>,
}

impl<F: FnMut(&Device<Bound>)> Drop for AtEnd<F> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        (self.end)(unsafe { self.device.as_bound() });
    }
}
