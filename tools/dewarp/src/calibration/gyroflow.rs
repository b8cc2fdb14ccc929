// SPDX-License-Identifier: GPL-2.0
//! Lens profiles of Gyroflow.

use super::dialect::{self, Described, Dialect};
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye, lens};

pub const DIALECT: Dialect = Dialect::of("a lens profile of Gyroflow", is_one, read);

fn is_one(tree: &Tree) -> bool {
    tree.get("fisheye_params").is_some()
}

fn sides(tree: &Tree, key: &str) -> Parsed<Option<crate::Size>> {
    let Some(dimension) = tree.get(key) else {
        return Ok(None);
    };
    let side = |name| dialect::number(&dimension, name).map_err(|cause| format!("{key}: {cause}"));
    tree::size([side("w")?, side("h")?], key).map(Some)
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let digital = tree.get("digital_lens");
    if let Some(name) = digital.as_ref().and_then(Tree::text) {
        if !name.is_empty() {
            return Err(format!(
                "digital_lens {name} is not supported: the camera bends its pictures itself"
            ));
        }
    }
    for key in ["input_horizontal_stretch", "input_vertical_stretch"] {
        if let Some(stretch) = tree
            .number(key)?
            .filter(|stretch| ![0.0, 1.0].contains(stretch))
        {
            return Err(format!(
                "{key} is {stretch}: stretched pictures are not supported"
            ));
        }
    }
    // Profiles of earlier versions tell the model by two flags.
    let standard = dialect::flag(tree, "use_opencv_standard")?;
    let fisheye_too =
        tree.get("use_opencv_fisheye").is_none() || dialect::flag(tree, "use_opencv_fisheye")?;
    if tree.get("distortion_model").is_none() && (standard || !fisheye_too) {
        return Err(
            "its use_opencv_fisheye and use_opencv_standard say that it is no fisheye, whose numbers are not read"
                .into(),
        );
    }
    let parameters = dialect::needed(tree, "fisheye_params")?;
    let key = "distortion_coeffs";
    let values = dialect::needed(&parameters, key)?.numbers(key)?;
    let model = tree.get("distortion_model");
    let distortion = match model.as_ref().map(Tree::text) {
        None | Some(Some("opencv_fisheye" | "")) => fisheye(&values, key)?,
        Some(Some("opencv_standard")) => brown(&values, key)?,
        Some(other) => {
            return Err(format!(
                "distortion_model {} is not supported: opencv_fisheye and opencv_standard are",
                other.unwrap_or("without a name")
            ));
        }
    };
    agrees(choice, &distortion, "fisheye_params")?;
    let size = sides(tree, "calib_dimension")?.ok_or("it has no calib_dimension")?;
    let mut notes = Vec::new();
    if let Some(video) = sides(tree, "orig_dimension")?.filter(|video| *video != size) {
        notes.push(format!(
            "calibrated in pictures of {size}, the videos are {video}: say the input's with --source"
        ));
    }
    let matrix = dialect::needed(&parameters, "camera_matrix")?;
    let calibration = Calibration {
        lens: lens(&matrix, "camera_matrix", distortion)?,
        size: Some(size),
    };
    Ok(Described {
        notes,
        ..calibration.into()
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::Distortion;
    use proptest::prelude::*;

    pub const FILE: &str = r#"{
  "name": "Acme One 4k 16by9", "note": "", "calibrated_by": "nobody", "camera_brand": "Acme", "camera_model": "One", "lens_model": "Wide",
  "calib_dimension": { "w": 3840, "h": 2160 }, "orig_dimension": { "w": 3840, "h": 2160 }, "output_dimension": null,
  "frame_readout_time": null, "input_horizontal_stretch": 1.0, "input_vertical_stretch": 1.0, "num_images": 15, "fps": 50.0,
  "official": false, "asymmetrical": false,
  "fisheye_params": { "RMS_error": 0.5,
    "camera_matrix": [ [ 1850.5, 0.0, 1918.5 ], [ 0.0, 1850.25, 1079.75 ], [ 0.0, 0.0, 1.0 ] ],
    "distortion_coeffs": [ 0.25, 0.05, -0.03, 0.04 ], "radial_distortion_limit": null },
  "identifier": "", "calibrator_version": "1.5.0", "date": "2026-01-01", "digital_lens": null }"#;

    #[test]
    fn an_earlier_profile_may_be_no_fisheye_s() {
        for flags in [
            "\"use_opencv_standard\": true",
            "\"use_opencv_fisheye\": false",
        ] {
            let other = FILE.replace("\"official\": false", flags);
            refused(&other, &Choice::default(), "say that it is no fisheye");
        }
        let same = FILE.replace("\"official\": false", "\"use_opencv_fisheye\": true");
        let choice = Choice::default();
        assert_eq!(described(&same, &choice), described(FILE, &choice));
    }

    #[test]
    fn a_profile_is_a_fisheye_s() {
        let found = described(FILE, &Choice::default());
        let Calibration { lens, size } = found.calibration;
        assert_eq!(size.unwrap().to_string(), "3840x2160");
        assert_eq!(
            (lens.focal, lens.center),
            ([1850.5, 1850.25], [1918.5, 1079.75])
        );
        assert_eq!(
            lens.distortion,
            Distortion::Fisheye([0.25, 0.05, -0.03, 0.04])
        );
        assert!(found.notes.is_empty());
        let other = FILE.replace(
            "\"orig_dimension\": { \"w\": 3840, \"h\": 2160",
            "\"orig_dimension\": { \"w\": 1920, \"h\": 1080",
        );
        let notes = described(&other, &Choice::default()).notes;
        assert!(
            notes[0].starts_with("calibrated in pictures of 3840x2160, the videos are 1920x1080"),
            "{notes:?}"
        );
    }

    #[test]
    fn what_is_bent_otherwise_is_refused() {
        for (right, wrong, reason) in [
            (
                "\"digital_lens\": null",
                "\"digital_lens\": \"gopro_superview\"",
                "digital_lens gopro_superview is not",
            ),
            (
                "\"asymmetrical\": false",
                "\"distortion_model\": \"poly5\"",
                "distortion_model poly5 is not supported",
            ),
            (
                "\"input_horizontal_stretch\": 1.0",
                "\"input_horizontal_stretch\": 1.33",
                "input_horizontal_stretch is 1.33",
            ),
            (
                "0.04 ]",
                "0.04, 0.1 ]",
                "distortion_coeffs has 5 numbers, not the fisheye's 4",
            ),
            ("calib_dimension", "dimension", "it has no calib_dimension"),
        ] {
            refused(&FILE.replace(right, wrong), &Choice::default(), reason);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four()) {
            let text = format!("{{\"calib_dimension\": {{\"w\": 1280, \"h\": 720}}, \"fisheye_params\": {{\"camera_matrix\": \
                [[{fx:?}, 0.0, {cx:?}], [0.0, {fy:?}, {cy:?}], [0.0, 0.0, 1.0]], \"distortion_coeffs\": {k:?}}}}}");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(lens.distortion, Distortion::Fisheye(k));
        }
    }
}
