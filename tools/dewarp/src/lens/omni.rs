// SPDX-License-Identifier: GPL-2.0
//! The omnidirectional model of Mei and Rives (2007), as in OpenCV's `omnidir`, Kalibr's `omni` and
//! camodocal's MEI: rays meet the unit sphere, a pinhole `xi` behind its centre looks at it, and
//! the pinhole's picture is distorted.

use super::Brown;
use super::sphere::behind;

/// Parameters of the omnidirectional model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Omni {
    /// The distance of the pinhole behind the sphere's centre; 0 is in the centre.
    pub xi: f64,
    /// The distortion of the pinhole's picture: k1, k2, p1 and p2.
    pub brown: Brown,
    /// The skew of the camera matrix, divided by its fx.
    pub skew: f64,
}

impl Omni {
    /// Creates the model with this `xi`, OpenCV's k1 k2 p1 p2 and no skew.
    pub fn new(xi: f64, [k1, k2, p1, p2]: [f64; 4]) -> Self {
        Omni {
            xi,
            brown: Brown {
                radial: [k1, k2, 0.0],
                tangential: [p1, p2],
                ..Brown::NONE
            },
            skew: 0.0,
        }
    }

    /// Returns the distance from the axis at which the pinhole sees a ray at this angle, on its
    /// plane at distance 1.
    pub(super) fn plane(&self, angle: f64) -> f64 {
        let (across, ahead) = angle.sin_cos();
        across / (ahead + self.xi)
    }

    /// Returns where a point of that plane lands.
    pub(super) fn bend(&self, point: [f64; 2]) -> [f64; 2] {
        let [x, y] = self.brown.bend(point);
        [x + self.skew * y, y]
    }

    /// Returns the ray that a point of that plane shows.
    pub(super) fn ray(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        let r2 = x * x + y * y;
        let along = (self.xi + (1.0 + (1.0 - self.xi * self.xi) * r2).max(0.0).sqrt()) / (1.0 + r2);
        [along * x, along * y, along - self.xi]
    }

    /// Returns the angle from which on rays have no image, in radians: behind the pinhole, or, if
    /// the pinhole is outside the sphere, on the sphere's far side.
    pub(super) fn widest(&self) -> f64 {
        behind(match self.xi > 1.0 {
            true => self.xi.recip(),
            false => self.xi,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::Distortion;
    use crate::lens::tests::{RAYS, lands};

    #[test]
    fn rays_land_where_opencv_puts_them() {
        // Computed with cv2.omnidir.projectPoints of OpenCV 4.13.0, the second with a K[0, 1] of
        // 1.5.
        let far = Omni::new(1.2, [-0.3, 0.2, 0.0005, -0.0004]);
        let points = [
            [360.246172, 211.663227],
            [469.953371, 318.052942],
            [162.751149, 432.707623],
            [327.811442, 240.74286],
        ];
        lands(Distortion::Omni(far), &RAYS, &points);
        let near = Omni {
            skew: 1.5 / 300.0,
            ..Omni::new(0.8, [-0.12, 0.05, 0.002, -0.003])
        };
        let points = [
            [369.156167, 205.573774],
            [527.619858, 349.38823],
            [37.929587, 587.285152],
            [329.34191, 241.353167],
        ];
        lands(Distortion::Omni(near), &RAYS, &points);
    }

    #[test]
    fn rays_have_no_image_behind_the_pinhole_or_on_the_far_side() {
        let widest = |xi| Omni::new(xi, [0.0; 4]).widest();
        assert!((widest(1.2) - (-1.0f64 / 1.2).acos()).abs() < 1e-12);
        assert!((widest(0.8) - (-0.8f64).acos()).abs() < 1e-12);
        assert!((widest(0.0) - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
    }
}
