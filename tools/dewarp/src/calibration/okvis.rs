// SPDX-License-Identifier: GPL-2.0
//! The cameras of an OKVIS configuration.

use super::dialect::{self, Described, Dialect};
use super::models::Named;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees};

pub const DIALECT: Dialect = Dialect::of("a configuration of OKVIS", is_one, read).of_several();

fn is_one(tree: &Tree) -> bool {
    cameras(tree)
        .iter()
        .any(|camera| camera.get("focal_length").is_some())
}

fn cameras(tree: &Tree) -> Vec<Tree> {
    tree.get("cameras")
        .map(|cameras| cameras.items())
        .unwrap_or_default()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let cameras = cameras(tree);
    let index = dialect::chosen(&dialect::counted(cameras.len()), choice)?;
    let camera = &cameras[index];
    let [fx, fy] = dialect::numbers(camera, "focal_length")?;
    let [cx, cy] = dialect::numbers(camera, "principal_point")?;
    let distortion = dialect::word(camera, "distortion_type")?;
    let coefficients = match camera.get("distortion_coefficients") {
        Some(values) => values.numbers("distortion_coefficients")?,
        None => Vec::new(),
    };
    let named = Named {
        camera: "pinhole",
        intrinsics: &[fx, fy, cx, cy],
        distortion: &distortion,
        coefficients: &coefficients,
        key: "distortion_coefficients",
    };
    let lens = named
        .lens()
        .map_err(|cause| cause.replace("distortion_model", "distortion_type"))?;
    agrees(choice, &lens.distortion, "distortion_type")?;
    let size = tree::size(
        dialect::numbers(camera, "image_dimension")?,
        "image_dimension",
    )?;
    Ok(Calibration {
        lens,
        size: Some(size),
    }
    .into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "%YAML:1.0\ncameras:\n     - {T_SC:\n        [ 0.0, -1.0, 0.0, -0.02,\n          1.0, 0.0, 0.0, -0.06,\n          \
        0.0, 0.0, 1.0, 0.01,\n          0.0, 0.0, 0.0, 1.0],\n        image_dimension: [752, 480],\n        \
        distortion_coefficients: [-0.28, 0.07, 0.0002, 1.8e-05],\n        distortion_type: radialtangential,\n        \
        focal_length: [458.5, 457.25],\n        principal_point: [367.5, 248.75]}\n     - {T_SC:\n        [ 0.0, -1.0, 0.0, -0.02,\n          \
        1.0, 0.0, 0.0, 0.04,\n          0.0, 0.0, 1.0, 0.01,\n          0.0, 0.0, 0.0, 1.0],\n        image_dimension: [752, 480],\n        \
        distortion_coefficients: [-0.01, 0.02, -0.03, 0.004],\n        distortion_type: equidistant,\n        \
        focal_length: [457.5, 456.25],\n        principal_point: [379.5, 255.25]}\nimu_params:\n    a_max: 176.0\n";

    fn choice(camera: &str) -> Choice<'_> {
        Choice {
            camera: Some(camera),
            ..Choice::default()
        }
    }

    #[test]
    fn cameras_are_counted_from_0() {
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: 0, 1",
        );
        let Calibration { lens, size } = described(FILE, &choice("0")).calibration;
        assert_eq!(size.unwrap().to_string(), "752x480");
        assert_eq!(
            (lens.focal, lens.center),
            ([458.5, 457.25], [367.5, 248.75])
        );
        let second = described(FILE, &choice("1")).calibration.lens;
        assert_eq!(
            second.distortion,
            Distortion::Fisheye([-0.01, 0.02, -0.03, 0.004])
        );
        let other = FILE.replace("equidistant", "splines");
        refused(
            &other,
            &choice("1"),
            "distortion_type splines is not supported",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), model in 0usize..3) {
            let all = [&k[..], &more].concat();
            let brown = Brown { radial: [k[0], k[1], 0.0], tangential: [k[2], k[3]], ..Brown::NONE };
            let eight = Brown { radial: [k[0], k[1], more[0]], rational: [more[1], more[2], more[3]], ..brown };
            let (name, values, expected) = match model {
                0 => ("radialtangential", &k[..], Distortion::Brown(brown)),
                1 => ("radialtangential8", &all[..], Distortion::Brown(eight)),
                _ => ("equidistant", &k[..], Distortion::Fisheye(k)),
            };
            let text = format!("%YAML:1.0\ncameras:\n  - {{image_dimension: [752, 480], distortion_coefficients: {values:?},\n     \
                distortion_type: {name}, focal_length: [{fx:?}, {fy:?}], principal_point: [{cx:?}, {cy:?}]}}\n");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
