// SPDX-License-Identifier: GPL-2.0
//! The lens model that a file names, under any of the keys that programs use
//! for it.

use super::dialect::flag;
use super::tree::{Tree, plain};
use super::{Choice, Model, Parsed, by_hand, flat};

/// Keys whose value is true for a fisheye.
pub const FLAGS: [&str; 4] = ["fisheyemodel", "isfisheye", "usefisheye", "fisheye"];

/// Keys that name the model.
pub const KEYS: [&str; 19] = [
    "model",
    "modeltype",
    "modelname",
    "cameratype",
    "cameramodel",
    "lenstype",
    "lensmodel",
    "distortionmodel",
    "distortiontype",
    "distmodel",
    "disttype",
    "lens",
    "projectionmodel",
    "projectiontype",
    "projection",
    "calibrationmodel",
    "calibrationtype",
    "calibtype",
    "type",
];

/// Returns whether a key names the kind of a file or a product, and no lens's model. "Standard" is a model as a
/// `type`, and not as a `lens`.
pub fn is_other(key: &str, text: Option<&str>) -> bool {
    let is_model = |text: &str| {
        let kind = flat::kind::kind(text).filter(|_| !text.is_empty());
        known(text).is_some() || kind.is_some()
    };
    let is_pinhole = |text: &str| {
        let kind = flat::kind::kind(text);
        known(text) == Some(Model::Pinhole) || kind == Some(flat::kind::Kind::Pinhole)
    };
    match (key, text) {
        ("type", Some(text)) => !is_model(text),
        ("lens", Some(text)) => !is_model(text) || is_pinhole(text) && plain(text) != "pinhole",
        ("type" | "lens", None) => true,
        _ => false,
    }
}

/// Names of the model of OpenCV's `calibrateCamera`.
const PINHOLE: [&str; 22] = [
    "pinhole",
    "perspective",
    "rectilinear",
    "standard",
    "normal",
    "brown",
    "brownconrady",
    "plumbbob",
    "radtan",
    "pinholeradtan",
    "radialtangential",
    "opencv",
    "opencvpinhole",
    "opencvbrown",
    "fullopencv",
    "rational",
    "rationalpolynomial",
    "radial",
    "polynomial",
    "thinprism",
    "opencv5",
    "opencv8",
];

/// Names of the model of OpenCV's `fisheye::calibrate`.
const FISHEYE: [&str; 13] = [
    "fisheye",
    "opencvfisheye",
    "equidistant",
    "equi",
    "pinholeequi",
    "kannalabrandt",
    "kannalabrandt4",
    "kannalabrandt8",
    "kannala",
    "kb",
    "kb4",
    "kb8",
    "opencv4fisheye",
];

/// Returns the model that the file names, with the key. If the user chose a
/// model, a name that is not known, such as a camera's, is ignored.
pub fn said(tree: &Tree, choice: &Choice) -> Parsed<Option<(String, Model)>> {
    let mut found: Vec<(String, Model)> = Vec::new();
    let mut flagged = None;
    // A map of this name is a camera.
    let flags = tree
        .spelled(FLAGS)
        .filter(|(_, value)| value.keys().is_empty());
    if let Some((key, _)) = flags {
        let model = match flag(tree, &key)? {
            true => Model::Fisheye,
            false => Model::Pinhole,
        };
        flagged = Some((key, model));
    }
    for key in KEYS {
        let Some((key, value)) = tree.spelled([key]) else {
            continue;
        };
        if is_other(&plain(&key), value.text()) {
            continue;
        }
        match (value.text(), value.numbers(&key).as_deref()) {
            (Some(text), _) => match known(text) {
                Some(model) => found.push((key, model)),
                None if choice.model.is_some() => {}
                None => return Err(unknown(&key, text)),
            },
            (None, Ok([number])) if choice.model.is_none() => return Err(numbered(&key, *number)),
            _ => {}
        }
    }
    // A pinhole with a fisheye's distortion is a fisheye.
    let fisheye = found.iter().find(|(_, model)| *model == Model::Fisheye);
    let named = fisheye.or(found.first()).cloned();
    match (flagged, named) {
        (Some((flag, model)), Some((key, other))) if model != other => {
            Err(format!("its {flag} contradicts its {key}"))
        }
        (flagged, named) => Ok(flagged.or(named)),
    }
}

/// Returns an error if a file that names no model speaks of a fisheye in the map of the camera or at the file's top,
/// and a warning if it does elsewhere.
pub fn mention(camera: &Tree, file: &Tree) -> Parsed<Option<String>> {
    let mut near = None;
    let mut look = |key: &str, value: &str| near = near.take().or_else(|| of_fisheye(key, value));
    camera.each(&mut look);
    for key in file.keys() {
        let value = file.get(key);
        if let Some(text) = value.as_ref().and_then(Tree::text) {
            look(key, text);
        }
    }
    if let Some(near) = near {
        return Err(format!(
            "{near}: are its coefficients those of a fisheye? Say which with --model fisheye or --model pinhole"
        ));
    }
    let mut far = None;
    file.each(&mut |key, value| far = far.take().or_else(|| of_fisheye(key, value)));
    Ok(far.map(|far| {
        format!(
            "{far}, and its coefficients are taken as a pinhole's: if they are a fisheye's, say --model fisheye"
        )
    }))
}

/// Returns what a key with its value says of a fisheye.
fn of_fisheye(key: &str, value: &str) -> Option<String> {
    let has = |text: &str| {
        let text = plain(text);
        let mut words = ["fisheye", "equidistant", "kannala"].iter();
        words.any(|word| text.contains(word))
    };
    let shown = || value.chars().take(40).collect::<String>();
    (has(key) || has(value)).then(|| format!("it says {key}: {}", shown()))
}

/// Returns the error for a model that is a number.
pub fn numbered(key: &str, number: f64) -> String {
    format!(
        "{key} is {number}, and programs number their models differently: if its coefficients are those of a pinhole \
         or a fisheye of OpenCV, say which with --model"
    )
}

/// Returns the model of this name.
pub fn known(name: &str) -> Option<Model> {
    let name = plain(name);
    // PhotonVision's names, which follow mrcal's.
    let name = name.strip_prefix("lensmodel").unwrap_or(&name);
    let name = name.trim_end_matches("camera").trim_end_matches("model");
    let name = name.trim_end_matches("lens");
    match name {
        name if PINHOLE.contains(&name) => Some(Model::Pinhole),
        name if FISHEYE.contains(&name) => Some(Model::Fisheye),
        _ => None,
    }
}

/// Returns the advice for a model that is not known.
pub fn unknown(key: &str, name: &str) -> String {
    format!(
        "{key}: {name} is no model that is known here: if its coefficients are those of a pinhole or \
         a fisheye of OpenCV, say which with --model; {}",
        by_hand()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, model: Option<Model>) -> Parsed<Option<Model>> {
        let choice = Choice {
            model,
            ..Choice::default()
        };
        let said = said(&Tree::parse(text).unwrap(), &choice)?;
        Ok(said.map(|(_, model)| model))
    }

    #[test]
    fn a_model_is_obeyed_under_any_key() {
        for key in [
            "model",
            "model_type",
            "camera_type",
            "lens_type",
            "DistortionModel",
        ] {
            let text = format!("{key}: fisheye\n");
            assert_eq!(of(&text, None), Ok(Some(Model::Fisheye)), "{key}");
            let text = format!("{key}: Plumb-Bob\n");
            assert_eq!(of(&text, None), Ok(Some(Model::Pinhole)), "{key}");
        }
        for (text, model) in [
            ("fisheye_model: true\n", Model::Fisheye),
            ("fisheye_model: false\n", Model::Pinhole),
            ("fisheye_model: 1\n", Model::Fisheye),
            ("isFisheye: 0\n", Model::Pinhole),
            ("type: fisheye\n", Model::Fisheye),
            (
                "camera_model: pinhole\ndistortion_model: equidistant\n",
                Model::Fisheye,
            ),
        ] {
            assert_eq!(of(text, None), Ok(Some(model)), "{text}");
        }
        assert_eq!(of("type: calibration\n", None), Ok(None));
    }

    #[test]
    fn a_model_that_is_not_known_is_refused_unless_the_user_says_it() {
        let error = of("model: scaramuzza\n", None).unwrap_err();
        assert!(
            error.starts_with("model: scaramuzza is no model that is known"),
            "{error}"
        );
        assert_eq!(of("model: IMX219\n", Some(Model::Fisheye)), Ok(None));
        let error = of("fisheye_model: 0\nmodel: fisheye\n", None).unwrap_err();
        assert_eq!(error, "its fisheye_model contradicts its model");
        let error = of("fisheye: maybe\n", None).unwrap_err();
        assert_eq!(error, "fisheye is neither true nor false");
    }
}
