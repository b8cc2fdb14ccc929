// SPDX-License-Identifier: GPL-2.0
//! The JSON files with which NXP's ISP software (isp-imx, `dewarp_config`) configures the dewarper:
//! an array with an entry for each channel, or one flat entry with `dewarpMode`.

use super::dialect::{self, Described, Dialect, Output};
use super::tree::{self, Tree};
use super::{Calibration, Choice, Parsed, agrees, brown, fisheye, lens};
use crate::format::Size;
use crate::lens::{Distortion, Lens};

pub const DIALECT: Dialect = Dialect::of("an NXP dewarp configuration", is_one, read).of_several();

/// The key of the mode in the flat form.
const FLAT: &str = "dewarpMode";

fn is_one(tree: &Tree) -> bool {
    ["dewarpConfigArray", FLAT, "dewarpType"]
        .iter()
        .any(|key| tree.get(key).is_some())
}

/// A channel: its values, and the suffix of the names of its matrices.
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
        // A map or a mode that is not supported needs no matrix.
        let channel = Channel {
            tree: tree.clone(),
            suffix: "",
        };
        channel.refuse()?;
        if tree.first(["dewarpType", FLAT]).is_some() {
            channel.mode()?;
        }
        return Err("it has no channel: no entry with a camera_matrix".into());
    }
    let index = dialect::chosen(&dialect::counted(channels.len()), choice)?;
    channels.swap_remove(index).read(choice)
}

impl Channel {
    fn read(&self, choice: &Choice) -> Parsed<Described> {
        let size = self.size(choice)?;
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

    /// Returns the size of the pictures. Earlier files do not have it: it is that of the sensor's
    /// mode, which the user must give.
    fn size(&self, choice: &Choice) -> Parsed<Size> {
        let Some((name, image)) = self.tree.first(["source_image", "input"]) else {
            return choice.size.ok_or_else(|| {
                "it has no source_image with a width and a height: say them with --source".into()
            });
        };
        let side = |key| dialect::number(&image, key).map_err(|cause| format!("{name}: {cause}"));
        tree::size([side("width")?, side("height")?], name)
    }

    /// Returns the mode with its key, if it is supported.
    fn mode(&self) -> Parsed<(&'static str, String)> {
        let (key, _) = self
            .tree
            .first(["dewarpType", FLAT])
            .ok_or("it has no dewarpType")?;
        let mode = dialect::word(&self.tree, key)?;
        match mode.as_str() {
            "LENS_CORRECTION" | "FISHEYE_DEWARP" => Ok((key, mode)),
            "FISHEYE_EXPAND" | "SPLIT_SCREEN" => Err(format!(
                "{key} {mode}, a panorama of a circle in the middle, is not supported: with \
                 the numbers of the lens, --projection equirectangular makes one"
            )),
            other => Err(format!(
                "{key} {other} is not known: LENS_CORRECTION and FISHEYE_DEWARP are"
            )),
        }
    }

    /// Returns the key of the mode, and the distortion that the mode selects.
    fn distortion(&self, notes: &mut Vec<String>) -> Parsed<(String, Distortion)> {
        let (key, mode) = self.mode()?;
        let name = format!("distortion_coeff{}", self.suffix);
        let values = dialect::needed(&self.tree, &name)?.numbers(&name)?;
        let distortion = match mode.as_str() {
            "LENS_CORRECTION" => brown(&values, &name)?,
            _ => {
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
        };
        Ok((key.to_owned(), distortion))
    }

    fn lens(&self, distortion: Distortion) -> Parsed<Lens> {
        let name = format!("camera_matrix{}", self.suffix);
        lens(&dialect::needed(&self.tree, &name)?, &name, distortion)
    }

    /// Returns an error if the file uses what is not supported.
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

    /// Returns the part that `scale` selects, from its corner to the end of the picture.
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
            // NXP's software rounds the corner down to whole blocks.
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
pub mod tests;
