// SPDX-License-Identifier: GPL-2.0
//! The options that describe a lens: a calibration file, or numbers.

use std::path::{Path, PathBuf};

use clap::Args;
#[cfg(feature = "tune")]
use clap::ValueEnum;

use dewarp::calibration::{Choice, Described, Model, doubts};
use dewarp::crop::Crop;
use dewarp::lens::{Brown, Distortion, DoubleSphere, Eucm, Omni};
use dewarp::{Calibration, Error, Lens, Rectification, Result, Size};

use super::options::{numbers, radial, within};

/// The options that describe a lens by its numbers. They cannot be combined with a calibration
/// file.
const NUMBERS: [&str; 11] = [
    "center",
    "focal",
    "radial",
    "tangential",
    "prism",
    "sensor_tilt",
    "fisheye",
    "double_sphere",
    "eucm",
    "omni",
    "fov",
];

#[derive(Args)]
#[command(next_help_heading = "The lens")]
pub struct LensArgs {
    /// Camera calibration: OpenCV's YAML, JSON or XML, a ROS camera_info or ost.txt, a Kalibr
    /// camchain, a Lensfun profile, NXP's JSON, libcamera's tuning file, files of EuRoC, ORB-SLAM, VINS,
    /// OKVIS, maplab, vikit, Basalt, DepthAI, Gyroflow, COLMAP, OpenSfM, mrcal and MATLAB, or fx, fy, cx, cy, k1,
    /// k2 ... Of any other file, take the numbers: --center, --focal, and --radial or --fisheye.
    #[arg(long, value_name = "FILE", conflicts_with_all = NUMBERS)]
    pub calibration: Option<PathBuf>,
    /// Which camera of the file: cam0 (Kalibr), 1 or 2 (a stereo pair of OpenCV, ORB-SLAM, COLMAP), 0 or
    /// 1 (NXP, OKVIS, Basalt), CAM_A (DepthAI), part of a lens's name (Lensfun).
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,
    /// Which model, where the file does not tell.
    #[arg(long)]
    model: Option<Model>,
    /// The part of the calibration's pictures that the stream shows, where it does not show all:
    /// its size is --source's, or scaled to it.
    #[arg(long, value_name = "WxH+X+Y")]
    pub sensor_crop: Option<Crop>,
    /// Focal length in millimetres, for a zoom lens of Lensfun.
    #[arg(long, value_name = "MM", value_parser = |text: &str| within(text, 0.1, 100_000.0),
          allow_negative_numbers = true)]
    focal_length: Option<f64>,
    /// Crop factor of the camera, for a lens of Lensfun [default: the profile's].
    #[arg(long, value_name = "F", value_parser = |text: &str| within(text, 0.1, 100.0),
          allow_negative_numbers = true)]
    crop_factor: Option<f64>,
    /// Principal point in pixels of the input.
    #[arg(long, value_name = "CX,CY", value_parser = numbers::<2>, allow_hyphen_values = true)]
    center: Option<[f64; 2]>,
    /// Focal lengths in pixels of the input.
    #[arg(long, value_name = "FX,FY", value_parser = numbers::<2>, allow_hyphen_values = true)]
    focal: Option<[f64; 2]>,
    /// Radial distortion, 2 to 6 numbers: k1 k2 k3, then k4 k5 k6 of the rational model; 0 for those
    /// that are not there.
    #[arg(long, value_name = "K1,K2[,K3...]", value_parser = radial, allow_hyphen_values = true)]
    radial: Option<[f64; 6]>,
    /// Tangential distortion [default: none].
    #[arg(long, value_name = "P1,P2", value_parser = numbers::<2>, allow_hyphen_values = true)]
    tangential: Option<[f64; 2]>,
    /// Distortion of a thin prism [default: none].
    #[arg(long, value_name = "S1,S2,S3,S4", value_parser = numbers::<4>, allow_hyphen_values = true,
          requires = "radial", conflicts_with = "omni")]
    prism: Option<[f64; 4]>,
    /// Tilt of the sensor, in radians, as OpenCV has it [default: none].
    #[arg(long, value_name = "TX,TY", value_parser = numbers::<2>, allow_hyphen_values = true,
          requires = "radial", conflicts_with = "omni")]
    sensor_tilt: Option<[f64; 2]>,
    /// Distortion of a fisheye.
    #[arg(long, value_name = "K1,K2,K3,K4", value_parser = numbers::<4>, allow_hyphen_values = true,
          conflicts_with_all = ["radial", "tangential"])]
    fisheye: Option<[f64; 4]>,
    /// Parameters of the double sphere model.
    #[arg(long, value_name = "XI,ALPHA", value_parser = numbers::<2>, allow_hyphen_values = true,
          conflicts_with_all = ["radial", "tangential", "fisheye"])]
    double_sphere: Option<[f64; 2]>,
    /// Parameters of the extended unified camera model.
    #[arg(long, value_name = "ALPHA,BETA", value_parser = numbers::<2>, allow_hyphen_values = true,
          conflicts_with_all = ["radial", "tangential", "fisheye", "double_sphere"])]
    eucm: Option<[f64; 2]>,
    /// Mirror parameter of the omnidirectional model (Mei), beside --radial K1,K2 and --tangential.
    #[arg(long, value_name = "XI", allow_negative_numbers = true,
          conflicts_with_all = ["fisheye", "double_sphere", "eucm"])]
    omni: Option<f64>,
    /// Parameter of the field-of-view model.
    #[arg(long, value_name = "W", allow_negative_numbers = true,
          conflicts_with_all = ["radial", "tangential", "fisheye", "double_sphere", "eucm", "omni"])]
    fov: Option<f64>,
}

/// What is known of a camera, and its rectification.
pub type Known = (Described, Option<Rectification>);

impl LensArgs {
    /// Returns whether the options describe a lens.
    pub fn is_given(&self) -> bool {
        self.calibration.is_some() || self.center.is_some() || self.focal.is_some()
    }

    /// Returns whether any option of the lens is given.
    #[cfg(feature = "tune")]
    pub fn has_any(&self) -> bool {
        self.is_given()
            || self.camera.is_some()
            || self.model.is_some()
            || self.sensor_crop.is_some()
            || self.focal_length.is_some()
            || self.crop_factor.is_some()
            || self.radial.is_some()
            || self.tangential.is_some()
            || self.fisheye.is_some()
            || self.double_sphere.is_some()
            || self.eucm.is_some()
            || self.omni.is_some()
            || self.fov.is_some()
    }

    /// Returns the options that belong to a calibration file, as arguments; an empty list without a
    /// file.
    #[cfg(feature = "tune")]
    pub fn of_file(&self) -> Vec<String> {
        if self.calibration.is_none() {
            return Vec::new();
        }
        let text =
            |name: &str, value: Option<String>| value.map(|value| format!("--{name}={value}"));
        let path = self.calibration.as_deref();
        let model = self.model.and_then(|model| model.to_possible_value());
        let words = [
            text("calibration", path.map(|path| path.display().to_string())),
            text("camera", self.camera.clone()),
            text("model", model.map(|model| model.get_name().to_owned())),
            text("sensor-crop", self.sensor_crop.map(|crop| crop.to_string())),
            text("focal-length", self.focal_length.map(|mm| mm.to_string())),
            text(
                "crop-factor",
                self.crop_factor.map(|factor| factor.to_string()),
            ),
        ];
        words.into_iter().flatten().collect()
    }

    /// Reads the camera that the options describe, and the rectification.
    pub fn read(&self, source: Option<Size>, rectify: Option<&Path>) -> Result<Known> {
        let choice = Choice {
            camera: self.camera.as_deref(),
            model: self.model,
            size: source,
            focal_length: self.focal_length,
            crop_factor: self.crop_factor,
        };
        if let Some(path) = &self.calibration {
            return Described::load(path, rectify, &choice);
        }
        let rectification = rectify.map(|path| Rectification::load(path, &choice));
        let lens = self.by_hand(rectify.is_some())?;
        let mut described = Described::from(Calibration { lens, size: None });
        described.doubts = doubts(&lens, None);
        Ok((described, rectification.transpose()?))
    }

    /// Creates the lens from the numbers in the options.
    fn by_hand(&self, rectified: bool) -> Result<Lens> {
        let (Some(center), Some(focal)) = (self.center, self.focal) else {
            return Err(Error::bad_use(
                "a lens takes --calibration, or --center, --focal and --radial or --fisheye",
            ));
        };
        for (given, option) in [
            (self.camera.is_some() && !rectified, "--camera"),
            (self.model.is_some(), "--model"),
            (self.focal_length.is_some(), "--focal-length"),
            (self.crop_factor.is_some(), "--crop-factor"),
        ] {
            if given {
                return Err(Error::bad_use(format!(
                    "{option} is for a file of --calibration, and this lens has none"
                )));
            }
        }
        let lens = Lens {
            focal,
            center,
            distortion: self.distortion()?,
        };
        lens.check().map_err(Error::bad_use)
    }

    fn distortion(&self) -> Result<Distortion> {
        let [k1, k2, k3, k4, k5, k6] = self.radial.unwrap_or_default();
        let tangential = self.tangential.unwrap_or_default();
        if let Some(xi) = self.omni {
            if [k3, k4, k5, k6] != [0.0; 4] {
                return Err(Error::bad_use(
                    "--omni takes two numbers of --radial, k1 and k2",
                ));
            }
            let [p1, p2] = tangential;
            return Ok(Distortion::Omni(Omni::new(xi, [k1, k2, p1, p2])));
        }
        let models = [
            self.fisheye.map(Distortion::Fisheye),
            self.double_sphere
                .map(|[xi, alpha]| Distortion::DoubleSphere(DoubleSphere { xi, alpha })),
            self.eucm
                .map(|[alpha, beta]| Distortion::Eucm(Eucm { alpha, beta })),
            self.fov.map(Distortion::Fov),
            self.radial.map(|_| {
                Distortion::Brown(Brown {
                    radial: [k1, k2, k3],
                    tangential,
                    rational: [k4, k5, k6],
                    prism: self.prism.unwrap_or_default(),
                    tilt: self.sensor_tilt.unwrap_or_default(),
                })
            }),
        ];
        models.into_iter().flatten().next().ok_or(Error::bad_use(
            "a lens takes --radial or --fisheye beside --center and --focal (0,0 for a lens that bends \
             nothing), or --double-sphere, --eucm, --omni or --fov",
        ))
    }
}

/// Returns the options that describe this lens by its numbers, or `None` if no options can.
#[cfg(feature = "tune")]
pub fn numbers_of(lens: &Lens) -> Option<Vec<(&'static str, Vec<f64>)>> {
    let mut all = vec![
        ("focal", lens.focal.to_vec()),
        ("center", lens.center.to_vec()),
    ];
    match lens.distortion {
        Distortion::Brown(brown) => {
            all.push(("radial", [brown.radial, brown.rational].concat()));
            all.push(("tangential", brown.tangential.to_vec()));
            if brown.prism != [0.0; 4] {
                all.push(("prism", brown.prism.to_vec()));
            }
            if brown.tilt != [0.0; 2] {
                all.push(("sensor-tilt", brown.tilt.to_vec()));
            }
        }
        Distortion::Fisheye(values) => all.push(("fisheye", values.to_vec())),
        Distortion::DoubleSphere(DoubleSphere { xi, alpha }) => {
            all.push(("double-sphere", vec![xi, alpha]));
        }
        Distortion::Eucm(Eucm { alpha, beta }) => all.push(("eucm", vec![alpha, beta])),
        Distortion::Omni(omni) => {
            let ([k1, k2, _], [p1, p2]) = (omni.brown.radial, omni.brown.tangential);
            if omni != Omni::new(omni.xi, [k1, k2, p1, p2]) {
                return None;
            }
            all.push(("omni", vec![omni.xi]));
            all.push(("radial", vec![k1, k2]));
            all.push(("tangential", vec![p1, p2]));
        }
        Distortion::Fov(w) => all.push(("fov", vec![w])),
        Distortion::Radial(_) => return None,
    }
    Some(all)
}
