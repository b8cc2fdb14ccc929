// SPDX-License-Identifier: GPL-2.0
//! A camera with a lens: in which pixel a ray of light lands, and back. Rays are
//! in the camera's own frame: x to the right, y down, z ahead. Pixel centres lie
//! on whole coordinates. The models themselves are in [`distortion`].

pub mod distortion;

pub use distortion::{Brown, Distortion};

/// Steps of the angle from the axis in which [`Lens::reach`] looks for the fold.
const STEPS: u32 = 4000;

/// Newton steps before a point counts as outside the lens's picture.
const PATIENCE: u32 = 100;

/// A camera: where a ray lands in the picture that the lens bent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// Focal lengths fx, fy in pixels.
    pub focal: [f64; 2],
    /// Principal point cx, cy in pixels.
    pub center: [f64; 2],
    /// How the lens bends.
    pub distortion: Distortion,
}

impl Lens {
    /// A lens that bends nothing.
    pub const fn straight(focal: [f64; 2], center: [f64; 2]) -> Self {
        Lens {
            focal,
            center,
            distortion: Distortion::Brown(Brown::NONE),
        }
    }

    /// The pixel in which a ray lands, wherever the model's formula puts it.
    ///
    /// `None` for a ray that comes from behind what the model describes. Beyond
    /// [`Lens::reach`] the formula is no longer that of any lens.
    pub fn project(&self, [x, y, z]: [f64; 3]) -> Option<[f64; 2]> {
        let [x, y] = match &self.distortion {
            Distortion::Fisheye(k) => {
                let across = x.hypot(y);
                // On the axis the direction across it is nothing.
                let along = distortion::fisheye(k, across.atan2(z)) / across.max(f64::MIN_POSITIVE);
                [x * along, y * along]
            }
            plane if z > 0.0 => plane.bend([x / z, y / z]),
            _ => return None,
        };
        Some([
            x * self.focal[0] + self.center[0],
            y * self.focal[1] + self.center[1],
        ])
    }

    /// The ray that lands in a pixel: the inverse of [`Lens::project`].
    ///
    /// `None` outside the region in which the model can be inverted.
    pub fn unproject(&self, point: [f64; 2]) -> Option<[f64; 3]> {
        let target = [
            (point[0] - self.center[0]) / self.focal[0],
            (point[1] - self.center[1]) / self.focal[1],
        ];
        if let Distortion::Fisheye(k) = &self.distortion {
            let across = target[0].hypot(target[1]);
            let (sin, cos) = distortion::fisheye_angle(k, across)?.sin_cos();
            let along = sin / across.max(f64::MIN_POSITIVE);
            return Some([target[0] * along, target[1] * along, cos]);
        }
        let [x, y] = self.straighten(target)?;
        Some([x, y, 1.0])
    }

    /// Where the point of the undistorted picture, given in pixels of a camera
    /// with the same matrix, is found in the distorted one.
    pub fn distort(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        self.project([
            (point[0] - self.center[0]) / self.focal[0],
            (point[1] - self.center[1]) / self.focal[1],
            1.0,
        ])
    }

    /// Where the point of the distorted picture would be without distortion:
    /// the inverse of [`Lens::distort`].
    ///
    /// `None` where there is no such point.
    pub fn undistort(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        let [x, y, z] = self.unproject(point)?;
        (z > 0.0).then(|| {
            [
                x / z * self.focal[0] + self.center[0],
                y / z * self.focal[1] + self.center[1],
            ]
        })
    }

    /// The largest angle from the axis, in radians, up to which rays further out
    /// land further out. Beyond this fold a polynomial turns back, and rays that
    /// the lens never saw would land in the picture once more.
    pub fn reach(&self) -> f64 {
        let limit = self.distortion.widest();
        let angle = |step: u32| limit * f64::from(step) / f64::from(STEPS);
        let mut last = 0.0;
        for step in 1..STEPS {
            let radius = self.distortion.radius(angle(step));
            if radius.is_nan() || radius <= last {
                return angle(step - 1);
            }
            last = radius;
        }
        angle(STEPS - 1)
    }

    /// The inverse of [`Distortion::bend`], by Newton's method.
    fn straighten(&self, target: [f64; 2]) -> Option<[f64; 2]> {
        let bend = |x, y| self.distortion.bend([x, y]);
        let [mut x, mut y] = target;
        for _ in 0..PATIENCE {
            let [bx, by] = bend(x, y);
            let (ex, ey) = (bx - target[0], by - target[1]);
            if ex * ex + ey * ey < 1e-24 {
                return Some([x, y]);
            }
            // The slope by differences: as good as the formula's, for any model.
            let step = 1e-6 * (1.0 + x.abs().max(y.abs()));
            let slope = |dx: f64, dy: f64| {
                let (ahead, behind) = (bend(x + dx, y + dy), bend(x - dx, y - dy));
                [0, 1].map(|axis| (ahead[axis] - behind[axis]) / (2.0 * step))
            };
            let ([a, c], [b, d]) = (slope(step, 0.0), slope(0.0, step));
            let determinant = a * d - b * c;
            // Beyond the fold the model maps two rays to one point.
            if determinant.is_nan() || determinant <= 0.0 {
                return None;
            }
            x -= (d * ex - b * ey) / determinant;
            y -= (a * ey - c * ex) / determinant;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lens(distortion: Distortion) -> Lens {
        Lens {
            focal: [500.0, 510.0],
            center: [321.0, 238.0],
            distortion,
        }
    }

    /// One of each model, with every coefficient in use.
    fn models() -> [Distortion; 5] {
        let plain = Brown {
            radial: [-0.28, 0.09, -0.012],
            tangential: [0.001, -0.002],
            ..Brown::NONE
        };
        let full = Brown {
            radial: [0.4, -0.05, 0.002],
            rational: [0.65, 0.03, 0.001],
            prism: [0.001, -0.0005, -0.002, 0.0003],
            tilt: [0.02, -0.03],
            ..plain
        };
        [
            Distortion::Brown(Brown::NONE),
            Distortion::Brown(plain),
            Distortion::Brown(full),
            Distortion::Fisheye([-0.02, 0.004, -0.003, 0.0005]),
            Distortion::Radial([0.98, 0.01, -0.12, 0.02, 0.004]),
        ]
    }

    #[test]
    fn a_fisheye_sees_beside_and_behind_and_a_pinhole_does_not() {
        let fisheye = lens(Distortion::Fisheye([0.0; 4]));
        let [x, y] = fisheye.project([1.0, 0.0, 0.0]).unwrap();
        assert!((x - (321.0 + 500.0 * std::f64::consts::FRAC_PI_2)).abs() < 1e-9);
        assert!((y - 238.0).abs() < 1e-9);
        assert!(fisheye.project([1.0, 0.0, -0.5]).unwrap()[0] > x);
        assert_eq!(fisheye.project([0.0, 0.0, 1.0]), Some([321.0, 238.0]));
        assert_eq!(
            Lens::straight([1.0; 2], [0.0; 2]).project([1.0, 0.0, 0.0]),
            None
        );
    }

    #[test]
    fn the_reach_ends_where_the_radius_turns_back() {
        // r (1 - 0.3 r^2) is largest at r = 1 / sqrt(0.9).
        let brown = Brown {
            radial: [-0.3, 0.0, 0.0],
            ..Brown::NONE
        };
        let fold = 0.9f64.sqrt().recip().atan();
        assert!((lens(Distortion::Brown(brown)).reach() - fold).abs() < 1e-3);
        // a (1 - 0.1 a^2) is largest at a = 1 / sqrt(0.3).
        let fisheye = lens(Distortion::Fisheye([-0.1, 0.0, 0.0, 0.0]));
        assert!((fisheye.reach() - 0.3f64.sqrt().recip()).abs() < 1e-3);
        assert!(Lens::straight([1.0; 2], [0.0; 2]).reach() > 1.57);
    }

    #[test]
    fn a_point_that_no_ray_reaches_has_no_ray() {
        let brown = Brown {
            radial: [-0.3, 0.0, 0.0],
            ..Brown::NONE
        };
        // The picture ends at radius 0.703.
        let lens = lens(Distortion::Brown(brown));
        assert!(lens.unproject([321.0 + 500.0 * 0.69, 238.0]).is_some());
        assert_eq!(lens.unproject([321.0 + 500.0 * 0.71, 238.0]), None);
    }

    proptest! {
        #[test]
        fn unproject_is_the_inverse_of_project(x in 0.0..640.0, y in 0.0..480.0, model in 0usize..5) {
            let lens = lens(models()[model]);
            let ray = lens.unproject([x, y]).unwrap();
            let back = lens.project(ray).unwrap();
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6, "{back:?}");
        }

        #[test]
        fn undistort_is_the_inverse_of_distort(x in 60.0..580.0, y in 40.0..440.0, model in 0usize..5) {
            let lens = lens(models()[model]);
            let back = lens.undistort(lens.distort([x, y]).unwrap()).unwrap();
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6, "{back:?}");
        }
    }
}
