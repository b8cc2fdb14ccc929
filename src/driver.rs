// SPDX-License-Identifier: GPL-2.0

//! The platform driver: the devices that it binds to, and how it binds to one. Unbinding undoes in
//! reverse order what probe registered with the device.

use crate::{
    context::Context,
    debugfs,
    device::Device,
    media::{
        format::Api,
        m2m, //
    },
    module_parameters,
    platform::adapter, //
};
use kernel::{
    device::Core,
    module::this_module,
    of,
    platform,
    prelude::*,
    sync::Arc, //
};

/// The driver's data of a bound device.
pub(crate) struct Driver {
    device: Arc<Device>,
    m2m: Arc<m2m::Device<Context>>,
}

kernel::of_device_table!(OF_TABLE, (), [(of::DeviceId::new(c"nxp,imx8mp-dw100"), ())]);

/// The values of `dma_bits`: bits of a DMA address. The registers have 34 (NXP's header), but no
/// driver that is known to run on silicon has used more than 32. It is not known whether the chip
/// connects the upper ones.
const DMA_BITS: [u32; 2] = [32, 34];

impl adapter::Driver for Driver {
    const OF_ID_TABLE: of::IdTable<()> = &OF_TABLE;

    fn dma_bits(platform: &platform::Device<Core<'_>>) -> Result<u32> {
        let bits = *module_parameters::dma_bits.value_ref();
        if !DMA_BITS.contains(&bits) {
            dev_err!(platform, "dma_bits is {}: it must be 32 or 34\n", bits);
            return Err(EINVAL);
        }
        Ok(bits)
    }

    fn probe(platform: &platform::Device<Core<'_>>) -> Result<Self> {
        let device = Device::new(platform)?;
        let (m2m, number) = m2m::register::<Context>(
            platform.as_ref(),
            this_module::<crate::DriverModule>(),
            Api::MultiPlanar,
            device.binding().clone(),
            device.clone(),
        )?;
        debugfs::register(platform.as_ref(), &device)?;
        let identity = device.identity();
        dev_info!(
            platform,
            "registered as /dev/video{}: ID {:#010x}, BUS_CTRL {:#010x}, axi {} Hz, {}-bit DMA\n",
            number,
            identity.id,
            identity.bus_ctrl,
            identity.axi_hz,
            *module_parameters::dma_bits.value_ref()
        );
        Ok(Self { device, m2m })
    }

    /// Waits until the running frame has ended, and powers the device off. Frames that wait are
    /// still queued afterwards.
    fn suspend(&self) -> Result {
        self.m2m.pause();
        self.device.suspend();
        Ok(())
    }

    /// Powers the device on if a stream needs it, and starts frames again. If the device cannot be
    /// powered, its frames fail.
    fn resume(&self) -> Result {
        let powered = self.device.resume();
        self.m2m.go_on();
        powered
    }
}
