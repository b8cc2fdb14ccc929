// SPDX-License-Identifier: GPL-2.0
//! The frame that the registers describe: surfaces, vertex map, crop, boundary colour.

use crate::regs;
use crate::regs::Registers;
use crate::world::World;
use crate::world::Worlds;

/// Layouts of YUV pixels, as CTRL encodes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// 0: luma plane, and a plane of UV pairs at half width.
    Yuv422SemiPlanar,
    /// 1: one plane of Y U Y V.
    Yuv422Packed,
    /// 2: luma plane, and a plane of UV pairs at half width and half height.
    Yuv420SemiPlanar,
}

impl Layout {
    /// Returns the layout that a two-bit field of CTRL names; [`None`] for 3, which is
    /// reserved.
    pub fn from_field(field: u32) -> Option<Self> {
        match field & 3 {
            0 => Some(Self::Yuv422SemiPlanar),
            1 => Some(Self::Yuv422Packed),
            2 => Some(Self::Yuv420SemiPlanar),
            _ => None,
        }
    }

    /// Returns the number of luma rows for each chroma row.
    pub fn rows_per_chroma(self) -> u32 {
        match self {
            Self::Yuv420SemiPlanar => 2,
            Self::Yuv422SemiPlanar | Self::Yuv422Packed => 1,
        }
    }

    /// Returns the bytes of a row of `width` pixels in the luma or packed plane.
    pub fn luma_row(self, width: u32) -> usize {
        match self {
            Self::Yuv422Packed => width.div_ceil(2) as usize * 4,
            Self::Yuv422SemiPlanar | Self::Yuv420SemiPlanar => width as usize,
        }
    }

    /// Returns the bytes of a row of `width` pixels in the chroma plane; 0 if there is
    /// none.
    pub fn chroma_row(self, width: u32) -> usize {
        match self {
            Self::Yuv422Packed => 0,
            Self::Yuv422SemiPlanar | Self::Yuv420SemiPlanar => width.div_ceil(2) as usize * 2,
        }
    }

    /// Returns the rows of the chroma plane of a picture of `height` rows; 0 if there
    /// is none.
    pub fn chroma_rows(self, height: u32) -> u32 {
        match self {
            Self::Yuv422Packed => 0,
            Self::Yuv422SemiPlanar | Self::Yuv420SemiPlanar => {
                height.div_ceil(self.rows_per_chroma())
            }
        }
    }
}

/// One plane in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plane {
    /// Physical address, a multiple of 16.
    pub base: u64,
    /// Four swap bits: byte, short, word, long.
    pub swap: u8,
    /// DST_*_SIZE1 in bytes; not used for a source. NXP's header calls it the size of a
    /// ring buffer. Assumed by default: bytes beyond it are dropped.
    pub bound: u64,
    /// Whether bytes beyond `bound` wrap to the plane's start.
    pub wraps: bool,
}

/// A picture in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surface {
    /// The layout of the pixels.
    pub layout: Layout,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Bytes from row to row, in both planes.
    pub stride: u32,
    /// The luma or packed plane.
    pub luma: Plane,
    /// The chroma plane, unused when packed.
    pub chroma: Plane,
}

/// The place and size of the vertex map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapTable {
    /// Physical address.
    pub base: u64,
    /// Vertices in a row.
    pub columns: u32,
    /// Rows of vertices.
    pub rows: u32,
}

/// One frame, decoded from the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// The picture that is read.
    pub source: Surface,
    /// The picture that is written.
    pub destination: Surface,
    /// The vertex map.
    pub map: MapTable,
    /// SCALE_FACTOR as written, UQ1.7.
    pub scale: u32,
    /// ROI_START, x and y.
    pub roi: (u32, u32),
    /// Y, U, V written where the map points outside the source.
    pub boundary: [u8; 3],
    /// Whether prefetch is by traversal.
    pub traversal: bool,
    /// How the engine differs from the default model.
    pub worlds: Worlds,
}

impl Program {
    /// Decodes the registers. Returns [`None`] if a format field holds the reserved
    /// value.
    pub fn from_registers(regs: &Registers, worlds: Worlds) -> Option<Self> {
        let ctrl = regs.get(regs::CTRL);
        let address = |offset| match worlds.has(World::LowAddresses) {
            false => regs.address(offset),
            true => regs.address(offset) & 0xffff_ffff,
        };
        let plane = |base, shift: u32, bound| Plane {
            base: address(base),
            swap: (regs.get(regs::SWAP_CONTROL) >> shift & 0xf) as u8,
            bound,
            wraps: worlds.has(World::SizeWraps),
        };
        let bound = |offset| regs.address(offset);
        let (src_width, src_height) = regs.pair(regs::SRC_IMG_SIZE);
        let (dst_width, dst_height) = regs.pair(regs::DST_IMG_SIZE);
        let map_size = regs.get(regs::MAP_LUT_SIZE);
        let [_, y, u, v] = regs.get(regs::BOUNDARY_PIXEL).to_be_bytes();

        Some(Self {
            source: Surface {
                layout: Layout::from_field(ctrl >> 4)?,
                width: src_width,
                height: src_height,
                stride: regs.get(regs::SRC_IMG_STRIDE) & 0xffff,
                luma: plane(regs::SRC_IMG_Y_BASE, 0, 0),
                chroma: plane(regs::SRC_IMG_UV_BASE, 4, 0),
            },
            destination: Surface {
                layout: Layout::from_field(ctrl >> 6)?,
                width: dst_width,
                height: dst_height,
                stride: regs.get(regs::DST_IMG_STRIDE) & 0xffff,
                luma: plane(regs::DST_IMG_Y_BASE, 8, bound(regs::DST_IMG_Y_SIZE1)),
                chroma: plane(regs::DST_IMG_UV_BASE, 12, bound(regs::DST_IMG_UV_SIZE1)),
            },
            map: MapTable {
                base: address(regs::MAP_LUT_ADDR),
                columns: map_size & 0x7ff,
                rows: map_size >> 16 & 0x7ff,
            },
            scale: regs.get(regs::SCALE_FACTOR) & 0xff,
            roi: regs.pair(regs::ROI_START),
            boundary: [y, u, v],
            traversal: ctrl >> 16 & 3 == regs::PREFETCH_TRAVERSAL,
            worlds,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Creates a program from NV12 to NV12 of one size, its parts far apart, without
    /// crop or bounds.
    pub(crate) fn program(width: u32, height: u32) -> Program {
        let surface = |luma, chroma| Surface {
            layout: Layout::Yuv420SemiPlanar,
            width,
            height,
            stride: width,
            luma: Plane {
                base: luma,
                swap: 0,
                bound: 0x4000,
                wraps: false,
            },
            chroma: Plane {
                base: chroma,
                swap: 0,
                bound: 0x4000,
                wraps: false,
            },
        };
        Program {
            source: surface(0x4000, 0x8000),
            destination: surface(0xc000, 0x10000),
            map: MapTable {
                base: 0x1000,
                columns: width.div_ceil(16) + 1,
                rows: height.div_ceil(16) + 1,
            },
            scale: 128,
            roi: (0, 0),
            boundary: [0, 128, 128],
            traversal: false,
            worlds: Worlds::NONE,
        }
    }

    #[test]
    fn registers_decode_to_what_they_describe() {
        let mut regs = Registers::default();
        regs.set(regs::CTRL, 2 << 4 | 1 << 6);
        regs.set(regs::SRC_IMG_SIZE, 1080 << 16 | 1920);
        regs.set(regs::SWAP_CONTROL, 0x4321);
        regs.set(regs::DST_IMG_UV_SIZE1, 0x10);
        regs.set(regs::MAP_LUT_SIZE, 69 << 16 | 121);
        regs.set(regs::BOUNDARY_PIXEL, 0x0010_2030);
        let program = Program::from_registers(&regs, Worlds::NONE).unwrap();
        assert_eq!(program.source.layout, Layout::Yuv420SemiPlanar);
        assert_eq!(program.destination.layout, Layout::Yuv422Packed);
        assert_eq!((program.source.width, program.source.height), (1920, 1080));
        let swaps = [program.source, program.destination].map(|s| (s.luma.swap, s.chroma.swap));
        assert_eq!(swaps, [(1, 2), (3, 4)]);
        assert_eq!(program.destination.chroma.bound, 0x100);
        assert_eq!((program.map.columns, program.map.rows), (121, 69));
        assert_eq!(program.boundary, [0x10, 0x20, 0x30]);
    }

    #[test]
    fn upper_address_bits_reach_memory_unless_they_are_tied_off() {
        let mut regs = Registers::default();
        let addresses = [
            regs::SRC_IMG_Y_BASE,
            regs::SRC_IMG_UV_BASE,
            regs::DST_IMG_Y_BASE,
            regs::DST_IMG_UV_BASE,
            regs::MAP_LUT_ADDR,
        ];
        for offset in addresses {
            regs.set(offset, 0x3234_5678);
        }
        let bases = |worlds| {
            let program = Program::from_registers(&regs, worlds).unwrap();
            let Program {
                source,
                destination,
                map,
                ..
            } = program;
            let planes = [
                source.luma,
                source.chroma,
                destination.luma,
                destination.chroma,
            ];
            planes
                .map(|plane| plane.base)
                .into_iter()
                .chain([map.base])
                .collect::<Vec<_>>()
        };
        assert_eq!(bases(Worlds::NONE), [0x3_2345_6780; 5]);
        assert_eq!(
            bases(Worlds::NONE.with(World::LowAddresses)),
            [0x2345_6780; 5]
        );
    }

    #[test]
    fn the_reserved_format_is_no_program() {
        let mut regs = Registers::default();
        regs.set(regs::CTRL, 3 << 4);
        assert_eq!(Program::from_registers(&regs, Worlds::NONE), None);
        regs.set(regs::CTRL, 3 << 6);
        assert_eq!(Program::from_registers(&regs, Worlds::NONE), None);
    }
}
