// SPDX-License-Identifier: GPL-2.0

//! Tests how long the watchdog waits, and what it shows in debugfs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{CALLS, Set};
use crate::harness::{Test, slow_kernel, test};
use crate::model;
use crate::v4l2::{Device, PATIENCE, Sent};

/// The directory of the device in debugfs.
const DIRECTORY: &str = "/sys/kernel/debug/32e30000.dwe";

/// All tests.
pub(super) const TESTS: &[Test] = &[
    test(
        "the time of the watchdog can be set while frames stream, and is a second at least by itself",
        time,
    ),
    test(
        "the registers of a frame that ran out of time can be read",
        registers,
    ),
];

/// The watchdog time with which the suite loads the driver, milliseconds.
const LOADED_MS: u32 = 100;

/// Sets the watchdog's time, milliseconds, until this is dropped.
struct Watchdog;

impl Watchdog {
    fn set(ms: u32) -> Result<Self> {
        write(ms)?;
        Ok(Self)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // If this fails, the tests that follow report it.
        let _ = write(LOADED_MS);
    }
}

fn write(ms: u32) -> Result<()> {
    let file = format!("{DIRECTORY}/watchdog_ms");
    fs::write(&file, ms.to_string()).with_context(|| file)
}

/// Returns how long it takes until a frame whose interrupt is lost is returned.
fn lost(set: &Set<'_>) -> Result<Duration> {
    model::set("drop-irq=1")?;
    let start = Instant::now();
    set.stream.queue(0, &Sent::default())?;
    set.take_failed(0)?;
    Ok(start.elapsed())
}

fn time() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 11)?;
    // The watchdog waits up to twice its time, and a slow board takes longer.
    let slack = Duration::from_secs(if slow_kernel() { 10 } else { 1 });
    for (ms, least_ms) in [(300, 300), (0, 1000), (50, 50)] {
        let _watchdog = Watchdog::set(ms)?;
        let took = lost(&set)?;
        let least = Duration::from_millis(least_ms);
        ensure!(
            (least..2 * least + slack).contains(&took),
            "with watchdog_ms={ms} the frame came back after {took:?}"
        );
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 11).context("the frame after it")?;
    }
    Ok(())
}

/// Tests how long frames whose interrupt is lost may run, on a board on which an instruction takes
/// a nanosecond.
pub(super) fn bounds() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 11)?;
    super::lost(&set, "drop-irq=1", PATIENCE).context("while the program is loaded")?;
    for (ms, limit_ms) in [
        (0, 1_000),
        (60_000, 60_000),
        (60_001, 60_000),
        (u32::MAX, 60_000),
    ] {
        let _watchdog = Watchdog::set(ms)?;
        let limit = Duration::from_millis(limit_ms);
        let took = super::lost(&set, "drop-irq=1", 3 * limit)
            .with_context(|| format!("with watchdog_ms={ms}"))?;
        ensure!(
            (limit..2 * limit + CALLS).contains(&took),
            "with watchdog_ms={ms} the frame came back after {took:?}"
        );
    }
    Ok(())
}

/// Returns the value of a register in a file of the driver.
fn value(registers: &str, name: &str) -> Result<u32> {
    let line = registers
        .lines()
        .find_map(|line| line.strip_prefix(&format!("DW100_{name}: 0x")));
    let digits = line.with_context(|| format!("no {name} in {registers:?}"))?;
    Ok(u32::from_str_radix(digits, 16)?)
}

fn registers() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 11)?;
    let format = &set.bands.output;
    model::set("stall=1")?;
    set.stream.queue(0, &Sent::default())?;
    set.take_failed(0)?;
    // The engine was reset since then, which cleared the values that the next lines check.
    let kept = fs::read_to_string(format!("{DIRECTORY}/timeout_regs"))?;
    ensure!(kept.lines().count() == 36, "{kept}");
    let size = value(&kept, "SRC_IMG_SIZE")?;
    ensure!(
        size == format.height << 16 | format.width,
        "SRC_IMG_SIZE is {size:#x}"
    );
    let bus = value(&kept, "BUS_CTRL")?;
    ensure!(bus >> 31 == 0, "the AXI master was enabled: {bus:#x}");
    let status = value(&kept, "INTERRUPT_STATUS")?;
    ensure!(
        status == 1 << 16,
        "INTERRUPT_STATUS is {status:#x}, not FRAME_BUSY alone"
    );
    Ok(())
}
