// SPDX-License-Identifier: GPL-2.0
//! Formats that are told by their own keys, one file each, and what their readers
//! share.

use super::tree::Tree;
use super::{Calibration, Choice, Parsed, Rectification};
use super::{libcamera, nxp};
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
pub const ALL: &[Dialect] = &[nxp::DIALECT, libcamera::DIALECT];

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

/// Whether a key that may be missing is set.
pub fn flag(tree: &Tree, key: &str) -> Parsed<bool> {
    let Some(value) = tree.get(key) else {
        return Ok(false);
    };
    match (value.flag(), value.text()) {
        (Some(flag), _) => Ok(flag),
        (None, Some("true")) => Ok(true),
        (None, Some("false")) => Ok(false),
        _ => match tree.number(key) {
            Ok(Some(0.0)) => Ok(false),
            Ok(Some(1.0)) => Ok(true),
            _ => Err(format!("{key} is neither true nor false")),
        },
    }
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
