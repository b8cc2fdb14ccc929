// SPDX-License-Identifier: GPL-2.0
//! Cameras of maplab, SVO and vikit: `intrinsics`, and a `distortion` with its
//! type and its parameters.

use super::dialect::{self, Described, Dialect, within};
use super::models::Named;
use super::tree::Tree;
use super::{Calibration, Choice, Parsed, agrees};

pub const DIALECT: Dialect = Dialect::of("a camera of maplab or SVO", is_one, read).of_several();

/// The greatest depth of a camera in a file.
const DEPTH: usize = 3;

fn is_one(tree: &Tree) -> bool {
    is_camera(tree) || !within(tree, DEPTH, &is_camera).is_empty()
}

fn is_camera(tree: &Tree) -> bool {
    let distortion = tree.get("distortion");
    tree.get("intrinsics").is_some()
        && distortion.is_some_and(|it| it.get("type").is_some() && it.get("parameters").is_some())
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        super::none_chosen(choice)?;
        return camera(tree, choice);
    }
    // The key of each is `camera`; its label tells it from the others.
    let cameras = within(tree, DEPTH, &is_camera);
    let label = |(name, camera): &(String, Tree)| match camera.get("label") {
        Some(label) => label.text().unwrap_or(name).to_owned(),
        None => name.clone(),
    };
    let names: Vec<String> = cameras.iter().map(label).collect();
    let index = dialect::chosen(&names, choice)?;
    camera(&cameras[index].1, choice).map_err(|cause| format!("{}: {cause}", names[index]))
}

fn camera(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let distortion = dialect::needed(tree, "distortion")?;
    let model = dialect::word(&distortion, "type")?;
    let parameters = dialect::needed(&distortion, "parameters")?;
    let coefficients = parameters.numbers("parameters")?;
    let camera = dialect::word(tree, "type")?;
    if camera == "omni" {
        return Err(
            "its type omni is Scaramuzza's model, which is not read: calibrate with OpenCV's fisheye or \
             with Kalibr"
                .into(),
        );
    }
    let named = Named {
        camera: &camera,
        intrinsics: &dialect::needed(tree, "intrinsics")?.numbers("intrinsics")?,
        distortion: model.trim(),
        coefficients: &coefficients,
        key: "parameters",
    };
    let lens = named.lens()?;
    agrees(choice, &lens.distortion, "type")?;
    let size = dialect::size(tree, ["image_width", "image_height"])?;
    Ok(Calibration { lens, size }.into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "label: rig\ncameras:\n- camera:\n    label: cam0\n    image_height: 480\n    \
        image_width: 640\n    type: pinhole\n    intrinsics:\n      cols: 1\n      rows: 4\n      \
        data: [500, 501, 322, 241]\n    distortion:\n      type: radial-tangential\n      \
        parameters:\n        cols: 1\n        rows: 4\n        data: [-0.2, 0.05, 0.001, -0.001]\n";

    #[test]
    fn other_models_are_named() {
        for (right, wrong, reason) in [
            ("pinhole", "omni", "cam0: its type omni is Scaramuzza's"),
            (
                "radial-tangential",
                "water",
                "distortion_model water is not supported",
            ),
            (
                "501, ",
                "",
                "intrinsics has 3 numbers in its data, but rows: 4",
            ),
        ] {
            refused(&FILE.replace(right, wrong), &Choice::default(), reason);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), model in 0usize..3, alone: bool) {
            let [a, b, c, d] = k;
            let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
            let (name, values, expected) = match model {
                0 => ("radial-tangential", k.to_vec(), Distortion::Brown(brown)),
                1 => ("equidistant", k.to_vec(), Distortion::Fisheye(k)),
                _ => ("none", Vec::new(), Distortion::Brown(Brown::NONE)),
            };
            let camera = format!("label: cam1\nimage_height: 480\nimage_width: 752\ntype: pinhole\n\
                intrinsics: {{cols: 1, rows: 4, data: [{fx:?}, {fy:?}, {cx:?}, {cy:?}]}}\n\
                distortion:\n  type: {name}\n  parameters: {{cols: 1, rows: {}, data: {values:?}}}\n", values.len());
            let inside: String = camera.lines().map(|line| format!("    {line}\n")).collect();
            let text = match alone {
                true => camera,
                false => format!("{FILE}- camera:\n{inside}"),
            };
            let choice = Choice { camera: (!alone).then_some("cam1"), ..Choice::default() };
            let found = described(&text, &choice).calibration;
            prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(found.lens.distortion, expected);
            prop_assert_eq!(found.size.unwrap().to_string(), "752x480");
        }
    }
}
