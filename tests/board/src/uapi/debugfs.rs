// SPDX-License-Identifier: GPL-2.0

//! Tests the register dump in debugfs.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{Test, becomes_true, test};
use crate::picture::Bands;
use crate::v4l2::{Device, PATIENCE, Sent, Stream, one_frame};

pub(super) const TESTS: &[Test] = &[
    test(
        "dump_regs shows the registers of the frame while streaming",
        streaming,
    ),
    test(
        "dump_regs can be read while the device is idle and leaves it so",
        idle,
    ),
    test("dump_regs is for root alone", private),
];

fn file(device: &Device) -> Result<PathBuf> {
    Ok(PathBuf::from("/sys/kernel/debug")
        .join(device.name()?)
        .join("dump_regs"))
}

/// Returns the registers by name, without the prefix that the C driver writes.
pub(super) fn read(device: &Device) -> Result<HashMap<String, u32>> {
    let path = file(device)?;
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let register = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let value = u32::from_str_radix(value.trim().strip_prefix("0x")?, 16).ok();
        // The C driver writes 0 without a prefix.
        Some((name.trim_start_matches("DW100_").to_owned(), value?))
    };
    Ok(text.lines().filter_map(register).collect())
}

fn streaming() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    stream.frame(&bands.source)?;
    let registers = read(&device)?;
    ensure!(
        registers.len() >= 15,
        "there are {} registers",
        registers.len()
    );
    for (name, due) in [
        ("SRC_IMG_SIZE", 480 << 16 | 640),
        ("SRC_IMG_STRIDE", 640),
        ("DST_IMG_SIZE", 144 << 16 | 176),
        ("DST_IMG_STRIDE", 176),
        ("MAP_LUT_SIZE", 10 << 16 | 12),
    ] {
        let got = registers.get(name);
        ensure!(got == Some(&due), "{name} is {got:x?}, not {due:#x}");
    }
    // The dump also works while frames run.
    for _ in 0..5 {
        stream.queue(0, &Sent::default())?;
        read(&device)?;
        stream.dequeue()?;
    }
    Ok(())
}

fn idle() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    one_frame(&device, &bands.source)?;
    let status = device.sysfs()?.join("power/runtime_status");
    let suspended = || Ok(std::fs::read_to_string(&status)?.trim() == "suspended");
    ensure!(
        becomes_true(PATIENCE, suspended)?,
        "the device does not suspend"
    );
    for _ in 0..3 {
        // Powering up resets the engine, so the values of the frame are there
        // only if it was not powered up.
        let registers = read(&device)?;
        for name in ["SRC_IMG_SIZE", "DST_IMG_STRIDE", "MAP_LUT_SIZE"] {
            let got = registers.get(name);
            ensure!(
                got == Some(&0),
                "with the device powered up for it, {name} is {got:x?}"
            );
        }
    }
    ensure!(
        becomes_true(PATIENCE, suspended)?,
        "the device does not suspend any more"
    );
    Ok(())
}

fn private() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let device = Device::open()?;
    let mode = std::fs::metadata(file(&device)?)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "its mode is {mode:o}");
    Ok(())
}
