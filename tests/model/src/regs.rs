// SPDX-License-Identifier: GPL-2.0
//! The register file: offsets, fields, and a plain store of 32-bit values. The
//! effects of a write are in [`crate::engine`].

use serde::Deserialize;
use serde::Serialize;

/// Identification, read-write, resets to 0 on the i.MX8MP.
pub const ID: u64 = 0x00;
/// Control: see the `CTRL_*` fields.
pub const CTRL: u64 = 0x04;
/// Address of the vertex map, >> 4.
pub const MAP_LUT_ADDR: u64 = 0x08;
/// Vertices of the map: 10:0 columns, 26:16 rows.
pub const MAP_LUT_SIZE: u64 = 0x0c;
/// Address of the source's luma (or packed) plane, >> 4.
pub const SRC_IMG_Y_BASE: u64 = 0x10;
/// Address of the source's chroma plane, >> 4.
pub const SRC_IMG_UV_BASE: u64 = 0x14;
/// Source size in pixels: 12:0 width, 28:16 height.
pub const SRC_IMG_SIZE: u64 = 0x18;
/// Bytes from one source row to the next, both planes.
pub const SRC_IMG_STRIDE: u64 = 0x1c;
/// Address of the destination's luma (or packed) plane, >> 4.
pub const DST_IMG_Y_BASE: u64 = 0x38;
/// Address of the destination's chroma plane, >> 4.
pub const DST_IMG_UV_BASE: u64 = 0x3c;
/// Destination size in pixels: 12:0 width, 28:16 height.
pub const DST_IMG_SIZE: u64 = 0x40;
/// Bytes from one destination row to the next, both planes.
pub const DST_IMG_STRIDE: u64 = 0x44;
/// Byte swaps: 3:0 source luma, 7:4 source chroma, 11:8 and 15:12 destination.
pub const SWAP_CONTROL: u64 = 0x58;
/// UQ1.7 scale, 32 to 128.
pub const SCALE_FACTOR: u64 = 0x64;
/// Region of interest: 12:0 x, 28:16 y.
pub const ROI_START: u64 = 0x68;
/// Colour outside the source: 7:0 V, 15:8 U, 23:16 Y.
pub const BOUNDARY_PIXEL: u64 = 0x6c;
/// 7:0 status, 15:8 enables, 16 busy, 31:24 write one to clear status.
pub const INTERRUPT_STATUS: u64 = 0x70;
/// Bus control: see the `BUS_*` fields.
pub const BUS_CTRL: u64 = 0x74;
/// 30:0 cycles until the bus times out, used with [`BUS_TIME_OUT_OVERRIDE`].
pub const BUS_TIME_OUT_CYCLE: u64 = 0x7c;
/// Bytes of the destination's luma plane, >> 4: "image Y ring buffer size" in NXP's
/// header. What happens to bytes beyond it is assumed: see [`crate::swap`].
pub const DST_IMG_Y_SIZE1: u64 = 0x80;
/// Bytes of the destination's chroma plane, >> 4. It is also the size of a ring
/// buffer in NXP's header.
pub const DST_IMG_UV_SIZE1: u64 = 0x84;
/// The registers that describe the destination's planes.
pub const DESTINATION: [u64; 6] = [
    DST_IMG_Y_BASE,
    DST_IMG_UV_BASE,
    DST_IMG_SIZE,
    DST_IMG_STRIDE,
    DST_IMG_Y_SIZE1,
    DST_IMG_UV_SIZE1,
];
/// The last register of the map.
pub const LAST: u64 = 0x8c;

/// CTRL: the engine takes starts.
pub const CTRL_ENABLE: u32 = 1 << 0;
/// CTRL: a rising edge starts a job.
pub const CTRL_START: u32 = 1 << 1;
/// CTRL: a rising edge resets, the level holds the engine still.
pub const CTRL_SOFT_RESET: u32 = 1 << 2;
/// CTRL: the formats of source and destination.
pub const CTRL_FORMATS: u32 = 0xf << 4;
/// CTRL: prefetch mode and threshold.
pub const CTRL_PREFETCH: u32 = 0x1ff << 16;
/// CTRL: value of the prefetch field for traversal.
pub const PREFETCH_TRAVERSAL: u32 = 0;
/// BUS_CTRL 7:0 after reset: reads that may be outstanding, less 2 (NXP's header).
pub const OUTSTANDING_READS: u32 = 14;
/// BUS_CTRL: the bus time-out is taken from BUS_TIME_OUT_CYCLE.
pub const BUS_TIME_OUT_OVERRIDE: u32 = 1 << 26;
/// BUS_CTRL: the engine may access the AXI bus.
pub const BUS_AXI_MASTER_ENABLE: u32 = 1 << 31;

/// Status: the frame is done.
pub const STATUS_FRAME_DONE: u8 = 1 << 0;
/// Status: the bus was enabled without traffic for too long.
pub const STATUS_TIME_OUT: u8 = 1 << 1;
/// Status: a bus access was answered with an error.
pub const STATUS_AXI_RESP: u8 = 1 << 2;
/// INTERRUPT_STATUS: a job is in the engine.
pub const INTERRUPT_BUSY: u32 = 1 << 16;

const WORDS: usize = (LAST / 4 + 1) as usize;

/// The 32-bit values of the register file. Reads outside the map return 0, writes
/// there are ignored. All registers reset to 0 (assumed) except [`OUTSTANDING_READS`]
/// (NXP's header). Assumed: reserved bits keep the value that is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Registers {
    words: [u32; WORDS],
}

impl Default for Registers {
    fn default() -> Self {
        let mut regs = Self { words: [0; WORDS] };
        regs.set(BUS_CTRL, OUTSTANDING_READS);
        regs
    }
}

impl From<Registers> for Vec<u32> {
    fn from(regs: Registers) -> Self {
        regs.words.to_vec()
    }
}

impl TryFrom<Vec<u32>> for Registers {
    type Error = String;

    fn try_from(words: Vec<u32>) -> Result<Self, String> {
        let found = words.len();
        let words = words
            .try_into()
            .map_err(|_| format!("{found} registers where {WORDS} are due"))?;
        Ok(Self { words })
    }
}

impl Registers {
    fn index(offset: u64) -> Option<usize> {
        (offset <= LAST && offset % 4 == 0).then_some((offset / 4) as usize)
    }

    /// Returns the value at byte `offset`; 0 outside the map.
    pub fn get(&self, offset: u64) -> u32 {
        Self::index(offset).map_or(0, |i| self.words[i])
    }

    /// Stores a value at byte `offset`; nothing outside the map.
    pub fn set(&mut self, offset: u64, value: u32) {
        if let Some(i) = Self::index(offset) {
            self.words[i] = value;
        }
    }

    /// Clears the registers that describe a frame: all but ID, CTRL, and BUS_*.
    /// INTERRUPT_STATUS is kept outside of this store.
    pub fn clear_frame(&mut self) {
        for offset in Self::offsets() {
            if !matches!(offset, ID | CTRL | BUS_CTRL..=BUS_TIME_OUT_CYCLE) {
                self.set(offset, 0);
            }
        }
    }

    /// Returns the byte offsets of all registers, ascending.
    pub fn offsets() -> impl Iterator<Item = u64> {
        (0..=LAST).step_by(4)
    }

    /// Returns a 34-bit address or size, of which the register holds bits 33:4.
    pub fn address(&self, offset: u64) -> u64 {
        u64::from(self.get(offset) & 0x3fff_ffff) << 4
    }

    /// Returns the two 13-bit halves of a size or position: x or width, y or height.
    pub fn pair(&self, offset: u64) -> (u32, u32) {
        let word = self.get(offset);
        (word & 0x1fff, word >> 16 & 0x1fff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_the_map_reads_zero_and_ignores_writes() {
        let mut regs = Registers::default();
        for offset in [0x90, 0x94, 0xfffc, 0x01, u64::MAX] {
            regs.set(offset, 0xffff_ffff);
            assert_eq!(regs.get(offset), 0);
        }
        assert_eq!(regs, Registers::default());
        regs.set(LAST, 7);
        assert_eq!(regs.get(LAST), 7);
    }

    #[test]
    fn a_soft_reset_keeps_id_control_and_bus() {
        let mut regs = Registers::default();
        Registers::offsets().for_each(|offset| regs.set(offset, 1));
        regs.clear_frame();
        let kept: Vec<_> = Registers::offsets().filter(|&o| regs.get(o) == 1).collect();
        assert_eq!(kept, [ID, CTRL, BUS_CTRL, 0x78, BUS_TIME_OUT_CYCLE]);
    }

    #[test]
    fn fields_are_cut_to_their_widths() {
        let mut regs = Registers::default();
        regs.set(SRC_IMG_SIZE, 0xffff_ffff);
        regs.set(SRC_IMG_Y_BASE, 0xffff_ffff);
        assert_eq!(regs.pair(SRC_IMG_SIZE), (8191, 8191));
        assert_eq!(regs.address(SRC_IMG_Y_BASE), 0x3_ffff_fff0);
    }
}
