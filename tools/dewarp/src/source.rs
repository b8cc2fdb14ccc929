// SPDX-License-Identifier: GPL-2.0
//! The size of the source, which is the stream: all of the calibration's pictures or a part of
//! them, at the same scale or at another one.

use crate::calibration::{Output, Rectification};
use crate::crop::Crop;
use crate::error::{Error, Result};
use crate::format::{MAX, MIN, SIZES, STEP, Size};
use crate::lens::Lens;

/// The place and scale of the stream in the calibration's pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Source {
    /// The stream's size.
    pub size: Size,
    /// The place of its first pixel in the calibration's pictures, in their pixels.
    pub corner: [f64; 2],
    /// Stream pixels per calibration pixel, across and down.
    pub times: [f64; 2],
}

/// What the options and the file say about the source.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// The size of the calibration's pictures.
    pub calibrated: Option<Size>,
    /// `--source`.
    pub source: Option<Size>,
    /// `--sensor-crop`.
    pub crop: Option<Crop>,
}

impl Said {
    /// Returns the source. If nothing is known about it, it has the size of the output.
    ///
    /// Returns a bad-use error that says which sizes are supported, and how else to describe the
    /// stream.
    pub fn source(self, output: Size) -> Result<Source> {
        let Said {
            calibrated,
            source,
            crop,
        } = self;
        if let (Some(crop), Some(whole)) = (crop, calibrated) {
            crop.inside(whole, "--sensor-crop")?;
        }
        let part = crop.map(|crop| crop.size).or(calibrated);
        let Some(size) = source.or(part) else {
            return Ok(Source {
                size: self::output(output)?,
                corner: [0.0; 2],
                times: [1.0; 2],
            });
        };
        if size.check().is_err() {
            let whose = match (source, crop) {
                (Some(_), _) => format!("--source {size}"),
                (None, Some(crop)) => format!("the part of --sensor-crop {crop}"),
                (None, None) => format!("the size of the calibration's pictures, {size},"),
            };
            return Err(Error::bad_use(format!(
                "{whose} is not a size the device takes (multiples of 8 from 176x144 to 4096x3072){}",
                ways(part.unwrap_or(size), calibrated.unwrap_or(size))
            )));
        }
        let Some(part) = part else {
            return Ok(Source {
                size,
                corner: [0.0; 2],
                times: [1.0; 2],
            });
        };
        let times = [
            f64::from(size.width) / f64::from(part.width),
            f64::from(size.height) / f64::from(part.height),
        ];
        if !alike(part, size) {
            let whole = calibrated.unwrap_or(part);
            let what = match crop {
                Some(crop) => format!("--sensor-crop {crop} is a part of"),
                None => "the calibration is of pictures of".into(),
            };
            let what = match crop {
                Some(_) => what + " another aspect ratio than " + &size.to_string(),
                None => format!("{what} {part}, and {size} has another aspect ratio"),
            };
            let cut = Crop::middle(whole, size).filter(|crop| alike(crop.size, size));
            let cut = cut.map_or(String::new(), |cut| {
                format!(": if the stream is a part of them, say which, such as --sensor-crop {cut}")
            });
            return Err(Error::bad_use(format!(
                "{what}{cut}{}",
                all(part).map_or(String::new(), |all| format!(
                    "; if it is all of them, {all}"
                ))
            )));
        }
        Ok(Source {
            size,
            corner: crop.map_or([0.0; 2], |crop| crop.corner.map(f64::from)),
            times,
        })
    }
}

impl Source {
    /// Converts a lens of the calibration's pictures into pixels of the stream.
    pub fn lens(&self, mut lens: Lens) -> Lens {
        lens.center = self.moved(lens.center);
        lens.scaled(self.times)
    }

    /// Converts the camera of a rectified pair into pixels of the stream.
    pub fn rectification(&self, mut rectification: Rectification) -> Rectification {
        rectification.center = self.moved(rectification.center);
        rectification.scaled(self.times)
    }

    /// Converts the output that a file describes into pixels of the stream.
    pub fn output(&self, mut output: Output) -> Output {
        output.camera = output
            .camera
            .map(|[focal, center]| [focal, self.moved(center)]);
        output.part = output
            .part
            .map(|[corner, extent]| [self.moved(corner), extent]);
        output.scaled(self.times)
    }

    fn moved(&self, point: [f64; 2]) -> [f64; 2] {
        [0, 1].map(|axis| point[axis] - self.corner[axis])
    }
}

/// Returns whether two sizes have the same aspect ratio, up to a pixel of rounding.
fn alike(part: Size, size: Size) -> bool {
    let [pw, ph, w, h] = [part.width, part.height, size.width, size.height].map(i64::from);
    // The difference from the height that the width gives, times the part's width.
    (pw * h - ph * w).abs() < pw.min(w)
}

/// Returns the ways to describe a stream of pictures of a size that the device does not take.
fn ways(part: Size, whole: Size) -> String {
    let cut = |length: u32, most: u32| length.min(most) / STEP * STEP;
    let cut = Size {
        width: cut(whole.width, MAX.width),
        height: cut(whole.height, MAX.height),
    };
    let crop = Crop {
        size: cut,
        corner: [
            (whole.width - cut.width) / 2,
            (whole.height - cut.height) / 2,
        ],
    };
    let some = cut.check().map(|_| {
        format!(
            "if the stream is a part of those of {whole}, say which, such as --sensor-crop {crop}"
        )
    });
    let ways: Vec<String> = [
        all(part).map(|all| format!("if it is all of them, scaled, {all}")),
        some.ok(),
    ]
    .into_iter()
    .flatten()
    .collect();
    match &ways[..] {
        [] => String::new(),
        ways => format!(": {}", ways.join("; ")),
    }
}

/// Returns the sizes with the aspect ratio of `part` that the device takes and that are nearest to
/// it.
fn all(part: Size) -> Option<String> {
    let (mut a, mut b) = (part.width, part.height);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let unit = [part.width / a, part.height / a];
    let mut sizes: Vec<Size> = (1..=MAX.width / unit[0].max(1))
        .map(|times| Size {
            width: unit[0] * times,
            height: unit[1].saturating_mul(times),
        })
        .filter(|size| size.check().is_ok() && size.width >= MIN.width)
        .collect();
    sizes.sort_by_key(|size| size.width.abs_diff(part.width));
    sizes.truncate(4);
    sizes.sort_by_key(|size| size.width);
    let words: Vec<String> = sizes
        .iter()
        .map(|size| format!("--source {size}"))
        .collect();
    (!words.is_empty()).then(|| format!("say {}", words.join(" or ")))
}

/// The output's size, if the device takes it.
///
/// A bad-use error that names the nearest size otherwise.
pub fn output(size: Size) -> Result<Size> {
    match size.check() {
        Ok(size) => Ok(size),
        Err(_) => Err(Error::bad_use(format!(
            "--size {size} is not a size the device takes; nearest is {}. {SIZES}",
            size.nearest()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(calibrated: &str, source: &str, crop: &str) -> Result<Source> {
        let size = |text: &str| text.parse().ok();
        Said {
            calibrated: size(calibrated),
            source: size(source),
            crop: crop.parse().ok(),
        }
        .source(Size {
            width: 640,
            height: 480,
        })
    }

    /// Returns every `--source` and `--sensor-crop` of a message.
    fn advice(message: &str) -> Vec<(&str, &str)> {
        let words: Vec<&str> = message.split([' ', ';', ':', ',']).collect();
        let pairs = words.windows(2).filter(|pair| pair[0].starts_with("--"));
        pairs.map(|pair| (pair[0], pair[1])).collect()
    }

    #[test]
    fn no_advice_is_refused() {
        let mut followed = 0;
        for calibrated in [
            "644x484",
            "966x890",
            "2592x1944",
            "4608x2592",
            "160x120",
            "3500x3500",
            "410x308",
            "1640x1232",
        ] {
            for source in ["", "640x480", calibrated, "648x488", "1296x972"] {
                let Err(error) = said(calibrated, source, "") else {
                    continue;
                };
                let message = error.to_string();
                for (option, value) in advice(&message) {
                    let taken = match option {
                        "--source" if value == source => continue,
                        "--source" => said(calibrated, value, ""),
                        // The advice gives the stream's own size if the device takes it.
                        _ => said(calibrated, source, value).or(said(calibrated, "", value)),
                    };
                    assert!(taken.is_ok(), "{message}: {option} {value}: {taken:?}");
                    followed += 1;
                }
            }
        }
        assert!(followed > 30, "{followed}");
    }

    #[test]
    fn a_calibration_of_a_size_that_is_not_taken_names_the_ways_on() {
        let error = said("644x484", "", "").unwrap_err().to_string();
        assert_eq!(
            error,
            "the size of the calibration's pictures, 644x484, is not a size the device takes (multiples \
             of 8 from 176x144 to 4096x3072): if it is all of them, scaled, say --source 1288x968 or \
             --source 2576x1936 or --source 3864x2904; if the stream is a part of those of 644x484, say \
             which, such as --sensor-crop 640x480+2+2"
        );
        // The device takes no multiple of its aspect ratio.
        let error = said("966x890", "", "").unwrap_err().to_string();
        assert!(
            error.ends_with("say which, such as --sensor-crop 960x888+3+1"),
            "{error}"
        );
        assert!(!error.contains("--source"), "{error}");
    }

    #[test]
    fn a_part_of_the_pictures_moves_and_scales() {
        let source = said("644x484", "", "640x480+2+2").unwrap();
        assert_eq!((source.corner, source.times), ([2.0; 2], [1.0; 2]));
        let source = said("2592x1944", "1296x968", "2592x1936+0+4").unwrap();
        assert_eq!((source.corner, source.times), ([0.0, 4.0], [0.5; 2]));
        let error = said("644x484", "", "640x480+8+0").unwrap_err().to_string();
        assert_eq!(
            error,
            "--sensor-crop 640x480+8+0 is not inside a picture of 644x484"
        );
        let error = said("644x484", "640x400", "640x480+2+2")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("another aspect ratio than 640x400"),
            "{error}"
        );
    }
}
