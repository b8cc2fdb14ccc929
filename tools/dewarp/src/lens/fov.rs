// SPDX-License-Identifier: GPL-2.0
//! The field-of-view model of Devernay and Faugeras (2001), as Kalibr's `fov` and
//! COLMAP's FOV fit it.

/// Returns the radius at which a ray at this angle from the axis lands, for a
/// focal length of 1. `w` is the whole angle that the ideal lens sees, in
/// radians.
pub fn fov(w: f64, angle: f64) -> f64 {
    // For w near 0 the model approaches a lens without distortion.
    if w.abs() < 1e-6 {
        return angle.tan();
    }
    (2.0 * angle.tan() * (w / 2.0).tan()).atan() / w
}

#[cfg(test)]
mod tests {
    use crate::lens::Distortion;
    use crate::lens::tests::{RAYS, lands};

    #[test]
    fn rays_land_where_the_formula_of_the_paper_puts_them() {
        // Computed with numpy from the paper's formula, which has radii instead
        // of angles.
        let points = [[414.169779, 175.472726], [671.824199, 426.353614]];
        lands(Distortion::Fov(0.93), &RAYS[..2], &points);
        lands(
            Distortion::Fov(0.93),
            &RAYS[3..],
            &[[337.167878, 244.510266]],
        );
    }

    #[test]
    fn an_angle_of_nothing_bends_nothing() {
        // The ray is off the optical axis by 0.3 and -0.2 of the distance.
        let straight = [[321.0 + 90.0, 238.0 - 60.4]];
        lands(Distortion::Fov(0.0), &RAYS[..1], &straight);
    }
}
