// SPDX-License-Identifier: GPL-2.0

//! Frames whose pixels show where they come from, and vertex maps that move them.

use anyhow::{Context, Result, ensure};
use dewarp::format::{Format as Pixels, Layout, Size};
use dewarp::map::VertexMap;
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use crate::v4l2::{Device, Format, Rect};

/// Luma and chroma at a pixel.
pub type Colour = (u8, u8, u8);

/// Returns the layout of a format's samples.
pub fn pixels(fourcc: [u8; 4]) -> Result<Pixels> {
    Pixels::from_fourcc(fourcc).with_context(|| format!("{fourcc:?} is not the engine's"))
}

/// Returns the size of a frame.
pub fn size(format: &Format) -> Size {
    Size {
        width: format.width,
        height: format.height,
    }
}

/// Draws a frame without padding, with luma from a function and grey chroma.
pub fn draw(format: &Format, luma: impl Fn(u32, u32) -> u8) -> Result<Vec<u8>> {
    paint(format, |x, y| (luma(x, y), 128, 128))
}

/// Draws a frame without padding, with colours from a function. Chroma is taken at even pixels.
pub fn paint(format: &Format, colour: impl Fn(u32, u32) -> Colour) -> Result<Vec<u8>> {
    let pixels = pixels(format.fourcc)?;
    let mut frame = Vec::with_capacity(pixels.frame_bytes(size(format)));
    let chroma = |x: u32, y: u32, index: u32| {
        let (_, u, v) = colour(x & !1, y);
        if (index == 0) != pixels.swapped { u } else { v }
    };
    for y in 0..format.height {
        for x in 0..format.width {
            match pixels.layout {
                Layout::Packed422 => {
                    let (luma, u, v) = (colour(x, y).0, colour(x & !1, y).1, colour(x & !1, y).2);
                    let chroma = if x % 2 == 0 { u } else { v };
                    let pair = [luma, chroma];
                    let order = if pixels.swapped { [1, 0] } else { [0, 1] };
                    frame.extend(order.map(|index: usize| pair[index]));
                }
                _ => frame.push(colour(x, y).0),
            }
        }
    }
    let step = match pixels.layout {
        Layout::SemiPlanar420 => 2,
        Layout::SemiPlanar422 => 1,
        Layout::Packed422 => return Ok(frame),
    };
    for y in (0..format.height).step_by(step) {
        frame.extend((0..format.width).map(|x| chroma(x, y, x % 2)));
    }
    Ok(frame)
}

/// Returns pseudo-random bytes, which are the same for the same seed.
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut bytes = vec![0; length];
    XorShiftRng::seed_from_u64(u64::from(seed)).fill_bytes(&mut bytes);
    bytes
}

/// Lays out a frame without padding in planes as a format describes, with `padding` where no pixel
/// is.
pub fn spread(format: &Format, frame: &[u8], padding: u8) -> Result<Vec<Vec<u8>>> {
    let mut planes: Vec<Vec<u8>> = format
        .sizes()
        .into_iter()
        .map(|length| vec![padding; length])
        .collect();
    let mut slices: Vec<&mut [u8]> = planes.iter_mut().map(Vec::as_mut_slice).collect();
    pixels(format.fourcc)?.spread(size(format), frame, &mut slices, &format.strides())?;
    Ok(planes)
}

/// Returns the frame without padding from planes in a format.
pub fn gather(format: &Format, planes: &[Vec<u8>]) -> Result<Vec<u8>> {
    let slices: Vec<&[u8]> = planes.iter().map(Vec::as_slice).collect();
    Ok(pixels(format.fourcc)?.gather(size(format), &slices, &format.strides())?)
}

/// Returns the luma of all pixels in planes, line by line.
pub fn luma(format: &Format, planes: &[Vec<u8>]) -> Result<Vec<u8>> {
    let pixels = pixels(format.fourcc)?;
    let frame = gather(format, planes)?;
    let count = (format.width * format.height) as usize;
    Ok(match pixels.layout {
        Layout::Packed422 => {
            let first = usize::from(pixels.swapped);
            frame[first..].iter().step_by(2).copied().collect()
        }
        _ => frame[..count].to_vec(),
    })
}

/// Returns the luma that all pixels share, or an error if they do not.
pub fn uniform(format: &Format, planes: &[Vec<u8>]) -> Result<u8> {
    let luma = luma(format, planes)?;
    let first = luma[0];
    let other = luma.iter().position(|&value| value != first);
    if let Some(place) = other {
        let (x, y) = (place % format.width as usize, place / format.width as usize);
        anyhow::bail!(
            "the frame is {first} at its corner and {} at {x},{y}",
            luma[place]
        );
    }
    Ok(first)
}

/// Checks that two frames are equal. The error says where they differ first.
pub fn same(got: &[u8], wanted: &[u8], width: u32) -> Result<()> {
    ensure!(
        got.len() == wanted.len(),
        "{} bytes, not {}",
        got.len(),
        wanted.len()
    );
    let differ = |(a, b): (&u8, &u8)| a != b;
    let pairs = || got.iter().zip(wanted);
    if let Some(place) = pairs().position(differ) {
        anyhow::bail!(
            "{} bytes differ, first at line {} byte {}: {}, not {}",
            pairs().filter(|&pair| differ(pair)).count(),
            place / width as usize,
            place % width as usize,
            got[place],
            wanted[place]
        );
    }
    Ok(())
}

/// Returns the map that shows one source pixel everywhere.
pub fn constant_map(capture: &Format, x: u32, y: u32) -> Vec<u32> {
    let map = VertexMap::from_fn(size(capture), |_, _| [f64::from(x), f64::from(y)]);
    map.vertices().to_vec()
}

/// Returns the map that shows the whole source in the whole destination, to the nearest 1/16
/// pixel.
pub fn identity_map(output: &Format, capture: &Format) -> Vec<u32> {
    let corners = |side: u32| (0..=side.div_ceil(16)).map(move |n| (16 * n).min(side));
    let vertex = |at: u32, source: u32, side: u32| {
        let exact = u64::from(at) * u64::from(source) * 16;
        let rounded = (exact + u64::from(side) / 2) / u64::from(side);
        // CAST: It is limited first.
        rounded.min(0xffff) as u32
    };
    let mut map = Vec::new();
    for y in corners(capture.height) {
        let line = vertex(y, output.height, capture.height) << 16;
        map.extend(corners(capture.width).map(|x| line | vertex(x, output.width, capture.width)));
    }
    map
}

/// The number of columns of one luma in a banded frame.
pub const BAND: u32 = 16;

/// Returns the luma of a band.
pub fn band_luma(band: u32) -> u8 {
    (16 + 5 * band) as u8
}

/// A device that is set up for frames that show which map they were made with: the source has
/// bands, and a map shows one of them everywhere.
pub struct Bands {
    /// The source's format.
    pub output: Format,
    /// The destination's format.
    pub capture: Format,
    /// The source.
    pub source: Vec<Vec<u8>>,
}

impl Bands {
    /// Sets both formats of a device: a source of 640x480, a destination of the smallest size.
    pub fn set(device: &Device) -> Result<Self> {
        Self::set_to(device, 176, 144)
    }

    /// Sets both formats of a device, with a destination of this size.
    pub fn set_to(device: &Device, width: u32, height: u32) -> Result<Self> {
        let (output, capture) = device.set_formats(
            &Format::new(b"NV12", 640, 480),
            &Format::new(b"NV12", width, height),
        )?;
        let frame = draw(&output, |x, _| band_luma(x / BAND))?;
        let source = spread(&output, &frame, 0)?;
        Ok(Self {
            output,
            capture,
            source,
        })
    }

    /// Returns the source with its bands moved cyclically: where `band` was, `band + by` is.
    pub fn moved(&self, by: u32) -> Result<Vec<Vec<u8>>> {
        let bands = self.output.width / BAND;
        let frame = draw(&self.output, |x, _| band_luma((x / BAND + by) % bands))?;
        spread(&self.output, &frame, 0)
    }

    /// Returns the map that shows one band everywhere.
    pub fn map(&self, band: u32) -> Vec<u32> {
        constant_map(&self.capture, band * BAND + BAND / 2, 8)
    }

    /// Checks that a frame shows this band and nothing else.
    pub fn check(&self, planes: &[Vec<u8>], band: u32) -> Result<()> {
        let got = uniform(&self.capture, planes)?;
        ensure!(
            got == band_luma(band),
            "the frame shows luma {got}, not the {} of band {band}",
            band_luma(band)
        );
        Ok(())
    }
}

/// Returns whether a rectangle is inside a frame of this size.
pub fn inside(rect: Rect, width: u32, height: u32) -> bool {
    let fits = |start: i32, length: u32, side: u32| {
        u32::try_from(start).is_ok_and(|start| u64::from(start) + u64::from(length) <= side.into())
    };
    fits(rect.left, rect.width, width) && fits(rect.top, rect.height, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v4l2::Plane;

    fn nv12(width: u32, height: u32, stride: u32) -> Format {
        let mut format = Format::new(b"NV12", width, height);
        format.planes = vec![Plane {
            bytesperline: stride,
            sizeimage: stride * height * 3 / 2,
        }];
        format
    }

    #[test]
    fn a_frame_survives_its_way_through_padded_planes() {
        let format = nv12(176, 144, 192);
        let frame = noise(176 * 144 * 3 / 2, 1);
        let planes = spread(&format, &frame, 0xee).unwrap();
        assert_eq!(planes[0][176], 0xee);
        assert_eq!(gather(&format, &planes).unwrap(), frame);
    }

    #[test]
    fn luma_is_found_in_each_layout() {
        for fourcc in [b"NV12", b"NV16", b"YUYV", b"UYVY"] {
            let mut format = Format::new(fourcc, 176, 144);
            let frame = draw(&format, |x, y| (x ^ y) as u8).unwrap();
            let planes = pixels(*fourcc).unwrap().planes(size(&format));
            format.planes = vec![Plane {
                bytesperline: planes[0].0 as u32,
                sizeimage: frame.len() as u32,
            }];
            let luma = luma(&format, &[frame]).unwrap();
            assert_eq!(luma[176 * 3 + 100], 100 ^ 3, "{fourcc:?}");
        }
    }

    #[test]
    fn a_frame_of_two_lumas_is_not_uniform() {
        let format = nv12(176, 144, 176);
        let mut frame = vec![7; 176 * 144 * 3 / 2];
        assert_eq!(uniform(&format, &[frame.clone()]).unwrap(), 7);
        frame[176 * 2 + 5] = 8;
        let why = uniform(&format, &[frame]).unwrap_err().to_string();
        assert!(why.contains("8 at 5,2"), "{why}");
    }

    #[test]
    fn a_rectangle_past_any_side_is_not_inside() {
        assert!(inside(Rect::new(0, 0, 640, 480), 640, 480));
        assert!(!inside(Rect::new(-1, 0, 640, 480), 640, 480));
        assert!(!inside(Rect::new(1, 0, 640, 480), 640, 480));
        assert!(!inside(Rect::new(0, 1, 640, u32::MAX), 640, 480));
    }
}
