// SPDX-License-Identifier: GPL-2.0
//! What OpenCV's `FileStorage` holds, under the names that its calibration
//! samples and applications give to matrices.

use super::tree::{self, Tree};
use super::{Calibration, Choice, Model, Parsed, Rectification, agrees, brown, fisheye, lens};

/// Names of the camera matrix of the only camera in a file.
const MATRIX: [&str; 6] = [
    "camera_matrix",
    "Camera_Matrix",
    "cameraMatrix",
    "intrinsic_matrix",
    "K",
    "k",
];

/// Names of its coefficients.
const COEFFICIENTS: [&str; 7] = [
    "distortion_coefficients",
    "Distortion_Coefficients",
    "distCoeffs",
    "dist_coeffs",
    "distortion",
    "D",
    "d",
];

/// Names of the matrices of a pair, before the camera's number.
const PAIR_MATRIX: [&str; 4] = ["M", "K", "cameraMatrix", "camera_matrix_"];
const PAIR_COEFFICIENTS: [&str; 4] = [
    "D",
    "distCoeffs",
    "dist_coeffs_",
    "distortion_coefficients_",
];

/// Names of the picture's size.
const SIZE: [[&str; 2]; 3] = [
    ["image_width", "image_height"],
    ["image_Width", "image_Height"],
    ["width", "height"],
];

/// Whether the file has cameras with numbers, between which --camera chooses.
pub fn is_pair(tree: &Tree) -> bool {
    tree.first(MATRIX).is_none()
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Calibration> {
    let number = camera(tree, choice)?;
    let (matrix_name, matrix) = find(tree, &MATRIX, &PAIR_MATRIX, number)
        .ok_or_else(|| missing(tree, "camera matrix", "camera_matrix, cameraMatrix, K, M1"))?;
    let (name, coefficients) =
        find(tree, &COEFFICIENTS, &PAIR_COEFFICIENTS, number).ok_or_else(|| {
            missing(
                tree,
                "coefficients",
                "distortion_coefficients, distCoeffs, D, D1",
            )
        })?;
    let values = coefficients.numbers(&name)?;
    let fisheye_model = match tree.number("fisheye_model")? {
        Some(0.0) => Some(Model::Pinhole),
        Some(_) => Some(Model::Fisheye),
        None => None,
    };
    let model = match fisheye_model.or(choice.model) {
        Some(model) => model,
        // Four under a short name may be either's.
        None if values.len() == 4 && name.starts_with(['D', 'd']) && name.len() <= 2 => {
            return Err(format!(
                "{name} has 4 numbers, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say \
                 which with --model"
            ));
        }
        None => Model::Pinhole,
    };
    let distortion = match model {
        Model::Pinhole => brown(&values, &name)?,
        Model::Fisheye => fisheye(&values, &name)?,
    };
    agrees(choice, &distortion, "fisheye_model")?;
    Ok(Calibration {
        lens: lens(&matrix, &matrix_name, distortion)?,
        size: match tree.size(&SIZE)? {
            None => resolution(tree)?,
            size => size,
        },
    })
}

pub fn rectification(tree: &Tree, choice: &Choice) -> Parsed<Rectification> {
    let number = choice.camera.or(only(tree, "R"));
    let Some(number) = number else {
        return Err(match tree.get("R1") {
            Some(_) => which(),
            None => missing(tree, "rectification", "R1 and P1, R2 and P2"),
        });
    };
    let matrix = |letter: &str| {
        let name = format!("{letter}{number}");
        match tree.get(&name) {
            Some(value) => Ok((name, value)),
            None => Err(missing(tree, "rectification", &name)),
        }
    };
    let ((r, rotation), (p, projection)) = (matrix("R")?, matrix("P")?);
    Rectification::of((&r, &rotation), (&p, &projection))
}

/// The number of the chosen camera of a pair; none where there is but one.
fn camera<'a>(tree: &Tree, choice: &Choice<'a>) -> Parsed<Option<&'a str>> {
    if !is_pair(tree) {
        // A number is meant for the file of R and P.
        return Ok(None);
    }
    let pair = |number: &str| {
        PAIR_MATRIX
            .iter()
            .any(|name| tree.get(&format!("{name}{number}")).is_some())
    };
    let there: Vec<&str> = ["1", "2"]
        .into_iter()
        .filter(|number| pair(number))
        .collect();
    match (choice.camera, &there[..]) {
        // The search for the matrix tells what the keys are.
        (_, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, _) => Err(which()),
        (Some(number), _) if there.contains(&number) => Ok(Some(number)),
        (Some(number), _) => Err(format!(
            "it has no camera {number}: say --camera {}",
            there.join(" or --camera ")
        )),
    }
}

/// The number of the only camera that has this matrix.
fn only(tree: &Tree, letter: &str) -> Option<&'static str> {
    let has = |number: &&str| tree.get(&format!("{letter}{number}")).is_some();
    let mut numbers = ["1", "2"].into_iter().filter(has);
    let first = numbers.next()?;
    numbers.next().is_none().then_some(first)
}

fn which() -> String {
    "it has two cameras: say which with --camera 1 or --camera 2".into()
}

/// The value under one of the names, or one of the pair's names and the number.
fn find(
    tree: &Tree,
    alone: &[&'static str],
    pair: &[&str],
    number: Option<&str>,
) -> Option<(String, Tree)> {
    match number {
        None => tree
            .first(alone.iter().copied())
            .map(|(name, value)| (name.to_owned(), value)),
        Some(number) => pair.iter().find_map(|name| {
            let name = format!("{name}{number}");
            let value = tree.get(&name)?;
            Some((name, value))
        }),
    }
}

fn missing(tree: &Tree, what: &str, names: &str) -> String {
    let keys = tree.keys();
    let some = keys.iter().take(8).copied().collect::<Vec<_>>().join(" ");
    let more = if keys.len() > 8 { " ..." } else { "" };
    format!("it has no {what} ({names}); its keys are {some}{more}")
}

/// The size as OpenCV's interactive calibration writes it.
fn resolution(tree: &Tree) -> Parsed<Option<crate::Size>> {
    let Some((name, value)) = tree.first(["cameraResolution", "image_size", "imageSize"]) else {
        return Ok(None);
    };
    match value.numbers(name)?[..] {
        [width, height] => tree::size([width, height], name).map(Some),
        _ => Err(format!("{name} is not a width and a height")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Size;
    use crate::lens::{Brown, Distortion};

    const FILE: &str = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\n\
        camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   \
        data: [ 5.35915733961632e+02, 0., 3.42283e+02, 0.,\n       \
        5.35915733961632e+02, 2.3557e+02, 0., 0., 1. ]\n\
        distortion_coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   dt: d\n   \
        data: [ -2.66372609e-01, -3.85888989e-02,\n       \
        1.78319e-03, -2.81221e-04,\n       2.3839e-01 ]\n";

    fn read(text: &str) -> Parsed<Calibration> {
        Calibration::parse(text, &Choice::default())
    }

    #[test]
    fn yaml_gives_the_lens_and_the_size() {
        let Calibration { lens, size } = read(FILE).unwrap();
        assert_eq!(
            size.map(|size| size.to_string()).as_deref(),
            Some("640x480")
        );
        assert_eq!(lens.focal, [535.915_733_961_632; 2]);
        assert_eq!(lens.center, [3.42283e+02, 2.3557e+02]);
        // In OpenCV's order the tangential ones stand before k3.
        let expected = Brown {
            radial: [-2.66372609e-01, -3.85888989e-02, 2.3839e-01],
            tangential: [1.78319e-03, -2.81221e-04],
            ..Brown::NONE
        };
        assert_eq!(lens.distortion, Distortion::Brown(expected));
    }

    #[test]
    fn json_and_xml_say_the_same_as_yaml() {
        let json = "{\n    \"image_width\": 640,\n    \"image_height\": 480,\n    \
            \"camera_matrix\": {\n        \"type_id\": \"opencv-matrix\",\n        \"rows\": 3,\n        \
            \"cols\": 3,\n        \"dt\": \"d\",\n        \"data\": [ 5.35915733961632e+02, 0.0, \
            3.42283e+02, 0.0,\n            5.35915733961632e+02, 2.3557e+02, 0.0, 0.0, 1.0 ]\n    },\n    \
            \"distortion_coefficients\": {\n        \"type_id\": \"opencv-matrix\",\n        \
            \"rows\": 5,\n        \"cols\": 1,\n        \"dt\": \"d\",\n        \"data\": [ \
            -2.66372609e-01, -3.85888989e-02,\n            1.78319e-03, \
            -2.81221e-04, 2.3839e-01 ]\n    }\n}\n";
        let xml = "<?xml version=\"1.0\"?>\n<opencv_storage>\n<image_width>640</image_width>\n\
            <image_height>480</image_height>\n<camera_matrix type_id=\"opencv-matrix\">\n  \
            <rows>3</rows>\n  <cols>3</cols>\n  <dt>d</dt>\n  <data>\n    5.35915733961632e+02 0. \
            3.42283e+02 0. 5.35915733961632e+02 2.3557e+02 0. 0. 1.</data></camera_matrix>\n\
            <distortion_coefficients type_id=\"opencv-matrix\">\n  <rows>5</rows>\n  \
            <cols>1</cols>\n  <dt>d</dt>\n  <data>\n    -2.66372609e-01 \
            -3.85888989e-02 1.78319e-03 -2.81221e-04 2.3839e-01</data>\n\
            </distortion_coefficients>\n</opencv_storage>\n";
        assert_eq!(read(json), read(FILE));
        assert_eq!(read(xml), read(FILE));
    }

    #[test]
    fn the_size_of_an_interactive_calibration_is_a_list() {
        let file = FILE.replace(
            "image_width: 640\nimage_height: 480",
            "cameraResolution: [ 640, 480 ]",
        );
        assert_eq!(read(&file), read(FILE));
        let none = FILE.replace("image_width: 640\nimage_height: 480\n", "");
        assert_eq!(read(&none).unwrap().size, None::<Size>);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = |text: &str| read(text).unwrap_err();
        assert!(error("a: 1\nb: 2\n").contains("no camera matrix (camera_matrix, "));
        assert!(error("a: 1\nb: 2\n").ends_with("its keys are a b"));
        let cut = FILE.replace(", 0., 0., 1. ]", " ]");
        assert!(error(&cut).starts_with("camera_matrix has 6 numbers in its data, but rows: 3"));
        let more = FILE
            .replace("2.3839e-01 ]", "0.1, 0.2, 0.3 ]")
            .replace("rows: 5", "rows: 7");
        assert!(error(&more).starts_with("distortion_coefficients has 7 numbers, not 4 or 5"));
        let skew = FILE.replace("[ 5.35915733961632e+02, 0.", "[ 5.35915733961632e+02, 1.5");
        assert!(error(&skew).starts_with("camera_matrix has a skew of 1.5"));
        let word = FILE.replace("1.78319e-03", "x");
        assert_eq!(error(&word), "distortion_coefficients: x is not a number");
        assert_eq!(error(""), "it is empty");
        assert!(error("<svg/>").starts_with("its XML is a <svg>"));
    }

    #[test]
    fn eight_coefficients_are_rational_and_four_of_d_may_be_a_fisheye_s() {
        let eight = FILE.replace("2.3839e-01 ]", "0.1, 0.2, 0.3, 0.4 ]");
        let error = read(&eight).unwrap_err();
        assert!(
            error.ends_with("has 8 numbers in its data, but rows: 5 and cols: 1"),
            "{error}"
        );
        let eight = eight.replace("rows: 5", "rows: 8");
        let Distortion::Brown(brown) = read(&eight).unwrap().lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.rational, [0.2, 0.3, 0.4]);

        let short = "K: [[500, 0, 320], [0, 510, 240], [0, 0, 1]]\nD: [0.1, 0.2, 0.3, 0.4]\n";
        assert!(read(short).unwrap_err().contains("say which with --model"));
        let choice = Choice {
            model: Some(Model::Fisheye),
            ..Choice::default()
        };
        let lens = Calibration::parse(short, &choice).unwrap().lens;
        assert_eq!(lens.distortion, Distortion::Fisheye([0.1, 0.2, 0.3, 0.4]));
        let said = format!("{short}fisheye_model: 1\n");
        assert_eq!(read(&said).unwrap().lens, lens);
        let five = said.replace("0.4]", "0.4, 0.5]");
        assert_eq!(
            read(&five).unwrap_err(),
            "D has 5 numbers, not the fisheye's 4"
        );
    }

    const PAIR: &str = "M1: [500, 0, 320, 0, 510, 240, 0, 0, 1]\nD1: [0.1, 0, 0, 0, 0]\n\
        M2: [600, 0, 320, 0, 610, 240, 0, 0, 1]\nD2: [0.2, 0, 0, 0, 0]\n\
        R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP1: [480, 0, 310, 0, 0, 480, 250, 0, 0, 0, 1, 0]\n\
        R2: [0, -1, 0, 1, 0, 0, 0, 0, 1]\nP2: [480, 0, 310, -50, 0, 480, 250, 0, 0, 0, 1, 0]\n";

    #[test]
    fn a_pair_s_camera_is_chosen_by_its_number() {
        assert!(read(PAIR).unwrap_err().contains("--camera 1 or --camera 2"));
        let choice = Choice {
            camera: Some("2"),
            ..Choice::default()
        };
        let lens = Calibration::parse(PAIR, &choice).unwrap().lens;
        assert_eq!(lens.focal, [600.0, 610.0]);
        let tree = Tree::parse(PAIR).unwrap();
        let rectified = rectification(&tree, &choice).unwrap();
        assert_eq!(rectified.rotation[1], [1.0, 0.0, 0.0]);
        assert_eq!(
            (rectified.focal, rectified.center),
            ([480.0; 2], [310.0, 250.0])
        );
        assert!(rectification(&tree, &Choice::default()).is_err());
    }

    #[test]
    fn what_is_no_rotation_is_refused() {
        let tree = Tree::parse(&PAIR.replace("R1: [1,", "R1: [2,")).unwrap();
        let choice = Choice {
            camera: Some("1"),
            ..Choice::default()
        };
        let error = rectification(&tree, &choice).unwrap_err();
        assert!(error.starts_with("R1 is not a rotation: "), "{error}");
    }
}
