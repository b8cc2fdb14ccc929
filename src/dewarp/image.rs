// SPDX-License-Identifier: GPL-2.0

//! An image in memory: lines, planes and bytes, but not yet an address.

use super::{
    format::{
        Format,
        Layout, //
    },
    size::Size, //
};

/// The layout of one memory plane, as V4L2 reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneLayout {
    /// The distance between the starts of two lines, bytes.
    pub bytes_per_line: u32,
    /// The size that a buffer needs for this plane, bytes.
    pub size_image: u32,
}

/// The shape of an image in memory.
///
/// # Invariants
///
/// `bytes_per_line` holds a line, is a multiple of [`Size::STEP`], and is at most
/// [`Image::MAX_BYTES_PER_LINE`]. So luma is a multiple of 64 bytes and chroma of 32, and all
/// planes together are less than 2^29 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    format: &'static Format,
    size: Size,
    bytes_per_line: u32,
}

impl Image {
    /// The longest line that the 16-bit stride registers can express, bytes.
    pub const MAX_BYTES_PER_LINE: u32 = 0xfff8;

    /// Creates an image whose lines follow each other without a gap.
    pub fn new(format: &'static Format, size: Size) -> Self {
        // INVARIANT: The line is at most 2 * 4096 bytes, and a multiple of the step as the width
        // is.
        Self {
            format,
            size,
            bytes_per_line: Self::line(format, size),
        }
    }

    /// Returns the same image with a distance of `wanted` bytes between lines, or the nearest that
    /// the engine can process.
    pub fn with_bytes_per_line(self, wanted: u32) -> Self {
        // INVARIANT: Both limits are multiples of the step, so rounding up stays between them.
        Self {
            bytes_per_line: wanted
                .clamp(Self::line(self.format, self.size), Self::MAX_BYTES_PER_LINE)
                .next_multiple_of(Size::STEP),
            ..self
        }
    }

    /// Returns the same image with the line length that a program asks for by its first plane, on a
    /// queue that is set to `present`.
    ///
    /// Programs read the present format, change its width or pixel format, and set the result. If
    /// either has changed, a length and a size that are those of `present` are left over from it,
    /// and are ignored.
    pub fn with_lines(self, wanted: PlaneLayout, present: &Self) -> Self {
        let is_same = self.format.fourcc == present.format.fourcc
            && self.size.width() == present.size.width();
        if !is_same && present.plane(0) == Some(wanted) {
            return self;
        }
        self.with_bytes_per_line(wanted.bytes_per_line)
    }

    /// Returns the bytes that hold a line of luma, or of luma and chroma in the packed layout.
    fn line(format: &Format, size: Size) -> u32 {
        match format.layout {
            Layout::Yuv422Packed => size.width() << 1,
            Layout::Yuv422SemiPlanar | Layout::Yuv420SemiPlanar => size.width(),
        }
    }

    /// Returns the pixel format.
    pub const fn format(&self) -> &'static Format {
        self.format
    }

    /// Returns the size in pixels.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Returns the distance between the starts of two lines in each plane, bytes.
    pub const fn bytes_per_line(&self) -> u32 {
        self.bytes_per_line
    }

    /// Returns the size of the luma plane, or of all samples in the packed layout, bytes.
    pub const fn luma_bytes(&self) -> u32 {
        // By the type invariant the product is less than 2^29.
        self.bytes_per_line.wrapping_mul(self.size.height())
    }

    /// Returns the size of the chroma plane, bytes; 0 in the packed layout.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub const fn chroma_bytes(&self) -> u32 {
        match self.format.layout {
            Layout::Yuv422SemiPlanar => self.luma_bytes(),
            Layout::Yuv422Packed => 0,
            Layout::Yuv420SemiPlanar => self.luma_bytes() / 2,
        }
    }

    /// Returns the layout of a memory plane, from 0; [`None`] if there is no such plane.
    ///
    /// The result is that of [`v4l2_fill_pixfmt_mp()`] if the lines have no gap.
    ///
    /// [`v4l2_fill_pixfmt_mp()`]: srctree/include/media/v4l2-common.h
    pub fn plane(&self, index: usize) -> Option<PlaneLayout> {
        let size_image = match (self.format.memory_planes, index) {
            // By the type invariant the sum is less than 2^29.
            (1, 0) => self.luma_bytes().wrapping_add(self.chroma_bytes()),
            (2, 0) => self.luma_bytes(),
            (2, 1) => self.chroma_bytes(),
            _ => return None,
        };
        Some(PlaneLayout {
            bytes_per_line: self.bytes_per_line,
            size_image,
        })
    }

    /// Returns the layouts of the memory planes: one or two.
    pub fn planes(&self) -> impl Iterator<Item = PlaneLayout> + '_ {
        (0..2).map_while(|index| self.plane(index))
    }
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::super::format::{
        self,
        fourcc,
        FORMATS, //
    };
    use super::*;
    use proptest::prelude::*;

    fn ours(image: &Image) -> Vec<(u32, u32)> {
        image
            .planes()
            .map(|p| (p.bytes_per_line, p.size_image))
            .collect()
    }

    proptest! {
        #[test]
        fn planes_are_those_of_the_v4l2_core(index in 0..FORMATS.len(), width: u16, height: u16) {
            let size = Size::constrained(width.into(), height.into());
            let format = &FORMATS[index];
            prop_assert_eq!(ours(&Image::new(format, size)), c_driver::planes(format, size));
        }

        #[test]
        fn any_wanted_stride_holds_a_line_is_aligned_and_fits_the_register(
            index in 0..FORMATS.len(), width: u16, height: u16, wanted: u32,
        ) {
            let size = Size::constrained(width.into(), height.into());
            let tight = Image::new(&FORMATS[index], size);
            let image = tight.with_bytes_per_line(wanted);
            let line = image.bytes_per_line();

            prop_assert!(line >= tight.bytes_per_line());
            prop_assert!(line % 8 == 0 && line <= 0xffff);
            if wanted >= tight.bytes_per_line() && wanted <= 0xfff8 {
                prop_assert!((wanted..wanted + 8).contains(&line));
            }
            // Each plane grows with its lines.
            for (wide, narrow) in ours(&image).iter().zip(ours(&tight)) {
                prop_assert_eq!(
                    u64::from(wide.1) * u64::from(tight.bytes_per_line()),
                    u64::from(narrow.1) * u64::from(line)
                );
            }
        }
    }

    #[test]
    fn lines_left_over_from_the_present_format_are_ignored() {
        let image = |code, width, height| {
            let format = format::find_any(fourcc(code)).unwrap();
            Image::new(format, Size::constrained(width, height))
        };
        let asked = |bytes_per_line, size_image| PlaneLayout {
            bytes_per_line,
            size_image,
        };
        let present = image(b"NV12", 1920, 1080);
        let hd = image(b"NV12", 1280, 720);
        let line = |image: Image, bytes, size| {
            let lines = image.with_lines(asked(bytes, size), &present);
            lines.bytes_per_line()
        };
        // 1920 * 1080 * 3 / 2 bytes, in 1080 lines of luma.
        assert_eq!(line(hd, 1920, 3_110_400), 1280);
        assert_eq!(line(image(b"NV12", 1288, 1080), 1920, 3_110_400), 1288);
        assert_eq!(line(image(b"NM12", 1920, 1080), 1920, 3_110_400), 1920);
        assert_eq!(line(image(b"YUYV", 880, 1080), 1920, 3_110_400), 1760);
        // If only one of the two matches, the length is the program's own.
        for size in [0, 1, 3_110_399, 3_110_401, 1920 * 720 * 3 / 2] {
            assert_eq!(line(hd, 1920, size), 1920);
        }
        assert_eq!(line(hd, 1928, 3_110_400), 1928);
        // The present format set again, or with another height, keeps its padding.
        let padded = present.with_bytes_per_line(2048);
        let plane = padded.plane(0).unwrap();
        for again in [present, image(b"NV12", 1920, 720)] {
            assert_eq!(again.with_lines(plane, &padded).bytes_per_line(), 2048);
        }
        assert_eq!(hd.with_lines(plane, &padded), hd);
        // With two planes, the first one decides.
        let split = image(b"NM12", 1920, 1080);
        let plane = split.plane(0).unwrap();
        assert_eq!(plane, asked(1920, 2_073_600));
        assert_eq!(hd.with_lines(plane, &split), hd);
    }

    #[test]
    fn well_known_images_have_their_well_known_sizes() {
        let full_hd = Size::constrained(1920, 1080);
        let image = |code| Image::new(format::find_any(fourcc(code)).unwrap(), full_hd);
        assert_eq!(ours(&image(b"NV12")), [(1920, 3_110_400)]);
        assert_eq!(
            ours(&image(b"NM12")),
            [(1920, 2_073_600), (1920, 1_036_800)]
        );
        assert_eq!(ours(&image(b"NV16")), [(1920, 4_147_200)]);
        assert_eq!(ours(&image(b"YUYV")), [(3840, 4_147_200)]);
    }

    #[test]
    fn the_largest_image_stays_below_2_to_the_29_bytes() {
        let image = Image::new(format::DEFAULT, Size::MAX).with_bytes_per_line(u32::MAX);
        // 2 * 0xfff8 * 3072
        assert_eq!(ours(&image), [(0xfff8, 402_604_032)]);
        assert!(image.planes().all(|plane| plane.size_image < 1 << 29));
    }
}
