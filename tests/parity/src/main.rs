// SPDX-License-Identifier: GPL-2.0

//! Checks the parity of this driver and the C driver: registers, their order, maps and frames.
//!
//! `dw100-parity plan [--full] DIR` writes the plan that both drivers process.
//! `dw100-parity check [--full] REPORT RUST C` judges what both did, with one line for each check,
//! `ok NAME` or `FAIL NAME: WHY`, and writes the counts to REPORT. RUST and C hold the files from the
//! board: `registers.jsonl` and `frames.jsonl` of `dw100-board parity`, and `trace.jsonl`.
//! `dw100-parity names` prints the names of the checks.

mod access;
mod crop;
mod format;
mod golden;
mod judge;
mod map;
mod matrix;
mod record;
mod registers;
mod report;
mod sequence;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};

use judge::Judge;
use matrix::Extent;
use record::Record;
use report::Report;

/// Returns the runs on a board, in order, with the names of their files.
fn runs(full: bool) -> [(&'static str, Extent); 2] {
    let frames = match full {
        true => Extent::AllFrames,
        false => Extent::SomeFrames,
    };
    [("registers", Extent::Registers), ("frames", frames)]
}

/// Writes the plans and the maps that they use.
fn plan(dir: &Path, full: bool) -> Result<()> {
    let plans = runs(full).map(|(name, extent)| (format!("{name}.plan"), matrix::plan(extent)));
    let plans = plans.map(|(name, plan)| (name, plan.into_bytes()));
    for (name, content) in plans.into_iter().chain(matrix::map_files()) {
        let file = dir.join(name);
        fs::write(&file, content).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Reads the files that a board wrote, for each run.
fn records(dir: &Path, full: bool) -> Result<Vec<Vec<Record>>> {
    let read = |name: &str| {
        let file = dir.join(name);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    };
    let said = runs(full)
        .iter()
        .map(|(name, _)| read(&format!("{name}.jsonl")))
        .collect::<Result<Vec<_>>>()?;
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    record::line_up(&said, &read("trace.jsonl")?).with_context(|| dir.display().to_string())
}

/// Prints the verdicts. Returns whether all are good.
fn check(report_file: &Path, rust: &Path, c: &Path, full: bool) -> Result<bool> {
    let (rust, c) = (records(rust, full)?, records(c, full)?);
    let (mut judge, mut report) = (Judge::default(), Report::default());
    for ((name, extent), (rust, c)) in runs(full).into_iter().zip(rust.iter().zip(&c)) {
        let combinations = matrix::combinations(extent);
        let (due, ours, theirs) = (combinations.len(), rust.len(), c.len());
        ensure!(
            ours == due && theirs == due,
            "{name}: {ours} records of this driver and {theirs} of the C driver, not {due}"
        );
        for (combination, (rust, c)) in combinations.iter().zip(rust.iter().zip(c)) {
            let verdict = judge.judge(combination, rust, c);
            match extent {
                Extent::Registers => report.add(combination, verdict),
                Extent::SomeFrames | Extent::AllFrames => report.add_frame(combination, verdict),
            }
        }
    }
    for line in report.lines() {
        println!("{line}");
    }
    fs::write(report_file, format!("{:#}\n", report.json()))
        .with_context(|| format!("writing {}", report_file.display()))?;
    Ok(report.good())
}

fn run(words: Vec<OsString>) -> Result<bool> {
    let full = words.iter().any(|word| word == "--full");
    let words: Vec<PathBuf> = words
        .into_iter()
        .filter(|word| word != "--full")
        .map(PathBuf::from)
        .collect();
    let is = |word: &PathBuf, name: &str| word.as_os_str() == OsStr::new(name);
    match words.as_slice() {
        [verb] if is(verb, "names") => {
            // An empty report has one line for each check.
            for line in Report::default().lines() {
                let line = line.trim_start_matches("ok ").trim_start_matches("FAIL ");
                println!("{}", line.split(": ").next().unwrap_or_default());
            }
            Ok(true)
        }
        [verb, dir] if is(verb, "plan") => plan(dir, full).map(|()| true),
        [verb, report, rust, c] if is(verb, "check") => check(report, rust, c, full),
        _ => bail!("usage: dw100-parity names | plan [--full] DIR | check [--full] REPORT RUST C"),
    }
}

fn main() -> ExitCode {
    match run(std::env::args_os().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dw100-parity: {error:#}");
            ExitCode::from(2)
        }
    }
}
