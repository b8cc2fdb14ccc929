// SPDX-License-Identifier: GPL-2.0
//! Camera calibrations from the programs that make them, one file per format.
//! The format is detected from the content, not from the file's name.

mod basalt;
mod colmap;
mod depthai;
mod dialect;
mod euroc;
mod flat;
mod gyroflow;
#[cfg(test)]
mod hostile;
mod kalibr;
mod lensfun;
mod libcamera;
mod maplab;
mod matlab;
mod matrix;
mod model;
mod models;
mod mrcal;
mod nxp;
mod okvis;
mod opencv;
mod opensfm;
mod orbslam;
mod ost;
mod plausible;
mod ros;
mod size;
mod text;
mod tree;
mod turned;
mod unknown;
mod vikit;
mod vins;

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::format::Size;
use crate::lens::{Lens, scaled};
use dialect::Dialect;
pub use dialect::{Described, Output};
use matrix::{agrees, brown, fisheye, lens, used};
pub use plausible::doubts;
use tree::Tree;

/// A lens, and the size of the pictures that its pixel coordinates refer to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The camera matrix and distortion coefficients.
    pub lens: Lens,
    /// The size of the pictures, if the file has it.
    pub size: Option<Size>,
}

/// The rectification of one camera of a stereo pair: R and P of
/// `stereoRectify`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectification {
    /// R: turns a ray in the camera's frame into one in the pair's frame.
    pub rotation: [[f64; 3]; 3],
    /// Focal lengths of P, in pixels.
    pub focal: [f64; 2],
    /// Principal point of P, in pixels.
    pub center: [f64; 2],
}

/// What the user chooses where a file has several cameras or does not name a
/// model.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Choice<'a> {
    /// The name of the camera in the file.
    pub camera: Option<&'a str>,
    /// The model, where the coefficients alone do not tell it.
    pub model: Option<Model>,
    /// The size of the pictures, where the file describes a lens for any
    /// camera.
    pub size: Option<Size>,
    /// The focal length in millimetres, where the file describes a zoom lens.
    pub focal_length: Option<f64>,
    /// The crop factor of the camera, where it is not the calibration's.
    pub crop_factor: Option<f64>,
}

/// The two models that a list of four coefficients can be of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Model {
    /// Radial and tangential distortion: OpenCV's `calibrateCamera`.
    Pinhole,
    /// Kannala and Brandt's: OpenCV's `fisheye::calibrate`.
    Fisheye,
}

/// A result whose error says what is wrong with a file, without the file's
/// name.
type Parsed<T> = std::result::Result<T, String>;

/// The programs whose files can be read.
const PROGRAMS: &str = "OpenCV, ROS, Kalibr, Lensfun, NXP, libcamera, EuRoC, ORB-SLAM, VINS, OKVIS, \
    Basalt, DepthAI, Gyroflow, COLMAP, OpenSfM, mrcal, MATLAB, maplab, vikit";

/// Returns the advice for a file that cannot be read.
fn by_hand() -> String {
    "give its numbers by hand: --center CX,CY --focal FX,FY --radial K1,K2,K3 --tangential P1,P2 or \
     --fisheye K1,K2,K3,K4"
        .into()
}

/// The content of a file, read far enough to detect its format.
enum Content {
    OpenCv(Tree),
    Ros(Tree),
    Kalibr(Tree),
    Lensfun(String),
    Colmap(String),
    Of(&'static Dialect, Tree),
}

impl Content {
    fn of(text: String) -> Parsed<Self> {
        if lensfun::is_one(&text) {
            return Ok(Content::Lensfun(text));
        }
        if colmap::is_one(&text) {
            return Ok(Content::Colmap(text));
        }
        let text = mrcal::without_bytes(text);
        if let Some(name) = unknown::name(&text) {
            return Err(name);
        }
        let tree = Tree::parse(&text)?;
        let dialect = dialect::ALL.iter().find(|dialect| (dialect.is_one)(&tree));
        if let Some(dialect) = dialect {
            return Ok(Content::Of(dialect, tree));
        }
        if kalibr::is_one(&tree) {
            Ok(Content::Kalibr(tree))
        } else if ros::is_one(&tree) {
            Ok(Content::Ros(tree))
        } else if opencv::is_one(&tree) {
            Ok(Content::OpenCv(tree))
        } else {
            Err(format!(
                "it has none of the keys of the programs that are read ({PROGRAMS}); {}",
                by_hand()
            ))
        }
    }

    fn read(path: &Path) -> Result<(Self, Vec<String>)> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path);
        file.and_then(|file| file.take(text::LARGEST + 1).read_to_end(&mut bytes))
            .map_err(|error| Error::file("cannot read", path, error))?;
        Self::of_bytes(bytes)
            .map_err(|cause| Error::bad_use(format!("{}: {cause}", path.display())))
    }

    /// Detects the format. Also returns notes about the file itself.
    fn of_bytes(bytes: Vec<u8>) -> Parsed<(Self, Vec<String>)> {
        let text = text::of(bytes)?;
        let mut notes = Vec::from_iter(text::unended(&text));
        let documents = text::documents(&text);
        let content = Self::of(text)?;
        if documents > 1 && !matches!(content, Content::Lensfun(_) | Content::Colmap(_)) {
            notes.push(format!(
                "the file has {documents} documents, between lines of ---: the first one is read"
            ));
        }
        notes.extend(content.turned());
        Ok((content, notes))
    }

    /// Returns a note about a key that turns the pictures, in formats that do not define it.
    fn turned(&self) -> Option<String> {
        match self {
            Content::Of(dialect, _) if dialect.name == nxp::DIALECT.name => None,
            Content::OpenCv(tree) | Content::Ros(tree) | Content::Of(_, tree) => turned::note(tree),
            Content::Kalibr(_) | Content::Lensfun(_) | Content::Colmap(_) => None,
        }
    }

    fn whose(&self) -> &'static str {
        match self {
            Content::OpenCv(_) => "an OpenCV calibration",
            Content::Ros(_) => "a ROS camera_info",
            Content::Kalibr(_) => "a Kalibr camchain",
            Content::Lensfun(_) => "a Lensfun profile",
            Content::Colmap(_) => "the cameras of COLMAP",
            Content::Of(dialect, _) => dialect.name,
        }
    }

    /// Returns an error in this content of `path`.
    fn wrong(&self, path: &Path, cause: String) -> Error {
        Error::bad_use(format!("{}, {}: {cause}", path.display(), self.whose()))
    }

    /// Returns whether the file has several cameras or lenses, between which
    /// --camera chooses.
    fn has_cameras(&self) -> bool {
        match self {
            Content::OpenCv(tree) => opencv::has_cameras(tree),
            Content::Ros(tree) => ros::cameras(tree).len() > 1,
            Content::Kalibr(tree) => kalibr::has_cameras(tree),
            Content::Lensfun(_) | Content::Colmap(_) => true,
            Content::Of(dialect, _) => dialect.cameras,
        }
    }

    fn calibration(&self, choice: &Choice) -> Parsed<Described> {
        let lensfun = matches!(self, Content::Lensfun(_));
        for (given, option, whose) in [
            (
                !lensfun && choice.focal_length.is_some(),
                "--focal-length",
                "Lensfun's profiles",
            ),
            (
                !lensfun && choice.crop_factor.is_some(),
                "--crop-factor",
                "Lensfun's profiles",
            ),
            (
                lensfun && choice.model.is_some(),
                "--model",
                "files that do not name it",
            ),
        ] {
            if given {
                return Err(format!("{option} is for {whose}"));
            }
        }
        match self {
            Content::OpenCv(tree) => opencv::calibration(tree, choice),
            Content::Ros(tree) => ros::calibration(tree, choice),
            Content::Kalibr(tree) => kalibr::calibration(tree, choice),
            Content::Lensfun(text) => lensfun::calibration(text, choice),
            Content::Colmap(text) => colmap::read(text, choice).map(Described::doubted),
            Content::Of(dialect, tree) => (dialect.read)(tree, choice).map(Described::doubted),
        }
    }

    fn rectification(&self, choice: &Choice) -> Parsed<Rectification> {
        match self {
            Content::OpenCv(tree) => opencv::rectification(tree, choice),
            Content::Ros(tree) => ros::rectification(tree, choice),
            Content::Of(
                Dialect {
                    rectify: Some(rectify),
                    ..
                },
                tree,
            ) => rectify(tree, choice),
            _ => Err("it has no rectification; OpenCV's stereoRectify and ROS write one".into()),
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
    /// Returns a bad-use error that names the file and the key if something is
    /// missing from it or is not supported.
    pub fn load_chosen(path: &Path, choice: &Choice) -> Result<Self> {
        Described::load(path, None, choice).map(|(described, _)| described.calibration)
    }

    /// Reads the calibration in the text of a file.
    pub fn parse(text: &str, choice: &Choice) -> Parsed<Self> {
        let described = Content::of(text.to_owned())?.calibration(choice)?;
        Ok(described.calibration)
    }
}

impl Described {
    /// Reads what a file says about the chosen camera, and the rectification of
    /// the same camera from `rectify`, which may be the same file.
    pub fn load(
        path: &Path,
        rectify: Option<&Path>,
        choice: &Choice,
    ) -> Result<(Self, Option<Rectification>)> {
        let (content, notes) = Content::read(path)?;
        let wrong = |cause| content.wrong(path, cause);
        let mut calibration = content.calibration(choice).map_err(wrong)?;
        calibration.notes.extend(notes);
        let chosen = content.has_cameras();
        if rectify.is_none() && !chosen {
            none_chosen(choice).map_err(wrong)?;
        }
        let rectification = rectify.map(|path| Rectification::read(path, choice, chosen));
        Ok((calibration, rectification.transpose()?))
    }
}

impl Rectification {
    /// Reads the rectification of a camera from a file.
    pub fn load(path: &Path, choice: &Choice) -> Result<Self> {
        Self::read(path, choice, false)
    }

    /// Reads the rectification of a camera from a file. `chosen` tells that the
    /// choice of a camera was already used for another file.
    fn read(path: &Path, choice: &Choice, chosen: bool) -> Result<Self> {
        let (content, _) = Content::read(path)?;
        let one = !chosen && matches!(content, Content::Ros(_)) && !content.has_cameras();
        let checked = if one { none_chosen(choice) } else { Ok(()) };
        checked
            .and_then(|()| content.rectification(choice))
            .map_err(|cause| content.wrong(path, cause))
    }

    /// Returns the rectification for a picture with these many times the
    /// columns and lines.
    pub fn scaled(self, times: [f64; 2]) -> Self {
        let [focal, center] = scaled(self.focal, self.center, times);
        Rectification {
            focal,
            center,
            ..self
        }
    }

    /// Creates a rectification from R (3x3) and P (3x4, or 3x3 without the last column), each with its name.
    fn of(rotation: (&str, &Tree), projection: (&str, &Tree)) -> Parsed<Self> {
        let (r, p) = (rotation.0, projection.0);
        let [a, b, c, d, e, f, g, h, i] = rotation.1.matrix(r, [3, 3])?;
        let [fx, skew, cx, _, below, fy, cy, _, last @ ..] = match projection.1.numbers(p)?.len() {
            9 => {
                let [a, b, c, d, e, f, g, h, i] = projection.1.matrix(p, [3, 3])?;
                [a, b, c, 0.0, d, e, f, 0.0, g, h, i, 0.0]
            }
            _ => projection.1.matrix(p, [3, 4])?,
        };
        if last != [0.0, 0.0, 1.0, 0.0] {
            return Err(format!("{p} has the last row {last:?}, not 0 0 1 0"));
        }
        if (skew, below) != (0.0, 0.0) {
            return Err(format!(
                "{p} has {skew} and {below} beside its focal lengths, not 0"
            ));
        }
        let [x, y, z] = [[a, b, c], [d, e, f], [g, h, i]];
        // The rows of a rotation are at right angles to each other and of
        // length 1.
        let product = |m: [f64; 3], n: [f64; 3]| m[0] * n[0] + m[1] * n[1] + m[2] * n[2];
        let off = [
            (x, x, 1.0),
            (y, y, 1.0),
            (z, z, 1.0),
            (x, y, 0.0),
            (x, z, 0.0),
            (y, z, 0.0),
        ]
        .map(|(m, n, right)| (product(m, n) - right).abs());
        if off.iter().any(|off| *off > 1e-3) {
            return Err(format!(
                "{r} is not a rotation: its rows must have the length 1 and right angles between them"
            ));
        }
        let across = [b * f - c * e, c * d - a * f, a * e - b * d];
        if product(across, z) < 0.0 {
            return Err(format!(
                "{r} is not a rotation but a reflection: its determinant is -1, not 1"
            ));
        }
        // The camera that P describes has no distortion.
        let camera = Lens::straight([fx, fy], [cx, cy]).check();
        let Lens { focal, center, .. } = camera.map_err(|cause| format!("{p}: {cause}"))?;
        Ok(Rectification {
            rotation: [x, y, z],
            focal,
            center,
        })
    }
}

/// Returns an error if a camera was chosen, for a file that has only one.
fn none_chosen(choice: &Choice) -> Parsed<()> {
    match choice.camera {
        Some(camera) => Err(format!(
            "it has one camera: there is no --camera {camera} to choose"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads what a file of a dialect says.
    pub fn described(text: &str, choice: &Choice) -> Described {
        let content = Content::of(text.to_owned()).unwrap();
        let known = matches!(content, Content::Of(..) | Content::Colmap(_));
        assert!(known, "{}", content.whose());
        content.calibration(choice).unwrap()
    }

    /// Asserts that a file is refused with this reason.
    pub fn refused(text: &str, choice: &Choice, reason: &str) {
        let content = Content::of(text.to_owned());
        let error = content.and_then(|content| content.calibration(choice));
        let error = error.unwrap_err();
        assert!(error.contains(reason), "{error}, not {reason}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    /// Generates fx, fy, cx and cy of a random camera.
    pub fn camera() -> impl Strategy<Value = [f64; 4]> {
        [100.0..3000.0, 100.0..3000.0, 100.0..900.0, 100.0..900.0]
    }

    /// Generates four random coefficients.
    pub fn four() -> impl Strategy<Value = [f64; 4]> {
        [-0.5..0.5, -0.2..0.2, -0.05..0.05, -0.01..0.01]
    }
}
