// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask test`: the suites, their order, and the line that each test prints.

mod clients;
mod compliance;
mod deploy;
mod faults;
mod host;
mod kernel_trees;
mod kit;
mod kunit;
mod kunit_tool;
mod lifetime;
mod names;
mod parity;
mod report;
mod rt;
mod scripts;
mod slots;
mod stream;
mod streams_doc;
mod tune;
mod typed_commands;
mod uapi;
mod v4l2_core;
mod vim2m;
mod worlds;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::Env;
use crate::board::{Board, Driver, End, Options, Outcome};
use crate::chown::ChownGuard;
use crate::demo::frames_of;
use crate::kernel::Flavour;
use crate::step::{last_lines, make_dir};
use names::Names;
use report::{Case, Report};
use slots::{Slot, Slots};

/// A suite.
#[derive(Debug)]
struct Suite {
    name: &'static str,
    /// A line for `--list` that says what the suite tests.
    about: &'static str,
    run: fn(&Tests<'_>) -> Result<()>,
    /// Returns the names of its tests that are known before it runs. The argument is the checkout.
    names: fn(&Path) -> Result<Names>,
}

/// Lists suites: the name, the module, and a line about it.
macro_rules! suites {
    ($($name:literal => $module:ident: $about:literal,)*) => {
        &[$(Suite {
            name: $name,
            about: $about,
            run: $module::run,
            names: $module::names,
        }),*]
    };
}

/// All suites, in the order in which they run.
const SUITES: &[Suite] = suites! {
    "host" => host: "the tests of the crates and of the Python scripts, and all lints",
    "kunit" => kunit: "the module's KUnit tests: interrupt, watchdog and streams, with memory in place of the registers",
    "compliance" => compliance: "v4l2-compliance on the board",
    "stream" => stream: "frames through the driver: pixels, pictures, videos and cameras, interrupts, endurance",
    "uapi" => uapi: "the V4L2 interface, with this driver and with the C driver",
    "parity" => parity: "registers, maps and frames, compared with the C driver's",
    "worlds" => worlds: "both drivers, with engines that differ where the real one is not known",
    "lifetime" => lifetime: "unbinding while programs use the device, system sleep, random calls",
    "vim2m" => vim2m: "a second driver over the same abstractions, compared with the kernel's vim2m",
    "core" => v4l2_core: "the patches for the V4L2 core: each applies and removes a fault",
    "faults" => faults: "an engine that fails or does not answer, and memory that runs out",
    "rt" => rt: "real-time tasks beside a stream: the gate, rcutorture, latency",
    "deploy" => deploy: "installing on a board: device-tree overlays, the documents' commands, other kernel trees",
    "kit" => kit: "the archive for a board: first-light names the world that it runs in, and stops if the bus hangs",
    "clients" => clients: "the commands of docs/clients.md and docs/gstreamer.md: v4l2-ctl, GStreamer, ffmpeg, libcamera",
};

/// What a suite needs to run its tests.
pub struct Tests<'a> {
    /// The parts that all commands share.
    pub env: &'a Env,
    /// Whether to run the slow tests too.
    pub full: bool,
    /// Only tests whose name contains this are recorded.
    filter: &'a str,
    /// The suite's position in the report.
    number: usize,
    report: &'a Mutex<Report>,
    boards: &'a Slots,
}

impl Tests<'_> {
    /// Returns whether the filter selects a test of this name.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(self.filter)
    }

    /// Returns whether the filter selects one of these tests.
    pub fn wants_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.wants(name))
    }

    /// Returns the argument for `dw100-board SUITE` that makes it run the selected tests, or nothing if
    /// the suite has none. The report appends `suffix` to each test's name.
    pub fn board_filter(&self, suite: &str, suffix: &str) -> Result<Option<String>> {
        let wanted = |name: &str| self.wants(&format!("{name}{suffix}"));
        if wanted(END) {
            return Ok(Some(String::new()));
        }
        let names = names::of_board(&self.env.checkout, suite)?;
        let any = names.iter().any(|name| wanted(name));
        Ok(any.then(|| names::without_suffix(self.filter, suffix)))
    }

    /// Records a test's result and prints its line, if the filter selects it. See [`Self::check`].
    pub fn record(&self, name: &str, result: Result<()>) {
        self.record_with(name, None, result);
    }

    /// Runs a test if the filter selects it, and records its result and its duration.
    pub fn check(&self, name: &str, test: impl FnOnce() -> Result<()>) {
        if self.wants(name) {
            let (started, waited) = (Instant::now(), slots::waited());
            let result = test();
            let took = started.elapsed().saturating_sub(slots::waited() - waited);
            self.add(name, Some(took), result);
        }
    }

    /// Records a test's result and its duration, if that is known, if the filter selects the test.
    fn record_with(&self, name: &str, took: Option<Duration>, result: Result<()>) {
        if self.wants(name) {
            self.add(name, took, result);
        }
    }

    /// Records how a board or a suite ended. A failure is recorded whatever the filter selects.
    pub fn record_end(&self, name: &str, result: Result<()>) {
        if result.is_err() || self.wants(name) {
            self.add(name, None, result);
        }
    }

    fn add(&self, name: &str, took: Option<Duration>, result: Result<()>) {
        let case = Case {
            name: name.to_owned(),
            took,
            failure: result.err().map(|why| format!("{why:#}")),
        };
        locked(self.report).add(self.number, case);
    }

    /// Records whether the C driver fails a test as listed: `printed` is the output of a board that ran
    /// only this test, and its failure must contain `says`.
    pub fn fails(&self, name: &str, fault: &str, says: &str, printed: &str) {
        let why = match verdicts(printed).next() {
            Some((_, failure)) => failure.unwrap_or("it passes"),
            None => "there is no verdict",
        };
        let failed = if why.contains(says) {
            Ok(())
        } else {
            Err(anyhow!("{why}"))
        };
        self.record(&self::fault(name, fault), failed);
    }

    /// Returns options for a boot with this project's driver. Without `--full` the board has one CPU,
    /// which takes half the time. The suites `kunit`, `lifetime` and `rt` test for races.
    pub fn options(&self, flavour: Flavour) -> Options {
        let options = Options::new(flavour, Driver::Rust);
        if self.full {
            options
        } else {
            options.on_one_cpu()
        }
    }

    /// Waits until another board may boot, or until other work of that size may run. `limit_s` is its
    /// time limit in seconds.
    fn slot(&self, limit_s: u64) -> Slot<'_> {
        self.boards.take(limit_s)
    }

    /// Boots and runs a script, when another board may boot.
    pub fn run(&self, board: &Board<'_>, options: &Options, script: &str) -> Result<Outcome> {
        let _slot = self.slot(options.timeout_s);
        board.run(options, script, false)
    }

    /// Does the same and returns what the script printed. Fails unless the script succeeds.
    pub fn boot(&self, board: &Board<'_>, options: &Options, script: &str) -> Result<String> {
        let outcome = self.run(board, options, script)?;
        ended(&outcome)?;
        Ok(outcome.printed)
    }

    /// Does the same and also returns the frames in the engine's trace.
    pub fn trace(
        &self,
        board: &Board<'_>,
        mut options: Options,
        script: &str,
    ) -> Result<(String, Vec<Value>)> {
        let work = self.env.cache.run_dir()?;
        options.output = Some(work.dir.clone());
        let printed = self.boot(board, &options, script)?;
        let trace = fs::read_to_string(work.dir.join("trace.jsonl"))?;
        Ok((printed, frames_of(&trace)?))
    }

    /// Boots a board with a script that prints verdicts, and records them. Also records whether the
    /// script ended well, with as many verdicts as it announced. `suffix` is appended to each test's
    /// name.
    pub fn judge(
        &self,
        board: &Board<'_>,
        options: &Options,
        script: &str,
        suffix: &str,
    ) -> Result<()> {
        let outcome = self.run(board, options, script)?;
        self.record_board(&outcome, suffix);
        self.record_end(&format!("{END}{suffix}"), complete(&outcome));
        Ok(())
    }

    /// Records the verdicts that a board printed, each with the time since the line before it. `suffix`
    /// is appended to each test's name.
    pub fn record_board(&self, outcome: &Outcome, suffix: &str) {
        let (mut printed, mut before) = (0, None);
        for line in outcome.printed.split_inclusive('\n') {
            printed += line.len();
            let now = outcome.printed_at(printed);
            if let Some((name, failure)) = verdict(line.trim_end()) {
                let took = now.zip(before).map(|(now, before)| now - before);
                self.record_with(&format!("{name}{suffix}"), took, result(failure));
            }
            before = now;
        }
    }

    /// Records the verdicts that a program printed, lines `ok NAME` and `FAIL NAME: WHY`. Returns their
    /// number.
    pub fn record_lines(&self, lines: &str) -> usize {
        let found = verdicts(lines);
        found
            .map(|(name, failure)| self.record(name, result(failure)))
            .count()
    }
}

/// Returns the name of the test that the C driver fails a test by one of its faults.
fn fault(name: &str, fault: &str) -> String {
    format!("the C driver fails by {fault}: {name}")
}

/// The name of the test that a board's script, or a suite, ended well.
const END: &str = "runs to its end";

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs parts of a suite in parallel.
fn side_by_side<const N: usize>(parts: [&(dyn Fn() -> Result<()> + Sync); N]) -> Result<()> {
    thread::scope(|scope| {
        let threads = parts.map(|part| scope.spawn(part));
        threads.map(|thread| thread.join())
    })
    .into_iter()
    .try_for_each(|ended| ended.unwrap_or_else(|_| bail!("a part of the suite panicked")))
}

/// Returns the verdicts that a program printed: names and reasons of failures.
fn verdicts(lines: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    lines.lines().filter_map(verdict)
}

/// Parses the line of a verdict, `ok NAME` or `FAIL NAME: WHY`. Returns the name and the reason of the
/// failure.
fn verdict(line: &str) -> Option<(&str, Option<&str>)> {
    if let Some(name) = line.strip_prefix("ok ") {
        return Some((name, None));
    }
    let rest = line.strip_prefix("FAIL ")?;
    let (name, why) = rest.split_once(": ").unwrap_or((rest, "failed"));
    Some((name, Some(why)))
}

/// Returns a test's result. `failure` is the reason, if it failed.
fn result(failure: Option<&str>) -> Result<()> {
    match failure {
        None => Ok(()),
        Some(why) => Err(anyhow!("{why}")),
    }
}

/// Fails unless the script of a boot ended with success.
fn ended(outcome: &Outcome) -> Result<()> {
    match &outcome.end {
        End::Script(0) => Ok(()),
        End::Script(status) => bail!(
            "the script ended with status {status}:\n{}",
            last_lines(&outcome.printed, 8)
        ),
        end => bail!("{}", end.message().unwrap_or_default()),
    }
}

/// Fails unless the script of a boot ended with success and a verdict on each announced test.
fn complete(outcome: &Outcome) -> Result<()> {
    ended(outcome)?;
    announced(&outcome.printed)
}

/// Fails unless there are verdicts, and as many as were announced: each program prints a line `1..N` as
/// in KTAP.
fn announced(lines: &str) -> Result<()> {
    let plans = lines.lines().filter_map(|line| line.strip_prefix("1.."));
    let planned = plans.map(str::parse::<usize>).sum::<Result<usize, _>>();
    let planned = planned.context("a plan 1..N has no number")?;
    let given = verdicts(lines).count();
    ensure!(
        given == planned && given > 0,
        "{given} verdicts, and {planned} were announced"
    );
    Ok(())
}

/// Prints the names of the suites, or the names of the tests of these suites.
pub fn list(env: &Env, names: &[String]) -> Result<()> {
    if names.is_empty() {
        for Suite { name, about, .. } in SUITES {
            println!("{name:12} {about}");
        }
        return Ok(());
    }
    for suite in chosen(names)? {
        let Names { known, more } = (suite.names)(&env.checkout)?;
        for name in known {
            println!("{}: {name}", suite.name);
        }
        if !more.is_empty() {
            println!("{}: (also {more})", suite.name);
        }
    }
    Ok(())
}

/// Returns the suites of these names, or all if there are no names.
fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    for name in names {
        if !SUITES.iter().any(|suite| suite.name == name) {
            let known: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
            bail!(
                "there is no suite '{name}'; the suites are: {}",
                known.join(" ")
            );
        }
    }
    let wanted = |suite: &&Suite| names.is_empty() || names.iter().any(|name| name == suite.name);
    Ok(SUITES.iter().filter(wanted).collect())
}

/// Fails if a suite does not exist, before anything is built.
pub fn check_names(names: &[String]) -> Result<()> {
    chosen(names).map(drop)
}

/// Fails if the suite cannot have a test whose name contains `part`.
#[cfg(test)]
pub fn ensure_may_have(checkout: &Path, suite: &str, part: &str) -> Result<()> {
    suites_with(part, chosen(&[suite.to_owned()])?, checkout)
        .map(drop)
        .with_context(|| format!("suite {suite}"))
}

/// The options of `test`.
#[derive(Args)]
pub struct Choice {
    /// Names of suites
    pub suites: Vec<String>,
    /// Also run the slow tests
    #[arg(long)]
    pub full: bool,
    /// Also write all results to FILE, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Only run tests whose name contains this
    #[arg(last = true, default_value = "", hide_default_value = true)]
    pub filter: String,
}

/// Returns the suites that may have a test which the filter selects. Fails if there is none.
fn suites_with(
    filter: &str,
    suites: Vec<&'static Suite>,
    checkout: &Path,
) -> Result<Vec<&'static Suite>> {
    let mut found = Vec::new();
    for suite in suites {
        let Names { known, more } = (suite.names)(checkout)?;
        if !more.is_empty() || known.iter().any(|name| name.contains(filter)) {
            found.push(suite);
        }
    }
    ensure!(!found.is_empty(), "{}", unknown(filter));
    Ok(found)
}

fn unknown(filter: &str) -> String {
    format!(
        "no test ran: no name of a test in these suites contains '{filter}' (see `cargo xtask test --list SUITE`)"
    )
}

/// Runs suites in parallel and prints the results of the tests that the filter selects. Returns whether
/// none failed. Fails if there was no test.
pub fn run(env: &Env, choice: &Choice) -> Result<bool> {
    let filter = choice.filter.as_str();
    let mut suites = chosen(&choice.suites)?;
    if !filter.is_empty() {
        suites = suites_with(filter, suites, &env.checkout)?;
    }
    if let Some(file) = &choice.junit {
        // If the file cannot be written, the command fails before it runs the suites.
        let _chown = ChownGuard::of_new(file);
        make_dir(file.parent().unwrap_or(Path::new("")))?;
        fs::write(file, "").with_context(|| format!("writing {}", file.display()))?;
    }
    let report = Mutex::new(Report::new(suites.iter().map(|suite| suite.name)));
    let boards = Slots::new(slots::boards());
    let run = |number: usize, suite: &Suite| {
        let started = Instant::now();
        let tests = Tests {
            env,
            full: choice.full,
            filter,
            number,
            report: &report,
            boards: &boards,
        };
        let ended = (suite.run)(&tests).and_then(|()| {
            let names = (suite.names)(&env.checkout)?;
            names.ensure_known(&locked(&report).passed(number))?;
            let any = !filter.is_empty() || locked(&report).count(number) > 0;
            ensure!(any, "no test has reported a result");
            Ok(())
        });
        if let Err(error) = ended {
            tests.add(END, None, Err(error));
        }
        locked(&report).end(number, started.elapsed());
        let seconds = started.elapsed().as_secs();
        env.ui.say(&format!("{}: {seconds} s", suite.name));
    };
    thread::scope(|scope| {
        for (number, suite) in suites.into_iter().enumerate() {
            let run = &run;
            scope.spawn(move || run(number, suite));
        }
    });
    let report = locked(&report);
    if let Some(file) = &choice.junit {
        report.write_junit(file)?;
    }
    let (passed, failed) = report.sums();
    ensure!(passed + failed > 0, "{}", unknown(filter));
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_keep_their_order_and_an_unknown_one_is_an_error() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        let found = |list: &[&str]| {
            chosen(&names(list))
                .unwrap()
                .iter()
                .map(|suite| suite.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&["stream", "host"]), ["host", "stream"]);
        assert_eq!(found(&[]).len(), SUITES.len());
        let error = chosen(&names(&["kuint"])).unwrap_err().to_string();
        assert!(
            error.contains("kuint") && error.contains("host kunit compliance"),
            "{error}"
        );
    }

    #[test]
    fn a_verdict_that_is_missing_or_was_not_announced_is_an_error() {
        for good in ["1..1\nok a\n", "1..2\nok a\nnoise\nFAIL b: c\n1..1\nok d\n"] {
            assert!(announced(good).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "ok a\n",
            "1..0\n",
            "1..2\nok a\n",
            "1..1\n",
            "1..\nok a\n",
        ] {
            assert!(announced(wrong).is_err(), "{wrong}");
        }
    }
}
