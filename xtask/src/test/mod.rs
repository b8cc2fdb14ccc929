// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask test`: the suites, their order, and the line that each test prints.

mod compliance;
mod host;
mod parity;
mod stream;
mod uapi;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::Env;
use crate::board::{Board, End, Options, Outcome};

/// A suite: its name, what it proves, and its tests.
type Suite = (&'static str, &'static str, fn(&Tests<'_>) -> Result<()>);

/// All suites, in the order in which they run.
const SUITES: &[Suite] = &[
    (
        "host",
        "the crates' own tests, formatting and lints",
        host::run,
    ),
    (
        "compliance",
        "v4l2-compliance on the board",
        compliance::run,
    ),
    (
        "stream",
        "frames through the driver: pixels, pictures, interrupts, endurance",
        stream::run,
    ),
    (
        "uapi",
        "the V4L2 interface: each of its promises, and what the C driver fails of them",
        uapi::run,
    ),
    (
        "parity",
        "registers, maps and frames of this driver and of the C driver",
        parity::run,
    ),
];

/// The tests of a run and their results so far.
pub struct Tests<'a> {
    /// What every step needs to know.
    pub env: &'a Env,
    /// Also run what is too long for every day.
    pub full: bool,
    suite: &'static str,
    /// How many passed, how many failed.
    results: Mutex<[usize; 2]>,
}

impl Tests<'_> {
    /// Records a test's result and prints its line.
    pub fn record(&self, name: &str, result: Result<()>) {
        let suite = self.suite;
        let failed = result.is_err();
        match result {
            Ok(()) => println!("ok   {suite}: {name}"),
            Err(why) => println!("FAIL {suite}: {name}: {why:#}"),
        }
        self.counts()[usize::from(failed)] += 1;
    }

    fn counts(&self) -> MutexGuard<'_, [usize; 2]> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the verdicts that a program printed: `ok NAME` and `FAIL NAME: WHY` lines.
    /// Returns how many there were.
    pub fn record_lines(&self, lines: &str) -> usize {
        let found = verdicts(lines);
        found
            .map(|(name, failure)| self.record(name, result(failure)))
            .count()
    }
}

/// Runs parts of a suite at the same time: a board keeps little more than one CPU busy.
fn side_by_side<const N: usize>(parts: [&(dyn Fn() -> Result<()> + Sync); N]) -> Result<()> {
    thread::scope(|scope| {
        let threads = parts.map(|part| scope.spawn(part));
        threads.map(|thread| thread.join())
    })
    .into_iter()
    .try_for_each(|ended| ended.unwrap_or_else(|_| bail!("a part of the suite panicked")))
}

/// The verdicts that a program printed, `ok NAME` and `FAIL NAME: WHY`: names, and why they failed.
fn verdicts(lines: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    lines.lines().filter_map(|line| {
        if let Some(name) = line.strip_prefix("ok ") {
            return Some((name, None));
        }
        let rest = line.strip_prefix("FAIL ")?;
        let (name, why) = rest.split_once(": ").unwrap_or((rest, "failed"));
        Some((name, Some(why)))
    })
}

/// A test's result from why it failed.
fn result(failure: Option<&str>) -> Result<()> {
    match failure {
        None => Ok(()),
        Some(why) => Err(anyhow::anyhow!("{why}")),
    }
}

/// Boots, and takes anything but the script's success for a failure.
pub fn boot(board: &Board<'_>, options: &Options, script: &str) -> Result<String> {
    let Outcome { end, printed } = board.run(options, script, false)?;
    match &end {
        End::Script(0) => Ok(printed),
        End::Script(status) => {
            bail!(
                "the script ended with status {status}:\n{}",
                last_lines(&printed, 8)
            )
        }
        _ => bail!("{}", end.message().unwrap_or_default()),
    }
}

/// The end of a text.
fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Prints the suites' names.
pub fn list() {
    for (name, about, _) in SUITES {
        println!("{name:12} {about}");
    }
}

/// Finds suites by name; all, where none is named.
fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    for name in names {
        if !SUITES.iter().any(|suite| suite.0 == name) {
            let known: Vec<&str> = SUITES.iter().map(|suite| suite.0).collect();
            bail!("there is no suite '{name}'; there are: {}", known.join(" "));
        }
    }
    let wanted = |suite: &&Suite| names.is_empty() || names.iter().any(|name| name == suite.0);
    Ok(SUITES.iter().filter(wanted).collect())
}

/// Fails on the name of a suite that does not exist, before anything is built.
pub fn check_names(names: &[String]) -> Result<()> {
    chosen(names).map(drop)
}

/// Runs the named suites, or all. True if no test failed.
pub fn run(env: &Env, names: &[String], full: bool) -> Result<bool> {
    let mut tests = Tests {
        env,
        full,
        suite: "",
        results: Mutex::default(),
    };
    for (name, _, suite) in chosen(names)? {
        let started = Instant::now();
        tests.suite = name;
        if let Err(error) = suite(&tests) {
            tests.record("runs to its end", Err(error));
        }
        env.ui
            .say(&format!("{name}: {} s", started.elapsed().as_secs()));
    }
    let [passed, failed] = *tests.counts();
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_keep_their_order_and_unknown_ones_are_named() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let found = |list: &[&str]| {
            chosen(&names(list))
                .unwrap()
                .iter()
                .map(|suite| suite.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&["stream", "host"]), ["host", "stream"]);
        assert_eq!(found(&[]).len(), SUITES.len());
        let error = chosen(&names(&["kuint"])).unwrap_err().to_string();
        assert!(
            error.contains("kuint") && error.contains("host compliance stream"),
            "{error}"
        );
    }
}
