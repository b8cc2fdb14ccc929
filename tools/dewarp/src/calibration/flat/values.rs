// SPDX-License-Identifier: GPL-2.0
//! The values of a map and of all maps in it, under any of the names that a
//! number has.

use super::super::Parsed;
use super::super::tree::{self, Tree};
use super::has_focal;
use crate::format::Size;
use crate::lens::Brown;

/// Names of the same number, in lower case.
pub const FX: [&str; 3] = ["fx", "fl_x", "focal_length_x"];
pub const FY: [&str; 3] = ["fy", "fl_y", "focal_length_y"];
pub const CX: [&str; 4] = ["cx", "ppx", "principal_point_x", "u0"];
pub const CY: [&str; 4] = ["cy", "ppy", "principal_point_y", "v0"];

/// Names of a list of coefficients.
pub const LIST: [&str; 14] = [
    "distortion_coefficients",
    "distortion_coeffs",
    "distortion_coeff",
    "distortion_parameters",
    "distortion",
    "distcoeffs",
    "dist_coeffs",
    "dist_coefs",
    "dist_coefficients",
    "disto",
    "dist",
    "coefficients",
    "coeffs",
    "d",
];

/// Words in the name of a list that may be one of coefficients.
const COEFFICIENTS: [&str; 7] = [
    "dist",
    "disto",
    "distortion",
    "distortions",
    "coef",
    "coeffs",
    "coefficients",
];

/// Names of lists of radial and of tangential coefficients, from MATLAB and
/// BoofCV.
const RADIAL: [&str; 3] = ["radial", "radial_distortion", "radialdistortion"];
const TANGENTIAL: [&str; 3] = [
    "tangential",
    "tangential_distortion",
    "tangentialdistortion",
];

/// Names of values that no supported model has, and that must be 0.
pub const SKEW: [&str; 4] = ["skew", "alpha_c", "b1", "b2"];

/// Names of the mirror parameter of Mei's model.
pub const XI: [&str; 2] = ["xi", "mirror_offset"];

/// Words in the name of a map that describes what was photographed.
const TARGETS: [&str; 11] = [
    "board",
    "chessboard",
    "checkerboard",
    "charuco",
    "charucoboard",
    "aruco",
    "pattern",
    "marker",
    "markers",
    "grid",
    "tags",
];

/// Names of the pictures' size.
const SIZES: [[&str; 2]; 5] = [
    ["width", "height"],
    ["image_width", "image_height"],
    ["w", "h"],
    ["img_width", "img_height"],
    ["cols", "rows"],
];
const SIZE: [&str; 4] = ["resolution", "image_size", "size", "img_size"];

/// All values of a map and of the maps in it, with their names in lower case.
#[derive(Default)]
pub struct Values {
    pub all: Vec<(String, Tree)>,
    /// Names without a value.
    pub empty: Vec<String>,
}

impl Values {
    pub fn of(tree: &Tree, depth: usize) -> Self {
        let mut values = Values::default();
        for key in tree.keys() {
            let Some(value) = tree.get(key) else {
                values.empty.push(key.to_lowercase());
                continue;
            };
            // A number may have its deviation beside it.
            let value = match value.first(["value", "val"]) {
                Some((_, number)) if number.numbers("").is_ok_and(|all| all.len() == 1) => number,
                _ => value,
            };
            // A list of one map counts as that map.
            let value = match &value.items()[..] {
                [only] if !only.keys().is_empty() => only.clone(),
                _ => value,
            };
            let is_map = !value.keys().is_empty() && value.get("data").is_none();
            let mut words = tree::words(key).into_iter();
            let is_target = words.any(|word| TARGETS.contains(&word.as_str()));
            if is_map && is_target && !has_focal(&value, depth) {
                continue;
            }
            if depth > 0 && is_map {
                let part = Values::of(&value, depth - 1);
                values.all.extend(part.all);
                values.empty.extend(part.empty);
            } else {
                values.all.push((key.to_lowercase(), value));
            }
        }
        values
    }

    /// Returns the name of a list that may be one of coefficients under a name that is not known.
    pub fn like_coefficients(&self) -> Option<&str> {
        let mut lists = self.all.iter().filter(|(name, value)| {
            let numbers = value.numbers("").unwrap_or_default();
            [4, 5, 8, 12, 14].contains(&numbers.len())
                && numbers.iter().all(|number| number.abs() < 10.0)
                && tree::words(name)
                    .iter()
                    .any(|word| COEFFICIENTS.contains(&word.as_str()))
        });
        lists.next().map(|(name, _)| name.as_str())
    }

    /// Returns the only value under one of the names.
    pub fn one(&self, names: &[&str]) -> Parsed<Option<&Tree>> {
        let mut found = self
            .all
            .iter()
            .filter(|(name, _)| names.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => Ok(Some(value)),
            // The same value twice contradicts nothing.
            (Some((_, value)), Some((_, other)))
                if found.next().is_none()
                    && value.numbers("").is_ok()
                    && value.numbers("") == other.numbers("") =>
            {
                Ok(Some(value))
            }
            (Some((one, _)), Some((other, _))) if one == other => {
                Err(format!("{one} stands in two places"))
            }
            (Some((one, _)), Some((other, _))) => Err(format!("it has both {one} and {other}")),
        }
    }

    pub fn number(&self, names: &[&str]) -> Parsed<Option<f64>> {
        let Some(value) = self.one(names)? else {
            return Ok(None);
        };
        match value.numbers(names[0])?[..] {
            [number] => Ok(Some(number)),
            _ => Err(format!("{} is not one number", names[0])),
        }
    }

    /// Returns the numbers of names that begin with this letter and go on with 0, 1, 2 ..., if there are at least four.
    pub fn numbered(&self, letter: &str) -> Parsed<Option<Vec<f64>>> {
        let mut numbers = Vec::new();
        while let Some(number) = self.number(&[&format!("{letter}{}", numbers.len())])? {
            numbers.push(number);
        }
        Ok((numbers.len() >= 4).then_some(numbers))
    }

    pub fn needed(&self, names: &[&str]) -> Parsed<f64> {
        self.number(names)?
            .ok_or_else(|| format!("it has no {}", names[0]))
    }

    pub fn size(&self) -> Parsed<Option<Size>> {
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

    /// Returns the coefficients that have their own names: k1 to k6, p1, p2, s1
    /// to s4.
    pub fn named(&self) -> Parsed<Option<Named>> {
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
        // BoofCV's names for p1 and p2.
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

/// The coefficients that have names.
#[derive(Default)]
pub struct Named {
    pub k: [f64; 6],
    pub p: [f64; 2],
    pub s: [f64; 4],
    pub tangential: bool,
    /// The number of the last k that is given.
    pub last: usize,
}

impl Named {
    /// Returns whether the coefficients of the rational model end before its last one.
    pub fn is_half_rational(&self) -> bool {
        [4, 5].contains(&self.last) && self.k[3..] != [0.0; 3]
    }

    /// Returns k1 to k4.
    pub fn four(&self) -> [f64; 4] {
        let [k1, k2, k3, k4, ..] = self.k;
        [k1, k2, k3, k4]
    }

    pub fn brown(&self) -> Brown {
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
