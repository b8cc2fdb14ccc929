// SPDX-License-Identifier: GPL-2.0

//! Runs a part of a test during which no ordinary thread runs on any CPU, and so none of the
//! kernel's workers: their work is done afterwards.

use std::hint::spin_loop;
use std::io;
use std::mem::{size_of, zeroed};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::libc;

use crate::scheduling::{Class, pin};

/// The longest time for which the other CPUs are kept busy. A thread that waits for a worker
/// gets it after that.
const LONGEST: Duration = Duration::from_millis(20);

/// The priority is lower than that of the interrupt threads, and higher than all others.
const PRIORITY: i32 = 20;

/// Runs `f` while the other CPUs are kept busy, for [`LONGEST`] at most.
pub(super) fn undisturbed<R>(f: impl FnOnce() -> R) -> Result<R> {
    let (ready, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let cpus = thread::available_parallelism()?.get();
    let all = allowed()?;
    let result = thread::scope(|scope| {
        let mut busy = Vec::new();
        for cpu in 1..cpus {
            let (ready, over) = (&ready, &over);
            busy.push(scope.spawn(move || -> Result<()> {
                take(cpu)?;
                ready.fetch_add(1, Ordering::SeqCst);
                let end = Instant::now() + LONGEST;
                while !over.load(Ordering::SeqCst) && Instant::now() < end {
                    spin_loop();
                }
                Ok(())
            }));
        }
        take(0)?;
        let end = Instant::now() + LONGEST;
        while ready.load(Ordering::SeqCst) < cpus - 1 && Instant::now() < end {
            spin_loop();
        }
        let result = f();
        over.store(true, Ordering::SeqCst);
        give_back(&all)?;
        for thread in busy {
            thread.join().ok().context("a thread panicked")??;
        }
        Ok::<_, anyhow::Error>(result)
    })?;
    Ok(result)
}

fn checked(result: i32, what: &'static str) -> Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).context(what),
    }
}

/// Returns the CPUs that this thread may run on.
fn allowed() -> Result<libc::cpu_set_t> {
    // SAFETY: The set is an array of bits, for which 0 is a valid value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: The set has the size that is passed.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    checked(result, "sched_getaffinity")?;
    Ok(set)
}

/// Moves this thread to one CPU, with a priority that keeps other threads off it.
fn take(cpu: usize) -> Result<()> {
    pin(cpu)?;
    Class::RealTime(PRIORITY).take()
}

/// Makes this thread an ordinary one again.
fn give_back(all: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: The set has the size that is passed.
    let result = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), all) };
    checked(result, "sched_setaffinity")?;
    Class::Ordinary.take()
}
