// SPDX-License-Identifier: GPL-2.0
//! Cameras of camodocal, as used by VINS-Mono and VINS-Fusion.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::Tree;
use super::{Calibration, Choice, Parsed, agrees};
use crate::lens::{Brown, Distortion, Omni};

pub const DIALECT: Dialect = Dialect::of("a camera of camodocal or VINS", is_one, read);

fn is_one(tree: &Tree) -> bool {
    tree.get("model_type").is_some() && tree.get("projection_parameters").is_some()
}

/// Returns the numbers under these names in the map of a key.
fn under<const N: usize>(tree: &Tree, key: &str, names: [&str; N]) -> Parsed<[f64; N]> {
    let tree = dialect::needed(tree, key)?;
    let mut values = [0.0; N];
    for (value, name) in values.iter_mut().zip(names) {
        *value = dialect::number(&tree, name).map_err(|cause| format!("{key}: {cause}"))?;
    }
    Ok(values)
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let (projection, distortion) = ("projection_parameters", "distortion_parameters");
    let plain = || under(tree, distortion, ["k1", "k2", "p1", "p2"]);
    let lens = match dialect::word(tree, "model_type")?.to_uppercase().as_str() {
        "PINHOLE" => {
            let [k1, k2, p1, p2] = plain()?;
            let brown = Brown {
                radial: [k1, k2, 0.0],
                tangential: [p1, p2],
                ..Brown::NONE
            };
            pixels(
                under(tree, projection, ["fx", "fy", "cx", "cy"])?,
                Distortion::Brown(brown),
            )?
        }
        "PINHOLE_FULL" => {
            let names = ["k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"];
            let values = under(tree, distortion, names)?;
            pixels(
                under(tree, projection, ["fx", "fy", "cx", "cy"])?,
                super::brown(&values, distortion)?,
            )?
        }
        // The numbering begins with k2, which is OpenCV's k1.
        "KANNALA_BRANDT" => {
            let names = ["mu", "mv", "u0", "v0"];
            let k = under(tree, projection, ["k2", "k3", "k4", "k5"])?;
            pixels(under(tree, projection, names)?, Distortion::Fisheye(k))?
        }
        "MEI" => {
            let [xi] = under(tree, "mirror_parameters", ["xi"])?;
            let names = ["gamma1", "gamma2", "u0", "v0"];
            pixels(
                under(tree, projection, names)?,
                Distortion::Omni(Omni::new(xi, plain()?)),
            )?
        }
        other => {
            return Err(format!(
                "model_type {other} is not supported: PINHOLE, PINHOLE_FULL, KANNALA_BRANDT and MEI are"
            ));
        }
    };
    agrees(choice, &lens.distortion, "model_type")?;
    let size = dialect::size(tree, ["image_width", "image_height"])?;
    let mut described = Described::from(Calibration { lens, size });
    let k3 = tree
        .get(distortion)
        .map_or(Ok(None), |map| map.number("k3"));
    if let (Distortion::Brown(Brown { radial, .. }), Ok(Some(k3))) = (lens.distortion, k3) {
        if k3 != 0.0 && radial[2] == 0.0 {
            described.doubts.push(format!(
                "its k3: {k3} is not used: a PINHOLE of camodocal has k1, k2, p1 and p2; if the five were computed \
                 together, model_type PINHOLE_FULL has k3, with k4, k5 and k6 as 0"
            ));
        }
    }
    Ok(described)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = "%YAML:1.0\n---\nmodel_type: MEI\ncamera_name: camera\nimage_width: 752\nimage_height: 480\n\
        mirror_parameters:\n   xi: 1.875\ndistortion_parameters:\n   k1: -0.125\n   k2: 0.75\n   p1: 0.0006\n   \
        p2: 0.0003\nprojection_parameters:\n   gamma1: 1120.5\n   gamma2: 1121.5\n   u0: 373.25\n   v0: 252.75\n";

    #[test]
    fn an_omnidirectional_camera_has_its_mirror_s_parameter() {
        let Calibration { lens, size } = described(FILE, &Choice::default()).calibration;
        assert_eq!(size.unwrap().to_string(), "752x480");
        assert_eq!(
            (lens.focal, lens.center),
            ([1120.5, 1121.5], [373.25, 252.75])
        );
        let expected = Omni::new(1.875, [-0.125, 0.75, 0.0006, 0.0003]);
        assert_eq!(lens.distortion, Distortion::Omni(expected));
    }

    #[test]
    fn other_models_and_what_is_missing_are_named() {
        let default = Choice::default();
        refused(
            &FILE.replace("MEI", "SCARAMUZZA"),
            &default,
            "model_type SCARAMUZZA is not supported",
        );
        refused(
            &FILE.replace("   xi", "   x"),
            &default,
            "mirror_parameters: it has no xi",
        );
        refused(
            &FILE.replace("   p1", "   p3"),
            &default,
            "distortion_parameters: it has no p1",
        );
        let choice = Choice {
            model: Some(crate::calibration::Model::Fisheye),
            ..default
        };
        refused(
            FILE,
            &choice,
            "--model contradicts its model_type, which is that of an omnidirectional",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), xi in 0.0..3.0f64, model in 0usize..4) {
            let [a, b, c, d] = k;
            let plain = format!("distortion_parameters:\n   k1: {a:?}\n   k2: {b:?}\n   p1: {c:?}\n   p2: {d:?}\n");
            let pixels = format!("projection_parameters:\n   fx: {fx:?}\n   fy: {fy:?}\n   cx: {cx:?}\n   cy: {cy:?}\n");
            let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
            let [e, f, g, h] = more;
            let (name, body, expected) = match model {
                0 => ("PINHOLE", plain + &pixels, Distortion::Brown(brown)),
                1 => (
                    "PINHOLE_FULL",
                    format!("{plain}   k3: {e:?}\n   k4: {f:?}\n   k5: {g:?}\n   k6: {h:?}\n{pixels}"),
                    Distortion::Brown(Brown { radial: [a, b, e], rational: [f, g, h], ..brown }),
                ),
                2 => (
                    "KANNALA_BRANDT",
                    format!("projection_parameters:\n   k2: {a:?}\n   k3: {b:?}\n   k4: {c:?}\n   k5: {d:?}\n   mu: {fx:?}\n   \
                        mv: {fy:?}\n   u0: {cx:?}\n   v0: {cy:?}\n"),
                    Distortion::Fisheye(k),
                ),
                _ => (
                    "MEI",
                    format!("mirror_parameters:\n   xi: {xi:?}\n{plain}projection_parameters:\n   gamma1: {fx:?}\n   gamma2: {fy:?}\n   \
                        u0: {cx:?}\n   v0: {cy:?}\n"),
                    Distortion::Omni(Omni::new(xi, k)),
                ),
            };
            let text = format!("%YAML:1.0\n---\nmodel_type: {name}\nimage_width: 752\nimage_height: 480\n{body}");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
