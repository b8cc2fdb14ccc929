// SPDX-License-Identifier: GPL-2.0
//! Values of options: numbers, parts of pictures, rotations.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use dewarp::{Error, Result, Size};

/// The text below the help of every command that takes a size.
pub const SIZES: &str = "\
Sizes are multiples of 8 from 176x144 to 4096x3072, as the device takes them.";

/// Quarters of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quarters(pub u8);

impl ValueEnum for Quarters {
    fn value_variants<'a>() -> &'a [Self] {
        &[Quarters(1), Quarters(2), Quarters(3)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        ["90", "180", "270"]
            .get(usize::from(self.0) - 1)
            .map(PossibleValue::new)
    }
}

/// Which sides of a picture are exchanged.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
}

/// A part of a picture in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    pub size: Size,
    pub corner: [u32; 2],
}

impl Crop {
    /// Returns the largest part with the aspect ratio of `like` in the middle
    /// of `whole`, if there is one of whole pixels.
    pub fn middle(whole: Size, like: Size) -> Option<Self> {
        let sides = |size: Size| [size.width, size.height].map(u64::from);
        let ([w, h], [lw, lh]) = (sides(whole), sides(like));
        // CAST: they are at most the sides of the whole.
        let size = match w * lh > h * lw {
            true => Size {
                width: (h * lw / lh) as u32,
                height: whole.height,
            },
            false => Size {
                width: whole.width,
                height: (w * lh / lw) as u32,
            },
        };
        (size.width > 0 && size.height > 0).then(|| Crop {
            size,
            corner: [
                (whole.width - size.width) / 2,
                (whole.height - size.height) / 2,
            ],
        })
    }

    /// Returns this part if it lies inside a picture of the size `whole`.
    pub fn inside(self, whole: Size, option: &str) -> Result<Self> {
        let Crop { size, corner } = self;
        let fits = |from: u32, length: u32, whole: u32| {
            from.checked_add(length).is_some_and(|end| end <= whole)
        };
        match fits(corner[0], size.width, whole.width) && fits(corner[1], size.height, whole.height)
        {
            true => Ok(self),
            false => Err(Error::bad_use(format!(
                "{option} {self} is not inside a picture of {whole}"
            ))),
        }
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x, y] = self.corner;
        write!(f, "{}+{x}+{y}", self.size)
    }
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parse = || {
            let (size, corner) = text.split_once('+')?;
            let (x, y) = corner.split_once('+')?;
            Some(Crop {
                size: size.parse().ok()?,
                corner: [x.parse().ok()?, y.parse().ok()?],
            })
        };
        parse().ok_or(format!(
            "{text} is not WIDTHxHEIGHT+X+Y, such as 320x240+160+120"
        ))
    }
}

/// Parses arguments, which follow a command's name. The text of an error is the
/// line that the command line would show.
#[cfg(feature = "tune")]
pub fn parsed<T: clap::Parser>(words: &[String]) -> Result<T> {
    let line = std::iter::once("dewarp").chain(words.iter().map(String::as_str));
    T::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let lines: Vec<&str> = first.lines().map(str::trim).collect();
        let said = lines.join(" ");
        Error::bad_use(said.strip_prefix("error: ").unwrap_or(&said))
    })
}

/// Parses `N` numbers with commas between them.
pub fn numbers<const N: usize>(text: &str) -> std::result::Result<[f64; N], String> {
    list(text)
        .and_then(|values| values.try_into().ok())
        .ok_or(format!("{N} numbers with commas between are wanted"))
}

/// Parses k1 to k6, of which the last ones may be missing.
pub fn radial(text: &str) -> std::result::Result<[f64; 6], String> {
    let values = list(text).filter(|values| (2..=6).contains(&values.len()));
    let values = values.ok_or(
        "2 to 6 numbers with commas between are wanted, k1 k2 k3 and the rational \
         model's k4 k5 k6: 0 for those that are not there",
    )?;
    let mut all = [0.0; 6];
    all[..values.len()].copy_from_slice(&values);
    Ok(all)
}

fn list(text: &str) -> Option<Vec<f64>> {
    text.split(',')
        .map(|number| finite(number.trim()))
        .collect()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

pub fn within(text: &str, least: f64, most: f64) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| (least..=most).contains(value))
        .ok_or(format!("a number from {least} to {most} is wanted"))
}

pub fn angle(text: &str) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| value.abs() <= 180.0)
        .ok_or("degrees from -180 to 180 are wanted".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_in_the_middle_has_the_shape_that_is_wanted() {
        let size = |width, height| Size { width, height };
        let middle = |whole, like| Crop::middle(whole, like).map(|crop| crop.to_string());
        let of = |whole, like, part: &str| assert_eq!(middle(whole, like).as_deref(), Some(part));
        of(size(640, 480), size(1280, 720), "640x360+0+60");
        of(size(640, 480), size(480, 640), "360x480+140+0");
        of(size(640, 480), size(320, 200), "640x400+0+40");
        assert_eq!(middle(size(1, 1), size(4096, 144)), None);
    }
}
