// SPDX-License-Identifier: GPL-2.0
//! Kalibr's `camchain.yaml`: cameras cam0, cam1 ... with their intrinsics; or the `camera.yaml` of
//! one camera, which has the same keys without a camera's name.

use super::dialect::{Described, chosen_within, within};
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye, opencv, plausible};
use crate::lens::{Brown, Distortion, DoubleSphere, Eucm, Lens, Omni};

/// The greatest depth of a camera in a file. Those of DSEC are in `intrinsics`.
const DEPTH: usize = 2;

/// Returns whether this is a file of Kalibr. The cameras of a camchain are its keys.
pub fn is_one(tree: &Tree) -> bool {
    is_camera(tree) || !opencv::has_matrix(tree) && !within(tree, DEPTH, &is_camera).is_empty()
}

/// Returns whether the file has several cameras, between which --camera chooses.
pub fn has_cameras(tree: &Tree) -> bool {
    !is_camera(tree)
}

fn is_camera(value: &Tree) -> bool {
    let four = |matrix: Tree| matrix.numbers("").is_ok_and(|all| all.len() == 4);
    value.get("camera_model").is_some()
        && value.get("distortion_coeffs").is_some()
        && (value.get("intrinsics").is_some() || value.get("camera_matrix").is_some_and(four))
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        return read(tree, choice);
    }
    let (name, camera) = &chosen_within(tree, DEPTH, &is_camera, choice)?;
    read(camera, choice).map_err(|cause| format!("{name}: {cause}"))
}

fn read(cam: &Tree, choice: &Choice) -> Parsed<Described> {
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
    // The second name is that of DSEC, which has the numbers in the same order.
    let intrinsics = match cam.get("intrinsics") {
        None if cam.get("camera_matrix").is_some() => numbers("camera_matrix")?,
        _ => numbers("intrinsics")?,
    };
    let bend = "distortion_coeffs";
    let (camera_model, distortion_model) = match (&*word("camera_model"), word("distortion_model"))
    {
        // direct_visual_lidar_calibration has the distortion's model alone.
        ("plumb_bob", model) if model.is_empty() => ("pinhole".into(), "radtan".into()),
        ("fisheye" | "equidistant", model) if model.is_empty() => {
            ("pinhole".into(), "equidistant".into())
        }
        (camera, model) => (camera.to_owned(), model),
    };
    let no_model = |key: &str, model: &str| {
        format!(
            "{key} {model} is not supported; pinhole-radtan, pinhole-equi, pinhole-fov, omni-none, \
             omni-radtan, eucm-none and ds-none are; {}",
            super::by_hand()
        )
    };
    // The camera model's own parameters come before the focal lengths.
    let (own, matrix) = match (&camera_model[..], &intrinsics[..]) {
        ("pinhole", matrix) if matrix.len() == 4 => (&[][..], matrix),
        ("omni", [own, matrix @ ..]) if matrix.len() == 4 => (std::slice::from_ref(own), matrix),
        ("eucm" | "ds", [_, _, matrix @ ..]) if matrix.len() == 4 => (&intrinsics[..2], matrix),
        ("pinhole" | "omni" | "eucm" | "ds", _) => {
            return Err(format!(
                "intrinsics has {} numbers, not those of {camera_model} with fu, fv, pu, pv last",
                intrinsics.len()
            ));
        }
        _ => return Err(no_model("camera_model", &camera_model)),
    };
    let distortion = match (own, &distortion_model[..]) {
        ([], "radtan" | "radial-tangential" | "plumb_bob") => brown(&numbers(bend)?, bend)?,
        ([], "equidistant" | "equi") => fisheye(&numbers(bend)?, bend)?,
        ([], "fov") => match numbers(bend)?[..] {
            [w] => Distortion::Fov(w),
            _ => return Err(format!("{bend} is not the one number of fov")),
        },
        ([], "none") => Distortion::Brown(Brown::NONE),
        ([xi], "none") => Distortion::Omni(Omni::new(*xi, [0.0; 4])),
        ([xi], "radtan") => {
            let values = <[f64; 4]>::try_from(numbers(bend)?);
            let values = values.map_err(|_| format!("{bend} are not the 4 numbers of radtan"))?;
            Distortion::Omni(Omni::new(*xi, values))
        }
        ([alpha, beta], "none") if camera_model == "eucm" => Distortion::Eucm(Eucm {
            alpha: *alpha,
            beta: *beta,
        }),
        ([xi, alpha], "none") => Distortion::DoubleSphere(DoubleSphere {
            xi: *xi,
            alpha: *alpha,
        }),
        (_, other) => {
            let key = format!("{camera_model}'s distortion_model");
            return Err(no_model(&key, other));
        }
    };
    agrees(choice, &distortion, "distortion_model")?;
    let [fx, fy, cx, cy] = matrix[..] else {
        return Err("intrinsics are not fx, fy, cx, cy".into());
    };
    let size = match cam.get("resolution") {
        Some(sides) => {
            let sides = <[f64; 2]>::try_from(sides.numbers("resolution")?);
            let sides = sides.map_err(|_| "resolution is not a width and a height")?;
            Some(tree::size(sides, "resolution")?)
        }
        None => None,
    };
    let lens = Lens {
        focal: [fx, fy],
        center: [cx, cy],
        distortion,
    }
    .check()?;
    let mut described = Described::from(Calibration { lens, size });
    described.doubts = plausible::doubts(&lens, size);
    if distortion_model != "none" && distortion.is_straight() {
        described
            .doubts
            .push(format!("{bend}: all are 0: the lens bends nothing"));
    }
    Ok(described)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, four};
    use proptest::prelude::*;

    pub const CHAIN: &str = "cam0:\n  cam_overlaps: [1]\n  camera_model: pinhole\n  \
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
    fn the_models_of_wide_lenses_have_their_parameters_first() {
        let camera = |model: &str, intrinsics: &str, distortion: &str| {
            let file = format!(
                "cam0:\n  camera_model: {model}\n  intrinsics: {intrinsics}\n  distortion_model: \
                 {distortion}\n  distortion_coeffs: [0.1, 0.2, 0.3, 0.4]\n  resolution: [752, 480]\n"
            );
            read(&file, None).map(|calibration| calibration.lens)
        };
        let lens = camera("ds", "[-0.2, 0.6, 300, 301, 370, 240]", "none").unwrap();
        assert_eq!((lens.focal, lens.center), ([300.0, 301.0], [370.0, 240.0]));
        let sphere = DoubleSphere {
            xi: -0.2,
            alpha: 0.6,
        };
        assert_eq!(lens.distortion, Distortion::DoubleSphere(sphere));
        let lens = camera("eucm", "[0.6, 1.1, 300, 301, 370, 240]", "none").unwrap();
        let eucm = Eucm {
            alpha: 0.6,
            beta: 1.1,
        };
        assert_eq!(lens.distortion, Distortion::Eucm(eucm));
        let lens = camera("omni", "[1.2, 300, 301, 370, 240]", "radtan").unwrap();
        let omni = Omni::new(1.2, [0.1, 0.2, 0.3, 0.4]);
        assert_eq!(lens.distortion, Distortion::Omni(omni));
        let error = camera("ds", "[300, 301, 370, 240]", "none").unwrap_err();
        assert!(
            error.starts_with("cam0: intrinsics has 4 numbers, not those of ds"),
            "{error}"
        );
        let error = camera("omni", "[1.2, 300, 301, 370, 240]", "equidistant").unwrap_err();
        assert!(
            error.starts_with("cam0: omni's distortion_model equidistant is not"),
            "{error}"
        );
    }

    #[test]
    fn other_models_are_refused_by_their_names() {
        let file = CHAIN.replace("camera_model: pinhole", "camera_model: ocam");
        let error = read(&file, Some("cam1")).unwrap_err();
        assert!(
            error.starts_with("cam1: camera_model ocam is not supported"),
            "{error}"
        );
        let error = read(&CHAIN.replace("equidistant", "division"), Some("cam1")).unwrap_err();
        assert!(
            error.contains("distortion_model division is not supported"),
            "{error}"
        );
    }

    #[test]
    fn one_camera_needs_no_name() {
        let chain: Vec<&str> = CHAIN.split_inclusive('\n').collect();
        let alone: String = chain[1..8].iter().map(|line| line.trim_start()).collect();
        assert_eq!(read(&alone, None), read(CHAIN, Some("cam0")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), unit in 0.0..1.0f64, model in 0usize..7, alone: bool) {
            let [a, b, c, d] = k;
            let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
            // The intrinsics of each model and the coefficients of each distortion are those of
            // Kalibr's documentation.
            let (camera, own, bend, values, expected) = match model {
                0 => ("pinhole", vec![], "radtan", k.to_vec(), Distortion::Brown(brown)),
                1 => ("pinhole", vec![], "equidistant", k.to_vec(), Distortion::Fisheye(k)),
                2 => ("pinhole", vec![], "fov", vec![unit], Distortion::Fov(unit)),
                3 => ("omni", vec![unit], "radtan", k.to_vec(), Distortion::Omni(Omni::new(unit, k))),
                4 => ("omni", vec![unit], "none", vec![], Distortion::Omni(Omni::new(unit, [0.0; 4]))),
                5 => ("eucm", vec![unit, 1.0 + unit], "none", vec![], Distortion::Eucm(Eucm { alpha: unit, beta: 1.0 + unit })),
                _ => ("ds", vec![a, unit], "none", vec![], Distortion::DoubleSphere(DoubleSphere { xi: a, alpha: unit })),
            };
            let intrinsics = [own, vec![fx, fy, cx, cy]].concat();
            let lines = [
                "cam_overlaps: [1]".to_owned(), format!("camera_model: {camera}"), format!("distortion_coeffs: {values:?}"),
                format!("distortion_model: {bend}"), format!("intrinsics: {intrinsics:?}"), "resolution: [752, 480]".into(),
                "rostopic: /cam1/image_raw".into(),
            ];
            let (text, choice) = if alone {
                (lines.join("\n") + "\n", None)
            } else {
                (format!("{}cam1:\n  {}\n", &CHAIN[..CHAIN.find("cam1:").unwrap()], lines.join("\n  ")), Some("cam1"))
            };
            let found = read(&text, choice).unwrap();
            prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(found.size.unwrap().to_string(), "752x480");
            prop_assert_eq!(found.lens.distortion, expected);
        }
    }
}
