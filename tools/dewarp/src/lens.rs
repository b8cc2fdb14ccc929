// SPDX-License-Identifier: GPL-2.0
//! The pinhole camera with radial and tangential distortion, as OpenCV's
//! `calibrateCamera` fits it (Brown and Conrady's model). Pixel centres lie on
//! whole coordinates.

/// A camera: where a straight ray lands in the picture the lens bent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// Focal lengths fx, fy in pixels.
    pub focal: [f64; 2],
    /// Principal point cx, cy in pixels.
    pub center: [f64; 2],
    /// Radial coefficients k1, k2, k3.
    pub radial: [f64; 3],
    /// Tangential coefficients p1, p2.
    pub tangential: [f64; 2],
}

impl Lens {
    /// A lens that bends nothing.
    pub fn straight(focal: [f64; 2], center: [f64; 2]) -> Self {
        Lens {
            focal,
            center,
            radial: [0.0; 3],
            tangential: [0.0; 2],
        }
    }

    /// Where the point of the undistorted picture, given in pixels of a camera
    /// with the same matrix, is found in the distorted one.
    pub fn distort(&self, point: [f64; 2]) -> [f64; 2] {
        self.distort_zoomed(point, 1.0)
    }

    /// As [`Lens::distort`], for an undistorted picture whose focal lengths are
    /// `zoom` times the lens's own (more than 1 enlarges the middle).
    pub fn distort_zoomed(&self, point: [f64; 2], zoom: f64) -> [f64; 2] {
        let x = (point[0] - self.center[0]) / (self.focal[0] * zoom);
        let y = (point[1] - self.center[1]) / (self.focal[1] * zoom);
        let [x, y] = self.bend(x, y);
        [
            x * self.focal[0] + self.center[0],
            y * self.focal[1] + self.center[1],
        ]
    }

    /// Where the point of the distorted picture would be without distortion:
    /// the inverse of [`Lens::distort`], by Newton's method.
    ///
    /// `None` outside the region in which the model can be inverted.
    pub fn undistort(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        let target = [
            (point[0] - self.center[0]) / self.focal[0],
            (point[1] - self.center[1]) / self.focal[1],
        ];
        let [mut x, mut y] = target;
        for _ in 0..50 {
            let [bx, by] = self.bend(x, y);
            let (ex, ey) = (bx - target[0], by - target[1]);
            if ex * ex + ey * ey < 1e-24 {
                return Some([
                    x * self.focal[0] + self.center[0],
                    y * self.focal[1] + self.center[1],
                ]);
            }
            let [[a, b], [c, d]] = self.bend_slope(x, y);
            let det = a * d - b * c;
            // Beyond the fold the model maps two rays to one point.
            if det <= 0.0 {
                return None;
            }
            x -= (d * ex - b * ey) / det;
            y -= (a * ey - c * ex) / det;
        }
        None
    }

    /// The distortion itself, on the plane at distance 1.
    fn bend(&self, x: f64, y: f64) -> [f64; 2] {
        let [k1, k2, k3] = self.radial;
        let [p1, p2] = self.tangential;
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        [
            x * radial + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x),
            y * radial + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y,
        ]
    }

    /// The derivative of [`Lens::bend`].
    fn bend_slope(&self, x: f64, y: f64) -> [[f64; 2]; 2] {
        let [k1, k2, k3] = self.radial;
        let [p1, p2] = self.tangential;
        let r2 = x * x + y * y;
        let radial = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3));
        let slope = 2.0 * (k1 + r2 * (2.0 * k2 + r2 * 3.0 * k3));
        let cross = x * y * slope + 2.0 * p1 * x + 2.0 * p2 * y;
        [
            [radial + x * x * slope + 2.0 * p1 * y + 6.0 * p2 * x, cross],
            [cross, radial + y * y * slope + 6.0 * p1 * y + 2.0 * p2 * x],
        ]
    }
}
