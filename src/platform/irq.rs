// SPDX-License-Identifier: GPL-2.0

//! A threaded interrupt that is released when its device is unbound, and whose
//! handler therefore knows that it is bound.

use core::ptr;
use kernel::{
    bindings,
    device::{
        Bound,
        Device, //
    },
    devres,
    ffi::c_void,
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
    fn threaded(&self, device: &Device<Bound>, number: Number) -> IrqReturn;
}

/// The number of an interrupt.
#[derive(Clone, Copy)]
pub(crate) struct Number(u32);

impl Number {
    /// For the tests, which have interrupts of their own.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn new(number: u32) -> Self {
        Self(number)
    }

    /// Waits until the hard half does not run that ran when this was called. Not for the hard half.
    pub(crate) fn wait_for_hard_half(self) {
        // SAFETY: Any number will do.
        unsafe { bindings::synchronize_hardirq(self.0) };
    }
}

/// A handler and the device that it serves.
///
/// # Invariants
///
/// `device` is bound while the interrupt is registered.
struct Served<T> {
    handler: T,
    device: ARef<Device>,
    number: Number,
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
        self.handler.threaded(self.device(), self.number)
    }
}

/// An interrupt that was requested, for who wants its threaded half to run. It owns nothing: the
/// interrupt may have been released since.
#[derive(Clone)]
pub(crate) struct Line {
    number: Number,
    /// What the interrupt is known by. Never looked into.
    cookie: *const c_void,
}

impl Line {
    /// Has the threaded half run, as the hard half can. From any context; nothing happens if the
    /// interrupt was released.
    pub(crate) fn wake_thread(&self) {
        // SAFETY: The cookie is only compared with those of registered interrupts.
        unsafe { bindings::irq_wake_thread(self.number.0, self.cookie.cast_mut()) };
    }
}

// SAFETY: The cookie is only compared.
unsafe impl Send for Line {}
// SAFETY: As above.
unsafe impl Sync for Line {}

/// Requests interrupt `index` of `device`, until it is unbound: after what is
/// registered with `device` later was undone.
///
/// The hard half runs in hard interrupt context on every kernel. Without
/// `IRQF_NO_THREAD` a PREEMPT_RT kernel would make it a thread, which any task of
/// a higher priority holds up.
///
/// The interrupt and its thread have the device's name.
///
/// `ENXIO` if the device has no such interrupt, `EPROBE_DEFER` if its controller is
/// not there yet.
pub(crate) fn request<T: Handler>(
    device: &platform::Device<Bound>,
    index: u32,
    handler: T,
) -> Result<Line> {
    let request = device.irq_by_index(index)?;
    let number = Number(request.irq());
    // SAFETY: Lifetimes do not change the layout. Devres drops the registration
    // before the device is unbound, so that it does not outlive the borrow.
    let request = unsafe { core::mem::transmute::<IrqRequest<'_>, IrqRequest<'static>>(request) };
    let device: &Device<Bound> = device.as_ref();
    // SAFETY: The name is used until the registration is dropped, which devres does while the device
    // is bound. The device's name lives as long as the device, and a platform device is not renamed.
    let name = unsafe { core::mem::transmute::<&CStr, &'static CStr>(device.name()) };
    // INVARIANT: Devres drops the registration while the device is bound.
    let served = Served {
        handler,
        device: device.into(),
        number,
    };
    // SAFETY: Devres drops the registration.
    let registration =
        unsafe { ThreadedRegistration::new(request, Flags::NO_THREAD, name, Ok(served)) };
    let mut cookie = ptr::null();
    let registration = registration.pin_chain(|registration| {
        // Its address is what it registered with.
        cookie = ptr::from_ref(&*registration).cast();
        Ok(())
    });
    devres::register::<ThreadedRegistration<'static, Served<T>>, Error>(
        device,
        registration,
        GFP_KERNEL,
    )?;
    Ok(Line { number, cookie })
}
