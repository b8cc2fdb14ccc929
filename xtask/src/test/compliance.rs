// SPDX-License-Identifier: GPL-2.0

//! Suite `compliance`: v4l2-compliance on the board.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Tests;
use super::names::Names;
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// The runs on each kernel: a name and a shell command. vivid is the other device, from which dma-bufs
/// are imported.
///
/// While it streams, v4l2-compliance counts OUTPUT buffers down to zero. If it dequeues the last one
/// before the CAPTURE buffer of the same frame, it misses zero and does not end. On the CPU that runs
/// the engine's interrupt thread it dequeues both together.
const RUNS: [(&str, &str); 2] = [
    (
        "the video node, with buffers of another device",
        "modprobe vivid n_devs=1 node_types=0x1 no_error_inj=1
        v4l2-ctl -d /dev/video1 --set-fmt-video=width=1280,height=720,pixelformat=YUYV
        taskset 1 v4l2-compliance -d /dev/video0 -s5 -e /dev/video1",
    ),
    ("the media device", "v4l2-compliance -M /dev/media0"),
];

/// A run with all formats. The model computes no pixels, because v4l2-compliance does not check them.
const FORMATS: (&str, &str) = (
    "every pair of formats",
    "model pixels=off
    v4l2-compliance -d /dev/video0 -f",
);

/// Returns the name of a run's test.
fn name(run: &str, flavour: Flavour) -> String {
    format!("{run}, {}", flavour.name())
}

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let runs = RUNS.iter().chain([&FORMATS]);
    let both =
        |(run, _): &(&str, &str)| [Flavour::Rt, Flavour::Debug].map(|flavour| name(run, flavour));
    Names::all(runs.flat_map(both))
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    on(tests, Flavour::Rt)?;
    // Without `--full` the debug kernel checks such calls in suite `lifetime`.
    if tests.full {
        on(tests, Flavour::Debug)?;
    }
    Ok(())
}

fn on(tests: &Tests<'_>, flavour: Flavour) -> Result<()> {
    let board = Board::prepare(tests.env, flavour, Driver::Rust)?;
    let mut options = tests.options(board.flavour()).healthy();
    options.timeout_s = if tests.full { 1800 } else { 900 };
    comply(tests, &board, &options, &RUNS);
    comply(tests, &board, &options.on_one_cpu(), &[FORMATS]);
    Ok(())
}

fn comply(tests: &Tests<'_>, board: &Board<'_>, options: &Options, runs: &[(&str, &str)]) {
    let wanted = |run: &&(&str, &str)| tests.wants(&name(run.0, board.flavour()));
    let runs: Vec<_> = runs.iter().filter(wanted).collect();
    if runs.is_empty() {
        return;
    }
    let script = runs
        .iter()
        .map(|(name, command)| format!("echo '@ {name}'\n{command}\n"));
    let printed = tests.boot(board, options, &(script.collect::<String>() + "true"));
    for (run, _) in runs {
        let verdict = match &printed {
            Ok(printed) => verdict(printed, run),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        tests.record(&name(run, board.flavour()), verdict);
    }
}

/// Returns the verdict on the output between `@ name` and the next `@`.
pub fn verdict(printed: &str, name: &str) -> Result<()> {
    let part = printed
        .split("@ ")
        .find_map(|part| part.strip_prefix(name))
        .context("v4l2-compliance did not run")?;
    let totals = part.lines().filter_map(totals).collect::<Vec<_>>();
    if totals.is_empty() {
        bail!("no total: {}", super::last_lines(part, 5));
    }
    if let Some((tests, failed, warnings)) = totals
        .into_iter()
        .find(|&(tests, failed, warnings)| tests == 0 || failed + warnings > 0)
    {
        let bad = |line: &&str| line.contains("fail") || line.contains("warn");
        let lines: Vec<&str> = part.lines().filter(bad).take(10).collect();
        bail!(
            "{tests} tests, {failed} failed, {warnings} warnings:\n{}",
            lines.join("\n")
        );
    }
    Ok(())
}

/// Parses `Total for dw100 device ...: N, Succeeded: N, Failed: N, Warnings: N`. Returns the numbers of
/// tests, failures and warnings.
fn totals(line: &str) -> Option<(u32, u32, u32)> {
    let rest = line.trim().strip_prefix("Total for ")?;
    let number = |name: &str| {
        let digits = rest.rsplit_once(name)?.1.trim_start();
        digits
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    };
    let (device, _) = rest.split_once(", Succeeded:")?;
    let tests = device.rsplit_once(": ")?.1.parse().ok()?;
    Some((tests, number("Failed:")?, number("Warnings:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_read_from_the_last_line() {
        let line = "Total for dw100 device /dev/video0: 46, Succeeded: 46, Failed: 0, Warnings: 2";
        assert_eq!(totals(line), Some((46, 0, 2)));
        assert_eq!(totals("Grand Total for dw100: 58"), None);
    }

    #[test]
    fn failures_warnings_a_missing_total_and_no_tests_are_all_failures() {
        let of = |line: &str| verdict(&format!("@ node\n{line}\n@ other\n"), "node");
        let total = |rest: &str| format!("Total for dw100 device /dev/video0: {rest}");
        assert!(of(&total("46, Succeeded: 46, Failed: 0, Warnings: 0")).is_ok());
        assert!(of(&total("46, Succeeded: 45, Failed: 1, Warnings: 0")).is_err());
        assert!(of(&total("46, Succeeded: 46, Failed: 0, Warnings: 1")).is_err());
        assert!(of(&total("0, Succeeded: 0, Failed: 0, Warnings: 0")).is_err());
        assert!(of("Segmentation fault").is_err());
        assert!(verdict("", "node").is_err());
    }
}
