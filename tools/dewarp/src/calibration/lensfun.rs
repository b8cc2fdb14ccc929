// SPDX-License-Identifier: GPL-2.0
//! Lens profiles of the Lensfun database: the models poly3, poly5 and ptlens of
//! rectilinear lenses. A profile is of a lens on any camera, so the size of the
//! pictures, and possibly the crop factor, must come from the user.

mod named;
#[cfg(test)]
pub mod tests;

use roxmltree::{Document, Node, ParsingOptions};

use super::dialect::Described;
use super::{Calibration, Choice, Parsed};
use crate::lens::{Distortion, Lens};
use named::{chosen_lens, list, name, only};

/// The diagonal of a 35 mm film frame, to which crop factors refer, in
/// millimetres.
const FILM: f64 = 43.266_615_305_567_87;

/// A profile's aspect ratio if it names none.
const ASPECT: f64 = 1.5;

/// The range of crop factors, from digital backs to endoscopes.
const CROP: [f64; 2] = [0.1, 100.0];

/// The longest focal length, in millimetres.
const MILLIMETRES: f64 = 1e5;

/// Returns whether the text is of a Lensfun database.
pub fn is_one(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
        && text.contains("<lensdatabase")
}

pub fn calibration(text: &str, choice: &Choice) -> Parsed<Described> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| format!("it is not XML: {error}"))?;
    let lens = chosen_lens(document.root_element(), choice)?;
    let name = name(lens);
    let calibration = read(lens, choice).map_err(|cause| format!("{name}: {cause}"))?;
    let mut described = Described::from(calibration);
    described.notes.push(format!("lens: {name}"));
    Ok(described)
}

/// Parses a number, or the ratio of two with a colon between them, and checks
/// its range.
fn number(text: &str, name: &str, [least, most]: [f64; 2]) -> Parsed<f64> {
    let parse = |text: &str| text.trim().parse::<f64>().ok();
    let value = match text.split_once(':') {
        Some((a, b)) => parse(a).zip(parse(b)).map(|(a, b)| a / b),
        None => parse(text),
    };
    value
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("{name}: {text} is not a number from {least} to {most}"))
}

/// Returns the number in a child element.
fn element(lens: Node, name: &str, range: [f64; 2]) -> Parsed<Option<f64>> {
    let text = only(lens, name)?.and_then(|node| node.text());
    text.map(|text| number(text.trim(), name, range))
        .transpose()
}

/// Returns the crop factor of the camera that the lens was calibrated on.
fn crop(lens: Node) -> Parsed<Option<f64>> {
    element(lens, "cropfactor", CROP)
}

fn read(lens: Node, choice: &Choice) -> Parsed<Calibration> {
    if let Some(kind) = only(lens, "type")?.and_then(|node| node.text()) {
        if kind.trim() != "rectilinear" {
            return Err(format!(
                "lenses of type {} are not supported, rectilinear ones are",
                kind.trim()
            ));
        }
    }
    let entry = entry(lens, choice.focal_length);
    let Some(size) = choice.size else {
        // Both problems are reported together, so that the user corrects them
        // at once.
        let source = "a profile is for pictures of any size: say yours with --source";
        return Err(match entry {
            Err(cause) => format!("{source}; {cause}"),
            Ok(_) => source.into(),
        });
    };
    let entry = entry?;
    let calibrated = crop(lens)?.ok_or("it has no cropfactor")?;
    let crop = choice.crop_factor.unwrap_or(calibrated);
    let aspect = element(lens, "aspect-ratio", [0.1, 10.0])?.unwrap_or(ASPECT);
    let attribute = |name: &str, range| number(entry.attribute(name).unwrap_or("0"), name, range);
    let value = |name: &str| attribute(name, [-100.0, 100.0]);
    // A radius of 1 is half the short side of the calibration's picture.
    let coefficients = match entry.attribute("model") {
        Some("poly3") => {
            let k1 = value("k1")?;
            [1.0 - k1, 0.0, k1, 0.0, 0.0]
        }
        Some("poly5") => [1.0, 0.0, value("k1")?, 0.0, value("k2")?],
        Some("ptlens") => {
            let (a, b, c) = (value("a")?, value("b")?, value("c")?);
            [1.0 - a - b - c, c, b, a, 0.0]
        }
        other => {
            return Err(format!(
                "the distortion model {} is not supported; poly3, poly5 and ptlens are",
                other.unwrap_or("without a name")
            ));
        }
    };
    let focal_length = match attribute("real-focal", [0.0, MILLIMETRES])? {
        // `real-focal` is the lens's focal length; the polynomial refers to
        // that of the corrected picture.
        real if real > 0.0 => real / coefficients[0],
        _ => attribute("focal", [0.1, MILLIMETRES])?,
    };

    // Lensfun counts from pixel centre to pixel centre.
    let [width, height] = [size.width, size.height].map(|side| f64::from(side.max(2) - 1));
    let (short, long) = (width.min(height), width.max(height));
    let picture = (long / short).hypot(1.0) / aspect.hypot(1.0);
    let unit = short / 2.0 * picture * crop / calibrated;
    let focal = focal_length * crop / FILM * width.hypot(height);
    let shift = |axis| {
        let center = only(lens, "center")?.and_then(|center| center.attribute(axis));
        number(
            center.unwrap_or("0"),
            &format!("center's {axis}"),
            [-1.0, 1.0],
        )
    };
    let (x, y) = (shift("x")?, shift("y")?);
    let mut power = 1.0;
    let coefficients = coefficients.map(|c| {
        let scaled = c * power;
        power *= focal / unit;
        scaled
    });
    Ok(Calibration {
        lens: Lens {
            focal: [focal; 2],
            center: [(width + x * short) / 2.0, (height + y * short) / 2.0],
            distortion: Distortion::Radial(coefficients),
        }
        .check()?,
        size: Some(size),
    })
}

/// Returns the distortion entry of a focal length. Values between the measured
/// focal lengths are not interpolated.
fn entry<'a, 'input>(lens: Node<'a, 'input>, wanted: Option<f64>) -> Parsed<Node<'a, 'input>> {
    let calibration = only(lens, "calibration")?;
    let entries: Vec<Node> = calibration
        .into_iter()
        .flat_map(|calibration| calibration.children())
        .filter(|node| node.has_tag_name("distortion"))
        .collect();
    let focal = |node: &Node| {
        node.attribute("focal")
            .and_then(|text| text.parse::<f64>().ok())
    };
    match (&entries[..], wanted) {
        ([], _) => Err(
            "the database has no distortion for it: nobody has calibrated it; calibrate yourself, or \
             take a lens of the same kind"
                .into(),
        ),
        ([only], None) => Ok(*only),
        (_, wanted) => {
            let near = |node: &&Node| {
                wanted
                    .zip(focal(node))
                    .is_some_and(|(a, b)| (a - b).abs() < 0.01 * b)
            };
            entries.iter().find(near).copied().ok_or_else(|| {
                let there: Vec<f64> = entries.iter().filter_map(focal).collect();
                format!(
                    "its distortion is known at {} mm: choose with --focal-length",
                    list(&there)
                )
            })
        }
    }
}
