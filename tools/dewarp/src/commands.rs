// SPDX-License-Identifier: GPL-2.0
//! The commands, one file each.

pub mod board;
pub mod export;
pub mod info;
pub mod lens;
pub mod map;
pub mod options;
pub mod pages;
#[cfg(feature = "preview")]
pub mod preview;
#[cfg(feature = "device")]
pub mod run;
#[cfg(feature = "tune")]
pub mod tune;
