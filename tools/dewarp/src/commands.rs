// SPDX-License-Identifier: GPL-2.0
//! The commands, one file each.

pub mod board;
pub mod info;
pub mod map;
pub mod pages;
#[cfg(feature = "preview")]
pub mod preview;
#[cfg(feature = "device")]
pub mod run;
