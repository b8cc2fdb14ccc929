// SPDX-License-Identifier: GPL-2.0

//! How tests are run: each in a process of its own, so that one which panics, hangs or leaves files
//! open is no harm to the next.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::catch_unwind;
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use nix::libc::STDERR_FILENO;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2, fork, pipe};

use crate::v4l2::Errno;

/// A test: what it proves, and how.
pub struct Test {
    /// The fact, in words.
    pub name: &'static str,
    run: fn() -> Result<()>,
}

pub const fn test(name: &'static str, run: fn() -> Result<()>) -> Test {
    Test { name, run }
}

/// Which tests to run, and how.
pub struct Choice {
    /// Only print their names.
    pub list: bool,
    /// Also those with the test driver vivid.
    pub vivid: bool,
    /// Also those of trace events.
    pub trace: bool,
    /// Only those whose name contains this.
    pub filter: Option<String>,
    /// All but those whose name is one of these.
    pub skipped: Vec<String>,
    /// How long one test may take.
    pub limit: Duration,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            list: false,
            vivid: false,
            trace: false,
            filter: None,
            skipped: Vec::new(),
            limit: Duration::from_secs(60),
        }
    }
}

/// Runs those of `tests` that are chosen and prints a line each: `ok NAME` or `FAIL NAME: WHY`.
pub fn run(tests: impl Iterator<Item = &'static Test>, choice: &Choice) -> Result<()> {
    let filter = choice.filter.as_deref().unwrap_or("");
    let chosen = tests
        .filter(|test| test.name.contains(filter))
        .filter(|test| !choice.skipped.iter().any(|name| name == test.name));
    for test in chosen {
        if choice.list {
            println!("{}", test.name);
            continue;
        }
        match apart(test, choice.limit) {
            Ok(()) => println!("ok {}", test.name),
            Err(why) => println!("FAIL {}: {}", test.name, one_line(&format!("{why:#}"))),
        }
    }
    Ok(())
}

/// Runs one test in a process of its own.
fn apart(test: &Test, limit: Duration) -> Result<()> {
    let (said, saying) = pipe()?;
    // SAFETY: This process has no other thread, so the child may do whatever this one could.
    let child = match unsafe { fork()? } {
        ForkResult::Child => exit(alone(test, &saying)),
        ForkResult::Parent { child } => child,
    };
    drop(saying);
    let Some(status) = ended_within(child, limit)? else {
        kill(child, Signal::SIGKILL)?;
        let dead = ended_within(child, Duration::from_secs(2))?.is_some();
        bail!(
            "no end after {} s{}",
            limit.as_secs(),
            if dead {
                ""
            } else {
                ", and it cannot be killed"
            }
        );
    };
    if status == WaitStatus::Exited(child, 0) {
        return Ok(());
    }
    let mut why = String::new();
    File::from(said).read_to_string(&mut why)?;
    ensure!(!why.is_empty(), "{status:?}");
    bail!(why)
}

/// Runs a test in the child process, which says why it failed, and returns its exit status.
fn alone(test: &Test, saying: &OwnedFd) -> i32 {
    if dup2(saying.as_raw_fd(), STDERR_FILENO).is_err() {
        return 1;
    }
    match catch_unwind(test.run) {
        Ok(Ok(())) => 0,
        Ok(Err(why)) => {
            eprintln!("{why:#}");
            1
        }
        // The panic has said why.
        Err(_) => 1,
    }
}

/// How a child process ended; nothing if it did not in that time.
fn ended_within(child: Pid, patience: Duration) -> Result<Option<WaitStatus>> {
    let end = Instant::now() + patience;
    loop {
        match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
            WaitStatus::StillAlive if Instant::now() > end => return Ok(None),
            WaitStatus::StillAlive => sleep(Duration::from_millis(5)),
            status => return Ok(Some(status)),
        }
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut line = words.join(" ");
    if let Some((end, _)) = line.char_indices().nth(600) {
        line.truncate(end);
    }
    line
}

/// That an ioctl failed, with just this error.
pub fn fails<T>(result: Result<T, Errno>, wanted: Errno, what: &str) -> Result<()> {
    match result {
        Ok(_) => bail!("{what} succeeded, where {wanted:?} was due"),
        Err(error) => {
            ensure!(error == wanted, "{what} gave {error:?}, not {wanted:?}");
            Ok(())
        }
    }
}

/// Waits until something becomes true; false when the time is up.
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
