// SPDX-License-Identifier: GPL-2.0

//! How long a frame may take before it is given up.

use super::size::Size;

/// Cycles of the engine's clock for a pixel, at the very most. Assumed: what the engine takes is
/// not public. The C driver says that calculation prefetch is four times as slow as traversal, for
/// which a pixel a cycle is likely; this is four times that.
const CYCLES_PER_PIXEL: u64 = 16;

/// The slowest clock, hertz, for where its rate is not known.
const SLOWEST: u64 = 100_000_000;

/// No frame is given up sooner, nanoseconds: on a busy machine an interrupt may be late.
const LEAST: u64 = 100_000_000;

/// Nanoseconds after which a frame from `source` to `destination` is given up, with the engine's
/// clock at `hertz` (0: unknown).
pub fn nanoseconds(source: Size, destination: Size, hertz: u64) -> u64 {
    let pixels = |size: Size| u64::from(size.width() * size.height());
    // Less than 2^28 cycles and 2^30 nanoseconds in a second: no overflow.
    let cycles = pixels(source).max(pixels(destination)) * CYCLES_PER_PIXEL;
    (cycles * 1_000_000_000 / hertz.max(SLOWEST)).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_time_of_its_larger_side_and_a_tenth_of_a_second_at_least() {
        let hd = Size::constrained(1920, 1080);
        assert_eq!(nanoseconds(Size::MIN, Size::MIN, 500_000_000), 100_000_000);
        assert_eq!(nanoseconds(hd, Size::MIN, 250_000_000), 132_710_400);
        assert_eq!(nanoseconds(Size::MIN, hd, 250_000_000), 132_710_400);
        assert_eq!(nanoseconds(hd, hd, 800_000_000), 100_000_000);
    }

    #[test]
    fn no_size_and_no_rate_overflows() {
        let most = |hertz| nanoseconds(Size::MAX, Size::MAX, hertz);
        assert_eq!(most(500_000_000), 402_653_184);
        assert_eq!(most(0), 2_013_265_920);
        assert_eq!(most(1), most(0));
        assert_eq!(most(u64::MAX), LEAST);
    }
}
