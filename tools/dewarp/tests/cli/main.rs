// SPDX-License-Identifier: GPL-2.0
//! The command as a user meets it: what it writes, what it says when the
//! request is wrong, and its exit status. None of this takes a device.

mod answers;
mod board;
mod calibrations;
mod common;
mod dialects;
mod documents;
mod field;
mod formats;
mod found;
mod looking;
mod maps;
mod others;
mod pictures;
#[cfg(feature = "tune")]
mod tune;
