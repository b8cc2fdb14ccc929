// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask test`: the suites, their order, and the line that each test prints.

mod clients;
mod compliance;
mod deploy;
mod faults;
mod host;
mod kit;
mod kunit;
mod kunit_tool;
mod lifetime;
mod opencv;
mod parity;
mod rt;
mod run;
mod slots;
mod stream;
mod trees;
mod typed;
mod uapi;
mod worlds;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::Env;
use crate::board::{Board, Driver, End, Options, Outcome};
use crate::kernel::Flavour;
use slots::{Slot, Slots};

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
        "kunit",
        "the driver's halves, watchdog and streams over registers in memory, inside the kernel",
        kunit::run,
    ),
    (
        "compliance",
        "v4l2-compliance on the board",
        compliance::run,
    ),
    (
        "stream",
        "frames through the driver: pixels, pictures, videos and cameras, interrupts, endurance",
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
    (
        "worlds",
        "this driver and the C driver with engines that do what is not known of real ones",
        worlds::run,
    ),
    (
        "lifetime",
        "what outlives the device: unbinding under everything that a program can hold",
        lifetime::run,
    ),
    (
        "faults",
        "an engine that fails or falls silent: what comes back, how soon, and what goes on",
        faults::run,
    ),
    (
        "rt",
        "real-time tasks beside a stream: the gate, rcutorture, latency",
        rt::run,
    ),
    (
        "deploy",
        "the way onto boards: overlays of the device tree, kernel trees of other configurations",
        deploy::run,
    ),
    (
        "kit",
        "what a person with a board gets: first-light names the world that it runs in, and stops at a hung bus",
        kit::run,
    ),
    (
        "clients",
        "the command lines of docs/clients.md: v4l2-ctl, GStreamer, ffmpeg, libcamera",
        clients::run,
    ),
];

/// The tests of a suite.
pub struct Tests<'a> {
    /// What every step needs to know.
    pub env: &'a Env,
    /// Also run what is too long for every day.
    pub full: bool,
    /// Only tests whose name contains this.
    filter: &'a str,
    suite: &'static str,
    /// Which one of the run's suites this is.
    number: usize,
    report: &'a Mutex<Report>,
    boards: &'a Slots,
}

impl Tests<'_> {
    /// Whether a test of this name was asked for.
    pub fn wants(&self, name: &str) -> bool {
        name.contains(self.filter)
    }

    /// Records a test's result and prints its line, if it was asked for.
    pub fn record(&self, name: &str, result: Result<()>) {
        if self.wants(name) {
            self.tell(name, result);
        }
    }

    fn tell(&self, name: &str, result: Result<()>) {
        let suite = self.suite;
        let failed = result.is_err();
        let line = match result {
            Ok(()) => format!("ok   {suite}: {name}"),
            Err(why) => format!("FAIL {suite}: {name}: {why:#}"),
        };
        let mut report = locked(self.report);
        report.results[usize::from(failed)] += 1;
        report.line(self.number, line);
    }

    /// Records that the C driver fails a test, the only one that a board's output is about, and that
    /// what it fails with contains `says`.
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
        self.record(&format!("the C driver fails by {fault}: {name}"), failed);
    }

    /// Options for a boot with this project's driver. On every day the board has one CPU, which takes
    /// half the time: what races is seen by the suites `kunit`, `lifetime` and `rt`.
    pub fn options(&self, flavour: Flavour) -> Options {
        let options = Options::new(flavour, Driver::Rust);
        if self.full {
            options
        } else {
            options.on_one_cpu()
        }
    }

    /// Waits until there are few enough boards for one more, or for something that is as much work and
    /// may take this many seconds.
    fn slot(&self, longest: u64) -> Slot<'_> {
        self.boards.take(longest)
    }

    /// Boots and runs a script, as soon as there are few enough boards.
    pub fn run(&self, board: &Board<'_>, options: &Options, script: &str) -> Result<Outcome> {
        let _slot = self.slot(options.timeout);
        board.run(options, script, false)
    }

    /// The same, and takes anything but the script's success for a failure.
    pub fn boot(&self, board: &Board<'_>, options: &Options, script: &str) -> Result<String> {
        let outcome = self.run(board, options, script)?;
        ended(&outcome)?;
        Ok(outcome.printed)
    }

    /// The same for a script that prints verdicts, which are recorded, and so is its end, with as many
    /// verdicts as were announced. Each test's name is followed by `suffix`.
    pub fn judge(
        &self,
        board: &Board<'_>,
        options: &Options,
        script: &str,
        suffix: &str,
    ) -> Result<()> {
        let outcome = self.run(board, options, script)?;
        for (name, failure) in verdicts(&outcome.printed) {
            self.record(&format!("{name}{suffix}"), result(failure));
        }
        self.record(&format!("runs to its end{suffix}"), complete(&outcome));
        Ok(())
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines and results of suites that run at the same time.
struct Report {
    /// How many tests passed, how many failed.
    results: [usize; 2],
    /// The suite whose lines are printed at once. Those before it are over.
    turn: usize,
    /// Lines of each suite that wait for its turn.
    held: Vec<Vec<String>>,
    /// Which suites are over.
    over: Vec<bool>,
}

impl Report {
    fn new(suites: usize) -> Self {
        Self {
            results: [0; 2],
            turn: 0,
            held: vec![Vec::new(); suites],
            over: vec![false; suites],
        }
    }

    /// Takes a line of a suite, and prints it when all lines of those before it are out.
    fn line(&mut self, suite: usize, line: String) {
        self.held[suite].push(line);
        self.print();
    }

    /// Takes note that there will be no more lines of a suite.
    fn end(&mut self, suite: usize) {
        self.over[suite] = true;
        self.print();
    }

    fn print(&mut self) {
        for line in self.due() {
            println!("{line}");
        }
    }

    /// The lines whose turn it is, once.
    fn due(&mut self) -> Vec<String> {
        let mut due = Vec::new();
        while let Some(held) = self.held.get_mut(self.turn) {
            due.append(held);
            if !self.over[self.turn] {
                break;
            }
            self.turn += 1;
        }
        due
    }
}

/// Runs parts of a suite at the same time.
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
        Some(why) => Err(anyhow!("{why}")),
    }
}

/// That a boot ended as it should.
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

/// That a boot ended as it should, with a verdict on each test that was announced.
fn complete(outcome: &Outcome) -> Result<()> {
    ended(outcome)?;
    announced(&outcome.printed)
}

/// That the programs which printed these lines gave as many verdicts as they announced, each by a line
/// `1..N` as in KTAP, and that these are more than none.
fn announced(lines: &str) -> Result<()> {
    let plans = lines.lines().filter_map(|line| line.strip_prefix("1.."));
    let planned = plans.map(str::parse::<usize>).sum::<Result<usize, _>>();
    let planned = planned.context("a plan is no number")?;
    let given = verdicts(lines).count();
    ensure!(
        given == planned && given > 0,
        "{given} verdicts of {planned} that were announced"
    );
    Ok(())
}

/// The end of a text.
pub fn last_lines(text: &str, count: usize) -> String {
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

/// Runs the named suites, or all, at the same time, and prints the results of tests whose name contains `filter`.
/// True if there are some and none failed.
pub fn run(env: &Env, names: &[String], full: bool, filter: &str) -> Result<bool> {
    let suites = chosen(names)?;
    let report = Mutex::new(Report::new(suites.len()));
    let boards = Slots::new(slots::boards());
    let run = |number: usize, &(suite, _, run): &Suite| {
        let started = Instant::now();
        let tests = Tests {
            env,
            full,
            filter,
            suite,
            number,
            report: &report,
            boards: &boards,
        };
        if let Err(error) = run(&tests) {
            tests.tell("runs to its end", Err(error));
        }
        locked(&report).end(number);
        let seconds = started.elapsed().as_secs();
        env.ui.say(&format!("{suite}: {seconds} s"));
    };
    thread::scope(|scope| {
        for (number, suite) in suites.into_iter().enumerate() {
            let run = &run;
            scope.spawn(move || run(number, suite));
        }
    });
    let [passed, failed] = locked(&report).results;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
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
            error.contains("kuint") && error.contains("host kunit compliance"),
            "{error}"
        );
    }
    #[test]
    fn a_verdict_that_is_missing_or_was_not_announced_is_seen() {
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

    #[test]
    fn lines_come_in_the_order_of_the_suites_whoever_is_first() {
        let mut report = Report::new(3);
        let mut put = |suite: usize, line: &str| {
            report.held[suite].push(line.to_owned());
            report.due()
        };
        assert_eq!(put(0, "a"), ["a"]);
        assert!(put(2, "c").is_empty());
        assert!(put(1, "b").is_empty());
        assert_eq!(put(0, "a too"), ["a too"]);
        report.over[1] = true;
        assert!(report.due().is_empty());
        report.over[0] = true;
        assert_eq!(report.due(), ["b", "c"]);
        report.over[2] = true;
        assert!(report.due().is_empty());
    }
}
