// SPDX-License-Identifier: GPL-2.0
//! Writes to CTRL and BUS_CTRL: START, soft reset, and the gate of the AXI master.

use super::Engine;
use crate::regs;
use crate::world::World;

/// How long SOFT_RESET must be held in [`World::ResetNeedsTime`], nanoseconds.
const RESET_NS: i64 = 1_000;

/// How long BUS_CTRL reads 0 in [`World::BusCtrlLate`], nanoseconds.
const BUS_CTRL_LATE_NS: i64 = 2_000;

/// How long after the gate transactions may be in flight in [`World::ResetInFlightHangs`],
/// nanoseconds.
const IN_FLIGHT_NS: i64 = 50_000;

/// Returns whether an event happened less than `ns` ago. Returns `false` if there was none.
fn within(event_ns: Option<i64>, now_ns: i64, ns: i64) -> bool {
    event_ns.is_some_and(|at| now_ns < at.saturating_add(ns))
}

impl Engine {
    /// Takes a write of CTRL. Assumed: a START that the engine cannot take is lost;
    /// SOFT_RESET takes effect with its rising edge, and stops the engine while it is set.
    pub(super) fn write_ctrl(&mut self, now_ns: i64, value: u32) {
        let before = self.regs.get(regs::CTRL);
        let rising = value & !before;
        self.write_reset_bit(now_ns, value);
        self.regs.set(regs::CTRL, value);
        let fields = match self.has(World::CtrlBeforeStart) {
            true => before,
            false => value,
        };
        let ready = fields & regs::CTRL_ENABLE != 0 && value & regs::CTRL_SOFT_RESET == 0;
        let idle = !self.busy() && self.pending.is_none() && !self.hung;
        let bus = !self.bus_open() || !self.has(World::StartNeedsClosedBus);
        if rising & regs::CTRL_START != 0 && ready && idle && bus {
            self.pending = Some(before);
            let mut trace = std::mem::take(&mut self.trace);
            trace.start(now_ns, |offset| self.word(now_ns, offset));
            self.trace = trace;
            self.begin(now_ns);
        }
    }

    /// Takes the SOFT_RESET bit from a write of CTRL, and nothing else.
    pub(super) fn write_reset_bit(&mut self, now_ns: i64, value: u32) {
        let before = self.regs.get(regs::CTRL);
        let bit = value & regs::CTRL_SOFT_RESET;
        self.regs
            .set(regs::CTRL, before & !regs::CTRL_SOFT_RESET | bit);
        if bit == 0 {
            // It was not held for long enough.
            self.reset_due_ns = None;
        } else if before & regs::CTRL_SOFT_RESET == 0 {
            self.raise_reset(now_ns);
        }
    }

    fn raise_reset(&mut self, now_ns: i64) {
        let open = self.bus_open() && self.has(World::ResetOpenBusHangs);
        let flight = self.in_flight(now_ns) && self.has(World::ResetInFlightHangs);
        self.reset_raised_ns = Some(now_ns);
        if open || flight {
            self.hang();
        } else if self.has(World::ResetNeedsTime) {
            self.reset_due_ns = Some(now_ns.saturating_add(RESET_NS));
        } else {
            self.soft_reset(now_ns);
        }
    }

    /// Returns whether the job may have transactions on the bus.
    fn in_flight(&self, now_ns: i64) -> bool {
        self.bus_open() && self.busy() || within(self.cut_off_ns, now_ns, IN_FLIGHT_NS)
    }

    /// Completes a reset that was held for long enough.
    pub(super) fn complete_reset(&mut self, now_ns: i64) {
        if let Some(at) = self.reset_due_ns.take_if(|at| *at <= now_ns) {
            self.soft_reset(at);
            self.settle(at);
        }
    }

    /// Returns whether a reset that was just raised loses register writes.
    pub(super) fn in_reset(&self, now_ns: i64) -> bool {
        self.has(World::ResetNeedsTime) && within(self.reset_raised_ns, now_ns, RESET_NS)
    }

    /// Returns whether BUS_CTRL reads 0 because a reset was just raised.
    pub(super) fn bus_ctrl_hidden(&self, now_ns: i64) -> bool {
        self.has(World::BusCtrlLate) && within(self.reset_raised_ns, now_ns, BUS_CTRL_LATE_NS)
    }

    /// Does a soft reset. Assumed: it ends the job, drops status and enables, and clears
    /// the frame registers.
    fn soft_reset(&mut self, now_ns: i64) {
        self.job = None;
        self.burst = None;
        self.pending = None;
        self.map = None;
        self.silent = false;
        self.cut_off_ns = None;
        self.glitch_until_ns = None;
        self.status = 0;
        self.enables = 0;
        self.clear = 0;
        if !self.has(World::ResetKeepsRegisters) {
            self.regs.clear_frame();
        }
        self.last_traffic_ns = now_ns;
    }

    /// Hangs the bus: from now on no write has an effect, and nothing is raised. SOFT_RESET
    /// stays as it was written, and a job stays busy.
    fn hang(&mut self) {
        self.hung = true;
        self.status = 0;
        self.glitch_until_ns = None;
    }

    pub(super) fn write_bus(&mut self, now_ns: i64, value: u32) {
        let was_open = self.bus_open();
        self.regs.set(regs::BUS_CTRL, value);
        match (was_open, self.bus_open()) {
            (false, true) => self.open_bus(now_ns),
            (true, false) => self.close_bus(now_ns),
            _ => (),
        }
    }

    fn open_bus(&mut self, now_ns: i64) {
        self.last_traffic_ns = now_ns;
        self.cut_off_ns = None;
        if let Some(job) = &mut self.job {
            job.resume(now_ns);
        }
        self.begin(now_ns);
    }

    /// Closes the bus. That pauses the job, and drops the bytes in flight of a frame that
    /// is done.
    fn close_bus(&mut self, now_ns: i64) {
        self.cut_off_ns = self.busy().then_some(now_ns);
        self.silent = false;
        self.burst = None;
        self.trace.gated(now_ns);
        if let Some(job) = &mut self.job {
            job.pause(now_ns);
        }
    }
}
