// SPDX-License-Identifier: GPL-2.0

//! What the device shows under debugfs, in a directory of its name: `dump_regs`, the engine's
//! registers as the C driver lists them, and `statistics`.

use crate::device::Device;
use core::pin::Pin;
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    device::{
        self,
        Bound, //
    },
    devres,
    fmt,
    prelude::*,
    sync::Arc, //
};

/// Shows `device` until `parent` is unbound.
pub(crate) fn register(parent: &device::Device<Bound>, device: Arc<Device>) -> Result {
    let dir = Dir::new(parent.name());
    let dump: Pin<KBox<File<Arc<Device>>>> = KBox::pin_init(
        dir.read_callback_file(c"dump_regs", device.clone(), &dump_regs),
        GFP_KERNEL,
    )?;
    devres::register(parent, dump, GFP_KERNEL)?;
    let statistics: Pin<KBox<File<Arc<Device>>>> = KBox::pin_init(
        dir.read_callback_file(c"statistics", device, &statistics),
        GFP_KERNEL,
    )?;
    devres::register(parent, statistics, GFP_KERNEL)
}

/// Powers the engine for as long as it takes.
fn dump_regs(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let _powered = Device::power(device).map_err(|_| fmt::Error)?;
    device.engine().dump(f)
}

/// The device's, and after an empty line each those of its open files.
fn statistics(device: &Arc<Device>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    device.show_statistics(f)
}
