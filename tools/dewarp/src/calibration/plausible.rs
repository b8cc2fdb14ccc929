// SPDX-License-Identifier: GPL-2.0
//! Warnings about a calibration's numbers: numbers that may be in the wrong
//! place, or be of pictures of another size.

use super::size::off;
use crate::format::Size;
use crate::lens::Lens;

/// The largest ratio of the focal lengths that gives no warning: pixels are
/// square except for the camera's tolerances.
const RATIO: f64 = 1.1;

/// The fraction of a side by which the principal point may be off the centre.
const OFF: f64 = 0.25;

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
    if let Some(size) = size.filter(|size| off(*size, lens.center) > OFF) {
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
