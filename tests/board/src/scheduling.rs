// SPDX-License-Identifier: GPL-2.0

//! Which threads this one goes before, and where it runs.

use std::io;
use std::mem::{size_of, zeroed};

use anyhow::{Context, Result};
use nix::libc::{self, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER};

/// What a thread is to the scheduler.
#[derive(Clone, Copy)]
pub enum Class {
    /// It runs when nobody else wants to.
    Idle,
    /// It gets its turns.
    Ordinary,
    /// It goes before all that are of a lower priority (1 to 99) or none.
    RealTime(i32),
}

impl Class {
    /// Makes this thread one of the class.
    pub fn take(self) -> Result<()> {
        let (policy, sched_priority) = match self {
            Self::Idle => (SCHED_IDLE, 0),
            Self::Ordinary => (SCHED_OTHER, 0),
            Self::RealTime(priority) => (SCHED_FIFO, priority),
        };
        let param = libc::sched_param { sched_priority };
        // SAFETY: The parameter is valid.
        match unsafe { libc::sched_setscheduler(0, policy, &param) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()).context("sched_setscheduler"),
        }
    }
}

/// Has this thread run on one CPU alone.
pub fn pin(cpu: usize) -> Result<()> {
    // SAFETY: A set of bits, for which 0 is a value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: A board has fewer CPUs than the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: The set is as long as is said.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).context("sched_setaffinity"),
    }
}
