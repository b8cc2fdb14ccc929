// SPDX-License-Identifier: GPL-2.0
//! The engine as software meets it: what register accesses and the passing of time
//! do to jobs, status and the interrupt line. Pixels are [`mod@crate::dewarp`]'s.
//!
//! The engine has no callbacks: its host passes the time with each access, then looks at
//! [`Engine::line`], and calls [`Engine::tick`] at [`Engine::deadline`].

use serde::Deserialize;
use serde::Serialize;

use crate::burst::Burst;
use crate::fault::Settings;
use crate::job::Due;
use crate::job::Job;
use crate::mailbox::Mailbox;
use crate::memory::Memory;
use crate::posted::Posted;
use crate::regs;
use crate::regs::Registers;
use crate::trace::Frame;
use crate::trace::Trace;
use crate::world::World;

mod control;
mod frame;
mod interrupt;

/// How long a spurious interrupt holds the line once INTERRUPT_STATUS was read.
pub const GLITCH_NS: i64 = 10_000;

/// How long a spurious interrupt holds the line if nobody looks.
pub const UNSEEN_GLITCH_NS: i64 = 10_000_000;

/// The whole state of an engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    regs: Registers,
    status: u8,
    enables: u8,
    /// INT_CLR as it was last written.
    clear: u8,
    /// Status bits that raised the line and were not acknowledged since.
    holding: u8,
    /// START was given, the bus is not open yet: CTRL as it stood before that write.
    pending: Option<u32>,
    /// MAP_LUT_ADDR was written since the last job took its map: all registers as they
    /// stood then.
    map: Option<Registers>,
    job: Option<Job>,
    /// The last bytes of a frame that is done.
    burst: Option<Burst>,
    /// A lost interrupt: nothing is raised until the bus closes.
    silent: bool,
    /// When the bus last did something, or was opened.
    last_traffic_ns: i64,
    /// When the bus was last closed, if that was under a job.
    cut_off_ns: Option<i64>,
    /// When SOFT_RESET was last raised.
    reset_raised_ns: Option<i64>,
    /// When the reset takes effect, if it has not.
    reset_due_ns: Option<i64>,
    /// A reset hung the bus: no write has an effect until power-on reset.
    hung: bool,
    glitch_until_ns: Option<i64>,
    /// Whether a status bit holds the line, to notice when one first does.
    raised: bool,
    posted: Posted,
    settings: Settings,
    mailbox: Mailbox,
    trace: Trace,
}

impl Engine {
    /// Applies model keys; see [`crate::fault`].
    ///
    /// # Errors
    ///
    /// What was wrong, and what would be right.
    pub fn configure(&mut self, keys: &str) -> Result<(), String> {
        self.settings.apply(keys)
    }

    /// Power-on reset. Keys, with them the worlds, mailbox and the count of frames
    /// survive it; a hung bus does not.
    pub fn reset(&mut self) {
        self.trace.close(None);
        *self = Self {
            settings: std::mem::take(&mut self.settings),
            mailbox: std::mem::take(&mut self.mailbox),
            trace: std::mem::take(&mut self.trace),
            ..Self::default()
        };
    }

    /// When [`Engine::tick`] is next due, if nothing else happens before.
    pub fn deadline(&self) -> Option<i64> {
        let posted = self.posted.deadline();
        if self.hung {
            return posted;
        }
        let job = self.job.as_ref().and_then(Job::deadline);
        let burst = self.burst.as_ref().map(Burst::deadline);
        let (reset, glitch) = (self.reset_due_ns, self.glitch_until_ns);
        [posted, job, burst, reset, glitch, self.time_out_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A 32-bit read from the register window. It waits for the writes before it. Its only
    /// other side effect is that a spurious interrupt which was looked at ends
    /// [`GLITCH_NS`] later.
    pub fn read(&mut self, now_ns: i64, offset: u64) -> u32 {
        self.arrive(now_ns);
        if offset == regs::INTERRUPT_STATUS {
            let seen = now_ns.saturating_add(GLITCH_NS);
            self.glitch_until_ns = self.glitch_until_ns.map(|until| until.min(seen));
        }
        let value = self.word(now_ns, offset);
        self.trace.read(offset, value);
        value
    }

    /// A 32-bit write to the register window. Assumed: it takes effect at once; else
    /// [`World::LateWrites`].
    pub fn write(&mut self, now_ns: i64, offset: u64, value: u32) {
        if !self.settings.worlds.has(World::LateWrites) {
            self.arrive(now_ns);
            return self.take(now_ns, offset, value);
        }
        self.advance(now_ns);
        if let Some(first) = self.posted.push(now_ns, offset, value) {
            self.take(now_ns, first.offset, first.value);
        }
    }

    /// Does what is due by now. A job's pixels reach memory at its end, in one call;
    /// that it ended is left to the next call, due at once, so that the time which the
    /// host spends on pixels is not counted as an idle bus.
    pub fn tick(&mut self, now_ns: i64, memory: &mut impl Memory) {
        self.advance(now_ns);
        if self.hung {
            return;
        }
        self.glitch_until_ns.take_if(|until| *until <= now_ns);
        self.land_burst(now_ns, memory);
        while let Some(due) = self.job.as_mut().and_then(|job| job.due(now_ns)) {
            match due {
                Due::Glitch => {
                    self.glitch_until_ns = Some(now_ns.saturating_add(UNSEEN_GLITCH_NS));
                }
                Due::Pixels => return self.write_pixels(memory),
                Due::End => self.finish(now_ns),
            }
        }
        if self.time_out_at().is_some_and(|at| at <= now_ns) {
            self.raise(regs::STATUS_TIME_OUT);
        }
        self.settle(now_ns);
    }

    /// What a read at `offset` of the mailbox page gives.
    pub fn mailbox_read(&self, offset: u64) -> u32 {
        self.mailbox.read(offset)
    }

    /// A byte written to the mailbox page.
    ///
    /// # Errors
    ///
    /// What was wrong with the line that this byte ended.
    pub fn mailbox_write(&mut self, offset: u64, byte: u8) -> Result<(), String> {
        self.mailbox.write(offset, byte, &mut self.settings)
    }

    /// Ends the current frame's record, as no other will follow.
    pub fn close_trace(&mut self) {
        self.trace.close(None);
    }

    /// The frame records that ended since the last call.
    pub fn take_frames(&mut self) -> Vec<Frame> {
        self.trace.take()
    }

    fn has(&self, world: World) -> bool {
        self.settings.worlds.has(world)
    }

    /// Lets the writes reach the block that are due by now.
    fn advance(&mut self, now_ns: i64) {
        while let Some(write) = self.posted.pop_due(now_ns) {
            self.take(write.due_ns, write.offset, write.value);
        }
        self.complete_reset(now_ns);
    }

    /// Lets all writes reach the block, due or not.
    fn arrive(&mut self, now_ns: i64) {
        self.advance(now_ns);
        while let Some(write) = self.posted.pop() {
            self.take(now_ns, write.offset, write.value);
        }
    }

    /// A write reaches the block.
    fn take(&mut self, now_ns: i64, offset: u64, value: u32) {
        self.complete_reset(now_ns);
        self.trace.write(offset, value);
        if self.hung {
            return;
        }
        let resetting = self.in_reset(now_ns);
        match offset {
            regs::CTRL if resetting => self.write_reset_bit(now_ns, value),
            _ if resetting => (),
            regs::CTRL => self.write_ctrl(now_ns, value),
            regs::BUS_CTRL => self.write_bus(now_ns, value),
            regs::INTERRUPT_STATUS => self.write_interrupt(now_ns, value),
            regs::MAP_LUT_ADDR => {
                self.regs.set(offset, value);
                self.map = Some(self.regs.clone());
            }
            _ => self.regs.set(offset, value),
        }
        self.settle(now_ns);
    }

    fn word(&self, now_ns: i64, offset: u64) -> u32 {
        match offset {
            regs::INTERRUPT_STATUS => {
                let busy = match self.busy() {
                    true => regs::INTERRUPT_BUSY,
                    false => 0,
                };
                u32::from(self.status) | u32::from(self.enables) << 8 | busy
            }
            regs::BUS_CTRL if self.bus_ctrl_hidden(now_ns) => 0,
            _ => self.regs.get(offset),
        }
    }

    fn busy(&self) -> bool {
        self.job.is_some() || self.burst.is_some()
    }

    fn bus_open(&self) -> bool {
        self.regs.get(regs::BUS_CTRL) & regs::BUS_AXI_MASTER_ENABLE != 0
    }
}

#[cfg(test)]
mod tests;
