// SPDX-License-Identifier: GPL-2.0
//! Files of OpenCV's `FileStorage`, and JSON that its samples, tutorials and
//! users write, with the many names that these give to matrices. Names are here
//! as [`plain`](super::tree::plain) returns them.

use super::dialect::{Described, chosen, flag, within};
use super::tree::{Tree, ends, plain, words};
use super::{Calibration, Choice, Model, Parsed, Rectification, by_hand};
use super::{brown, fisheye, flat, lens, model, ros, size, used};
use crate::lens::{Distortion, Omni};

/// Names of the camera matrix. In files of several cameras, the camera's number or word is before or after them.
const MATRIX: [&str; 16] = [
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
    "camk",
    "calibrationmatrix",
    "intrinsics",
    "intrinsic",
    "matrix",
];

/// Names among them that may also be those of other values.
const AMBIGUOUS: [&str; 5] = [
    "camk",
    "calibrationmatrix",
    "intrinsics",
    "intrinsic",
    "matrix",
];

/// Names of the coefficients, with the same numbers and words.
const COEFFICIENTS: [&str; 19] = [
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
    "distcoefficients",
    "distortions",
    "camdist",
    "camd",
    "cameradistortion",
];

/// Names of the list in a map of a distortion.
const INNER: [&str; 5] = ["coefficients", "coeffs", "parameters", "params", "values"];

/// The cameras of a pair, in the names of their matrices.
const PAIR: [&str; 7] = ["0", "1", "2", "left", "right", "l", "r"];

/// Words for the matrix of the pictures as the camera takes them, where that of undistorted pictures is beside it.
const RAW: [&str; 5] = ["original", "orig", "raw", "distorted", "unrectified"];

/// Names of the mirror parameter of an omnidirectional camera.
const XI: [&str; 3] = ["xi", "mirroroffset", "mirrorparameter"];

/// The greatest depth of a camera in a file.
const DEPTH: usize = 3;

/// Returns whether a tree has the keys of OpenCV.
pub fn is_one(tree: &Tree) -> bool {
    is_camera(tree)
        || !pair(tree, "r").is_empty()
        || !cameras(tree).is_empty()
        || !within(tree, DEPTH, &has_camera).is_empty()
}

/// Returns whether a map has a camera matrix, or coefficients under a long
/// name.
fn is_camera(tree: &Tree) -> bool {
    let long = COEFFICIENTS.iter().filter(|name| name.len() > 4);
    let long = long.filter(|name| !["distortions", "camdist", "cameradistortion"].contains(name));
    has_matrix(tree) || tree.spelled(long.copied()).is_some()
}

/// Returns whether a map has a camera matrix.
pub fn has_matrix(tree: &Tree) -> bool {
    let sure = MATRIX.iter().filter(|name| !AMBIGUOUS.contains(name));
    tree.spelled(sure.copied()).is_some()
        || AMBIGUOUS.into_iter().any(|name| {
            let matrix = tree.spelled([name]);
            let numbers = matrix.map(|(_, value)| value.numbers("").unwrap_or_default());
            let nine = numbers.is_some_and(|numbers| numbers.len() == 9);
            nine && (name == "intrinsics" || tree.spelled(COEFFICIENTS).is_some())
        })
}

/// Returns whether a value is a camera matrix: nine numbers that end with 0 0 1.
fn is_matrix(value: &Tree) -> bool {
    let numbers = value.numbers("");
    numbers.is_ok_and(|numbers| numbers.len() == 9 && numbers[6..] == [0.0, 0.0, 1.0])
}

/// Returns whether the file has several cameras, between which --camera
/// chooses.
pub fn has_cameras(tree: &Tree) -> bool {
    !is_camera(tree)
}

/// Returns the names of a matrix of one camera of several: `K1`, `K_left` or `left_K`. Of a camera
/// without a name it is the name of the matrix.
fn of_camera(name: &str, camera: &str) -> Vec<String> {
    let camera = plain(camera);
    let mut names = vec![format!("{name}{camera}")];
    if camera.len() > 1 && camera.chars().any(char::is_alphabetic) {
        names.push(format!("{camera}{name}"));
    }
    names
}

/// Returns the cameras of a pair that have a matrix of this name.
fn pair(tree: &Tree, name: &str) -> Vec<String> {
    let has = |camera: &&str| {
        let names = of_camera(name, camera);
        let found = tree.spelled(names.iter().map(String::as_str));
        found.is_some_and(|(_, value)| match AMBIGUOUS.contains(&name) {
            true => is_matrix(&value),
            // `k1` may be a matrix or a coefficient, or the name of a file.
            false => value.text().is_none() && !value.numbers("").is_ok_and(|all| all.len() == 1),
        })
    };
    PAIR.into_iter().filter(has).map(str::to_owned).collect()
}

/// Returns the camera in the key of a matrix, such as `K_10` or `rear-camera-matrix`, if the file has its
/// coefficients as well.
fn camera_of<'k>(tree: &Tree, key: &'k str) -> Option<&'k str> {
    let splits = ends(key).into_iter().flat_map(|(place, length)| {
        let (before, after) = (&key[..place], &key[place + length..]);
        [(before, after), (after, before)]
    });
    let name = key.trim_end_matches(|sign: char| sign.is_ascii_digit());
    let splits = splits.chain([(name, &key[name.len()..])]);
    let matrices = splits.filter(|(name, _)| MATRIX.contains(&plain(name).as_str()));
    // `left_cam_K` is the matrix cam_K of left.
    let (_, camera) = matrices.max_by_key(|(name, _)| name.len())?;
    let mut coefficients = COEFFICIENTS.iter().flat_map(|name| of_camera(name, camera));
    let known = !plain(camera).is_empty() && coefficients.any(|name| tree.key(&name).is_some());
    (known && is_matrix(&tree.get(key)?)).then_some(camera)
}

/// Returns the cameras that have a matrix of their own in this map, 2 before 10.
fn cameras(tree: &Tree) -> Vec<String> {
    let mut found: Vec<String> = MATRIX.iter().flat_map(|name| pair(tree, name)).collect();
    let others = tree
        .keys()
        .into_iter()
        .filter_map(|key| camera_of(tree, key));
    let others = others.filter(|camera| !PAIR.contains(&plain(camera).as_str()));
    found.extend(others.map(str::to_owned));
    found.sort_unstable_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    found.dedup();
    found
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    if is_camera(tree) {
        return camera([tree, tree], "", &[], choice);
    }
    let names = cameras(tree);
    if !names.is_empty() {
        let chosen = &names[chosen(&names, choice)?];
        return camera([tree, tree], chosen, &names, choice);
    }
    // Each map of cameras, with the cameras that have a number or a word in its keys.
    let maps = within(tree, DEPTH, &has_camera);
    let only = maps.len() == 1;
    let mut found = Vec::new();
    for (name, map) in &maps {
        match is_camera(map) {
            true => found.push((name.clone(), map, String::new())),
            false => found.extend(cameras(map).into_iter().map(|camera| {
                let name = if only {
                    camera.clone()
                } else {
                    format!("{name}.{camera}")
                };
                (name, map, camera)
            })),
        }
    }
    let names: Vec<String> = found.iter().map(|(name, ..)| name.clone()).collect();
    if names.is_empty() {
        return Err(missing(
            tree,
            "camera matrix",
            "camera_matrix, cameraMatrix, mtx, K, M1",
        ));
    }
    let (name, map, number) = &found[chosen(&names, choice)?];
    camera([map, tree], number, &cameras(map), choice).map_err(|cause| format!("{name}: {cause}"))
}

/// Returns whether a map is a camera, or has the matrices of some.
fn has_camera(tree: &Tree) -> bool {
    let mut values = tree.keys().into_iter().filter_map(|key| tree.get(key));
    is_camera(tree) || values.any(|value| is_matrix(&value)) && !cameras(tree).is_empty()
}

/// Returns a map without the keys of other cameras, and with those of this one as if it were the only one.
fn of_one(tree: &Tree, camera: &str, others: &[String]) -> Tree {
    let without = |key: &str, camera: &str| {
        let (key, camera) = (plain(key), plain(camera));
        let before = key.strip_prefix(&*camera).filter(|_| camera.len() > 1);
        let rest = key.strip_suffix(&*camera).or(before);
        rest.filter(|_| !camera.is_empty()).map(str::to_owned)
    };
    let own = tree.renamed(|key| without(key, camera));
    let longest = |key: &str| {
        let matching = others.iter().filter(|other| without(key, other).is_some());
        matching.max_by_key(|other| other.len())
    };
    match size::find(&own, [0.0; 2]) {
        Ok(Some(_)) => own,
        _ => tree.renamed(|key| longest(key).is_none().then(|| key.to_owned())),
    }
}

/// Reads the camera whose matrices have this number or word at the end of their
/// names. Its size may be in the file around it.
fn camera(
    [tree, file]: [&Tree; 2],
    number: &str,
    others: &[String],
    choice: &Choice,
) -> Parsed<Described> {
    let find = |names: &[&str]| {
        let numbered = names.iter().flat_map(|name| of_camera(name, number));
        let numbered: Vec<String> = numbered.collect();
        let found = tree.spelled(numbered.iter().map(String::as_str));
        (found, numbered)
    };
    let (found, names) = find(&MATRIX);
    let (matrix_name, matrix) = found.ok_or_else(|| {
        missing(
            tree,
            "camera matrix",
            "camera_matrix, cameraMatrix, mtx, K, M1",
        )
    })?;
    // Kalibr and SVO have `intrinsics` too; here the model that Kalibr names is
    // missing.
    let count = matrix.numbers("").map_or(9, |all| all.len());
    if count == 4 || (plain(&matrix_name).starts_with("intrinsics") && count != 9) {
        return Err(format!(
            "{matrix_name} has {count} numbers, not 9 (3x3), and no camera_model beside it: if they are \
             fx fy cx cy, {}",
            by_hand()
        ));
    }
    let sure = |name: &String| {
        !AMBIGUOUS
            .iter()
            .any(|other| of_camera(other, number).contains(name))
    };
    let sure: Vec<String> = names.into_iter().filter(sure).collect();
    one_of(tree, &sure, (&matrix_name, &matrix), 9)?;
    only_one(tree, number, (&matrix_name, &matrix))?;
    let (found, names) = find(&COEFFICIENTS);
    // PhotonVision wrote this until 2023.
    let found = found.or_else(|| match plain(&matrix_name).as_str() {
        "cameraintrinsics" => find(&["cameraextrinsics"]).0,
        _ => None,
    });
    let (name, coefficients) = found.ok_or_else(|| {
        missing(
            tree,
            "coefficients",
            "distortion_coefficients, distCoeffs, dist, D, D1",
        )
    })?;
    one_of(tree, &names, (&name, &coefficients), 4)?;
    let inner = match flat::by_names(&coefficients, choice.model) {
        Ok(None) if coefficients.get("data").is_none() => coefficients.spelled(INNER),
        _ => None,
    };
    let (around, coefficients) = match inner {
        Some((_, list)) => (coefficients, list),
        None => (coefficients.clone(), coefficients),
    };
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
    let mut mention = None;
    let mirror = find(&XI).0;
    // Of some files that have the key, the camera has no mirror.
    let mirror = mirror.filter(|(_, value)| value.numbers("").as_deref() != Ok(&[0.0]));
    let distortion = match mirror {
        Some((key, value)) => omni(&coefficients.numbers(&name)?, &name, &value.numbers(&key)?)?,
        None => {
            let model = told([&around, tree, file], choice)?;
            let numbers = coefficients.numbers("").unwrap_or_default();
            // A fisheye has four coefficients, and perhaps zeros behind them.
            if model.is_none() && used(&numbers) <= 5 {
                mention = model::mention(tree, file)?;
            }
            bent(model, &coefficients, &name)?
        }
    };
    let lens = lens(&matrix, &matrix_name, distortion)?;
    let distortion = lens.distortion;
    let [own, around] = [tree, file].map(|map| of_one(map, number, others));
    let found = match size::find(&own, lens.center)? {
        None => size::find(&around, lens.center)?,
        found => found,
    };
    let (size, doubt) = found.map_or((None, None), |(size, doubt)| (Some(size), doubt));
    let whole = Calibration { lens, size };
    let mut described = Described::from(whole);
    described.doubts = super::plausible::doubts(&lens, size);
    described.doubts.extend(doubt);
    described.doubts.extend(mention);
    if distortion.is_straight() {
        described
            .doubts
            .push(format!("{name}: all are 0: the lens bends nothing"));
    }
    described.calibration = ros::stream(tree)?.of(whole)?;
    Ok(described)
}

/// Returns an error if the file has other numbers under another name of the same matrix, such as
/// those of a second calibration or of the undistorted picture.
fn one_of(tree: &Tree, names: &[String], (name, value): (&str, &Tree), least: usize) -> Parsed<()> {
    let numbers = |value: &Tree, name: &str| {
        let mut numbers = value.numbers(name).unwrap_or_default();
        let count = numbers.len();
        while numbers.last() == Some(&0.0) {
            numbers.pop();
        }
        (count >= least).then_some(numbers)
    };
    let Some(own) = numbers(value, name) else {
        return Ok(());
    };
    // Two spellings of one name are two keys.
    let keys = tree.keys().into_iter();
    let found = keys.filter(|key| names.contains(&plain(key)));
    let mut others = found.filter_map(|key| Some((numbers(&tree.get(key)?, key)?, key)));
    match others.find(|(numbers, _)| *numbers != own) {
        Some((_, other)) => Err(format!(
            "it has {name} and {other}, with different numbers: remove the one that is not this camera's"
        )),
        None => Ok(()),
    }
}

/// Returns an error if the file also has the camera's matrix of the distorted pictures, under a name that says so, with
/// other numbers.
fn only_one(tree: &Tree, camera: &str, (name, value): (&str, &Tree)) -> Parsed<()> {
    let own = value.numbers(name)?;
    let named = |names: &[&str], word: &str| {
        let of_camera = names.iter().flat_map(|name| {
            let mut all = vec![format!("{name}{word}{}", plain(camera))];
            for name in of_camera(name, camera) {
                all.extend([format!("{name}{word}"), format!("{word}{name}")]);
            }
            all
        });
        of_camera.filter_map(|name| tree.key(&name)).next()
    };
    // Of one camera, other words may be in the name, such as `K_raw_image`.
    let spoken = |names: &[&str], word: &str| {
        let is = |key: &&str| {
            let words = words(key);
            words.iter().any(|other| other == word)
                && words.iter().any(|other| names.contains(&other.as_str()))
        };
        tree.keys()
            .into_iter()
            .filter(|_| camera.is_empty())
            .find(is)
    };
    for word in RAW {
        let other = named(&MATRIX, word).or_else(|| spoken(&MATRIX, word));
        let matrix = other.and_then(|other| tree.get(other)).filter(is_matrix);
        let differs = matrix.is_some_and(|matrix| matrix.numbers("") != Ok(own.clone()));
        let bent = named(&COEFFICIENTS, word).or_else(|| spoken(&COEFFICIENTS, word));
        if let (Some(other), true, None) = (other, differs, bent) {
            return Err(format!(
                "it has {name} and {other}, with different numbers: keep the one to which the coefficients belong, \
                 under the name {name}"
            ));
        }
    }
    Ok(())
}

/// Returns the model that one of these maps, the innermost first, or the user names.
fn told<const N: usize>(maps: [&Tree; N], choice: &Choice) -> Parsed<Option<Model>> {
    let mut said = None;
    for map in maps {
        if said.is_none() {
            said = model::said(map, choice)?;
        }
    }
    match (said, choice.model) {
        (Some((key, said)), Some(wanted)) if said != wanted => {
            let said = match said {
                Model::Fisheye => "a fisheye",
                Model::Pinhole => "a pinhole",
            };
            Err(format!(
                "--model contradicts its {key}, which is that of {said}"
            ))
        }
        (Some((_, said)), _) => Ok(Some(said)),
        (None, wanted) => Ok(wanted),
    }
}

/// Creates the distortion of coefficients in a list, or by their names in a map.
fn bent(model: Option<Model>, coefficients: &Tree, name: &str) -> Parsed<Distortion> {
    if let Some(distortion) = flat::by_names(coefficients, model)? {
        return Ok(distortion);
    }
    let values = coefficients.numbers(name)?;
    match model {
        None if values.len() == 4 => Err(format!(
            "{name} has 4 numbers, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say \
             which with --model"
        )),
        None | Some(Model::Pinhole) => brown(&values, name),
        Some(Model::Fisheye) => fisheye(&values, name),
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
        (None, [only]) => only.clone(),
        (None, []) => return Err(missing(tree, "rectification", "R1 and P1, R2 and P2")),
        (None, _) => return Err(which(&cameras)),
    };
    let matrix = |letter: &str| {
        let names = of_camera(&letter.to_lowercase(), &camera);
        let named = tree.spelled(names.iter().map(String::as_str));
        named.ok_or_else(|| missing(tree, "rectification", &format!("{letter}{camera}")))
    };
    let ((r, rotation), (p, projection)) = (matrix("R")?, matrix("P")?);
    Rectification::of((&r, &rotation), (&p, &projection))
}

fn which(cameras: &[String]) -> String {
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
