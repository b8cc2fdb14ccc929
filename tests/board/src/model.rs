// SPDX-License-Identifier: GPL-2.0

//! The model of the emulated engine: its properties, while the board runs, by the mailbox page that
//! the `model` command of the board uses, too, but within microseconds.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, ensure};
use nix::libc::O_SYNC;

use crate::v4l2::memory::Mapping;

/// Where the emulated board has the mailbox.
const PAGE: u32 = 0x3f10_0000;
/// Takes the bytes of a line, and the line feed that ends it.
const PORT: usize = 0;
/// Not 0 when the last line was not understood.
const VERDICT: usize = 4;

/// Sets a property of the engine's model: `KEY=VALUE`.
pub fn set(setting: &str) -> Result<()> {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_SYNC)
        .open("/dev/mem")
        .context("opening /dev/mem, where the emulated board has the model's mailbox")?;
    let mailbox = Mapping::new(&memory, PAGE, 4096)?;
    for &byte in setting.as_bytes().iter().chain(b"\n") {
        mailbox.poke(PORT, byte)?;
    }
    ensure!(mailbox.peek(VERDICT)? == 0, "the model refused '{setting}'");
    Ok(())
}
