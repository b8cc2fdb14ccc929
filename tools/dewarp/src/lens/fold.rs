// SPDX-License-Identifier: GPL-2.0
//! The fold of a lens's model, where its rays end: beyond it the formula shows a second, mirrored
//! picture. The fold is the first point on a ray's way from the axis at which the Jacobian of the
//! formula is not positive.

use std::f64::consts::TAU;

use super::{Brown, Distortion, Lens};

/// Steps of the angle from the axis in which the fold is searched, if the model is radially
/// symmetric.
const STEPS: u32 = 4000;

/// Steps for each direction around the axis, if the model is not radially symmetric.
const COARSE: u32 = 250;

/// The number of directions around the axis.
const AROUND: usize = 360;

/// Halvings of the step in which the fold is.
const HALVINGS: u32 = 30;

impl Lens {
    /// Returns the largest angle from the axis, in radians, up to which rays further out land
    /// further out, without the terms that are not radially symmetric. Beyond this fold a
    /// polynomial decreases, and rays that the lens does not see would land in the picture a second
    /// time.
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

    /// Returns the reach with all terms, for directions around the axis in equal steps from x to y.
    /// It is empty if all directions are alike.
    pub(super) fn rim(&self) -> Vec<f64> {
        let brown = match &self.distortion {
            Distortion::Brown(brown) => brown,
            Distortion::Omni(omni) => &omni.brown,
            _ => &Brown::NONE,
        };
        match brown.is_radial() {
            true => Vec::new(),
            false => (0..AROUND)
                .map(|index| self.fold(TAU * index as f64 / AROUND as f64))
                .collect(),
        }
    }

    /// Returns the fold's angle from the axis in one direction around it, in radians.
    fn fold(&self, around: f64) -> f64 {
        let limit = self.distortion.widest();
        let (sin, cos) = around.sin_cos();
        let upright = |angle: f64| {
            let r = self.distortion.plane(angle);
            jacobian(&self.distortion, [r * cos, r * sin]) > 0.0
        };
        let angle = |step: u32| limit * f64::from(step) / f64::from(COARSE);
        let Some(step) = (1..COARSE).find(|step| !upright(angle(*step))) else {
            return angle(COARSE - 1);
        };
        let (mut below, mut above) = (angle(step - 1), angle(step));
        for _ in 0..HALVINGS {
            let between = (below + above) / 2.0;
            match upright(between) {
                true => below = between,
                false => above = between,
            }
        }
        below
    }
}

/// Interpolates the angle of the fold in the direction of (x, y) between those of a rim.
pub(super) fn toward(rim: &[f64], x: f64, y: f64) -> f64 {
    let place = y.atan2(x).rem_euclid(TAU) / TAU * rim.len() as f64;
    // CAST: it is from 0 to the rim's length.
    let index = place as usize % rim.len();
    let part = place.fract();
    rim[index] * (1.0 - part) + rim[(index + 1) % rim.len()] * part
}

/// Returns the factor by which the formula enlarges an area around a point of the plane at distance
/// 1: negative where it mirrors, NaN where it has no value.
pub(super) fn jacobian(distortion: &Distortion, point: [f64; 2]) -> f64 {
    let [[a, b], [c, d]] = slope(distortion, point);
    a * d - b * c
}

/// Computes the slope of the formula by differences, which works for any model. Rows x and y,
/// columns by x and by y.
pub(super) fn slope(distortion: &Distortion, [x, y]: [f64; 2]) -> [[f64; 2]; 2] {
    let step = 1e-6 * (1.0 + x.abs().max(y.abs()));
    let along = |dx: f64, dy: f64| {
        let ahead = distortion.bend([x + dx, y + dy]);
        let behind = distortion.bend([x - dx, y - dy]);
        [0, 1].map(|axis| (ahead[axis] - behind[axis]) / (2.0 * step))
    };
    let ([a, c], [b, d]) = (along(step, 0.0), along(0.0, step));
    [[a, b], [c, d]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tangential_terms_move_the_fold() {
        // On the y axis y' = y (1 + k1 y^2) + 3 p1 y^2 and x' = x (1 + k1 y^2 + 2 p1 y).
        // With k1 = 0 and p1 = 0.1, the first turns back at y = -1/0.6, the second at -1/0.2. Upwards,
        // neither does.
        let brown = Brown {
            tangential: [0.1, 0.0],
            ..Brown::NONE
        };
        let inverse = Lens {
            distortion: Distortion::Brown(brown),
            ..Lens::straight([300.0; 2], [320.0, 240.0])
        }
        .inverse();
        let tangent = |y: f64| inverse.reach_toward(0.0, y).tan();
        assert!(
            (tangent(-1.0) - 1.0 / 0.6).abs() < 1e-6,
            "{}",
            tangent(-1.0)
        );
        assert!(tangent(1.0) > 100.0, "{}", tangent(1.0));
    }

    #[test]
    fn where_all_directions_are_alike_there_is_one_fold() {
        let lens = Lens {
            distortion: Distortion::Fisheye([-0.1, 0.0, 0.0, 0.0]),
            ..Lens::straight([300.0; 2], [320.0, 240.0])
        };
        assert!(lens.rim().is_empty());
        assert_eq!(lens.inverse().reach_toward(1.0, 1.0), lens.reach());
    }
}
