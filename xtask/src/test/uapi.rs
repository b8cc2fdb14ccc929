// SPDX-License-Identifier: GPL-2.0

//! Suite `uapi`: the test client `dw100-board` tests the driver's V4L2 interface on the board; with
//! `--full` also on the debug kernel, where it reads the trace events too. The same tests run with the
//! C driver, which must fail those that are about its faults, and no others.

mod c_driver;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::names::{self, Names};
use super::{END, Tests, announced, complete, side_by_side, verdicts};
use crate::board::{Board, Driver, Options};
use crate::cache::{Partial, Recipe};
use crate::kernel::Flavour;

/// The start of the contiguous memory, above 4 GiB.
const CMA: u64 = 0x1_4000_0000;

/// Loads the camera. Its buffers are contiguous, like those of a real one.
const VIVID: &str =
    "modprobe vivid n_devs=1 node_types=0x1 no_error_inj=1 multiplanar=2 allocators=1";

/// The registers with the addresses of the map, the source and the destination, in units of 16 bytes.
const BASES: [&str; 3] = ["0x08", "0x10", "0x38"];

/// A part of the failure if a driver has asked for 32 address bits: QBUF fails, because the kernel does
/// not map the buffer.
const NOT_REACHED: &str = "EINVAL";

/// The prefetch modes and thresholds of the frames that `dw100-board registers` sends.
const PREFETCH: [(u64, u64); 6] = [(1, 32), (0, 32), (2, 32), (2, 0), (2, 127), (1, 77)];

/// Follows the name of a test that ran on the debug kernel.
const ON_DEBUG: &str = ", debug kernel";

/// The names of tests that are not in `dw100-board uapi`.
const REGISTERS: &str = "the prefetch controls are what the engine's register says";
const ABOVE: &str = "buffers above 4 GiB are used in place with dma_bits=34, and not without";
const THEIRS: &str = "the C driver fails by its listed faults and passes all other tests";

/// Returns the names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let mut board = names::of_board(checkout, "uapi")?;
    board.push(END.to_owned());
    let more = [REGISTERS, ABOVE, THEIRS].map(str::to_owned);
    Names::all(
        names::with_suffixes(&board, &["", ON_DEBUG])
            .into_iter()
            .chain(more),
    )
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let prepare = |flavour| Board::prepare(tests.env, flavour, Driver::Rust);
    let on_rt = || {
        let rt = prepare(Flavour::Rt)?;
        ours(tests, &rt)?;
        tests.check(REGISTERS, || registers(tests, &rt));
        tests.check(THEIRS, || theirs(tests, &rt));
        tests.check(ABOVE, || high_memory(tests, &rt));
        Ok(())
    };
    let on_debug = || {
        if tests.full {
            ours(tests, &prepare(Flavour::Debug)?)?;
        }
        Ok(())
    };
    side_by_side([&on_rt, &on_debug])
}

/// Runs all tests with this project's driver.
fn ours(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let (suffix, more) = match board.flavour() {
        Flavour::Debug => (ON_DEBUG, " --trace --limit 150"),
        _ => ("", ""),
    };
    let Some(filter) = tests.board_filter("uapi", suffix)? else {
        return Ok(());
    };
    let script = format!("{VIVID} && dw100-board uapi --vivid{more}{filter}");
    let mut options = tests.options(board.flavour());
    options.timeout_s = 1200;
    tests.judge(board, &options, &script, suffix)
}

/// Checks that the prefetch settings of frames reach the engine's register.
fn registers(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let options = tests.options(board.flavour()).healthy();
    let (_, frames) = tests.trace(board, options, "dw100-board registers")?;
    prefetched(&frames)
}

/// Tests buffers that need more than 32 address bits. The engine has 34; this driver uses them only
/// with the parameter dma_bits=34, because no driver is known to have used more than 32.
fn high_memory(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let high = |driver, parameters: &str| -> Result<HighMemory> {
        let options = Options {
            memory_gib: 6,
            timeout_s: 60,
            append: Some(format!("cma=256M@{CMA:#x}")),
            ..Options::new(board.flavour(), driver).on_one_cpu()
        };
        let mut script =
            "dw100-board uapi 'frames go through buffers of a dma-heap on both queues'".to_owned();
        if !parameters.is_empty() {
            script = format!("driver unload rust && driver load rust {parameters} && {script}");
        }
        let (printed, frames) = tests.trace(board, options, &script)?;
        HighMemory::of(&printed, &frames)
    };
    let with_34 = high(Driver::Rust, "dma_bits=34 watchdog_ms=60000")?;
    ensure!(
        matches!(with_34, HighMemory::Above(frames) if frames > 0),
        "this driver with dma_bits=34: {with_34:?}"
    );
    for driver in [Driver::Rust, Driver::C] {
        let with_32 = high(driver, "")?;
        let refused = matches!(&with_32, HighMemory::Failed(why) if why.contains(NOT_REACHED));
        let name = driver.name();
        ensure!(refused, "{name} with 32 bits: {with_32:?}");
    }
    Ok(())
}

/// The result of a test with buffers above 4 GiB.
#[derive(Debug, PartialEq, Eq)]
enum HighMemory {
    /// This many frames were processed, with all addresses above 4 GiB.
    Above(usize),
    /// This many frames were processed, with an address below 4 GiB.
    Below(usize),
    /// The test failed for this reason.
    Failed(String),
}

impl HighMemory {
    /// Reads the board's output, which has one verdict, and the engine's trace.
    fn of(printed: &str, frames: &[Value]) -> Result<Self> {
        announced(printed)?;
        if let Some(why) = verdicts(printed).find_map(|(_, failure)| failure) {
            return Ok(Self::Failed(why.to_owned()));
        }
        let above = frames.iter().all(|frame| {
            let address = |name: &str| frame["regs"][name].as_u64().unwrap_or_default() << 4;
            BASES.into_iter().all(|base| address(base) >= CMA)
        });
        let count = frames.len();
        Ok(if above {
            Self::Above(count)
        } else {
            Self::Below(count)
        })
    }
}

/// Runs the same tests with the C driver. The result does not depend on this driver. If it is as
/// listed, it is cached until the tests or the board change.
fn theirs(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let options = Options {
        timeout_s: 1200,
        driver: Driver::C,
        ..tests.options(board.flavour())
    };
    let skips = c_driver::SKIPS
        .iter()
        .map(|(name, _)| format!(" --skip '{name}'"));
    let script = format!("dw100-board uapi{}", skips.collect::<String>());
    let recipe = Recipe {
        name: "c-driver-uapi",
        key: board
            .key()?
            .add(&script)
            .add(format!("{:?}", c_driver::FAILS))
            .words(c_driver::RACES)
            .add([options.smp])
            .finish(),
        partial: Partial::Discard,
        gigabytes: 0.1,
    };
    let kept = tests.env.entry(&recipe, |_, dir| {
        let outcome = tests.run(board, &options, &script)?;
        complete(&outcome)?;
        let (passed, failed, unlisted) = compared(&outcome.printed, c_driver::FAILS);
        let unlisted: Vec<String> = unlisted
            .iter()
            .map(|(name, why)| format!("{name}: {why:#}"))
            .collect();
        ensure!(unlisted.is_empty(), "{}", unlisted.join("\n"));
        let sums = format!("passes {passed} and fails {failed}");
        Ok(fs::write(dir.join("sums"), sums)?)
    })?;
    let sums = fs::read_to_string(kept.dir.join("sums"))?;
    tests.env.ui.say(&format!("uapi: the C driver {sums}"));
    Ok(())
}

/// Returns how many tests passed and how many failed as listed, and the results that are not as listed.
fn compared<'a>(
    printed: &'a str,
    listed: &[(&'a str, &str, &str)],
) -> (usize, usize, Vec<(&'a str, anyhow::Error)>) {
    let (mut passed, mut failed, mut unlisted) = (0, 0, Vec::new());
    let entry = |name: &str| listed.iter().find(|entry| entry.0 == name);
    for (name, failure) in verdicts(printed) {
        match (failure, entry(name)) {
            (None, None) => passed += 1,
            (None, Some((race, ..))) if c_driver::RACES.contains(race) => passed += 1,
            (Some(why), Some((_, _, says))) if why.contains(says) => failed += 1,
            (Some(why), Some((_, fault, _))) => {
                unlisted.push((
                    name,
                    anyhow!("fails for another reason than '{fault}': {why}"),
                ));
            }
            (Some(why), None) => unlisted.push((name, anyhow!("{why}"))),
            (None, Some((_, fault, _))) => {
                unlisted.push((name, anyhow!("passes despite '{fault}'")));
            }
        }
    }
    for (name, ..) in listed {
        if !verdicts(printed).any(|(run, _)| run == *name) {
            unlisted.push((name, anyhow!("is listed, but did not run")));
        }
    }
    (passed, failed, unlisted)
}

/// Fails unless the last frames of a trace have the prefetch settings that were sent.
fn prefetched(frames: &[Value]) -> Result<()> {
    let first = frames.len().checked_sub(PREFETCH.len());
    let last = &frames[first.context("there are too few frames in the trace")?..];
    let control = |frame: &Value| {
        let control = frame["regs"]["0x04"].as_u64();
        control.context("a frame in the trace lacks its control register")
    };
    for (frame, (mode, threshold)) in last.iter().zip(PREFETCH) {
        let control = control(frame)?;
        let got = (control >> 16 & 3, control >> 18 & 0x7f);
        ensure!(
            got == (mode, threshold),
            "mode and threshold are {got:?} in {control:#x}, not {:?}",
            (mode, threshold)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_that_are_not_as_listed_are_found() {
        let listed = [
            ("b", "fault 1", "wrong"),
            ("c", "fault 2", "wrong"),
            ("e", "fault 3", "wrong"),
            ("f", "fault 4", "too late"),
        ];
        let printed =
            "ok a\nFAIL b: all wrong\nok c\nFAIL d: lost\nnoise\nFAIL f: no end after 60 s\n";
        let (passed, failed, unlisted) = compared(printed, &listed);
        assert_eq!((passed, failed), (1, 1));
        let lines: Vec<String> = unlisted
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        assert_eq!(
            lines,
            [
                "c: passes despite 'fault 2'",
                "d: lost",
                "f: fails for another reason than 'fault 4': no end after 60 s",
                "e: is listed, but did not run",
            ]
        );
    }

    #[test]
    fn frames_above_4_gib_differ_from_those_below_and_from_failures() {
        let frame = |luma: u64| {
            let high = CMA >> 4;
            json!({"regs": {"0x08": high, "0x10": luma, "0x38": high}})
        };
        let of = |printed: &str, frames: &[Value]| HighMemory::of(printed, frames).unwrap();
        let passed = "1..1\nok a\n";
        assert_eq!(of(passed, &[frame(CMA >> 4)]), HighMemory::Above(1));
        let mixed = [frame(CMA >> 4), frame(0x400_0000)];
        assert_eq!(of(passed, &mixed), HighMemory::Below(2));
        // A test without frames proves nothing.
        assert_eq!(of(passed, &[]), HighMemory::Above(0));
        assert_eq!(
            of("1..1\nFAIL a: b\n", &[]),
            HighMemory::Failed("b".to_owned())
        );
        for no_verdict in ["", "1..1\n"] {
            assert!(HighMemory::of(no_verdict, &[frame(CMA >> 4)]).is_err());
        }
    }

    #[test]
    fn a_wrong_bit_in_one_register_of_the_trace_is_an_error() {
        let frame = |(mode, threshold): (u64, u64)| {
            let control = 1 | mode << 16 | threshold << 18;
            json!({"regs": {"0x04": control}})
        };
        let good = PREFETCH.map(frame);
        assert!(prefetched(&good).is_ok());
        let later = [&[frame((3, 3))][..], &good].concat();
        assert!(prefetched(&later).is_ok());
        let bad = PREFETCH.map(|(mode, threshold)| frame((mode ^ 1, threshold)));
        assert!(prefetched(&bad).is_err());
        assert!(prefetched(&[]).is_err());
    }
}
