// SPDX-License-Identifier: GPL-2.0

//! V4L2 mem2mem driver for the Vivante DW100 dewarper of the i.MX8MP.

use crate::{
    driver::Driver,
    platform::adapter::Adapter, //
};

mod context;
mod debugfs;
mod device;
// Its items are `pub` for the host's crate of the same files. In a private module rustc would warn
// of that.
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
            description: "Milliseconds; a frame that hangs ends within twice this (0: by size)",
        },
        dma_bits: u32 {
            default: 32,
            description: "Bits of a DMA address: 32, or 34 (not tried on hardware)",
        },
    },
} }
