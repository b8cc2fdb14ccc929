// SPDX-License-Identifier: GPL-2.0
//! Models of very wide lenses that use the unit sphere and are radially
//! symmetric: double sphere (Usenko, Demmel, Cremers 2018) and the extended
//! unified camera model, EUCM (Khomutenko, Garcia, Martinet 2016). Functions
//! take the angle of a ray from the axis and return the radius at which it
//! lands, for a focal length of 1.

use std::f64::consts::PI;

/// Parameters of the double sphere model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DoubleSphere {
    /// The distance between the centres of the two spheres.
    pub xi: f64,
    /// The position of the pinhole relative to the second sphere's centre, from
    /// 0 to 1.
    pub alpha: f64,
}

impl DoubleSphere {
    pub(super) fn radius(&self, angle: f64) -> f64 {
        let (across, ahead) = angle.sin_cos();
        let ahead = self.xi + ahead;
        across / (self.alpha * across.hypot(ahead) + (1.0 - self.alpha) * ahead)
    }

    /// Returns the angle from which on rays have no image, in radians: equation
    /// 43 of the paper.
    pub(super) fn widest(&self) -> f64 {
        let w1 = pinhole(self.alpha);
        let w2 = (w1 + self.xi) / (2.0 * w1 * self.xi + self.xi * self.xi + 1.0).sqrt();
        behind(w2)
    }
}

/// Parameters of the extended unified camera model. With a beta of 1 it is the
/// unified camera model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eucm {
    /// A parameter from 0 to 1: 0 is a pinhole.
    pub alpha: f64,
    /// The shape of the ellipsoid, above 0.
    pub beta: f64,
}

impl Eucm {
    pub(super) fn radius(&self, angle: f64) -> f64 {
        let (across, ahead) = angle.sin_cos();
        let distance = (self.beta * across * across + ahead * ahead).sqrt();
        across / (self.alpha * distance + (1.0 - self.alpha) * ahead)
    }

    /// Returns the angle from which on rays have no image, in radians:
    /// z > -w d.
    pub(super) fn widest(&self) -> f64 {
        let w = pinhole(self.alpha);
        // At the limit z = -w d, with d = sqrt(beta (1 - z^2) + z^2).
        behind(w * (self.beta / (1.0 - w * w * (1.0 - self.beta))).sqrt())
    }
}

/// Computes w or w1 of the papers.
fn pinhole(alpha: f64) -> f64 {
    match alpha <= 0.5 {
        true => alpha / (1.0 - alpha),
        false => (1.0 - alpha) / alpha,
    }
}

/// Returns the angle from the axis whose cosine is `-along`, in radians.
pub(super) fn behind(along: f64) -> f64 {
    match along < 1.0 {
        true => (-along).acos(),
        false => PI,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::Distortion;
    use crate::lens::tests::{RAYS, lands};

    const DOUBLE: [DoubleSphere; 2] = [
        DoubleSphere {
            xi: -0.24,
            alpha: 0.57,
        },
        DoubleSphere {
            xi: 0.15,
            alpha: 0.4,
        },
    ];
    const EXTENDED: [Eucm; 2] = [
        Eucm {
            alpha: 0.61,
            beta: 1.12,
        },
        Eucm {
            alpha: 0.42,
            beta: 0.9,
        },
    ];

    #[test]
    fn rays_land_where_the_formulas_of_the_papers_put_them() {
        // Computed with numpy from the papers' formulas, which project points
        // instead of angles.
        let double = [
            [
                [434.636208, 161.737478],
                [751.359898, 469.055447],
                [-105.262671, 762.460961],
                [340.717672, 245.939649],
            ],
            [
                [397.183435, 186.87245],
                [670.86782, 425.840145],
                [-146.359268, 813.024996],
                [334.035302, 243.248882],
            ],
        ];
        let extended = [
            [
                [407.297865, 180.084544],
                [644.536385, 411.70309],
                [2.451015, 629.933233],
                [335.985167, 244.034027],
            ],
            [
                [408.900022, 179.009318],
                [741.278975, 463.643112],
                [-270.46245, 965.717874],
                [335.991788, 244.036693],
            ],
        ];
        for (model, points) in DOUBLE.into_iter().zip(double) {
            lands(Distortion::DoubleSphere(model), &RAYS, &points);
        }
        for (model, points) in EXTENDED.into_iter().zip(extended) {
            lands(Distortion::Eucm(model), &RAYS, &points);
        }
    }

    #[test]
    fn rays_have_no_image_beyond_the_angle_that_the_papers_give() {
        // Determined with numpy from the papers' conditions at two million
        // angles.
        let close = |widest: f64, angle: f64| assert!((widest - angle).abs() < 1e-5, "{widest}");
        close(DOUBLE[0].widest(), 2.235463);
        close(DOUBLE[1].widest(), 2.401816);
        close(EXTENDED[0].widest(), 2.292428);
        close(EXTENDED[1].widest(), 2.354250);
        // A double sphere with xi and alpha of 0 is a pinhole.
        let pinhole = DoubleSphere {
            xi: 0.0,
            alpha: 0.0,
        };
        close(pinhole.widest(), std::f64::consts::FRAC_PI_2);
    }
}
