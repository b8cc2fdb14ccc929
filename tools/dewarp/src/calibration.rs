// SPDX-License-Identifier: GPL-2.0
//! Camera calibrations from the programs that make them, one file a format. The
//! format is told from the content, never from the file's name.

mod kalibr;
mod lensfun;
mod opencv;
mod ros;
mod tree;

use std::path::Path;

use crate::error::{Error, Result};
use crate::format::Size;
use crate::lens::{Brown, Distortion, Lens};
use tree::Tree;

/// A lens and the size of picture its pixels refer to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The camera matrix and distortion coefficients.
    pub lens: Lens,
    /// The picture's size, when the file has it.
    pub size: Option<Size>,
}

/// What makes a camera one of a stereo pair: `stereoRectify`'s R and P.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectification {
    /// R: from a ray in the camera's frame to one in the pair's.
    pub rotation: [[f64; 3]; 3],
    /// Focal lengths of P.
    pub focal: [f64; 2],
    /// Principal point of P.
    pub center: [f64; 2],
}

/// What a file of several cameras or of no clear model leaves to the user.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Choice<'a> {
    /// Which camera of the file, by the name it has there.
    pub camera: Option<&'a str>,
    /// Which model, where the coefficients alone do not tell.
    pub model: Option<Model>,
    /// Size of the pictures, where the file is of a lens for any camera.
    pub size: Option<Size>,
    /// Focal length in millimetres, where the file is of a zoom lens.
    pub focal_length: Option<f64>,
    /// Crop factor of the camera, where it is not the calibration's.
    pub crop_factor: Option<f64>,
}

/// The two models between which four coefficients do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Model {
    /// Radial and tangential distortion: OpenCV's `calibrateCamera`.
    Pinhole,
    /// Kannala and Brandt's: OpenCV's `fisheye::calibrate`.
    Fisheye,
}

/// What is wrong with a file, without its name.
type Parsed<T> = std::result::Result<T, String>;

/// A file, read far enough to know whose it is.
enum Content {
    OpenCv(Tree),
    Ros(Tree),
    Kalibr(Tree),
    Lensfun(String),
}

impl Content {
    fn of(text: String) -> Parsed<Self> {
        if lensfun::is_one(&text) {
            return Ok(Content::Lensfun(text));
        }
        let tree = Tree::parse(&text)?;
        Ok(if kalibr::is_one(&tree) {
            Content::Kalibr(tree)
        } else if ros::is_one(&tree) {
            Content::Ros(tree)
        } else {
            Content::OpenCv(tree)
        })
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::file("cannot read", path, error))?;
        Self::of(text).map_err(|cause| Error::bad_use(format!("{}: {cause}", path.display())))
    }

    fn whose(&self) -> &'static str {
        match self {
            Content::OpenCv(_) => "an OpenCV calibration",
            Content::Ros(_) => "a ROS camera_info",
            Content::Kalibr(_) => "a Kalibr camchain",
            Content::Lensfun(_) => "a Lensfun profile",
        }
    }

    /// An error in this content of `path`.
    fn wrong(&self, path: &Path, cause: String) -> Error {
        Error::bad_use(format!("{}, {}: {cause}", path.display(), self.whose()))
    }

    fn calibration(&self, choice: &Choice) -> Parsed<Calibration> {
        match self {
            Content::OpenCv(tree) => opencv::calibration(tree, choice),
            Content::Ros(tree) => ros::calibration(tree),
            Content::Kalibr(tree) => kalibr::calibration(tree, choice),
            Content::Lensfun(text) => lensfun::calibration(text, choice),
        }
    }

    fn rectification(&self, choice: &Choice) -> Parsed<Rectification> {
        match self {
            Content::OpenCv(tree) => opencv::rectification(tree, choice),
            Content::Ros(tree) => ros::rectification(tree),
            Content::Kalibr(_) | Content::Lensfun(_) => {
                Err("it has no rectification; OpenCV's stereoRectify and ROS write one".into())
            }
        }
    }
}

impl Calibration {
    /// Reads the calibration of the only camera in a file.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_chosen(path, &Choice::default())
    }

    /// Reads the chosen calibration from a file.
    ///
    /// A bad-use error that names the file and the key if something is missing
    /// from it, or stands for what is not supported.
    pub fn load_chosen(path: &Path, choice: &Choice) -> Result<Self> {
        let content = Content::read(path)?;
        content
            .calibration(choice)
            .map_err(|cause| content.wrong(path, cause))
    }

    /// Reads the text of a calibration file.
    pub fn parse(text: &str, choice: &Choice) -> Parsed<Self> {
        Content::of(text.to_owned())?.calibration(choice)
    }
}

impl Rectification {
    /// Reads the rectification of a camera from a file.
    pub fn load(path: &Path, choice: &Choice) -> Result<Self> {
        let content = Content::read(path)?;
        content
            .rectification(choice)
            .map_err(|cause| content.wrong(path, cause))
    }

    /// From R (3x3) and P (3x4).
    fn of(rotation: &[f64], projection: &[f64]) -> Parsed<Self> {
        let (&[a, b, c, d, e, f, g, h, i], &[fx, skew, cx, _, _, fy, cy, ..]) =
            (rotation, projection)
        else {
            return Err("R is not 3x3, or P not 3x4".into());
        };
        if !(fx > 0.0 && fy > 0.0 && skew == 0.0) {
            return Err(format!(
                "P has focal lengths {fx} and {fy} and skew {skew}: they must be positive, and it 0"
            ));
        }
        let rotation = [[a, b, c], [d, e, f], [g, h, i]];
        // Its rows are at right angles and of length 1, or it is no rotation.
        let product = |m: [f64; 3], n: [f64; 3]| m[0] * n[0] + m[1] * n[1] + m[2] * n[2];
        let off =
            |m: usize, n: usize| product(rotation[m], rotation[n]) - f64::from(u8::from(m == n));
        let worst = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
            .map(|(m, n)| off(m, n).abs())
            .into_iter()
            .fold(0.0, f64::max);
        if worst.is_nan() || worst > 1e-3 {
            return Err("R is not a rotation".into());
        }
        Ok(Rectification {
            rotation,
            focal: [fx, fy],
            center: [cx, cy],
        })
    }
}

/// The lens of a 3x3 camera matrix.
fn lens(matrix: &[f64], name: &str, distortion: Distortion) -> Parsed<Lens> {
    let &[fx, skew, cx, _, fy, cy, _, _, _] = matrix else {
        return Err(format!("{name} has {} numbers, not 9 (3x3)", matrix.len()));
    };
    if skew != 0.0 {
        return Err(format!(
            "{name} has a skew of {skew}, which is not supported: calibrate without \
             (CALIB_FIX_SKEW), or put 0 there, as OpenCV's undistortion does"
        ));
    }
    checked(Lens {
        focal: [fx, fy],
        center: [cx, cy],
        distortion,
    })
}

/// A lens with sensible numbers.
fn checked(lens: Lens) -> Parsed<Lens> {
    let [fx, fy] = lens.focal;
    if !(fx > 0.0 && fy > 0.0) {
        return Err(format!("focal lengths {fx} and {fy} are not positive"));
    }
    Ok(lens)
}

/// OpenCV's coefficients of its model for pinhole cameras.
fn brown(values: &[f64], name: &str) -> Parsed<Distortion> {
    Brown::from_opencv(values)
        .map(Distortion::Brown)
        .ok_or_else(|| {
            format!(
                "{name} has {} numbers, not 4 or 5 (k1 k2 p1 p2 k3), 8 (rational, with k4 k5 k6), \
                 12 (with the thin prism's s1 s2 s3 s4) or 14 (with the tilt's)",
                values.len()
            )
        })
}

/// A fisheye's four coefficients.
fn fisheye(values: &[f64], name: &str) -> Parsed<Distortion> {
    values
        .try_into()
        .map(Distortion::Fisheye)
        .map_err(|_| format!("{name} has {} numbers, not the fisheye's 4", values.len()))
}
