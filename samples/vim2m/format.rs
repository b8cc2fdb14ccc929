// SPDX-License-Identifier: GPL-2.0

//! The formats of the device, and the sizes of their frames.

use crate::media::prelude::*;

/// How the pixels of a format are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// 16 bits, little-endian: 5 of red, 6 of green, 5 of blue, from the most significant bit on.
    Rgb565,
    /// The same, big-endian.
    Rgb565X,
    /// Three bytes, of the channels with these numbers: red is 0, green 1 and blue 2.
    Bytes([usize; 3]),
    /// Two pixels in four bytes: luma, blue difference, luma, red difference.
    Yuyv,
    /// One byte, of the channel at its place in two lines of two pixels.
    Bayer([[usize; 2]; 2]),
}

/// A format.
#[derive(PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) fourcc: u32,
    pub(crate) layout: Layout,
}

impl Format {
    const fn new(fourcc: &[u8; 4], layout: Layout) -> Self {
        let fourcc = u32::from_le_bytes(*fourcc);
        Self { fourcc, layout }
    }

    /// Returns whether a queue can have the format.
    fn supports(&self, direction: Direction) -> bool {
        let is_rgb = !matches!(self.layout, Layout::Yuyv | Layout::Bayer(_));
        is_rgb || direction == Direction::Capture
    }

    /// Returns the bytes of a pixel.
    pub(crate) fn depth(&self) -> usize {
        match self.layout {
            Layout::Rgb565 | Layout::Rgb565X | Layout::Yuyv => 2,
            Layout::Bytes(_) => 3,
            Layout::Bayer(_) => 1,
        }
    }

    /// Returns the sizes of its frames.
    pub(crate) fn sizes(&self) -> FrameSizes {
        let is_bayer = matches!(self.layout, Layout::Bayer(_));
        FrameSizes {
            min: (32, 32),
            max: (640, 480),
            step: (2, if is_bayer { 2 } else { 1 }),
        }
    }
}

/// All formats. The first one is the default of both queues.
static FORMATS: [Format; 9] = [
    Format::new(b"RGBP", Layout::Rgb565),
    Format::new(b"RGBR", Layout::Rgb565X),
    Format::new(b"RGB3", Layout::Bytes([0, 1, 2])),
    Format::new(b"BGR3", Layout::Bytes([2, 1, 0])),
    Format::new(b"YUYV", Layout::Yuyv),
    Format::new(b"BA81", Layout::Bayer([[2, 1], [1, 0]])),
    Format::new(b"GBRG", Layout::Bayer([[1, 2], [0, 1]])),
    Format::new(b"GRBG", Layout::Bayer([[1, 0], [2, 1]])),
    Format::new(b"RGGB", Layout::Bayer([[0, 1], [1, 2]])),
];

/// Returns the format with a FourCC.
pub(crate) fn find(fourcc: u32) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fourcc == fourcc)
}

/// Returns format number `index` of a queue.
pub(crate) fn nth(direction: Direction, index: u32) -> Option<&'static Format> {
    let mut formats = FORMATS.iter().filter(|format| format.supports(direction));
    // CAST: `usize` is at least 32 bits wide.
    formats.nth(index as usize)
}

/// The format and the size of a queue's frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) format: &'static Format,
    /// The size in pixels.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Image {
    /// The image of a queue of a file that was just opened.
    pub(crate) const FIRST: Self = Self {
        format: &FORMATS[0],
        width: 640,
        height: 480,
    };

    /// Returns the image nearest to `wanted` that a queue can have.
    pub(crate) fn nearest(direction: Direction, wanted: &PixelFormat) -> Self {
        let format = find(wanted.fourcc).filter(|format| format.supports(direction));
        let format = format.unwrap_or(&FORMATS[0]);
        let FrameSizes { min, max, step } = format.sizes();
        let width = wanted.width.clamp(min.0, max.0).next_multiple_of(step.0);
        let height = wanted.height.clamp(min.1, max.1).next_multiple_of(step.1);
        Self {
            format,
            // CAST: `usize` is at least 32 bits wide.
            width: width as usize,
            // CAST: As above.
            height: height as usize,
        }
    }

    /// Returns the bytes of a line.
    pub(crate) fn line(&self) -> usize {
        self.width * self.format.depth()
    }

    /// Returns the image as a V4L2 format.
    pub(crate) fn pixel_format(&self, colorimetry: Colorimetry) -> PixelFormat {
        // CAST: A frame has less than a million bytes.
        let [width, height, line] = [self.width, self.height, self.line()].map(|n| n as u32);
        let plane = Plane {
            bytes_per_line: line,
            size_image: line * height,
        };
        PixelFormat::new(self.format.fourcc, width, height, colorimetry, &[plane])
    }
}
