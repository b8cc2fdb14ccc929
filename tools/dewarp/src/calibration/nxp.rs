// SPDX-License-Identifier: GPL-2.0
//! The JSON files from which NXP's ISP software (isp-imx, `dewarp_config`) sets the
//! dewarper: an array with an entry a channel, or one flat entry with `dewarpMode`.

use super::dialect::{self, Described, Dialect, Output};
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye, lens};
use crate::format::Size;
use crate::lens::{Distortion, Lens};

pub const DIALECT: Dialect = Dialect {
    name: "an NXP dewarp configuration",
    is_one,
    cameras: true,
    read,
    rectify: None,
};

/// The key of the mode in the flat form.
const FLAT: &str = "dewarpMode";

fn is_one(tree: &Tree) -> bool {
    ["dewarpConfigArray", FLAT, "dewarpType"]
        .iter()
        .any(|key| tree.get(key).is_some())
}

/// A channel: its values, and what the names of its matrices end with.
struct Channel {
    tree: Tree,
    suffix: &'static str,
}

fn read(tree: &Tree, choice: &Choice) -> Parsed<Described> {
    let mut channels: Vec<Channel> = match tree.get("dewarpConfigArray") {
        Some(array) => {
            let entries = array.items().into_iter();
            entries.map(|tree| Channel { tree, suffix: "" }).collect()
        }
        None => ["", "2"]
            .into_iter()
            .filter(|suffix| tree.get(&format!("camera_matrix{suffix}")).is_some())
            .map(|suffix| Channel {
                tree: tree.clone(),
                suffix,
            })
            .collect(),
    };
    if channels.is_empty() {
        return Err("it has no channel: no entry with a camera_matrix".into());
    }
    let index = dialect::chosen(&dialect::counted(channels.len()), choice)?;
    channels.swap_remove(index).read(choice)
}

impl Channel {
    fn read(&self, choice: &Choice) -> Parsed<Described> {
        let size = self.size()?;
        let mut notes = Vec::new();
        self.refuse()?;
        let mut output = Output {
            mirrored: dialect::flag(&self.tree, "hflip")?,
            flipped: dialect::flag(&self.tree, "vflip")?,
            part: self.part(size, &mut notes)?,
            camera: None,
        };
        let lens = if dialect::flag(&self.tree, "bypass")? {
            notes.push("bypass is true: the map leaves the lens as it is".into());
            let [w, h] = [size.width, size.height].map(f64::from);
            Lens::straight([w; 2], [w / 2.0, h / 2.0])
        } else {
            let (mode, distortion) = self.distortion(&mut notes)?;
            agrees(choice, &distortion, &mode)?;
            let lens = self.lens(distortion)?;
            if let Distortion::Fisheye(_) = distortion {
                let middle = [size.width, size.height].map(|side| f64::from(side) / 2.0);
                match mode == FLAT {
                    true => notes.push(format!(
                        "shown with the lens's own centre; NXP's software may show it in the middle, at \
                         {}, {}",
                        middle[0], middle[1]
                    )),
                    false => output.camera = Some([lens.focal, middle]),
                }
            }
            lens
        };
        Ok(Described {
            calibration: Calibration {
                lens,
                size: Some(size),
            },
            output: (output != Output::default()).then_some(output),
            notes,
            doubts: Vec::new(),
        })
    }

    fn size(&self) -> Parsed<Size> {
        let (name, image) = self
            .tree
            .first(["source_image", "input"])
            .ok_or("it has no source_image with a width and a height")?;
        let side = |key| dialect::number(&image, key).map_err(|cause| format!("{name}: {cause}"));
        tree::size([side("width")?, side("height")?], name)
    }

    /// The mode, and what the lens does in it.
    fn distortion(&self, notes: &mut Vec<String>) -> Parsed<(String, Distortion)> {
        let (key, _) = self
            .tree
            .first(["dewarpType", FLAT])
            .ok_or("it has no dewarpType")?;
        let mode = dialect::word(&self.tree, key)?;
        let name = format!("distortion_coeff{}", self.suffix);
        let values = dialect::needed(&self.tree, &name)?.numbers(&name)?;
        let distortion = match mode.as_str() {
            "LENS_CORRECTION" => brown(&values, &name)?,
            "FISHEYE_DEWARP" => {
                if let Some(more) = values.iter().skip(4).find(|more| **more != 0.0) {
                    notes.push(format!(
                        "{name} has {more} behind the fourth number, which FISHEYE_DEWARP does not \
                         use: if a program for pinholes wrote these, dewarpType is LENS_CORRECTION"
                    ));
                }
                if values.len() > 8 {
                    return Err(format!("{name} has {} numbers, not 4 to 8", values.len()));
                }
                fisheye(values.get(..4).unwrap_or(&values), &name)?
            }
            "FISHEYE_EXPAND" | "SPLIT_SCREEN" => {
                return Err(format!(
                    "{key} {mode}, a panorama of a circle in the middle, is not supported: with \
                     the numbers of the lens, --projection equirectangular makes one"
                ));
            }
            other => {
                return Err(format!(
                    "{key} {other} is not known: LENS_CORRECTION and FISHEYE_DEWARP are"
                ));
            }
        };
        Ok((key.to_owned(), distortion))
    }

    fn lens(&self, distortion: Distortion) -> Parsed<Lens> {
        let name = format!("camera_matrix{}", self.suffix);
        lens(&dialect::needed(&self.tree, &name)?, &name, distortion)
    }

    /// What is not done here.
    fn refuse(&self) -> Parsed<()> {
        let name = format!("perspective{}", self.suffix);
        if let Some(matrix) = self.tree.get(&name) {
            let matrix: [f64; 9] = matrix.matrix(&name, [3, 3])?;
            if matrix != [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0] {
                return Err(format!(
                    "{name} is not 1 0 0 0 1 0 0 0 1, and another perspective is not supported: \
                     put these there, and say --pan, --tilt and --roll"
                ));
            }
        }
        let name = format!("userMap{}", self.suffix);
        match self.tree.get(&name) {
            Some(path) if path.text() != Some("") => Err(format!(
                "{name} {} is a finished map, which NXP's software takes in place of the lens: \
                 `dewarp run --map` takes that file, or remove {name} to make one from the lens",
                path.text().unwrap_or_default()
            )),
            _ => Ok(()),
        }
    }

    /// The part that `scale` leaves: all from its corner on.
    fn part(&self, size: Size, notes: &mut Vec<String>) -> Parsed<Option<[[f64; 2]; 2]>> {
        let Some(scale) = self.tree.get("scale") else {
            return Ok(None);
        };
        let whole = [size.width, size.height].map(f64::from);
        let mut corner = [0.0; 2];
        for (axis, key) in ["roix", "roiy"].into_iter().enumerate() {
            let value = scale.number(key)?.unwrap_or(0.0);
            if !(0.0..whole[axis]).contains(&value) {
                return Err(format!(
                    "scale: {key} {value} is not inside a picture of {size}"
                ));
            }
            // NXP's software takes corners of blocks.
            corner[axis] = (value / 16.0).floor() * 16.0;
        }
        let factor = scale.number("factor")?.unwrap_or(1.0);
        if !(0.01..=100.0).contains(&factor) {
            return Err(format!(
                "scale: a factor of {factor} is not from 0.01 to 100"
            ));
        }
        let extent = [0, 1].map(|axis| whole[axis] - corner[axis]);
        if (corner, factor) == ([0.0; 2], 1.0) {
            return Ok(None);
        }
        let [w, h] = [0, 1]
            .map(|axis| [16.0, 8.0][axis] * (extent[axis] * factor / [16.0, 8.0][axis]).ceil());
        notes.push(format!(
            "its scale makes an output of {w}x{h}: that is for --size"
        ));
        Ok(Some([corner, extent]))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::calibration::tests::{camera, described, four, refused};
    use crate::lens::Brown;
    use proptest::prelude::*;

    pub const FILE: &str = r#"{ "dewarpConfigArray": [ {
        "source_image": { "width": 1920, "height": 1080 },
        "?dewarpType": "LENS_CORRECTION or FISHEYE_DEWARP",
        "dewarpType": "LENS_CORRECTION",
        "scale": { "roix": 0, "roiy": 0, "factor": 1.0 },
        "split": { "horizon_line": 540, "vertical_line_up": 960, "vertical_line_down": 960 },
        "bypass": false, "hflip": false, "vflip": false,
        "camera_matrix":    [ 1402.5, 0.0, 958.25,  0.0, 1399.75, 541.5,  0.0, 0.0, 1.0 ],
        "distortion_coeff": [ -0.29, 0.11, 0.0006, -0.0004, -0.019, 0.0, 0.0, 0.0 ],
        "perspective":      [ 1.0, 0, 0,  0, 1, 0,  0, 0, 1 ]
    } ] }"#;

    fn read(text: &str) -> Described {
        described(text, &Choice::default())
    }

    #[test]
    fn a_lens_is_corrected_with_opencv_s_coefficients_and_its_own_matrix() {
        let found = read(FILE);
        let Calibration { lens, size } = found.calibration;
        assert_eq!(size.unwrap().to_string(), "1920x1080");
        assert_eq!(
            (lens.focal, lens.center),
            ([1402.5, 1399.75], [958.25, 541.5])
        );
        let Distortion::Brown(brown) = lens.distortion else {
            panic!("not Brown's");
        };
        assert_eq!(brown.radial, [-0.29, 0.11, -0.019]);
        assert_eq!(brown.tangential, [0.0006, -0.0004]);
        assert_eq!((found.output, found.notes.len()), (None, 0));
    }

    #[test]
    fn a_fisheye_is_shown_with_its_centre_in_the_middle() {
        let file = FILE.replace(
            "\"dewarpType\": \"LENS_CORRECTION\"",
            "\"dewarpType\": \"FISHEYE_DEWARP\"",
        );
        let found = read(&file);
        let expected = Distortion::Fisheye([-0.29, 0.11, 0.0006, -0.0004]);
        assert_eq!(found.calibration.lens.distortion, expected);
        let camera = found.output.unwrap().camera.unwrap();
        assert_eq!(camera, [[1402.5, 1399.75], [960.0, 540.0]]);
        // Five numbers that are not 0 look like a pinhole's.
        assert!(
            found.notes[0].contains("-0.019 behind the fourth"),
            "{:?}",
            found.notes
        );
        assert!(read(&file.replace("-0.019", "0.0")).notes.is_empty());
    }

    #[test]
    fn flips_and_the_part_are_those_of_the_output() {
        let file = FILE.replace("\"hflip\": false", "\"hflip\": true").replace(
            "\"roix\": 0, \"roiy\": 0, \"factor\": 1.0",
            "\"roix\": 330, \"roiy\": 100, \"factor\": 0.5",
        );
        let found = read(&file);
        let output = found.output.unwrap();
        assert_eq!((output.mirrored, output.flipped), (true, false));
        assert_eq!(output.part, Some([[320.0, 96.0], [1600.0, 984.0]]));
        assert_eq!(
            found.notes,
            ["its scale makes an output of 800x496: that is for --size"]
        );
    }

    #[test]
    fn a_bypass_bends_nothing_whatever_the_coefficients() {
        let lens = read(&FILE.replace("\"bypass\": false", "\"bypass\": true"))
            .calibration
            .lens;
        assert_eq!(lens.distortion, Distortion::Brown(Brown::NONE));
    }

    #[test]
    fn a_channel_is_chosen_by_its_number() {
        let second = "}, { \"source_image\": { \"width\": 640, \"height\": 480 }, \"dewarpType\": \"LENS_CORRECTION\", \
            \"camera_matrix\": [500, 0, 322, 0, 501, 241, 0, 0, 1], \"distortion_coeff\": [0.1, 0, 0, 0] } ] }";
        let both = FILE.replace("} ] }", second);
        refused(
            &both,
            &Choice::default(),
            "say which camera with --camera: 0, 1",
        );
        let choice = |camera| Choice {
            camera: Some(camera),
            ..Choice::default()
        };
        assert_eq!(
            described(&both, &choice("1")).calibration.lens.focal,
            [500.0, 501.0]
        );
        assert_eq!(described(&both, &choice("0")), read(FILE));
        refused(FILE, &choice("2"), "it has no camera 2, only 0");
    }

    #[test]
    fn the_flat_form_has_the_mode_under_another_name() {
        let flat = "{\"dewarpMode\": \"LENS_CORRECTION\", \"camera_matrix\": [650,0,962,0,651,538,0,0,1], \
            \"distortion_coeff\": [-0.02,0.004,-0.005,0.002,0,0,0,0], \"input\": {\"width\": 1920, \"height\": 1080}, \
            \"camera_matrix2\": [660,0,962,0,651,538,0,0,1], \"distortion_coeff2\": [0.1,0,0,0]}";
        let second = Choice {
            camera: Some("1"),
            ..Choice::default()
        };
        let found = described(flat, &second);
        assert_eq!(found.calibration.lens.focal, [660.0, 651.0]);
        assert_eq!(found.calibration.size.unwrap().to_string(), "1920x1080");
        refused(
            &flat.replace("2\": [0.1", "\": [0.1"),
            &second,
            "stands twice",
        );
    }

    #[test]
    fn what_is_not_done_is_named() {
        for (right, wrong, reason) in [
            (
                "\"dewarpType\": \"LENS_CORRECTION\"",
                "\"dewarpType\": \"FISHEYE_EXPAND\"",
                "dewarpType FISHEYE_EXPAND, a panorama",
            ),
            (
                "\"dewarpType\": \"LENS_CORRECTION\"",
                "\"dewarpType\": \"SPLIT_SCREEN\"",
                "dewarpType SPLIT_SCREEN, a panorama",
            ),
            (
                "\"dewarpType\": \"LENS_CORRECTION\"",
                "\"dewarpType\": \"LENS\"",
                "dewarpType LENS is not known",
            ),
            (
                "[ 1.0, 0, 0,",
                "[ 1.0, 0.1, 0,",
                "perspective is not 1 0 0 0 1 0 0 0 1",
            ),
            (
                "\"bypass\": false",
                "\"userMap\": \"map.txt\"",
                "userMap map.txt is a finished map",
            ),
            (
                "\"bypass\": false",
                "\"bypass\": 7",
                "bypass is neither true nor false",
            ),
            (
                "\"roix\": 0",
                "\"roix\": 1920",
                "scale: roix 1920 is not inside",
            ),
            (
                "\"factor\": 1.0",
                "\"factor\": 0",
                "scale: a factor of 0 is not from",
            ),
            (
                "\"width\": 1920",
                "\"width\": 1920.5",
                "source_image: 1920.5x1080 is no size",
            ),
            (
                "\"camera_matrix\"",
                "\"?camera_matrix\"",
                "it has no camera_matrix",
            ),
            (
                ", 0.0, 0.0, 0.0 ],\n        \"persp",
                ", 0.1, 0.2 ],\n        \"persp",
                "distortion_coeff has 7 numbers",
            ),
        ] {
            assert!(FILE.contains(right), "{right}");
            refused(&FILE.replace(right, wrong), &Choice::default(), reason);
        }
        refused(
            "{\"dewarpConfigArray\": []}",
            &Choice::default(),
            "it has no channel",
        );
        refused(
            "{\"dewarpConfigArray\": 3}",
            &Choice::default(),
            "it has no channel",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), l in four(), fisheye: bool, flat: bool, [left, up]: [bool; 2]) {
            let mode = if fisheye { "FISHEYE_DEWARP" } else { "LENS_CORRECTION" };
            let last = if fisheye { [0.0; 4] } else { l };
            let values = [k, last].concat();
            let common = format!("\"bypass\": false, \"hflip\": {left}, \"vflip\": {up}, \
                \"camera_matrix\": [{fx:?}, 0.0, {cx:?}, 0.0, {fy:?}, {cy:?}, 0.0, 0.0, 1.0], \"distortion_coeff\": {values:?}, \
                \"perspective\": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]");
            let size = "{\"width\": 1920, \"height\": 1080}";
            let text = if flat {
                format!("{{\"dewarpMode\": \"{mode}\", \"input\": {size}, {common}}}")
            } else {
                format!("{{\"dewarpConfigArray\": [{{\"source_image\": {size}, \"dewarpType\": \"{mode}\", {common}}}]}}")
            };
            let found = read(&text);
            let Calibration { lens, size } = found.calibration;
            prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
            prop_assert_eq!(size.unwrap().to_string(), "1920x1080");
            let brown = Brown { radial: [k[0], k[1], l[0]], tangential: [k[2], k[3]], rational: [l[1], l[2], l[3]], ..Brown::NONE };
            prop_assert_eq!(lens.distortion, if fisheye { Distortion::Fisheye(k) } else { Distortion::Brown(brown) });
            let output = found.output.unwrap_or_default();
            prop_assert_eq!((output.mirrored, output.flipped), (left, up));
        }
    }
}
