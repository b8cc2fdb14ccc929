// SPDX-License-Identifier: GPL-2.0
//! `toStruct` of MATLAB's `cameraParameters` and `cameraIntrinsics`, as
//! `jsonencode` writes it. MATLAB counts pixels from 1.

use super::dialect::{self, Described, Dialect, within};
use super::models::pixels;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees};
use crate::lens::{Brown, Distortion};

pub const DIALECT: Dialect = Dialect::of("camera parameters of MATLAB", is_one, read).of_several();

/// The greatest depth of a camera in a file.
const DEPTH: usize = 2;

fn is_one(tree: &Tree) -> bool {
    is_camera(tree) || !within(tree, DEPTH, &is_camera).is_empty()
}

fn is_camera(tree: &Tree) -> bool {
    tree.get("RadialDistortion").is_some()
        && tree
            .first(["PrincipalPoint", "K", "IntrinsicMatrix"])
            .is_some()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        super::none_chosen(choice)?;
        return camera(tree, choice);
    }
    let (name, chosen) = &dialect::chosen_within(tree, DEPTH, &is_camera, choice)?;
    camera(chosen, choice).map_err(|cause| format!("{name}: {cause}"))
}

fn camera(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let [fx, fy, cx, cy, skew] = intrinsics(tree)?;
    if skew != 0.0 {
        return Err(format!(
            "it has a skew of {skew}, which is not supported: calibrate with EstimateSkew false"
        ));
    }
    let key = "RadialDistortion";
    let values = dialect::needed(tree, key)?.numbers(key)?;
    let radial = match values[..] {
        [k1, k2] => [k1, k2, 0.0],
        [k1, k2, k3] => [k1, k2, k3],
        _ => return Err(format!("{key} has {} numbers, not 2 or 3", values.len())),
    };
    let has = |key: &str| tree.keys().contains(&key);
    let tangential = match has("TangentialDistortion") {
        true => dialect::numbers(tree, "TangentialDistortion")?,
        false => [0.0; 2],
    };
    let distortion = Distortion::Brown(Brown {
        radial,
        tangential,
        ..Brown::NONE
    });
    agrees(choice, &distortion, key)?;
    // It is empty where it was not known.
    let size = match tree.get("ImageSize").map(|size| size.numbers("ImageSize")) {
        None => None,
        Some(sides) => match sides?[..] {
            [] => None,
            [height, width] => Some(tree::size([width, height], "ImageSize")?),
            _ => return Err("ImageSize is not a height and a width".into()),
        },
    };
    Ok(Calibration {
        lens: pixels([fx, fy, cx - 1.0, cy - 1.0], distortion)?,
        size,
    }
    .into())
}

/// Returns fx, fy, cx, cy and the skew.
fn intrinsics(tree: &Tree) -> Parsed<[f64; 5]> {
    if tree.get("FocalLength").is_some() {
        let [fx, fy] = dialect::numbers(tree, "FocalLength")?;
        let [cx, cy] = dialect::numbers(tree, "PrincipalPoint")?;
        return Ok([fx, fy, cx, cy, tree.number("Skew")?.unwrap_or(0.0)]);
    }
    let (key, matrix) = tree
        .first(["K", "IntrinsicMatrix"])
        .ok_or("it has no FocalLength, K or IntrinsicMatrix")?;
    let m: [f64; 9] = matrix.matrix(key, [3, 3])?;
    // The older one is transposed.
    let (cx, cy, skew, zeros) = match key {
        "K" => (m[2], m[5], m[1], [m[3], m[6], m[7]]),
        _ => (m[6], m[7], m[3], [m[1], m[2], m[5]]),
    };
    if zeros != [0.0; 3] || m[8] != 1.0 {
        return Err(format!("{key} is not the matrix of a camera"));
    }
    Ok([m[0], m[4], cx, cy, skew])
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = r#"{"RadialDistortion": [-0.2, 0.05], "TangentialDistortion": [0.001, -0.001],
        "ImageSize": [480, 640], "IntrinsicMatrix": [[500, 0, 0], [0, 501, 0], [323, 242, 1]],
        "K": [[500, 0, 323], [0, 501, 242], [0, 0, 1]], "FocalLength": [500, 501],
        "PrincipalPoint": [323, 242], "Skew": 0}"#;

    #[test]
    fn what_is_no_camera_of_matlab_is_named() {
        for (right, wrong, reason) in [
            ("\"Skew\": 0", "\"Skew\": 2", "a skew of 2"),
            ("[-0.2, 0.05]", "[-0.2]", "RadialDistortion has 1 numbers"),
            (
                "[480, 640]",
                "[480]",
                "ImageSize is not a height and a width",
            ),
        ] {
            refused(&FILE.replace(right, wrong), &Choice::default(), reason);
        }
        let cut = FILE.replace("\"FocalLength\"", "\"F\"");
        let wrong = cut.replace("\"K\": [[500, 0,", "\"K\": [[500, 7,");
        refused(&wrong, &Choice::default(), "a skew of 7");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), [a, b, c, d] in four(), form in 0usize..3, pair: bool) {
            let matrix = match form {
                0 => format!("\"FocalLength\": [{fx:?}, {fy:?}], \"PrincipalPoint\": [{cx:?}, {cy:?}]"),
                1 => format!("\"K\": [[{fx:?}, 0, {cx:?}], [0, {fy:?}, {cy:?}], [0, 0, 1]]"),
                _ => format!("\"IntrinsicMatrix\": [[{fx:?}, 0, 0], [0, {fy:?}, 0], [{cx:?}, {cy:?}, 1]]"),
            };
            let one = format!("{{\"RadialDistortion\": [{a:?}, {b:?}], \"TangentialDistortion\": [{c:?}, {d:?}], \"ImageSize\": [600, 800], {matrix}}}");
            let (text, name) = match pair {
                true => (format!("{{\"CameraParameters1\": {one}, \"CameraParameters2\": {one}}}"), Some("CameraParameters2")),
                false => (one, None),
            };
            let choice = Choice { camera: name, ..Choice::default() };
            let found = described(&text, &choice).calibration;
            prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx - 1.0, cy - 1.0]));
            let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
            prop_assert_eq!(found.lens.distortion, Distortion::Brown(brown));
            prop_assert_eq!(found.size.unwrap().to_string(), "800x600");
        }
    }
}
