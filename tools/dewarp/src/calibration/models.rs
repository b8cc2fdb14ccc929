// SPDX-License-Identifier: GPL-2.0
//! Models with Kalibr's names and parameters, which other programs use as well.

use super::{Parsed, brown, fisheye};
use crate::lens::{Brown, Distortion, DoubleSphere, Eucm, Lens, Omni};

/// A camera's model, its intrinsics, and its distortion model.
pub struct Named<'a> {
    pub camera: &'a str,
    pub intrinsics: &'a [f64],
    pub distortion: &'a str,
    pub coefficients: &'a [f64],
    /// The key of the coefficients.
    pub key: &'a str,
}

impl Named<'_> {
    /// Creates the lens.
    ///
    /// Returns an error that names a model which is not known, or one that has
    /// another number of parameters.
    pub fn lens(&self) -> Parsed<Lens> {
        match self.camera {
            "pinhole" => pixels(self.own("fx, fy, cx, cy")?, self.bent()?),
            "omni" | "mei" => {
                let [xi, rest @ ..] = self.own::<5>("xi, fx, fy, cx, cy")?;
                let mut omni = Omni::new(xi, [0.0; 4]);
                match self.bent()? {
                    Distortion::Brown(brown) => omni.brown = brown,
                    _ => return Err(self.beside("none or radtan")),
                }
                pixels(rest, Distortion::Omni(omni))
            }
            "eucm" => {
                let [alpha, beta, rest @ ..] = self.own::<6>("alpha, beta, fx, fy, cx, cy")?;
                self.alone()?;
                pixels(rest, Distortion::Eucm(Eucm { alpha, beta }))
            }
            "ds" => {
                let [xi, alpha, rest @ ..] = self.own::<6>("xi, alpha, fx, fy, cx, cy")?;
                self.alone()?;
                pixels(rest, Distortion::DoubleSphere(DoubleSphere { xi, alpha }))
            }
            "" => Err("it has no camera_model".into()),
            other => Err(format!(
                "camera_model {other} is not supported: pinhole, omni, eucm and ds are"
            )),
        }
    }

    fn own<const N: usize>(&self, names: &str) -> Parsed<[f64; N]> {
        self.intrinsics.try_into().map_err(|_| {
            format!(
                "intrinsics has {} numbers, and the camera_model {} has {N}: {names}",
                self.intrinsics.len(),
                self.camera
            )
        })
    }

    /// Creates the distortion that the distortion model describes.
    fn bent(&self) -> Parsed<Distortion> {
        match self.distortion {
            "radtan" | "radial-tangential" | "radialtangential" | "radtan8"
            | "radialtangential8" | "plumb_bob" => brown(self.coefficients, self.key),
            "equidistant" | "equi" => fisheye(self.coefficients, self.key),
            // SVO's name of it.
            "fisheye" if self.coefficients.len() == 1 => Ok(Distortion::Fov(self.coefficients[0])),
            "fov" => match *self.coefficients {
                [w] => Ok(Distortion::Fov(w)),
                _ => Err(format!(
                    "{} has {} numbers, and the distortion_model fov has 1",
                    self.key,
                    self.coefficients.len()
                )),
            },
            "none" => match self.coefficients.iter().find(|value| **value != 0.0) {
                None => Ok(Distortion::Brown(Brown::NONE)),
                Some(value) => Err(format!(
                    "{} has {value} beside a distortion_model none",
                    self.key
                )),
            },
            "" => Err("it has no distortion_model".into()),
            other => Err(format!(
                "distortion_model {other} is not supported: radtan, equidistant, fov and none are"
            )),
        }
    }

    /// Returns an error if there is a distortion model besides the camera's own
    /// model.
    fn alone(&self) -> Parsed<()> {
        match self.bent()? {
            Distortion::Brown(Brown::NONE) => Ok(()),
            _ => Err(self.beside("none")),
        }
    }

    fn beside(&self, right: &str) -> String {
        format!(
            "camera_model {} with distortion_model {} is not supported: with {right} it is",
            self.camera, self.distortion
        )
    }
}

/// Creates the lens of fx, fy, cx and cy.
pub fn pixels([fx, fy, cx, cy]: [f64; 4], distortion: Distortion) -> Parsed<Lens> {
    let lens = Lens {
        focal: [fx, fy],
        center: [cx, cy],
        distortion,
    };
    lens.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens(camera: &str, intrinsics: &[f64], distortion: &str, k: &[f64]) -> Parsed<Lens> {
        let named = Named {
            camera,
            intrinsics,
            distortion,
            coefficients: k,
            key: "k",
        };
        named.lens()
    }

    #[test]
    fn parameters_of_the_model_stand_before_the_focal_lengths() {
        let numbers = [0.5, 0.9, 300.0, 301.0, 320.0, 240.0];
        let found = lens("ds", &numbers, "none", &[]).unwrap();
        let (xi, alpha) = (0.5, 0.9);
        let expected = Distortion::DoubleSphere(DoubleSphere { xi, alpha });
        assert_eq!(
            (found.focal, found.center),
            ([300.0, 301.0], [320.0, 240.0])
        );
        assert_eq!(found.distortion, expected);
        let (alpha, beta) = (0.5, 0.9);
        let found = lens("eucm", &numbers, "none", &[0.0; 4]).unwrap();
        assert_eq!(found.distortion, Distortion::Eucm(Eucm { alpha, beta }));
        let k = [-0.1, 0.02, 0.003, -0.004];
        let found = lens("omni", &numbers[1..], "radtan", &k).unwrap();
        assert_eq!(found.distortion, Distortion::Omni(Omni::new(0.9, k)));
        assert_eq!(found.focal, [300.0, 301.0]);
        let found = lens("pinhole", &numbers[2..], "fov", &[0.9]).unwrap();
        assert_eq!(found.distortion, Distortion::Fov(0.9));
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        let pixels = [300.0, 301.0, 320.0, 240.0];
        let error =
            |camera, distortion, k: &[f64]| lens(camera, &pixels, distortion, k).unwrap_err();
        assert!(
            error("ds", "none", &[])
                .starts_with("intrinsics has 4 numbers, and the camera_model ds has 6")
        );
        assert!(error("scaramuzza", "none", &[]).starts_with("camera_model scaramuzza is not"));
        assert!(error("pinhole", "spline", &[]).starts_with("distortion_model spline is not"));
        assert!(error("pinhole", "none", &[0.1]).starts_with("k has 0.1 beside"));
        assert!(error("pinhole", "fov", &[0.9, 0.0]).starts_with("k has 2 numbers, and"));
        let six = [0.5, 0.9, 300.0, 301.0, 320.0, 240.0];
        let error = lens("ds", &six, "radtan", &[0.1, 0.0, 0.0, 0.0]).unwrap_err();
        assert!(
            error.starts_with("camera_model ds with distortion_model radtan is not"),
            "{error}"
        );
        let error = lens("omni", &six[1..], "equidistant", &[0.1; 4]).unwrap_err();
        assert!(error.ends_with("with none or radtan it is"), "{error}");
        let error = lens("eucm", &[1.5, 1.0, 300.0, 301.0, 320.0, 240.0], "none", &[]).unwrap_err();
        assert_eq!(error, "alpha is 1.5, and the model takes 0 to 1");
    }
}
