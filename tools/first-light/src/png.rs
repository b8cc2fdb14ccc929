// SPDX-License-Identifier: GPL-2.0

//! Small pictures for the page: a frame as it looks, and the places where it differs from another.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dewarp::format::{Format as Pixels, Layout, Size};

use crate::samples::{Plane, planes};

/// The largest width of a picture on the page, in pixels.
const WIDEST: usize = 400;

/// Returns a picture of a frame, reduced to the width of the page's pictures.
pub fn of_frame(pixels: Pixels, size: Size, frame: &[u8]) -> Result<String> {
    let [luma, chroma] = planes(pixels, size, frame);
    let lines_each = match pixels.layout {
        Layout::SemiPlanar420 => 2,
        Layout::SemiPlanar422 | Layout::Packed422 => 1,
    };
    draw(size, |x, y| {
        let at = y / lines_each * chroma.width + x / 2 * 2;
        let sample = |plane: &Plane, at: usize| i32::from(plane.samples.get(at).map_or(0, |s| *s));
        let (first, second) = (sample(&chroma, at), sample(&chroma, at + 1));
        let (cb, cr) = if pixels.swapped && pixels.layout != Layout::Packed422 {
            (second, first)
        } else {
            (first, second)
        };
        rgb(sample(&luma, y * luma.width + x), cb - 128, cr - 128)
    })
}

/// Converts BT.601 over the full range of the bytes to red, green and blue.
fn rgb(luma: i32, cb: i32, cr: i32) -> [u8; 3] {
    // CAST: It is clamped to a byte first.
    let byte = |value: i32| (value / 1024).clamp(0, 255) as u8;
    [
        byte(1024 * luma + 1436 * cr),
        byte(1024 * luma - 352 * cb - 731 * cr),
        byte(1024 * luma + 1815 * cb),
    ]
}

/// Returns a picture of where the luma of a frame differs from the expected one, or its chroma
/// where the luma does not: grey where it is equal, red where it is more, blue where it is less,
/// and brighter for a larger difference.
pub fn of_difference(pixels: Pixels, size: Size, got: &[u8], wanted: &[u8]) -> Result<String> {
    let pairs = planes(pixels, size, got)
        .into_iter()
        .zip(planes(pixels, size, wanted));
    let differing = |(got, wanted): &(Plane, Plane)| got.samples != wanted.samples;
    let (got, wanted) = pairs
        .into_iter()
        .find(differing)
        .context("the frames are equal")?;
    let (width, height) = (got.width, got.samples.len() / got.width.max(1));
    let by = |x: usize, y: usize| {
        let at = y * width + x;
        let sample = |plane: &Plane| i32::from(plane.samples.get(at).map_or(0, |s| *s));
        sample(&got) - sample(&wanted)
    };
    let size = Size {
        // CAST: It is no more than the frame's sides.
        width: width as u32,
        height: height as u32,
    };
    let step = step(size);
    draw(size, |x, y| {
        // The largest difference of the samples that share a pixel of the small picture.
        let near = (0..step).flat_map(|down| (0..step).map(move |right| (x + right, y + down)));
        let inside = near.filter(|(x, y)| *x < width && *y < height);
        let worst = inside.map(|(x, y)| by(x, y)).max_by_key(|by| by.abs());
        let worst = worst.unwrap_or(0);
        // CAST: It is clamped to a byte first.
        let strength = (70 + worst.abs() * 12).clamp(0, 215) as u8;
        match worst {
            0 => [40; 3],
            1.. => [40 + strength, 40, 40],
            _ => [40, 60, 40 + strength],
        }
    })
}

/// Returns how many samples share a pixel of the small picture, in each direction.
fn step(size: Size) -> usize {
    (size.width as usize).div_ceil(WIDEST).max(1)
}

/// Draws every `step`-th pixel of a picture of `size`, as PNG in base64.
fn draw(size: Size, colour: impl Fn(usize, usize) -> [u8; 3]) -> Result<String> {
    let step = step(size);
    let (width, height) = (size.width as usize / step, size.height as usize / step);
    let mut rgb = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            rgb.extend(colour(x * step, y * step));
        }
    }
    let mut file = Vec::new();
    // CAST: They are no more than the frame's sides.
    let mut encoder = ::png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_compression(::png::Compression::Fast);
    encoder.write_header()?.write_image_data(&rgb)?;
    Ok(STANDARD.encode(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::format::NV12;

    #[test]
    fn grey_is_grey_and_red_is_red() {
        assert_eq!(rgb(77, 0, 0), [77; 3]);
        let [red, green, blue] = rgb(76, 84 - 128, 255 - 128);
        assert!(red > 250 && green < 8 && blue < 8, "{red} {green} {blue}");
    }

    #[test]
    fn pictures_of_frames_and_differences_are_png_files() {
        let size = Size {
            width: 1280,
            height: 720,
        };
        let frame = vec![100; NV12.frame_bytes(size)];
        let mut other = frame.clone();
        other[0] = 0;
        for png in [
            of_frame(NV12, size, &frame).unwrap(),
            of_difference(NV12, size, &other, &frame).unwrap(),
        ] {
            let file = STANDARD.decode(png).unwrap();
            let reader = ::png::Decoder::new(std::io::Cursor::new(file))
                .read_info()
                .unwrap();
            let info = reader.info();
            assert_eq!((info.width, info.height), (320, 180));
        }
    }
}
