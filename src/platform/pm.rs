// SPDX-License-Identifier: GPL-2.0

//! Runtime power management (PM) of a device.

use super::bindings;
use kernel::{
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    prelude::*,
    sync::aref::ARef, //
};

/// Enables runtime PM of `device` until it is unbound. The device may be powered off while there is
/// no [`Active`].
pub(crate) fn enable(device: &Device<Bound>) -> Result {
    // SAFETY: The device is bound, and devres disables runtime PM when it is unbound.
    to_result(unsafe { bindings::devm_pm_runtime_enable(as_raw(device)) })
}

/// Keeps a device powered. Dropping the last one powers the device off, and may sleep.
pub(crate) struct Active(ARef<Device>);

impl Active {
    /// Powers the device on, unless it is on. It may sleep.
    ///
    /// Returns an error of the device's power domain, or `EACCES` if runtime PM is not enabled.
    pub(crate) fn get(device: &Device<Bound>) -> Result<Self> {
        // SAFETY: The device is valid.
        to_result(unsafe { bindings::helper_pm_runtime_resume_and_get(as_raw(device)) })?;
        Ok(Self(device.into()))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        // An error means only that the device stays powered.
        // SAFETY: `self.0` keeps the device valid, and `get` took the usage count that this drops.
        let _ = unsafe { bindings::helper_pm_runtime_put_sync(as_raw(&self.0)) };
    }
}

/// Returns the C structure of a device.
pub(super) fn as_raw(device: &Device) -> *mut kernel::bindings::device {
    // `Device` is a transparent wrapper of the C structure.
    core::ptr::from_ref(device).cast_mut().cast()
}
