// SPDX-License-Identifier: GPL-2.0

//! How far a device's DMA reaches.

use kernel::{
    device::Core,
    dma::{
        Device as _,
        DmaMask, //
    },
    platform,
    prelude::*, //
};

/// Sets the number of address bits that `device` drives, and that it takes pieces of memory of any
/// length. To be called by probe before it hands the device to anybody.
///
/// `EINVAL` if there are no masks of that many bits, `EIO` if the bus cannot do with that.
pub(crate) fn set_address_bits(device: &platform::Device<Core<'_>>, bits: u32) -> Result {
    let mask = DmaMask::try_new(bits)?;
    // SAFETY: Only probe and unbind have a `Device<Core>`, under the device's lock;
    // what else could map memory for it does not exist before probe is over.
    unsafe {
        device.dma_set_max_seg_size(u32::MAX);
        device.dma_set_mask_and_coherent(mask)
    }
}
