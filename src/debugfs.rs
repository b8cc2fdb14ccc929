// SPDX-License-Identifier: GPL-2.0

//! The device's files under debugfs, in a directory with its name: `dump_regs` has the engine's
//! registers in the C driver's format, `timeout_regs` has the registers at the last time-out of a
//! frame, `statistics` has the counters, and `watchdog_ms` can be read and set.

use crate::{
    device::Device,
    platform::debugfs, //
};
use kernel::{
    device::{
        self,
        Bound, //
    },
    fmt,
    prelude::*,
    sync::Arc, //
};

/// Creates the files of `device`, until `parent` is unbound.
pub(crate) fn register(parent: &device::Device<Bound>, device: &Arc<Device>) -> Result {
    debugfs::create_directory(
        parent,
        device,
        &[
            (c"dump_regs", dump_regs),
            (c"timeout_regs", timeout_regs),
            (c"statistics", statistics),
        ],
        &[(c"watchdog_ms", Device::watchdog_ms)],
    )
}

/// Prints the engine's registers. If no stream runs, the engine is powered on for it, which resets
/// the registers first.
fn dump_regs(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let _powered = Device::power(device).map_err(|_| fmt::Error)?;
    let bound = device.bound().ok_or(fmt::Error)?;
    let registers = device.engine().snapshot(&bound).map_err(|_| fmt::Error)?;
    write!(f, "{registers}")
}

/// Prints the registers at the last time-out, or `none` if no frame has timed out.
fn timeout_regs(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    device.show_time_out(f)
}

/// Prints the device's counters, then those of each open file after an empty line.
fn statistics(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    device.show_statistics(f)
}
