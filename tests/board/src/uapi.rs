// SPDX-License-Identifier: GPL-2.0

//! The tests of the driver's V4L2 interface, and how they are run: each in a process of its own,
//! so that one which panics, hangs or leaves files open is no harm to the next.

mod buffers;
mod contexts;
mod controls;
mod debugfs;
mod dmabuf;
mod events;
mod formats;
mod hostile;
mod hostile_buffers;
mod hostile_queueing;
mod identity;
mod libcamera;
mod lifecycle;
mod maps;
mod metadata;
mod power;
mod prefetch;
mod random;
mod random_calls;
mod request_end;
mod request_rules;
mod requests;
mod requests_and_maps;
mod selection;
mod selection_pixels;
mod selection_rounding;
mod stride;
mod topology;
mod undisturbed;
mod vivid;

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

const fn test(name: &'static str, run: fn() -> Result<()>) -> Test {
    Test { name, run }
}

/// How long one test may take.
const LIMIT: Duration = Duration::from_secs(60);

/// All tests. Those that need the buffers of the test driver vivid only where it is.
fn tests(with_vivid: bool) -> impl Iterator<Item = &'static Test> {
    let vivid = if with_vivid { vivid::TESTS } else { &[] };
    [
        formats::TESTS,
        stride::TESTS,
        controls::TESTS,
        identity::TESTS,
        maps::TESTS,
        selection::TESTS,
        selection_rounding::TESTS,
        selection_pixels::TESTS,
        requests::TESTS,
        request_rules::TESTS,
        request_end::TESTS,
        requests_and_maps::TESTS,
        buffers::TESTS,
        metadata::TESTS,
        dmabuf::TESTS,
        vivid,
        events::TESTS,
        prefetch::TESTS,
        contexts::TESTS,
        topology::TESTS,
        libcamera::TESTS,
        debugfs::TESTS,
        lifecycle::TESTS,
        hostile::TESTS,
        hostile_buffers::TESTS,
        hostile_queueing::TESTS,
        random::TESTS,
        power::TESTS,
    ]
    .into_iter()
    .flatten()
}

/// Which tests to run.
#[derive(Default)]
pub struct Choice {
    /// Only print their names.
    pub list: bool,
    /// Also those with the test driver vivid.
    pub vivid: bool,
    /// Only those whose name contains this.
    pub filter: Option<String>,
    /// All but those whose name is one of these.
    pub skipped: Vec<String>,
}

/// Runs the chosen tests and prints a line each: `ok NAME` or `FAIL NAME: WHY`.
pub fn run(choice: &Choice) -> Result<()> {
    let filter = choice.filter.as_deref().unwrap_or("");
    let chosen = tests(choice.vivid)
        .filter(|test| test.name.contains(filter))
        .filter(|test| !choice.skipped.iter().any(|name| name == test.name));
    for test in chosen {
        if choice.list {
            println!("{}", test.name);
            continue;
        }
        match apart(test) {
            Ok(()) => println!("ok {}", test.name),
            Err(why) => println!("FAIL {}: {}", test.name, one_line(&format!("{why:#}"))),
        }
    }
    Ok(())
}

/// Runs one test in a process of its own.
fn apart(test: &Test) -> Result<()> {
    let (said, saying) = pipe()?;
    // SAFETY: This process has no other thread, so the child may do whatever this one could.
    let child = match unsafe { fork()? } {
        ForkResult::Child => exit(alone(test, &saying)),
        ForkResult::Parent { child } => child,
    };
    drop(saying);
    let Some(status) = ended_within(child, LIMIT)? else {
        kill(child, Signal::SIGKILL)?;
        let dead = ended_within(child, Duration::from_secs(2))?.is_some();
        bail!(
            "no end after {} s{}",
            LIMIT.as_secs(),
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
fn fails<T>(result: Result<T, Errno>, wanted: Errno, what: &str) -> Result<()> {
    match result {
        Ok(_) => bail!("{what} succeeded, where {wanted:?} was due"),
        Err(error) => {
            ensure!(error == wanted, "{what} gave {error:?}, not {wanted:?}");
            Ok(())
        }
    }
}

/// Waits until something becomes true; false when the time is up.
fn becomes_true(patience: Duration, mut check: impl FnMut() -> Result<bool>) -> Result<bool> {
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
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_without_the_colon_that_ends_them() {
        let mut seen = HashSet::new();
        for test in tests(true) {
            assert!(seen.insert(test.name), "twice: {}", test.name);
            assert!(!test.name.contains(':'), "{}", test.name);
            assert!(!test.name.contains('\''), "for the shell: {}", test.name);
        }
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
