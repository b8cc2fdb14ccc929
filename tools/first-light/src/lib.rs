// SPDX-License-Identifier: GPL-2.0

//! The parts of `first-light`: a program that runs on a board, processes frames on its DW100
//! with this project's driver and with the C driver, and reports which of this project's
//! assumptions about the engine are true.

pub mod worlds;

#[cfg(feature = "board")]
pub mod board;
#[cfg(feature = "board")]
pub mod chart;
#[cfg(feature = "board")]
pub mod frame;
#[cfg(feature = "board")]
pub mod journal;
#[cfg(feature = "board")]
pub mod maps;
#[cfg(feature = "board")]
pub mod module;
#[cfg(feature = "board")]
pub mod page;
#[cfg(feature = "board")]
pub mod png;
#[cfg(feature = "board")]
pub mod registers;
#[cfg(feature = "board")]
pub mod report;
#[cfg(feature = "board")]
pub mod samples;
#[cfg(feature = "board")]
pub mod session;
#[cfg(feature = "board")]
pub mod steps;
#[cfg(feature = "board")]
pub mod worker;
