// SPDX-License-Identifier: GPL-2.0
//! INTERRUPT_STATUS, the interrupt line, and the counter of the bus time-out.

use super::Engine;
use crate::regs;
use crate::world::World;

impl Engine {
    /// Returns the level of the interrupt line.
    pub fn line(&self) -> bool {
        self.status_line() || self.glitch_until_ns.is_some()
    }

    /// Returns whether a status bit holds the line.
    fn status_line(&self) -> bool {
        match self.has(World::MaskKeepsLine) {
            true => self.holding != 0,
            false => self.status & self.enables != 0,
        }
    }

    /// Sets status bits, except those that INT_CLR holds clear.
    pub(super) fn raise(&mut self, bits: u8) {
        self.status |= bits & !self.held_clear();
    }

    /// Returns the events that INT_CLR holds clear, in [`World::IntClrHeld`].
    fn held_clear(&self) -> u8 {
        match self.has(World::IntClrHeld) {
            true => self.clear,
            false => 0,
        }
    }

    /// Takes a write of INTERRUPT_STATUS. Assumed: the bits that clear events act once,
    /// with the write.
    pub(super) fn write_interrupt(&mut self, now_ns: i64, value: u32) {
        let [_, enables, _, clear] = value.to_le_bytes();
        let (before, held) = (self.status, self.held_clear());
        self.enables = enables;
        self.clear = clear;
        self.status &= !clear;
        if (before | held) & !self.status & regs::STATUS_TIME_OUT != 0 {
            // The counter starts again.
            self.last_traffic_ns = now_ns;
        }
        if before != 0 && self.status == 0 {
            self.trace.acknowledged(now_ns);
        }
    }

    /// Notes traffic on the bus. Assumed: traffic starts the counter of the time-out
    /// again.
    pub(super) fn traffic(&mut self, now_ns: i64) {
        if !self.has(World::TimeOutInFrame) {
            self.last_traffic_ns = now_ns;
        }
    }

    /// Returns when the open bus will have been without traffic for too long, nanoseconds.
    /// Assumed: a running job is traffic, a stuck one is not; a closed bus clears the
    /// counter; one time-out is raised until it is acknowledged.
    pub(super) fn time_out_at(&self) -> Option<i64> {
        let running = self.job.as_ref().is_some_and(|job| !job.stuck) || self.burst.is_some();
        let held = running && !self.has(World::TimeOutInFrame);
        let raised = (self.status | self.held_clear()) & regs::STATUS_TIME_OUT != 0;
        if !self.bus_open() || self.silent || held || raised {
            return None;
        }
        let patience = self.settings.timing.time_out_ns(&self.regs)?;
        Some(self.last_traffic_ns.saturating_add_unsigned(patience))
    }

    /// Records how the last event changed the line.
    pub(super) fn settle(&mut self, now_ns: i64) {
        self.trace.status(self.status);
        self.holding = (self.holding | self.status & self.enables) & self.status;
        let raised = self.status_line();
        if raised && !self.raised {
            self.trace.line_raised(now_ns);
        }
        self.raised = raised;
    }
}
