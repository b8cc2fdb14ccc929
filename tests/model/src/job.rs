// SPDX-License-Identifier: GPL-2.0
//! A job in the engine: the registers it latched, and how much of it is left.

use serde::Deserialize;
use serde::Serialize;

use crate::burst::Tail;
use crate::fault::Ending;
use crate::regs::Registers;

/// What a job's clock has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The middle, where the line is to glitch.
    Glitch,
    /// The end: the pixels are to be written. Due once, before [`Due::End`].
    Pixels,
    /// The end: the outcome is to be raised.
    End,
}

/// One job. Time passes only between [`Job::resume`] and [`Job::pause`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The registers as they were when the job began.
    pub regs: Registers,
    /// How it will end.
    pub ending: Ending,
    /// Whether it ended in an error, or cannot end: busy until a reset.
    pub stuck: bool,
    /// The ends of its planes, if they were held back when its pixels were written.
    pub held: Vec<Tail>,
    left_ns: u64,
    glitch_in_ns: Option<u64>,
    pixels_to_write: bool,
    running_since_ns: Option<i64>,
}

impl Job {
    /// A job that takes `length_ns`, not running yet.
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

    /// The bus is open: time passes.
    pub fn resume(&mut self, now_ns: i64) {
        self.running_since_ns.get_or_insert(now_ns);
    }

    /// The bus is closed: time stands.
    pub fn pause(&mut self, now_ns: i64) {
        if let Some(since) = self.running_since_ns.take() {
            let passed = now_ns.saturating_sub(since).try_into().unwrap_or(0);
            self.left_ns = self.left_ns.saturating_sub(passed);
            self.glitch_in_ns = self.glitch_in_ns.map(|left| left.saturating_sub(passed));
        }
    }

    /// When the job next wants attention, if it is getting anywhere.
    pub fn deadline(&self) -> Option<i64> {
        let since = self.running_since_ns.filter(|_| !self.stuck)?;
        let left = self.glitch_in_ns.unwrap_or(self.left_ns).min(self.left_ns);
        Some(since.saturating_add_unsigned(left))
    }

    /// What is due by now.
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
