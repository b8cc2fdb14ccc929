// SPDX-License-Identifier: GPL-2.0
//! Formats that are detected by their own keys, one file each, and the
//! functions that their readers share.

use std::collections::HashMap;

use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, Rectification, plausible};
use super::{
    basalt, depthai, euroc, flat, gyroflow, libcamera, maplab, matlab, mrcal, nxp, okvis, opensfm,
    orbslam, vikit, vins,
};
use crate::format::Size;
use crate::lens::scaled;

/// A format of calibration files.
pub struct Dialect {
    /// The name of such a file in messages.
    pub name: &'static str,
    /// Returns whether a tree has the keys of this format.
    pub is_one: fn(&Tree) -> bool,
    /// Whether a file has several cameras, between which --camera chooses.
    pub cameras: bool,
    /// Reads the chosen camera.
    pub read: fn(&Tree, &Choice) -> Parsed<Described>,
    /// Reads the rectification of the chosen camera, if the format has one.
    pub rectify: Option<fn(&Tree, &Choice) -> Parsed<Rectification>>,
}

impl Dialect {
    /// Creates a format whose files have one camera and no rectification.
    pub const fn of(
        name: &'static str,
        is_one: fn(&Tree) -> bool,
        read: fn(&Tree, &Choice) -> Parsed<Described>,
    ) -> Self {
        Dialect {
            name,
            is_one,
            cameras: false,
            read,
            rectify: None,
        }
    }

    /// Returns the format with several cameras in a file.
    pub const fn of_several(self) -> Self {
        Dialect {
            cameras: true,
            ..self
        }
    }

    /// Returns the format with a rectification of each camera.
    pub const fn rectified(self, rectify: fn(&Tree, &Choice) -> Parsed<Rectification>) -> Self {
        Dialect {
            rectify: Some(rectify),
            ..self
        }
    }
}

/// All dialects. The first one whose `is_one` returns true reads the file.
pub const ALL: &[Dialect] = &[
    nxp::DIALECT,
    libcamera::DIALECT,
    vins::DIALECT,
    okvis::DIALECT,
    basalt::DIALECT,
    depthai::DIALECT,
    gyroflow::DIALECT,
    mrcal::DIALECT,
    orbslam::DIALECT,
    opensfm::DIALECT,
    euroc::DIALECT,
    maplab::DIALECT,
    matlab::DIALECT,
    vikit::DIALECT,
    flat::DIALECT,
];

/// What a file says about a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The lens and the size of its pictures.
    pub calibration: Calibration,
    /// The output, if the file describes it.
    pub output: Option<Output>,
    /// What was assumed or not used, one sentence each.
    pub notes: Vec<String>,
    /// What is unlikely, one warning each.
    pub doubts: Vec<String>,
}

/// The output that a file describes, as a program that uses the file shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Output {
    /// Focal lengths and principal point of the output's camera, in pixels of
    /// the calibration's pictures [default: the lens's].
    pub camera: Option<[[f64; 2]; 2]>,
    /// Corner and extent of the part of the camera's picture that is shown.
    pub part: Option<[[f64; 2]; 2]>,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Whether top and bottom are exchanged.
    pub flipped: bool,
}

impl Output {
    /// Returns the output for pictures with these many times the columns and
    /// lines.
    pub fn scaled(self, times: [f64; 2]) -> Self {
        let part = |[corner, extent]: [[f64; 2]; 2]| {
            [corner, extent].map(|point| [0, 1].map(|axis| point[axis] * times[axis]))
        };
        Output {
            camera: self
                .camera
                .map(|[focal, center]| scaled(focal, center, times)),
            part: self.part.map(part),
            ..self
        }
    }
}

impl From<Calibration> for Described {
    fn from(calibration: Calibration) -> Self {
        Described {
            calibration,
            output: None,
            notes: Vec::new(),
            doubts: Vec::new(),
        }
    }
}

impl Described {
    /// Adds warnings about what is unlikely of the lens.
    pub fn doubted(mut self) -> Self {
        let Calibration { lens, size } = &self.calibration;
        self.doubts.extend(plausible::doubts(lens, *size));
        if lens.distortion.is_straight() {
            self.doubts
                .push("all coefficients are 0: the lens bends nothing".into());
        }
        self
    }
}

/// Returns the value of a key, or an error if it is missing.
pub fn needed(tree: &Tree, key: &str) -> Parsed<Tree> {
    tree.get(key).ok_or_else(|| format!("it has no {key}"))
}

/// Returns the `N` numbers of a key, or an error if it is missing.
pub fn numbers<const N: usize>(tree: &Tree, key: &str) -> Parsed<[f64; N]> {
    let values = needed(tree, key)?.numbers(key)?;
    let count = values.len();
    values
        .try_into()
        .map_err(|_| format!("{key} has {count} numbers, not {N}"))
}

/// Returns the number of a key, or an error if it is missing.
pub fn number(tree: &Tree, key: &str) -> Parsed<f64> {
    numbers::<1>(tree, key).map(|[number]| number)
}

/// Returns the text of a key, or an error if it is missing.
pub fn word(tree: &Tree, key: &str) -> Parsed<String> {
    match needed(tree, key)?.text() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{key} is not a text")),
    }
}

/// Returns the size of pictures under two keys, or `None` if they are missing.
pub fn size(tree: &Tree, [width, height]: [&str; 2]) -> Parsed<Option<Size>> {
    match (tree.number(width)?, tree.number(height)?) {
        (Some(w), Some(h)) => tree::size([w, h], &format!("{width} and {height}")).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(format!("it has {width} and no {height}")),
        (None, Some(_)) => Err(format!("it has {height} and no {width}")),
    }
}

/// Returns whether a key is set; a missing key is not.
pub fn flag(tree: &Tree, key: &str) -> Parsed<bool> {
    tree.get(key).map_or(Ok(false), |value| is_set(&value, key))
}

/// Returns whether the value of a key is true, or 1.
pub fn is_set(value: &Tree, key: &str) -> Parsed<bool> {
    match (value.flag(), value.text()) {
        (Some(flag), _) => Ok(flag),
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        _ => match value.numbers(key).as_deref() {
            Ok([0.0]) => Ok(false),
            Ok([1.0]) => Ok(true),
            _ => Err(format!("{key} is neither true nor false")),
        },
    }
}

/// Returns the maps in a tree that are cameras, with their keys; or those in its lists, with the
/// names in them. Where a name stands twice, those of the maps around it are before it.
pub fn within(tree: &Tree, depth: usize, is_camera: &dyn Fn(&Tree) -> bool) -> Vec<(String, Tree)> {
    let mut found = Vec::new();
    search(tree, depth, is_camera, &[], &mut found);
    let last = |path: &[String]| path.last().cloned().unwrap_or_default();
    let counts = counts(found.iter().map(|(path, _)| last(path)));
    let name = |path: Vec<String>| match counts.get(&last(&path)) {
        Some(1) => last(&path),
        _ => path.join("."),
    };
    found
        .into_iter()
        .map(|(path, camera)| (name(path), camera))
        .collect()
}

/// A map, with the keys and names on the way to it.
type Placed = (Vec<String>, Tree);

fn search(
    tree: &Tree,
    depth: usize,
    is_camera: &dyn Fn(&Tree) -> bool,
    path: &[String],
    found: &mut Vec<Placed>,
) {
    for key in tree.keys() {
        let Some(value) = tree.get(key).filter(|_| depth > 0) else {
            continue;
        };
        let path = [path, &[key.to_owned()]].concat();
        if is_camera(&value) {
            found.push((path, value));
            continue;
        }
        search(&value, depth - 1, is_camera, &path, found);
        for (name, item) in listed(&value) {
            let path = [&path[..], &[name]].concat();
            match is_camera(&item) {
                true => found.push((path, item)),
                false => search(&item, depth - 1, is_camera, &path, found),
            }
        }
    }
}

/// Returns the maps in a list, by the names in them, or by their positions where there is no name or one stands
/// twice.
pub fn listed(list: &Tree) -> Vec<(String, Tree)> {
    let name = |item: &Tree| {
        let named = item.first(["name", "camera_name", "label"]);
        named.and_then(|(_, name)| name.text().map(str::to_owned))
    };
    let items = list.items();
    let names: Vec<Option<String>> = items.iter().map(name).collect();
    let counts = counts(names.iter().flatten().cloned());
    let named = names.into_iter().zip(items).enumerate();
    named
        .map(|(index, (name, item))| {
            let own = name.filter(|name| counts.get(name) == Some(&1));
            (own.unwrap_or_else(|| index.to_string()), item)
        })
        .collect()
}

/// Returns how often each name stands.
fn counts(names: impl Iterator<Item = String>) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for name in names {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

/// Returns the chosen one of the cameras in a tree, with its name.
pub fn chosen_within(
    tree: &Tree,
    depth: usize,
    is_camera: &dyn Fn(&Tree) -> bool,
    choice: &Choice,
) -> Parsed<(String, Tree)> {
    let mut cameras = within(tree, depth, is_camera);
    let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
    Ok(cameras.swap_remove(chosen(&names, choice)?))
}

/// The most cameras that a message lists.
const LISTED: usize = 30;

/// Returns the index of the camera that --camera chooses among these names.
pub fn chosen(names: &[String], choice: &Choice) -> Parsed<usize> {
    let all = match names {
        names if names.len() <= LISTED => names.join(", "),
        names => format!(
            "{}, ... ({} in all)",
            names[..LISTED].join(", "),
            names.len()
        ),
    };
    match (choice.camera, names) {
        (_, []) => Err("it has no camera".into()),
        (None, [_]) => Ok(0),
        (None, _) => Err(format!("say which camera with --camera: {all}")),
        (Some(wanted), _) => {
            let same = |name: &String| name == wanted;
            let alike = |name: &String| tree::plain(name) == tree::plain(wanted);
            if names.iter().filter(|name| same(name)).count() > 1 {
                return Err(format!(
                    "it has several cameras {wanted}: give them names of their own"
                ));
            }
            let place = names.iter().position(same);
            place
                .or_else(|| names.iter().position(alike))
                .ok_or_else(|| {
                    format!("it has no camera {wanted}, only {all}: say one with --camera")
                })
        }
    }
}

/// Returns numbers as names, one for each item.
pub fn counted(items: usize) -> Vec<String> {
    (0..items).map(|index| index.to_string()).collect()
}
