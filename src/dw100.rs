// SPDX-License-Identifier: GPL-2.0

//! V4L2 mem2mem driver for the Vivante DW100 dewarper of the i.MX8MP.

use crate::{
    driver::Driver,
    platform::adapter::Adapter, //
};

mod context;
mod debugfs;
mod device;
// Public, because it is also a library on the host, where it is tested.
pub mod dewarp;
mod driver;
mod engine;
mod job;
mod media;
mod platform;
mod trace;

kernel::module_driver! { <T>, Adapter<T>, {
    type: Driver,
    name: "dw100",
    authors: ["The DW100 Rust driver authors"],
    description: "DW100 hardware dewarper",
    license: "GPL",
    params: {
        watchdog_ms: u32 {
            default: 0,
            description: "Milliseconds that a frame may take, also in debugfs (0: by its size)",
        },
        dma_bits: u32 {
            default: 32,
            description: "Bits of a DMA address: 32, or 34 (not tried on hardware)",
        },
    },
} }
