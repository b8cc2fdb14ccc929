// SPDX-License-Identifier: GPL-2.0
//! A job from its beginning to its end.

use super::Engine;
use crate::burst::Burst;
use crate::burst::HoldBack;
use crate::burst::Tail;
use crate::dewarp;
use crate::fault::Ending;
use crate::grid;
use crate::job::Job;
use crate::memory::Memory;
use crate::program::Program;
use crate::regs;
use crate::regs::Registers;
use crate::world::World;

impl Engine {
    /// Begins the pending job if the bus is open. Assumed: registers are latched and
    /// FRAME_BUSY is set at that moment, when START was given and the bus is open.
    pub(super) fn begin(&mut self, now_ns: i64) {
        if !self.bus_open() {
            return;
        }
        let Some(ctrl_before) = self.pending.take() else {
            return;
        };
        self.traffic(now_ns);
        let fate = self.settings.next_frame();
        let armed = self.map.take();
        let map_size = self.regs.get(regs::MAP_LUT_SIZE);
        let map = armed.is_some()
            && self.regs.get(regs::MAP_LUT_ADDR) != 0
            && map_size & 0x7ff != 0
            && map_size & 0x7ff_0000 != 0;
        let latched = self.latch(ctrl_before, armed.as_ref());
        let length = Program::from_registers(&latched, self.settings.worlds)
            .filter(|_| map)
            .map(|program| self.settings.timing.frame_ns(&latched, &program));
        let (ending, length) = match length {
            Some(length) => (fate.ending, length),
            // Assumed for the reserved format; known for a missing map (linux-media list).
            None => (Ending::Never, 0),
        };
        let mut job = Job::new(latched, ending, length, fate.glitch);
        job.resume(now_ns);
        self.job = Some(job);
    }

    /// Returns the registers of the job that begins. `ctrl_before` is CTRL before START,
    /// `armed` are the registers as they were when MAP_LUT_ADDR was written.
    fn latch(&self, ctrl_before: u32, armed: Option<&Registers>) -> Registers {
        let mut regs = self.regs.clone();
        let take_ctrl = |regs: &mut Registers, from: u32, fields: u32| {
            let ctrl = regs.get(regs::CTRL);
            regs.set(regs::CTRL, ctrl & !fields | from & fields);
        };
        if self.has(World::CtrlBeforeStart) {
            let fields = regs::CTRL_ENABLE | regs::CTRL_FORMATS | regs::CTRL_PREFETCH;
            take_ctrl(&mut regs, ctrl_before, fields);
        }
        if let Some(armed) = armed.filter(|_| self.has(World::LutArmsDestination)) {
            take_ctrl(&mut regs, armed.get(regs::CTRL), regs::CTRL_FORMATS);
            for offset in regs::DESTINATION {
                regs.set(offset, armed.get(offset));
            }
        }
        regs
    }

    /// Writes the pixels of the job, whose time is over.
    pub(super) fn write_pixels(&mut self, memory: &mut impl Memory) {
        let worlds = self.settings.worlds;
        let Some(job) = &mut self.job else {
            return;
        };
        let Some(program) = Program::from_registers(&job.regs, worlds) else {
            return;
        };
        let tails = match worlds.has(World::BurstAtDone) {
            true => Tail::both(&program.destination),
            false => Vec::new(),
        };
        let mut memory = HoldBack::new(memory, tails);
        let written = grid::fetch(&program, &mut memory).and_then(|map| {
            self.trace.map_fetched(&map);
            match self.settings.pixels_off {
                false => dewarp::pixels(&program, &map, &mut memory),
                true => Ok(()),
            }
        });
        job.held = memory.into_tails();
        if written.is_err() {
            job.ending = Ending::DmaFault;
        }
    }

    /// Ends the job, whose time is over and whose pixels are written: raises its status bits.
    pub(super) fn finish(&mut self, now_ns: i64) {
        let Some(mut job) = self.job.take() else {
            return;
        };
        self.traffic(now_ns);
        self.silent = job.ending == Ending::Silent;
        let bits = match job.ending {
            Ending::Done => regs::STATUS_FRAME_DONE,
            Ending::Error(bits) => bits,
            Ending::DmaFault => regs::STATUS_AXI_RESP,
            Ending::Silent | Ending::Never => 0,
        };
        let done = bits & regs::STATUS_FRAME_DONE != 0;
        self.raise(match done && self.has(World::DoneWithTimeOut) {
            true => bits | regs::STATUS_TIME_OUT,
            false => bits,
        });
        if job.ending.writes_pixels() {
            let tails = std::mem::take(&mut job.held);
            self.burst = (!tails.is_empty()).then(|| Burst::new(tails, now_ns));
        } else if !self.has(World::ErrorEnds) {
            // Assumed: an engine that met an error stays busy until it is reset.
            job.stuck = true;
            self.job = Some(job);
        }
    }

    /// Writes the last bytes of a frame that is done to memory if they are due. A host whose
    /// timers are late calls this before an access, so that the access finds them there.
    pub fn land_burst(&mut self, now_ns: i64, memory: &mut impl Memory) {
        let lands = |burst: &mut Burst| !self.hung && burst.deadline() <= now_ns;
        if let Some(burst) = self.burst.take_if(lands) {
            self.traffic(now_ns);
            if burst.land(memory).is_err() {
                self.raise(regs::STATUS_AXI_RESP);
            }
        }
    }
}
