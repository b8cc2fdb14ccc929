// SPDX-License-Identifier: GPL-2.0

//! Runtime PM.

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
