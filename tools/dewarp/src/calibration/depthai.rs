// SPDX-License-Identifier: GPL-2.0
//! The calibration of a DepthAI (OAK) board, with its cameras by socket.

use super::dialect::{self, Described, Dialect};
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye, lens};

pub const DIALECT: Dialect = Dialect::of("a calibration of DepthAI", is_one, read).of_several();

fn is_one(tree: &Tree) -> bool {
    tree.get("cameraData").is_some()
}

/// Returns the cameras that were calibrated: their sockets and values.
fn cameras(tree: &Tree) -> Parsed<Vec<(String, Tree)>> {
    let pairs = dialect::needed(tree, "cameraData")?.items();
    let socket = |pair: &Tree| {
        let [socket, camera] = <[Tree; 2]>::try_from(pair.items())
            .map_err(|_| "cameraData is not a list of sockets with their cameras")?;
        let number = match socket.numbers("a socket of cameraData")?[..] {
            [number] if (0.0..26.0).contains(&number) && number.fract() == 0.0 => number,
            _ => return Err("a socket of cameraData is not a whole number from 0 to 25".into()),
        };
        // CAST: it was checked to be one of 26.
        let letter = char::from(b'A' + number as u8);
        Parsed::Ok((format!("CAM_{letter}"), camera))
    };
    pairs.iter().map(socket).collect()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let cameras = cameras(tree)?;
    let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
    let camera = &cameras[dialect::chosen(&names, choice)?].1;
    let name = "distortionCoeff";
    let values = dialect::needed(camera, name)?.numbers(name)?;
    let mut notes = Vec::new();
    let distortion = match camera.number("cameraType")? {
        Some(0.0) => brown(&values, name)?,
        // DepthAI's library stores 14 numbers for each camera.
        Some(1.0) => match values.iter().skip(4).find(|value| **value != 0.0) {
            None => fisheye(values.get(..4).unwrap_or(&values), name)?,
            Some(value) => {
                return Err(format!(
                    "{name} has {value} behind the four numbers of a fisheye"
                ));
            }
        },
        None => {
            notes.push("it has no cameraType: taken as 0, perspective".into());
            brown(&values, name)?
        }
        Some(other) => {
            return Err(format!(
                "cameraType {other} is not supported: 0 (perspective) and 1 (fisheye) are"
            ));
        }
    };
    agrees(choice, &distortion, "cameraType")?;
    let sides = [
        dialect::number(camera, "width")?,
        dialect::number(camera, "height")?,
    ];
    let matrix = dialect::needed(camera, "intrinsicMatrix")?;
    let calibration = Calibration {
        lens: lens(&matrix, "intrinsicMatrix", distortion)?,
        size: Some(tree::size(sides, "width and height")?),
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
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = r#"{
    "batchName": "", "boardName": "OAK-D", "boardRev": "R3M1E3",
    "cameraData": [
        [2, {"cameraType": 1, "distortionCoeff": [-0.02, 0.004, -0.003, 0.0005, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
             "height": 800, "intrinsicMatrix": [[801.5, 0.0, 644.5], [0.0, 801.25, 398.75], [0.0, 0.0, 1.0]], "lensPosition": 0, "width": 1280}],
        [0, {"cameraType": 0, "distortionCoeff": [2.5, -11.0, 0.0005, -0.0007, 18.5, 2.25, -10.5, 17.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
             "height": 2160, "intrinsicMatrix": [[3080.5, 0.0, 1920.5], [0.0, 3081.5, 1079.5], [0.0, 0.0, 1.0]], "lensPosition": 135, "width": 3840}]
    ],
    "stereoRectificationData": {"leftCameraSocket": 1, "rectifiedRotationLeft": [], "rectifiedRotationRight": [], "rightCameraSocket": 2},
    "version": 7
}"#;

    fn choice(camera: &str) -> Choice<'_> {
        Choice {
            camera: Some(camera),
            ..Choice::default()
        }
    }

    #[test]
    fn cameras_are_named_by_their_sockets() {
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: CAM_C, CAM_A",
        );
        let colour = described(FILE, &choice("CAM_A")).calibration;
        assert_eq!(colour.size.unwrap().to_string(), "3840x2160");
        let Distortion::Brown(brown) = colour.lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(
            (brown.radial, brown.rational),
            ([2.5, -11.0, 18.5], [2.25, -10.5, 17.5])
        );
        let wide = described(FILE, &choice("CAM_C")).calibration;
        assert_eq!(
            wide.lens.distortion,
            Distortion::Fisheye([-0.02, 0.004, -0.003, 0.0005])
        );
    }

    #[test]
    fn other_kinds_of_cameras_are_refused() {
        let kind = |number| FILE.replace("\"cameraType\": 1", &format!("\"cameraType\": {number}"));
        refused(&kind(2), &choice("CAM_C"), "cameraType 2 is not supported");
        let more = FILE.replace("0.0005, 0.0, 0.0", "0.0005, 0.1, 0.0");
        refused(
            &more,
            &choice("CAM_C"),
            "distortionCoeff has 0.1 behind the four",
        );
        let found = described(
            &FILE.replace("cameraType\": 0", "other\": 0"),
            &choice("CAM_A"),
        );
        assert_eq!(
            found.notes,
            ["it has no cameraType: taken as 0, perspective"]
        );
        refused(
            "{\"cameraData\": [[0]]}",
            &choice("CAM_A"),
            "cameraData is not a list of sockets",
        );
        refused("{\"cameraData\": []}", &choice("CAM_A"), "it has no camera");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), kind in 0u8..2) {
            let [a, b, c, d] = k;
            let last = if kind == 1 { [0.0; 4] } else { more };
            let values = [&k[..], &last, &[0.0; 6]].concat();
            let text = format!("{{\"cameraData\": [[1, {{\"cameraType\": {kind}, \"distortionCoeff\": {values:?}, \"width\": 1280, \
                \"height\": 800, \"intrinsicMatrix\": [[{fx:?}, 0.0, {cx:?}], [0.0, {fy:?}, {cy:?}], [0.0, 0.0, 1.0]]}}]]}}");
            let lens = described(&text, &choice("CAM_B")).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let brown = Brown { radial: [a, b, more[0]], tangential: [c, d], rational: [more[1], more[2], more[3]], ..Brown::NONE };
            let expected = if kind == 1 { Distortion::Fisheye(k) } else { Distortion::Brown(brown) };
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
