// SPDX-License-Identifier: GPL-2.0

//! V4L2 mem2mem driver for the Vivante DW100 dewarper of the i.MX8MP.

use crate::driver::Driver;

mod context;
mod device;
#[expect(
    dead_code,
    unreachable_pub,
    reason = "a library for the host, too, that tests more than the driver uses"
)]
mod dewarp;
mod driver;
mod engine;
mod job;
mod media;
mod platform;

kernel::module_platform_driver! {
    type: Driver,
    name: "dw100",
    authors: ["The DW100 Rust driver authors"],
    description: "DW100 hardware dewarper",
    license: "GPL",
}
