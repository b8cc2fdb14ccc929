// SPDX-License-Identifier: GPL-2.0
//! The engine as software sees it: how register accesses and the passing of time change
//! jobs, status and the interrupt line. The pixels are computed in [`mod@crate::dewarp`].
//!
//! The engine has no callbacks: its host passes the time with each access, then reads
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

/// How long a spurious interrupt holds the line after INTERRUPT_STATUS was read,
/// nanoseconds.
pub const GLITCH_NS: i64 = 10_000;

/// How long a spurious interrupt holds the line if INTERRUPT_STATUS is not read,
/// nanoseconds.
pub const UNSEEN_GLITCH_NS: i64 = 10_000_000;

/// The whole state of an engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    regs: Registers,
    status: u8,
    enables: u8,
    /// INT_CLR as it was last written.
    clear: u8,
    /// Status bits that raised the line and were not acknowledged since then.
    holding: u8,
    /// CTRL as it was before the write of START, if START was given and the bus is not
    /// open yet.
    pending: Option<u32>,
    /// All registers as they were when MAP_LUT_ADDR was written, if that was after the
    /// last job took its map.
    map: Option<Registers>,
    job: Option<Job>,
    /// The last bytes of a frame that is done.
    burst: Option<Burst>,
    /// Whether an interrupt is lost: nothing is raised until the bus closes.
    silent: bool,
    /// When the bus last had traffic, or was opened, nanoseconds.
    last_traffic_ns: i64,
    /// When the bus was last closed, nanoseconds, if the engine had a job then.
    cut_off_ns: Option<i64>,
    /// When SOFT_RESET was last raised, nanoseconds.
    reset_raised_ns: Option<i64>,
    /// When the reset takes effect, nanoseconds, if it has not yet.
    reset_due_ns: Option<i64>,
    /// Whether a reset hung the bus: no write has an effect until power-on reset.
    hung: bool,
    glitch_until_ns: Option<i64>,
    /// Whether a status bit holds the line. Kept to notice when one begins to.
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
    /// Returns a message that says which key is wrong, and what would be right.
    pub fn configure(&mut self, keys: &str) -> Result<(), String> {
        self.settings.apply(keys)
    }

    /// Does a power-on reset. The keys (with the worlds), the mailbox and the count of
    /// frames survive it; a hung bus does not.
    pub fn reset(&mut self) {
        self.trace.close(None);
        *self = Self {
            settings: std::mem::take(&mut self.settings),
            mailbox: std::mem::take(&mut self.mailbox),
            trace: std::mem::take(&mut self.trace),
            ..Self::default()
        };
    }

    /// Returns when [`Engine::tick`] is next due, nanoseconds, if there is no access
    /// before that.
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

    /// Reads 32 bits from the register window. The writes before the read arrive first.
    /// The only other side effect is that a spurious interrupt, once its status was read,
    /// ends [`GLITCH_NS`] later.
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

    /// Writes 32 bits to the register window. Assumed: the write takes effect at once;
    /// [`World::LateWrites`] is the alternative.
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

    /// Does what is due at `now_ns`. A job's pixels reach memory at its end, in one call.
    /// The end itself is left to the next call, which is due at once, so that the time
    /// which the host needs for the pixels is not counted as an idle bus.
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

    /// Returns the value of a read at `offset` of the mailbox page.
    pub fn mailbox_read(&self, offset: u64) -> u32 {
        self.mailbox.read(offset)
    }

    /// Takes a byte that is written to the mailbox page.
    ///
    /// # Errors
    ///
    /// Returns a message that says what was wrong with the line that this byte ended.
    pub fn mailbox_write(&mut self, offset: u64, byte: u8) -> Result<(), String> {
        self.mailbox.write(offset, byte, &mut self.settings)
    }

    /// Ends the current frame's record, when no other frame will follow.
    pub fn close_trace(&mut self) {
        self.trace.close(None);
    }

    /// Returns the frame records that ended since the last call.
    pub fn take_frames(&mut self) -> Vec<Frame> {
        self.trace.take()
    }

    fn has(&self, world: World) -> bool {
        self.settings.worlds.has(world)
    }

    /// Takes all writes that reach the block until `now_ns`.
    fn advance(&mut self, now_ns: i64) {
        while let Some(write) = self.posted.pop_due(now_ns) {
            self.take(write.due_ns, write.offset, write.value);
        }
        self.complete_reset(now_ns);
    }

    /// Takes all writes that have not reached the block yet, also those that are not due.
    fn arrive(&mut self, now_ns: i64) {
        self.advance(now_ns);
        while let Some(write) = self.posted.pop() {
            self.take(now_ns, write.offset, write.value);
        }
    }

    /// Takes one write that reaches the block.
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
