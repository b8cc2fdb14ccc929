// SPDX-License-Identifier: GPL-2.0
//! `ost.txt`, which ROS's `camera_calibration` writes together with its YAML:
//! sections in brackets, each with names, and the numbers on the lines below a
//! name.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use super::Parsed;

/// The greatest number of cameras in a file.
const CAMERAS: usize = 100;

/// The names of the matrices here, and in YAML.
const NAMES: [(&str, &str); 4] = [
    ("camera matrix", "camera_matrix"),
    ("distortion", "distortion_coefficients"),
    ("rectification", "rectification_matrix"),
    ("projection", "projection_matrix"),
];

/// Returns whether a text is such a file.
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[image]")
        && text.lines().any(|line| line.trim() == "camera matrix")
}

/// Returns the file as a tree: its only camera, or each camera under its
/// section's name.
pub fn tree(text: &str) -> Parsed<Yaml> {
    let mut image = Hash::new();
    let mut cameras: Vec<(String, Hash)> = Vec::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let section = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        if let Some(name) = section {
            if cameras.iter().any(|(camera, _)| camera == name) {
                return Err(format!("the section {name} stands twice"));
            }
            if cameras.len() == CAMERAS {
                return Err(format!("it has more than {CAMERAS} cameras"));
            }
            if name != "image" {
                cameras.push((name.to_owned(), Hash::new()));
            }
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut numbers = Vec::new();
        while let Some(row) = lines.next_if(|next| is_numbers(next)) {
            numbers.extend(row.split_whitespace().map(|word| Yaml::Real(word.into())));
        }
        let known = NAMES.iter().find(|(name, _)| *name == line);
        let name = known.map_or_else(|| format!("image_{line}"), |(_, name)| (*name).to_owned());
        let value = match known {
            Some(_) => Yaml::Array(numbers),
            None => numbers.into_iter().next().unwrap_or(Yaml::Null),
        };
        let place = match cameras.last_mut() {
            Some((_, camera)) if known.is_some() => camera,
            _ => &mut image,
        };
        if place.insert(Yaml::String(name), value).is_some() {
            return Err(format!(
                "{line} stands twice: if it is of two cameras, each with its own [image], keep the part of one"
            ));
        }
    }
    for (_, camera) in &mut cameras {
        let bend = |camera: &Hash| {
            let values = camera.get(&Yaml::String("distortion_coefficients".into()));
            values.and_then(Yaml::as_vec).map_or(0, Vec::len)
        };
        // Four numbers may be a fisheye's, and the file does not tell.
        let model = match bend(camera) {
            5 => "plumb_bob",
            8 => "rational_polynomial",
            _ => "",
        };
        camera.extend(image.clone());
        if !model.is_empty() {
            camera.insert(
                Yaml::String("distortion_model".into()),
                Yaml::String(model.into()),
            );
        }
    }
    Ok(match <[(String, Hash); 1]>::try_from(cameras) {
        Ok([(_, camera)]) => Yaml::Hash(camera),
        Err(cameras) => Yaml::Hash(
            cameras
                .into_iter()
                .map(|(name, camera)| (Yaml::String(name), Yaml::Hash(camera)))
                .collect(),
        ),
    })
}

fn is_numbers(line: &str) -> bool {
    !line.is_empty()
        && line
            .split_whitespace()
            .all(|word| word.parse::<f64>().is_ok())
}

#[cfg(test)]
pub mod tests {
    use crate::calibration::tests::{camera, four};
    use crate::calibration::{Calibration, Choice};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "# oST version 5.0 parameters\n\n\n[image]\n\nwidth\n640\n\nheight\n480\n\n[narrow_stereo]\n\n\
        camera matrix\n500.500000 0.000000 322.250000\n0.000000 501.500000 241.750000\n0.000000 0.000000 1.000000\n\n\
        distortion\n-0.200000 0.050000 0.001000 -0.002000 0.010000\n\n\
        rectification\n1.000000 0.000000 0.000000\n0.000000 1.000000 0.000000\n0.000000 0.000000 1.000000\n\n\
        projection\n450.000000 0.000000 310.000000 0.000000\n0.000000 460.000000 230.000000 0.000000\n\
        0.000000 0.000000 1.000000 0.000000\n";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), l in four(), rational: bool) {
            let values = if rational { [k, l].concat() } else { [&k[..], &l[..1]].concat() };
            let words: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            let text = format!("# Camera intrinsics\n\n[image]\n\nwidth\n752\n\nheight\n480\n\n[camera]\n\ncamera matrix\n\
                {fx:?} 0.00000 {cx:?}\n0.00000 {fy:?} {cy:?}\n0.00000 0.00000 1.00000\n\ndistortion\n{}\n\n\
                rectification\n1.0 0.0 0.0\n0.0 1.0 0.0\n0.0 0.0 1.0\n", words.join(" "));
            let found = Calibration::parse(&text, &Choice::default()).unwrap();
            prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(found.size.unwrap().to_string(), "752x480");
            let more = if rational { [l[1], l[2], l[3]] } else { [0.0; 3] };
            let expected = Brown { radial: [k[0], k[1], l[0]], tangential: [k[2], k[3]], rational: more, ..Brown::NONE };
            prop_assert_eq!(found.lens.distortion, Distortion::Brown(expected));
        }
    }
}
