// SPDX-License-Identifier: GPL-2.0

//! Runtime PM, and system sleep.

use super::bindings;
use core::marker::PhantomData;
use kernel::{
    device::{
        Bound,
        BoundInternal,
        Core,
        Device, //
    },
    error::{
        from_result,
        to_result, //
    },
    ffi::c_int,
    platform,
    prelude::*,
    sync::aref::ARef, //
};

/// Lets runtime PM switch `device` off when nobody is [`Active`], until it is
/// unbound.
pub(crate) fn enable(device: &Device<Bound>) -> Result {
    // SAFETY: The device is bound; devres undoes it.
    to_result(unsafe { bindings::devm_pm_runtime_enable(as_raw(device)) })
}

/// Keeps a device powered.
pub(crate) struct Active(ARef<Device>);

impl Active {
    /// Powers the device up, if it is not. May sleep.
    ///
    /// An error of its power domain, or `EACCES` if runtime PM is not enabled.
    pub(crate) fn get(device: &Device<Bound>) -> Result<Self> {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::helper_pm_runtime_resume_and_get(as_raw(device)) })?;
        Ok(Self(device.into()))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        // An error only says that the device stays up.
        // SAFETY: The device is referred to; `get` took the count that this gives up.
        let _ = unsafe { bindings::helper_pm_runtime_put_sync(as_raw(&self.0)) };
    }
}

/// The C structure.
pub(super) fn as_raw(device: &Device) -> *mut kernel::bindings::device {
    // `Device` is a transparent wrapper of the C structure.
    core::ptr::from_ref(device).cast_mut().cast()
}

/// What of a driver's device goes to sleep with the system: the data of its [`platform::Driver`].
///
/// Both are called while the device is bound, in turn, in a thread that may sleep, when the
/// processes of userspace are frozen. Its power domain and its interrupt are there.
pub(crate) trait Sleep: Sync {
    /// Ends what is under way, and lets go of what powers the device.
    fn suspend(&self) -> Result;

    /// Takes up again what [`suspend`](Self::suspend) ended.
    ///
    /// An error says that the device does not work. The system wakes up without it.
    fn resume(&self) -> Result;
}

/// Has the devices of the driver of `device` put to sleep with the system. To be called by probe.
/// `D` is the driver, and what probe is going to return.
pub(crate) fn sleep_with_system<D>(device: &platform::Device<Core<'_>>)
where
    D: Sleep + for<'bound> platform::Driver<Data<'bound> = D>,
{
    let device: &Device = device.as_ref();
    // SAFETY: While a device is probed it has its driver, whose registration has a place of its
    // own. Devices that are probed at the same time store the same, and who reads it later takes
    // the device's lock, as probe does.
    unsafe {
        let driver = (*as_raw(device)).driver;
        let pm = core::sync::atomic::AtomicPtr::from_ptr((&raw mut (*driver).pm).cast());
        let ops = core::ptr::from_ref(&Callbacks::<D>::OPS).cast_mut();
        pm.store(ops, core::sync::atomic::Ordering::Relaxed);
    }
}

/// The C callbacks of the driver `D`.
struct Callbacks<D>(PhantomData<D>);

impl<D> Callbacks<D>
where
    D: Sleep + for<'bound> platform::Driver<Data<'bound> = D>,
{
    /// Hibernation stops and starts devices in the same way.
    const OPS: kernel::bindings::dev_pm_ops = kernel::bindings::dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `device` must be bound to the driver `D`, and locked, for the time of `'a`.
    unsafe fn data<'a>(device: *mut kernel::bindings::device) -> Pin<&'a D> {
        // SAFETY: `Device` is a transparent wrapper of the C structure, which is bound.
        let device: &Device<BoundInternal> = unsafe { &*device.cast() };
        // SAFETY: The device is bound: probe has stored the data that it returned.
        unsafe { device.drvdata_borrow::<D>() }
    }

    /// # Safety
    ///
    /// To be called by the PM core, with the device locked.
    unsafe extern "C" fn suspend(device: *mut kernel::bindings::device) -> c_int {
        // SAFETY: The PM core asks the driver that a device is bound to.
        from_result(|| unsafe { Self::data(device) }.suspend().map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the PM core, with the device locked.
    unsafe extern "C" fn resume(device: *mut kernel::bindings::device) -> c_int {
        // SAFETY: As above.
        from_result(|| unsafe { Self::data(device) }.resume().map(|()| 0))
    }
}
