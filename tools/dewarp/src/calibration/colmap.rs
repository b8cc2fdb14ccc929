// SPDX-License-Identifier: GPL-2.0
//! COLMAP's `cameras.txt`: a line for each camera, with its number, model, size and parameters. The
//! centre of the first pixel is at 0.5.

use std::collections::HashSet;

use super::dialect::{self, Described};
use super::models::pixels;
use super::tree::size;
use super::{Calibration, Choice, Parsed, agrees};
use crate::lens::{Brown, Distortion, Eucm};

/// The values of one camera's line.
struct Line<'a> {
    number: &'a str,
    model: &'a str,
    size: [f64; 2],
    parameters: Vec<f64>,
}

/// Returns the lines that are not comments, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Returns whether the first line begins with a number and a model's name.
pub fn is_one(text: &str) -> bool {
    let Some((_, line)) = lines(text).next() else {
        return false;
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    words.len() > 4 && words[0].bytes().all(|byte| byte.is_ascii_digit()) && is_model(words[1])
}

fn is_model(word: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    word.len() > 2 && word.bytes().all(letter)
}

fn parsed((number, line): (usize, &str)) -> Parsed<Line<'_>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, model, rest @ ..] = &words[..] else {
        return Err(format!("line {number} is not a camera's: {line}"));
    };
    if !is_model(model) {
        return Err(format!("line {number}: {model} is no model's name"));
    }
    let value = |word: &&str| match word.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err(format!("line {number}: {word} is not a number")),
    };
    let numbers: Vec<f64> = rest.iter().map(value).collect::<Parsed<_>>()?;
    let [width, height, parameters @ ..] = &numbers[..] else {
        return Err(format!("line {number} has no size: {line}"));
    };
    Ok(Line {
        number: id,
        model,
        size: [*width, *height],
        parameters: parameters.to_vec(),
    })
}

pub fn read(text: &str, choice: &Choice) -> Parsed<Described> {
    let cameras: Vec<Line> = lines(text).map(parsed).collect::<Parsed<_>>()?;
    let names: Vec<String> = cameras
        .iter()
        .map(|camera| camera.number.to_owned())
        .collect();
    let mut seen = HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(format!("camera {name} stands twice"));
    }
    let camera = &cameras[dialect::chosen(&names, choice)?];
    let (numbers, distortion) = camera.model()?;
    agrees(choice, &distortion, "model")?;
    let [fx, fy, cx, cy] = numbers;
    Ok(Calibration {
        lens: pixels([fx, fy, cx - 0.5, cy - 0.5], distortion)?,
        size: Some(size(camera.size, "the camera's size")?),
    }
    .into())
}

impl Line<'_> {
    fn own<const N: usize>(&self) -> Parsed<[f64; N]> {
        self.parameters[..].try_into().map_err(|_| {
            format!(
                "camera {} has {} parameters, and {} has {N}",
                self.number,
                self.parameters.len(),
                self.model
            )
        })
    }

    /// Returns fx, fy, cx and cy, and the distortion.
    fn model(&self) -> Parsed<([f64; 4], Distortion)> {
        let radial = |k1, k2| {
            Distortion::Brown(Brown {
                radial: [k1, k2, 0.0],
                ..Brown::NONE
            })
        };
        let opencv = |values: &[f64]| super::brown(values, self.model);
        Ok(match self.model {
            "SIMPLE_PINHOLE" => {
                let [f, cx, cy] = self.own()?;
                ([f, f, cx, cy], radial(0.0, 0.0))
            }
            "PINHOLE" => (self.own()?, radial(0.0, 0.0)),
            "SIMPLE_RADIAL" => {
                let [f, cx, cy, k] = self.own()?;
                ([f, f, cx, cy], radial(k, 0.0))
            }
            "RADIAL" => {
                let [f, cx, cy, k1, k2] = self.own()?;
                ([f, f, cx, cy], radial(k1, k2))
            }
            "OPENCV" => {
                let [fx, fy, cx, cy, k @ ..] = self.own::<8>()?;
                ([fx, fy, cx, cy], opencv(&k)?)
            }
            "FULL_OPENCV" => {
                let [fx, fy, cx, cy, k @ ..] = self.own::<12>()?;
                ([fx, fy, cx, cy], opencv(&k)?)
            }
            "OPENCV_FISHEYE" => {
                let [fx, fy, cx, cy, k @ ..] = self.own::<8>()?;
                ([fx, fy, cx, cy], Distortion::Fisheye(k))
            }
            "SIMPLE_RADIAL_FISHEYE" => {
                let [f, cx, cy, k] = self.own()?;
                ([f, f, cx, cy], Distortion::Fisheye([k, 0.0, 0.0, 0.0]))
            }
            "RADIAL_FISHEYE" => {
                let [f, cx, cy, k1, k2] = self.own()?;
                ([f, f, cx, cy], Distortion::Fisheye([k1, k2, 0.0, 0.0]))
            }
            "FOV" => {
                let [fx, fy, cx, cy, w] = self.own()?;
                ([fx, fy, cx, cy], Distortion::Fov(w))
            }
            "EUCM" => {
                let [fx, fy, cx, cy, alpha, beta] = self.own()?;
                ([fx, fy, cx, cy], Distortion::Eucm(Eucm { alpha, beta }))
            }
            other => {
                return Err(format!(
                    "the model {other} of camera {} is not supported: calibrate with OPENCV or OPENCV_FISHEYE",
                    self.number
                ));
            }
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use proptest::prelude::*;

    pub const FILE: &str = "# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n\
        # Number of cameras: 2\n1 SIMPLE_RADIAL 3072 2304 2559.75 1536 1152 -0.0204\n\
        2 OPENCV_FISHEYE 1280 960 500.5 501.5 642.25 478.75 -0.02 0.004 -0.003 0.0005\n";

    fn choice(camera: &str) -> Choice<'_> {
        Choice {
            camera: Some(camera),
            ..Choice::default()
        }
    }

    #[test]
    fn the_first_pixel_s_centre_is_at_a_half() {
        refused(
            FILE,
            &Choice::default(),
            "say which camera with --camera: 1, 2",
        );
        let Calibration { lens, size } = described(FILE, &choice("1")).calibration;
        assert_eq!(size.unwrap().to_string(), "3072x2304");
        // COLMAP's centre of the picture, 1536 of 3072, is between pixels 1535 and 1536.
        assert_eq!((lens.focal, lens.center), ([2559.75; 2], [1535.5, 1151.5]));
        let second = described(FILE, &choice("2")).calibration.lens;
        assert_eq!(second.center, [641.75, 478.25]);
        assert_eq!(
            second.distortion,
            Distortion::Fisheye([-0.02, 0.004, -0.003, 0.0005])
        );
    }

    #[test]
    fn what_is_wrong_with_a_line_is_named() {
        let first = choice("1");
        refused(
            &FILE.replace("SIMPLE_RADIAL", "THIN_PRISM_FISHEYE"),
            &first,
            "the model THIN_PRISM_FISHEYE of camera 1 is not supported",
        );
        refused(
            &FILE.replace(" -0.0204", ""),
            &first,
            "camera 1 has 3 parameters, and SIMPLE_RADIAL has 4",
        );
        refused(
            &FILE.replace("2304", "x"),
            &first,
            "line 4: x is not a number",
        );
        refused(
            &FILE.replace("\n2 ", "\n1 "),
            &first,
            "camera 1 stands twice",
        );
        refused(
            &FILE.replace("2 OPENCV_FISHEYE", "2"),
            &first,
            "line 5: 1280 is no model's name",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), unit in 0.0..1.0f64, model in 0usize..10) {
            let [a, b, c, d] = k;
            let brown = |radial, tangential, rational| Distortion::Brown(Brown { radial, tangential, rational, ..Brown::NONE });
            let (name, one, rest, expected) = match model {
                0 => ("SIMPLE_PINHOLE", true, vec![], brown([0.0; 3], [0.0; 2], [0.0; 3])),
                1 => ("PINHOLE", false, vec![], brown([0.0; 3], [0.0; 2], [0.0; 3])),
                2 => ("RADIAL", true, vec![a, b], brown([a, b, 0.0], [0.0; 2], [0.0; 3])),
                3 => ("OPENCV", false, k.to_vec(), brown([a, b, 0.0], [c, d], [0.0; 3])),
                4 => ("FULL_OPENCV", false, [k, more].concat(), brown([a, b, more[0]], [c, d], [more[1], more[2], more[3]])),
                5 => ("OPENCV_FISHEYE", false, k.to_vec(), Distortion::Fisheye(k)),
                6 => ("SIMPLE_RADIAL_FISHEYE", true, vec![a], Distortion::Fisheye([a, 0.0, 0.0, 0.0])),
                7 => ("RADIAL_FISHEYE", true, vec![a, b], Distortion::Fisheye([a, b, 0.0, 0.0])),
                8 => ("FOV", false, vec![unit], Distortion::Fov(unit)),
                _ => ("EUCM", false, vec![unit, 1.0 + unit], Distortion::Eucm(Eucm { alpha: unit, beta: 1.0 + unit })),
            };
            let focal = if one { vec![fx] } else { vec![fx, fy] };
            let numbers = [focal, vec![cx, cy], rest].concat();
            let words: Vec<String> = numbers.iter().map(|number| format!("{number:?}")).collect();
            let lens = described(&format!("7 {name} 752 480 {}\n", words.join(" ")), &Choice::default()).calibration.lens;
            prop_assert_eq!(lens.focal, [fx, if one { fx } else { fy }]);
            prop_assert_eq!(lens.center, [cx - 0.5, cy - 0.5]);
            prop_assert_eq!(lens.distortion, expected);
        }
    }
}
