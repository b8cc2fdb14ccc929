// SPDX-License-Identifier: GPL-2.0
//! ROS's `camera_info` in YAML, as `camera_calibration` writes it and the
//! `camera_info_manager` reads it.

use super::tree::Tree;
use super::{Calibration, Choice, Parsed, Rectification, agrees, brown, fisheye, lens};

/// Only ROS names the model beside the matrices.
pub fn is_one(tree: &Tree) -> bool {
    tree.get("distortion_model").is_some()
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Calibration> {
    let (name, matrix) = find(tree, ["camera_matrix", "K", "k"])?;
    let (bend, coefficients) = find(tree, ["distortion_coefficients", "D", "d"])?;
    let values = coefficients.numbers(bend)?;
    let model = tree.get("distortion_model");
    let distortion = match model.as_ref().and_then(Tree::text) {
        Some("plumb_bob") if values.len() <= 5 => brown(&values, bend)?,
        Some("plumb_bob") => {
            return Err(format!(
                "{bend} has {} numbers, and the distortion_model plumb_bob has 5",
                values.len()
            ));
        }
        Some("rational_polynomial") => brown(&values, bend)?,
        Some("equidistant" | "fisheye") => fisheye(&values, bend)?,
        other => {
            return Err(format!(
                "distortion_model {} is not supported; plumb_bob, rational_polynomial and \
                 equidistant are",
                other.unwrap_or("without a name")
            ));
        }
    };
    agrees(choice, &distortion, "distortion_model")?;
    Ok(Calibration {
        lens: lens(&matrix, name, distortion)?,
        size: tree.size(&[["image_width", "image_height"], ["width", "height"]])?,
    })
}

pub fn rectification(tree: &Tree) -> Parsed<Rectification> {
    let (r, rotation) = find(tree, ["rectification_matrix", "R", "r"])?;
    let (p, projection) = find(tree, ["projection_matrix", "P", "p"])?;
    Rectification::of((r, &rotation), (p, &projection))
}

fn find<'a>(tree: &Tree, names: [&'a str; 3]) -> Parsed<(&'a str, Tree)> {
    tree.first(names)
        .ok_or_else(|| format!("it has no {}", names[0]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::Distortion;

    const FILE: &str = "image_width: 640\nimage_height: 480\ncamera_name: left\n\
        camera_matrix:\n  rows: 3\n  cols: 3\n  data: [500.0, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0]\n\
        distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n  \
        data: [-0.3, 0.1, 0.001, -0.002, 0.0]\nrectification_matrix:\n  rows: 3\n  cols: 3\n  \
        data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]\nprojection_matrix:\n  rows: 3\n  \
        cols: 4\n  data: [450.0, 0.0, 310.0, 0.0, 0.0, 460.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]\n";

    fn read(text: &str) -> Parsed<Calibration> {
        Calibration::parse(text, &Choice::default())
    }

    #[test]
    fn the_model_and_the_rectification_are_the_file_s() {
        let calibration = read(FILE).unwrap();
        let Distortion::Brown(brown) = calibration.lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.tangential, [0.001, -0.002]);
        let tree = Tree::parse(FILE).unwrap();
        assert!(is_one(&tree));
        let rectified = rectification(&tree).unwrap();
        assert_eq!(
            (rectified.focal, rectified.center),
            ([450.0, 460.0], [310.0, 230.0])
        );

        let fisheye = FILE
            .replace("plumb_bob", "equidistant")
            .replace("cols: 5", "cols: 4")
            .replace(", 0.0]\nrect", "]\nrect");
        let expected = Distortion::Fisheye([-0.3, 0.1, 0.001, -0.002]);
        assert_eq!(read(&fisheye).unwrap().lens.distortion, expected);
    }

    #[test]
    fn another_model_is_refused_by_its_name() {
        let error = read(&FILE.replace("plumb_bob", "mei")).unwrap_err();
        assert!(error.starts_with("distortion_model mei is not supported; plumb_bob, "));
        let six = FILE.replace("0.0]\nrect", "0.0, 1.0]\nrect");
        let error = read(&six.replace("cols: 5", "cols: 6")).unwrap_err();
        assert!(error.contains("has 6 numbers, and the distortion_model plumb_bob has 5"));
    }
}
