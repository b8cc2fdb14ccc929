// SPDX-License-Identifier: GPL-2.0

//! The test program that runs on a board.
//!
//! `dw100-board SUITE [--list] [--full] [--debug] [--vivid] [--trace] [--skip NAME]…
//! [--limit SECONDS] [FILTER]` runs the tests of a suite:
//!
//! - `uapi`: the V4L2 interface;
//! - `faults`: an engine that fails, which the emulated board injects, and memory that runs out;
//! - `timed`: how soon frames are returned by a board with `--icount`;
//! - `lifetime`: objects that outlive the device;
//! - `sleep`: system sleep;
//! - `held`: a process that keeps the kernel waiting;
//! - `core`: faults of the V4L2 core;
//! - `vim2m`: the driver `samples/vim2m` beside the kernel's vim2m.
//!
//! The other commands are:
//!
//! - `dw100-board fuzz` sends random calls from several processes;
//! - `dw100-board model KEY=VALUE…` sets properties of the engine's model;
//! - `dw100-board registers` processes the frames whose registers the host checks;
//! - `dw100-board parity [--pixels] PLAN RECORD` processes the frames of the parity suite;
//! - `dw100-board worlds [--full] NUMBER RECORD SCENARIO…` runs scenarios of the suite `worlds`;
//! - `dw100-board bench WHAT NUMBER…` measures the cost of frames and open files;
//! - `dw100-board endure [--faults] FILES FRAMES SECONDS` streams while something else runs;
//! - `dw100-board hog BUSY GAP TIMES` keeps a CPU busy, with times in microseconds.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use dw100_board::bench;
use dw100_board::endure;
use dw100_board::faults;
use dw100_board::fuzz;
use dw100_board::harness::{self, Choice};
use dw100_board::held;
use dw100_board::lifetime;
use dw100_board::model;
use dw100_board::parity;
use dw100_board::registers;
use dw100_board::sleep;
use dw100_board::uapi;
use dw100_board::v4l2_core;
use dw100_board::vim2m;
use dw100_board::worlds;

const USAGE: &str = "usage: dw100-board uapi|faults|timed|lifetime|sleep|held|core|vim2m [--list] [--full] [--debug] \
                                  [--vivid] [--trace] [--skip NAME]... [--limit SECONDS] [FILTER]\n       \
                     dw100-board fuzz [--seed N] [--seconds N]\n       \
                     dw100-board model KEY=VALUE...\n       \
                     dw100-board registers\n       \
                     dw100-board bench WHAT NUMBER...\n       \
                     dw100-board endure [--faults] FILES FRAMES SECONDS\n       \
                     dw100-board hog BUSY GAP TIMES\n       \
                     dw100-board parity [--pixels] PLAN RECORD\n       \
                     dw100-board worlds [--full] NUMBER RECORD SCENARIO...";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<()> {
    match words.next().as_deref() {
        Some("uapi") => {
            let choice = choice(words)?;
            harness::run(uapi::tests(&choice), &choice)
        }
        Some("faults") => {
            let choice = choice(words)?;
            harness::run(faults::tests(choice.full, choice.debug), &choice)
        }
        Some("timed") => harness::run(faults::TIMED.iter(), &choice(words)?),
        Some("fuzz") => fuzzed(words),
        Some("lifetime") => {
            let choice = choice(words)?;
            harness::run(lifetime::tests(choice.full, choice.debug), &choice)
        }
        Some("held") => harness::run(held::TESTS.iter(), &choice(words)?),
        Some("core") => harness::run(v4l2_core::TESTS.iter(), &choice(words)?),
        Some("vim2m") => {
            let choice = choice(words)?;
            harness::run(vim2m::tests(choice.full), &choice)
        }
        Some("sleep") => harness::run(sleep::TESTS.iter(), &choice(words)?),
        Some("model") => words.try_for_each(|setting| model::set(&setting)),
        Some("registers") => registers::run(),
        Some("endure") => endured(&words.collect::<Vec<_>>()),
        Some("hog") => {
            let [busy, gap, times] = numbers(&words.collect::<Vec<_>>())?;
            let micros = |number: u32| Duration::from_micros(number.into());
            endure::hog(micros(busy), micros(gap), times);
            Ok(())
        }
        Some("bench") => bench::run(&words.collect::<Vec<_>>()),
        Some("parity") => frames(&words.collect::<Vec<_>>()),
        Some("worlds") => world(&words.collect::<Vec<_>>()),
        _ => bail!(USAGE),
    }
}

fn choice(mut words: impl Iterator<Item = String>) -> Result<Choice> {
    let mut choice = Choice::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--list" => choice.list = true,
            "--full" => choice.full = true,
            "--vivid" => choice.vivid = true,
            "--trace" => choice.trace = true,
            "--debug" => choice.debug = true,
            "--skip" => match words.next() {
                Some(name) => choice.skipped.push(name),
                None => bail!(USAGE),
            },
            "--limit" => match words.next().map(|seconds| seconds.parse()) {
                Some(Ok(seconds)) => choice.limit = Duration::from_secs(seconds),
                _ => bail!(USAGE),
            },
            word if word.starts_with('-') || choice.filter.is_some() => bail!(USAGE),
            _ => choice.filter = Some(word),
        }
    }
    Ok(choice)
}

fn fuzzed(mut words: impl Iterator<Item = String>) -> Result<()> {
    // The seed is different each time, and printed.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let (mut seed, mut seconds) = (u64::from(now.subsec_nanos()), 30);
    while let Some(word) = words.next() {
        let value = match words.next().map(|value| value.parse()) {
            Some(Ok(value)) => value,
            _ => bail!(USAGE),
        };
        match word.as_str() {
            "--seed" => seed = value,
            "--seconds" => seconds = value,
            _ => bail!(USAGE),
        }
    }
    fuzz::run(seed, Duration::from_secs(seconds));
    Ok(())
}

fn endured(words: &[String]) -> Result<()> {
    let (faults, words) = match words {
        [flag, rest @ ..] if flag == "--faults" => (true, rest),
        all => (false, all),
    };
    let [files, frames, seconds] = numbers(words)?;
    endure::run(files, frames, seconds, faults)
}

fn numbers<const N: usize>(words: &[String]) -> Result<[u32; N]> {
    let numbers = words
        .iter()
        .map(|word| word.parse().ok())
        .collect::<Option<Vec<u32>>>();
    match numbers.map(TryInto::try_into) {
        Some(Ok(numbers)) => Ok(numbers),
        _ => bail!(USAGE),
    }
}

fn frames(words: &[String]) -> Result<()> {
    match words {
        [flag, plan, record] if flag == "--pixels" => {
            parity::run(Path::new(plan), Path::new(record), true)
        }
        [plan, record] => parity::run(Path::new(plan), Path::new(record), false),
        _ => bail!(USAGE),
    }
}

fn world(words: &[String]) -> Result<()> {
    let (full, words) = match words {
        [flag, rest @ ..] if flag == "--full" => (true, rest),
        all => (false, all),
    };
    let [number, record, scenarios @ ..] = words else {
        bail!(USAGE);
    };
    let [number] = numbers(std::slice::from_ref(number))?;
    worlds::run(number, Path::new(record), full, scenarios)
}
