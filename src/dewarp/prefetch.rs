// SPDX-License-Identifier: GPL-2.0

//! The engine's methods to find the source pixels that it fetches ahead.

/// The settings by which the engine finds the source pixels to fetch for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefetch {
    /// The method.
    pub mode: PrefetchMode,
    /// The threshold of [`PrefetchMode::Auto`], 7 bits.
    pub threshold: u8,
}

/// The methods to find the source pixels, with their codes in DEWARP_CTRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefetchMode {
    /// Traversal, which by the C driver's comment is four times as fast as calculation, but does
    /// not support every scaling factor. It is not known for which maps it is right. NXP's driver
    /// always uses it.
    Traversal = 0,
    /// Calculation, which by the C driver's comment is needed to support any scaling factor. The C
    /// driver always uses it.
    Calculation = 1,
    /// Selection by the threshold. No driver that is known to run on silicon uses it.
    Auto = 2,
}

impl PrefetchMode {
    /// Returns the mode with a code.
    pub const fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Traversal),
            1 => Some(Self::Calculation),
            2 => Some(Self::Auto),
            _ => None,
        }
    }
}

impl Prefetch {
    /// The largest threshold.
    pub const MAX_THRESHOLD: u8 = 0x7f;

    /// The settings that the C driver uses for all frames.
    pub const DEFAULT: Self = Self {
        mode: PrefetchMode::Calculation,
        threshold: 32,
    };

    /// Returns the fields of DEWARP_CTRL, at their place.
    pub fn ctrl(self) -> u32 {
        let threshold = self.threshold & Self::MAX_THRESHOLD;
        // CAST: The code of a mode.
        u32::from(threshold) << 18 | (self.mode as u32) << 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_and_threshold_keep_to_their_fields() {
        let ctrl = |mode, threshold| Prefetch { mode, threshold }.ctrl();
        assert_eq!(ctrl(PrefetchMode::Traversal, 0), 0);
        assert_eq!(ctrl(PrefetchMode::Calculation, 0), 0x0001_0000);
        assert_eq!(ctrl(PrefetchMode::Auto, 0), 0x0002_0000);
        assert_eq!(ctrl(PrefetchMode::Traversal, 0x7f), 0x01fc_0000);
        assert_eq!(ctrl(PrefetchMode::Traversal, 0xff), 0x01fc_0000);
        assert_eq!(Prefetch::DEFAULT.ctrl(), 0x0081_0000);
    }

    #[test]
    fn a_mode_is_found_by_the_code_that_it_has() {
        for mode in [
            PrefetchMode::Traversal,
            PrefetchMode::Calculation,
            PrefetchMode::Auto,
        ] {
            assert_eq!(PrefetchMode::from_code(mode as i32), Some(mode));
        }
        assert_eq!(PrefetchMode::from_code(3), None);
        assert_eq!(PrefetchMode::from_code(-1), None);
    }
}
