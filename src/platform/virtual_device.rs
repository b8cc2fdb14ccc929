// SPDX-License-Identifier: GPL-2.0

//! A platform device without hardware, which a module creates for its own driver.

use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*, //
};

/// A platform device without hardware. Dropping it unbinds and removes the device.
///
/// # Invariants
///
/// The device is registered, and this value unregisters it.
pub(crate) struct VirtualDevice(NonNull<bindings::platform_device>);

impl VirtualDevice {
    /// Registers the device. The driver of the same name is bound to it.
    ///
    /// `EEXIST` if there is a device of that name.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        let info = bindings::platform_device_info {
            name: name.as_char_ptr(),
            id: bindings::PLATFORM_DEVID_NONE,
            ..Default::default()
        };
        // SAFETY: The structure is valid, and all its pointers but the name's are null.
        let device = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;
        // INVARIANT: The device was registered above.
        Ok(Self(NonNull::new(device).ok_or(ENOMEM)?))
    }
}

impl Drop for VirtualDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the device is registered, and unregistered only here.
        unsafe { bindings::platform_device_unregister(self.0.as_ptr()) };
    }
}

// SAFETY: The driver core allows any thread to unregister the device.
unsafe impl Send for VirtualDevice {}
// SAFETY: There are no methods that take a reference.
unsafe impl Sync for VirtualDevice {}
