// SPDX-License-Identifier: GPL-2.0

//! A threaded interrupt that is released when its device is unbound, and whose
//! handler therefore knows that it is bound.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    devres,
    irq::{
        Flags,
        IrqRequest,
        IrqReturn,
        ThreadedHandler,
        ThreadedIrqReturn,
        ThreadedRegistration, //
    },
    platform,
    prelude::*,
    sync::aref::ARef, //
};

/// The two halves of an interrupt handler.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The hard half: in hard interrupt context on every kernel, where nothing may
    /// sleep and on PREEMPT_RT no lock be taken.
    fn hard(&self, device: &Device<Bound>) -> ThreadedIrqReturn;

    /// The threaded half, in a real-time thread that may sleep.
    fn threaded(&self, device: &Device<Bound>) -> IrqReturn;
}

/// A handler and the device that it serves.
///
/// # Invariants
///
/// `device` is bound while the interrupt is registered.
struct Served<T> {
    handler: T,
    device: ARef<Device>,
}

impl<T> Served<T> {
    fn device(&self) -> &Device<Bound> {
        // SAFETY: This is called by the registered interrupt only, so by the type
        // invariant the device is bound.
        unsafe { self.device.as_bound() }
    }
}

impl<T: Handler> ThreadedHandler for Served<T> {
    fn handle(&self) -> ThreadedIrqReturn {
        self.handler.hard(self.device())
    }

    fn handle_threaded(&self) -> IrqReturn {
        self.handler.threaded(self.device())
    }
}

/// Requests interrupt `index` of `device`, until it is unbound: after what is
/// registered with `device` later was undone.
///
/// The hard half runs in hard interrupt context on every kernel. Without
/// `IRQF_NO_THREAD` a PREEMPT_RT kernel would make it a thread, which any task of
/// a higher priority holds up.
///
/// `ENXIO` if the device has no such interrupt, `EPROBE_DEFER` if its controller is
/// not there yet.
pub(crate) fn request<T: Handler>(
    device: &platform::Device<Bound>,
    index: u32,
    name: &'static CStr,
    handler: T,
) -> Result {
    let request = device.irq_by_index(index)?;
    // SAFETY: Lifetimes do not change the layout. Devres drops the registration
    // before the device is unbound, so that it does not outlive the borrow.
    let request = unsafe { core::mem::transmute::<IrqRequest<'_>, IrqRequest<'static>>(request) };
    let device: &Device<Bound> = device.as_ref();
    // INVARIANT: Devres drops the registration while the device is bound.
    let served = Served {
        handler,
        device: device.into(),
    };
    // SAFETY: Devres drops the registration.
    let registration =
        unsafe { ThreadedRegistration::new(request, Flags::NO_THREAD, name, Ok(served)) };
    devres::register(device, registration, GFP_KERNEL)
}
