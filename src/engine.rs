// SPDX-License-Identifier: GPL-2.0

//! The DW100's register block: reset, start, gate and acknowledge.
//!
//! Names and fields are those of `dw100_regs.h` in the upstream C driver and of
//! NXP's header for the same IP. What a frame puts into the registers is computed
//! by [`crate::dewarp::frame`]; this only knows where it goes, and in which order.

#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod kunit;

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
    fmt,
    io::{
        register,
        Io,
        Mmio,
        Region, //
    },
    platform,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

register! {
    /// What the engine does.
    DEWARP_CTRL(u32) @ 0x04 {
        /// Answer to START.
        0:0 enable;
        /// Start a frame on the edge from 0 to 1.
        1:1 start;
        /// Reset while 1.
        2:2 soft_reset;
        /// Layout of the source.
        5:4 input_format;
        /// Layout of the destination.
        7:6 output_format;
        /// 0 traversal, 1 calculation, 2 auto.
        17:16 prefetch_mode;
        /// When auto changes its mind.
        24:18 prefetch_threshold;
    }

    /// Address of the vertex map, 16 bytes.
    MAP_LUT_ADDR(u32) @ 0x08 {}
    /// Columns and rows of the vertex map.
    MAP_LUT_SIZE(u32) @ 0x0c {}
    /// Address of the source's luma, 16 bytes.
    SRC_IMG_Y_BASE(u32) @ 0x10 {}
    /// Address of the source's chroma, 16 bytes.
    SRC_IMG_UV_BASE(u32) @ 0x14 {}
    /// Width and height of the source, pixels.
    SRC_IMG_SIZE(u32) @ 0x18 {}
    /// Distance of two lines of the source, bytes.
    SRC_IMG_STRIDE(u32) @ 0x1c {}
    /// Address of the destination's luma, 16 bytes.
    DST_IMG_Y_BASE(u32) @ 0x38 {}
    /// Address of the destination's chroma, 16 bytes.
    DST_IMG_UV_BASE(u32) @ 0x3c {}
    /// Width and height of the destination, pixels.
    DST_IMG_SIZE(u32) @ 0x40 {}
    /// Distance of two lines of the destination, bytes.
    DST_IMG_STRIDE(u32) @ 0x44 {}
    /// Which bytes of source and destination change places.
    SWAP_CONTROL(u32) @ 0x58 {}
    /// The share of the source that is shown, UQ1.7.
    SCALE_FACTOR(u32) @ 0x64 {}
    /// Where that share starts, pixels.
    ROI_START(u32) @ 0x68 {}
    /// What is shown where the map points outside the source: Y, U and V.
    BOUNDARY_PIXEL(u32) @ 0x6c {}

    /// Events, their enables and their acknowledgement: see [`Status`].
    INTERRUPT_STATUS(u32) @ 0x70 {}

    /// The bus.
    BUS_CTRL(u32) @ 0x74 {
        /// Reads that may be under way.
        7:0 outstanding_reads;
        /// Count to BUS_TIME_OUT_CYCLE and not to the default.
        26:26 time_out_override;
        /// Let the engine onto the bus. Its time-out counts while this is 1, also
        /// when the frame is done.
        31:31 axi_master_enable;
    }

    /// Most bytes of luma that may be written, 16 bytes.
    DST_IMG_Y_SIZE1(u32) @ 0x80 {}
    /// Most bytes of chroma that may be written, 16 bytes.
    DST_IMG_UV_SIZE1(u32) @ 0x84 {}
}

/// Bytes of the register block that are used.
const SIZE: usize = 0x90;

/// The names of all registers, in their order.
const NAMES: [&str; SIZE / 4] = [
    "DEWARP_ID",
    "DEWARP_CTRL",
    "MAP_LUT_ADDR",
    "MAP_LUT_SIZE",
    "SRC_IMG_Y_BASE",
    "SRC_IMG_UV_BASE",
    "SRC_IMG_SIZE",
    "SRC_IMG_STRIDE",
    "MAP_LUT_ADDR2",
    "MAP_LUT_SIZE2",
    "SRC_IMG_Y_BASE2",
    "SRC_IMG_UV_BASE2",
    "SRC_IMG_SIZE2",
    "SRC_IMG_STRIDE2",
    "DST_IMG_Y_BASE",
    "DST_IMG_UV_BASE",
    "DST_IMG_SIZE",
    "DST_IMG_STRIDE",
    "DST_IMG_Y_BASE2",
    "DST_IMG_UV_BASE2",
    "DST_IMG_SIZE2",
    "DST_IMG_STRIDE2",
    "SWAP_CONTROL",
    "VERTICAL_SPLIT_LINE",
    "HORIZON_SPLIT_LINE",
    "SCALE_FACTOR",
    "ROI_START",
    "BOUNDARY_PIXEL",
    "INTERRUPT_STATUS",
    "BUS_CTRL",
    "BUS_CTRL1",
    "BUS_TIME_OUT_CYCLE",
    "DST_IMG_Y_SIZE1",
    "DST_IMG_UV_SIZE1",
    "DST_IMG_Y_SIZE2",
    "DST_IMG_UV_SIZE2",
];

/// An engine's registers, for who knows that its device is bound.
pub(crate) type Registers<'a> = Mmio<'a, Region<SIZE>>;

/// The engine, as long as its device is bound.
pub(crate) struct Engine {
    io: Block<SIZE>,
    /// BUS_CTRL with the bus off, as the reset left it.
    bus_off: Atomic<u32>,
}

impl Engine {
    /// Maps the register block, the first memory resource of `device`.
    ///
    /// `ENODEV` if it has none, `EINVAL` if that is too small.
    pub(crate) fn new(device: &platform::Device<device::Bound>) -> Result<Self> {
        Ok(Self::over(Block::map(device, 0)?))
    }

    fn over(io: Block<SIZE>) -> Self {
        Self {
            io,
            bus_off: Atomic::new(0),
        }
    }

    /// Resets the engine after it was powered up, and leaves it idle, masked and off
    /// the bus.
    ///
    /// `ENODEV` if `device` is not the engine's, which must be powered.
    pub(crate) fn reset(&self, device: &device::Device<device::Bound>) -> Result {
        let io = self.io.access(device)?;
        let ctrl = io.read(DEWARP_CTRL).with_const_enable::<1>();
        io.write_reg(ctrl.with_const_soft_reset::<1>());
        io.write_reg(ctrl.with_const_soft_reset::<0>());
        let bus = io.read(BUS_CTRL).with_const_axi_master_enable::<0>();
        io.write_reg(bus);
        self.bus_off.store(bus.into_raw(), Relaxed);
        io.write_reg(INTERRUPT_STATUS::from_raw(
            Status(u32::from(u8::MAX)).acknowledge(),
        ));
        Ok(())
    }

    /// The registers of an engine that is to be started. `ENODEV` if `device` is not its.
    pub(crate) fn registers<'a>(
        &'a self,
        device: &'a device::Device<device::Bound>,
    ) -> Result<Registers<'a>> {
        self.io.access(device)
    }

    /// Has the engine dewarp a frame. The device must be powered and the engine idle.
    pub(crate) fn start(&self, io: Registers<'_>, program: &Program) {
        Self::program(io, program);

        let relaxed = io.relaxed();
        // With the enables, forget what the last frame may have left behind.
        relaxed.write_reg(INTERRUPT_STATUS::from_raw(
            Status::ENABLE_ALL | Status(u32::from(u8::MAX)).acknowledge(),
        ));
        // The other fields are taken over with the edge; no write of their own is needed.
        let ctrl = DEWARP_CTRL::from_raw(program.ctrl);
        relaxed.write_reg(ctrl.with_const_start::<1>());
        relaxed.write_reg(ctrl);
        // Nothing is fetched before the bus is on, and so this one write is ordered
        // after what the CPU wrote to the map and the buffers.
        let bus = BUS_CTRL::from_raw(self.bus_off.load(Relaxed));
        io.write_reg(bus.with_const_axi_master_enable::<1>());
    }

    fn program(io: Registers<'_>, program: &Program) {
        let io = io.relaxed();
        io.write_reg(MAP_LUT_ADDR::from_raw(program.lut_address));
        io.write_reg(MAP_LUT_SIZE::from_raw(program.lut_size));
        io.write_reg(SRC_IMG_Y_BASE::from_raw(program.source_y));
        io.write_reg(SRC_IMG_UV_BASE::from_raw(program.source_uv));
        io.write_reg(SRC_IMG_SIZE::from_raw(program.source_size));
        io.write_reg(SRC_IMG_STRIDE::from_raw(program.source_stride));
        io.write_reg(DST_IMG_Y_BASE::from_raw(program.destination_y));
        io.write_reg(DST_IMG_UV_BASE::from_raw(program.destination_uv));
        io.write_reg(DST_IMG_SIZE::from_raw(program.destination_size));
        io.write_reg(DST_IMG_STRIDE::from_raw(program.destination_stride));
        io.write_reg(SWAP_CONTROL::from_raw(program.swap));
        io.write_reg(SCALE_FACTOR::from_raw(frame::SCALE_FACTOR));
        io.write_reg(ROI_START::from_raw(frame::ROI_START));
        io.write_reg(BOUNDARY_PIXEL::from_raw(frame::BOUNDARY_PIXEL));
        io.write_reg(DST_IMG_Y_SIZE1::from_raw(program.destination_y_size));
        io.write_reg(DST_IMG_UV_SIZE1::from_raw(program.destination_uv_size));
    }

    /// Prints the registers, one a line, under their names. The device must be powered.
    pub(crate) fn dump(
        &self,
        device: &device::Device<device::Bound>,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let io = self.io.access(device).map_err(|_| fmt::Error)?;
        for (offset, name) in (0..).step_by(4).zip(NAMES) {
            let value = io.try_read32(offset).map_err(|_| fmt::Error)?;
            writeln!(f, "DW100_{name}: {value:#x}")?;
        }
        Ok(())
    }

    /// Reads the events, and if there are any takes the engine off the bus, masks its
    /// interrupt and acknowledges them. For the hard half: no lock, no wait.
    ///
    /// [`None`] if there are none, or `device` is not the engine's.
    pub(crate) fn quiesce(&self, device: &device::Device<device::Bound>) -> Option<Status> {
        let io = self.io.access(device).ok()?;
        // Ordered before what is read of the frame afterwards.
        let status = Status(io.read(INTERRUPT_STATUS).into_raw());
        if status.pending() == 0 {
            return None;
        }
        let io = io.relaxed();
        io.write_reg(BUS_CTRL::from_raw(self.bus_off.load(Relaxed)));
        io.write_reg(INTERRUPT_STATUS::from_raw(status.acknowledge()));
        Some(status)
    }

    /// The events that wait to be acknowledged. The device must be powered.
    ///
    /// [`Status::SILENCE`] if `device` is not the engine's.
    pub(crate) fn status(&self, device: &device::Device<device::Bound>) -> Status {
        let io = self.io.access(device);
        io.map_or(Status::SILENCE, |io| {
            Status(io.read(INTERRUPT_STATUS).into_raw())
        })
    }

    /// Takes the engine off the bus and masks its interrupt. For a timer that expires in hard
    /// interrupt context: no lock, no wait.
    pub(crate) fn silence(&self, device: &device::Device<device::Bound>) {
        if let Ok(io) = self.io.access(device) {
            let io = io.relaxed();
            io.write_reg(BUS_CTRL::from_raw(self.bus_off.load(Relaxed)));
            io.write_reg(INTERRUPT_STATUS::from_raw(Status::MASK_ALL));
        }
    }
}
