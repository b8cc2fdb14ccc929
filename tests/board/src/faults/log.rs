// SPDX-License-Identifier: GPL-2.0

//! Tests the driver's messages on failed frames in the kernel's log.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::Set;
use crate::harness::{Test, test};
use crate::kernel_log::{INTERVAL, Log, MOST};
use crate::model;
use crate::v4l2::{Device, Sent};

/// All tests.
pub(super) const TESTS: &[Test] = &[
    test(
        "a message names the errors of a frame, and what a time-out found",
        named,
    ),
    test(
        "of many frames that fail ten have a message in five seconds",
        limited,
    ),
];

fn named() -> Result<()> {
    const START: &str = "dw100 32e30000.dwe: ";
    let device = Device::open()?;
    let set = Set::start(&device, 1, 9)?;
    let mut log = Log::when_quiet()?;
    for (fault, due) in [
        (
            "error=0x02@1",
            "interrupt: the engine reports bus time-out (INTERRUPT_STATUS 0x02)",
        ),
        (
            "error=0x14@1",
            "interrupt: the engine reports AXI response, macroblock fetch (INTERRUPT_STATUS 0x14)",
        ),
        (
            "error=0xe8@1",
            "interrupt: the engine reports X, frame 2, frame 3, frame done (INTERRUPT_STATUS 0xe8)",
        ),
        (
            "stall=1",
            "no interrupt in time: the engine reports no error (INTERRUPT_STATUS 0x00)",
        ),
    ] {
        model::set(fault)?;
        set.stream.queue(0, &Sent::default())?;
        set.take_failed(0)?;
        // The interrupt thread that returns this frame has written the message
        // of the frame before.
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 9).context("the frame after it")?;
        let said = log.ours()?;
        let texts: Vec<&str> = said.iter().map(String::as_str).collect();
        let due = format!("{START}{due}");
        ensure!(
            texts == [due.as_str()],
            "after {fault} the log has {texts:?}"
        );
    }
    Ok(())
}

fn limited() -> Result<()> {
    const FRAMES: usize = MOST + 5;
    let device = Device::open()?;
    let set = Set::start(&device, 1, 9)?;
    // If the board is so slow that the interval passes, the test proves nothing
    // and is repeated.
    for _ in 0..5 {
        let mut log = Log::when_quiet()?;
        let start = Instant::now();
        model::set("error=0x04@every:1")?;
        let failed = (0..FRAMES).try_for_each(|_| -> Result<()> {
            set.stream.queue(0, &Sent::default())?;
            set.take_failed(0)
        });
        model::set("error=off")?;
        failed?;
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 9).context("the frame after them")?;
        let took = start.elapsed();
        let said = log.ours()?;
        if took < INTERVAL {
            ensure!(
                said.len() == MOST,
                "the log has {} messages on {FRAMES} frames: {said:?}",
                said.len()
            );
            return Ok(());
        }
    }
    bail!("{FRAMES} frames always take longer than {INTERVAL:?}")
}
