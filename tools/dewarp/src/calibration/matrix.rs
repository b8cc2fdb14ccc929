// SPDX-License-Identifier: GPL-2.0
//! Camera matrices and coefficients in OpenCV's order.

use super::tree::Tree;
use super::{Choice, Model, Parsed};
use crate::lens::{Brown, Distortion, Lens};

/// Creates the lens of a 3x3 camera matrix.
///
/// Only the omnidirectional model has the skew of its matrix.
pub fn lens(matrix: &Tree, name: &str, mut distortion: Distortion) -> Parsed<Lens> {
    if matrix.numbers(name)?.len() == 12 {
        return Err(format!(
            "{name} has 12 numbers (3x4), as the matrix of rectified pictures has: the camera's own has 9 (3x3)"
        ));
    }
    let values: [f64; 9] = matrix.matrix(name, [3, 3])?;
    if values == [0.0; 9] {
        return Err(format!("{name} is all 0: the camera was never calibrated"));
    }
    let [fx, skew, cx, below, fy, cy, last @ ..] = values;
    if last != [0.0, 0.0, 1.0] {
        let why = match [cx, cy] {
            [0.0, 0.0] => ": it is transposed, as MATLAB has it",
            _ => "",
        };
        return Err(format!("{name} has the last row {last:?}, not 0 0 1{why}"));
    }
    if below != 0.0 {
        return Err(format!(
            "{name} has {below} before its second focal length, not 0"
        ));
    }
    match &mut distortion {
        _ if skew == 0.0 => {}
        Distortion::Omni(omni) => omni.skew = skew / fx,
        _ => {
            return Err(format!(
                "{name} has a skew of {skew}, which is not supported: calibrate without \
                 (CALIB_FIX_SKEW), or put 0 there, as OpenCV's undistortion does"
            ));
        }
    }
    let lens = Lens {
        focal: [fx, fy],
        center: [cx, cy],
        distortion,
    };
    lens.check().map_err(|cause| format!("{name}: {cause}"))
}

/// Returns an error if the user chose another model than the file's key does.
pub fn agrees(choice: &Choice, distortion: &Distortion, key: &str) -> Parsed<()> {
    let (model, name) = match distortion {
        Distortion::Fisheye(_) => (Some(Model::Fisheye), "a fisheye (Kannala and Brandt)"),
        Distortion::Brown(_) | Distortion::Radial(_) => (Some(Model::Pinhole), "a pinhole"),
        Distortion::DoubleSphere(_) => (None, "a double sphere"),
        Distortion::Eucm(_) => (None, "EUCM"),
        Distortion::Omni(_) => (None, "an omnidirectional camera"),
        Distortion::Fov(_) => (None, "a field of view (FOV)"),
    };
    match choice.model {
        Some(_) if choice.model != model => Err(format!(
            "--model contradicts its {key}, which is that of {name}"
        )),
        _ => Ok(()),
    }
}

/// Creates the distortion of OpenCV's model for pinhole cameras. Trailing zeros
/// do not count.
pub fn brown(values: &[f64], name: &str) -> Parsed<Distortion> {
    let used = used(values);
    let fits = |count: &usize| (used..=values.len()).contains(count);
    let count = [4, 5, 8, 12, 14].into_iter().find(fits);
    let brown = count.and_then(|count| Brown::from_opencv(&values[..count]));
    brown.map(Distortion::Brown).ok_or_else(|| {
        format!(
            "{name} has {} numbers, not 4 or 5 (k1 k2 p1 p2 k3), 8 (rational, with k4 k5 k6), \
             12 (with the thin prism's s1 s2 s3 s4) or 14 (with the tilt's)",
            values.len()
        )
    })
}

/// Creates the distortion of a fisheye's four coefficients.
pub fn fisheye(values: &[f64], name: &str) -> Parsed<Distortion> {
    let four = match used(values) <= 4 {
        true => values.get(..4).unwrap_or(values),
        false => values,
    };
    four.try_into()
        .map(Distortion::Fisheye)
        .map_err(|_| format!("{name} has {} numbers, not the fisheye's 4", values.len()))
}

/// Returns how many numbers there are up to the last that is not 0.
pub fn used(values: &[f64]) -> usize {
    let last = values.iter().rposition(|value| *value != 0.0);
    last.map_or(0, |last| last + 1)
}
