// SPDX-License-Identifier: GPL-2.0
//! Warnings about a calibration's numbers: numbers that may be in the wrong
//! place, or be of pictures of another size.

use super::size::{exchanged, off};
use crate::format::Size;
use crate::lens::{Distortion, Lens};

/// The largest ratio of the focal lengths that gives no warning: pixels are
/// square except for the camera's tolerances.
const RATIO: f64 = 1.1;

/// The fraction of a side by which the principal point may be off the centre. It is off by a quarter
/// if the matrix is that of pictures of half the size.
const OFF: f64 = 0.2;

/// The largest tangential coefficient that gives no warning. Those of lenses are below 0.01.
const TANGENTIAL: f64 = 0.02;

/// Returns what is doubtful about a lens for pictures of this size, one
/// sentence each.
pub fn doubts(lens: &Lens, size: Option<Size>) -> Vec<String> {
    let mut doubts = Vec::new();
    let [fx, fy] = lens.focal;
    let ratio = (fx / fy).max(fy / fx);
    if ratio > RATIO {
        doubts.push(format!(
            "focal lengths {fx} and {fy} differ by {:.0} %: are these fx, fy?",
            (ratio - 1.0) * 100.0
        ));
    }
    if let Distortion::Brown(brown) = lens.distortion {
        let [p1, p2] = brown.tangential;
        if p1.abs().max(p2.abs()) > TANGENTIAL {
            doubts.push(format!(
                "the tangential coefficients {p1} and {p2} are large for a lens: is the order k1 k2 p1 p2 k3, \
                 and is it no fisheye?"
            ));
        }
    }
    if let Some(doubt) = size.and_then(|size| exchanged(size, lens.center)) {
        doubts.push(doubt);
    } else if let Some(size) = size.filter(|size| off(*size, lens.center) > OFF) {
        let [cx, cy] = lens.center;
        let place = match off(size, lens.center) > 0.5 {
            true => "outside",
            false => "far from the middle of",
        };
        doubts.push(format!(
            "the principal point {cx}, {cy} is {place} a picture of {size}: are these cx, cy, and is \
             that the size of the calibration's pictures (--source)?"
        ));
    }
    doubts
}
