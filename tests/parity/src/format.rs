// SPDX-License-Identifier: GPL-2.0

//! Pixel formats and image sizes, and the shape that V4L2 gives to an image of
//! them.

use std::fmt;

use dw100_model::PixelFormat;
use dw100_model::program::Layout;

/// The pixel formats of OUTPUT, in the order of the plan.
pub const INPUTS: [&str; 6] = ["nv12", "nv12m", "nv16", "nv16m", "yuyv", "uyvy"];
/// The pixel formats of CAPTURE, in the order of the plan.
pub const OUTPUTS: [&str; 10] = [
    "nv12", "nv12m", "nv21", "nv21m", "nv16", "nv16m", "nv61", "nv61m", "yuyv", "uyvy",
];

/// A pixel format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The format's name in lower case.
    pub name: &'static str,
    pixels: PixelFormat,
}

impl Format {
    /// Returns the format of that name, which must be one of [`INPUTS`] or
    /// [`OUTPUTS`].
    pub fn named(name: &'static str) -> Option<Self> {
        let pixels = name.parse().ok()?;
        Some(Self { name, pixels })
    }

    /// Returns the layout of the samples, which does not depend on the number of
    /// buffers.
    pub fn pixels(self) -> PixelFormat {
        self.pixels
    }

    /// Returns whether chroma has its own buffer.
    pub fn two_buffers(self) -> bool {
        self.name.ends_with('m')
    }

    /// Returns whether luma and chroma share a plane.
    pub fn packed(self) -> bool {
        self.pixels.layout() == Layout::Yuv422Packed
    }

    /// Returns whether chroma has half the lines.
    pub fn halves_lines(self) -> bool {
        self.pixels.layout() == Layout::Yuv420SemiPlanar
    }

    /// Returns the bytes of a line of luma, or of all samples in the packed
    /// layout.
    pub fn line(self, size: Size) -> u32 {
        // CAST: It is less than 2^14.
        self.pixels.layout().luma_row(size.width) as u32
    }

    /// Returns the bytes of luma, or of all samples in the packed layout; and the
    /// bytes of chroma.
    pub fn planes(self, size: Size) -> (u32, u32) {
        let (luma, chroma) = self.pixels.plane_sizes(size.width, size.height);
        // CAST: It is less than 2^26.
        (luma as u32, chroma as u32)
    }

    /// Returns the bytes of each buffer of an image.
    pub fn buffers(self, size: Size) -> Vec<u32> {
        let (luma, chroma) = self.planes(size);
        match self.two_buffers() {
            true => vec![luma, chroma],
            false => vec![luma + chroma],
        }
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl Size {
    /// Creates a size, as it is set.
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Returns the size that V4L2 grants for this engine: the sides are multiples
    /// of 8.
    pub fn granted(self) -> Self {
        Self::new(
            self.width.next_multiple_of(8),
            self.height.next_multiple_of(8),
        )
    }

    /// Returns the number of pixels.
    pub fn pixels(self) -> u32 {
        self.width * self.height
    }

    /// Returns the columns and rows of the vertex map for a destination of this
    /// size.
    pub fn vertices(self) -> (u32, u32) {
        (self.width.div_ceil(16) + 1, self.height.div_ceil(16) + 1)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_formats_are_known_and_split_as_their_names_say() {
        let size = Size::new(640, 480);
        let buffers = |name| Format::named(name).unwrap().buffers(size);
        assert!(
            INPUTS
                .iter()
                .chain(&OUTPUTS)
                .all(|name| Format::named(name).is_some())
        );
        assert_eq!(buffers("nv12"), [460_800]);
        assert_eq!(buffers("nv21m"), [307_200, 153_600]);
        assert_eq!(buffers("nv61"), [614_400]);
        assert_eq!(buffers("yuyv"), [614_400]);
        assert_eq!(Format::named("uyvy").unwrap().line(size), 1280);
        assert!(Format::named("rgb3").is_none());
    }

    #[test]
    fn sides_go_up_to_the_next_multiple_of_8() {
        assert_eq!(Size::new(1368, 1026).granted(), Size::new(1368, 1032));
        assert_eq!(Size::new(176, 144).granted(), Size::new(176, 144));
        assert_eq!(Size::new(648, 488).vertices(), (42, 32));
    }
}
