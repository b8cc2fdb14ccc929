// SPDX-License-Identifier: GPL-2.0
//! A job in the engine: the registers that it latched, and the time that it still
//! needs.

use serde::Deserialize;
use serde::Serialize;

use crate::burst::Tail;
use crate::fault::Ending;
use crate::regs::Registers;

/// The point that a job's time has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The middle of the job, where the line glitches.
    Glitch,
    /// The end of the job: its pixels are to be written. It is due once, before
    /// [`Due::End`].
    Pixels,
    /// The end of the job: its outcome is to be raised.
    End,
}

/// One job. Time passes only between [`Job::resume`] and [`Job::pause`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The registers as they were when the job began.
    pub regs: Registers,
    /// How the job will end.
    pub ending: Ending,
    /// Whether the job ended in an error, or cannot end: it is busy until a reset.
    pub stuck: bool,
    /// The ends of the planes, if they were held back when the pixels were written.
    pub held: Vec<Tail>,
    left_ns: u64,
    glitch_in_ns: Option<u64>,
    pixels_to_write: bool,
    running_since_ns: Option<i64>,
}

impl Job {
    /// Creates a job that takes `length_ns` and does not run yet.
    pub fn new(regs: Registers, ending: Ending, length_ns: u64, glitch: bool) -> Self {
        Self {
            regs,
            ending,
            stuck: ending == Ending::Never,
            held: Vec::new(),
            left_ns: length_ns,
            glitch_in_ns: glitch.then_some(length_ns / 2),
            pixels_to_write: ending.writes_pixels(),
            running_since_ns: None,
        }
    }

    /// Lets time pass, because the bus is open.
    pub fn resume(&mut self, now_ns: i64) {
        self.running_since_ns.get_or_insert(now_ns);
    }

    /// Stops time, because the bus is closed.
    pub fn pause(&mut self, now_ns: i64) {
        if let Some(since) = self.running_since_ns.take() {
            let passed = now_ns.saturating_sub(since).try_into().unwrap_or(0);
            self.left_ns = self.left_ns.saturating_sub(passed);
            self.glitch_in_ns = self.glitch_in_ns.map(|left| left.saturating_sub(passed));
        }
    }

    /// Returns when the job is next due, nanoseconds; [`None`] if its time does not
    /// pass.
    pub fn deadline(&self) -> Option<i64> {
        let since = self.running_since_ns.filter(|_| !self.stuck)?;
        let left = self.glitch_in_ns.unwrap_or(self.left_ns).min(self.left_ns);
        Some(since.saturating_add_unsigned(left))
    }

    /// Returns the point that the job's time has reached, if it is a new one.
    pub fn due(&mut self, now_ns: i64) -> Option<Due> {
        self.deadline().filter(|&at| at <= now_ns)?;
        if self.glitch_in_ns.take().is_some() {
            return Some(Due::Glitch);
        }
        match std::mem::take(&mut self.pixels_to_write) {
            true => Some(Due::Pixels),
            false => Some(Due::End),
        }
    }
}
