// SPDX-License-Identifier: GPL-2.0

//! Sets the priority of this thread, and the CPU that it runs on.

use std::io;
use std::mem::{size_of, zeroed};

use anyhow::{Context, Result};
use nix::libc::{self, SCHED_FIFO, SCHED_IDLE, SCHED_OTHER};

/// The scheduling class of a thread.
#[derive(Clone, Copy)]
pub enum Class {
    /// The thread runs when no other thread wants to run.
    Idle,
    /// The thread shares the CPU with others.
    Ordinary,
    /// The thread runs before all that have a lower priority (1 to 99) or none.
    RealTime(i32),
}

impl Class {
    /// Moves this thread to the class.
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

/// Restricts this thread to one CPU.
pub fn pin(cpu: usize) -> Result<()> {
    // SAFETY: The set is an array of bits, for which 0 is a valid value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: A board has fewer CPUs than the set has bits.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: The set has the size that is passed.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()).context("sched_setaffinity"),
    }
}
