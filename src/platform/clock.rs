// SPDX-License-Identifier: GPL-2.0

//! The clocks of a device, which are switched on and off together.

use super::{
    bindings,
    pm::as_raw, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::Arc, //
};

/// Clocks by the names that the device tree gives them.
///
/// # Invariants
///
/// The array is the result of a successful `clk_bulk_get()`, and its clocks are owned by this.
pub(crate) struct Clocks<const N: usize>([bindings::clk_bulk_data; N]);

// SAFETY: The clocks may be used and put by any thread, and have their own lock.
unsafe impl<const N: usize> Send for Clocks<N> {}
// SAFETY: The clocks have their own lock.
unsafe impl<const N: usize> Sync for Clocks<N> {}

impl<const N: usize> Clocks<N> {
    /// The number of clocks, as the C functions take it.
    // CAST: A device has only a few clocks.
    const COUNT: c_int = N as c_int;

    /// Gets the clocks.
    ///
    /// `ENOENT` if the device has no clock of a name, `EPROBE_DEFER` if its provider is not there
    /// yet.
    pub(crate) fn get(device: &Device<Bound>, names: [&'static CStr; N]) -> Result<Arc<Self>> {
        let mut clocks = names.map(|name| bindings::clk_bulk_data {
            id: name.as_char_ptr(),
            ..Default::default()
        });
        // SAFETY: The device is valid, and the array is valid and has `COUNT` names.
        to_result(unsafe {
            bindings::clk_bulk_get(as_raw(device), Self::COUNT, clocks.as_mut_ptr())
        })?;
        // INVARIANT: `clk_bulk_get()` returned success for this array.
        Ok(Arc::new(Self(clocks), GFP_KERNEL)?)
    }

    /// Returns the rate of the first clock in hertz, 0 if it is unknown. It may change while the
    /// clock is off. This may sleep.
    pub(crate) fn rate(&self) -> u64 {
        // SAFETY: By the type invariant the clock is valid.
        let rate = |clock: &bindings::clk_bulk_data| unsafe { bindings::clk_get_rate(clock.clk) };
        // CAST: `c_ulong` is at most 64 bits wide.
        self.0.first().map_or(0, rate) as u64
    }

    /// Switches the clocks on until the guard is dropped. If one fails, none is on. This may sleep.
    /// All clocks are prepared before the first is enabled, as in C drivers that use
    /// `clk_bulk_prepare_enable()`.
    pub(crate) fn run(this: &Arc<Self>) -> Result<Running<N>> {
        // SAFETY: By the type invariant the clocks are valid.
        to_result(unsafe {
            bindings::helper_clk_bulk_prepare_enable(Self::COUNT, this.0.as_ptr())
        })?;
        // INVARIANT: The clocks were switched on above.
        Ok(Running(this.clone()))
    }
}

impl<const N: usize> Drop for Clocks<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant this owns the clocks.
        unsafe { bindings::clk_bulk_put(Self::COUNT, self.0.as_mut_ptr()) };
    }
}

/// Keeps clocks on until it is dropped, which may sleep.
///
/// # Invariants
///
/// The clocks are switched on once for this guard.
pub(crate) struct Running<const N: usize>(Arc<Clocks<N>>);

impl<const N: usize> Drop for Running<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the clocks are valid, and switched on once for this guard.
        unsafe {
            bindings::helper_clk_bulk_disable_unprepare(Clocks::<N>::COUNT, self.0 .0.as_ptr())
        };
    }
}
