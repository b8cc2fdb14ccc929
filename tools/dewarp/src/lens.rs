// SPDX-License-Identifier: GPL-2.0
//! A camera with a lens: computes the pixel in which a ray of light lands, and
//! the inverse. Rays are in the camera's own frame: x to the right, y down, z
//! ahead. Pixel centres have whole coordinates. The models are in
//! [`distortion`].

pub mod distortion;
mod fold;
mod fov;
mod omni;
mod sphere;

pub use distortion::{Brown, Distortion};
pub use omni::Omni;
pub use sphere::{DoubleSphere, Eucm};

use std::ops::RangeInclusive;

/// Halvings of an interval of angles that reach the precision of `f64`.
const HALVINGS: u32 = 60;

/// Halvings that give a starting point for Newton's method.
const NEAR: u32 = 12;

/// Newton steps before a point counts as outside the lens's picture.
const PATIENCE: u32 = 100;

/// The range of focal lengths, in pixels. It holds for any camera whose
/// pictures have some hundred to some thousand pixels on a side.
const FOCAL: RangeInclusive<f64> = 10.0..=1e7;

/// The largest distance of a principal point from the picture's origin, in
/// pixels.
const OFFSET: f64 = 1e6;

/// The largest distortion coefficient. Long lenses have large ones.
const COEFFICIENT: f64 = 1e9;

/// A camera with a lens that distorts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// Focal lengths fx, fy in pixels.
    pub focal: [f64; 2],
    /// Principal point cx, cy in pixels.
    pub center: [f64; 2],
    /// The distortion of the lens.
    pub distortion: Distortion,
}

impl Lens {
    /// Creates a lens without distortion.
    pub const fn straight(focal: [f64; 2], center: [f64; 2]) -> Self {
        Lens {
            focal,
            center,
            distortion: Distortion::Brown(Brown::NONE),
        }
    }

    /// Returns the options of `dewarp map lens` that describe this lens by its numbers, but for a skew; `None` for
    /// Lensfun's models.
    pub fn options(&self) -> Option<String> {
        let list = |name: &str, values: &[f64]| {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            format!(" --{name} {}", values.join(","))
        };
        // What is not there is left out.
        let some = |name: &str, values: &[f64]| match values.iter().all(|value| *value == 0.0) {
            true => String::new(),
            false => list(name, values),
        };
        let brown = |brown: &Brown| {
            let radial = [brown.radial, brown.rational].concat();
            let used = if brown.rational == [0.0; 3] { 3 } else { 6 };
            [
                list("radial", &radial[..used]),
                some("tangential", &brown.tangential),
                some("prism", &brown.prism),
                some("sensor-tilt", &brown.tilt),
            ]
            .concat()
        };
        let distortion = match &self.distortion {
            Distortion::Brown(it) => brown(it),
            Distortion::Fisheye(k) => list("fisheye", k),
            Distortion::Radial(_) => return None,
            Distortion::DoubleSphere(it) => list("double-sphere", &[it.xi, it.alpha]),
            Distortion::Eucm(it) => list("eucm", &[it.alpha, it.beta]),
            Distortion::Omni(it) => {
                let radial = list("radial", &it.brown.radial[..2]);
                list("omni", &[it.xi]) + &radial + &some("tangential", &it.brown.tangential)
            }
            Distortion::Fov(w) => list("fov", &[*w]),
        };
        let [center, focal] = [list("center", &self.center), list("focal", &self.focal)];
        Some(format!("{}{focal}{distortion}", center.trim_start()))
    }

    /// Returns this lens if its numbers are possible.
    ///
    /// Returns what is wrong with them otherwise, in a sentence.
    pub fn check(self) -> std::result::Result<Self, String> {
        // NaN is in no range.
        let wrong = |values: &[f64], range: &RangeInclusive<f64>| {
            values.iter().copied().find(|value| !range.contains(value))
        };
        if let Some(value) = wrong(&self.focal, &FOCAL) {
            return Err(format!(
                "a focal length of {value:?} is not from 10 to 1e7: it must be in pixels"
            ));
        }
        if let Some(value) = wrong(&self.center, &(-OFFSET..=OFFSET)) {
            return Err(format!(
                "a principal point at {value:?} is not from -1e6 to 1e6: it must be in pixels"
            ));
        }
        self.distortion.check()?;
        let coefficients = self.distortion.coefficients();
        match wrong(&coefficients, &(-COEFFICIENT..=COEFFICIENT)) {
            Some(value) => Err(format!(
                "a coefficient of distortion of {value:?} is not from -1e9 to 1e9"
            )),
            None => Ok(self),
        }
    }

    /// Returns the same lens with a sensor whose pictures have these many times
    /// the columns and lines.
    pub fn scaled(self, times: [f64; 2]) -> Self {
        let [focal, center] = scaled(self.focal, self.center, times);
        Lens {
            focal,
            center,
            ..self
        }
    }

    /// Returns the pixel in which a ray lands by the model's formula.
    ///
    /// Returns `None` for a ray from behind what the model describes. Beyond
    /// [`Lens::reach`] the formula does not describe a lens.
    pub fn project(&self, [x, y, z]: [f64; 3]) -> Option<[f64; 2]> {
        let across = x.hypot(y);
        let angle = across.atan2(z);
        // Rays from behind the plane on which the model works are not seen.
        if angle >= self.distortion.widest() {
            return None;
        }
        let [x, y] = match self.distortion.is_angular() {
            true => {
                // On the axis `across` is 0.
                let along = self.distortion.radius(angle) / across.max(f64::MIN_POSITIVE);
                [x * along, y * along]
            }
            false => {
                let along = self.distortion.plane(angle) / across.max(f64::MIN_POSITIVE);
                self.distortion.bend([x * along, y * along])
            }
        };
        Some([
            x * self.focal[0] + self.center[0],
            y * self.focal[1] + self.center[1],
        ])
    }

    /// Returns the point of the distorted picture that shows a point of the
    /// undistorted one, which is given in pixels of a camera with the same
    /// matrix.
    pub fn distort(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        self.project([
            (point[0] - self.center[0]) / self.focal[0],
            (point[1] - self.center[1]) / self.focal[1],
            1.0,
        ])
    }

    /// Creates the inverse, from pixels to rays.
    pub fn inverse(self) -> Inverse {
        Inverse {
            reach: self.reach(),
            rim: self.rim(),
            lens: self,
        }
    }
}

/// The inverse of a lens, with its reach, which takes long to compute.
#[derive(Debug, Clone, PartialEq)]
pub struct Inverse {
    /// The lens.
    pub lens: Lens,
    /// The result of [`Lens::reach`].
    reach: f64,
    /// The reach in each direction. It is empty if the reach is the same in all
    /// directions.
    rim: Vec<f64>,
}

impl Inverse {
    /// Returns the largest angle from the axis at which the lens sees rays in
    /// the direction of (x, y), in radians: that of the fold of its formula,
    /// with all terms.
    pub fn reach_toward(&self, x: f64, y: f64) -> f64 {
        match &self.rim[..] {
            [] => self.reach,
            rim => fold::toward(rim, x, y),
        }
    }

    /// Returns the pixel in which a ray lands, or `None` if the lens does not
    /// see the ray.
    pub fn project(&self, [x, y, z]: [f64; 3]) -> Option<[f64; 2]> {
        if x.hypot(y).atan2(z) > self.reach_toward(x, y) {
            return None;
        }
        let point = self.lens.project([x, y, z])?;
        point.iter().all(|part| part.is_finite()).then_some(point)
    }

    /// Returns the ray that lands in a pixel: the inverse of [`Lens::project`].
    ///
    /// Returns `None` for a pixel in which no ray within [`Lens::reach`] lands.
    pub fn unproject(&self, point: [f64; 2]) -> Option<[f64; 3]> {
        let Lens { focal, center, .. } = self.lens;
        let target = [0, 1].map(|axis| (point[axis] - center[axis]) / focal[axis]);
        let across = target[0].hypot(target[1]);
        let distortion = &self.lens.distortion;
        if distortion.is_angular() {
            let (sin, cos) = self.angle(across, HALVINGS)?.sin_cos();
            let along = sin / across.max(f64::MIN_POSITIVE);
            return Some([target[0] * along, target[1] * along, cos]);
        }
        // Terms that are not radially symmetric may reach further near the rim.
        let angle = self.angle(across, NEAR).unwrap_or(self.reach);
        let along = distortion.plane(angle) / across.max(f64::MIN_POSITIVE);
        let near = target.map(|part| part * along);
        self.straighten(target, near)
            .map(|point| distortion.ray(point))
    }

    /// Returns the angle within the reach at which [`Distortion::radius`] has
    /// this value. Within the reach that function increases.
    fn angle(&self, radius: f64, halvings: u32) -> Option<f64> {
        let at = |angle| self.lens.distortion.radius(angle);
        if radius.is_nan() || radius > at(self.reach) {
            return None;
        }
        let (mut below, mut above) = (0.0, self.reach);
        for _ in 0..halvings {
            let between = (below + above) / 2.0;
            match at(between) < radius {
                true => below = between,
                false => above = between,
            }
        }
        Some((below + above) / 2.0)
    }

    /// Returns the point of the undistorted picture: the inverse of
    /// [`Lens::distort`].
    ///
    /// Returns `None` if there is no such point.
    pub fn undistort(&self, point: [f64; 2]) -> Option<[f64; 2]> {
        let [x, y, z] = self.unproject(point)?;
        (z > 0.0).then(|| {
            [
                x / z * self.lens.focal[0] + self.lens.center[0],
                y / z * self.lens.focal[1] + self.lens.center[1],
            ]
        })
    }

    /// Computes the inverse of [`Distortion::bend`] within the reach, by
    /// Newton's method from a point nearby.
    fn straighten(&self, target: [f64; 2], near: [f64; 2]) -> Option<[f64; 2]> {
        let bend = |x, y| self.lens.distortion.bend([x, y]);
        let [mut x, mut y] = near;
        for _ in 0..PATIENCE {
            let radius = self.lens.distortion.plane(self.reach_toward(x, y));
            // Without this limit it would find a ray beyond the fold, which the
            // lens does not see.
            let back = radius / x.hypot(y).max(radius);
            (x, y) = (x * back, y * back);
            let [bx, by] = bend(x, y);
            let (ex, ey) = (bx - target[0], by - target[1]);
            if ex * ex + ey * ey < 1e-24 {
                return Some([x, y]);
            }
            let [[a, b], [c, d]] = fold::slope(&self.lens.distortion, [x, y]);
            let determinant = a * d - b * c;
            // At the fold the model maps two rays to one point.
            if determinant.is_nan() || determinant <= 0.0 {
                return None;
            }
            x -= (d * ex - b * ey) / determinant;
            y -= (a * ey - c * ex) / determinant;
        }
        None
    }
}

/// Returns focal lengths and principal point of a picture scaled by `times`.
/// The picture's edge, half a pixel before the first pixel's centre, stays in
/// its place.
pub(crate) fn scaled(focal: [f64; 2], center: [f64; 2], times: [f64; 2]) -> [[f64; 2]; 2] {
    let focal = [0, 1].map(|axis| focal[axis] * times[axis]);
    [
        focal,
        [0, 1].map(|axis| (center[axis] + 0.5) * times[axis] - 0.5),
    ]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lens(distortion: Distortion) -> Lens {
        Lens {
            focal: [500.0, 510.0],
            center: [321.0, 238.0],
            distortion,
        }
    }

    /// Rays ahead, far to the side, behind, and near the axis.
    pub const RAYS: [[f64; 3]; 4] = [
        [0.3, -0.2, 1.0],
        [1.5, 0.8, 0.6],
        [-0.9, 1.1, -0.2],
        [0.05, 0.02, 1.0],
    ];

    /// Asserts that the rays land on these points, and that the points have
    /// these rays.
    pub fn lands(distortion: Distortion, rays: &[[f64; 3]], points: &[[f64; 2]]) {
        let lens = Lens {
            focal: [300.0, 302.0],
            center: [321.0, 238.0],
            distortion,
        };
        let inverse = lens.inverse();
        assert_eq!(rays.len(), points.len());
        for (ray, point) in rays.iter().zip(points) {
            let [x, y] = lens.project(*ray).unwrap();
            let off = (x - point[0]).hypot(y - point[1]);
            assert!(off < 2e-6, "{ray:?}: {x} {y}, not {point:?}");
            let back = inverse.unproject(*point).unwrap();
            let length = |[x, y, z]: [f64; 3]| x.hypot(y).hypot(z);
            for axis in 0..3 {
                let off = back[axis] / length(back) - ray[axis] / length(*ray);
                assert!(off.abs() < 1e-6, "{point:?}: {back:?}, not {ray:?}");
            }
        }
    }

    /// Returns one of each model, with every coefficient in use.
    fn models() -> [Distortion; 9] {
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
            Distortion::DoubleSphere(DoubleSphere {
                xi: -0.24,
                alpha: 0.57,
            }),
            Distortion::Eucm(Eucm {
                alpha: 0.61,
                beta: 1.12,
            }),
            Distortion::Omni(Omni {
                skew: 0.004,
                ..Omni::new(0.8, [-0.04, 0.01, 0.001, -0.002])
            }),
            Distortion::Fov(0.93),
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
        // The picture ends at a radius of 0.703.
        let lens = lens(Distortion::Brown(brown));
        assert!(
            lens.inverse()
                .unproject([321.0 + 500.0 * 0.69, 238.0])
                .is_some()
        );
        assert_eq!(
            lens.inverse().unproject([321.0 + 500.0 * 0.71, 238.0]),
            None
        );
        // The fisheye's fold is at an angle of 1.8257, a radius of 1.2172.
        let lens = self::lens(Distortion::Fisheye([-0.1, 0.0, 0.0, 0.0]));
        let [x, _, z] = lens
            .inverse()
            .unproject([321.0 + 500.0 * 1.2, 238.0])
            .unwrap();
        assert!(x.atan2(z) < 1.8257);
        assert_eq!(
            lens.inverse().unproject([321.0 + 500.0 * 1.25, 238.0]),
            None
        );
    }

    /// Returns the lens of the sample `rational.json`, whose fold is at a
    /// tangent of 1.48.
    pub(crate) fn rational() -> Lens {
        Lens {
            focal: [420.0, 421.0],
            center: [324.5, 236.25],
            distortion: Distortion::Brown(Brown {
                radial: [0.31, -0.042, 0.0021],
                tangential: [0.0012, -0.0009],
                rational: [0.62, 0.07, -0.003],
                ..Brown::NONE
            }),
        }
    }

    #[test]
    fn a_ray_is_found_within_the_reach_or_not_at_all() {
        let lens = rational();
        let inverse = lens.inverse();
        let mut found = 0;
        for (column, row) in (0..=64).flat_map(|column| (0..=48).map(move |row| (column, row))) {
            let pixel = [f64::from(column) * 10.0, f64::from(row) * 10.0];
            let radius = ((pixel[0] - 324.5) / 420.0).hypot((pixel[1] - 236.25) / 421.0);
            let Some(ray) = inverse.unproject(pixel) else {
                // The radius of the fold, less what the tangential terms may
                // add.
                assert!(radius > 0.834 - 0.01, "{pixel:?}");
                continue;
            };
            found += 1;
            assert!(radius < 0.834 + 0.01, "{pixel:?}");
            let reach = inverse.reach_toward(ray[0], ray[1]);
            assert!(
                ray[0].hypot(ray[1]).atan2(ray[2]) <= reach + 1e-12,
                "{pixel:?}"
            );
            let [x, y] = lens.project(ray).unwrap();
            assert!(
                (x - pixel[0]).hypot(y - pixel[1]) < 1e-6,
                "{pixel:?}: {x} {y}"
            );
        }
        assert!(found > 2500, "{found}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn unproject_is_the_inverse_of_project(x in 0.0..640.0, y in 0.0..480.0, model in 0usize..9) {
            let lens = lens(models()[model]);
            let ray = lens.inverse().unproject([x, y]).unwrap();
            let back = lens.project(ray).unwrap();
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6, "{back:?}");
        }

        #[test]
        fn undistort_is_the_inverse_of_distort(x in 60.0..580.0, y in 40.0..440.0, model in 0usize..9) {
            let lens = lens(models()[model]);
            let back = lens.inverse().undistort(lens.distort([x, y]).unwrap()).unwrap();
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6, "{back:?}");
        }
    }
}
