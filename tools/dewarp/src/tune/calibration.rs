// SPDX-License-Identifier: GPL-2.0
//! A lens as a calibration file: OpenCV's YAML for OpenCV's models, Kalibr's for the others.
//! `dewarp` and these programs can read the files.

use dewarp::lens::{Brown, Distortion, DoubleSphere, Eucm, Omni};
use dewarp::{Error, Lens, Result, Size};

/// Returns the text of the file.
///
/// Returns a bad-use error for a model that neither format has.
pub fn text(lens: &Lens, size: Size) -> Result<String> {
    match lens.distortion {
        Distortion::Brown(brown) => Ok(opencv(lens, size, &coefficients(&brown), false)),
        Distortion::Fisheye(values) => Ok(opencv(lens, size, &values, true)),
        Distortion::DoubleSphere(DoubleSphere { xi, alpha }) => {
            Ok(kalibr(lens, size, ["ds", "none"], &[xi, alpha], &[]))
        }
        Distortion::Eucm(Eucm { alpha, beta }) => {
            Ok(kalibr(lens, size, ["eucm", "none"], &[alpha, beta], &[]))
        }
        Distortion::Omni(omni) => {
            let ([k1, k2, _], [p1, p2]) = (omni.brown.radial, omni.brown.tangential);
            let values = [k1, k2, p1, p2];
            match omni == Omni::new(omni.xi, values) {
                true => Ok(kalibr(lens, size, ["omni", "radtan"], &[omni.xi], &values)),
                false => Err(no_file("omnidirectional model with a skew")),
            }
        }
        Distortion::Fov(w) => Ok(kalibr(lens, size, ["pinhole", "fov"], &[], &[w])),
        Distortion::Radial(_) => Err(no_file("polynomial of Lensfun")),
    }
}

fn no_file(model: &str) -> Error {
    Error::bad_use(format!(
        "neither OpenCV nor Kalibr has this {model}: keep the calibration that it came from, or save the map"
    ))
}

/// Returns the coefficients in OpenCV's order: 5, 8, 12 or 14 numbers.
fn coefficients(brown: &Brown) -> Vec<f64> {
    let ([k1, k2, k3], [p1, p2]) = (brown.radial, brown.tangential);
    let mut values = vec![k1, k2, p1, p2, k3];
    let (tilt, prism) = (brown.tilt != [0.0; 2], brown.prism != [0.0; 4]);
    if tilt || prism || brown.rational != [0.0; 3] {
        values.extend(brown.rational);
    }
    if tilt || prism {
        values.extend(brown.prism);
    }
    if tilt {
        values.extend(brown.tilt);
    }
    values
}

fn opencv(lens: &Lens, size: Size, values: &[f64], fisheye: bool) -> String {
    let ([fx, fy], [cx, cy]) = (lens.focal, lens.center);
    let matrix = |name: &str, columns: usize, values: &[f64]| {
        format!(
            "{name}: !!opencv-matrix\n   rows: {}\n   cols: {columns}\n   dt: d\n   data: {}\n",
            values.len() / columns,
            list(values)
        )
    };
    format!(
        "%YAML:1.0\n---\nimage_width: {}\nimage_height: {}\nfisheye_model: {}\n{}{}",
        size.width,
        size.height,
        u8::from(fisheye),
        matrix(
            "camera_matrix",
            3,
            &[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0]
        ),
        matrix("distortion_coefficients", 1, values)
    )
}

fn kalibr(
    lens: &Lens,
    size: Size,
    [camera, model]: [&str; 2],
    own: &[f64],
    values: &[f64],
) -> String {
    let intrinsics = [own, &lens.focal, &lens.center].concat();
    format!(
        "cam0:\n  camera_model: {camera}\n  intrinsics: {}\n  distortion_model: {model}\n  \
         distortion_coeffs: {}\n  resolution: [{}, {}]\n",
        list(&intrinsics),
        list(values),
        size.width,
        size.height
    )
}

/// Formats numbers so that they are read back exactly.
fn list(values: &[f64]) -> String {
    // YAML 1.1 reads 5e-5 as text, and 5.0e-5 as a number.
    let word = |value: &f64| match format!("{value:?}") {
        text if text.contains('e') && !text.contains('.') => text.replace('e', ".0e"),
        text => text,
    };
    let words: Vec<String> = values.iter().map(word).collect();
    format!("[{}]", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::calibration::{Choice, Described};

    #[test]
    fn what_is_saved_is_read_back() {
        let size = Size {
            width: 1280,
            height: 720,
        };
        let plain = Brown {
            radial: [-0.28, 0.09, -1.2e-12],
            tangential: [0.001, -0.002],
            ..Brown::NONE
        };
        let rational = Brown {
            rational: [0.1, 0.03, 0.001],
            ..plain
        };
        let prism = Brown {
            prism: [0.001, -0.0005, -0.002, 0.0003],
            ..plain
        };
        let tilt = Brown {
            tilt: [0.02, -0.03],
            ..rational
        };
        let models = [
            Distortion::Brown(plain),
            Distortion::Brown(rational),
            Distortion::Brown(prism),
            Distortion::Brown(tilt),
            Distortion::Fisheye([-0.02, 0.004, -0.003, 1.0 / 3.0]),
            Distortion::DoubleSphere(DoubleSphere {
                xi: -0.24,
                alpha: 0.57,
            }),
            Distortion::Eucm(Eucm {
                alpha: 0.61,
                beta: 1.12,
            }),
            Distortion::Omni(Omni::new(0.8, [-0.04, 0.01, 0.001, -0.002])),
            Distortion::Fov(0.93),
        ];
        let path = std::env::temp_dir().join(format!("dewarp-tuned-{}.yml", std::process::id()));
        for distortion in models {
            let lens = Lens {
                focal: [700.1, 701.0 + 1.0 / 3.0],
                center: [639.5, 361.25],
                distortion,
            };
            std::fs::write(&path, text(&lens, size).unwrap()).unwrap();
            let (read, _) = Described::load(&path, None, &Choice::default()).unwrap();
            std::fs::remove_file(&path).unwrap();
            assert_eq!(
                (read.calibration.lens, read.calibration.size),
                (lens, Some(size))
            );
        }
        let lens = Lens {
            focal: [700.0; 2],
            center: [300.0; 2],
            distortion: Distortion::Radial([1.0, 0.0, 0.1, 0.0, 0.0]),
        };
        assert!(text(&lens, size).is_err());
    }
}
