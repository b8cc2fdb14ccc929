// SPDX-License-Identifier: GPL-2.0
//! The `Dewarp` section of a libcamera tuning file, from libcamera 0.6.0 on.

use super::dialect::{self, Described, Dialect, Output};
use super::tree::Tree;
use super::{Calibration, Choice, Parsed, agrees, brown, lens};

pub const DIALECT: Dialect = Dialect::of("a libcamera tuning file", is_one, read);

fn is_one(tree: &Tree) -> bool {
    tree.get("modules").is_some()
}

/// Returns the parameters of the algorithm `Dewarp`.
fn section(tree: &Tree) -> Parsed<Tree> {
    let modules = dialect::needed(tree, "modules")?.items();
    let mut sections = modules.iter().filter_map(|module| module.get("Dewarp"));
    match (sections.next(), sections.next()) {
        (Some(section), None) => Ok(section),
        (Some(_), Some(_)) => Err("it has two Dewarp sections".into()),
        (None, _) => {
            Err("it has no Dewarp section among its modules: there is no lens in it".into())
        }
    }
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let section = section(tree)?;
    let values = dialect::needed(&section, "coefficients")?.numbers("coefficients")?;
    if ![4, 5, 8, 12].contains(&values.len()) {
        return Err(format!(
            "coefficients has {} numbers, and libcamera takes 4, 5, 8 or 12",
            values.len()
        ));
    }
    let distortion = brown(&values, "coefficients")?;
    agrees(choice, &distortion, "Dewarp section")?;
    let lens = lens(&dialect::needed(&section, "cm")?, "cm", distortion)?;
    let shown = match section.get("cmNew") {
        Some(matrix) => {
            let straight = super::lens(&matrix, "cmNew", brown(&[0.0; 4], "cmNew")?)?;
            Some([straight.focal, straight.center])
        }
        None => None,
    };
    Ok(Described {
        calibration: Calibration {
            lens,
            // The size of the sensor's analogue crop, which the user must give,
            // is not in the file.
            size: None,
        },
        output: shown.map(|camera| Output {
            camera: Some(camera),
            ..Output::default()
        }),
        notes: match values[3] {
            0.0 => Vec::new(),
            _ => vec![
                "libcamera 0.6.0 and 0.7.0 compute the term of p2 wrongly: this is the map of 0.7.1 and later"
                    .into(),
            ],
        },
        doubts: Vec::new(),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::Size;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "%YAML 1.1\n---\nversion: 1\nmodules:\n  - Agc:\n  - Awb:\n  - Dewarp:\n      \
        cm: [ 1411.5, 0.0, 1298.25,  0.0, 1409.0, 971.5,  0.0, 0.0, 1.0 ]\n      \
        coefficients: [ -0.31, 0.12, 0.0004, -0.0007, -0.021 ]\n...\n";

    const SIZE: Size = Size {
        width: 2592,
        height: 1944,
    };

    fn choice() -> Choice<'static> {
        Choice {
            size: Some(SIZE),
            ..Choice::default()
        }
    }

    #[test]
    fn the_dewarp_section_is_found_among_the_others() {
        let found = described(FILE, &choice());
        assert_eq!(found.calibration.size, None);
        assert_eq!(found.calibration.lens.focal, [1411.5, 1409.0]);
        assert_eq!(found.calibration.lens.center, [1298.25, 971.5]);
        let Distortion::Brown(brown) = found.calibration.lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.radial, [-0.31, 0.12, -0.021]);
        assert_eq!(brown.tangential, [0.0004, -0.0007]);
        assert_eq!(found.output, None);
    }

    #[test]
    fn the_new_matrix_is_the_output_s_camera() {
        let file = FILE.replace(
            "...",
            "      cmNew: [ 1250.0, 0.0, 1296.0,  0.0, 1240.0, 972.0,  0.0, 0.0, 1.0 ]",
        );
        let output = described(&file, &choice()).output.unwrap();
        assert_eq!(output.camera, Some([[1250.0, 1240.0], [1296.0, 972.0]]));
    }

    #[test]
    fn what_libcamera_would_refuse_is_refused() {
        for (right, wrong, reason) in [
            (", -0.021", "", ""),
            (
                ", -0.0007, -0.021",
                "",
                "coefficients has 3 numbers, and libcamera takes 4, 5, 8",
            ),
            ("cm:", "# cm:", "it has no cm"),
            ("coefficients:", "# coefficients:", "it has no coefficients"),
            (
                "Dewarp",
                "Lsc",
                "it has no Dewarp section among its modules",
            ),
            ("1409.0", "x", "cm: x is not a number"),
        ] {
            let file = FILE.replace(right, wrong);
            match reason {
                "" => drop(described(&file, &choice())),
                reason => refused(&file, &choice(), reason),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), [nx, ny, ncx, ncy] in camera(), k in four(), l in four(), m in four(), model in 0usize..4) {
            let count = [4, 5, 8, 12][model];
            let values = &[k, l, m].concat()[..count];
            let text = format!("%YAML 1.1\n---\nversion: 1\nmodules:\n  - Agc:\n  - Dewarp:\n      cm: [ {fx:?}, 0.0, {cx:?},\n            \
                0.0, {fy:?}, {cy:?},\n            0.0, 0.0, 1.0 ]\n      cmNew: [ {nx:?}, 0.0, {ncx:?}, 0.0, {ny:?}, {ncy:?}, 0.0, 0.0, 1.0 ]\n      \
                coefficients: {values:?}\n...\n");
            let found = described(&text, &choice());
            let lens = found.calibration.lens;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
            let expected = Brown {
                radial: [at(0), at(1), at(4)], tangential: [at(2), at(3)], rational: [at(5), at(6), at(7)],
                prism: [at(8), at(9), at(10), at(11)], ..Brown::NONE
            };
            prop_assert_eq!(lens.distortion, Distortion::Brown(expected));
            prop_assert_eq!(found.output.unwrap().camera, Some([[nx, ny], [ncx, ncy]]));
        }
    }
}
