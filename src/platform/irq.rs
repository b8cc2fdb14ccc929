// SPDX-License-Identifier: GPL-2.0

//! A threaded interrupt that is released when its device is unbound.

use kernel::{
    device::Bound,
    devres,
    irq::{
        Flags,
        IrqRequest,
        ThreadedHandler,
        ThreadedRegistration, //
    },
    platform,
    prelude::*, //
};

/// Requests interrupt `index` of `device`, until it is unbound: after what is
/// registered with `device` later was undone.
///
/// The hard half runs in hard interrupt context on every kernel. Without
/// `IRQF_NO_THREAD` a PREEMPT_RT kernel would make it a thread, which any task of
/// a higher priority holds up.
///
/// `ENXIO` if the device has no such interrupt, `EPROBE_DEFER` if its controller is
/// not there yet.
pub(crate) fn request<T: ThreadedHandler + Send + 'static>(
    device: &platform::Device<Bound>,
    index: u32,
    name: &'static CStr,
    handler: T,
) -> Result {
    let request = device.irq_by_index(index)?;
    // SAFETY: Lifetimes do not change the layout. Devres drops the registration
    // before the device is unbound, so that it does not outlive the borrow.
    let request = unsafe { core::mem::transmute::<IrqRequest<'_>, IrqRequest<'static>>(request) };
    // SAFETY: Devres drops the registration.
    let registration =
        unsafe { ThreadedRegistration::new(request, Flags::NO_THREAD, name, Ok(handler)) };
    devres::register(device.as_ref(), registration, GFP_KERNEL)
}
