// SPDX-License-Identifier: GPL-2.0

//! The test picture of the frames: rings, a grid and slow changes of colour, so that each place and
//! each shift is visible. It uses integers only, because a board may have a slow FPU.

use anyhow::Result;
use dewarp::format::{Format as Pixels, Size};
use dw100_board::picture::{self, Colour};
use dw100_board::v4l2::Format;

/// Returns a frame of the chart, without padding.
pub fn frame(pixels: Pixels, size: Size) -> Result<Vec<u8>> {
    let format = Format::new(&pixels.fourcc, size.width, size.height);
    picture::paint(&format, |x, y| colour(size, x, y))
}

/// Returns the colour at a pixel.
fn colour(size: Size, x: u32, y: u32) -> Colour {
    let place = |at: u32, side: u32| i64::from(at) * 1024 / i64::from(side);
    let (u, v) = (place(x, size.width), place(y, size.height));
    // CAST: Both are between 0 and 1023, and so are the results.
    let chroma = (48 + u * 160 / 1024, 208 - v * 160 / 1024);
    (luma(u, v) as u8, chroma.0 as u8, chroma.1 as u8)
}

/// Returns luma at a place in 1/1024 of the sides.
fn luma(u: i64, v: i64) -> i64 {
    let (right, down) = (u - 512, v - 512);
    let square = right * right + down * down;
    let on_grid = |at: i64| at % 128 < 5;
    if on_grid(u) || on_grid(v) {
        return 235;
    }
    // The rings become finer towards their rim.
    if square < 400 * 400 {
        let phase = (square / 96) % 512;
        return 40 + phase.min(511 - phase) * 170 / 256;
    }
    40 + (u + 2 * v) * 150 / 3072
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::format::FORMATS;

    #[test]
    fn the_chart_fills_a_frame_of_each_format() {
        let size = Size {
            width: 176,
            height: 144,
        };
        for pixels in FORMATS {
            let frame = frame(pixels, size).unwrap();
            assert_eq!(frame.len(), pixels.frame_bytes(size), "{pixels}");
        }
        let values = [luma(512, 512), luma(1, 1), luma(1000, 900)];
        assert!(values.iter().all(|value| (16..=235).contains(value)));
    }
}
