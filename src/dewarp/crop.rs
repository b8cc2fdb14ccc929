// SPDX-License-Identifier: GPL-2.0

//! The crop of the source, by means of the vertex map.
//!
//! The engine has registers for a crop, SCALE_FACTOR and ROI_START. It is not known how it uses
//! them where source and destination differ in shape: the C driver and NXP's write them, and no
//! document explains them. So this driver always sets them to the whole source. Instead it moves
//! each vertex of the map into the crop, as libcamera does (converter_dw100_vertexmap.cpp).

use super::size::Size;

/// A rectangle in pixels, with the fields of [`struct v4l2_rect`].
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

/// The reason why a rectangle cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// ERANGE: no crop satisfies the flags.
    Range,
    /// EINVAL: an unknown flag is set.
    Flags,
}

/// Flag: the rectangle may grow, but not shrink.
pub const FLAG_GE: u32 = 1 << 0;

/// Flag: the rectangle may shrink, but not grow.
pub const FLAG_LE: u32 = 1 << 1;

const FLAG_EXACT: u32 = FLAG_GE | FLAG_LE;

/// The part of one side of a source that is shown, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// Returns the end of a span, which can lie anywhere if userspace asked for the span.
    fn end(start: i32, length: u32) -> i64 {
        i64::from(start) + i64::from(length)
    }

    /// Returns the span that lies in `0..side` and is at least [`Crop::LEAST`] long, for the wanted
    /// one that begins at `start` and has `length` pixels. Returns [`None`] if the flags exclude
    /// it.
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    fn adjusted(start: i32, length: u32, side: u32, flags: u32) -> Option<Self> {
        let end = Self::end(start, length);
        // CAST: A side is at most 4096, and so is a position between 0 and a side.
        let inside = |position: i64| position.clamp(0, i64::from(side)) as u32;
        let clamped = {
            let start = inside(start.into()).min(side - Crop::LEAST);
            let length = length.max(Crop::LEAST).min(side - start);
            Self { start, length }
        };
        match flags {
            FLAG_GE => {
                let holds = i64::from(clamped.start) <= i64::from(start)
                    && Self::end(clamped.start as i32, clamped.length) >= end;
                holds.then_some(clamped)
            }
            FLAG_LE => {
                let (first, last) = (inside(start.into()), inside(end));
                let length = last.saturating_sub(first);
                (length >= Crop::LEAST).then_some(Self {
                    start: first,
                    length,
                })
            }
            FLAG_EXACT => (Crop::LEAST..=side).contains(&length).then(|| Self {
                start: inside(start.into()).min(side - length),
                length,
            }),
            _ => Some(clamped),
        }
    }

    /// Returns the motion of coordinates of the whole side into the span.
    fn motion(self, side: u32) -> Motion {
        let fixed = Motion::fixed;
        Motion {
            factor: fixed(self.length).div_ceil(side.into()),
            offset: fixed(self.start << 4) + fixed(1) / 2,
        }
    }

    /// Returns the mirrored motion into the span, for a destination whose side has `destination`
    /// pixels: its last pixel shows what the first one showed.
    ///
    /// Pixel p of W shows what pixel W - 1 - p shows without the flip, as in libcamera's maps
    /// (converter_dw100_vertexmap.cpp). So the vertex at W shows what a pixel at -1 would show.
    fn mirrored(self, side: u32, destination: u32) -> Motion {
        let fixed = Motion::fixed;
        let pixel = fixed(self.length << 4) / u64::from(destination);
        Motion {
            factor: self.motion(side).factor.wrapping_neg(),
            offset: fixed((self.start + self.length) << 4) - pixel + fixed(1) / 2,
        }
    }
}

/// A multiplication and an addition in fixed point, because a division for each vertex would cost
/// more than everything else. A negative factor is a two's complement.
#[derive(Clone, Copy)]
pub(super) struct Motion {
    factor: u64,
    offset: u64,
}

impl Motion {
    const BITS: u32 = 32;

    fn fixed(value: u32) -> u64 {
        u64::from(value) << Self::BITS
    }

    /// Moves a coordinate of the whole side, less than 2^16, into the span. Both are UQ12.4. The
    /// result is rounded to the nearest 1/16 pixel, and saturated at 0 and at 2^16 - 1. Halves are
    /// rounded up, unless the motion is mirrored.
    ///
    /// If the motion is not mirrored, the rounded factor makes the sum too large by less than
    /// 2^-16. The exact sum is a multiple of 1/(2 * side), so if it is not an integer, it is at
    /// least 2^-13 below the next one, and the result is exact.
    #[inline(always)]
    pub(super) fn of(self, coordinate: u32) -> u64 {
        // The sum is between -2^48 and 2^49, so nothing overflows. Wrapping operations avoid the
        // kernel's overflow checks in the only hot loop.
        let product = u64::from(coordinate).wrapping_mul(self.factor);
        // CAST: Both are two's complements.
        let moved = product.wrapping_add(self.offset) as i64 >> Self::BITS;
        moved.clamp(0, 0xffff) as u64
    }
}

/// The part of a source that is shown.
///
/// # Invariants
///
/// Both spans lie in the source and are at least [`Crop::LEAST`] pixels long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    source: Size,
    across: Span,
    down: Span,
}

impl Crop {
    /// The fewest columns and lines of a crop: one block of the destination shows as many at a
    /// scale of 1.
    pub const LEAST: u32 = 16;

    /// Returns the crop that is the whole source.
    pub const fn full(source: Size) -> Self {
        // INVARIANT: No side of a source is shorter than [`Crop::LEAST`].
        Self {
            source,
            across: Span {
                start: 0,
                length: source.width(),
            },
            down: Span {
                start: 0,
                length: source.height(),
            },
        }
    }

    /// Returns the crop for a rectangle, under the flags of VIDIOC_S_SELECTION.
    ///
    /// A rectangle inside the source, of at least [`Crop::LEAST`] pixels a side, is kept. Without
    /// flags, another one is clamped. With [`FLAG_GE`] the crop contains the rectangle, with
    /// [`FLAG_LE`] it lies inside the rectangle, and with both it has the same size.
    ///
    /// # Errors
    ///
    /// [`Unfit::Range`] if no crop satisfies the flags, [`Unfit::Flags`] if there are unknown
    /// flags.
    pub fn adjusted(wanted: Rect, source: Size, flags: u32) -> Result<Self, Unfit> {
        if flags & !FLAG_EXACT != 0 {
            return Err(Unfit::Flags);
        }
        let span =
            |start, length, side| Span::adjusted(start, length, side, flags).ok_or(Unfit::Range);
        // INVARIANT: `Span::adjusted` returns only such spans.
        Ok(Self {
            source,
            across: span(wanted.left, wanted.width, source.width())?,
            down: span(wanted.top, wanted.height, source.height())?,
        })
    }

    /// Returns the rectangle, pixels.
    pub const fn rect(&self) -> Rect {
        Rect {
            // CAST: Both are less than a side of the source.
            left: self.across.start as i32,
            top: self.down.start as i32,
            width: self.across.length,
            height: self.down.length,
        }
    }

    /// Returns whether the crop is the whole source.
    pub fn is_full(&self) -> bool {
        self.across.length == self.source.width() && self.down.length == self.source.height()
    }

    /// Returns the motions of a vertex's coordinates, across and down, into the crop. A coordinate
    /// at a fraction of a side of the source moves to the same fraction of that side of the crop.
    /// If `mirrored` has the length of that side of the destination, pixels, it moves to that
    /// fraction from the other end, less one pixel of the destination: see [`Span::mirrored`].
    ///
    /// A vertex beyond the source lies beyond the crop, at a distance that is scaled like the crop.
    /// It may therefore show pixels of the source outside the crop.
    pub(super) fn motions(&self, mirrored: [Option<u32>; 2]) -> [Motion; 2] {
        let motion = |span: Span, side, mirrored: Option<u32>| match mirrored {
            Some(destination) => span.mirrored(side, destination),
            None => span.motion(side),
        };
        let [across, down] = mirrored;
        [
            motion(self.across, self.source.width(), across),
            motion(self.down, self.source.height(), down),
        ]
    }
}

#[cfg(test)]
mod tests {
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

    /// Returns start and end of both sides.
    fn sides(rect: Rect) -> [(i64, i64); 2] {
        let side = |start: i32, length: u32| (start.into(), i64::from(start) + i64::from(length));
        [side(rect.left, rect.width), side(rect.top, rect.height)]
    }

    fn lies_in(inner: Rect, outer: Rect) -> bool {
        let pairs = sides(inner).into_iter().zip(sides(outer));
        pairs.into_iter().all(|(i, o)| o.0 <= i.0 && i.1 <= o.1)
    }

    fn adjusted(wanted: Rect, flags: u32) -> Result<Rect, Unfit> {
        Crop::adjusted(wanted, Size::DEFAULT, flags).map(|crop| crop.rect())
    }

    proptest! {
        #[test]
        fn any_rectangle_becomes_one_inside_the_source_or_breaks_a_flag(
            wanted in any_rect(), source in any_size(), flags in 0u32..4,
        ) {
            let all = Crop::full(source).rect();
            let Ok(crop) = Crop::adjusted(wanted, source, flags) else {
                prop_assert_ne!(flags, 0);
                prop_assert!(!lies_in(wanted, all) || wanted.width < 16 || wanted.height < 16);
                return Ok(());
            };
            let got = crop.rect();
            prop_assert!(lies_in(got, all));
            prop_assert!(got.width >= 16 && got.height >= 16);
            prop_assert!(flags != FLAG_GE || lies_in(wanted, got));
            prop_assert!(flags != FLAG_LE || lies_in(got, wanted));
            let same_size = (got.width, got.height) == (wanted.width, wanted.height);
            prop_assert!(flags != FLAG_EXACT || same_size);
        }

        #[test]
        fn a_rectangle_that_is_possible_is_kept_under_any_flags(
            wanted in any_rect(), source in any_size(), flags in 0u32..4,
        ) {
            let possible = Crop::adjusted(wanted, source, 0).unwrap();
            prop_assert_eq!(Crop::adjusted(possible.rect(), source, flags), Ok(possible));
        }

        #[test]
        fn a_vertex_is_moved_to_the_nearest_sixteenth_and_saturates(
            wanted in any_rect(), source in any_size(), x: u16, y: u16,
        ) {
            let crop = Crop::adjusted(wanted, source, 0).unwrap();
            let got = crop.rect();
            let [across, down] = crop.motions([None; 2]);
            for (from, to, start, length, side) in [
                (x, across.of(x.into()), got.left, got.width, source.width()),
                (y, down.of(y.into()), got.top, got.height, source.height()),
            ] {
                let exact = f64::from(from) * f64::from(length) / f64::from(side)
                    + 16.0 * f64::from(start);
                let error = to as f64 - exact.min(65535.0);
                prop_assert!((-0.5..=0.5).contains(&error), "{exact} became {to}");
            }
        }
    }

    /// Tests every coordinate of crops whose spans make the rounding hardest.
    #[test]
    fn every_coordinate_is_moved_as_a_division_would() {
        let source = Size::constrained(4096, 3000);
        for (start, length) in [
            (0, 16),
            (4080, 16),
            (1, 4095),
            (7, 4089),
            (2048, 2048),
            (3, 2731),
        ] {
            let span = Span { start, length };
            let motion = span.motion(source.width());
            for coordinate in 0..1 << 16 {
                let exact = (coordinate * length + 2048) / 4096 + 16 * start;
                assert_eq!(motion.of(coordinate), u64::from(exact.min(0xffff)));
            }
        }
        for (start, length) in [(0, 16), (2984, 16), (1, 2999), (1000, 1500)] {
            let span = Span { start, length };
            let motion = span.motion(source.height());
            for coordinate in 0..1 << 16 {
                let exact = (coordinate * length + 1500) / 3000 + 16 * start;
                assert_eq!(motion.of(coordinate), u64::from(exact.min(0xffff)));
            }
        }
    }

    #[test]
    fn a_probe_of_1x1_is_clamped_to_the_least_crop() {
        assert_eq!(adjusted(rect(0, 0, 1, 1), 0), Ok(rect(0, 0, 16, 16)));
        assert_eq!(
            adjusted(rect(639, 479, 1, 1), 0),
            Ok(rect(624, 464, 16, 16))
        );
        assert_eq!(adjusted(rect(0, 0, 1, 1), FLAG_GE), Ok(rect(0, 0, 16, 16)));
        assert_eq!(adjusted(rect(0, 0, 1, 1), FLAG_LE), Err(Unfit::Range));
    }

    #[test]
    fn flags_decide_what_happens_to_a_rectangle_that_leaves_the_source() {
        let over = rect(-8, 400, 100, 100);
        assert_eq!(adjusted(over, 0), Ok(rect(0, 400, 100, 80)));
        assert_eq!(adjusted(over, FLAG_GE), Err(Unfit::Range));
        assert_eq!(adjusted(over, FLAG_LE), Ok(rect(0, 400, 92, 80)));
        assert_eq!(adjusted(over, FLAG_EXACT), Ok(rect(0, 380, 100, 100)));
        let all = rect(0, 0, u32::MAX, u32::MAX);
        assert_eq!(adjusted(all, 0), Ok(rect(0, 0, 640, 480)));
        assert_eq!(adjusted(all, FLAG_LE), Ok(rect(0, 0, 640, 480)));
        assert_eq!(adjusted(all, FLAG_EXACT), Err(Unfit::Range));
    }

    #[test]
    fn unknown_flags_are_refused() {
        for flags in [4, FLAG_GE | 4, 1 << 31] {
            assert_eq!(adjusted(rect(0, 0, 640, 480), flags), Err(Unfit::Flags));
        }
    }
}
