// SPDX-License-Identifier: GPL-2.0

//! Crop of the source: one scale for both sides in 1/128, and where the region starts.

use super::size::Size;

/// A rectangle in pixels, as [`struct v4l2_rect`] has it.
///
/// [`struct v4l2_rect`]: srctree/include/uapi/linux/v4l2-common.h
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    /// First column.
    pub left: i32,
    /// First line.
    pub top: i32,
    /// Columns.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

/// Why a rectangle could not be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// ERANGE: exactly this size was asked for, and the engine has only others.
    Range,
    /// EINVAL: the flags say nothing about rounding, and the rectangle needs some.
    Flags,
}

/// Flag: the rectangle may grow, not shrink.
pub const FLAG_GE: u32 = 1 << 0;

/// Flag: the rectangle may shrink, not grow.
pub const FLAG_LE: u32 = 1 << 1;

const FLAG_EXACT: u32 = FLAG_GE | FLAG_LE;

/// The part of a source that is shown, as the engine can express it.
///
/// # Invariants
///
/// `scale` lies in [`Crop::MIN_SCALE`]..=[`Crop::MAX_SCALE`]; the rectangle lies in the source, and is
/// no smaller than [`Size::MIN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    source: Size,
    scale: u32,
    left: u32,
    top: u32,
}

impl Crop {
    /// A quarter of each side: the least that SCALE_FACTOR takes.
    pub const MIN_SCALE: u32 = 32;

    /// All of the source.
    pub const MAX_SCALE: u32 = 128;

    /// The whole source.
    pub const fn full(source: Size) -> Self {
        Self {
            source,
            scale: Self::MAX_SCALE,
            left: 0,
            top: 0,
        }
    }

    /// The crop that comes nearest to a rectangle, under the flags of VIDIOC_S_SELECTION.
    ///
    /// What lies outside the source, or is too small, is clamped first; [`FLAG_GE`] or
    /// [`FLAG_LE`] is about what is left. The crop keeps the centre of the rectangle if it can.
    ///
    /// # Errors
    ///
    /// [`Unfit::Range`] if both [`FLAG_GE`] and [`FLAG_LE`] stand and no scale gives just that
    /// size, [`Unfit::Flags`] on unknown flags.
    pub fn adjusted(wanted: Rect, source: Size, flags: u32) -> Result<Self, Unfit> {
        let least = Self::least(source);
        let (left, width) = clamped(wanted.left, wanted.width, least, source.width());
        let (top, height) = clamped(wanted.top, wanted.height, least, source.height());

        let mut scales = least..=Self::MAX_SCALE;
        let at = |scale| {
            (
                scaled(source.width(), scale),
                scaled(source.height(), scale),
            )
        };
        let scale = match flags {
            0 => Some(nearest(width, height, source).max(least)),
            FLAG_GE => scales.find(|&s| at(s).0 >= width && at(s).1 >= height),
            FLAG_LE => scales.rfind(|&s| at(s).0 <= width && at(s).1 <= height),
            FLAG_EXACT => scales.find(|&s| at(s) == (wanted.width, wanted.height)),
            _ => return Err(Unfit::Flags),
        }
        .ok_or(Unfit::Range)?;

        let (new_width, new_height) = at(scale);
        // INVARIANT: `scale` comes from the range, and `recentred` keeps to the source.
        Ok(Self {
            source,
            scale,
            left: recentred(left, width, new_width, last(source.width(), scale)),
            top: recentred(top, height, new_height, last(source.height(), scale)),
        })
    }

    /// The least scale that leaves no less than the smallest image.
    fn least(source: Size) -> u32 {
        (Self::MIN_SCALE..Self::MAX_SCALE)
            .find(|&scale| {
                scaled(source.width(), scale) >= Size::MIN.width()
                    && scaled(source.height(), scale) >= Size::MIN.height()
            })
            .unwrap_or(Self::MAX_SCALE)
    }

    /// The source this is a crop of.
    pub const fn source(&self) -> Size {
        self.source
    }

    /// The rectangle that the engine really shows, to the nearest pixel.
    pub fn rect(&self) -> Rect {
        Rect {
            // CAST: Less than a side of the source.
            left: self.left as i32,
            top: self.top as i32,
            width: scaled(self.source.width(), self.scale),
            height: scaled(self.source.height(), self.scale),
        }
    }

    /// SCALE_FACTOR: the share of each side, UQ1.7.
    pub const fn scale_register(&self) -> u32 {
        self.scale
    }

    /// ROI_START: where the crop starts, in the pixels of the destination.
    ///
    /// Rounds down. The C driver takes Y by the widths and cuts their ratio to 1/128 first: its
    /// fault 16.
    pub const fn roi_register(&self, destination: Size) -> u32 {
        let x = self.left * destination.width() / self.source.width();
        let y = self.top * destination.height() / self.source.height();
        // 13 bits each: less than a side of the destination.
        y << 16 | x
    }
}

/// Puts a span into `0..side`, no shorter than the least scale makes it.
fn clamped(start: i32, length: u32, least: u32, side: u32) -> (u32, u32) {
    let min = scaled(side, least);
    let start = u32::try_from(start).unwrap_or(0).min(side - min);
    (start, length.max(min).min(side - start))
}

/// The share of a side, to the nearest pixel.
const fn scaled(side: u32, scale: u32) -> u32 {
    (side * scale + 64) >> 7
}

/// The scale nearest to the mean of those that the two sides ask for.
fn nearest(width: u32, height: u32, source: Size) -> u32 {
    let area = source.width() * source.height();
    // Less than 2^31: no side is longer than the source's.
    let sum = 64 * (width * source.height() + height * source.width());
    ((sum + area / 2) / area).min(Crop::MAX_SCALE)
}

/// The last start at which the share of a side, which is seldom whole pixels, ends inside it.
const fn last(side: u32, scale: u32) -> u32 {
    side - (side * scale).div_ceil(128)
}

/// The start of a span of another length about the same centre, no further than `last`.
fn recentred(start: u32, length: u32, new_length: u32, last: u32) -> u32 {
    ((2 * start + length).saturating_sub(new_length) / 2).min(last)
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::*;
    use proptest::prelude::*;

    fn any_size() -> impl Strategy<Value = Size> {
        (176u32..=4096, 144u32..=3072).prop_map(|(w, h)| Size::constrained(w, h))
    }

    fn any_rect() -> impl Strategy<Value = Rect> {
        let hostile = (any::<i32>(), any::<i32>(), any::<u32>(), any::<u32>());
        let plausible = (-100..4200, -100..3200, 0u32..4200, 0u32..3200);
        prop_oneof![hostile, plausible]
            .prop_map(|(left, top, width, height)| rect(left, top, width, height))
    }

    fn rect(left: i32, top: i32, width: u32, height: u32) -> Rect {
        Rect {
            left,
            top,
            width,
            height,
        }
    }

    fn adjusted(wanted: Rect, source: Size, flags: u32) -> Rect {
        Crop::adjusted(wanted, source, flags).unwrap().rect()
    }

    proptest! {
        #[test]
        fn any_rectangle_becomes_one_inside_the_source_that_the_engine_can_scale(
            wanted in any_rect(), source in any_size(), flags in 0u32..4,
        ) {
            let Ok(crop) = Crop::adjusted(wanted, source, flags) else {
                prop_assert_eq!(flags, FLAG_GE | FLAG_LE);
                return Ok(());
            };
            let got = crop.rect();
            prop_assert!((32..=128).contains(&crop.scale_register()));
            prop_assert!(got.left >= 0 && got.left as u32 + got.width <= source.width());
            prop_assert!(got.width >= 176 && got.height >= 144);
            prop_assert!(got.top >= 0 && got.top as u32 + got.height <= source.height());
        }

        #[test]
        fn the_rectangle_is_what_the_scale_gives(
            wanted in any_rect(), source in any_size(), flags in 0u32..3,
        ) {
            let crop = Crop::adjusted(wanted, source, flags).unwrap();
            let share = f64::from(crop.scale_register()) / 128.0;
            let got = crop.rect();
            prop_assert!((f64::from(got.width) - f64::from(source.width()) * share).abs() <= 0.5);
            prop_assert!((f64::from(got.height) - f64::from(source.height()) * share).abs() <= 0.5);
        }

        #[test]
        fn what_was_returned_can_be_set_again_under_any_flags(
            wanted in any_rect(), source in any_size(), flags in 0u32..4,
        ) {
            let crop = Crop::adjusted(wanted, source, 0).unwrap();
            prop_assert_eq!(Crop::adjusted(crop.rect(), source, flags), Ok(crop));
        }

        #[test]
        fn the_flags_bound_the_size(
            source in any_size(), width in 0u32..4200, height in 0u32..3200,
        ) {
            let least = adjusted(rect(0, 0, 0, 0), source, FLAG_LE);
            let width = width.max(least.width).min(source.width());
            let height = height.max(least.height).min(source.height());
            let wanted = rect(0, 0, width, height);

            let larger = adjusted(wanted, source, FLAG_GE);
            prop_assert!(larger.width >= width && larger.height >= height);
            let smaller = adjusted(wanted, source, FLAG_LE);
            prop_assert!(smaller.width <= width && smaller.height <= height);
            let nearest = adjusted(wanted, source, 0);
            prop_assert!((smaller.width..=larger.width).contains(&nearest.width));
            prop_assert_eq!(
                Crop::adjusted(wanted, source, FLAG_GE | FLAG_LE).is_ok(),
                larger == smaller
            );
        }

        #[test]
        fn a_crop_that_both_drivers_can_express_is_the_same_in_both(
            source in any_size(), eighths in 2u32..=8, right in 0.0..1.0, down in 0.0..1.0,
        ) {
            // Eighths of a side are whole pixels, and whole 1/128 and 1/65536.
            let width = source.width() / 8 * eighths;
            let height = source.height() / 8 * eighths;
            prop_assume!(width >= 176 && height >= 144);
            let left = f64::from(source.width() - width) * right;
            let top = f64::from(source.height() - height) * down;
            let wanted = rect(left as i32, top as i32, width, height);

            let crop = Crop::adjusted(wanted, source, 0).unwrap();
            prop_assert_eq!(crop.rect(), wanted);
            prop_assert_eq!(crop.rect(), c_driver::selection(wanted, source));
            prop_assert_eq!(
                (crop.scale_register(), crop.roi_register(source)),
                c_driver::crop_registers(wanted, source, source)
            );
        }

        #[test]
        fn the_region_starts_where_the_crop_does_in_pixels_of_the_destination(
            wanted in any_rect(), source in any_size(), destination in any_size(),
        ) {
            let crop = Crop::adjusted(wanted, source, 0).unwrap();
            let (roi, got) = (crop.roi_register(destination), crop.rect());
            for (start, from, to, field) in [
                (got.left, source.width(), destination.width(), roi & 0xffff),
                (got.top, source.height(), destination.height(), roi >> 16),
            ] {
                prop_assert!(field < 1 << 13);
                let exact = i64::from(start) * i64::from(to);
                let shown = i64::from(field) * i64::from(from);
                prop_assert!(shown <= exact && exact < shown + i64::from(from));
            }
        }
    }

    #[test]
    fn the_whole_source_is_scale_128_from_the_corner() {
        let crop = Crop::full(Size::DEFAULT);
        assert_eq!(crop.rect(), rect(0, 0, 640, 480));
        assert_eq!(crop.scale_register(), 0x80);
        assert_eq!(crop.roi_register(Size::MAX), 0);
        assert_eq!(
            Crop::adjusted(rect(0, 0, 640, 480), Size::DEFAULT, 0),
            Ok(crop)
        );
    }

    #[test]
    fn a_probe_of_1x1_is_clamped_and_not_refused() {
        // 39 / 128 is the least that gives 176 columns and 144 lines.
        assert_eq!(
            adjusted(rect(0, 0, 1, 1), Size::DEFAULT, 0),
            rect(0, 0, 195, 146)
        );
        // Fault 16: the C driver would go down to 6 / 128 here, and SCALE_FACTOR stops at 32.
        assert_eq!(
            adjusted(rect(0, 0, 1, 1), Size::MAX, 0),
            rect(0, 0, 1024, 768)
        );
        assert_eq!(c_driver::selection(rect(0, 0, 1, 1), Size::MAX).width, 184);
    }

    #[test]
    fn a_crop_worked_out_by_hand_gives_these_registers() {
        // Half of each side from 1/4: from (160, 120) of 640x480, on 1280x720 at (320, 180).
        let crop = Crop::adjusted(rect(160, 120, 320, 240), Size::DEFAULT, 0).unwrap();
        let destination = Size::constrained(1280, 720);
        assert_eq!(crop.scale_register(), 64);
        assert_eq!(crop.roi_register(destination), 180 << 16 | 320);
        // Fault 16: Y by the ratio of the widths.
        assert_eq!(
            c_driver::crop_registers(crop.rect(), Size::DEFAULT, destination),
            (64, 240 << 16 | 320)
        );
    }

    #[test]
    fn a_rectangle_that_grows_keeps_its_centre() {
        // Half the width but all of the height: three quarters of both.
        let wanted = rect(100, 0, 320, 480);
        assert_eq!(adjusted(wanted, Size::DEFAULT, 0), rect(20, 60, 480, 360));
        // In the C driver the difference wraps: the rectangle jumps to the left edge.
        assert_eq!(
            c_driver::selection(wanted, Size::DEFAULT),
            rect(0, 60, 480, 360)
        );
    }

    #[test]
    fn exactly_this_size_is_erange_if_the_engine_has_it_not() {
        let exact = |width, height| Crop::adjusted(rect(0, 0, width, height), Size::DEFAULT, 3);
        assert!(exact(320, 240).is_ok());
        assert_eq!(exact(321, 240), Err(Unfit::Range));
        assert_eq!(exact(321, 241), Err(Unfit::Range));
    }

    #[test]
    fn unknown_flags_are_refused_and_an_exact_size_is_the_one_asked_for() {
        let source = Size::DEFAULT;
        let whole = rect(0, 0, 640, 480);
        for flags in [4, FLAG_GE | 4, 1 << 31] {
            assert_eq!(Crop::adjusted(whole, source, flags), Err(Unfit::Flags));
        }
        // Clamped, these have a size that there is.
        for (width, height) in [(0, 0), (641, 480), (u32::MAX, u32::MAX)] {
            let wanted = rect(0, 0, width, height);
            let exact = Crop::adjusted(wanted, source, FLAG_EXACT);
            assert_eq!(exact, Err(Unfit::Range));
        }
    }
}
