// SPDX-License-Identifier: GPL-2.0
//! The engine as software meets it: what register accesses and the passing of time
//! do to jobs, status and the interrupt line. Pixels are [`mod@crate::dewarp`]'s.
//!
//! A machine without callbacks: whoever drives it passes the time with each access,
//! then looks at [`Engine::line`], and calls [`Engine::tick`] at [`Engine::deadline`].

use serde::Deserialize;
use serde::Serialize;

use crate::dewarp;
use crate::fault::Ending;
use crate::fault::Settings;
use crate::grid;
use crate::job::Due;
use crate::job::Job;
use crate::mailbox::Mailbox;
use crate::memory::Memory;
use crate::program::Program;
use crate::regs;
use crate::regs::Registers;
use crate::trace::Frame;
use crate::trace::Trace;

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
    /// START was given, the bus is not open yet.
    start_pending: bool,
    /// MAP_LUT_ADDR was written since the last job took its map.
    map_provided: bool,
    job: Option<Job>,
    /// A lost interrupt: nothing is raised until the bus closes.
    silent: bool,
    /// When the bus last did something, or was opened.
    last_traffic_ns: i64,
    glitch_until_ns: Option<i64>,
    /// Whether a status bit holds the line, to notice when one first does.
    raised: bool,
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

    /// Power-on reset. Keys, mailbox and the count of frames survive it.
    pub fn reset(&mut self) {
        self.trace.close(None);
        *self = Self {
            settings: std::mem::take(&mut self.settings),
            mailbox: std::mem::take(&mut self.mailbox),
            trace: std::mem::take(&mut self.trace),
            ..Self::default()
        };
    }

    /// Level of the interrupt line.
    pub fn line(&self) -> bool {
        self.status & self.enables != 0 || self.glitch_until_ns.is_some()
    }

    /// When [`Engine::tick`] is next due, if nothing else happens before.
    pub fn deadline(&self) -> Option<i64> {
        let job = self.job.as_ref().and_then(Job::deadline);
        [job, self.glitch_until_ns, self.time_out_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A 32-bit read from the register window. Its only side effect is that a spurious
    /// interrupt which was looked at ends [`GLITCH_NS`] later.
    pub fn read(&mut self, now_ns: i64, offset: u64) -> u32 {
        if offset == regs::INTERRUPT_STATUS {
            let seen = now_ns.saturating_add(GLITCH_NS);
            self.glitch_until_ns = self.glitch_until_ns.map(|until| until.min(seen));
        }
        let value = self.word(offset);
        self.trace.read(offset, value);
        value
    }

    /// A 32-bit write to the register window. Assumed: registers are latched and busy is
    /// set when a job begins, with START given and the bus open.
    pub fn write(&mut self, now_ns: i64, offset: u64, value: u32) {
        self.trace.write(offset, value);
        match offset {
            regs::CTRL => self.write_ctrl(now_ns, value),
            regs::BUS_CTRL => self.write_bus(now_ns, value),
            regs::INTERRUPT_STATUS => self.write_interrupt(now_ns, value),
            regs::MAP_LUT_ADDR => {
                self.regs.set(offset, value);
                self.map_provided = true;
            }
            _ => self.regs.set(offset, value),
        }
        self.settle(now_ns);
    }

    /// Does what is due by now. A job's pixels reach memory at its end, in one call;
    /// that it ended is left to the next call, due at once, so that the time which the
    /// host spends on pixels is not counted as an idle bus.
    pub fn tick(&mut self, now_ns: i64, memory: &mut impl Memory) {
        self.glitch_until_ns.take_if(|until| *until <= now_ns);
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
            self.status |= regs::STATUS_TIME_OUT;
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

    fn word(&self, offset: u64) -> u32 {
        match offset {
            regs::INTERRUPT_STATUS => {
                let busy = if self.job.is_some() {
                    regs::INTERRUPT_BUSY
                } else {
                    0
                };
                u32::from(self.status) | u32::from(self.enables) << 8 | busy
            }
            _ => self.regs.get(offset),
        }
    }

    fn bus_open(&self) -> bool {
        self.regs.get(regs::BUS_CTRL) & regs::BUS_AXI_MASTER_ENABLE != 0
    }

    fn write_ctrl(&mut self, now_ns: i64, value: u32) {
        let rising = value & !self.regs.get(regs::CTRL);
        self.regs.set(regs::CTRL, value);
        if rising & regs::CTRL_SOFT_RESET != 0 {
            self.soft_reset(now_ns);
        }
        let ready = value & (regs::CTRL_ENABLE | regs::CTRL_SOFT_RESET) == regs::CTRL_ENABLE;
        let idle = self.job.is_none() && !self.start_pending;
        // Assumed: a START that comes when it cannot be taken is lost.
        if rising & regs::CTRL_START != 0 && ready && idle {
            self.start_pending = true;
            let mut trace = std::mem::take(&mut self.trace);
            trace.start(now_ns, |offset| self.word(offset));
            self.trace = trace;
            self.begin(now_ns);
        }
    }

    /// Assumed: ends the job, drops status and enables, clears the frame registers.
    fn soft_reset(&mut self, now_ns: i64) {
        self.job = None;
        self.start_pending = false;
        self.map_provided = false;
        self.silent = false;
        self.glitch_until_ns = None;
        self.status = 0;
        self.enables = 0;
        self.regs.clear_frame();
        self.last_traffic_ns = now_ns;
    }

    fn write_bus(&mut self, now_ns: i64, value: u32) {
        let was_open = self.bus_open();
        self.regs.set(regs::BUS_CTRL, value);
        match (was_open, self.bus_open()) {
            (false, true) => {
                self.last_traffic_ns = now_ns;
                if let Some(job) = &mut self.job {
                    job.resume(now_ns);
                }
                self.begin(now_ns);
            }
            (true, false) => {
                self.silent = false;
                self.trace.gated(now_ns);
                if let Some(job) = &mut self.job {
                    job.pause(now_ns);
                }
            }
            _ => (),
        }
    }

    fn write_interrupt(&mut self, now_ns: i64, value: u32) {
        let [_, enables, _, clear] = value.to_le_bytes();
        let before = self.status;
        self.enables = enables;
        self.status &= !clear;
        if before & !self.status & regs::STATUS_TIME_OUT != 0 {
            // The counter starts over.
            self.last_traffic_ns = now_ns;
        }
        if before != 0 && self.status == 0 {
            self.trace.acknowledged(now_ns);
        }
    }

    /// Begins the pending job once the bus is open.
    fn begin(&mut self, now_ns: i64) {
        if !self.start_pending || !self.bus_open() {
            return;
        }
        self.start_pending = false;
        self.last_traffic_ns = now_ns;
        let fate = self.settings.next_frame();
        let map_size = self.regs.get(regs::MAP_LUT_SIZE);
        let map = std::mem::take(&mut self.map_provided)
            && self.regs.get(regs::MAP_LUT_ADDR) != 0
            && map_size & 0x7ff != 0
            && map_size & 0x7ff_0000 != 0;
        let length = Program::from_registers(&self.regs, self.settings.worlds)
            .filter(|_| map)
            .map(|program| self.settings.timing.frame_ns(&self.regs, &program));
        let (ending, length) = match length {
            Some(length) => (fate.ending, length),
            // Assumed of the reserved format; known of a missing map.
            None => (Ending::Never, 0),
        };
        let mut job = Job::new(self.regs.clone(), ending, length, fate.glitch);
        job.resume(now_ns);
        self.job = Some(job);
    }

    /// The job's time is over: write its pixels.
    fn write_pixels(&mut self, memory: &mut impl Memory) {
        let Some(job) = &mut self.job else {
            return;
        };
        let Some(program) = Program::from_registers(&job.regs, self.settings.worlds) else {
            return;
        };
        let written = grid::fetch(&program, memory).and_then(|map| {
            self.trace.map_fetched(&map);
            match self.settings.pixels_off {
                false => dewarp::pixels(&program, &map, memory),
                true => Ok(()),
            }
        });
        if written.is_err() {
            job.ending = Ending::DmaFault;
        }
    }

    /// The job's time is over and its pixels are written: raise what it is to raise.
    fn finish(&mut self, now_ns: i64) {
        let Some(mut job) = self.job.take() else {
            return;
        };
        self.last_traffic_ns = now_ns;
        self.silent = job.ending == Ending::Silent;
        self.status |= match job.ending {
            Ending::Done => regs::STATUS_FRAME_DONE,
            Ending::Error(bits) => bits,
            Ending::DmaFault => regs::STATUS_AXI_RESP,
            Ending::Silent | Ending::Never => 0,
        };
        if !job.ending.writes_pixels() {
            // Assumed: an engine that met an error stays busy until it is reset.
            job.stuck = true;
            self.job = Some(job);
        }
    }

    /// When the open bus will have been without traffic for too long. Assumed: a running
    /// job is traffic, a stuck one is not; a closed bus clears the counter; one timeout is
    /// raised until it is acknowledged.
    fn time_out_at(&self) -> Option<i64> {
        let working = self.job.as_ref().is_some_and(|job| !job.stuck);
        let raised = self.status & regs::STATUS_TIME_OUT != 0;
        if !self.bus_open() || self.silent || working || raised {
            return None;
        }
        let patience = self.settings.timing.time_out_ns(&self.regs)?;
        Some(self.last_traffic_ns.saturating_add_unsigned(patience))
    }

    /// Notes what the last event did to the line.
    fn settle(&mut self, now_ns: i64) {
        self.trace.status(self.status);
        let raised = self.status & self.enables != 0;
        if raised && !self.raised {
            self.trace.line_raised(now_ns);
        }
        self.raised = raised;
    }
}

#[cfg(test)]
mod tests;
