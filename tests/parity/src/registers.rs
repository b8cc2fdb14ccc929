// SPDX-License-Identifier: GPL-2.0

//! The engine's registers under the names that the judge uses, and the addresses of the planes in
//! them.

use std::ops::Range;

use crate::matrix::Setting;
use crate::record::Started;

pub const DEWARP_ID: u32 = 0x00;
pub const DEWARP_CTRL: u32 = 0x04;
pub const MAP_LUT_ADDR: u32 = 0x08;
pub const SRC_IMG_Y_BASE: u32 = 0x10;
pub const SRC_IMG_UV_BASE: u32 = 0x14;
pub const SRC_IMG_SIZE: u32 = 0x18;
pub const DST_IMG_Y_BASE: u32 = 0x38;
pub const DST_IMG_UV_BASE: u32 = 0x3c;
pub const DST_IMG_SIZE: u32 = 0x40;
pub const SWAP_CONTROL: u32 = 0x58;
pub const SCALE_FACTOR: u32 = 0x64;
pub const ROI_START: u32 = 0x68;
pub const INTERRUPT_STATUS: u32 = 0x70;
pub const BUS_CTRL: u32 = 0x74;
pub const DST_IMG_Y_SIZE1: u32 = 0x80;
pub const DST_IMG_UV_SIZE1: u32 = 0x84;

/// All registers, in the order of their offsets from 0.
const NAMES: [&str; 36] = [
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

/// The addresses of the board's memory.
const MEMORY: Range<u64> = 0x4000_0000..0xc000_0000;

/// The size of a page in bytes. Buffers and maps begin at one.
const PAGE: u64 = 4096;

/// Returns the offsets of all registers.
pub fn offsets() -> impl Iterator<Item = u32> {
    (0..).step_by(4).take(NAMES.len())
}

/// Returns a register's name and offset.
pub fn name(offset: u32) -> String {
    let name = NAMES.get(offset as usize / 4).unwrap_or(&"?");
    format!("{name} ({offset:#04x})")
}

/// Returns the part of a chroma base that does not depend on where the buffers are: the distance
/// from luma in the same buffer, or the offset in its page if chroma has its own buffer.
pub fn chroma(started: &Started, luma: u32, chroma: u32, two_buffers: bool) -> u32 {
    match two_buffers {
        true => started.get(chroma) & 0xff,
        false => started.get(chroma).wrapping_sub(started.get(luma)),
    }
}

/// Returns what is wrong with the addresses of the buffers and of the map. Returns [`None`] if
/// each begins at a page, is in memory, and does not overlap another.
pub fn misplaced(setting: &Setting, started: &Started) -> Option<String> {
    let (columns, rows) = setting.destination.vertices();
    let mut areas = vec![(MAP_LUT_ADDR, columns * rows * 4)];
    let planes = [
        (
            setting.input.buffers(setting.source),
            SRC_IMG_Y_BASE,
            SRC_IMG_UV_BASE,
        ),
        (
            setting.output.buffers(setting.destination),
            DST_IMG_Y_BASE,
            DST_IMG_UV_BASE,
        ),
    ];
    for (buffers, luma, chroma) in planes {
        areas.extend([luma, chroma].into_iter().zip(buffers));
    }
    let mut placed: Vec<(u32, Range<u64>)> = Vec::new();
    for (register, bytes) in areas {
        let start = u64::from(started.get(register)) << 4;
        let area = start..start + u64::from(bytes);
        let told = |what: &str| Some(format!("{}: {start:#x} {what}", name(register)));
        if start % PAGE != 0 {
            return told("is not the start of a page");
        }
        if area.start < MEMORY.start || area.end > MEMORY.end {
            return told(&format!("and {bytes} bytes are not in memory"));
        }
        let apart = |other: &Range<u64>| area.end <= other.start || other.end <= area.start;
        if let Some((other, _)) = placed.iter().find(|(_, other)| !apart(other)) {
            return told(&format!("and {bytes} bytes meet those of {}", name(*other)));
        }
        placed.push((register, area));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_at_their_offsets() {
        assert_eq!(name(SCALE_FACTOR), "SCALE_FACTOR (0x64)");
        assert_eq!(name(DST_IMG_UV_SIZE1), "DST_IMG_UV_SIZE1 (0x84)");
        assert_eq!(name(DST_IMG_Y_BASE), "DST_IMG_Y_BASE (0x38)");
        assert_eq!(name(0x90), "? (0x90)");
        assert_eq!(offsets().last(), Some(0x8c));
    }
}
