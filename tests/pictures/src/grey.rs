// SPDX-License-Identifier: GPL-2.0
//! A picture as numbers: luma that can be smoothed, and read between pixels.

use dewarp::Picture;

/// The luma of a picture, one number a pixel, 0 to 255.
#[derive(Debug, Clone)]
pub struct Grey {
    /// Pixels in a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
    values: Vec<f64>,
}

impl Grey {
    /// Computes the luma of `picture` (BT.601).
    pub fn of(picture: &Picture) -> Self {
        let luma =
            |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
        Grey {
            width: picture.size.width as usize,
            height: picture.size.height as usize,
            values: picture.rgb.chunks_exact(3).map(luma).collect(),
        }
    }

    /// Returns the value of a pixel; beyond the edge, that of the nearest one.
    pub fn at(&self, x: isize, y: isize) -> f64 {
        let x = x.clamp(0, self.width as isize - 1) as usize;
        let y = y.clamp(0, self.height as isize - 1) as usize;
        self.values[y * self.width + x]
    }

    /// Returns the value at a point between pixels, bilinear.
    pub fn between(&self, x: f64, y: f64) -> f64 {
        let (column, line) = (x.floor(), y.floor());
        let (fx, fy) = (x - column, y - line);
        let (column, line) = (column as isize, line as isize);
        let mix = |a: f64, b: f64, part: f64| a + (b - a) * part;
        mix(
            mix(self.at(column, line), self.at(column + 1, line), fx),
            mix(self.at(column, line + 1), self.at(column + 1, line + 1), fx),
            fy,
        )
    }

    /// Returns the picture with lines and columns exchanged.
    pub fn transposed(&self) -> Grey {
        let mut values = Vec::with_capacity(self.values.len());
        for x in 0..self.width {
            values.extend((0..self.height).map(|y| self.values[y * self.width + x]));
        }
        Grey {
            width: self.height,
            height: self.width,
            values,
        }
    }

    /// Returns the picture blurred with a Gaussian of this standard deviation in
    /// pixels.
    pub fn blurred(&self, sigma: f64) -> Grey {
        let kernel = gaussian(sigma);
        self.blurred_lines(&kernel)
            .transposed()
            .blurred_lines(&kernel)
            .transposed()
    }

    fn blurred_lines(&self, kernel: &[f64]) -> Grey {
        let reach = (kernel.len() / 2) as isize;
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.height as isize {
            for x in 0..self.width as isize {
                let sum = |(weight, offset): (&f64, isize)| weight * self.at(x + offset, y);
                values.push(kernel.iter().zip(-reach..=reach).map(sum).sum());
            }
        }
        Grey { values, ..*self }
    }
}

/// Returns the weights of a Gaussian out to three standard deviations; their sum
/// is 1.
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (3.0 * sigma).ceil() as i32;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|offset| (-f64::from(offset * offset) / (2.0 * sigma * sigma)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
