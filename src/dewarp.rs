// SPDX-License-Identifier: GPL-2.0

//! The parts of the driver that need no kernel type and access no register. Mostly they compute
//! what the DW100 needs for a frame, from plain integers.
//!
//! The same files build under cargo (crate `dw100-dewarp`) and as a module of the kernel driver.
//! They therefore name each other by `super::`, use nothing but `core`, and never panic on a value
//! from outside.

// A crate root and a module look for their children in different directories, so each path is
// given.
#[path = "dewarp/buffer.rs"]
pub mod buffer;
#[cfg(test)]
#[path = "dewarp/c_driver.rs"]
mod c_driver;
#[path = "dewarp/claim.rs"]
pub mod claim;
#[cfg(test)]
#[path = "dewarp/claim_orders.rs"]
mod claim_orders;
#[path = "dewarp/crop.rs"]
pub mod crop;
#[path = "dewarp/deadline.rs"]
pub mod deadline;
#[path = "dewarp/format.rs"]
pub mod format;
#[path = "dewarp/frame.rs"]
pub mod frame;
#[path = "dewarp/image.rs"]
pub mod image;
#[path = "dewarp/map.rs"]
pub mod map;
#[path = "dewarp/prefetch.rs"]
pub mod prefetch;
#[path = "dewarp/size.rs"]
pub mod size;
#[path = "dewarp/statistics.rs"]
pub mod statistics;
#[path = "dewarp/status.rs"]
pub mod status;
#[path = "dewarp/view.rs"]
pub mod view;
