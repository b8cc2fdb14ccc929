// SPDX-License-Identifier: GPL-2.0
//! How long things take, in nanoseconds of virtual time.

use serde::Deserialize;
use serde::Serialize;

use crate::program::Program;
use crate::regs;
use crate::regs::Registers;
use crate::world::World;

/// Nanoseconds of one AXI cycle: 500 MHz.
pub const CYCLE_NS: u64 = 2;

/// Cycles until the bus times out when BUS_CTRL does not override the engine's default:
/// 50 ms. Assumed; a driver that closes the bus in its interrupt handler does not come
/// near it.
pub const DEFAULT_TIME_OUT_CYCLES: u64 = 25_000_000;

/// How many times slower calculation prefetch is than traversal (the C driver's
/// comment).
const CALCULATION_FACTOR: f64 = 4.0;

/// How many times slower everything is in [`World::Slow`].
const SLOW_FACTOR: f64 = 4.0;

/// The speed of the engine, and the time-out of its bus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Pixels in a cycle with traversal prefetch. Assumed: 1.
    pub pixels_per_clock: f64,
    /// The cycles of the bus time-out instead of the registers' value; 0 for no
    /// time-out at all.
    pub time_out_cycles: Option<u64>,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pixels_per_clock: 1.0,
            time_out_cycles: None,
        }
    }
}

impl Timing {
    /// Returns how long the frame that `program` describes takes, nanoseconds. Assumed:
    /// automatic prefetch takes the time of calculation; otherwise only the
    /// destination's pixels and the outstanding reads in BUS_CTRL count, the latter in
    /// proportion: the field's value plus 2 (NXP's header: "default d'14, add 2"), at
    /// most 16.
    pub fn frame_ns(&self, regs: &Registers, program: &Program) -> u64 {
        let (width, height) = (program.destination.width, program.destination.height);
        let reads = (regs.get(regs::BUS_CTRL) & 0xff).min(regs::OUTSTANDING_READS) + 2;
        let mut factor = f64::from(regs::OUTSTANDING_READS + 2) / f64::from(reads);
        if !program.traversal {
            factor *= CALCULATION_FACTOR;
        }
        if program.worlds.has(World::Slow) {
            factor *= SLOW_FACTOR;
        }
        let cycles = f64::from(width * height) * factor / self.pixels_per_clock;
        // A float too large for the integer saturates.
        (cycles.ceil() as u64).max(1).saturating_mul(CYCLE_NS)
    }

    /// Returns how long the open bus may be without traffic, nanoseconds; [`None`] for
    /// no limit.
    pub fn time_out_ns(&self, regs: &Registers) -> Option<u64> {
        let from_registers = match regs.get(regs::BUS_CTRL) & regs::BUS_TIME_OUT_OVERRIDE {
            0 => DEFAULT_TIME_OUT_CYCLES,
            _ => u64::from(regs.get(regs::BUS_TIME_OUT_CYCLE) & 0x7fff_ffff).max(1),
        };
        let cycles = self.time_out_cycles.unwrap_or(from_registers);
        (cycles != 0).then(|| cycles.saturating_mul(CYCLE_NS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Worlds;

    fn frame_ns(prefetch: u32, pixels_per_clock: f64, bus: u32, worlds: Worlds) -> u64 {
        let timing = Timing {
            pixels_per_clock,
            ..Timing::default()
        };
        let mut regs = Registers::default();
        regs.set(regs::CTRL, prefetch << 16);
        regs.set(regs::BUS_CTRL, bus);
        regs.set(regs::DST_IMG_SIZE, 1080 << 16 | 1920);
        timing.frame_ns(&regs, &Program::from_registers(&regs, worlds).unwrap())
    }

    #[test]
    fn calculation_is_four_times_slower_than_traversal() {
        assert_eq!(frame_ns(0, 1.0, 14, Worlds::NONE), 1920 * 1080 * 2);
        assert_eq!(frame_ns(1, 1.0, 14, Worlds::NONE), 1920 * 1080 * 8);
        assert_eq!(frame_ns(1, 4.0, 14, Worlds::NONE), 1920 * 1080 * 2);
    }

    #[test]
    fn fewer_outstanding_reads_make_a_frame_slower() {
        let open = regs::BUS_AXI_MASTER_ENABLE;
        for (reads, sixteenths) in [(0, 2), (2, 4), (6, 8), (14, 16), (15, 16), (255, 16)] {
            let found = frame_ns(0, 1.0, open | reads, Worlds::NONE);
            assert_eq!(found * sixteenths, 1920 * 1080 * 2 * 16, "{reads}");
        }
    }

    #[test]
    fn a_slow_engine_takes_four_times_as_long() {
        let slow = Worlds::NONE.with(World::Slow);
        assert_eq!(frame_ns(0, 1.0, 14, slow), 1920 * 1080 * 8);
        assert_eq!(frame_ns(1, 1.0, 14, slow), 1920 * 1080 * 32);
    }

    #[test]
    fn the_register_counts_only_with_the_override() {
        let mut regs = Registers::default();
        regs.set(regs::BUS_TIME_OUT_CYCLE, 0x8000_0064);
        let mut timing = Timing::default();
        assert_eq!(timing.time_out_ns(&regs), Some(50_000_000));
        regs.set(regs::BUS_CTRL, regs::BUS_TIME_OUT_OVERRIDE);
        assert_eq!(timing.time_out_ns(&regs), Some(200));
        timing.time_out_cycles = Some(7);
        assert_eq!(timing.time_out_ns(&regs), Some(14));
        timing.time_out_cycles = Some(0);
        assert_eq!(timing.time_out_ns(&regs), None);
    }
}
