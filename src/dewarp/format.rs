// SPDX-License-Identifier: GPL-2.0

//! The pixel formats of the engine, by FourCC.

use core::hint;

/// The V4L2 queue of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Images into the engine: the source.
    Output,
    /// Images out of the engine: the destination.
    Capture,
}

/// The layout of samples, as the two format fields of DEWARP_CTRL express it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A plane of Y, and one of interleaved U and V at half the width.
    Yuv422SemiPlanar,
    /// One plane of Y and alternating U and V.
    Yuv422Packed,
    /// A plane of Y, and one of interleaved U and V at half the width and half the height.
    Yuv420SemiPlanar,
}

impl Layout {
    /// Returns the code of this layout in the format fields of DEWARP_CTRL.
    pub const fn code(self) -> u32 {
        match self {
            Self::Yuv422SemiPlanar => 0,
            Self::Yuv422Packed => 1,
            Self::Yuv420SemiPlanar => 2,
        }
    }

    /// Returns whether luma and chroma share a plane.
    pub const fn is_packed(self) -> bool {
        matches!(self, Self::Yuv422Packed)
    }
}

/// A pixel format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The FourCC, V4L2_PIX_FMT_*.
    pub fourcc: u32,
    /// The layout, as the engine expects it.
    pub layout: Layout,
    /// Whether neighbouring bytes are exchanged in comparison with the layout's first format: V
    /// before U or, in the packed layout, chroma before luma.
    pub swap_uv: bool,
    /// The number of memory planes of an image: 1, or 2 for the formats whose chroma has its own.
    pub memory_planes: u8,
    /// Whether a source may have this format.
    pub output: bool,
    /// Whether a destination may have this format.
    pub capture: bool,
}

impl Format {
    /// Returns whether images of this format can go in that direction.
    pub const fn goes(&self, direction: Direction) -> bool {
        match direction {
            Direction::Output => self.output,
            Direction::Capture => self.capture,
        }
    }

    const fn new(code: &[u8; 4], layout: Layout) -> Self {
        Self {
            fourcc: fourcc(code),
            layout,
            swap_uv: false,
            memory_planes: 1,
            output: true,
            capture: true,
        }
    }

    const fn swapped(self) -> Self {
        Self {
            swap_uv: true,
            ..self
        }
    }

    const fn two_planes(self) -> Self {
        Self {
            memory_planes: 2,
            ..self
        }
    }

    /// Allows the format for destinations only: in a source the engine swaps only the bytes of the
    /// Y plane (C driver, `dw100_hw_set_source`).
    const fn capture_only(self) -> Self {
        Self {
            output: false,
            ..self
        }
    }
}

/// Returns the number of a four-character code, as `v4l2_fourcc()` computes it.
pub const fn fourcc(code: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*code)
}

/// All formats, in the order in which they are enumerated.
pub static FORMATS: [Format; 10] = {
    use Layout::*;
    [
        Format::new(b"NV16", Yuv422SemiPlanar),
        Format::new(b"NM16", Yuv422SemiPlanar).two_planes(),
        Format::new(b"NV61", Yuv422SemiPlanar)
            .swapped()
            .capture_only(),
        Format::new(b"NM61", Yuv422SemiPlanar)
            .two_planes()
            .swapped()
            .capture_only(),
        Format::new(b"YUYV", Yuv422Packed),
        Format::new(b"UYVY", Yuv422Packed).swapped(),
        Format::new(b"NV12", Yuv420SemiPlanar),
        Format::new(b"NM12", Yuv420SemiPlanar).two_planes(),
        Format::new(b"NV21", Yuv420SemiPlanar)
            .swapped()
            .capture_only(),
        Format::new(b"NM21", Yuv420SemiPlanar)
            .two_planes()
            .swapped()
            .capture_only(),
    ]
};

/// The format that a newly opened device is set to, and that replaces an unknown format: NV16.
pub const DEFAULT: &Format = {
    let [first, ..] = &FORMATS;
    first
};

/// The indices in [`FORMATS`] of the formats that a source may have.
const OUTPUT: [u8; 6] = [0, 1, 4, 5, 6, 7];

/// Returns the format with a FourCC, if images of it can go in that direction.
pub fn find(fourcc: u32, direction: Direction) -> Option<&'static Format> {
    find_any(fourcc).filter(|format| format.goes(direction))
}

/// Returns the format with a FourCC, in any direction.
// Not inlined, to have the code once for all callers.
#[inline(never)]
pub fn find_any(fourcc: u32) -> Option<&'static Format> {
    // If the length is known, the compiler makes ten comparisons in a row, which are five times as
    // long.
    let formats: &'static [Format] = hint::black_box(&FORMATS);
    formats.iter().find(|format| format.fourcc == fourcc)
}

/// Returns the format with an index in the enumeration of one direction, from 0.
pub fn nth(index: u32, direction: Direction) -> Option<&'static Format> {
    let index = usize::try_from(index).ok()?;
    match direction {
        Direction::Output => FORMATS.get(usize::from(*OUTPUT.get(index)?)),
        Direction::Capture => FORMATS.get(index),
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::*;
    use super::*;

    /// The C driver's table: FourCC as a number, code of the layout, swap, planes, output, capture.
    const C_TABLE: [(u32, u32, bool, u8, bool, bool); 10] = [
        (0x3631_564e, 0, false, 1, true, true),
        (0x3631_4d4e, 0, false, 2, true, true),
        (0x3136_564e, 0, true, 1, false, true),
        (0x3136_4d4e, 0, true, 2, false, true),
        (0x5659_5559, 1, false, 1, true, true),
        (0x5956_5955, 1, true, 1, true, true),
        (0x3231_564e, 2, false, 1, true, true),
        (0x3231_4d4e, 2, false, 2, true, true),
        (0x3132_564e, 2, true, 1, false, true),
        (0x3132_4d4e, 2, true, 2, false, true),
    ];

    #[test]
    fn the_table_is_that_of_the_c_driver_in_its_order() {
        let ours = FORMATS.map(|f| {
            (
                f.fourcc,
                f.layout.code(),
                f.swap_uv,
                f.memory_planes,
                f.output,
                f.capture,
            )
        });
        assert_eq!(ours, C_TABLE);
        assert_eq!(DEFAULT.fourcc, 0x3631_564e);
    }

    #[test]
    fn each_direction_enumerates_its_formats_without_a_gap() {
        for (direction, count) in [(Output, 6), (Capture, 10)] {
            let listed: Vec<_> = (0..).map_while(|i| nth(i, direction)).collect();
            let expected: Vec<_> = FORMATS.iter().filter(|f| f.goes(direction)).collect();
            assert_eq!(listed.len(), count);
            assert_eq!(listed, expected);
            assert_eq!(nth(u32::MAX, direction), None);
        }
        assert_eq!(nth(2, Output).unwrap().fourcc, fourcc(b"YUYV"));
        assert_eq!(nth(2, Capture).unwrap().fourcc, fourcc(b"NV61"));
    }

    #[test]
    fn a_format_is_found_only_in_a_direction_it_goes() {
        let nv21 = fourcc(b"NV21");
        assert_eq!(find(nv21, Output), None);
        assert_eq!(find(nv21, Capture), find_any(nv21));
        assert_eq!(find_any(nv21).unwrap().fourcc, nv21);
        assert_eq!(find_any(fourcc(b"RGB3")), None);
        assert_eq!(find_any(0), None);
    }
}
