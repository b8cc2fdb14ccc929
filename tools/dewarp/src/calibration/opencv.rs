// SPDX-License-Identifier: GPL-2.0
//! Files of OpenCV's `FileStorage`, and JSON that its samples, tutorials and
//! users write, with the many names that these give to matrices. Names are here
//! as [`plain`](super::tree::plain) returns them.

use super::dialect::{Described, chosen, flag, listed};
use super::tree::{Tree, plain};
use super::{Calibration, Choice, Model, Parsed, Rectification, by_hand};
use super::{brown, fisheye, lens, model, ros, size};
use crate::lens::{Distortion, Omni};

/// Names of the camera matrix; those of a pair have a suffix of [`PAIR`] as
/// well.
const MATRIX: [&str; 12] = [
    "cameramatrix",
    "cameraintrinsics",
    "intrinsicmatrix",
    "cameramat",
    "cammatrix",
    "matrixk",
    "kmatrix",
    "mtx",
    "k",
    "kk",
    "m",
    "intrinsics",
];

/// Names of the coefficients, with the same suffixes.
const COEFFICIENTS: [&str; 14] = [
    "distortioncoefficients",
    "distortioncoeffs",
    "distortioncoeff",
    "distcoeffs",
    "distcoeff",
    "distcoefs",
    "distcoef",
    "distortionvector",
    "distortion",
    "dist",
    "kc",
    "d",
    "distortionparameters",
    "distparams",
];

/// The suffixes of the names of a pair's matrices.
const PAIR: [&str; 7] = ["0", "1", "2", "left", "right", "l", "r"];

/// The greatest depth of a camera in a file.
const DEPTH: usize = 3;

/// Returns whether a tree has the keys of OpenCV.
pub fn is_one(tree: &Tree) -> bool {
    is_camera(tree)
        || !pair(tree, "r").is_empty()
        || !pair_cameras(tree).is_empty()
        || !nested(tree, DEPTH).is_empty()
}

/// Returns whether a map has a camera matrix, or coefficients under a long
/// name.
fn is_camera(tree: &Tree) -> bool {
    let long = COEFFICIENTS.iter().filter(|name| name.len() > 4);
    let names = MATRIX
        .iter()
        .filter(|name| **name != "intrinsics")
        .chain(long);
    let matrix = tree.spelled(["intrinsics"]);
    tree.spelled(names.copied()).is_some()
        || matrix.is_some_and(|(_, value)| value.numbers("").is_ok_and(|all| all.len() == 9))
}

/// Returns whether the file has several cameras, between which --camera
/// chooses.
pub fn has_cameras(tree: &Tree) -> bool {
    !is_camera(tree)
}

/// Returns the cameras of the pair that have a matrix of this name.
fn pair(tree: &Tree, name: &str) -> Vec<&'static str> {
    // `k1` may be a matrix or a coefficient.
    let has = |camera: &&str| {
        let found = tree.spelled([&*format!("{name}{camera}")]);
        found.is_some_and(|(_, value)| !value.numbers("").is_ok_and(|all| all.len() == 1))
    };
    PAIR.into_iter().filter(has).collect()
}

/// Returns the cameras of a pair that have a camera matrix.
fn pair_cameras(tree: &Tree) -> Vec<&'static str> {
    let mut found: Vec<&str> = MATRIX.iter().flat_map(|name| pair(tree, name)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns the cameras that are maps in the file, with their names.
fn nested(tree: &Tree, depth: usize) -> Vec<(String, Tree)> {
    let mut found = Vec::new();
    for key in tree.keys() {
        let Some(value) = tree.get(key).filter(|_| depth > 0) else {
            continue;
        };
        if is_camera(&value) {
            found.push((key.to_owned(), value));
            continue;
        }
        found.extend(nested(&value, depth - 1));
        for (name, item) in listed(&value) {
            match is_camera(&item) {
                true => found.push((name, item)),
                false => found.extend(nested(&item, depth - 1)),
            }
        }
    }
    found
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        return camera(tree, tree, "", choice);
    }
    let names: Vec<String> = pair_cameras(tree).into_iter().map(str::to_owned).collect();
    if !names.is_empty() {
        let camera_name = &names[chosen(&names, choice)?];
        return camera(tree, tree, camera_name, choice);
    }
    let cameras = nested(tree, DEPTH);
    if cameras.is_empty() {
        return Err(missing(
            tree,
            "camera matrix",
            "camera_matrix, cameraMatrix, mtx, K, M1",
        ));
    }
    let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
    let index = chosen(&names, choice)?;
    camera(&cameras[index].1, tree, "", choice)
        .map_err(|cause| format!("{}: {cause}", cameras[index].0))
}

/// Reads the camera whose matrices have this number or word at the end of their
/// names. Its size may be in the file around it.
fn camera(tree: &Tree, file: &Tree, number: &str, choice: &Choice) -> Parsed<Described> {
    let find = |names: &[&str]| {
        let numbered: Vec<String> = names.iter().map(|name| format!("{name}{number}")).collect();
        tree.spelled(numbered.iter().map(String::as_str))
    };
    let (matrix_name, matrix) = find(&MATRIX).ok_or_else(|| {
        missing(
            tree,
            "camera matrix",
            "camera_matrix, cameraMatrix, mtx, K, M1",
        )
    })?;
    // Kalibr and SVO have `intrinsics` too; here the model that Kalibr names is
    // missing.
    let count = matrix.numbers("").map_or(9, |all| all.len());
    if plain(&matrix_name).starts_with("intrinsics") && count != 9 {
        return Err(format!(
            "{matrix_name} has {count} numbers, not 9 (3x3), and no camera_model beside it: if they are \
             fx fy cx cy, {}",
            by_hand()
        ));
    }
    let found = find(&COEFFICIENTS);
    // PhotonVision wrote this until 2023.
    let found = found.or_else(|| match plain(&matrix_name).as_str() {
        "cameraintrinsics" => find(&["cameraextrinsics"]),
        _ => None,
    });
    let (name, coefficients) = found.ok_or_else(|| {
        missing(
            tree,
            "coefficients",
            "distortion_coefficients, distCoeffs, dist, D, D1",
        )
    })?;
    let values = coefficients.numbers(&name)?;
    // These keys say that the numbers may be a fisheye's, or that flips or
    // another centre apply.
    if let Some((key, _)) = tree.spelled(["dewarpmode", "dewarptype"]) {
        return Err(format!(
            "{key} is that of NXP's dewarper inside another file: put this map in a file of its own"
        ));
    }
    for key in ["hflip", "vflip", "mirror"] {
        if let Some((key, _)) = tree.spelled([key]) {
            if flag(tree, &key)? {
                return Err(format!(
                    "{key} is set, which is not supported here: put false there and say --flip"
                ));
            }
        }
    }
    let distortion = match tree.spelled(["xi"]) {
        Some((key, value)) => omni(&values, &name, &value.numbers(&key)?)?,
        None => bent([tree, file], choice, &values, &name)?,
    };
    let lens = lens(&matrix, &matrix_name, distortion)?;
    let found = match size::find(tree, lens.center)? {
        None => size::find(file, lens.center)?,
        found => found,
    };
    let (size, doubt) = found.map_or((None, None), |(size, doubt)| (Some(size), doubt));
    let whole = Calibration { lens, size };
    let mut described = Described::from(whole);
    described.doubts = super::plausible::doubts(&lens, size);
    // The doubt about the size says more than that the point is off the middle.
    if doubt.is_some() {
        described
            .doubts
            .retain(|doubt| !doubt.starts_with("the principal point"));
    }
    described.doubts.extend(doubt);
    if values.iter().all(|value| *value == 0.0) && matches!(distortion, Distortion::Brown(_)) {
        described
            .doubts
            .push(format!("{name}: all are 0: the lens bends nothing"));
    }
    described.calibration = ros::stream(tree)?.of(whole)?;
    Ok(described)
}

/// Creates the distortion of the model that the camera, the file around it or
/// the user names.
fn bent(
    [tree, file]: [&Tree; 2],
    choice: &Choice,
    values: &[f64],
    name: &str,
) -> Parsed<Distortion> {
    let said = match model::said(tree, choice)? {
        None => model::said(file, choice)?,
        said => said,
    };
    let model = match (said, choice.model) {
        (Some((key, said)), Some(wanted)) if said != wanted => {
            let said = match said {
                Model::Fisheye => "a fisheye",
                Model::Pinhole => "a pinhole",
            };
            return Err(format!(
                "--model contradicts its {key}, which is that of {said}"
            ));
        }
        (Some((_, said)), _) => said,
        (None, Some(wanted)) => wanted,
        (None, None) if values.len() == 4 => {
            return Err(format!(
                "{name} has 4 numbers, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say \
                 which with --model"
            ));
        }
        (None, None) => Model::Pinhole,
    };
    match model {
        Model::Pinhole => brown(values, name),
        Model::Fisheye => fisheye(values, name),
    }
}

/// Creates the distortion of OpenCV's `omnidir`.
fn omni(values: &[f64], name: &str, xi: &[f64]) -> Parsed<Distortion> {
    let ([xi], Ok(values)) = (xi, <[f64; 4]>::try_from(values)) else {
        return Err(format!(
            "xi makes it an omnidirectional camera (Mei), which has one xi and 4 numbers in {name}, \
             k1 k2 p1 p2; here are {} and {}",
            xi.len(),
            values.len()
        ));
    };
    Ok(Distortion::Omni(Omni::new(*xi, values)))
}

pub fn rectification(tree: &Tree, choice: &Choice) -> Parsed<Rectification> {
    let cameras = pair(tree, "r");
    let camera = match (choice.camera, &cameras[..]) {
        (Some(camera), _) => plain(camera),
        (None, [only]) => (*only).to_owned(),
        (None, []) => return Err(missing(tree, "rectification", "R1 and P1, R2 and P2")),
        (None, _) => return Err(which(&cameras)),
    };
    let matrix = |letter: &str| {
        let name = format!("{letter}{camera}");
        let named = tree.spelled([&*name.to_lowercase()]);
        named.ok_or_else(|| missing(tree, "rectification", &name))
    };
    let ((r, rotation), (p, projection)) = (matrix("R")?, matrix("P")?);
    Rectification::of((&r, &rotation), (&p, &projection))
}

fn which(cameras: &[&str]) -> String {
    format!("say which camera with --camera: {}", cameras.join(", "))
}

fn missing(tree: &Tree, what: &str, names: &str) -> String {
    let keys = tree.keys();
    let some = keys.iter().take(8).copied().collect::<Vec<_>>().join(" ");
    let more = if keys.len() > 8 { " ..." } else { "" };
    format!(
        "it has no {what} ({names}); its keys are {some}{more}; {}",
        by_hand()
    )
}

#[cfg(test)]
pub mod tests;
