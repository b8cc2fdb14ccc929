// SPDX-License-Identifier: GPL-2.0
//! `ost.txt`, which ROS's `camera_calibration` writes beside its YAML: sections
//! in brackets, and in each a name, a line below it the numbers.

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

/// The names that the same matrices have in YAML.
const NAMES: [(&str, &str); 4] = [
    ("camera matrix", "camera_matrix"),
    ("distortion", "distortion_coefficients"),
    ("rectification", "rectification_matrix"),
    ("projection", "projection_matrix"),
];

/// Whether a text is such a file.
pub fn is_one(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[image]")
        && text.lines().any(|line| line.trim() == "camera matrix")
}

/// The file as a tree: its only camera, or each camera under its section's name.
pub fn tree(text: &str) -> Yaml {
    let mut image = Hash::new();
    let mut cameras: Vec<(String, Hash)> = Vec::new();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let section = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        if let Some(name) = section {
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
        match cameras.last_mut() {
            Some((_, camera)) if known.is_some() => camera.insert(Yaml::String(name), value),
            _ => image.insert(Yaml::String(name), value),
        };
    }
    for (_, camera) in &mut cameras {
        let bend = |camera: &Hash| {
            let values = camera.get(&Yaml::String("distortion_coefficients".into()));
            values.and_then(Yaml::as_vec).map_or(0, Vec::len)
        };
        // Four may be a fisheye's, and the file does not tell.
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
    match <[(String, Hash); 1]>::try_from(cameras) {
        Ok([(_, camera)]) => Yaml::Hash(camera),
        Err(cameras) => Yaml::Hash(
            cameras
                .into_iter()
                .map(|(name, camera)| (Yaml::String(name), Yaml::Hash(camera)))
                .collect(),
        ),
    }
}

fn is_numbers(line: &str) -> bool {
    !line.is_empty()
        && line
            .split_whitespace()
            .all(|word| word.parse::<f64>().is_ok())
}
