// SPDX-License-Identifier: GPL-2.0
//! Basalt's `calibration.json`.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown};
use crate::lens::{Brown, Distortion, DoubleSphere, Eucm};

pub const DIALECT: Dialect = Dialect::of("a calibration of Basalt", is_one, read).of_several();

fn is_one(tree: &Tree) -> bool {
    cameras(tree)
        .iter()
        .any(|camera| camera.get("camera_type").is_some())
}

fn cameras(tree: &Tree) -> Vec<Tree> {
    let value = tree.get("value0");
    let cameras = value.and_then(|value| value.get("intrinsics"));
    cameras.map(|cameras| cameras.items()).unwrap_or_default()
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let cameras = cameras(tree);
    let index = dialect::chosen(&dialect::counted(cameras.len()), choice)?;
    let kind = dialect::word(&cameras[index], "camera_type")?;
    let numbers = dialect::needed(&cameras[index], "intrinsics")?;
    let number = |name: &str| {
        dialect::number(&numbers, name).map_err(|cause| format!("intrinsics: {cause}"))
    };
    let distortion = match kind.as_str() {
        "pinhole" => Distortion::Brown(Brown::NONE),
        "kb4" => Distortion::Fisheye([number("k1")?, number("k2")?, number("k3")?, number("k4")?]),
        "ds" => Distortion::DoubleSphere(DoubleSphere {
            xi: number("xi")?,
            alpha: number("alpha")?,
        }),
        "eucm" => Distortion::Eucm(Eucm {
            alpha: number("alpha")?,
            beta: number("beta")?,
        }),
        "ucm" => Distortion::Eucm(Eucm {
            alpha: number("alpha")?,
            beta: 1.0,
        }),
        "fov" => Distortion::Fov(number("w")?),
        "pinhole-radtan8" => {
            let names = ["k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"];
            let values: Vec<f64> = names.into_iter().map(number).collect::<Parsed<_>>()?;
            brown(&values, "intrinsics")?
        }
        other => {
            return Err(format!(
                "camera_type {other} is not supported: pinhole, pinhole-radtan8, kb4, ds, ucm, eucm and fov are"
            ));
        }
    };
    agrees(choice, &distortion, "camera_type")?;
    let camera = [number("fx")?, number("fy")?, number("cx")?, number("cy")?];
    let value = dialect::needed(tree, "value0")?;
    let sizes = value
        .get("resolution")
        .map(|sizes| sizes.items())
        .unwrap_or_default();
    let size = match sizes.get(index) {
        Some(sides) => {
            let sides = sides.numbers("resolution")?;
            let sides = sides
                .try_into()
                .map_err(|_| "resolution is not a width and a height for each camera")?;
            Some(tree::size(sides, "resolution")?)
        }
        None => None,
    };
    Ok(Calibration {
        lens: pixels(camera, distortion)?,
        size,
    }
    .into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = r#"{
    "value0": {
        "T_imu_cam": [{"px": 0.0, "py": 0.0, "pz": 0.0, "qx": 0.0, "qy": 0.0, "qz": 0.0, "qw": 1.0}],
        "intrinsics": [
            {"camera_type": "ds", "intrinsics": {"fx": 157.5, "fy": 157.25, "cx": 254.5, "cy": 256.75, "xi": -0.18, "alpha": 0.59}},
            {"camera_type": "kb4", "intrinsics": {"fx": 190.5, "fy": 190.25, "cx": 252.5, "cy": 254.75, "k1": 0.0034, "k2": 0.0007, "k3": -0.002, "k4": 0.0002}}
        ],
        "resolution": [[512, 512], [640, 480]],
        "vignette": []
    }
}"#;

    #[test]
    fn cameras_have_their_own_models_and_sizes() {
        let choice = |camera| Choice {
            camera: Some(camera),
            ..Choice::default()
        };
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: 0, 1",
        );
        let first = described(FILE, &choice("0")).calibration;
        assert_eq!(first.size.unwrap().to_string(), "512x512");
        let (xi, alpha) = (-0.18, 0.59);
        assert_eq!(
            first.lens.distortion,
            Distortion::DoubleSphere(DoubleSphere { xi, alpha })
        );
        let second = described(FILE, &choice("1")).calibration;
        assert_eq!(second.size.unwrap().to_string(), "640x480");
        assert_eq!(
            second.lens.distortion,
            Distortion::Fisheye([0.0034, 0.0007, -0.002, 0.0002])
        );
        let other = FILE.replace("\"ds\"", "\"splines\"");
        refused(&other, &choice("0"), "camera_type splines is not supported");
        refused(
            &FILE.replace("\"xi\"", "\"x\""),
            &choice("0"),
            "intrinsics: it has no xi",
        );
        refused(
            &FILE.replace("0.59", "1.59"),
            &choice("0"),
            "alpha is 1.59, and the model takes 0 to 1",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), unit in 0.0..1.0f64, model in 0usize..7) {
            let [a, b, c, d] = k;
            let [e, f, g, h] = more;
            let beta = unit + 0.5;
            let (name, parameters, expected) = match model {
                0 => ("pinhole", String::new(), Distortion::Brown(Brown::NONE)),
                1 => ("kb4", format!(", \"k1\": {a:?}, \"k2\": {b:?}, \"k3\": {c:?}, \"k4\": {d:?}"), Distortion::Fisheye(k)),
                2 => ("ds", format!(", \"xi\": {a:?}, \"alpha\": {unit:?}"), Distortion::DoubleSphere(DoubleSphere { xi: a, alpha: unit })),
                3 => ("eucm", format!(", \"alpha\": {unit:?}, \"beta\": {beta:?}"), Distortion::Eucm(Eucm { alpha: unit, beta })),
                4 => ("ucm", format!(", \"alpha\": {unit:?}"), Distortion::Eucm(Eucm { alpha: unit, beta: 1.0 })),
                5 => ("fov", format!(", \"w\": {beta:?}"), Distortion::Fov(beta)),
                _ => (
                    "pinhole-radtan8",
                    format!(", \"k1\": {a:?}, \"k2\": {b:?}, \"p1\": {c:?}, \"p2\": {d:?}, \"k3\": {e:?}, \"k4\": {f:?}, \"k5\": {g:?}, \
                        \"k6\": {h:?}, \"rpmax\": 2.0"),
                    Distortion::Brown(Brown { radial: [a, b, e], tangential: [c, d], rational: [f, g, h], ..Brown::NONE }),
                ),
            };
            let text = format!("{{\"value0\": {{\"intrinsics\": [{{\"camera_type\": \"{name}\", \"intrinsics\": {{\"fx\": {fx:?}, \"fy\": {fy:?}, \
                \"cx\": {cx:?}, \"cy\": {cy:?}{parameters}}}}}], \"resolution\": [[752, 480]]}}}}");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
