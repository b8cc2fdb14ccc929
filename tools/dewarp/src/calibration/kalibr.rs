// SPDX-License-Identifier: GPL-2.0
//! Kalibr's `camchain.yaml`: cameras cam0, cam1 ... with their intrinsics.

use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye};
use crate::lens::{Brown, Distortion, Lens};

/// A chain's cameras are its keys.
pub fn is_one(tree: &Tree) -> bool {
    let camera = |key: &&str| tree.get(key).is_some_and(|value| is_camera(&value));
    tree.keys().iter().any(camera)
}

fn is_camera(value: &Tree) -> bool {
    value.get("camera_model").is_some()
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Calibration> {
    let cameras: Vec<&str> = tree
        .keys()
        .into_iter()
        .filter(|key| tree.get(key).is_some_and(|value| is_camera(&value)))
        .collect();
    let names = cameras.join(", ");
    let name = match (choice.camera, &cameras[..]) {
        (Some(wanted), _) if cameras.contains(&wanted) => wanted,
        (Some(wanted), _) => {
            return Err(format!(
                "it has no camera {wanted}, only {names}: say one with --camera"
            ));
        }
        (None, [only]) => only,
        (None, _) => return Err(format!("say which camera with --camera: {names}")),
    };
    let cam = tree.get(name).ok_or("it is empty")?;
    read(&cam, choice).map_err(|cause| format!("{name}: {cause}"))
}

fn read(cam: &Tree, choice: &Choice) -> Parsed<Calibration> {
    let numbers = |key: &str| {
        let value = cam.get(key).ok_or_else(|| format!("it has no {key}"))?;
        value.numbers(key)
    };
    let word = |key: &str| {
        let value = cam.get(key);
        value
            .and_then(|value| value.text().map(str::to_owned))
            .unwrap_or_default()
    };
    let camera_model = word("camera_model");
    if camera_model != "pinhole" {
        return Err(format!(
            "camera_model {camera_model} is not supported: calibrate with pinhole-radtan or \
             pinhole-equi"
        ));
    }
    let distortion = match word("distortion_model").as_str() {
        "radtan" => brown(&numbers("distortion_coeffs")?, "distortion_coeffs")?,
        "equidistant" => fisheye(&numbers("distortion_coeffs")?, "distortion_coeffs")?,
        "none" => Distortion::Brown(Brown::NONE),
        other => {
            return Err(format!(
                "distortion_model {other} is not supported: calibrate with pinhole-radtan or \
                 pinhole-equi"
            ));
        }
    };
    agrees(choice, &distortion, "distortion_model")?;
    let [fx, fy, cx, cy] = numbers("intrinsics")?[..] else {
        return Err("intrinsics are not fx, fy, cx, cy".into());
    };
    let [width, height] = numbers("resolution")?[..] else {
        return Err("resolution is not a width and a height".into());
    };
    Ok(Calibration {
        lens: Lens {
            focal: [fx, fy],
            center: [cx, cy],
            distortion,
        }
        .check()?,
        size: Some(tree::size([width, height], "resolution")?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAIN: &str = "cam0:\n  cam_overlaps: [1]\n  camera_model: pinhole\n  \
        distortion_coeffs: [-0.28, 0.07, 0.0002, 1.8e-05]\n  distortion_model: radtan\n  \
        intrinsics: [461.6, 460.3, 362.7, 248.1]\n  resolution: [752, 480]\n  rostopic: /cam0/image_raw\n\
        cam1:\n  T_cn_cnm1:\n  - [1.0, 0.0, 0.0, -0.11]\n  - [0.0, 1.0, 0.0, 0.0]\n  \
        - [0.0, 0.0, 1.0, 0.0]\n  - [0.0, 0.0, 0.0, 1.0]\n  cam_overlaps: [0]\n  \
        camera_model: pinhole\n  distortion_coeffs: [-0.01, 0.02, -0.03, 0.01]\n  \
        distortion_model: equidistant\n  intrinsics: [300.5, 301.5, 370.0, 240.0]\n  \
        resolution: [752, 480]\n  rostopic: /cam1/image_raw\n";

    fn read(text: &str, camera: Option<&str>) -> Parsed<Calibration> {
        let choice = Choice {
            camera,
            ..Choice::default()
        };
        Calibration::parse(text, &choice)
    }

    #[test]
    fn each_camera_has_its_own_model() {
        let left = read(CHAIN, Some("cam0")).unwrap().lens;
        let Distortion::Brown(brown) = left.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(
            (brown.radial, brown.tangential),
            ([-0.28, 0.07, 0.0], [0.0002, 1.8e-05])
        );
        let right = read(CHAIN, Some("cam1")).unwrap();
        assert_eq!(right.lens.focal, [300.5, 301.5]);
        assert_eq!(
            right.lens.distortion,
            Distortion::Fisheye([-0.01, 0.02, -0.03, 0.01])
        );
        let error = read(CHAIN, None).unwrap_err();
        assert_eq!(error, "say which camera with --camera: cam0, cam1");
        assert_eq!(
            read(CHAIN, Some("cam7")).unwrap_err(),
            "it has no camera cam7, only cam0, cam1: say one with --camera"
        );
        let named = CHAIN.replace("cam0:", "left:").replace("cam1:", "right:");
        assert_eq!(read(&named, Some("left")).unwrap().lens, left);
        let error = read(&named, None).unwrap_err();
        assert_eq!(error, "say which camera with --camera: left, right");
    }

    #[test]
    fn other_models_are_refused_by_their_names() {
        for model in ["omni", "eucm", "ds"] {
            let file = CHAIN.replace("camera_model: pinhole", &format!("camera_model: {model}"));
            let error = read(&file, Some("cam1")).unwrap_err();
            assert!(
                error.starts_with(&format!("cam1: camera_model {model} is not")),
                "{error}"
            );
        }
        let error = read(&CHAIN.replace("equidistant", "fov"), Some("cam1")).unwrap_err();
        assert!(
            error.contains("distortion_model fov is not supported"),
            "{error}"
        );
    }
}
