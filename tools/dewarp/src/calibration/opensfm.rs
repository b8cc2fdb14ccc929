// SPDX-License-Identifier: GPL-2.0
//! `camera_models.json` of OpenSfM (and OpenDroneMap), and the `cameras` of a reconstruction.
//! Numbers are fractions of the longer side, from the picture's centre.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees};
use crate::lens::{Brown, Distortion};

pub const DIALECT: Dialect = Dialect::of("the cameras of OpenSfM", is_one, read).of_several();

fn is_one(tree: &Tree) -> bool {
    !cameras(tree).is_empty()
}

fn cameras(tree: &Tree) -> Vec<(String, Tree)> {
    // A reconstruction.json is a list.
    let first = tree.get("0").filter(|first| first.get("cameras").is_some());
    let tree = first.as_ref().unwrap_or(tree);
    let within = tree.get("cameras");
    let tree = within.as_ref().unwrap_or(tree);
    let keys = tree.keys().into_iter();
    keys.filter_map(|key| Some((key.to_owned(), tree.get(key)?)))
        .filter(|(_, camera)| camera.get("projection_type").is_some())
        .collect()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let cameras = cameras(tree);
    let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
    let camera = &cameras[dialect::chosen(&names, choice)?].1;
    let [width, height] = ["width", "height"].map(|side| dialect::number(camera, side));
    let [width, height] = [width?, height?];
    let size = tree::size([width, height], "width and height")?;
    let number = |name: &str| dialect::number(camera, name);
    let or_0 = |name: &str| Parsed::Ok(camera.number(name)?.unwrap_or(0.0));
    let round = || Parsed::Ok([number("focal")?; 2]);
    let both = || Parsed::Ok([number("focal_x")?, number("focal_y")?]);
    let middle = || Parsed::Ok([or_0("c_x")?, or_0("c_y")?]);
    let brown = |k: [f64; 3], p: [f64; 2]| {
        Distortion::Brown(Brown {
            radial: k,
            tangential: p,
            ..Brown::NONE
        })
    };
    let (focal, center, distortion) = match dialect::word(camera, "projection_type")?.as_str() {
        "perspective" => (
            round()?,
            [0.0; 2],
            brown([number("k1")?, number("k2")?, 0.0], [0.0; 2]),
        ),
        "simple_radial" => (
            both()?,
            middle()?,
            brown([number("k1")?, 0.0, 0.0], [0.0; 2]),
        ),
        "radial" => (
            both()?,
            middle()?,
            brown([number("k1")?, number("k2")?, 0.0], [0.0; 2]),
        ),
        "brown" => {
            let k = [number("k1")?, number("k2")?, or_0("k3")?];
            (both()?, middle()?, brown(k, [number("p1")?, number("p2")?]))
        }
        "fisheye" => {
            let k = [number("k1")?, number("k2")?, 0.0, 0.0];
            (round()?, [0.0; 2], Distortion::Fisheye(k))
        }
        "fisheye_opencv" => {
            let k = [number("k1")?, number("k2")?, number("k3")?, number("k4")?];
            (both()?, middle()?, Distortion::Fisheye(k))
        }
        other => {
            return Err(format!(
                "projection_type {other} is not supported: perspective, simple_radial, radial, brown, fisheye \
                 and fisheye_opencv are"
            ));
        }
    };
    agrees(choice, &distortion, "projection_type")?;
    // Pixel centres are whole numbers here, so the picture's centre is at w / 2 - 0.5.
    let side = width.max(height);
    let center = [
        center[0] * side + width / 2.0 - 0.5,
        center[1] * side + height / 2.0 - 0.5,
    ];
    let [fx, fy] = focal.map(|focal| focal * side);
    Ok(Calibration {
        lens: pixels([fx, fy, center[0], center[1]], distortion)?,
        size: Some(size),
    }
    .into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = r#"{
    "v2 acme one 4000 3000 brown 0.75": {"projection_type": "brown", "width": 4000, "height": 3000, "focal_x": 0.75, "focal_y": 0.751,
        "c_x": 0.002, "c_y": -0.001, "k1": -0.02, "k2": 0.03, "p1": 0.0005, "p2": -0.0003, "k3": -0.01},
    "v2 acme two 4000 3000 fisheye 0.5": {"projection_type": "fisheye", "width": 4000, "height": 3000, "focal": 0.5, "k1": -0.02, "k2": 0.01}
}"#;

    #[test]
    fn numbers_are_of_the_longer_side_from_the_middle() {
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: v2 acme one 4000 3000 brown 0.75, v2 acme two",
        );
        let choice = |camera| Choice {
            camera: Some(camera),
            ..Choice::default()
        };
        let Calibration { lens, size } =
            described(FILE, &choice("v2 acme one 4000 3000 brown 0.75")).calibration;
        assert_eq!(size.unwrap().to_string(), "4000x3000");
        assert_eq!(lens.focal, [3000.0, 3004.0]);
        // OpenSfM's (px + 0.5 - w / 2) / 4000 is 0.002 at px = 2007.5.
        assert_eq!(lens.center, [2007.5, 1495.5]);
        let two = described(FILE, &choice("v2 acme two 4000 3000 fisheye 0.5"))
            .calibration
            .lens;
        assert_eq!(two.distortion, Distortion::Fisheye([-0.02, 0.01, 0.0, 0.0]));
        assert_eq!((two.focal, two.center), ([2000.0; 2], [1999.5, 1499.5]));
        let within = format!("{{\"cameras\": {FILE}}}");
        assert_eq!(
            described(&within, &choice("v2 acme two 4000 3000 fisheye 0.5"))
                .calibration
                .lens,
            two
        );
    }

    #[test]
    fn other_projections_are_refused_by_name() {
        let other = FILE.replace("\"fisheye\"", "\"spherical\"");
        let choice = Choice {
            camera: Some("v2 acme two 4000 3000 fisheye 0.5"),
            ..Choice::default()
        };
        refused(
            &other,
            &choice,
            "projection_type spherical is not supported",
        );
        refused(
            &FILE.replace("\"focal\"", "\"f\""),
            &choice,
            "it has no focal",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back(focal in 0.2..2.0f64, aspect in 0.9..1.1f64, c in [-0.05..0.05f64, -0.05..0.05], k in four(), more in -0.1..0.1f64, model in 0usize..6) {
            let [k1, k2, k3, k4] = k;
            let focals = format!("\"focal_x\": {focal:?}, \"focal_y\": {:?}, \"c_x\": {:?}, \"c_y\": {:?}", focal * aspect, c[0], c[1]);
            let brown = |radial, tangential| Distortion::Brown(Brown { radial, tangential, ..Brown::NONE });
            let (name, numbers, expected) = match model {
                0 => ("perspective", format!("\"focal\": {focal:?}, \"k1\": {k1:?}, \"k2\": {k2:?}"), brown([k1, k2, 0.0], [0.0; 2])),
                1 => ("fisheye", format!("\"focal\": {focal:?}, \"k1\": {k1:?}, \"k2\": {k2:?}"), Distortion::Fisheye([k1, k2, 0.0, 0.0])),
                2 => ("simple_radial", format!("{focals}, \"k1\": {k1:?}"), brown([k1, 0.0, 0.0], [0.0; 2])),
                3 => ("radial", format!("{focals}, \"k1\": {k1:?}, \"k2\": {k2:?}"), brown([k1, k2, 0.0], [0.0; 2])),
                4 => (
                    "brown",
                    format!("{focals}, \"k1\": {k1:?}, \"k2\": {k2:?}, \"k3\": {more:?}, \"p1\": {k3:?}, \"p2\": {k4:?}"),
                    brown([k1, k2, more], [k3, k4]),
                ),
                _ => (
                    "fisheye_opencv",
                    format!("{focals}, \"k1\": {k1:?}, \"k2\": {k2:?}, \"k3\": {k3:?}, \"k4\": {k4:?}"),
                    Distortion::Fisheye(k),
                ),
            };
            let text = format!("{{\"one\": {{\"projection_type\": \"{name}\", \"width\": 1000, \"height\": 2000, {numbers}}}}}");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!(lens.distortion, expected);
            let (fy, c) = if model < 2 { (focal, [0.0; 2]) } else { (focal * aspect, c) };
            prop_assert!((lens.focal[0] - 2000.0 * focal).abs() < 1e-9 && (lens.focal[1] - 2000.0 * fy).abs() < 1e-9);
            prop_assert!((lens.center[0] - (499.5 + 2000.0 * c[0])).abs() < 1e-9, "{:?}", lens.center);
            prop_assert!((lens.center[1] - (999.5 + 2000.0 * c[1])).abs() < 1e-9, "{:?}", lens.center);
        }
    }
}
