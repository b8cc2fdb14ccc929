// SPDX-License-Identifier: GPL-2.0

//! The crops that are set, what this driver returns for them, and the registers and rectangles that
//! the C driver computes for them.

use std::fmt;

use serde::Deserialize;

use crate::format::Size;

/// The smallest image of the engine, and the smallest crop of the C driver.
const LEAST: Size = Size::new(176, 144);

/// The shortest side of a crop of this driver, in pixels.
const SHORTEST: u32 = 16;

/// SCALE_FACTOR and ROI_START of a frame that shows the whole source. All frames of this driver
/// have them.
pub const WHOLE: (u32, u32) = (0x80, 0);

/// The crops of a source, in the order of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Crop {
    /// The whole source.
    Whole,
    /// The middle half of the source: eighths of each side, which SCALE_FACTOR expresses exactly.
    Middle,
    /// A rectangle of another shape than the source, at odd pixels, which SCALE_FACTOR cannot
    /// express.
    OddShape,
    /// One pixel in the last corner. libcamera uses such a crop to find the limits.
    Probe,
}

impl Crop {
    /// All crops.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Middle, Self::OddShape, Self::Probe];

    /// Returns the crop's name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Middle => "middle",
            Self::OddShape => "odd shape",
            Self::Probe => "1x1 probe",
        }
    }

    /// Returns the rectangle that VIDIOC_S_SELECTION is called with.
    pub fn wanted(self, source: Size) -> Rect {
        let (eighth, line_eighth) = (source.width / 8, source.height / 8);
        match self {
            Self::Whole => Rect(0, 0, source.width, source.height),
            Self::Middle => Rect(
                source.width / 4,
                source.height / 4,
                source.width / 2,
                source.height / 2,
            ),
            Self::OddShape => Rect(
                eighth + 1,
                line_eighth + 3,
                5 * eighth - 3,
                3 * line_eighth + 1,
            ),
            Self::Probe => Rect(source.width - 1, source.height - 1, 1, 1),
        }
    }
}

/// A rectangle: left, top, width and height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Rect(pub u32, pub u32, pub u32, pub u32);

impl fmt::Display for Rect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(left, top, width, height) = self;
        write!(f, "{width}x{height} at {left},{top}")
    }
}

impl Rect {
    /// Returns the rectangle of the whole source.
    pub const fn whole(source: Size) -> Self {
        Self(0, 0, source.width, source.height)
    }
}

/// Returns the rectangle that this driver returns if `VIDIOC_S_SELECTION` asks for `wanted` without
/// flags: `wanted` itself where it lies in the source and is at least 16x16, as all of
/// [`Crop::ALL`] but [`Crop::Probe`]. Otherwise first the position is clamped, so that 16 pixels
/// remain, then the sides.
pub fn granted(wanted: Rect, source: Size) -> Rect {
    let span = |start: u32, length: u32, side: u32| {
        let start = start.min(side - SHORTEST);
        (start, length.clamp(SHORTEST, side - start))
    };
    let (left, width) = span(wanted.0, wanted.2, source.width);
    let (top, height) = span(wanted.1, wanted.3, source.height);
    Rect(left, top, width, height)
}

/// The rectangle and registers that the C driver computes for a crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cropped {
    /// The rectangle that VIDIOC_S_SELECTION returned.
    pub rect: Rect,
    /// SCALE_FACTOR.
    pub scale: u32,
    /// ROI_START.
    pub roi: u32,
}

impl fmt::Display for Cropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rect, scale, roi } = self;
        write!(f, "{rect}, SCALE_FACTOR {scale:#x}, ROI_START {roi:#x}")
    }
}

/// Computes what the C driver does, by its code: `dw100_s_selection()` with flags 0, and
/// `dw100_hw_set_src_crop()`.
pub fn of_the_c_driver(wanted: Rect, source: Size, destination: Size) -> Cropped {
    let Rect(left, top, width, height) = wanted;
    let top = top.min(source.height - LEAST.height);
    let left = left.min(source.width - LEAST.width);
    let height = height.max(LEAST.height).min(source.height - top);
    let width = width.max(LEAST.width).min(source.width - left);
    let across = (width << 16) / source.width;
    let down = (height << 16) / source.height;
    let mean = if across == down {
        across
    } else {
        (across + down) / 2
    };
    let share = |side: u32| ((u64::from(side) << 16) * u64::from(mean)) >> 32;
    // CAST: It is not more than a side.
    let (w, h) = (share(source.width) as u32, share(source.height) as u32);
    // The C driver also takes the difference modulo 2^32 before it halves it; a result that is
    // negative as an int becomes 0.
    let moved = |start: u32, old: u32, new: u32, side: u32| {
        let start = start.wrapping_add(old.wrapping_sub(new) / 2);
        let start = if start < 1 << 31 { start } else { 0 };
        (side - new).min(start)
    };
    let rect = Rect(
        moved(left, width, w, source.width),
        moved(top, height, h, source.height),
        w,
        h,
    );
    let ratio = (destination.width << 7) / source.width;
    let start = |pixels: u32| (pixels << 7).wrapping_mul(ratio) >> 14 & 0x1fff;
    Cropped {
        rect,
        scale: ((rect.2 << 7) / source.width) & 0xff,
        roi: start(rect.1) << 16 | start(rect.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: Size = Size::new(640, 480);
    const HD: Size = Size::new(1280, 720);

    fn made(rect: Rect, scale: u32, roi: u32) -> Cropped {
        Cropped { rect, scale, roi }
    }

    #[test]
    fn what_fits_is_granted_as_it_is_and_a_probe_grows_to_16x16_in_its_corner() {
        for source in [VGA, HD, LEAST, Size::new(1368, 1032)] {
            for crop in [Crop::Whole, Crop::Middle, Crop::OddShape] {
                let wanted = crop.wanted(source);
                assert_eq!(granted(wanted, source), wanted, "{crop:?} of {source}");
            }
        }
        let probe = granted(Crop::Probe.wanted(VGA), VGA);
        assert_eq!(probe, Rect(624, 464, 16, 16));
        assert_eq!(granted(Rect(600, 0, 5000, 20), VGA), Rect(600, 0, 40, 20));
    }

    #[test]
    fn an_odd_shape_has_not_the_shape_of_its_source() {
        let Rect(left, top, width, height) = Crop::OddShape.wanted(VGA);
        assert_eq!((left, top, width, height), (81, 63, 397, 181));
        assert_ne!(width * VGA.height, height * VGA.width);
    }

    #[test]
    fn eighths_are_the_same_rectangle_in_the_c_driver() {
        for crop in [Crop::Whole, Crop::Middle] {
            let wanted = crop.wanted(VGA);
            assert_eq!(of_the_c_driver(wanted, VGA, VGA).rect, wanted);
        }
        // Its scale is computed from the mean of both sides, and its start keeps the centre.
        let odd = of_the_c_driver(Crop::OddShape.wanted(VGA), VGA, VGA);
        assert_eq!(odd, made(Rect(120, 0, 319, 239), 63, 120));
    }

    #[test]
    fn the_c_driver_computes_y_by_the_widths_and_goes_below_a_scale_of_32() {
        let wanted = Crop::Middle.wanted(VGA);
        let theirs = of_the_c_driver(wanted, VGA, HD);
        assert_eq!(theirs, made(wanted, 64, 240 << 16 | 320));
        let largest = Size::new(4096, 3072);
        let wanted = Crop::Probe.wanted(largest);
        assert!(of_the_c_driver(wanted, largest, largest).scale < 32);
    }
}
