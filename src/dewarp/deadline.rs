// SPDX-License-Identifier: GPL-2.0

//! The time limit of a frame. The watchdog ends a frame after one to two limits.

use super::size::Size;

/// The most cycles of the engine's clock that a pixel may take. Assumed: no figure for calculation
/// prefetch is public. NXP's whole camera pipeline delivers 190 Mpixel/s with traversal prefetch,
/// limited by the sensor; at 500 MHz, which is assumed, a pixel takes at most 2.6 cycles there. The
/// C driver says that calculation is four times as slow. This is six times the product.
const CYCLES_PER_PIXEL: u64 = 64;

/// The slowest clock that the limit is computed for, hertz. It is also used if the rate is not
/// known.
const SLOWEST_HZ: u64 = 100_000_000;

/// The shortest limit of a frame, nanoseconds. hantro and rkvdec wait for two seconds, Eswin's
/// driver for the DW200 waits for one, and the C driver for ever: a shorter limit could end frames
/// that work with those drivers.
const LEAST_NS: u64 = 1_000_000_000;

/// Returns the time limit of a frame from `source` to `destination`, nanoseconds, with the engine's
/// clock at `axi_hz` hertz (0: unknown).
pub fn limit_ns(source: Size, destination: Size, axi_hz: u64) -> u64 {
    let pixels = |size: Size| u64::from(size.width()) * u64::from(size.height());
    // The product is less than 2^30 cycles times 2^30 nanoseconds of a second, so it does not
    // overflow.
    let scaled = pixels(source)
        .max(pixels(destination))
        .wrapping_mul(CYCLES_PER_PIXEL * 1_000_000_000);
    (scaled / axi_hz.max(SLOWEST_HZ)).max(LEAST_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_64_cycles_for_each_pixel_of_its_larger_side_and_a_second_at_least() {
        let hd = Size::constrained(1920, 1080);
        assert_eq!(limit_ns(Size::MIN, Size::MIN, 500_000_000), 1_000_000_000);
        assert_eq!(limit_ns(hd, Size::MIN, 125_000_000), 1_061_683_200);
        assert_eq!(limit_ns(Size::MIN, hd, 125_000_000), 1_061_683_200);
        assert_eq!(limit_ns(hd, hd, 800_000_000), 1_000_000_000);
    }

    #[test]
    fn no_size_and_no_rate_overflows() {
        let most = |hertz| limit_ns(Size::MAX, Size::MAX, hertz);
        assert_eq!(most(500_000_000), 1_610_612_736);
        assert_eq!(most(0), 8_053_063_680);
        assert_eq!(most(1), most(0));
        assert_eq!(most(u64::MAX), LEAST_NS);
    }
}
