// SPDX-License-Identifier: GPL-2.0

//! A device's clocks, all on or all off.

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
/// What `clk_bulk_get()` returned, and owned.
pub(crate) struct Clocks<const N: usize>([bindings::clk_bulk_data; N]);

// SAFETY: The handles may be used and given back from any thread, and have their own lock.
unsafe impl<const N: usize> Send for Clocks<N> {}
// SAFETY: As above.
unsafe impl<const N: usize> Sync for Clocks<N> {}

impl<const N: usize> Clocks<N> {
    /// As C counts them.
    // CAST: A device has a handful.
    const COUNT: c_int = N as c_int;

    /// Looks the clocks up. `ENOENT` if the device has none of a name,
    /// `EPROBE_DEFER` if its provider is not there yet.
    pub(crate) fn get(device: &Device<Bound>, names: [&'static CStr; N]) -> Result<Arc<Self>> {
        let mut clocks = names.map(|name| bindings::clk_bulk_data {
            id: name.as_char_ptr(),
            ..Default::default()
        });
        // SAFETY: The device is valid, and so is the array, with as many names.
        to_result(unsafe {
            bindings::clk_bulk_get(as_raw(device), Self::COUNT, clocks.as_mut_ptr())
        })?;
        // INVARIANT: Got just now.
        Ok(Arc::new(Self(clocks), GFP_KERNEL)?)
    }

    /// The rate of the first one in hertz, 0 if unknown. It may change while the clock is off. May
    /// sleep.
    pub(crate) fn rate(&self) -> u64 {
        // SAFETY: By the type invariant.
        let rate = |clock: &bindings::clk_bulk_data| unsafe { bindings::clk_get_rate(clock.clk) };
        // CAST: `c_ulong` is at most 64 bits wide.
        self.0.first().map_or(0, rate) as u64
    }

    /// Switches the clocks on until the guard is dropped; none if one fails. May sleep. All are prepared
    /// before the first is enabled, as in C drivers that use `clk_bulk_prepare_enable()`.
    pub(crate) fn run(this: &Arc<Self>) -> Result<Running<N>> {
        // SAFETY: By the type invariant.
        to_result(unsafe {
            bindings::helper_clk_bulk_prepare_enable(Self::COUNT, this.0.as_ptr())
        })?;
        // INVARIANT: Switched on just now.
        Ok(Running(this.clone()))
    }
}

impl<const N: usize> Drop for Clocks<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::clk_bulk_put(Self::COUNT, self.0.as_mut_ptr()) };
    }
}

/// Keeps clocks on.
///
/// # Invariants
///
/// They are, once for this.
pub(crate) struct Running<const N: usize>(Arc<Clocks<N>>);

impl<const N: usize> Drop for Running<N> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants of both.
        unsafe {
            bindings::helper_clk_bulk_disable_unprepare(Clocks::<N>::COUNT, self.0 .0.as_ptr())
        };
    }
}
