// SPDX-License-Identifier: GPL-2.0

//! What the device shows under debugfs, in a directory of its name: `dump_regs`, the engine's
//! registers as the C driver lists them; `timeout_regs`, the same as they were when a frame's time was
//! last over; `statistics`; and `watchdog_ms`, which can be set.

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

/// Shows `device` until `parent` is unbound.
pub(crate) fn register(parent: &device::Device<Bound>, device: &Arc<Device>) -> Result {
    debugfs::show(
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

/// Powers the engine for as long as it takes.
fn dump_regs(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let _powered = Device::power(device).map_err(|_| fmt::Error)?;
    let bound = device.bound().ok_or(fmt::Error)?;
    let registers = device.engine().snapshot(&bound).map_err(|_| fmt::Error)?;
    write!(f, "{registers}")
}

/// `none` if no frame has run out of time.
fn timeout_regs(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    device.show_time_out(f)
}

/// Shows the device's statistics, and after an empty line each those of its open files.
fn statistics(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    device.show_statistics(f)
}
