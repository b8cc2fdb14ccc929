// SPDX-License-Identifier: GPL-2.0
//! ROS's `camera_info` in YAML, as `camera_calibration` writes it and `camera_info_manager` reads
//! it, and similar files.

use super::dialect::{self, Described, within};
use super::tree::{Tree, plain};
use super::{Calibration, Choice, Parsed, Rectification};
use super::{Model, agrees, brown, fisheye, lens, model, opencv, plausible, size};

/// Names of the camera matrix.
const MATRIX: [&str; 3] = ["camera_matrix", "K", "k"];
const COEFFICIENTS: [&str; 3] = ["distortion_coefficients", "D", "d"];

/// The greatest depth of a node's parameters in a file.
const DEPTH: usize = 2;

/// Returns whether a tree is a camera_info: only ROS names the model together with the matrices.
pub fn is_one(tree: &Tree) -> bool {
    let info = |tree: &Tree| {
        tree.first(MATRIX).is_some()
            || tree.first(COEFFICIENTS).is_some() && !opencv::has_matrix(tree)
    };
    let cameras = cameras(tree);
    !cameras.is_empty() && cameras.iter().all(|(_, camera)| info(camera))
}

fn is_info(tree: &Tree) -> bool {
    tree.get("distortion_model").is_some()
}

/// Returns the camera_infos in a tree, with their names: itself, or those in the parameters of ROS 2 nodes.
pub fn cameras(tree: &Tree) -> Vec<(String, Tree)> {
    if is_info(tree) {
        return vec![(String::new(), tree.clone())];
    }
    let mut nodes = Vec::new();
    if let Some(own) = tree.get("ros__parameters") {
        nodes.push((String::new(), own));
    }
    let inner = within(tree, DEPTH, &|map| map.get("ros__parameters").is_some());
    let inner = inner
        .into_iter()
        .filter_map(|(name, map)| Some((name, map.get("ros__parameters")?)));
    nodes.extend(inner);
    let single = nodes.len() == 1;
    let mut cameras = Vec::new();
    for (node, parameters) in nodes {
        if is_info(&parameters) {
            cameras.push((node, parameters));
            continue;
        }
        for (name, camera) in within(&parameters, DEPTH, &is_info) {
            let name = if single {
                name
            } else {
                format!("{node}.{name}")
            };
            cameras.push((name, camera));
        }
    }
    cameras
}

/// Returns the chosen camera_info. A file of one camera takes no choice.
fn chosen(tree: &Tree, choice: &Choice) -> Parsed<Tree> {
    let mut cameras = cameras(tree);
    if cameras.len() == 1 {
        super::none_chosen(choice)?;
        return Ok(cameras.remove(0).1);
    }
    let names: Vec<String> = cameras.iter().map(|(name, _)| name.clone()).collect();
    Ok(cameras.swap_remove(dialect::chosen(&names, choice)?).1)
}

pub fn calibration(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let tree = &chosen(tree, choice)?;
    let (name, matrix) = find(tree, MATRIX)?;
    let named = tree.get("distortion_model");
    let named = named.as_ref().and_then(Tree::text).unwrap_or_default();
    let coefficients = tree.first(COEFFICIENTS);
    let values = match &coefficients {
        Some((bend, coefficients)) => coefficients.numbers(bend)?,
        None => Vec::new(),
    };
    if matrix.numbers(name)?.iter().all(|number| *number == 0.0) {
        return Err(format!("{name} is all 0: the camera was never calibrated"));
    }
    let bend = coefficients
        .as_ref()
        .map_or(COEFFICIENTS[0], |(name, _)| *name);
    // A key without a value was written by a driver.
    if coefficients.is_none() && !named.is_empty() && !tree.keys().contains(&bend) {
        let keys = tree
            .keys()
            .into_iter()
            .take(12)
            .collect::<Vec<_>>()
            .join(" ");
        return Err(format!(
            "it has no {bend}: is a key misspelt? Its keys are {keys}"
        ));
    }
    if values.is_empty() {
        return Err(format!(
            "it has no numbers in {bend}: the camera was never calibrated"
        ));
    }
    let distortion = match plain(named).as_str() {
        "plumbbob" => {
            let distortion = brown(&values, bend)?;
            if values.iter().skip(5).any(|value| *value != 0.0) {
                return Err(format!(
                    "{bend} has {} numbers, and the distortion_model plumb_bob has 5: if it is \
                     OpenCV's rational model, say distortion_model: rational_polynomial",
                    values.len()
                ));
            }
            distortion
        }
        "rationalpolynomial" => brown(&values, bend)?,
        "equidistant" | "fisheye" => fisheye(&values, bend)?,
        "" if choice.model.is_none() => {
            return Err(
                "its distortion_model is empty: say plumb_bob, rational_polynomial or equidistant there"
                    .into(),
            );
        }
        // Other programs have the keys of ROS and names of their own.
        _ => match model::known(named).or(choice.model) {
            Some(Model::Pinhole) => brown(&values, bend)?,
            Some(Model::Fisheye) => fisheye(&values, bend)?,
            None => {
                return Err(format!(
                    "distortion_model {named} is not supported; plumb_bob, rational_polynomial and \
                     equidistant are; {}",
                    super::by_hand()
                ));
            }
        },
    };
    agrees(choice, &distortion, "distortion_model")?;
    let lens = lens(&matrix, name, distortion)?;
    let (size, doubt) = match size::find(tree, lens.center)? {
        Some((size, doubt)) => (Some(size), doubt),
        None => (None, None),
    };
    let whole = Calibration { lens, size };
    let mut described = Described::from(stream(tree)?.of(whole)?);
    described.doubts = plausible::doubts(&lens, size);
    described.doubts.extend(doubt);
    if values.iter().all(|value| *value == 0.0) {
        described
            .doubts
            .push(format!("{bend}: all are 0: the lens bends nothing"));
    }
    Ok(described)
}

/// The part of the calibration's pictures that the camera sends, and its binning, as in REP 104.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    /// Corner and extent of the part, in pixels; without an extent it is the whole picture.
    corner: [f64; 2],
    extent: Option<[f64; 2]>,
    binning: [f64; 2],
}

/// Reads the keys `roi`, `binning_x` and `binning_y`.
pub fn stream(tree: &Tree) -> Parsed<Stream> {
    let binning = |key: &str| match tree.number(key)? {
        None | Some(0.0) => Ok(1.0),
        Some(number) if number.fract() == 0.0 && (1.0..=64.0).contains(&number) => Ok(number),
        Some(number) => Err(format!(
            "{key}: {number} is not a whole number from 0 to 64"
        )),
    };
    let roi = tree.get("roi").filter(|roi| roi.get("x_offset").is_some());
    let number = |key: &str| match &roi {
        Some(roi) => Ok::<f64, String>(roi.number(key)?.unwrap_or(0.0)),
        None => Ok(0.0),
    };
    let extent = [number("width")?, number("height")?];
    Ok(Stream {
        corner: [number("x_offset")?, number("y_offset")?],
        extent: (extent != [0.0; 2]).then_some(extent),
        binning: [binning("binning_x")?, binning("binning_y")?],
    })
}

impl Stream {
    /// Converts the calibration into pixels of the stream.
    pub fn of(self, whole: Calibration) -> Parsed<Calibration> {
        if self.is_all() {
            return Ok(whole);
        }
        let size = whole
            .size
            .ok_or("it has a roi or binning, and not the size of the calibration's pictures")?;
        let sides = [size.width, size.height].map(f64::from);
        let extent = self
            .extent
            .unwrap_or([0, 1].map(|axis| sides[axis] - self.corner[axis]));
        if (0..2).any(|axis| {
            self.corner[axis] < 0.0
                || extent[axis] < 1.0
                || self.corner[axis] + extent[axis] > sides[axis]
        }) {
            return Err(format!("its roi is not inside a picture of {size}"));
        }
        let binned = [0, 1].map(|axis| (extent[axis] / self.binning[axis]).floor());
        let mut lens = whole.lens;
        [lens.focal, lens.center] = self.moved(lens.focal, lens.center);
        Ok(Calibration {
            lens,
            size: Some(super::tree::size(binned, "roi")?),
        })
    }

    fn is_all(self) -> bool {
        self.extent.is_none() && self.corner == [0.0; 2] && self.binning == [1.0; 2]
    }

    /// Converts focal lengths and principal point into pixels of the stream.
    fn moved(self, focal: [f64; 2], center: [f64; 2]) -> [[f64; 2]; 2] {
        let center = [0, 1].map(|axis| center[axis] - self.corner[axis]);
        crate::lens::scaled(focal, center, self.binning.map(f64::recip))
    }
}

pub fn rectification(tree: &Tree, choice: &Choice) -> Parsed<Rectification> {
    let tree = &match cameras(tree).len() {
        1 => chosen(tree, &Choice::default())?,
        _ => chosen(tree, choice)?,
    };
    let (r, rotation) = find(tree, ["rectification_matrix", "R", "r"])?;
    let (p, projection) = find(tree, ["projection_matrix", "P", "p"])?;
    let mut rectification = Rectification::of((r, &rotation), (p, &projection))?;
    let Rectification { focal, center, .. } = rectification;
    [rectification.focal, rectification.center] = stream(tree)?.moved(focal, center);
    Ok(rectification)
}

fn find<'a>(tree: &Tree, names: [&'a str; 3]) -> Parsed<(&'a str, Tree)> {
    tree.first(names)
        .ok_or_else(|| format!("it has no {}", names[0]))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, four};
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    pub const FILE: &str = "image_width: 640\nimage_height: 480\ncamera_name: left\n\
        camera_matrix:\n  rows: 3\n  cols: 3\n  data: [500.0, 0.0, 320.5, 0.0, 510.0, 240.5, 0.0, 0.0, 1.0]\n\
        distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n  \
        data: [-0.3, 0.1, 0.001, -0.002, 0.0]\nrectification_matrix:\n  rows: 3\n  cols: 3\n  \
        data: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]\nprojection_matrix:\n  rows: 3\n  \
        cols: 4\n  data: [450.0, 0.0, 310.0, 0.0, 0.0, 460.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]\n";

    fn read(text: &str) -> Parsed<Calibration> {
        Calibration::parse(text, &Choice::default())
    }

    #[test]
    fn the_model_and_the_rectification_are_the_file_s() {
        let calibration = read(FILE).unwrap();
        let Distortion::Brown(brown) = calibration.lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.tangential, [0.001, -0.002]);
        let tree = Tree::parse(FILE).unwrap();
        assert!(is_one(&tree));
        let rectified = rectification(&tree, &Choice::default()).unwrap();
        assert_eq!(
            (rectified.focal, rectified.center),
            ([450.0, 460.0], [310.0, 230.0])
        );

        let fisheye = FILE
            .replace("plumb_bob", "equidistant")
            .replace("cols: 5", "cols: 4")
            .replace(", 0.0]\nrect", "]\nrect");
        let expected = Distortion::Fisheye([-0.3, 0.1, 0.001, -0.002]);
        assert_eq!(read(&fisheye).unwrap().lens.distortion, expected);
    }

    #[test]
    fn a_misspelt_key_is_no_camera_that_was_never_calibrated() {
        let error =
            read(&FILE.replace("distortion_coefficients", "distortion_coefficents")).unwrap_err();
        assert!(
            error.starts_with(
                "it has no distortion_coefficients: is a key misspelt? Its keys are image_width"
            ),
            "{error}"
        );
    }

    #[test]
    fn another_model_is_refused_by_its_name() {
        let error = read(&FILE.replace("plumb_bob", "mei")).unwrap_err();
        assert!(error.starts_with("distortion_model mei is not supported; plumb_bob, "));
        let six = FILE.replace("0.0]\nrect", "0.0, 1.0]\nrect");
        let error = read(&six.replace("cols: 5", "cols: 6")).unwrap_err();
        assert!(error.contains("has 6 numbers, not 4 or 5"), "{error}");
        let eight = FILE.replace("0.0]\nrect", "0.0, 1.0, 0.0, 0.0]\nrect");
        let error = read(&eight.replace("cols: 5", "cols: 8")).unwrap_err();
        assert!(
            error.contains("has 8 numbers, and the distortion_model plumb_bob has 5"),
            "{error}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        // The files have the form that write_calibration_yml of camera_calibration_parsers and ros2
        // topic echo write.
        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), l in four(), model in 0usize..3, message: bool) {
            let (name, count) = [("plumb_bob", 5), ("rational_polynomial", 8), ("equidistant", 4)][model];
            let values = &[k, l].concat()[..count];
            let matrix = [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0];
            let text = if message {
                format!("header:\n  frame_id: camera\nheight: 480\nwidth: 752\ndistortion_model: {name}\nd: {values:?}\nk: {matrix:?}\n\
                    binning_x: 0\nbinning_y: 0\nroi:\n  x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0\n  do_rectify: false\n")
            } else {
                format!("image_width: 752\nimage_height: 480\ncamera_name: narrow_stereo\ncamera_matrix:\n  rows: 3\n  cols: 3\n  \
                    data: {matrix:?}\ndistortion_model: {name}\ndistortion_coefficients:\n  rows: 1\n  cols: {count}\n  data: {values:?}\n")
            };
            let found = read(&text).unwrap();
            prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(found.size.unwrap().to_string(), "752x480");
            let [a, b, c, d] = k;
            let brown = Brown { radial: [a, b, l[0]], tangential: [c, d], ..Brown::NONE };
            let expected = match model {
                0 => Distortion::Brown(brown),
                1 => Distortion::Brown(Brown { rational: [l[1], l[2], l[3]], ..brown }),
                _ => Distortion::Fisheye(k),
            };
            prop_assert_eq!(found.lens.distortion, expected);
        }
    }
}
