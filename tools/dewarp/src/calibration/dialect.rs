// SPDX-License-Identifier: GPL-2.0
//! Formats that are told by their own keys, one file each, and what their readers
//! share.

use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, Rectification, plausible};
use super::{
    basalt, depthai, euroc, flat, gyroflow, libcamera, mrcal, nxp, okvis, opensfm, orbslam, vins,
};
use crate::format::Size;
use crate::lens::scaled;

/// A format of calibration files.
pub struct Dialect {
    /// What a file of it is called in messages.
    pub name: &'static str,
    /// Whether these are its keys.
    pub is_one: fn(&Tree) -> bool,
    /// Whether a file has cameras, between which --camera chooses.
    pub cameras: bool,
    /// Reads the chosen camera.
    pub read: fn(&Tree, &Choice) -> Parsed<Described>,
    /// Reads its rectification, where the format has one.
    pub rectify: Option<fn(&Tree, &Choice) -> Parsed<Rectification>>,
}

/// All of them. The first that says so has a file.
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
    flat::DIALECT,
];

/// What a file tells of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    /// The lens and the size of its pictures.
    pub calibration: Calibration,
    /// The output, where the file describes that too.
    pub output: Option<Output>,
    /// What was assumed or not used, a line each.
    pub notes: Vec<String>,
    /// What is unlikely: a warning each.
    pub doubts: Vec<String>,
}

/// The output that a file describes: what a program that uses the file shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Output {
    /// Focal lengths and principal point of the camera whose picture it is, in
    /// pixels of the calibration's pictures [default: the lens's].
    pub camera: Option<[[f64; 2]; 2]>,
    /// Corner and extent of the part of that picture which is shown.
    pub part: Option<[[f64; 2]; 2]>,
    /// Whether left and right are exchanged.
    pub mirrored: bool,
    /// Whether top and bottom are exchanged.
    pub flipped: bool,
}

impl Output {
    /// The same where the pictures have these many times the columns and lines.
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
    /// With what is unlikely of the lens.
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

/// The value of a key that must be there.
pub fn needed(tree: &Tree, key: &str) -> Parsed<Tree> {
    tree.get(key).ok_or_else(|| format!("it has no {key}"))
}

/// The `N` numbers of a key that must be there.
pub fn numbers<const N: usize>(tree: &Tree, key: &str) -> Parsed<[f64; N]> {
    let values = needed(tree, key)?.numbers(key)?;
    let count = values.len();
    values
        .try_into()
        .map_err(|_| format!("{key} has {count} numbers, not {N}"))
}

/// The number of a key that must be there.
pub fn number(tree: &Tree, key: &str) -> Parsed<f64> {
    numbers::<1>(tree, key).map(|[number]| number)
}

/// The text of a key that must be there.
pub fn word(tree: &Tree, key: &str) -> Parsed<String> {
    match needed(tree, key)?.text() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{key} is not a text")),
    }
}

/// The size of pictures under two keys that may be missing.
pub fn size(tree: &Tree, [width, height]: [&str; 2]) -> Parsed<Option<Size>> {
    match (tree.number(width)?, tree.number(height)?) {
        (Some(w), Some(h)) => tree::size([w, h], &format!("{width} and {height}")).map(Some),
        (None, None) => Ok(None),
        (Some(_), None) => Err(format!("it has {width} and no {height}")),
        (None, Some(_)) => Err(format!("it has {height} and no {width}")),
    }
}

/// Whether a key that may be missing is set.
pub fn flag(tree: &Tree, key: &str) -> Parsed<bool> {
    tree.get(key).map_or(Ok(false), |value| is_set(&value, key))
}

/// Whether the value of a key is true, or 1.
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

/// The maps in a list, by the names that they have in them or by their places.
pub fn listed(list: &Tree) -> Vec<(String, Tree)> {
    let name = |item: &Tree| {
        let named = item.first(["name", "camera_name", "label"]);
        named.and_then(|(_, name)| name.text().map(str::to_owned))
    };
    let items = list.items().into_iter().enumerate();
    items
        .map(|(index, item)| (name(&item).unwrap_or_else(|| index.to_string()), item))
        .collect()
}

/// Which of the cameras with these names --camera chooses.
pub fn chosen(names: &[String], choice: &Choice) -> Parsed<usize> {
    let all = names.join(", ");
    match (choice.camera, names) {
        (_, []) => Err("it has no camera".into()),
        (None, [_]) => Ok(0),
        (None, _) => Err(format!("say which camera with --camera: {all}")),
        (Some(wanted), _) => names
            .iter()
            .position(|name| name == wanted)
            .ok_or_else(|| format!("it has no camera {wanted}, only {all}: say one with --camera")),
    }
}

/// Numbers for names, as many as there are items.
pub fn counted(items: usize) -> Vec<String> {
    (0..items).map(|index| index.to_string()).collect()
}
