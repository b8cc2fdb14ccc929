// SPDX-License-Identifier: GPL-2.0
//! The distortion models of lenses. The coefficients of each have the order and
//! the names of the program that computes them.

use std::f64::consts::{FRAC_PI_2, PI};

use super::fov::fov;
use super::{DoubleSphere, Eucm, Omni};

/// A model of distortion with its coefficients.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distortion {
    /// The model of Brown and Conrady, with the terms that OpenCV's
    /// `calibrateCamera` adds.
    Brown(Brown),
    /// Kannala and Brandt's model with k1 to k4, as in OpenCV's `fisheye`: a
    /// ray at the angle a lands at the radius
    /// a (1 + k1 a^2 + k2 a^4 + k3 a^6 + k4 a^8).
    Fisheye([f64; 4]),
    /// The models of Lensfun, converted to the plane at distance 1: a radius r
    /// on it becomes r (c0 + c1 r + c2 r^2 + c3 r^3 + c4 r^4).
    Radial([f64; 5]),
    /// The double sphere model.
    DoubleSphere(DoubleSphere),
    /// The extended unified camera model.
    Eucm(Eucm),
    /// The omnidirectional model.
    Omni(Omni),
    /// The field-of-view model, with its angle in radians.
    Fov(f64),
}

/// OpenCV's coefficients for lenses that are not fisheyes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brown {
    /// k1, k2, k3 of the radial factor: the numerator's in the rational model.
    pub radial: [f64; 3],
    /// p1, p2 of the tangential distortion.
    pub tangential: [f64; 2],
    /// k4, k5, k6: the denominator's in the rational model.
    pub rational: [f64; 3],
    /// s1, s2, s3, s4 of the thin prism.
    pub prism: [f64; 4],
    /// The sensor's tilt about x and y, in radians.
    pub tilt: [f64; 2],
}

impl Brown {
    /// The model in which all coefficients are 0.
    pub const NONE: Self = Brown {
        radial: [0.0; 3],
        tangential: [0.0; 2],
        rational: [0.0; 3],
        prism: [0.0; 4],
        tilt: [0.0; 2],
    };

    /// Creates the model from coefficients in OpenCV's order: k1 k2 p1 p2, then
    /// k3, then k4 k5 k6, then s1 s2 s3 s4, then the tilt.
    ///
    /// Returns `None` for a number of coefficients that OpenCV does not write.
    pub fn from_opencv(values: &[f64]) -> Option<Self> {
        if ![4, 5, 8, 12, 14].contains(&values.len()) {
            return None;
        }
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        Some(Brown {
            radial: [at(0), at(1), at(4)],
            tangential: [at(2), at(3)],
            rational: [at(5), at(6), at(7)],
            prism: [at(8), at(9), at(10), at(11)],
            tilt: [at(12), at(13)],
        })
    }

    /// Returns whether the distortion is radially symmetric.
    pub(super) fn is_radial(&self) -> bool {
        let sided = [&self.tangential[..], &self.prism, &self.tilt].concat();
        sided.iter().all(|coefficient| *coefficient == 0.0)
    }

    /// Returns the radial factor at a squared radius.
    fn factor(&self, r2: f64) -> f64 {
        let [k1, k2, k3] = self.radial;
        let [k4, k5, k6] = self.rational;
        (1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1.0 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    }

    pub(super) fn bend(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [p1, p2] = self.tangential;
        let [s1, s2, s3, s4] = self.prism;
        let r2 = x * x + y * y;
        let factor = self.factor(r2);
        let bent = [
            x * factor + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x) + r2 * (s1 + s2 * r2),
            y * factor + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y + r2 * (s3 + s4 * r2),
        ];
        match self.tilt {
            [0.0, 0.0] => bent,
            tilt => tilted(tilt, bent),
        }
    }
}

/// Returns the point in which a ray through `point` of the level sensor meets
/// the one tilted about x, then about y.
fn tilted([about_x, about_y]: [f64; 2], [x, y]: [f64; 2]) -> [f64; 2] {
    let ((sx, cx), (sy, cy)) = (about_x.sin_cos(), about_y.sin_cos());
    // The ray in the sensor's frame, from the rows of Ry * Rx.
    let u = cy * x + sy * sx * y - sy * cx;
    let v = cx * y + sx;
    let w = sy * x - cy * sx * y + cy * cx;
    // The sensor's axis meets the ray at distance cy * cx; the other two terms
    // are its offsets.
    [(cy * cx * u + sy * cx * w) / w, (cy * cx * v - sx * w) / w]
}

impl Distortion {
    /// Returns where a point of the plane on which this model works lands, for
    /// focal lengths of 1. See [`Distortion::plane`].
    pub fn bend(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        match self {
            Distortion::Brown(brown) => brown.bend([x, y]),
            Distortion::Omni(omni) => omni.bend([x, y]),
            Distortion::Radial(c) => {
                let factor = horner(c, x.hypot(y));
                [x * factor, y * factor]
            }
            // These models do not use a plane.
            _ => {
                let r = x.hypot(y);
                let factor = self.radius(r.atan()) / r.max(f64::MIN_POSITIVE);
                [x * factor, y * factor]
            }
        }
    }

    /// Returns whether rays are best described by their angle from the axis.
    /// Such a model is radially symmetric, and most such lenses see rays at
    /// more than 90 degrees from the axis.
    pub(super) fn is_angular(&self) -> bool {
        use Distortion::*;
        matches!(self, Fisheye(_) | DoubleSphere(_) | Eucm(_) | Fov(_))
    }

    /// Returns the distance from the axis of a ray at this angle, on the plane
    /// on which the model works.
    pub(super) fn plane(&self, angle: f64) -> f64 {
        match self {
            Distortion::Omni(omni) => omni.plane(angle),
            _ => angle.tan(),
        }
    }

    /// Returns the ray through a point of that plane.
    pub(super) fn ray(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        match self {
            Distortion::Omni(omni) => omni.ray([x, y]),
            _ => [x, y, 1.0],
        }
    }

    /// Returns whether this is a pinhole without distortion.
    pub fn is_straight(&self) -> bool {
        matches!(self, Distortion::Brown(_)) && self.coefficients().iter().all(|k| *k == 0.0)
    }

    /// Returns all coefficients.
    pub(super) fn coefficients(&self) -> Vec<f64> {
        let all = |brown: &Brown| {
            [
                &brown.radial[..],
                &brown.tangential,
                &brown.rational,
                &brown.prism,
                &brown.tilt,
            ]
            .concat()
        };
        match self {
            Distortion::Brown(brown) => all(brown),
            Distortion::Fisheye(k) => k.to_vec(),
            Distortion::Radial(c) => c.to_vec(),
            Distortion::DoubleSphere(DoubleSphere { xi, alpha }) => vec![*xi, *alpha],
            Distortion::Eucm(Eucm { alpha, beta }) => vec![*alpha, *beta],
            Distortion::Omni(omni) => [all(&omni.brown), vec![omni.xi, omni.skew]].concat(),
            Distortion::Fov(w) => vec![*w],
        }
    }

    /// Returns an error in a sentence if no lens has these coefficients.
    pub(super) fn check(&self) -> Result<(), String> {
        let within =
            |name: &str, value: f64, least: f64, most: f64| match (least..=most).contains(&value) {
                true => Ok(()),
                false => Err(format!(
                    "{name} is {value:?}, and the model takes {least} to {most}"
                )),
            };
        match self {
            Distortion::DoubleSphere(DoubleSphere { xi, alpha }) => {
                within("alpha", *alpha, 0.0, 1.0)?;
                within("xi", *xi, -1.0, 1.0)
            }
            Distortion::Eucm(Eucm { alpha, beta }) => {
                within("alpha", *alpha, 0.0, 1.0)?;
                within("beta", *beta, 1e-3, 1e3)
            }
            Distortion::Omni(Omni { xi, skew, .. }) => {
                within("xi", *xi, 0.0, 1e3)?;
                within("the skew in terms of fx", *skew, -1.0, 1.0)
            }
            Distortion::Fov(w) => within("the field of view in radians", *w, 0.0, PI - 1e-3),
            Distortion::Brown(brown) => match brown.tangential.iter().find(|p| p.abs() > 1.0) {
                Some(p) => Err(format!(
                    "a tangential coefficient of {p:?} is not from -1 to 1: are they in OpenCV's order, \
                     k1 k2 p1 p2 k3, and without decimal commas?"
                )),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Returns the radius at which a ray at this angle from the axis lands,
    /// without the terms that are not radially symmetric.
    pub fn radius(&self, angle: f64) -> f64 {
        match self {
            Distortion::Brown(brown) => {
                let r = angle.tan();
                r * brown.factor(r * r)
            }
            Distortion::Fisheye(k) => fisheye(k, angle),
            Distortion::Radial(c) => {
                let r = angle.tan();
                r * horner(c, r)
            }
            Distortion::DoubleSphere(model) => model.radius(angle),
            Distortion::Eucm(model) => model.radius(angle),
            Distortion::Omni(omni) => {
                let r = omni.plane(angle);
                r * omni.brown.factor(r * r)
            }
            Distortion::Fov(w) => fov(*w, angle),
        }
    }

    /// Returns the angle from the axis at which the model's rays end, in
    /// radians.
    pub fn widest(&self) -> f64 {
        match self {
            Distortion::Fisheye(_) => PI,
            Distortion::DoubleSphere(model) => model.widest(),
            Distortion::Eucm(model) => model.widest(),
            Distortion::Omni(omni) => omni.widest(),
            Distortion::Brown(_) | Distortion::Radial(_) | Distortion::Fov(_) => FRAC_PI_2,
        }
    }
}

/// Computes c0 + c1 r + c2 r^2 + ...
fn horner(c: &[f64], r: f64) -> f64 {
    c.iter().rev().fold(0.0, |sum, c| sum * r + c)
}

/// Returns the radius at which a fisheye's ray at this angle lands.
pub fn fisheye([k1, k2, k3, k4]: &[f64; 4], angle: f64) -> f64 {
    let a2 = angle * angle;
    angle * (1.0 + a2 * (k1 + a2 * (k2 + a2 * (k3 + a2 * k4))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_stand_in_opencv_s_order() {
        let values: Vec<f64> = (1..=14).map(f64::from).collect();
        let brown = Brown::from_opencv(&values).unwrap();
        assert_eq!(brown.radial, [1.0, 2.0, 5.0]);
        assert_eq!(brown.tangential, [3.0, 4.0]);
        assert_eq!(brown.rational, [6.0, 7.0, 8.0]);
        assert_eq!(brown.prism, [9.0, 10.0, 11.0, 12.0]);
        assert_eq!(brown.tilt, [13.0, 14.0]);
        assert_eq!(Brown::from_opencv(&values[..4]).unwrap().radial[2], 0.0);
        assert_eq!(Brown::from_opencv(&values[..6]), None);
    }

    #[test]
    fn a_tilt_of_nothing_moves_nothing() {
        assert_eq!(tilted([0.0; 2], [0.3, -0.2]), [0.3, -0.2]);
        // With a tilt about x, the axis still meets the sensor in its centre.
        let [x, y] = tilted([0.1, 0.2], [0.0, 0.0]);
        assert!(x.abs() < 1e-15 && y.abs() < 1e-15, "{x} {y}");
    }
}
