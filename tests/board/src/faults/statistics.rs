// SPDX-License-Identifier: GPL-2.0

//! Tests the counters in debugfs when the engine fails.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Set;
use crate::harness::{Test, becomes_true, test};
use crate::model;
use crate::statistics::Statistics;
use crate::v4l2::{Device, PATIENCE, Sent};

/// All tests.
pub(super) const TESTS: &[Test] = &[
    test(
        "statistics count a frame that times out, and the reset after it",
        timed_out,
    ),
    test("statistics count each error under its name", errors),
    test(
        "statistics count an error beside a frame that is done",
        error_beside_done,
    ),
    test(
        "statistics count each interrupt that ends no frame",
        spurious,
    ),
];

/// Checks that exactly this is counted, for the device and for the one file that has frames,
/// while `count` frames with a fault are processed.
fn counted(fault: &str, count: usize, due: &[(&str, u64)]) -> Result<()> {
    let devices = [Device::open()?, Device::open()?];
    let set = Set::start(&devices[1], u32::try_from(count)?, 9)?;
    let before = Statistics::read(&devices[0])?;
    model::set(fault)?;
    for index in 0..count {
        set.stream.queue(index, &Sent::default())?;
    }
    for _ in 0..count {
        set.stream.dequeue_any()?;
    }
    let after = Statistics::read(&devices[0])?;
    after.device.ensure_since(&before.device, due)?;
    let (before, after) = (before.own(), after.own());
    ensure!(after.len() == 2, "{} files are listed, not 2", after.len());
    for ((before, after), due) in before.into_iter().zip(after).zip([&[], due]) {
        after.ensure_since(before, due).context("of a file")?;
    }
    Ok(())
}

fn timed_out() -> Result<()> {
    for fault in ["drop-irq=2", "stall=2"] {
        let due = [
            ("frames_done", 2),
            ("frames_failed", 1),
            ("watchdog_fired", 1),
            ("engine_resets", 1),
        ];
        counted(fault, 3, &due).context(fault)?;
    }
    Ok(())
}

fn errors() -> Result<()> {
    const NAMES: [&str; 7] = [
        "errors_bus_time_out",
        "errors_axi_response",
        "errors_x",
        "errors_macroblock_fetch",
        "errors_frame_2",
        "errors_frame_3",
        "errors_frame_done",
    ];
    // Each error is in another combination of these sets than the others.
    for set in [0xaa, 0xcc, 0xf0] {
        let mut due = vec![
            ("frames_done", 2),
            ("frames_failed", 1),
            ("engine_resets", 1),
        ];
        let names = (1..).zip(NAMES).filter(|(bit, _)| set >> bit & 1 != 0);
        due.extend(names.map(|(_, name)| (name, 1)));
        let fault = format!("error={set:#x}@2");
        counted(&fault, 3, &due).context(fault)?;
    }
    Ok(())
}

fn error_beside_done() -> Result<()> {
    let due = [("frames_done", 2), ("errors_axi_response", 1)];
    counted("error=0x85@1", 2, &due)
}

/// Returns how often the engine's interrupt was raised, on all CPUs.
fn interrupts() -> Result<u64> {
    let text = fs::read_to_string("/proc/interrupts")?;
    let line = text.lines().find(|line| line.ends_with(" 32e30000.dwe"));
    let words = line
        .context("the engine's interrupt is not listed")?
        .split_whitespace();
    Ok(words
        .skip(1)
        .map_while(|word| word.parse::<u64>().ok())
        .sum())
}

fn spurious() -> Result<()> {
    let device = Device::open()?;
    let set = Set::start(&device, 1, 29)?;
    let (before, came) = (Statistics::read(&device)?, interrupts()?);
    // One spurious interrupt is half-way through each frame; and one so close to its end that
    // the line is still high then, if the board is fast enough to read it.
    model::set("spurious-irq=every:1")?;
    let mut sent = 0;
    let found = [("0.01", "interrupts_silent"), ("1000", "interrupts_stale")]
        .into_iter()
        .try_for_each(|(speed, name)| {
            model::set(&format!("pixels-per-clock={speed}"))?;
            let counted = becomes_true(PATIENCE, || {
                for _ in 0..10 {
                    set.stream.queue(0, &Sent::default())?;
                    set.take(0, 29)?;
                    sent += 1;
                }
                let now = Statistics::read(&device)?.device.get(name)?;
                Ok(now > before.device.get(name)?)
            })?;
            ensure!(counted, "{name} counted nothing in {sent} frames");
            Ok(())
        });
    model::set("spurious-irq=off")?;
    model::set("pixels-per-clock=1")?;
    found?;
    // The line of the last one may still be high.
    sleep(Duration::from_millis(100));
    let (after, came) = (Statistics::read(&device)?, interrupts()? - came);
    let more = |name| Ok::<_, anyhow::Error>(after.device.get(name)? - before.device.get(name)?);
    let (frames, silent) = (more("frames_done")?, more("interrupts_silent")?);
    let stale = more("interrupts_stale")?;
    ensure!(
        frames == sent && came == frames + silent + stale,
        "{came} interrupts came, for {frames} frames; {silent} silent and {stale} stale were counted"
    );
    Ok(())
}
