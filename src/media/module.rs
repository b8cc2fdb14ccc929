// SPDX-License-Identifier: GPL-2.0

//! A reference to the module that contains a driver.

use super::bindings;
use core::mem;

/// Keeps a driver's module loaded. There is nothing to keep if the driver is built into the kernel.
///
/// # Invariants
///
/// The pointer is null, or this value owns a reference to the module.
pub(super) struct Loaded(*mut bindings::module);

impl Loaded {
    /// Returns a reference to `module`; [`None`] if the module is being unloaded.
    ///
    /// # Safety
    ///
    /// `module` must be null, or point to a `struct module` that is valid during this call.
    pub(super) unsafe fn new(module: *mut bindings::module) -> Option<Self> {
        // SAFETY: By the safety requirements; the function accepts null.
        let is_held = unsafe { bindings::helper_try_module_get(module) };
        // A value that is made without a reference, and dropped, would drop another's reference.
        // INVARIANT: The function took a reference.
        is_held.then(|| Self(module))
    }

    /// Returns the pointer, whose reference the caller has to drop.
    pub(super) fn into_raw(self) -> *mut bindings::module {
        let module = self.0;
        mem::forget(self);
        module
    }
}

// SAFETY: The kernel counts the references to a module, and any thread may drop one.
unsafe impl Send for Loaded {}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this value owns a reference; the function accepts null.
        unsafe { bindings::helper_module_put(self.0) };
    }
}
