// SPDX-License-Identifier: GPL-2.0
//! mrcal's `.cameramodel`: a Python dictionary, which is YAML except for
//! comments and byte strings.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown};
use crate::lens::{Brown, Distortion};

pub const DIALECT: Dialect = Dialect::of("a camera model of mrcal", is_one, read);

/// The key of the model, and its earlier names.
const MODEL: [&str; 3] = ["lensmodel", "lens_model", "distortion_model"];

fn is_one(tree: &Tree) -> bool {
    // PhotonVision's files have that key together with their own.
    tree.first(MODEL).is_some_and(|(_, model)| {
        let name = model.text().unwrap_or_default();
        name.starts_with("LENSMODEL_") || name.starts_with("DISTORTION_")
    }) && tree.get("cameraIntrinsics").is_none()
}

/// Returns the text without what is not YAML: the byte string of the
/// optimisation's inputs.
pub fn without_bytes(text: String) -> String {
    if !text.contains("LENSMODEL_") && !text.contains("DISTORTION_") {
        return text;
    }
    let bytes = |line: &&str| {
        let value = line.split_once(':').map_or("", |(_, value)| value);
        let value = value.trim_start();
        !(value.starts_with("b'") || value.starts_with("b\""))
    };
    let lines: Vec<&str> = text.lines().filter(bytes).collect();
    lines.join("\n")
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let key = tree.first(MODEL).map_or(MODEL[0], |(key, _)| key);
    let model = dialect::word(tree, key)?.replace("DISTORTION_", "LENSMODEL_");
    let count = match model.as_str() {
        "LENSMODEL_PINHOLE" | "LENSMODEL_NONE" => 0,
        "LENSMODEL_OPENCV4" => 4,
        "LENSMODEL_OPENCV5" => 5,
        "LENSMODEL_OPENCV8" => 8,
        "LENSMODEL_OPENCV12" => 12,
        other => {
            return Err(format!(
                "lensmodel {other} is not supported: LENSMODEL_PINHOLE and LENSMODEL_OPENCV4, 5, 8 and 12 \
                 are (mrcal-convert-lensmodel makes one of these from it)"
            ));
        }
    };
    let values = dialect::needed(tree, "intrinsics")?.numbers("intrinsics")?;
    if values.len() != 4 + count {
        return Err(format!(
            "intrinsics has {} numbers, and {model} has {}",
            values.len(),
            4 + count
        ));
    }
    let distortion = match count {
        0 => Distortion::Brown(Brown::NONE),
        _ => brown(&values[4..], "intrinsics")?,
    };
    agrees(choice, &distortion, key)?;
    let size = tree::size(dialect::numbers(tree, "imagersize")?, "imagersize")?;
    let lens = pixels([values[0], values[1], values[2], values[3]], distortion)?;
    Ok(Calibration {
        lens,
        size: Some(size),
    }
    .into())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = "# generated on 2026-01-01 with: mrcal-calibrate-cameras --lensmodel LENSMODEL_OPENCV8\n\
        # RMS reprojection error: 0.3 [pixels]: it's good\n{\n    'lensmodel':  'LENSMODEL_OPENCV8',\n\n    \
        # intrinsics are fx,fy,cx,cy,distortion0,distortion1,....\n    'intrinsics': [ 1761.5, 1761.25, 1965.5, 1087.75, -0.125, -0.25, \
        0.0005, 0.0003, 0.01, 0.2, -0.35, -0.05,],\n\n    'valid_intrinsics_region': [\n    [ 501, 170 ],\n    [ 501, 340 ],\n],\n\n    \
        'extrinsics': [ 0., 0., 0., 0., 0., 0.,],\n\n    'imagersize': [ 3904, 2196,],\n\n    'icam_intrinsics': 0,\n\n    \
        # The optimization inputs contain all the data used to compute this model.\n    'optimization_inputs': b'P)h>@6aWAK2mr`p{#}',\n}\n";

    #[test]
    fn a_model_of_opencv_is_read() {
        let Calibration { lens, size } = described(FILE, &Choice::default()).calibration;
        assert_eq!(size.unwrap().to_string(), "3904x2196");
        assert_eq!(
            (lens.focal, lens.center),
            ([1761.5, 1761.25], [1965.5, 1087.75])
        );
        let Distortion::Brown(brown) = lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.tangential, [0.0005, 0.0003]);
        assert_eq!(
            (brown.radial, brown.rational),
            ([-0.125, -0.25, 0.01], [0.2, -0.35, -0.05])
        );
    }

    #[test]
    fn other_models_are_refused_by_name() {
        let other = FILE.replace(
            "'LENSMODEL_OPENCV8'",
            "'LENSMODEL_SPLINED_STEREOGRAPHIC_order=3_Nx=30_Ny=18_fov_x_deg=150'",
        );
        refused(
            &other,
            &Choice::default(),
            "lensmodel LENSMODEL_SPLINED_STEREOGRAPHIC_order=3_Nx=30_Ny=18_fov_x_deg=150 is not",
        );
        refused(
            &FILE.replace(", -0.05,]", ",]"),
            &Choice::default(),
            "intrinsics has 11 numbers, and LENSMODEL_OPENCV8 has 12",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), model in 0usize..4) {
            let (name, count) = [("PINHOLE", 0), ("OPENCV4", 4), ("OPENCV5", 5), ("OPENCV8", 8)][model];
            let values = [&[fx, fy, cx, cy][..], &[&k[..], &more].concat()[..count]].concat();
            let text = format!("{{\n    'lensmodel':  'LENSMODEL_{name}',\n    'intrinsics': {values:?},\n    'imagersize': [ 752, 480,],\n}}\n");
            let lens = described(&text, &Choice::default()).calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let at = |index: usize| values.get(4 + index).copied().unwrap_or(0.0);
            let expected = Brown { radial: [at(0), at(1), at(4)], tangential: [at(2), at(3)], rational: [at(5), at(6), at(7)], ..Brown::NONE };
            prop_assert_eq!(lens.distortion, Distortion::Brown(expected));
        }
    }
}
