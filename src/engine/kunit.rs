// SPDX-License-Identifier: GPL-2.0

//! An engine whose registers are memory, seen from the hardware's side, and the tests of the
//! driver's register accesses. Memory shows the last value that was written, not the order of
//! writes.

use super::*;
use crate::platform::kunit::{
    ensure,
    Memory, //
};
use kernel::{
    faux,
    sync::Arc, //
};

/// The value of BUS_CTRL's bits that the driver does not set: reads that may be in flight.
const BUS: u32 = 0x10;

/// The registers of a test's engine.
#[derive(Clone)]
pub(crate) struct Panel(Arc<Memory<SIZE>>);

impl Panel {
    /// Creates an engine of `device` and its registers, in a state before any reset: an event is
    /// pending, the engine is busy, and the AXI master is enabled.
    pub(crate) fn new(device: &device::Device<device::Bound>) -> Result<(Engine, Self)> {
        let memory = Memory::new()?;
        let engine = Engine::over(Memory::block(&memory, device)?);
        let this = Self(memory);
        let io = this.0.registers();
        io.write_reg(BUS_CTRL::from_raw(BUS).with_const_axi_master_enable::<1>());
        this.set_status(0x0001_ff01);
        Ok((engine, this))
    }

    /// Reports `events` of a frame that the engine was started with.
    pub(crate) fn report(&self, events: u32) {
        self.set_status(Status::ENABLE_ALL | events);
    }

    /// Sets INTERRUPT_STATUS.
    pub(crate) fn set_status(&self, status: u32) {
        let io = self.0.registers();
        io.write_reg(INTERRUPT_STATUS::from_raw(status));
    }

    /// Returns the last value written to INTERRUPT_STATUS: enables and acknowledged events.
    pub(crate) fn status(&self) -> u32 {
        self.0.registers().read(INTERRUPT_STATUS).into_raw()
    }

    /// Returns whether the AXI master is enabled.
    pub(crate) fn is_on_the_bus(&self) -> bool {
        self.bus() == BUS | 1 << 31
    }

    /// Returns whether the AXI master is disabled, and BUS_CTRL is otherwise unchanged.
    pub(crate) fn is_off_the_bus(&self) -> bool {
        self.bus() == BUS
    }

    fn bus(&self) -> u32 {
        self.0.registers().read(BUS_CTRL).into_raw()
    }

    /// Returns whether the last access to the engine was its reset. In these tests nothing else
    /// sets ENABLE.
    pub(crate) fn was_reset(&self) -> bool {
        let ctrl = self.0.registers().read(DEWARP_CTRL);
        self.is_off_the_bus()
            && self.status() == 0xff00_0000
            && ctrl.with_const_enable::<1>().into_raw() == ctrl.into_raw()
            && ctrl.with_const_soft_reset::<0>().into_raw() == ctrl.into_raw()
    }

    /// Returns the values of all registers.
    pub(crate) fn values(&self) -> [u32; SIZE / 4] {
        let io = self.0.registers();
        let mut values = [0; SIZE / 4];
        for (offset, value) in (0..).step_by(4).zip(&mut values) {
            // Each offset is within the block.
            *value = io.try_read32(offset).unwrap_or(0);
        }
        values
    }
}

/// A program whose words all differ. It does not set ENABLE, by which a reset is recognised.
pub(crate) const PROGRAM: Program = Program {
    ctrl: 0x10,
    lut_address: 2,
    lut_size: 3,
    source_y: 4,
    source_uv: 5,
    source_size: 6,
    source_stride: 7,
    destination_y: 8,
    destination_uv: 9,
    destination_size: 10,
    destination_stride: 11,
    swap: 12,
    destination_y_size: 15,
    destination_uv_size: 16,
};

/// The registers after a start with [`PROGRAM`]: number and value.
const STARTED: [(usize, u32); 19] = [
    (1, 0x10),
    (2, 2),
    (3, 3),
    (4, 4),
    (5, 5),
    (6, 6),
    (7, 7),
    (14, 8),
    (15, 9),
    (16, 10),
    (17, 11),
    (22, 12),
    (25, 0x80),
    (26, 0),
    (27, 0x8080),
    // Only the enables are set: no event is held acknowledged.
    (28, 0x0000_ff00),
    (29, BUS | 1 << 31),
    (32, 15),
    (33, 16),
];

#[kunit_tests(dw100_engine)]
mod tests {
    use super::*;
    use crate::platform::kunit::Software;

    #[test]
    fn a_reset_leaves_the_engine_masked_acknowledged_and_off_the_bus() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        ensure!(panel.is_on_the_bus());
        ensure!(!panel.was_reset());
        let status = engine.reset(software.device())?;
        ensure!(panel.was_reset());
        // Registers in memory show what was written last.
        ensure!(status == Status(0xff00_0000));
        Ok(())
    }

    #[test]
    fn a_start_writes_the_program_and_lets_the_engine_onto_the_bus() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        engine.start(engine.registers(software.device())?, &PROGRAM);
        let mut expected = [0; SIZE / 4];
        for (number, value) in STARTED {
            if let Some(register) = expected.get_mut(number) {
                *register = value;
            }
        }
        ensure!(panel.values() == expected);
        Ok(())
    }

    #[test]
    fn without_an_event_nothing_is_written() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        engine.start(engine.registers(software.device())?, &PROGRAM);
        for rest in [0, 0xff00, 0x1_ff00] {
            panel.set_status(rest);
            let before = panel.values();
            ensure!(engine.quiesce(software.device()).is_none());
            ensure!(panel.values() == before);
        }
        Ok(())
    }

    #[test]
    fn each_event_is_gated_masked_and_acknowledged() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        for bit in 0..8 {
            engine.start(engine.registers(software.device())?, &PROGRAM);
            panel.report(1 << bit);
            let status = engine.quiesce(software.device());
            ensure!(status.is_some_and(|status| status.pending() == 1 << bit));
            ensure!(panel.is_off_the_bus());
            // Events that come after the read are acknowledged as well.
            ensure!(panel.status() == 0xff00_0000);
        }
        Ok(())
    }

    #[test]
    fn a_frame_that_is_done_and_busy_is_gated_after_a_bounded_wait() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        engine.start(engine.registers(software.device())?, &PROGRAM);
        // The register in memory stays busy.
        panel.report(1 << 16 | 1);
        let status = engine.quiesce(software.device());
        ensure!(status.is_some_and(|status| status.is_busy() && status.pending() == 1));
        ensure!(panel.is_off_the_bus());
        ensure!(panel.status() == 0xff00_0000);
        Ok(())
    }

    #[test]
    fn a_late_frame_is_read_then_gated_masked_and_every_event_acknowledged() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        for events in [0, 1, 1 << 1, 1 << 16, 1 << 16 | 1] {
            engine.start(engine.registers(software.device())?, &PROGRAM);
            panel.report(events);
            let status = engine.quiesce_late(software.device());
            ensure!(status.pack() == Status(events).pack());
            ensure!(panel.is_off_the_bus());
            ensure!(panel.status() == 0xff00_0000);
        }
        Ok(())
    }

    #[test]
    fn who_knows_another_device_to_be_bound_does_not_reach_the_registers() -> Result {
        let software = Software::new()?;
        let (engine, panel) = Panel::new(software.device())?;
        engine.reset(software.device())?;
        let other = faux::Registration::new(c"dw100-other", None)?;
        ensure!(is_out_of_reach(&engine, &panel, other.as_ref().as_ref()));
        Ok(())
    }

    #[test]
    fn who_knows_the_device_to_be_bound_again_does_not_reach_the_registers() -> Result {
        let software = Software::new()?;
        let device = software.device();
        let (engine, panel) = software.bound_again(|| Panel::new(device))?;
        ensure!(is_out_of_reach(&engine, &panel, device));
        Ok(())
    }

    /// Returns whether no access with `device` reaches the engine.
    fn is_out_of_reach(
        engine: &Engine,
        panel: &Panel,
        device: &device::Device<device::Bound>,
    ) -> bool {
        let before = panel.values();
        engine.reset(device) == Err(ENODEV)
            && engine.registers(device).is_err()
            && engine.snapshot(device).is_err()
            && engine.quiesce(device).is_none()
            && engine.quiesce_late(device) == Status::SILENCE
            && panel.values() == before
    }
}
