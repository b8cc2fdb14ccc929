// SPDX-License-Identifier: GPL-2.0
//! The model that a file names, under any of the known keys and names.

use super::super::tree::{self, Tree};
use super::super::{dialect, model};
use super::{Choice, Parsed, Values, by_hand};

/// The kind of model that a name stands for.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Pinhole,
    Fisheye,
    None,
    Omni,
    DoubleSphere,
    Eucm,
    Fov,
    /// A model that the file names by a number.
    Numbered,
    /// A known model that is not supported.
    Other,
}

/// Returns the kind of model of this name.
pub fn kind(word: &str) -> Option<Kind> {
    let word = word.to_lowercase();
    let word = word.strip_prefix("distortion.").unwrap_or(&word);
    let word = word.strip_prefix("lensmodel").unwrap_or(word);
    let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    // The names of RealSense's library in C.
    let plain = plain.strip_prefix("rs2distortion").unwrap_or(&plain);
    Some(match plain {
        "pinhole"
        | "perspective"
        | "plumbbob"
        | "radtan"
        | "radialtangential"
        | "brown"
        | "brownconrady"
        | "opencv"
        | "fullopencv"
        | "standard"
        | "rational"
        | "rationalpolynomial"
        | "pinholeradtan"
        | "pinholebrown"
        | "radial"
        | "simpleradial"
        | "simplepinhole"
        | "opencvpinhole"
        | "radtan8"
        | "pinholeradialtangential" => Kind::Pinhole,
        "fisheye" | "equidistant" | "equi" | "kannalabrandt" | "kannalabrandt4"
        | "kannalabrandt8" | "kb" | "kb4" | "kb8" | "opencvfisheye" | "fisheyeopencv"
        | "pinholeequi" => Kind::Fisheye,
        "none" | "" => Kind::None,
        "omni" | "omnidir" | "mei" | "omniradtan" | "omnidirectionaluniversal" => Kind::Omni,
        "ds" | "doublesphere" => Kind::DoubleSphere,
        "eucm" => Kind::Eucm,
        "fov" => Kind::Fov,
        // RealSense's models: the inverse direction, tangential terms after the radial ones, and an
        // angle.
        "inversebrownconrady" | "modifiedbrownconrady" | "ftheta" => Kind::Other,
        _ => return None,
    })
}

fn number(value: &Tree) -> Option<f64> {
    match (value.text(), value.numbers("").as_deref()) {
        (None, Ok([number])) => Some(*number),
        _ => None,
    }
}

/// Returns the error for a model that is a number.
pub fn numbered(values: &Values) -> String {
    let is_model = |name: &str| model::KEYS.contains(&tree::plain(name).as_str());
    let mut named = values.all.iter().filter(|(name, _)| is_model(name));
    let found = named.find_map(|(name, value)| Some((name, number(value)?)));
    found.map_or_else(String::new, |(name, number)| model::numbered(name, number))
}

/// Returns the model that the file names, with its key. If the user chose a model, a name that is not known, such
/// as a camera's, is ignored.
pub fn model(values: &Values, choice: &Choice) -> Parsed<Option<(Kind, String)>> {
    let mut found: Vec<(Kind, String)> = Vec::new();
    let mut pinhole = None;
    for (name, value) in &values.all {
        let key = tree::plain(name);
        if model::FLAGS.contains(&key.as_str()) {
            match dialect::is_set(value, name)? {
                true => found.push((Kind::Fisheye, name.clone())),
                false => pinhole = Some(name),
            }
        }
        if !model::KEYS.contains(&key.as_str()) {
            continue;
        }
        if model::is_other(&key, value.text()) {
            continue;
        }
        if number(value).is_some() {
            if choice.model.is_none() {
                found.push((Kind::Numbered, name.clone()));
            }
            continue;
        }
        let word = value.text().unwrap_or_default();
        match kind(word) {
            Some(kind) => found.push((kind, name.clone())),
            None if choice.model.is_some() || key == "type" => {}
            None => {
                return Err(format!(
                    "{name} {word} is not known: pinhole, fisheye, omni, ds, eucm and fov are; if its \
                     coefficients are those of a pinhole or a fisheye, say which with --model; {}",
                    by_hand()
                ));
            }
        }
    }
    match (
        pinhole,
        found.iter().find(|(kind, _)| *kind == Kind::Fisheye),
    ) {
        (Some(flag), Some((_, key))) => return Err(format!("its {flag} contradicts its {key}")),
        (Some(flag), None) if found.is_empty() => found.push((Kind::Pinhole, flag.clone())),
        _ => {}
    }
    // An example is `camera_model: pinhole` with `distortion_model: equidistant`.
    if found
        .iter()
        .any(|(kind, _)| ![Kind::Pinhole, Kind::None].contains(kind))
    {
        found.retain(|(kind, _)| ![Kind::Pinhole, Kind::None].contains(kind));
    } else if found.iter().any(|(kind, _)| *kind == Kind::None) {
        found.retain(|(kind, _)| *kind == Kind::None);
    }
    match found.iter().find(|(kind, _)| *kind != found[0].0) {
        Some((_, other)) => Err(format!(
            "its {} and its {other} are different models",
            found[0].1
        )),
        None => Ok(found.into_iter().next()),
    }
}
