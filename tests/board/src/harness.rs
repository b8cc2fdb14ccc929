// SPDX-License-Identifier: GPL-2.0

//! Runs the tests: each in its own process, so that one which panics, hangs or leaves files open
//! does not affect the next.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::libc::STDERR_FILENO;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2, fork, pipe};

use crate::v4l2::Errno;

/// A test: the fact that it proves, and its function.
pub struct Test {
    /// The fact, in words.
    pub name: &'static str,
    run: fn() -> Result<()>,
}

pub const fn test(name: &'static str, run: fn() -> Result<()>) -> Test {
    Test { name, run }
}

/// The choice of tests, and options for them.
pub struct Choice {
    /// Whether to print only their names.
    pub list: bool,
    /// Whether to run those with the test driver vivid.
    pub vivid: bool,
    /// Whether to run those of trace events.
    pub trace: bool,
    /// Whether to run the long form of tests that take long.
    pub full: bool,
    /// Whether to do less of what takes long with a debug kernel, and to run the tests that need
    /// one.
    pub debug: bool,
    /// Runs only the tests whose name contains this.
    pub filter: Option<String>,
    /// Skips the tests whose name is one of these.
    pub skipped: Vec<String>,
    /// The longest time of one test.
    pub limit: Duration,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            list: false,
            vivid: false,
            trace: false,
            full: false,
            debug: false,
            filter: None,
            skipped: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }
}

/// Runs the chosen tests: prints how many verdicts there will be, and the verdict on each. Returns
/// an error if there are none, or if no test has a name that is to be skipped.
pub fn run(tests: impl Iterator<Item = &'static Test>, choice: &Choice) -> Result<()> {
    let chosen = chosen(tests, choice)?;
    if choice.list {
        chosen.iter().for_each(|test| println!("{}", test.name));
        return Ok(());
    }
    plan(chosen.len());
    for test in chosen {
        verdict(test.name, apart(test, choice.limit));
    }
    Ok(())
}

fn chosen(
    tests: impl Iterator<Item = &'static Test>,
    choice: &Choice,
) -> Result<Vec<&'static Test>> {
    let filter = choice.filter.as_deref().unwrap_or("");
    let mut chosen: Vec<_> = tests.collect();
    for name in &choice.skipped {
        let known = chosen.iter().any(|test| test.name == name);
        ensure!(known, "there is no test '{name}' to skip");
    }
    chosen.retain(|test| {
        test.name.contains(filter) && !choice.skipped.iter().any(|s| s == test.name)
    });
    ensure!(!chosen.is_empty(), "no test's name contains '{filter}'");
    Ok(chosen)
}

/// Prints how many verdicts follow, in the form of KTAP. The reader takes a missing one for a
/// failure.
pub fn plan(count: usize) {
    println!("1..{count}");
}

/// Prints how a test ended: `ok NAME` or `FAIL NAME: WHY`.
pub fn verdict(name: &str, result: Result<()>) {
    match result {
        Ok(()) => println!("ok {name}"),
        Err(why) => println!("FAIL {name}: {}", one_line(&format!("{why:#}"))),
    }
}

/// Runs one test in its own process.
fn apart(test: &Test, limit: Duration) -> Result<()> {
    Child::start(test.run)?.end(limit)
}

/// A process that does something for this one, and is killed when this one dies.
pub struct Child {
    pid: Pid,
    /// The pipe with the message on its failure.
    said: File,
}

impl Child {
    /// Starts a process that calls `run`. Returns an error if this process has other threads.
    pub fn start(run: impl FnOnce() -> Result<()>) -> Result<Self> {
        // A thread that has ended may still be visible for a moment.
        let alone = || Ok(fs::read_dir("/proc/self/task")?.count() == 1);
        ensure!(
            becomes_true(Duration::from_secs(1), alone)?,
            "a process with threads must not fork"
        );
        let (said, saying) = pipe()?;
        // SAFETY: This process has no other thread, so the child may call every function that this
        // process may call.
        match unsafe { fork()? } {
            ForkResult::Child => exit(child(run, saying)),
            ForkResult::Parent { child: pid } => Ok(Self {
                pid,
                said: said.into(),
            }),
        }
    }

    /// Waits for the end of the process, and kills it when that takes longer than `limit`. Returns
    /// an error if it failed.
    pub fn end(mut self, limit: Duration) -> Result<()> {
        let Some(status) = self.ended_within(limit)? else {
            let whereabouts = whereabouts(self.pid);
            self.kill()?;
            let dead = self.ended_within(Duration::from_secs(2))?.is_some();
            bail!(
                "no end after {} s{}; its threads: {whereabouts}",
                limit.as_secs(),
                if dead {
                    ""
                } else {
                    ", and it cannot be killed"
                }
            );
        };
        if status == WaitStatus::Exited(self.pid, 0) {
            return Ok(());
        }
        let mut why = String::new();
        self.said.read_to_string(&mut why)?;
        ensure!(!why.is_empty(), "{status:?}");
        bail!(why)
    }

    /// Sends SIGKILL.
    pub fn kill(&self) -> Result<()> {
        Ok(kill(self.pid, Signal::SIGKILL)?)
    }

    /// Returns how the process ended; [`None`] if it did not end in that time.
    pub fn ended_within(&self, patience: Duration) -> Result<Option<WaitStatus>> {
        let mut status = WaitStatus::StillAlive;
        let ended = becomes_true(patience, || {
            status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG))?;
            Ok(status != WaitStatus::StillAlive)
        })?;
        Ok(ended.then_some(status))
    }
}

/// Runs `run` in a child process, prints why it failed, and returns the exit status.
fn child(run: impl FnOnce() -> Result<()>, saying: OwnedFd) -> i32 {
    if set_pdeathsig(Signal::SIGKILL).is_err() || dup2(saying.as_raw_fd(), STDERR_FILENO).is_err() {
        return 1;
    }
    // From here on only stderr is open. A process that is started from here replaces it by its own.
    drop(saying);
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => 0,
        Ok(Err(why)) => {
            eprintln!("{why:#}");
            1
        }
        // The panic has printed the reason.
        Err(_) => 1,
    }
}

/// Returns the state of each thread of a process, and the kernel functions that it is in, as far as
/// the kernel tells.
fn whereabouts(pid: Pid) -> String {
    let mut text = String::new();
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    for task in tasks.into_iter().flatten().flatten() {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let status = read("status");
        let state = status.lines().find(|line| line.starts_with("State:"));
        let stack = read("stack").replace("[<0>] ", "");
        text += &format!("{}, {stack}; ", state.unwrap_or("no state"));
    }
    text
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(600) {
        line.truncate(end);
    }
    line
}

/// Checks that an ioctl failed with exactly this error.
pub fn fails<T>(result: Result<T, Errno>, wanted: Errno, what: &str) -> Result<()> {
    match result {
        Ok(_) => bail!("{what} succeeded, where {wanted:?} was due"),
        Err(error) => {
            ensure!(error == wanted, "{what} gave {error:?}, not {wanted:?}");
            Ok(())
        }
    }
}

/// Returns the number of an error of the standard library.
pub fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// Returns whether this is the debug kernel, which checks every access to memory and is slow
/// because of that.
pub fn slow_kernel() -> bool {
    Path::new("/sys/kernel/debug/kmemleak").exists()
}

/// Returns how often something is repeated that is repeated `fast` times on a fast kernel.
pub fn repeats(fast: u32) -> u32 {
    if slow_kernel() {
        fast.div_ceil(3)
    } else {
        fast
    }
}

/// Waits until something becomes true. Returns `false` when the time is up.
pub fn becomes_true(patience: Duration, mut check: impl FnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + patience;
    loop {
        if check()? {
            return Ok(true);
        }
        if Instant::now() > end {
            return Ok(false);
        }
        sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod self_tests {
    use super::*;

    #[test]
    fn a_filter_that_no_name_contains_and_an_unknown_name_to_skip_are_errors() {
        static TESTS: [Test; 2] = [test("one thing", || Ok(())), test("another", || Ok(()))];
        let names = |filter: Option<&str>, skipped: &[&str]| -> Result<Vec<&str>> {
            let choice = Choice {
                filter: filter.map(str::to_owned),
                skipped: skipped.iter().map(|&name| name.to_owned()).collect(),
                ..Choice::default()
            };
            let chosen = chosen(TESTS.iter(), &choice)?;
            Ok(chosen.into_iter().map(|test| test.name).collect())
        };
        assert_eq!(names(None, &[]).unwrap(), ["one thing", "another"]);
        assert_eq!(names(Some("thing"), &[]).unwrap(), ["one thing"]);
        assert_eq!(names(None, &["one thing"]).unwrap(), ["another"]);
        assert!(names(Some("nothing"), &[]).is_err());
        assert!(names(Some("thing"), &["one thing"]).is_err());
        assert!(names(None, &["one"]).is_err());
    }

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(one_line("a\n  b\n"), "a b");
        assert_eq!(one_line(&"ä".repeat(1000)).chars().count(), 600);
    }

    #[test]
    fn another_error_than_the_due_one_is_a_failure() {
        assert!(fails::<()>(Err(Errno::EINVAL), Errno::EINVAL, "x").is_ok());
        assert!(fails::<()>(Err(Errno::EBUSY), Errno::EINVAL, "x").is_err());
        assert!(fails(Ok(()), Errno::EINVAL, "x").is_err());
    }
}
