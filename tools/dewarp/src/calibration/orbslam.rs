// SPDX-License-Identifier: GPL-2.0
//! Settings of ORB-SLAM2 and 3: keys such as `Camera.fx`, `Camera1.fx`, and
//! `LEFT.K` of a pair that ORB-SLAM rectifies itself. OpenVSLAM and stella have the same
//! keys, and `StereoRectifier.K_left` of such a pair.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::Tree;
use super::{
    Calibration, Choice, Model, Parsed, Rectification, agrees, brown, by_hand, fisheye, lens, model,
};
use crate::format::Size;
use crate::lens::{Brown, Distortion};

pub const DIALECT: Dialect = Dialect::of("settings of ORB-SLAM", is_one, read)
    .of_several()
    .rectified(rectify);

/// The cameras that a file may have: their names for --camera, and the prefixes
/// of their keys.
const CAMERAS: [(&str, &str); 5] = [
    ("LEFT", "LEFT"),
    ("RIGHT", "RIGHT"),
    ("1", "Camera1"),
    ("1", "Camera"),
    ("2", "Camera2"),
];

fn is_one(tree: &Tree) -> bool {
    CAMERAS.iter().any(|(_, key)| has(tree, key))
}

fn has(tree: &Tree, key: &str) -> bool {
    tree.get(&format!("{key}.fx")).is_some() || is_raw(tree, key)
}

/// Returns whether this is a camera of a pair with its own matrices.
fn is_raw(tree: &Tree, key: &str) -> bool {
    of_pair(tree, key, "K").is_some()
}

/// Returns a matrix of a camera of a pair, with its name.
fn of_pair(tree: &Tree, key: &str, letter: &str) -> Option<(String, Tree)> {
    let name = format!("{key}.{letter}");
    if let Some(value) = tree.get(&name) {
        return Some((name, value));
    }
    // stella's settings are in maps, and OpenVSLAM's in keys with points.
    let (map, part) = (
        "StereoRectifier",
        format!("{letter}_{}", key.to_lowercase()),
    );
    let name = format!("{map}.{part}");
    let value = tree.get(&name).or_else(|| tree.get(map)?.get(&part));
    value.map(|value| (name, value))
}

/// Returns the same, or an error if it is missing.
fn needed(tree: &Tree, key: &str, letter: &str) -> Parsed<(String, Tree)> {
    of_pair(tree, key, letter).ok_or_else(|| format!("it has no {letter} of {key}"))
}

/// Returns the size of the pictures, which stands beside each camera or in `Camera`.
fn size(tree: &Tree, key: &str) -> Parsed<Option<Size>> {
    for [width, height] in [
        [&*format!("{key}.width"), &format!("{key}.height")],
        ["Camera.width", "Camera.height"],
        ["Camera.cols", "Camera.rows"],
    ] {
        if let Some(size) = dialect::size(tree, [width, height])? {
            return Ok(Some(size));
        }
    }
    match tree.get("Camera") {
        Some(camera) => dialect::size(&camera, ["cols", "rows"]),
        None => Ok(None),
    }
}

/// Returns the prefix of the chosen camera's keys.
fn chosen(tree: &Tree, choice: &Choice) -> Parsed<&'static str> {
    // If the file has the raw pair, `Camera` describes the rectified pictures.
    let raw = is_raw(tree, "LEFT") || is_raw(tree, "RIGHT");
    let there = CAMERAS.into_iter().filter(|(_, key)| match raw {
        true => is_raw(tree, key),
        false => has(tree, key),
    });
    let (mut names, keys): (Vec<String>, Vec<_>) =
        there.map(|(name, key)| (name.to_owned(), key)).unzip();
    names.dedup();
    let index = dialect::chosen(&names, choice)?;
    // Camera and Camera1 are the same camera: the newer name comes first.
    let first = |key: &&&str| CAMERAS.contains(&(names[index].as_str(), **key));
    keys.iter()
        .find(first)
        .copied()
        .ok_or_else(|| "it has no camera".into())
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let key = chosen(tree, choice)?;
    if is_raw(tree, key) {
        let (name, values) = needed(tree, key, "D")?;
        let values = values.numbers(&name)?;
        let said = match pair_model(tree) {
            Some(word) => match model::known(&word) {
                None => {
                    return Err(format!(
                        "StereoRectifier.model {word} is not supported: perspective and fisheye are"
                    ));
                }
                model => model,
            },
            None => choice.model,
        };
        let distortion = match said {
            Some(Model::Fisheye) => fisheye(&values, &name)?,
            _ => brown(&values, &name)?,
        };
        agrees(choice, &distortion, "K and D")?;
        let (name, matrix) = needed(tree, key, "K")?;
        let lens = lens(&matrix, &name, distortion)?;
        let size = size(tree, key)?;
        return Ok(Calibration { lens, size }.into());
    }
    let needed = |part: &str| dialect::number(tree, &format!("{key}.{part}"));
    let camera = [needed("fx")?, needed("fy")?, needed("cx")?, needed("cy")?];
    let mut notes = Vec::new();
    let or_0 = |part: &str| {
        let value = tree.number(&format!("{key}.{part}"))?;
        Parsed::Ok(value.unwrap_or(0.0))
    };
    let flag = tree.get("Camera.Fisheye");
    if let (Some(flag), None) = (flag, tree.first(["Camera.type", "Camera.model"])) {
        if dialect::is_set(&flag, "Camera.Fisheye")? {
            return Err(format!(
                "Camera.Fisheye is set, as in R-VIO2, which names four coefficients of a fisheye k1 k2 p1 p2: {}",
                by_hand()
            ));
        }
    }
    // The keys of ORB-SLAM and of OpenVSLAM.
    let said = tree.first(["Camera.type", "Camera.model"]);
    let name = said.as_ref().map_or("Camera.type", |(name, _)| *name);
    let four = || Parsed::Ok([needed("k1")?, needed("k2")?, needed("k3")?, needed("k4")?]);
    // A pinhole that has k4 has k1 to k6, and p1.
    let has = |part: &str| tree.get(&format!("{key}.{part}")).is_some();
    let kind = match (&said, choice.model) {
        (Some(_), _) => dialect::word(tree, name)?,
        (None, Some(Model::Fisheye)) => "KannalaBrandt8".into(),
        (None, None) if has("k4") && !has("p1") => {
            return Err(format!(
                "it has no Camera.type, and {key}.k1 to k4: say --model fisheye if they are those of \
                 Kannala and Brandt"
            ));
        }
        (None, _) => {
            notes.push("it has no Camera.type: taken as PinHole".into());
            "PinHole".into()
        }
    };
    let distortion = match kind.as_str() {
        "PinHole" | "Pinhole" | "perspective"
            if !["k1", "k2", "k3", "p1", "p2"].into_iter().any(has) =>
        {
            Distortion::Brown(Brown::NONE)
        }
        // As in ORB-SLAM, k3 and the coefficients after it may be missing.
        "PinHole" | "Pinhole" | "perspective" => Distortion::Brown(Brown {
            radial: [needed("k1")?, needed("k2")?, or_0("k3")?],
            tangential: [needed("p1")?, needed("p2")?],
            rational: [or_0("k4")?, or_0("k5")?, or_0("k6")?],
            ..Brown::NONE
        }),
        "KannalaBrandt8" | "fisheye" => Distortion::Fisheye(four()?),
        "Rectified" if [or_0("k1")?, or_0("k2")?] != [0.0; 2] => {
            return Err(format!(
                "{name} is Rectified, and its coefficients are not 0: if the stream is not rectified, say PinHole there"
            ));
        }
        "Rectified" => Distortion::Brown(Brown::NONE),
        other => {
            return Err(format!(
                "{name} {other} is not supported: PinHole, KannalaBrandt8 and Rectified are, and \
                 OpenVSLAM's perspective and fisheye"
            ));
        }
    };
    agrees(choice, &distortion, name)?;
    Ok(Described {
        calibration: Calibration {
            lens: pixels(camera, distortion)?,
            size: size(tree, key)?,
        },
        output: None,
        notes,
        doubts: Vec::new(),
    })
}

fn rectify(tree: &Tree, choice: &Choice) -> Parsed<Rectification> {
    let key = chosen(tree, choice)?;
    let ((r, rotation), (p, projection)) = (needed(tree, key, "R")?, needed(tree, key, "P")?);
    Rectification::of((&r, &rotation), (&p, &projection))
}

/// Returns the model that OpenVSLAM and stella name for the pair, or for the camera.
fn pair_model(tree: &Tree) -> Option<String> {
    ["StereoRectifier", "Camera"].into_iter().find_map(|map| {
        let model = tree.get(&format!("{map}.model"));
        let model = model.or_else(|| tree.get(map)?.get("model"))?;
        model.text().map(str::to_owned)
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = "%YAML:1.0\n\nFile.version: \"1.0\"\n\nCamera.type: \"KannalaBrandt8\"\n\n\
        Camera1.fx: 190.5\nCamera1.fy: 190.25\nCamera1.cx: 254.75\nCamera1.cy: 256.5\n\
        Camera1.k1: 0.0034\nCamera1.k2: 0.0007\nCamera1.k3: -0.0021\nCamera1.k4: 0.0002\n\
        Camera2.fx: 191.5\nCamera2.fy: 190.25\nCamera2.cx: 252.75\nCamera2.cy: 255.5\n\
        Camera2.k1: 0.0134\nCamera2.k2: 0.0007\nCamera2.k3: -0.0021\nCamera2.k4: 0.0002\n\
        Camera.width: 512\nCamera.height: 512\nORBextractor.nFeatures: 1250\n";

    const RAW: &str = "%YAML:1.0\nCamera.fx: 435.2\nCamera.fy: 435.2\nCamera.cx: 367.4\nCamera.cy: 252.2\n\
        Camera.k1: 0.0\nCamera.k2: 0.0\nCamera.p1: 0.0\nCamera.p2: 0.0\nCamera.width: 752\nCamera.height: 480\n\
        LEFT.height: 480\nLEFT.width: 752\nLEFT.D: !!opencv-matrix\n   rows: 1\n   cols: 5\n   dt: d\n   \
        data:[-0.28, 0.07, 0.0002, 1.8e-05, 0.0]\nLEFT.K: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   \
        data: [458.5, 0.0, 367.25, 0.0, 457.25, 248.5, 0.0, 0.0, 1.0]\nLEFT.R: !!opencv-matrix\n   rows: 3\n   \
        cols: 3\n   dt: d\n   data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]\nLEFT.P: !!opencv-matrix\n   \
        rows: 3\n   cols: 4\n   dt: d\n   data: [435.25, 0.0, 367.5, 0.0, 0.0, 435.25, 252.25, 0.0, 0.0, 0.0, 1.0, 0.0]\n";

    fn number(camera: &str) -> Choice<'_> {
        Choice {
            camera: Some(camera),
            ..Choice::default()
        }
    }

    #[test]
    fn each_camera_of_orb_slam_3_is_read() {
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: 1, 2",
        );
        let first = described(FILE, &number("1")).calibration;
        assert_eq!(first.lens.center, [254.75, 256.5]);
        assert_eq!(first.size.unwrap().to_string(), "512x512");
        let expected = Distortion::Fisheye([0.0034, 0.0007, -0.0021, 0.0002]);
        assert_eq!(first.lens.distortion, expected);
        assert_eq!(
            described(FILE, &number("2")).calibration.lens.focal[0],
            191.5
        );
        let mixed = FILE.replace("Camera1.", "Camera.");
        assert_eq!(described(&mixed, &number("1")).calibration, first);
    }

    #[test]
    fn a_pinhole_is_assumed_where_no_type_is_said() {
        let untyped = FILE.replace("Camera.type", "Camera.other");
        refused(
            &untyped,
            &number("1"),
            "and Camera1.k1 to k4: say --model fisheye",
        );
        let choice = Choice {
            model: Some(Model::Fisheye),
            ..number("1")
        };
        assert_eq!(
            described(&untyped, &choice).calibration,
            described(FILE, &number("1")).calibration
        );
        let file = untyped.replace("Camera1.k4", "Camera1.p1");
        // ORB-SLAM stops there as well, because such a file is not complete.
        refused(&file, &number("1"), "it has no Camera1.p2");
        let file = file.replace("Camera1.k3", "Camera1.p2");
        let found = described(&file, &number("1"));
        assert!(matches!(
            found.calibration.lens.distortion,
            Distortion::Brown(_)
        ));
        assert_eq!(found.notes, ["it has no Camera.type: taken as PinHole"]);
        refused(
            &FILE.replace("KannalaBrandt8", "Omni"),
            &number("1"),
            "Camera.type Omni is not supported",
        );
        refused(
            &FILE.replace("Camera1.k4", "Camera1.k5"),
            &number("1"),
            "it has no Camera1.k4",
        );
    }

    #[test]
    fn the_model_and_the_size_of_openvslam_are_obeyed() {
        let file = FILE
            .replace("Camera1.", "Camera.")
            .replace(
                "Camera.type: \"KannalaBrandt8\"",
                "Camera.model: \"fisheye\"",
            )
            .replace("Camera.width", "Camera.cols")
            .replace("Camera.height", "Camera.rows");
        assert_eq!(
            described(&file, &number("1")).calibration,
            described(FILE, &number("1")).calibration
        );
        let file = file.replace("\"fisheye\"", "\"equirectangular\"");
        refused(
            &file,
            &number("1"),
            "Camera.model equirectangular is not supported",
        );
    }

    #[test]
    fn of_a_pair_with_matrices_the_raw_camera_is_read() {
        let file = RAW;
        let lens = described(file, &Choice::default()).calibration.lens;
        assert_eq!(
            (lens.focal, lens.center),
            ([458.5, 457.25], [367.25, 248.5])
        );
        let tree = Tree::parse(file).unwrap();
        let rectified = rectify(&tree, &Choice::default()).unwrap();
        assert_eq!(
            (rectified.focal, rectified.center),
            ([435.25; 2], [367.5, 252.25])
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), [a, b, c, d] in four(), fisheye: bool) {
            let (kind, last) = if fisheye { ("KannalaBrandt8", ["k3", "k4"]) } else { ("PinHole", ["p1", "p2"]) };
            let text = format!("%YAML:1.0\nCamera.type: \"{kind}\"\nCamera.fx: {fx:?}\nCamera.fy: {fy:?}\nCamera.cx: {cx:?}\n\
                Camera.cy: {cy:?}\nCamera.k1: {a:?}\nCamera.k2: {b:?}\nCamera.{}: {c:?}\nCamera.{}: {d:?}\n", last[0], last[1]);
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
            let expected = if fisheye { Distortion::Fisheye([a, b, c, d]) } else { Distortion::Brown(brown) };
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
