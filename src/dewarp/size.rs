// SPDX-License-Identifier: GPL-2.0

//! The image sizes that the driver accepts: the C driver's limits. The engine's own limits are not
//! public.

/// Width and height of an image, in pixels.
///
/// # Invariants
///
/// Each side lies between its [`Size::MIN`] and its [`Size::MAX`] and is a multiple of
/// [`Size::STEP`]. Products of two sides, of a side and a stride, and of a side and a UQ12.4
/// coordinate therefore fit into 32 bits, and no side is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// The smallest image.
    pub const MIN: Self = Self::literal(176, 144);

    /// The largest image.
    pub const MAX: Self = Self::literal(4096, 3072);

    /// The size that a newly opened device is set to.
    pub const DEFAULT: Self = Self::literal(640, 480);

    /// Both sides are multiples of this many pixels.
    pub const STEP: u32 = 8;

    const fn literal(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Returns the size that the engine uses for a requested one: each side is clamped, then
    /// rounded up.
    ///
    /// The result is that of [`v4l2_apply_frmsize_constraints()`] for these limits.
    ///
    /// [`v4l2_apply_frmsize_constraints()`]: srctree/include/media/v4l2-common.h
    pub fn constrained(width: u32, height: u32) -> Self {
        // INVARIANT: The limits are multiples of the step, so rounding up stays below the maximum.
        Self {
            width: width
                .clamp(Self::MIN.width, Self::MAX.width)
                .next_multiple_of(Self::STEP),
            height: height
                .clamp(Self::MIN.height, Self::MAX.height)
                .next_multiple_of(Self::STEP),
        }
    }

    /// Returns the width: pixels in a line.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Returns the height, lines.
    pub const fn height(self) -> u32 {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_size_is_constrained_as_the_v4l2_core_does(width: u32, height: u32) {
            let size = Size::constrained(width, height);
            prop_assert_eq!(size.width(), c_driver::side(width, 176, 4096));
            prop_assert_eq!(size.height(), c_driver::side(height, 144, 3072));
        }

        #[test]
        fn a_size_in_range_only_grows_to_the_next_multiple_of_8(
            width in 176u32..=4096,
            height in 144u32..=3072,
        ) {
            let size = Size::constrained(width, height);
            prop_assert_eq!(size.width(), width.div_ceil(8) * 8);
            prop_assert_eq!(size.height(), height.div_ceil(8) * 8);
            prop_assert_eq!(Size::constrained(size.width(), size.height()), size);
        }
    }

    #[test]
    fn hostile_sizes_are_clamped() {
        assert_eq!(Size::constrained(0, 0), Size::MIN);
        assert_eq!(Size::constrained(1 << 31, 1 << 31), Size::MAX);
        assert_eq!(Size::constrained(u32::MAX, u32::MAX), Size::MAX);
        assert_eq!(Size::constrained(4089, 3065), Size::MAX);
    }
}
