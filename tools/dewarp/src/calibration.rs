// SPDX-License-Identifier: GPL-2.0
//! Camera calibrations as OpenCV's `FileStorage` writes them in YAML.

use std::path::Path;

use yaml_rust2::{Yaml, YamlLoader};

use crate::error::{Error, Result};
use crate::format::Size;
use crate::lens::Lens;

/// A lens and the size of picture its pixels refer to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibration {
    /// The camera matrix and distortion coefficients.
    pub lens: Lens,
    /// `image_width` and `image_height`, when the file has them.
    pub size: Option<Size>,
}

impl Calibration {
    /// Reads a calibration file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::file("cannot read", path, error))?;
        Self::parse(&text).map_err(|cause| {
            Error::bad_use(format!(
                "{} is not an OpenCV camera calibration: {cause}",
                path.display()
            ))
        })
    }

    /// Parses the text of a calibration file: `camera_matrix` (3x3) and
    /// `distortion_coefficients` (k1 k2 p1 p2 and, perhaps, k3).
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        // OpenCV's first line, `%YAML:1.0`, is no YAML directive.
        let text = match text.split_once('\n') {
            Some((first, rest)) if first.starts_with("%YAML") => rest,
            _ => text,
        };
        let documents = YamlLoader::load_from_str(text).map_err(|error| error.to_string())?;
        let root = documents.first().ok_or("it is empty")?;
        let matrix = numbers(&root["camera_matrix"]["data"], "camera_matrix")?;
        let bend = numbers(
            &root["distortion_coefficients"]["data"],
            "distortion_coefficients",
        )?;
        let [fx, _, cx, _, fy, cy, _, _, _] = matrix[..] else {
            return Err(format!("camera_matrix has {} numbers, not 9", matrix.len()));
        };
        if !(fx > 0.0 && fy > 0.0) {
            return Err(format!("focal lengths {fx} and {fy} are not positive"));
        }
        let [k1, k2, p1, p2] = bend
            .get(..4)
            .and_then(|four| four.try_into().ok())
            .ok_or_else(|| {
                format!(
                    "distortion_coefficients has {} numbers, not 4 or 5",
                    bend.len()
                )
            })?;
        if bend.iter().skip(5).any(|&more| more != 0.0) {
            return Err("it has distortion coefficients beyond k1 k2 p1 p2 k3".into());
        }
        let k3 = bend.get(4).copied().unwrap_or(0.0);
        Ok(Calibration {
            lens: Lens {
                focal: [fx, fy],
                center: [cx, cy],
                radial: [k1, k2, k3],
                tangential: [p1, p2],
            },
            size: match (side(&root["image_width"]), side(&root["image_height"])) {
                (Some(width), Some(height)) => Some(Size { width, height }),
                _ => None,
            },
        })
    }
}

/// The numbers of a matrix's `data`.
fn numbers(data: &Yaml, name: &str) -> std::result::Result<Vec<f64>, String> {
    let items = data.as_vec().ok_or(format!("it has no {name} with data"))?;
    items
        .iter()
        .map(|item| match item {
            Yaml::Integer(value) => Ok(*value as f64),
            // OpenCV writes `0.` and `1.5e-01`; all of them are Rust numbers too.
            Yaml::Real(text) | Yaml::String(text) => text
                .parse()
                .map_err(|_| format!("{name}: {text} is not a number")),
            other => Err(format!("{name}: {other:?} is not a number")),
        })
        .collect()
}

/// A side of the picture.
fn side(value: &Yaml) -> Option<u32> {
    value.as_i64().and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\n\
        camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   \
        data: [ 5.35915733961632e+02, 0., 3.42283e+02, 0.,\n       \
        5.35915733961632e+02, 2.3557e+02, 0., 0., 1. ]\n\
        distortion_coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   dt: d\n   \
        data: [ -2.6637260909660682e-01, -3.8588898922304653e-02,\n       \
        1.78319e-03, -2.81221e-04,\n       2.3839e-01 ]\n";

    #[test]
    fn opencv_yaml_gives_the_lens_and_the_size() {
        let calibration = Calibration::parse(FILE).unwrap();
        assert_eq!(
            calibration.size,
            Some(Size {
                width: 640,
                height: 480
            })
        );
        let lens = calibration.lens;
        assert_eq!(lens.focal, [535.915_733_961_632; 2]);
        assert_eq!(lens.center, [3.42283e+02, 2.3557e+02]);
        // In OpenCV's order the tangential ones stand before k3.
        assert_eq!(lens.tangential, [1.78319e-03, -2.81221e-04]);
        assert_eq!(lens.radial[2], 2.3839e-01);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| Calibration::parse(text).unwrap_err();
        assert!(error("a: 1\n").contains("no camera_matrix"));
        let cut = FILE.replace(", 0., 0., 1. ]", " ]");
        assert!(error(&cut).contains("6 numbers, not 9"), "{}", error(&cut));
        let more = FILE.replace("2.3839e-01 ]", "0.1, 0.2, 0.3, 0.4 ]");
        assert!(error(&more).contains("beyond"));
    }
}
