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

/// An interrupt handler and its thread.
pub(crate) trait Handler: Send + Sync + 'static {
    /// The interrupt handler. It runs in hard interrupt context on every kernel: it must not sleep,
    /// and must not take a `SpinLock`, which sleeps on PREEMPT_RT.
    fn handle(&self, device: &Device<Bound>) -> ThreadedIrqReturn;

    /// The interrupt thread's function. The thread is a real-time thread and may sleep.
    fn handle_threaded(&self, device: &Device<Bound>, number: Number) -> IrqReturn;
}

/// The number of an interrupt.
#[derive(Clone, Copy)]
pub(crate) struct Number(u32);

impl Number {
    /// Creates the number of an interrupt that a KUnit test made.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn new(number: u32) -> Self {
        Self(number)
    }

    /// Waits for the interrupt handler, if it runs on another CPU. The handler itself must not call
    /// this.
    pub(crate) fn wait_for_handler(self) {
        // SAFETY: The function looks the number up, and returns if there is no such interrupt.
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
        self.handler.handle(self.device())
    }

    fn handle_threaded(&self) -> IrqReturn {
        self.handler.handle_threaded(self.device(), self.number)
    }
}

/// A reference to a requested interrupt, with which its thread can be woken. It does not keep the
/// interrupt requested.
#[derive(Clone)]
pub(crate) struct Line {
    number: Number,
    /// The address that is the interrupt's `dev_id`.
    cookie: usize,
}

impl Line {
    /// Wakes the interrupt thread, as the interrupt handler does by its return value. It may be
    /// called in any context. If the interrupt was released, it does nothing, unless a later
    /// registration of the same interrupt has the same address: then it wakes that one's thread.
    pub(crate) fn wake_thread(&self) {
        let cookie = ptr::without_provenance_mut(self.cookie);
        // SAFETY: The cookie is only compared with those of registered interrupts.
        unsafe { bindings::irq_wake_thread(self.number.0, cookie) };
    }
}

/// Requests interrupt `index` of `device`. When `device` is unbound, devres frees the interrupt
/// after it has undone what was registered with `device` later.
///
/// The interrupt handler runs in hard interrupt context on every kernel: without `IRQF_NO_THREAD` a
/// PREEMPT_RT kernel would run it in a thread, which any task of a higher priority delays.
///
/// The interrupt and its thread are named after the device.
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
    // SAFETY: The name is used until the registration is dropped, which devres does while the
    // device is bound. The device's name lives as long as the device, and a platform device is not
    // renamed.
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
    let mut cookie = 0;
    let registration = registration.pin_chain(|registration| {
        // The kernel crate passes the address of the registration as `dev_id`.
        cookie = ptr::from_ref(&*registration).addr();
        Ok(())
    });
    devres::register::<ThreadedRegistration<'static, Served<T>>, Error>(
        device,
        registration,
        GFP_KERNEL,
    )?;
    Ok(Line { number, cookie })
}
