// SPDX-License-Identifier: GPL-2.0
//! A picture for the page: three samples per pixel, either RGB or Y, Cb and Cr as received. It is
//! dewarped in software with bilinear filtering, and encoded as a JPEG. A camera's colours are not
//! converted, because JPEG stores Y, Cb and Cr itself.

use jpeg_encoder::{ColorType, Encoder};

use dewarp::format::Layout;
use dewarp::{Error, Format, Picture, Result, Size, VertexMap};

/// The JPEG quality of pictures for the page.
const QUALITY: u8 = 85;

/// A picture with three samples per pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    pub size: Size,
    samples: Vec<u8>,
    /// Whether the samples are Y, Cb and Cr.
    ycbcr: bool,
}

impl Image {
    /// Creates it from a picture.
    pub fn of_picture(picture: &Picture) -> Self {
        Image {
            size: picture.size,
            samples: picture.rgb.clone(),
            ycbcr: false,
        }
    }

    /// Creates it from a tight frame.
    pub fn of_frame(format: Format, size: Size, frame: &[u8]) -> Result<Self> {
        let (width, height) = (size.width as usize, size.height as usize);
        if frame.len() != format.frame_bytes(size) {
            return Err(Error::failed(format!(
                "a {format} frame of {size} came with {} bytes",
                frame.len()
            )));
        }
        let mut samples = vec![0; width * height * 3];
        let (cb, cr) = match format.swapped && format.layout != Layout::Packed422 {
            true => (1, 0),
            false => (0, 1),
        };
        for (y, line) in samples.chunks_exact_mut(width * 3).enumerate() {
            if format.layout == Layout::Packed422 {
                let packed = &frame[y * width * 2..][..width * 2];
                let first = usize::from(format.swapped);
                for (two, four) in line.chunks_exact_mut(6).zip(packed.chunks_exact(4)) {
                    let (cb, cr) = (four[1 - first], four[3 - first]);
                    two.copy_from_slice(&[four[first], cb, cr, four[2 + first], cb, cr]);
                }
                continue;
            }
            let row = match format.layout {
                Layout::SemiPlanar420 => y / 2,
                _ => y,
            };
            let luma = &frame[y * width..][..width];
            let chroma = &frame[width * height + row * width..][..width];
            let both = luma.chunks_exact(2).zip(chroma.chunks_exact(2));
            for (two, (luma, pair)) in line.chunks_exact_mut(6).zip(both) {
                let (cb, cr) = (pair[cb], pair[cr]);
                two.copy_from_slice(&[luma[0], cb, cr, luma[1], cb, cr]);
            }
        }
        Ok(Image {
            size,
            samples,
            ycbcr: true,
        })
    }

    /// Dewarps every `step`-th pixel of the output with the map.
    pub fn dewarped(&self, map: &VertexMap, step: u32) -> Self {
        let step = step.max(1);
        let size = smaller(map.size(), step);
        let black = match self.ycbcr {
            true => [0, 128, 128],
            false => [0; 3],
        };
        let mut samples = black.repeat(size.width as usize * size.height as usize);
        let (columns, rows) = VertexMap::dimensions(map.size());
        let lines = samples.chunks_exact_mut(size.width as usize * 3);
        for (line, y) in lines.zip((step / 2..).step_by(step as usize)) {
            let row = ((y / 16) as usize).min(rows - 2);
            let [_, top] = map.position(0, row);
            let [_, below] = map.position(0, row + 1);
            // CAST: it is below 4096, as all coordinates are.
            let down = (y - top) as f32 / (below - top) as f32;
            let at = |column: usize| {
                let ([ax, ay], [bx, by]) = (map.point(column, row), map.point(column, row + 1));
                let between = |a: f64, b: f64| a as f32 + (b - a) as f32 * down;
                [between(ax, bx), between(ay, by)]
            };
            let mut pixels = line.chunks_exact_mut(3);
            let mut x = step / 2;
            let mut left = at(0);
            for column in 0..columns - 1 {
                let right = at(column + 1);
                let [from, _] = map.position(column, row);
                let [to, _] = map.position(column + 1, row);
                let slope = [0, 1].map(|axis| (right[axis] - left[axis]) / (to - from) as f32);
                while x < to {
                    let Some(pixel) = pixels.next() else { break };
                    let across = (x - from) as f32;
                    let point = [0, 1].map(|axis| left[axis] + slope[axis] * across);
                    self.sample(point, pixel);
                    x += step;
                }
                left = right;
            }
        }
        Image {
            size,
            samples,
            ycbcr: self.ycbcr,
        }
    }

    /// Interpolates the pixel at a point between four pixels. A point outside leaves `pixel`
    /// unchanged.
    fn sample(&self, [x, y]: [f32; 2], pixel: &mut [u8]) {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        // CAST: it is from 0 to 4096 times 256.
        let (x, y) = ((x * 256.0) as usize, (y * 256.0) as usize);
        let (mut column, mut row) = (x >> 8, y >> 8);
        if column >= width || row >= height || width < 2 || height < 2 {
            return;
        }
        let (mut right, mut below) = ((x & 255) as u32, (y & 255) as u32);
        // Beyond the centre of the last pixel, that pixel is used.
        if column == width - 1 {
            (column, right) = (column - 1, 256);
        }
        if row == height - 1 {
            (row, below) = (row - 1, 256);
        }
        let start = (row * width + column) * 3;
        let (upper, lower) = (
            &self.samples[start..][..6],
            &self.samples[start + width * 3..][..6],
        );
        for channel in 0..3 {
            let line = |line: &[u8]| {
                u32::from(line[channel]) * (256 - right) + u32::from(line[channel + 3]) * right
            };
            let sum = line(upper) * (256 - below) + line(lower) * below;
            // CAST: it is a mean of bytes.
            pixel[channel] = ((sum + (1 << 15)) >> 16) as u8;
        }
    }

    /// Returns every `step`-th pixel.
    pub fn coarse(&self, step: u32) -> Self {
        let step = step.max(1);
        let size = smaller(self.size, step);
        let mut samples = Vec::with_capacity(size.width as usize * size.height as usize * 3);
        for y in 0..size.height {
            for x in 0..size.width {
                let [x, y] = [x, y].map(|at| (at * step + step / 2) as usize);
                let start = (y * self.size.width as usize + x) * 3;
                samples.extend_from_slice(&self.samples[start..start + 3]);
            }
        }
        Image {
            size,
            samples,
            ycbcr: self.ycbcr,
        }
    }

    /// Encodes it as a JPEG file.
    pub fn jpeg(&self) -> Result<Vec<u8>> {
        let colours = match self.ycbcr {
            true => ColorType::Ycbcr,
            false => ColorType::Rgb,
        };
        let side = |length: u32| u16::try_from(length).unwrap_or(u16::MAX);
        let (width, height) = (side(self.size.width), side(self.size.height));
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, QUALITY)
            .encode(&self.samples, width, height, colours)
            .map_err(|error| Error::failed(format!("cannot make a JPEG: {error}")))?;
        Ok(bytes)
    }
}

fn smaller(size: Size, step: u32) -> Size {
    Size {
        width: (size.width / step).max(1),
        height: (size.height / step).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::format::FORMATS;

    const SIZE: Size = Size {
        width: 176,
        height: 144,
    };

    /// Creates a picture whose colours encode the position.
    fn gradient() -> Picture {
        let mut picture = Picture::filled(SIZE, [0; 3]);
        for (i, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            pixel.copy_from_slice(&[(i % 176) as u8, (i / 176) as u8, 77]);
        }
        picture
    }

    #[test]
    fn a_map_moves_turns_and_enlarges() {
        let image = Image::of_picture(&gradient());
        let size = Size {
            width: 184,
            height: 152,
        };
        let checks: [fn(f64, f64) -> [f64; 2]; 3] = [
            |x, y| [x + 3.25, y + 1.5],
            |x, y| [170.0 - y, x / 2.0],
            |x, y| [40.0 + x / 4.0, 20.0 + y / 4.0],
        ];
        for exact in checks {
            let made = image.dewarped(&VertexMap::from_fn(size, exact), 1);
            let pixel = |x: u32, y: u32| &made.samples[((y * 184 + x) * 3) as usize..][..3];
            for (x, y) in [(0, 0), (17, 40), (100, 99), (150, 120)] {
                let [sx, sy] = exact(x.into(), y.into());
                if sx > 175.0 || sy > 143.0 {
                    continue;
                }
                let [r, g] = [pixel(x, y)[0], pixel(x, y)[1]].map(f64::from);
                assert!(
                    (r - sx).abs() <= 1.0 && (g - sy).abs() <= 1.0,
                    "{x} {y}: {r} {g}"
                );
            }
        }
        // These points are beyond the source.
        let made = image.dewarped(&VertexMap::from_fn(size, |x, y| [x + 100.0, y]), 1);
        assert_eq!(made.samples[75 * 3..][..3], [175, 0, 77]);
        assert_eq!(made.samples[76 * 3..][..3], [0; 3]);
    }

    #[test]
    fn frames_of_every_format_have_the_colours_of_their_pictures() {
        let picture = Picture::filled(SIZE, [200, 90, 40]);
        for format in FORMATS {
            let frame = picture.to_frame(format).unwrap();
            let image = Image::of_frame(format, SIZE, &frame).unwrap();
            // BT.601: 0.299 R + 0.587 G + 0.114 B; 0.564 (B - Y) and 0.713 (R - Y) + 128.
            for (sample, right) in image.samples[300..303].iter().zip([117.19, 84.47, 187.05]) {
                assert!(
                    (f64::from(*sample) - right).abs() <= 1.5,
                    "{format}: {sample} {right}"
                );
            }
            assert!(Image::of_frame(format, SIZE, &frame[1..]).is_err());
        }
    }

    #[test]
    fn a_coarse_picture_has_every_so_manieth_pixel() {
        let image = Image::of_picture(&gradient());
        let identity = VertexMap::identity(SIZE, SIZE);
        for step in [1, 2, 3, 5] {
            let coarse = image.coarse(step);
            assert_eq!(coarse.samples[..2], [(step / 2) as u8; 2]);
            assert_eq!(coarse, image.dewarped(&identity, step), "{step}");
        }
    }
}
