// SPDX-License-Identifier: GPL-2.0

//! The registers of the DW100. Names and fields are those of `dw100_regs.h` in the upstream C
//! driver and of NXP's header for the same IP. The values of a frame are computed in
//! [`crate::dewarp::frame`], so most fields here are documentation.

use crate::dewarp::status::Status;
use kernel::{
    fmt,
    io::{
        register,
        Mmio,
        Region, //
    }, //
};

register! {
    /// Product number 100 in bits 23:4 (NXP's header). Assumed to read 0 on the i.MX8MP.
    pub(super) DEWARP_ID(u32) @ 0x00 {}

    /// The control register of the engine.
    pub(super) DEWARP_CTRL(u32) @ 0x04 {
        /// Enables the core. START is assumed to be ignored while this is 0.
        0:0 enable;
        /// Starts a frame by a pulse (NXP's header). Assumed to act on the edge from 0 to 1.
        1:1 start;
        /// Resets the engine while this is 1 (NXP's header).
        2:2 soft_reset;
        /// Layout of the source.
        5:4 input_format;
        /// Layout of the destination.
        7:6 output_format;
        /// The prefetch mode: 0 traversal, 1 calculation, 2 auto.
        17:16 prefetch_mode;
        /// The threshold of auto mode: a 16x16 block with fewer than this is fetched by traversal,
        /// otherwise by calculation (NXP's header, which does not say fewer of what).
        24:18 prefetch_threshold;
    }

    /// Address of the vertex map. Addresses are in units of 16 bytes (register header).
    pub(super) MAP_LUT_ADDR(u32) @ 0x08 {}
    /// Columns and rows of the vertex map.
    pub(super) MAP_LUT_SIZE(u32) @ 0x0c {}
    /// Address of the source's luma, units of 16 bytes.
    pub(super) SRC_IMG_Y_BASE(u32) @ 0x10 {}
    /// Address of the source's chroma, units of 16 bytes.
    pub(super) SRC_IMG_UV_BASE(u32) @ 0x14 {}
    /// Width and height of the source, pixels.
    pub(super) SRC_IMG_SIZE(u32) @ 0x18 {}
    /// Distance of two lines of the source, bytes: 16 bits (NXP's header).
    pub(super) SRC_IMG_STRIDE(u32) @ 0x1c {}
    /// Address of the destination's luma, units of 16 bytes.
    pub(super) DST_IMG_Y_BASE(u32) @ 0x38 {}
    /// Address of the destination's chroma, units of 16 bytes.
    pub(super) DST_IMG_UV_BASE(u32) @ 0x3c {}
    /// Width and height of the destination, pixels.
    pub(super) DST_IMG_SIZE(u32) @ 0x40 {}
    /// Distance of two lines of the destination, bytes.
    pub(super) DST_IMG_STRIDE(u32) @ 0x44 {}
    /// Which bytes of source and destination are swapped (register header, C driver).
    pub(super) SWAP_CONTROL(u32) @ 0x58 {}
    /// The share of the source that is shown, UQ1.7. The driver always sets the whole: see
    /// [`frame::SCALE_FACTOR`](crate::dewarp::frame::SCALE_FACTOR).
    pub(super) SCALE_FACTOR(u32) @ 0x64 {}
    /// The start of that share, pixels. The driver always sets 0.
    pub(super) ROI_START(u32) @ 0x68 {}
    /// Colour where the map points outside the source: Y, U and V (C driver, NXP's header).
    pub(super) BOUNDARY_PIXEL(u32) @ 0x6c {}

    /// Events, their enables and their acknowledgment: see [`Status`].
    pub(super) INTERRUPT_STATUS(u32) @ 0x70 {}

    /// The control register of the bus.
    pub(super) BUS_CTRL(u32) @ 0x74 {
        /// The number of reads that may be in flight, less two: 14 after a reset (NXP's header).
        7:0 outstanding_reads;
        /// Makes the bus time-out count to BUS_TIME_OUT_CYCLE and not to the default (NXP's
        /// header).
        26:26 time_out_override;
        /// Enables the AXI master. Its time-out counts while this is 1, also when the frame is done
        /// (the C driver's fix for PREEMPT_RT).
        31:31 axi_master_enable;
    }

    /// Size of the destination's luma, units of 16 bytes. NXP's header calls it the size of a ring
    /// buffer: bytes beyond it may be dropped, or written to the plane's start.
    pub(super) DST_IMG_Y_SIZE1(u32) @ 0x80 {}
    /// Size of the destination's chroma, units of 16 bytes.
    pub(super) DST_IMG_UV_SIZE1(u32) @ 0x84 {}
}

/// The size of the part of the register block that is used, bytes.
pub(super) const SIZE: usize = 0x90;

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

/// An engine's registers, for a caller that holds a `&Device<Bound>`.
pub(crate) type Registers<'a> = Mmio<'a, Region<SIZE>>;

/// The values of all registers, in their order.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot(pub(super) [u32; SIZE / 4]);

impl Snapshot {
    /// Returns the same values with other events in INTERRUPT_STATUS: those that were acknowledged
    /// meanwhile.
    pub(crate) fn with_status(mut self, status: Status) -> Self {
        let index = <INTERRUPT_STATUS as register::Register>::OFFSET / 4;
        if let Some(word) = self.0.get_mut(index) {
            *word = status.0;
        }
        self
    }
}

impl core::fmt::Display for Snapshot {
    /// Prints one register a line, with its name, in the C driver's format.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in NAMES.iter().zip(self.0) {
            writeln!(f, "DW100_{name}: {value:#x}")?;
        }
        Ok(())
    }
}
