// SPDX-License-Identifier: GPL-2.0

//! The DW100: reset, start, gate and acknowledge. Its registers are in [`regs`].
//!
//! [`crate::dewarp::frame`] computes the register values of a frame. This file decides in which
//! registers they are written, and in which order.
//!
//! The order is that of the C driver, which has run on silicon. Where it differs, the reason is in
//! `docs/dw100-rust.rst`, "Differences in register access".

#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod kunit;
pub(crate) mod regs;

use crate::{
    dewarp::{
        frame::{
            self,
            Program, //
        },
        status::Status, //
    },
    platform::registers::Block, //
};
use kernel::{
    device,
    io::Io,
    platform,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        delay::{
            fsleep,
            udelay, //
        },
        Delta, //
    }, //
};

use regs::*;

/// The time for transactions in flight to end after the AXI master was disabled, before the engine
/// is reset. Assumed: 16 reads of DDR that is shared with a display take some microseconds.
const IN_FLIGHT: Delta = Delta::from_micros(100);

/// The time for which SOFT_RESET is held, and the time for the engine to recover afterwards.
/// Assumed: hantro's reset of the i.MX8MQ (`imx8m_soft_reset`) takes 2 us; BUS_CTRL must not be
/// read before the recovery is over.
const RESET: Delta = Delta::from_micros(10);

/// The number of steps of 1 us for which a frame that is done may still be busy before the AXI
/// master is disabled. Assumed: a burst ends in less. The C driver, which does not check
/// FRAME_BUSY, disables it two register accesses later than this driver, and on PREEMPT_RT
/// microseconds later.
const LAST_BURST_STEPS: usize = 5;

/// The engine. Its registers are reachable while its device is bound.
pub(crate) struct Engine {
    io: Block<SIZE>,
    /// BUS_CTRL with the AXI master disabled, as the last reset left it.
    bus_off: Atomic<u32>,
}

impl Engine {
    /// Requests and maps the register block, the first memory resource of `device`.
    ///
    /// `ENODEV` if there is no such resource, `EINVAL` if it is too small, `EBUSY` if another
    /// driver has it.
    pub(crate) fn new(device: &platform::Device<device::Bound>) -> Result<Self> {
        Ok(Self::over(Block::map(device, 0)?))
    }

    fn over(io: Block<SIZE>) -> Self {
        Self {
            io,
            bus_off: Atomic::new(0),
        }
    }

    /// Resets the engine in any state, with the interrupt masked and the AXI master disabled
    /// afterwards. It sleeps.
    ///
    /// The AXI master is disabled first, and transactions in flight have time to end. Assumed: a
    /// master that is reset in the middle of a burst can block the interconnect, and a frame that
    /// is cut off stays busy, so FRAME_BUSY does not tell when the bursts are over.
    ///
    /// Returns INTERRUPT_STATUS after the reset, which says whether the engine is idle. The device
    /// must be powered.
    ///
    /// `ENODEV` if `device` is not the engine's.
    pub(crate) fn reset(&self, device: &device::Device<device::Bound>) -> Result<Status> {
        let io = self.io.access(device)?;
        let gated = io.read(BUS_CTRL).with_const_axi_master_enable::<0>();
        io.write_reg(gated);
        // A read is answered after the writes before it have arrived: both are accesses to
        // Device-nGnRE memory of one peripheral (Arm's architecture manual).
        let _ = io.read(BUS_CTRL);
        fsleep(IN_FLIGHT);

        let ctrl = io.read(DEWARP_CTRL).with_const_enable::<1>();
        io.write_reg(ctrl.with_const_soft_reset::<1>());
        let _ = io.read(DEWARP_CTRL);
        fsleep(RESET);
        io.write_reg(ctrl.with_const_soft_reset::<0>());
        let _ = io.read(DEWARP_CTRL);
        fsleep(RESET);

        let gated = io.read(BUS_CTRL).with_const_axi_master_enable::<0>();
        io.write_reg(gated);
        self.bus_off.store(gated.into_raw(), Relaxed);
        io.write_reg(INTERRUPT_STATUS::from_raw(Status::ACKNOWLEDGE_ALL));
        Ok(Status(io.read(INTERRUPT_STATUS).into_raw()))
    }

    /// Returns DEWARP_ID, and BUS_CTRL as the last reset left it. The device must be powered.
    pub(crate) fn identity(&self, device: &device::Device<device::Bound>) -> Result<(u32, u32)> {
        let io = self.io.access(device)?;
        Ok((io.read(DEWARP_ID).into_raw(), self.bus_off.load(Relaxed)))
    }

    /// Returns the registers for [`start`](Self::start). They are asked for before the frame is
    /// claimed, because nothing may fail after that.
    ///
    /// `ENODEV` if `device` is not the engine's.
    pub(crate) fn registers<'a>(
        &'a self,
        device: &'a device::Device<device::Bound>,
    ) -> Result<Registers<'a>> {
        self.io.access(device)
    }

    /// Starts a frame. The device must be powered and the engine idle.
    pub(crate) fn start(&self, io: Registers<'_>, program: &Program) {
        let relaxed = io.relaxed();
        let gated = BUS_CTRL::from_raw(self.bus_off.load(Relaxed));
        relaxed.write_reg(gated);
        Self::program(io, program);

        // Acknowledges events that the last frame may have left. NXP's header calls the field that
        // does so (INT_CLR, bits 31:24) write-only. If it kept its value, no event would show while
        // it is 1. The last write before a frame therefore sets it to 0, as in each driver that is
        // known.
        relaxed.write_reg(INTERRUPT_STATUS::from_raw(Status::ACKNOWLEDGE_ALL));
        relaxed.write_reg(INTERRUPT_STATUS::from_raw(Status::ENABLE_ALL));
        let ctrl = DEWARP_CTRL::from_raw(program.ctrl);
        relaxed.write_reg(ctrl.with_const_start::<1>());
        relaxed.write_reg(ctrl);
        // Assumed, as in the C driver and in NXP's: nothing is fetched before the AXI master is
        // enabled. Therefore this write alone is ordered after the CPU's writes to the map and the
        // buffers.
        io.write_reg(gated.with_const_axi_master_enable::<1>());
    }

    /// Writes all registers that describe a frame, in the order of the C driver. DEWARP_CTRL is the
    /// first, because the engine may take the formats from before START. The map is the last,
    /// because its address may arm the frame, with the destination as it is then.
    fn program(io: Registers<'_>, program: &Program) {
        let io = io.relaxed();
        io.write_reg(DEWARP_CTRL::from_raw(program.ctrl));
        io.write_reg(BOUNDARY_PIXEL::from_raw(frame::BOUNDARY_PIXEL));
        io.write_reg(SCALE_FACTOR::from_raw(frame::SCALE_FACTOR));
        io.write_reg(ROI_START::from_raw(frame::ROI_START));
        io.write_reg(SRC_IMG_SIZE::from_raw(program.source_size));
        io.write_reg(SRC_IMG_STRIDE::from_raw(program.source_stride));
        io.write_reg(SRC_IMG_Y_BASE::from_raw(program.source_y));
        io.write_reg(SRC_IMG_UV_BASE::from_raw(program.source_uv));
        io.write_reg(SWAP_CONTROL::from_raw(program.swap));
        io.write_reg(DST_IMG_SIZE::from_raw(program.destination_size));
        io.write_reg(DST_IMG_STRIDE::from_raw(program.destination_stride));
        io.write_reg(DST_IMG_Y_BASE::from_raw(program.destination_y));
        io.write_reg(DST_IMG_UV_BASE::from_raw(program.destination_uv));
        io.write_reg(DST_IMG_Y_SIZE1::from_raw(program.destination_y_size));
        io.write_reg(DST_IMG_UV_SIZE1::from_raw(program.destination_uv_size));
        io.write_reg(MAP_LUT_ADDR::from_raw(program.lut_address));
        io.write_reg(MAP_LUT_SIZE::from_raw(program.lut_size));
    }

    /// Returns the values of the registers. The device must be powered.
    ///
    /// `ENODEV` if `device` is not the engine's.
    pub(crate) fn snapshot(&self, device: &device::Device<device::Bound>) -> Result<Snapshot> {
        let io = self.io.access(device)?;
        let mut values = [0; SIZE / 4];
        for (offset, value) in (0..).step_by(4).zip(&mut values) {
            *value = io.try_read32(offset)?;
        }
        Ok(Snapshot(values))
    }

    /// Reads the events and, if there are any, disables the AXI master, masks the interrupt and
    /// acknowledges every event. It takes no lock, because the interrupt handler calls it.
    ///
    /// FRAME_BUSY of the status is that of the first read. If the frame is done and the engine is
    /// still busy, the last burst may be in flight. It has some microseconds to end before the AXI
    /// master is disabled.
    ///
    /// Returns [`None`] if there are no events, or if `device` is not the engine's.
    pub(crate) fn quiesce(&self, device: &device::Device<device::Bound>) -> Option<Status> {
        let io = self.io.access(device).ok()?;
        // The read is ordered before later reads of the frame.
        let mut status = Status(io.read(INTERRUPT_STATUS).into_raw());
        if status.pending() == 0 {
            return None;
        }
        if status.is_frame_done() && status.is_busy() {
            status = status.or(Self::await_last_burst(io));
        }
        let io = io.relaxed();
        io.write_reg(BUS_CTRL::from_raw(self.bus_off.load(Relaxed)));
        io.write_reg(INTERRUPT_STATUS::from_raw(Status::ACKNOWLEDGE_ALL));
        Some(status)
    }

    /// Waits until the engine is not busy, for some microseconds at most. Returns all events that
    /// were seen.
    #[cold]
    fn await_last_burst(io: Registers<'_>) -> Status {
        let mut seen = Status::SILENCE;
        for _ in 0..LAST_BURST_STEPS {
            let status = Status(io.read(INTERRUPT_STATUS).into_raw());
            seen = seen.or(status);
            if !status.is_busy() {
                break;
            }
            udelay(Delta::from_micros(1));
        }
        seen
    }

    /// Reads the status of a frame whose interrupt did not come in time, then disables the AXI
    /// master, masks the interrupt and acknowledges every event. It takes no lock, because a timer
    /// that expires in hard interrupt context calls it.
    ///
    /// Returns [`Status::SILENCE`] if `device` is not the engine's.
    pub(crate) fn quiesce_late(&self, device: &device::Device<device::Bound>) -> Status {
        let Ok(io) = self.io.access(device) else {
            return Status::SILENCE;
        };
        let mut status = Status(io.read(INTERRUPT_STATUS).into_raw());
        if status.is_frame_done() && status.is_busy() {
            status = status.or(Self::await_last_burst(io));
        }
        io.write_reg(BUS_CTRL::from_raw(self.bus_off.load(Relaxed)));
        // Adds the events that have come since the first read.
        status = status.or(Status(io.read(INTERRUPT_STATUS).into_raw()));
        io.write_reg(INTERRUPT_STATUS::from_raw(Status::ACKNOWLEDGE_ALL));
        status
    }
}
