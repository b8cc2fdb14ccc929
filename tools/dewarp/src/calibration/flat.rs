// SPDX-License-Identifier: GPL-2.0
//! Files of no program in particular that have `fx`, `fy`, `cx` and `cy`, beside
//! `k1`, `k2` ... or a list of coefficients, all in one place or in parts.

use super::dialect::{self, Described, Dialect};
use super::models::pixels;
use super::tree::{self, Tree};
use super::{Calibration, Choice, Model, Parsed, agrees, brown, by_hand, fisheye, model};
use crate::format::Size;
use crate::lens::{Brown, Distortion, DoubleSphere, Eucm, Omni};

pub const DIALECT: Dialect = Dialect {
    name: "a calibration with fx, fy, cx and cy",
    is_one,
    cameras: true,
    read,
    rectify: None,
};

/// Names of the same number, in small letters.
const FX: [&str; 3] = ["fx", "fl_x", "focal_length_x"];
const FY: [&str; 3] = ["fy", "fl_y", "focal_length_y"];
const CX: [&str; 3] = ["cx", "ppx", "principal_point_x"];
const CY: [&str; 3] = ["cy", "ppy", "principal_point_y"];

/// Names of a list of coefficients.
const LIST: [&str; 12] = [
    "distortion_coefficients",
    "distortion_coeffs",
    "distortion_coeff",
    "distortion_parameters",
    "distortion",
    "distcoeffs",
    "dist_coeffs",
    "dist_coefs",
    "dist",
    "coefficients",
    "coeffs",
    "d",
];

/// Names of lists of radial and of tangential coefficients: MATLAB's, BoofCV's.
const RADIAL: [&str; 3] = ["radial", "radial_distortion", "radialdistortion"];
const TANGENTIAL: [&str; 3] = [
    "tangential",
    "tangential_distortion",
    "tangentialdistortion",
];

/// Names of what is no coefficient of a model here, and must be 0.
const SKEW: [&str; 4] = ["skew", "alpha_c", "b1", "b2"];

/// Names of Mei's sphere.
const XI: [&str; 2] = ["xi", "mirror_offset"];

/// Names of the picture's size.
const SIZES: [[&str; 2]; 5] = [
    ["width", "height"],
    ["image_width", "image_height"],
    ["w", "h"],
    ["img_width", "img_height"],
    ["cols", "rows"],
];
const SIZE: [&str; 4] = ["resolution", "image_size", "size", "img_size"];

/// Keys of a camera matrix, whose files are those of other programs.
const MATRIX: [&str; 6] = [
    "camera_matrix",
    "cameramatrix",
    "intrinsic_matrix",
    "k",
    "m",
    "mtx",
];

fn is_one(tree: &Tree) -> bool {
    // A matrix has no names in it, but for rows, cols and data.
    let matrix = |key: &&str| {
        let value = tree.get(key);
        MATRIX.contains(&key.to_lowercase().as_str())
            && value.is_some_and(|value| value.keys().is_empty() || value.get("data").is_some())
    };
    !tree.keys().iter().any(matrix) && has_focal(tree, 3)
}

/// Whether a map, or one that it has, has the focal lengths.
fn has_focal(tree: &Tree, depth: usize) -> bool {
    let own = |names: &[&str]| {
        tree.keys()
            .iter()
            .any(|key| names.contains(&key.to_lowercase().as_str()))
    };
    (own(&FX) && own(&FY))
        || (depth > 0
            && parts(tree)
                .iter()
                .any(|(_, part)| has_focal(part, depth - 1)))
}

/// The maps in a map, and in the lists in it.
fn parts(tree: &Tree) -> Vec<(String, Tree)> {
    let keys = tree.keys().into_iter();
    let values = keys.filter_map(|key| Some((key.to_owned(), tree.get(key)?)));
    let maps = values.flat_map(|(key, value)| match value.items().is_empty() {
        true => vec![(key, value)],
        false => dialect::listed(&value),
    });
    maps.filter(|(_, value)| !value.keys().is_empty()).collect()
}

/// The map of the chosen camera: that of all, where there is but one.
fn camera(tree: &Tree, choice: &Choice) -> Parsed<Tree> {
    let own = has_focal(tree, 0);
    let cameras: Vec<_> = parts(tree)
        .into_iter()
        .filter(|(_, part)| has_focal(part, 2))
        .collect();
    match &cameras[..] {
        [(_, only)] if !own && choice.camera.is_none() && !has_focal(only, 0) => Ok(only.clone()),
        [_, _, ..] if !own => {
            let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
            Ok(cameras[dialect::chosen(&names, choice)?].1.clone())
        }
        _ => {
            super::none_chosen(choice)?;
            Ok(tree.clone())
        }
    }
}

/// All that a map has, and the maps in it: names in small letters, with values.
#[derive(Default)]
struct Values {
    all: Vec<(String, Tree)>,
    /// Names without a value.
    empty: Vec<String>,
}

impl Values {
    fn of(tree: &Tree, depth: usize) -> Self {
        let mut values = Values::default();
        for key in tree.keys() {
            let Some(value) = tree.get(key) else {
                values.empty.push(key.to_lowercase());
                continue;
            };
            // A list of one map is that map.
            let value = match &value.items()[..] {
                [only] if !only.keys().is_empty() => only.clone(),
                _ => value,
            };
            if depth > 0 && !value.keys().is_empty() && value.get("data").is_none() {
                let part = Values::of(&value, depth - 1);
                values.all.extend(part.all);
                values.empty.extend(part.empty);
            } else {
                values.all.push((key.to_lowercase(), value));
            }
        }
        values
    }

    /// The only value under one of the names.
    fn one(&self, names: &[&str]) -> Parsed<Option<&Tree>> {
        let mut found = self
            .all
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value)),
            (Some((one, _)), Some((other, _))) if one == other => {
                Err(format!("{one} stands in two places"))
            }
            (Some((one, _)), Some((other, _))) => Err(format!("it has both {one} and {other}")),
        }
    }

    fn number(&self, names: &[&str]) -> Parsed<Option<f64>> {
        let Some(value) = self.one(names)? else {
            return Ok(None);
        };
        match value.numbers(names[0])?[..] {
            [number] => Ok(Some(number)),
            _ => Err(format!("{} is not one number", names[0])),
        }
    }

    fn needed(&self, names: &[&str]) -> Parsed<f64> {
        self.number(names)?
            .ok_or_else(|| format!("it has no {}", names[0]))
    }

    fn size(&self) -> Parsed<Option<Size>> {
        for [width, height] in SIZES {
            if let (Some(w), Some(h)) = (self.number(&[width])?, self.number(&[height])?) {
                return tree::size([w, h], &format!("{width} and {height}")).map(Some);
            }
        }
        for name in SIZE {
            if let Some(value) = self.one(&[name])? {
                let sides = value.numbers(name)?.try_into();
                let sides = sides.map_err(|_| format!("{name} is not a width and a height"))?;
                return tree::size(sides, name).map(Some);
            }
        }
        Ok(None)
    }

    /// The coefficients that have names: k1 to k6, p1, p2, s1 to s4.
    fn named(&self) -> Parsed<Option<Named>> {
        let mut named = Named::default();
        let mut any = false;
        let coefficient =
            |name: &&String| matches!(name.as_bytes(), [b'k' | b'p' | b's', b'0'..=b'9']);
        if let Some(name) = self.empty.iter().find(coefficient) {
            return Err(format!("{name} has no value"));
        }
        for (name, _) in &self.all {
            let [letter @ (b'k' | b'p' | b's'), digit @ b'0'..=b'9'] = name.as_bytes() else {
                continue;
            };
            let value = self.needed(&[name])?;
            let list: &mut [f64] = match letter {
                b'k' => &mut named.k,
                b'p' => &mut named.p,
                _ => &mut named.s,
            };
            let index = usize::from(digit - b'0').wrapping_sub(1);
            match list.get_mut(index) {
                Some(place) => *place = value,
                None => return Err(format!("the coefficient {name} is not known")),
            }
            named.tangential |= *letter == b'p';
            named.last = named.last.max(if *letter == b'k' { index + 1 } else { 0 });
            any = true;
        }
        for (names, list) in [
            (&RADIAL[..], &mut named.k[..3]),
            (&TANGENTIAL[..], &mut named.p[..]),
        ] {
            let Some(value) = self.one(names)? else {
                continue;
            };
            let values = value.numbers(names[0])?;
            if any && list.iter().any(|value| *value != 0.0) {
                return Err(format!(
                    "it has coefficients in {} and by their names",
                    names[0]
                ));
            }
            let most = list.len();
            let places = list.get_mut(..values.len()).ok_or_else(|| {
                format!(
                    "{} has {} numbers, more than {most}",
                    names[0],
                    values.len()
                )
            })?;
            places.copy_from_slice(&values);
        }
        let radial = self.one(&RADIAL)?.is_some();
        // BoofCV's names of p1 and p2.
        if let (true, Some(t1), Some(t2)) = (radial, self.number(&["t1"])?, self.number(&["t2"])?) {
            named.p = [t1, t2];
        }
        if radial {
            named.tangential = true;
            return Ok(Some(named));
        }
        let before = |index: usize| format!("k{}", index + 1);
        let has = |name: &String| self.all.iter().any(|(key, _)| key == name);
        match (0..named.last).map(before).find(|name| !has(name)) {
            Some(name) => Err(format!("it has k{} and no {name}", named.last)),
            None => Ok(any.then_some(named)),
        }
    }
}

/// Coefficients under their names.
#[derive(Default)]
struct Named {
    k: [f64; 6],
    p: [f64; 2],
    s: [f64; 4],
    tangential: bool,
    /// The number of the last k.
    last: usize,
}

impl Named {
    fn brown(&self) -> Brown {
        let [k1, k2, k3, k4, k5, k6] = self.k;
        Brown {
            radial: [k1, k2, k3],
            tangential: self.p,
            rational: [k4, k5, k6],
            prism: self.s,
            ..Brown::NONE
        }
    }
}

/// What the words for models mean.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Pinhole,
    Fisheye,
    None,
    Omni,
    DoubleSphere,
    Eucm,
    Fov,
    /// A known one that is not read.
    Other,
}

fn kind(word: &str) -> Option<Kind> {
    let word = word.to_lowercase();
    let word = word.strip_prefix("distortion.").unwrap_or(&word);
    let word = word.strip_prefix("lensmodel").unwrap_or(word);
    let plain: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match plain.as_str() {
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
        // RealSense's: the way back, tangential terms behind the radial ones, and an
        // angle.
        "inversebrownconrady" | "modifiedbrownconrady" | "ftheta" => Kind::Other,
        _ => return None,
    })
}

/// The model that the file names.
fn model(values: &Values) -> Parsed<Option<(Kind, String)>> {
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
        let word = value.text().unwrap_or_default();
        match kind(word) {
            Some(kind) => found.push((kind, name.clone())),
            // Of something else's type.
            None if key == "type" => {}
            None => {
                return Err(format!(
                    "{name} {word} is not known: pinhole, fisheye, omni, ds, eucm and fov are; if its \
                     coefficients are those of one of them, {}",
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
    // `camera_model: pinhole` beside `distortion_model: equidistant`.
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

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let values = Values::of(&camera(tree, choice)?, 2);
    // instant-ngp and nerfstudio, as COLMAP, have 0 at the edge of the picture, and
    // not at the middle of its first pixel.
    let edge = match values.one(&["fl_x"])? {
        Some(_) => 0.5,
        None => 0.0,
    };
    let numbers = [
        values.needed(&FX)?,
        values.needed(&FY)?,
        values.needed(&CX)? - edge,
        values.needed(&CY)? - edge,
    ];
    if let Some(key) = SKEW
        .iter()
        .find(|key| !matches!(values.number(&[key]), Ok(None | Some(0.0))))
    {
        return Err(format!(
            "{key} is not 0: pixels that are askew or no squares by it are not supported; calibrate without"
        ));
    }
    let said = model(&values)?;
    let kind = said.as_ref().map(|(kind, _)| *kind);
    let distortion = match kind {
        Some(Kind::DoubleSphere) => Distortion::DoubleSphere(DoubleSphere {
            xi: values.needed(&["xi"])?,
            alpha: values.needed(&["alpha"])?,
        }),
        Some(Kind::Eucm) => Distortion::Eucm(Eucm {
            alpha: values.needed(&["alpha"])?,
            beta: values.needed(&["beta"])?,
        }),
        Some(Kind::Fov) => Distortion::Fov(values.needed(&["w"])?),
        _ => bent(&values, kind, choice)?,
    };
    if let Some((_, key)) = &said {
        agrees(choice, &distortion, key)?;
    }
    Ok(Calibration {
        lens: pixels(numbers, distortion)?,
        size: values.size()?,
    }
    .into())
}

/// The model of coefficients, by names or in a list.
fn bent(values: &Values, kind: Option<Kind>, choice: &Choice) -> Parsed<Distortion> {
    let list = match values.one(&LIST)? {
        Some(value) => Some(value.numbers("the list of coefficients")?),
        None => None,
    };
    let named = values.named()?;
    let distortion = match (kind, choice.model, &named, &list) {
        (_, _, Some(_), Some(_)) => {
            return Err(
                "it has coefficients by their names and in a list: which are right?".into(),
            );
        }
        (Some(Kind::None), _, None, list) => {
            match list.iter().flatten().find(|value| **value != 0.0) {
                None => Distortion::Brown(Brown::NONE),
                Some(value) => {
                    return Err(format!("it has the coefficient {value} and a model none"));
                }
            }
        }
        (Some(Kind::Other), _, _, list) => {
            let listed = list.iter().flatten().copied();
            let named = named
                .iter()
                .flat_map(|named| named.k.into_iter().chain(named.p));
            if listed.chain(named).any(|value| value != 0.0) {
                return Err(
                    "its model is not read, and its coefficients are not 0: calibrate again with OpenCV"
                        .into(),
                );
            }
            Distortion::Brown(Brown::NONE)
        }
        (_, _, None, None) => {
            return Err(String::from(
                "it has no coefficients: k1, k2, p1, p2, k3, or a list such as dist_coeffs; if there \
                 are none, put k1: 0 there",
            ));
        }
        (Some(Kind::Fisheye), _, Some(named), _) | (None, Some(Model::Fisheye), Some(named), _) => {
            let [k1, k2, k3, k4, k5, k6] = named.k;
            if named.p != [0.0; 2] || named.s != [0.0; 4] || [k5, k6] != [0.0; 2] {
                return Err("it is a fisheye's, and has more than k1, k2, k3 and k4".into());
            }
            Distortion::Fisheye([k1, k2, k3, k4])
        }
        (None, None, Some(named), _) if named.last == 4 && !named.tangential => {
            return Err(unclear("it has k1, k2, k3, k4"));
        }
        (_, _, Some(named), _) => Distortion::Brown(named.brown()),
        (Some(Kind::Fisheye), _, _, Some(list)) | (None, Some(Model::Fisheye), _, Some(list)) => {
            fisheye(list, "the list of coefficients")?
        }
        (None, None, _, Some(list)) if list.len() == 4 => {
            return Err(unclear("its list has 4 coefficients"));
        }
        (_, _, _, Some(list)) => brown(list, "the list of coefficients")?,
    };
    match (kind, values.number(&XI)?, distortion) {
        (Some(Kind::Omni), Some(xi), Distortion::Brown(brown)) => Ok(Distortion::Omni(Omni {
            xi,
            brown,
            skew: 0.0,
        })),
        (Some(Kind::Omni), None, _) => Err("it has no xi".into()),
        (_, Some(xi), _) => Err(format!("it has xi {xi}, and no model that has one")),
        (_, None, distortion) => Ok(distortion),
    }
}

fn unclear(what: &str) -> String {
    format!("{what}, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say which with --model")
}

#[cfg(test)]
pub mod tests;
