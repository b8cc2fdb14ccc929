// SPDX-License-Identifier: GPL-2.0

//! Sets properties of the emulated engine's model while the board runs. It uses the mailbox page,
//! as the board's `model` command does, and takes microseconds only.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, ensure};
use nix::libc::O_SYNC;

use crate::v4l2::memory::Mapping;

/// The address of the mailbox on the emulated board.
const PAGE: u32 = 0x3f10_0000;
/// The offset of the byte port. A line feed ends a line.
const PORT: usize = 0;
/// The offset of the result, which is not 0 when the last line was not understood.
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
