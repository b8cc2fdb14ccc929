// SPDX-License-Identifier: GPL-2.0

//! The test client of the emulated or real board. It uses all of the driver's V4L2 interface, and
//! misuses some of it.

pub mod bench;
pub mod binding;
pub mod endure;
pub mod faults;
pub mod fuzz;
pub mod harness;
pub mod held;
pub mod kernel_log;
pub mod lifetime;
pub mod model;
pub mod parity;
pub mod picture;
pub mod random;
pub mod registers;
pub mod scheduling;
pub mod sleep;
pub mod statistics;
pub mod uapi;
pub mod v4l2;
pub mod v4l2_core;
pub mod vim2m;
pub mod worlds;
