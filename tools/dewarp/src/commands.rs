// SPDX-License-Identifier: GPL-2.0
//! The commands that take no device, one file each.

pub mod info;
pub mod map;
pub mod pages;
#[cfg(feature = "preview")]
pub mod preview;
