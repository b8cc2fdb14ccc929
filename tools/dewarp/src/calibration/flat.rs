// SPDX-License-Identifier: GPL-2.0
//! Files of no particular program that have `fx`, `fy`, `cx` and `cy`, and
//! either `k1`, `k2` ... or a list of coefficients, in one map or in several.

pub mod kind;
#[cfg(test)]
pub mod tests;
mod values;

use super::dialect::{self, Described, Dialect};
use super::model::mention;
use super::models::pixels;
use super::tree::Tree;
use super::{Calibration, Choice, Model, Parsed, agrees, brown, by_hand, fisheye};
use crate::lens::{Brown, Distortion, DoubleSphere, Eucm, Omni};
use kind::{Kind, model};
use values::{CX, CY, FX, FY, LIST, SKEW, Values, XI};

pub const DIALECT: Dialect =
    Dialect::of("a calibration with fx, fy, cx and cy", is_one, read).of_several();

/// Keys of a camera matrix. Files that have one are of other formats.
const MATRIX: [&str; 6] = [
    "camera_matrix",
    "cameramatrix",
    "intrinsic_matrix",
    "k",
    "m",
    "mtx",
];

fn is_one(tree: &Tree) -> bool {
    // A camera matrix is a list, or a map that has no keys but rows, cols and
    // data.
    let matrix = |key: &&str| {
        let value = tree.get(key);
        MATRIX.contains(&key.to_lowercase().as_str())
            && value.is_some_and(|value| value.keys().is_empty() || value.get("data").is_some())
    };
    !tree.keys().iter().any(matrix) && has_focal(tree, 3)
}

/// Returns whether a map, or one inside it, has the focal lengths.
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

/// Returns the maps in a map, and those in its lists.
fn parts(tree: &Tree) -> Vec<(String, Tree)> {
    let keys = tree.keys().into_iter();
    let values = keys.filter_map(|key| Some((key.to_owned(), tree.get(key)?)));
    let maps = values.flat_map(|(key, value)| match value.items().is_empty() {
        true => vec![(key, value)],
        false => dialect::listed(&value),
    });
    maps.filter(|(_, value)| !value.keys().is_empty()).collect()
}

/// Returns the maps of cameras in a map, down to this depth. A camera in one of several maps has the name of that
/// map before its own.
fn cameras(tree: &Tree, depth: usize) -> Vec<(String, Tree)> {
    let mut all = Vec::new();
    for (name, part) in parts(tree) {
        if !has_focal(&part, depth) {
            continue;
        }
        let inner = match depth > 0 && !has_focal(&part, 0) {
            true => cameras(&part, depth - 1),
            false => Vec::new(),
        };
        match inner.len() {
            0 | 1 => all.push((name, part)),
            _ => all.extend(
                inner
                    .into_iter()
                    .map(|(own, camera)| (format!("{name}.{own}"), camera)),
            ),
        }
    }
    all
}

/// Returns the map of the chosen camera, or the whole tree if there is only one
/// camera.
fn camera(tree: &Tree, choice: &Choice) -> Parsed<Tree> {
    let own = has_focal(tree, 0);
    let cameras = cameras(tree, 2);
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

/// Returns the distortion that a map of coefficients by their names describes, or `None` if it has
/// no such names.
pub fn by_names(map: &Tree, model: Option<Model>) -> Parsed<Option<Distortion>> {
    let values = Values::of(map, 1);
    if values.named()?.is_none() {
        return Ok(None);
    }
    let choice = Choice {
        model,
        ..Choice::default()
    };
    bent(&values, None, &choice).map(Some)
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let map = camera(tree, choice)?;
    let values = Values::of(&map, 2);
    // instant-ngp and nerfstudio, like COLMAP, count from the edge of the
    // picture, not from the centre of its first pixel.
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
    if values.one(&["symmetric"])?.is_some() {
        return Err(
            "its symmetric is that of BoofCV's kannala_brandt, whose first coefficient is that of the angle itself, \
             which is not read: calibrate with OpenCV's fisheye"
                .into(),
        );
    }
    let said = model(&values, choice)?;
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
    let mut described = Described::from(Calibration {
        lens: pixels(numbers, distortion)?,
        size: values.size()?,
    });
    // Only a pinhole has more than five coefficients.
    if let (None, None, Distortion::Brown(Brown { rational, .. })) =
        (kind, choice.model, distortion)
    {
        if rational == [0.0; 3] {
            described.doubts.extend(mention(&map, tree)?);
        }
    }
    Ok(described)
}

/// Returns the distortion that the coefficients describe, given by names or in
/// a list.
fn bent(values: &Values, kind: Option<Kind>, choice: &Choice) -> Parsed<Distortion> {
    let list = match values.one(&LIST)? {
        Some(value) => Some(value.numbers("the list of coefficients")?),
        None => values.numbered("d")?,
    };
    let named = values.named()?;
    let distortion = match (kind, choice.model, &named, &list) {
        (_, _, Some(named), Some(list))
            if brown(list, "") != Ok(Distortion::Brown(named.brown()))
                && (named.tangential
                    || fisheye(list, "") != Ok(Distortion::Fisheye(named.four()))) =>
        {
            return Err(
                "it has coefficients by their names and others in a list: remove those that are not this camera's"
                    .into(),
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
        (Some(kind @ (Kind::Other | Kind::Numbered)), _, _, list) => {
            let listed = list.iter().flatten().copied();
            let named = named
                .iter()
                .flat_map(|named| named.k.into_iter().chain(named.p));
            if listed.chain(named).any(|value| value != 0.0) {
                if kind == Kind::Numbered {
                    return Err(kind::numbered(values));
                }
                return Err(format!(
                    "its model{} is not read, and its coefficients are not 0: calibrate again with OpenCV",
                    named_model(values)
                ));
            }
            Distortion::Brown(Brown::NONE)
        }
        (_, _, None, None) => {
            return Err(match values.like_coefficients() {
                Some(name) => format!(
                    "it has no coefficients under a known name: if those are {name}, rename the key to dist_coeffs"
                ),
                None => String::from(
                    "it has no coefficients: k1, k2, p1, p2, k3, or a list such as dist_coeffs; if there \
                     are none, put k1: 0 there",
                ),
            });
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
        (_, _, Some(named), _) if named.is_half_rational() => {
            return Err(
                "it has k4 or k5 and no k6: OpenCV's rational model has all three, Metashape's k4 is \
                 another one's, and k3 and k4 of MATLAB's toolbox are p1 and p2"
                    .into(),
            );
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
        (Some(Kind::Omni), Some(_), Distortion::Brown(brown))
            if brown.radial[2] != 0.0 || brown.rational != [0.0; 3] || brown.prism != [0.0; 4] =>
        {
            Err("it is an omnidirectional camera (Mei), and has more than k1, k2, p1 and p2".into())
        }
        (Some(Kind::Omni), Some(xi), Distortion::Brown(brown)) => Ok(Distortion::Omni(Omni {
            xi,
            brown,
            skew: 0.0,
        })),
        (Some(Kind::Omni), None, _) => Err("it has no xi".into()),
        (_, Some(xi), _) if xi != 0.0 => Err(format!("it has xi {xi}, and no model that has one")),
        (_, _, distortion) => Ok(distortion),
    }
}

/// Returns the name of the model that the file has, after a blank.
fn named_model(values: &Values) -> String {
    let model = values.one(&["model"]).ok().flatten();
    let model = model.and_then(Tree::text);
    model.map_or_else(String::new, |model| format!(" {model}"))
}

fn unclear(what: &str) -> String {
    format!("{what}, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say which with --model")
}
