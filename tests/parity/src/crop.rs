// SPDX-License-Identifier: GPL-2.0

//! The crops that are asked for, what the C driver makes of them by its own arithmetic (fault 16),
//! and what is right.

use std::fmt;

use serde::Deserialize;

use crate::format::Size;

/// The smallest image of the engine.
const LEAST: Size = Size::new(176, 144);

/// The crops of a source, in the order of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crop {
    /// All of it.
    Whole,
    /// The middle half: eighths of each side, which SCALE_FACTOR expresses exactly.
    Middle,
    /// Five eighths, up and to the left of the middle.
    OffCentre,
    /// One pixel in the last corner, as libcamera probes: less than SCALE_FACTOR can express.
    Probe,
}

impl Crop {
    /// All crops.
    pub const ALL: [Self; 4] = [Self::Whole, Self::Middle, Self::OffCentre, Self::Probe];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Middle => "middle",
            Self::OffCentre => "off-centre",
            Self::Probe => "1x1 probe",
        }
    }

    /// What VIDIOC_S_SELECTION is asked for.
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
            Self::OffCentre => Rect(eighth, 2 * line_eighth, 5 * eighth, 5 * line_eighth),
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

/// What a driver made of a crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cropped {
    /// What VIDIOC_S_SELECTION returned.
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

/// What the C driver does, by its code: `dw100_s_selection()` with flags 0, and
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
    // CAST: not more than a side.
    let (w, h) = (share(source.width) as u32, share(source.height) as u32);
    // In C, too, the difference is taken modulo 2^32 before it is halved; what then is negative as
    // an int becomes 0.
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

/// What is wrong with what a driver made of a crop; nothing, if it is the best that the engine can
/// do, and said as the engine does it.
pub fn objection(
    made: &Cropped,
    wanted: Rect,
    source: Size,
    destination: Size,
) -> Option<&'static str> {
    let Rect(left, top, width, height) = made.rect;
    let scale = made.scale;
    if !(32..=128).contains(&scale) {
        return Some("SCALE_FACTOR is not in 32..=128");
    }
    if (width, height) != shown(source, scale) {
        return Some("the size returned is not what SCALE_FACTOR shows");
    }
    if left.saturating_add(width) > source.width || top.saturating_add(height) > source.height {
        return Some("the crop returned is not in the source");
    }
    if width < LEAST.width || height < LEAST.height {
        return Some("the crop returned is less than 176x144");
    }
    // ROI_START counts the destination's pixels, and rounds down.
    let roi = (
        left * destination.width / source.width,
        top * destination.height / source.height,
    );
    if made.roi != roi.1 << 16 | roi.0 {
        return Some("ROI_START is not where the crop returned starts");
    }
    let best = valid(source)
        .map(|scale| error(scale, wanted, source))
        .min();
    if best != Some(error(scale, wanted, source)) {
        return Some("another SCALE_FACTOR comes nearer to what was wanted");
    }
    let least = valid(source)
        .next()
        .map_or((0, 0), |scale| shown(source, scale));
    let across = centred((left, width), (wanted.0, wanted.2), least.0, source.width);
    if !across || !centred((top, height), (wanted.1, wanted.3), least.1, source.height) {
        return Some("the crop returned is not about the centre of the one wanted");
    }
    None
}

/// Whether a span has the centre of the one wanted, or comes as near to it as the side lets it.
/// What is wanted is first put into the side, with no less than the least length.
fn centred(made: (u32, u32), wanted: (u32, u32), least: u32, side: u32) -> bool {
    let (start, length) = made;
    let from = wanted.0.min(side - least);
    let wanted = wanted.1.clamp(least, side - from);
    // Halves of a pixel, of which one is lost if the lengths differ by an odd number.
    let due = (2 * from + wanted)
        .saturating_sub(length)
        .min(2 * last(length, side));
    (2 * start).abs_diff(due) <= 1
}

/// The last start of a length at which n/128 of the side, which may be a part of a pixel more, ends
/// inside the side.
fn last(length: u32, side: u32) -> u32 {
    let scale = (length * 128 + side / 2) / side;
    side - (side * scale).div_ceil(128)
}

/// The scales that leave no less than the smallest image, from the least on.
fn valid(source: Size) -> impl Iterator<Item = u32> {
    (32..=128).filter(move |&scale| {
        let (width, height) = shown(source, scale);
        width >= LEAST.width && height >= LEAST.height
    })
}

/// What the engine shows of a source, to the nearest pixel.
fn shown(source: Size, scale: u32) -> (u32, u32) {
    let share = |side: u32| (2 * side * scale + 128) / 256;
    (share(source.width), share(source.height))
}

/// How far a scale is from the mean of those that both sides ask for, in units that depend on the
/// source only.
fn error(scale: u32, wanted: Rect, source: Size) -> u64 {
    let [w, h, sw, sh, scale] =
        [wanted.2, wanted.3, source.width, source.height, scale].map(u64::from);
    (2 * scale * sw * sh).abs_diff(128 * (w * sh + h * sw))
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
    fn eighths_without_scaling_are_right_in_the_c_driver_too() {
        for crop in [Crop::Whole, Crop::Middle, Crop::OffCentre] {
            let wanted = crop.wanted(VGA);
            let theirs = of_the_c_driver(wanted, VGA, VGA);
            assert_eq!(theirs.rect, wanted);
            assert_eq!(objection(&theirs, wanted, VGA, VGA), None, "{crop:?}");
        }
        let off_centre = of_the_c_driver(Crop::OffCentre.wanted(VGA), VGA, VGA);
        assert_eq!(
            off_centre,
            made(Rect(80, 120, 400, 300), 80, 120 << 16 | 80)
        );
    }

    #[test]
    fn fault_16_is_y_by_the_widths_and_a_scale_below_32() {
        let wanted = Crop::Middle.wanted(VGA);
        let theirs = of_the_c_driver(wanted, VGA, HD);
        assert_eq!(theirs, made(wanted, 64, 240 << 16 | 320));
        assert!(objection(&theirs, wanted, VGA, HD).is_some());
        assert_eq!(
            objection(&made(wanted, 64, 180 << 16 | 320), wanted, VGA, HD),
            None
        );

        let largest = Size::new(4096, 3072);
        let wanted = Crop::Probe.wanted(largest);
        assert!(of_the_c_driver(wanted, largest, largest).scale < 32);
        let right = made(Rect(3072, 2304, 1024, 768), 32, 2304 << 16 | 3072);
        assert_eq!(objection(&right, wanted, largest, largest), None);
    }

    #[test]
    fn a_crop_is_due_at_a_corner_only_where_it_was_wanted_there() {
        let about = |rect: Rect, crop: Crop| {
            let roi = rect.1 << 16 | rect.0;
            let scale = 39 + 25 * u32::from(crop == Crop::Middle);
            objection(&made(rect, scale, roi), crop.wanted(VGA), VGA, VGA)
        };
        // 39/128 of 480 lines is a quarter of a line more than 146.
        assert_eq!(about(Rect(445, 333, 195, 146), Crop::Probe), None);
        assert!(about(Rect(445, 334, 195, 146), Crop::Probe).is_some());
        assert!(about(Rect(0, 0, 195, 146), Crop::Probe).is_some());
        assert!(about(Rect(320, 240, 320, 240), Crop::Middle).is_some());
        // The smallest source has one crop, and that one is all of it.
        let least = Size::new(176, 144);
        for crop in Crop::ALL {
            let all = made(Rect(0, 0, 176, 144), 128, 0);
            assert_eq!(objection(&all, crop.wanted(least), least, least), None);
        }
    }

    #[test]
    fn each_way_to_be_wrong_is_told() {
        let wanted = Rect(160, 120, 320, 240);
        let roi = 120 << 16 | 160;
        for (rect, scale, roi, what) in [
            (wanted, 31, roi, "32..=128"),
            (wanted, 65, roi, "SCALE_FACTOR shows"),
            (Rect(400, 120, 320, 240), 64, roi, "in the source"),
            (Rect(0, 0, 160, 120), 32, 0, "176x144"),
            (wanted, 64, roi + 1, "ROI_START"),
            (
                Rect(158, 118, 325, 244),
                65,
                118 << 16 | 158,
                "another SCALE_FACTOR",
            ),
            (
                Rect(159, 120, 320, 240),
                64,
                120 << 16 | 159,
                "about the centre",
            ),
            // Pinned to the first corner, to the last one, and to a side.
            (Rect(0, 0, 320, 240), 64, 0, "about the centre"),
            (
                Rect(320, 240, 320, 240),
                64,
                240 << 16 | 320,
                "about the centre",
            ),
            (
                Rect(160, 240, 320, 240),
                64,
                240 << 16 | 160,
                "about the centre",
            ),
        ] {
            let objection = objection(&made(rect, scale, roi), wanted, VGA, VGA);
            assert!(
                objection.is_some_and(|told| told.contains(what)),
                "{what}: {objection:?}"
            );
        }
        assert_eq!(objection(&made(wanted, 64, roi), wanted, VGA, VGA), None);
    }
}
