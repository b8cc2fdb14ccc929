// SPDX-License-Identifier: GPL-2.0
//! Cameras of vikit, as used by FAST-LIVO: keys that begin with `cam_`.

use super::dialect::{self, Described, Dialect, within};
use super::models::pixels;
use super::tree::Tree;
use super::{Calibration, Choice, Parsed, agrees, brown, by_hand};

pub const DIALECT: Dialect = Dialect::of("a camera of vikit", is_one, read).of_several();

/// The greatest depth of a camera in a file: in the parameters of a node of ROS 2.
const DEPTH: usize = 3;

fn is_one(tree: &Tree) -> bool {
    is_camera(tree) || !within(tree, DEPTH, &is_camera).is_empty()
}

fn is_camera(tree: &Tree) -> bool {
    tree.get("cam_model").is_some() && tree.get("cam_fx").is_some()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        super::none_chosen(choice)?;
        return camera(tree, choice);
    }
    let (_, chosen) = dialect::chosen_within(tree, DEPTH, &is_camera, choice)?;
    camera(&chosen, choice)
}

fn camera(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let model = dialect::word(tree, "cam_model")?;
    // ATAN has numbers that are parts of the picture's sides.
    if model != "Pinhole" {
        return Err(format!(
            "cam_model {model} is not supported, Pinhole is; {}",
            by_hand()
        ));
    }
    let number = |name: &str| dialect::number(tree, &format!("cam_{name}"));
    let numbers = [number("fx")?, number("fy")?, number("cx")?, number("cy")?];
    let d4 = tree.number("cam_d4")?.unwrap_or(0.0);
    let bend = [
        number("d0")?,
        number("d1")?,
        number("d2")?,
        number("d3")?,
        d4,
    ];
    let distortion = brown(&bend, "cam_d0 to cam_d4")?;
    agrees(choice, &distortion, "cam_model")?;
    let size = dialect::size(tree, ["cam_width", "cam_height"])?;
    let mut described = Described::from(Calibration {
        lens: pixels(numbers, distortion)?,
        size,
    });
    if let Some(scale) = tree.number("scale")?.filter(|scale| *scale != 1.0) {
        described.notes.push(format!(
            "its scale: {scale}, by which a program scales the pictures, is not used"
        ));
    }
    Ok(described)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "cam_model: Pinhole\ncam_width: 752\ncam_height: 480\nscale: 0.5\ncam_fx: 425\n\
        cam_fy: 426.75\ncam_cx: 386\ncam_cy: 241.9\ncam_d0: -0.288\ncam_d1: 0.0746\ncam_d2: 0.0008\n\
        cam_d3: -0.0002\n";

    #[test]
    fn the_pictures_have_the_size_before_scaling() {
        let said = described(FILE, &Choice::default());
        assert_eq!(said.calibration.size.unwrap().to_string(), "752x480");
        assert_eq!(said.calibration.lens.focal, [425.0, 426.75]);
        assert!(
            said.notes[0].starts_with("its scale: 0.5, "),
            "{:?}",
            said.notes
        );
        let atan = FILE.replace("Pinhole", "ATAN");
        refused(&atan, &Choice::default(), "cam_model ATAN is not supported");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), k3 in -0.1..0.1f64) {
            let [k1, k2, p1, p2] = k;
            let text = format!("cam_model: Pinhole\ncam_width: 752\ncam_height: 480\ncam_fx: {fx}\ncam_fy: {fy}\n\
                cam_cx: {cx}\ncam_cy: {cy}\ncam_d0: {k1}\ncam_d1: {k2}\ncam_d2: {p1}\ncam_d3: {p2}\ncam_d4: {k3}\n");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let expected = Brown { radial: [k1, k2, k3], tangential: [p1, p2], ..Brown::NONE };
            prop_assert_eq!(lens.distortion, Distortion::Brown(expected));
        }
    }
}
