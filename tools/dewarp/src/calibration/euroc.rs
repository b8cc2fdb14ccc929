// SPDX-License-Identifier: GPL-2.0
//! `sensor.yaml` of a camera in the format of ASL's and EuRoC's data sets.

use super::dialect::{self, Described, Dialect};
use super::models::Named;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees};

pub const DIALECT: Dialect = Dialect::of("a sensor.yaml of EuRoC or ASL", is_one, read);

/// Returns whether a tree has the keys of this format. Kalibr's coefficients
/// have another key.
fn is_one(tree: &Tree) -> bool {
    let has = |key: &str| tree.get(key).is_some();
    let named = has("distortion_model") || has("camera_model");
    has("sensor_type") || (has("intrinsics") && named && has("distortion_coefficients"))
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if let Some(kind) = tree.get("sensor_type") {
        if kind.text() != Some("camera") {
            return Err(format!(
                "its sensor_type is {}, not camera",
                kind.text().unwrap_or_default()
            ));
        }
    }
    let list = |key: &str| dialect::needed(tree, key)?.numbers(key);
    let camera = match tree.get("camera_model") {
        Some(_) => dialect::word(tree, "camera_model")?,
        None => "pinhole".into(),
    };
    let distortion = dialect::word(tree, "distortion_model")?;
    let named = Named {
        camera: &camera,
        intrinsics: &list("intrinsics")?,
        distortion: &distortion,
        coefficients: &match distortion.as_str() {
            "none" => Vec::new(),
            _ => list("distortion_coefficients")?,
        },
        key: "distortion_coefficients",
    };
    let lens = named.lens()?;
    agrees(choice, &lens.distortion, "distortion_model")?;
    let size = match tree.get("resolution") {
        Some(_) => {
            let sides = dialect::numbers(tree, "resolution")?;
            Some(tree::size(sides, "resolution")?)
        }
        None => None,
    };
    Ok(Calibration { lens, size }.into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "# General sensor definitions.\nsensor_type: camera\ncomment: VI-Sensor cam0\n\
        T_BS:\n  cols: 4\n  rows: 4\n  data: [0.0, -1.0, 0.0, -0.02,\n         1.0, 0.0, 0.0, -0.06,\n        \
        0.0, 0.0, 1.0, 0.01,\n         0.0, 0.0, 0.0, 1.0]\nrate_hz: 20\nresolution: [752, 480]\n\
        camera_model: pinhole\nintrinsics: [458.5, 457.25, 367.5, 248.75] #fu, fv, cu, cv\n\
        distortion_model: radial-tangential\ndistortion_coefficients: [-0.28, 0.07, 0.0002, 1.8e-05]\n";

    #[test]
    fn a_data_set_s_camera_is_read() {
        let Calibration { lens, size } = described(FILE, &Choice::default()).calibration;
        assert_eq!(size.unwrap().to_string(), "752x480");
        assert_eq!(
            (lens.focal, lens.center),
            ([458.5, 457.25], [367.5, 248.75])
        );
        let expected = Brown {
            radial: [-0.28, 0.07, 0.0],
            tangential: [0.0002, 1.8e-05],
            ..Brown::NONE
        };
        assert_eq!(lens.distortion, Distortion::Brown(expected));
    }

    #[test]
    fn what_is_no_camera_or_another_model_is_refused() {
        let default = Choice::default();
        refused(
            &FILE.replace("sensor_type: camera", "sensor_type: imu"),
            &default,
            "its sensor_type is imu",
        );
        refused(
            &FILE.replace("radial-tangential", "spline"),
            &default,
            "distortion_model spline is not",
        );
        refused(
            &FILE.replace("distortion_coefficients", "other"),
            &default,
            "it has no distortion_coefficients",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), equi: bool) {
            let model = if equi { "equidistant" } else { "radial-tangential" };
            let text = format!("sensor_type: camera\nresolution: [752, 480]\ncamera_model: pinhole\n\
                intrinsics: [{fx:?}, {fy:?}, {cx:?}, {cy:?}]\ndistortion_model: {model}\ndistortion_coefficients: {k:?}\n");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let brown = Brown { radial: [k[0], k[1], 0.0], tangential: [k[2], k[3]], ..Brown::NONE };
            let expected = if equi { Distortion::Fisheye(k) } else { Distortion::Brown(brown) };
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
