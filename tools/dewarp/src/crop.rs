// SPDX-License-Identifier: GPL-2.0
//! A part of a picture, as WIDTHxHEIGHT+X+Y.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::format::Size;

/// A part of a picture in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// Its columns and lines.
    pub size: Size,
    /// Its first column and line.
    pub corner: [u32; 2],
}

impl Crop {
    /// The largest part of the shape of `like` that lies in the middle of `whole`,
    /// if there is one of whole pixels.
    pub fn middle(whole: Size, like: Size) -> Option<Self> {
        let sides = |size: Size| [size.width, size.height].map(u64::from);
        let ([w, h], [lw, lh]) = (sides(whole), sides(like));
        // CAST: at most the sides of the whole.
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

    /// This part, if it lies in a picture of the size `whole`.
    ///
    /// A bad-use error that names `option` otherwise.
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
