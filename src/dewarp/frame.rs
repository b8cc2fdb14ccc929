// SPDX-License-Identifier: GPL-2.0

//! One frame, and the register values that make the engine dewarp it.
//!
//! Register and field names are those of the C driver's register header and of NXP's. The values
//! are those of the C driver, which are known to work on silicon. Where they differ on purpose, the
//! C driver's fault is named. The numbers of faults are those of docs/dw100-rust.rst, "Differences
//! from the driver in C".

use super::{
    buffer::base,
    map::Grid,
    prefetch::Prefetch, //
};

pub use super::buffer::Buffer;

/// BOUNDARY_PIXEL: black (Y 0, U 128, V 128) where the map points outside the source, as in the C
/// driver and in NXP's.
pub const BOUNDARY_PIXEL: u32 = 128 << 8 | 128;

/// SCALE_FACTOR: the whole source, UQ1.7. A crop is part of the map: see [`super::crop`].
pub const SCALE_FACTOR: u32 = 1 << 7;

/// ROI_START: the first pixel.
pub const ROI_START: u32 = 0;

/// A vertex map and its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// The grid of its vertices.
    pub grid: Grid,
    /// Its DMA address.
    pub address: u64,
}

/// A plane or a map that the engine reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plane {
    /// Luma of the source, or all its samples in the packed layout.
    SourceLuma,
    /// Chroma of the source.
    SourceChroma,
    /// Luma of the destination, or all its samples in the packed layout.
    DestinationLuma,
    /// Chroma of the destination.
    DestinationChroma,
    /// The vertex map.
    Map,
}

/// The reason why a frame cannot be programmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The plane does not start at a multiple of 16 bytes, or does not end within the first 2^34
    /// bytes.
    Address(Plane, u64),
    /// The map is not for the destination's size.
    Grid(Grid),
}

/// A frame: its images, its map and how it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The image to dewarp.
    pub source: Buffer,
    /// The image to write.
    pub destination: Buffer,
    /// The positions in the source.
    pub map: Map,
    /// The method to fetch the source.
    pub prefetch: Prefetch,
}

/// The values of the engine's registers for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// DEWARP_CTRL, 0x04: enabled, but without START.
    pub ctrl: u32,
    /// MAP_LUT_ADDR, 0x08.
    pub lut_address: u32,
    /// MAP_LUT_SIZE, 0x0c: columns and rows of vertices.
    pub lut_size: u32,
    /// SRC_IMG_Y_BASE, 0x10.
    pub source_y: u32,
    /// SRC_IMG_UV_BASE, 0x14.
    pub source_uv: u32,
    /// SRC_IMG_SIZE, 0x18: pixels.
    pub source_size: u32,
    /// SRC_IMG_STRIDE, 0x1c: bytes.
    pub source_stride: u32,
    /// DST_IMG_Y_BASE, 0x38.
    pub destination_y: u32,
    /// DST_IMG_UV_BASE, 0x3c.
    pub destination_uv: u32,
    /// DST_IMG_SIZE, 0x40: pixels.
    pub destination_size: u32,
    /// DST_IMG_STRIDE, 0x44: bytes.
    pub destination_stride: u32,
    /// SWAP_CONTROL, 0x58.
    pub swap: u32,
    /// DST_IMG_Y_SIZE1, 0x80: 16-byte units. NXP's header calls it the size of a ring buffer.
    pub destination_y_size: u32,
    /// DST_IMG_UV_SIZE1, 0x84: 16-byte units.
    pub destination_uv_size: u32,
}

impl Frame {
    /// Returns the register values for this frame.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the engine cannot express the frame, or if its parts do not belong together.
    pub fn program(&self) -> Result<Program, Refused> {
        let source = &self.source.image;
        let destination = &self.destination.image;

        if self.map.grid != Grid::of(destination.size()) {
            return Err(Refused::Grid(self.map.grid));
        }

        // CAST: A map has less than 2^18 bytes.
        let map_bytes = self.map.grid.bytes() as u32;
        let (destination_uv, destination_uv_bytes) = self.destination_chroma();

        Ok(Program {
            ctrl: 1
                | source.format().layout.code() << 4
                | destination.format().layout.code() << 6
                | self.prefetch.ctrl(),
            lut_address: start(Plane::Map, self.map.address, map_bytes)?,
            lut_size: pair(self.map.grid.columns(), self.map.grid.rows()),
            source_y: start(Plane::SourceLuma, self.source.luma(), source.luma_bytes())?,
            source_uv: start(
                Plane::SourceChroma,
                self.source.chroma(),
                source.chroma_bytes(),
            )?,
            source_size: pair(source.size().width(), source.size().height()),
            source_stride: source.bytes_per_line(),
            destination_y: start(
                Plane::DestinationLuma,
                self.destination.luma(),
                destination.luma_bytes(),
            )?,
            destination_uv: start(
                Plane::DestinationChroma,
                destination_uv,
                destination_uv_bytes,
            )?,
            destination_size: pair(destination.size().width(), destination.size().height()),
            destination_stride: destination.bytes_per_line(),
            swap: self.swap(),
            // Fault 18: the C driver sets the bytes of both planes here if they share a buffer.
            destination_y_size: destination.luma_bytes() >> 4,
            destination_uv_size: destination_uv_bytes >> 4,
        })
    }

    /// Returns the address and the size in bytes of the memory that the engine may write as chroma.
    ///
    /// Fault 18: the packed layout has no chroma plane, and the C driver sets one behind the end of
    /// the buffer. It is not known whether a size of 0 is safe on silicon, so this driver sets the
    /// buffer itself.
    fn destination_chroma(&self) -> (u64, u32) {
        let image = &self.destination.image;
        if image.format().layout.is_packed() {
            (self.destination.luma(), image.luma_bytes())
        } else {
            (self.destination.chroma(), image.chroma_bytes())
        }
    }

    /// Returns SWAP_CONTROL: the planes of the source and the destination whose neighbouring bytes
    /// are exchanged.
    fn swap(&self) -> u32 {
        const SOURCE_Y: u32 = 1 << 0;
        const DESTINATION_Y: u32 = 1 << 8;
        const DESTINATION_UV: u32 = 1 << 12;

        let source = self.source.image.format();
        let destination = self.destination.image.format();

        // Only the packed layout can be corrected in the source.
        let (swap_in, still_swapped) = if source.swap_uv && source.layout.is_packed() {
            (SOURCE_Y, false)
        } else {
            (0, source.swap_uv)
        };
        let swap_out = if destination.swap_uv == still_swapped {
            0
        } else if destination.layout.is_packed() {
            DESTINATION_Y
        } else {
            DESTINATION_UV
        };
        swap_in | swap_out
    }
}

/// Returns two fields of a register: columns in the lower half, rows in the upper half.
const fn pair(columns: u32, rows: u32) -> u32 {
    rows << 16 | columns
}

/// Returns the register value for the start of a plane.
fn start(plane: Plane, address: u64, bytes: u32) -> Result<u32, Refused> {
    base(address, bytes).ok_or(Refused::Address(plane, address))
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::super::format::{
        find_any,
        fourcc,
        FORMATS, //
    };
    use super::super::image::Image;
    use super::super::size::Size;
    use super::*;
    use proptest::prelude::*;

    const SOURCE: [u64; 2] = [0x1_0000_0000, 0x1_4000_0000];
    const DESTINATION: [u64; 2] = [0x5000_0000, 0x6000_0000];

    fn frame(source: Image, destination: Image) -> Frame {
        Frame {
            source: Buffer {
                image: source,
                addresses: SOURCE,
            },
            destination: Buffer {
                image: destination,
                addresses: DESTINATION,
            },
            map: Map {
                grid: Grid::of(destination.size()),
                address: 0x3_fff0_0000,
            },
            prefetch: Prefetch::DEFAULT,
        }
    }

    fn image(code: &[u8; 4], width: u32, height: u32) -> Image {
        Image::new(
            find_any(fourcc(code)).unwrap(),
            Size::constrained(width, height),
        )
    }

    fn any_image() -> impl Strategy<Value = Image> {
        (0..FORMATS.len(), 176u32..=4096, 144u32..=3072)
            .prop_map(|(i, w, h)| Image::new(&FORMATS[i], Size::constrained(w, h)))
    }

    proptest! {
        /// Also tests sources of formats that are refused as sources, so that the rule for swaps
        /// has no gap.
        #[test]
        fn a_program_is_that_of_the_c_driver_but_for_fault_18(
            source in any_image(), destination in any_image(),
        ) {
            let frame = frame(source, destination);
            let ours = frame.program().unwrap();
            let theirs = c_driver::program(&frame.source, &frame.destination, frame.map.address);

            let single_plane = destination.format().memory_planes == 1;
            let of_planes = if single_plane { &ours } else { &theirs };
            let packed = destination.format().layout.is_packed();
            let excepted = Program {
                destination_uv: if packed { ours.destination_uv } else { theirs.destination_uv },
                destination_y_size: of_planes.destination_y_size,
                destination_uv_size: of_planes.destination_uv_size,
                ..theirs
            };
            prop_assert_eq!(ours, excepted);
            if single_plane && !packed {
                prop_assert!(ours.destination_y_size < theirs.destination_y_size);
            }
        }

        /// Tests that the driver does not have fault 18 of the C driver.
        #[test]
        fn nothing_outside_the_destination_can_be_written(
            source in any_image(), destination in any_image(), stride in 0u32..20000,
        ) {
            let destination = destination.with_bytes_per_line(stride);
            let program = frame(source, destination).program().unwrap();
            let planes: Vec<_> = destination
                .planes()
                .zip(DESTINATION)
                .map(|(plane, start)| start..start + u64::from(plane.size_image))
                .collect();
            for (base, units) in [
                (program.destination_y, program.destination_y_size),
                (program.destination_uv, program.destination_uv_size),
            ] {
                let start = u64::from(base) << 4;
                let end = start + (u64::from(units) << 4);
                prop_assert!(units > 0);
                prop_assert!(planes.iter().any(|p| p.start <= start && end <= p.end));
            }
            let [y, uv] = [program.destination_y_size, program.destination_uv_size].map(u64::from);
            let all: u64 = planes.iter().map(|p| p.end - p.start).sum();
            let packed = destination.format().layout.is_packed();
            prop_assert_eq!(if packed { y } else { y + uv } << 4, all);
        }
    }

    /// BOUNDARY_PIXEL has V in 7:0, U in 15:8, Y in 23:16; SCALE_FACTOR is UQ1.7 (`dw100_regs.h`).
    #[test]
    fn every_frame_has_black_around_it_and_the_whole_source() {
        assert_eq!(BOUNDARY_PIXEL.to_be_bytes(), [0, 0, 128, 128]);
        assert_eq!((SCALE_FACTOR, ROI_START), (128, 0));
    }

    #[test]
    fn a_640x480_nv12_frame_has_the_program_worked_out_by_hand() {
        let frame = frame(image(b"NV12", 640, 480), image(b"NV12", 640, 480));
        let expected = Program {
            ctrl: 0x0081_00a1,
            lut_address: 0x3fff_0000,
            lut_size: 0x001f_0029,
            source_y: 0x1000_0000,
            // 640 * 480 = 0x4b000 bytes behind luma's start.
            source_uv: 0x1000_4b00,
            source_size: 0x01e0_0280,
            source_stride: 640,
            destination_y: 0x0500_0000,
            destination_uv: 0x0500_4b00,
            destination_size: 0x01e0_0280,
            destination_stride: 640,
            swap: 0,
            // Fault 18: the C driver has 0x7080 and 0x3840.
            destination_y_size: 0x4b00,
            destination_uv_size: 0x2580,
        };
        assert_eq!(frame.program(), Ok(expected));
        assert_eq!(BOUNDARY_PIXEL, 0x0000_8080);
    }

    #[test]
    fn bytes_are_swapped_once_between_any_two_formats() {
        let swap = |from, to| {
            frame(image(from, 640, 480), image(to, 640, 480))
                .program()
                .unwrap()
                .swap
        };
        assert_eq!(swap(b"YUYV", b"YUYV"), 0);
        assert_eq!(swap(b"UYVY", b"YUYV"), 0x0001);
        assert_eq!(swap(b"YUYV", b"UYVY"), 0x0100);
        assert_eq!(swap(b"UYVY", b"UYVY"), 0x0101);
        assert_eq!(swap(b"NV12", b"NV21"), 0x1000);
        assert_eq!(swap(b"UYVY", b"NM61"), 0x1001);
        assert_eq!(swap(b"UYVY", b"NV16"), 0x0001);
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let whole = frame(image(b"NV12", 640, 480), image(b"NV12", 1280, 720));
        let mut wrong = whole;
        wrong.map.grid = Grid::of(Size::DEFAULT);
        assert_eq!(wrong.program(), Err(Refused::Grid(Grid::of(Size::DEFAULT))));
        wrong = whole;
        wrong.map.address = 8;
        assert_eq!(wrong.program(), Err(Refused::Address(Plane::Map, 8)));
        wrong.map.address = (1 << 34) - 16;
        assert!(wrong.program().is_err());
    }

    #[test]
    fn an_address_that_is_not_aligned_is_refused_by_its_plane() {
        let whole = frame(image(b"NM12", 640, 480), image(b"NM12", 640, 480));
        let refused = |change: fn(&mut Frame)| {
            let mut wrong = whole;
            change(&mut wrong);
            wrong.program().unwrap_err()
        };
        assert_eq!(
            [
                refused(|f| f.source.addresses[0] = 1),
                refused(|f| f.source.addresses[1] = 2),
                refused(|f| f.destination.addresses[0] = 4),
                refused(|f| f.destination.addresses[1] = 1 << 34),
            ],
            [
                Refused::Address(Plane::SourceLuma, 1),
                Refused::Address(Plane::SourceChroma, 2),
                Refused::Address(Plane::DestinationLuma, 4),
                Refused::Address(Plane::DestinationChroma, 1 << 34),
            ]
        );
    }
}
