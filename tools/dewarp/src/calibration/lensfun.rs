// SPDX-License-Identifier: GPL-2.0
//! Lens profiles of the Lensfun database: the models poly3, poly5 and ptlens of
//! rectilinear lenses. A profile is for a kind of lens on any camera, so that
//! the picture's size, and perhaps the crop factor, must come from elsewhere.

use std::fmt::Display;

use roxmltree::{Document, Node, ParsingOptions};

use super::{Calibration, Choice, Parsed, checked};
use crate::format::Size;
use crate::lens::{Distortion, Lens};

/// Diagonal of the 35 mm film's frame, to which crop factors refer, in millimetres.
const FILM: f64 = 43.266_615_305_567_87;

/// A profile's aspect ratio where it names none.
const ASPECT: f64 = 1.5;

/// Whether the text is of a Lensfun database.
pub fn is_one(text: &str) -> bool {
    text.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
        && text.contains("<lensdatabase")
}

pub fn calibration(text: &str, choice: &Choice) -> Parsed<Calibration> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|error| format!("it is not XML: {error}"))?;
    let lens = chosen_lens(document.root_element(), choice)?;
    let name = model(lens).unwrap_or("?");
    read(lens, choice).map_err(|cause| format!("{name}: {cause}"))
}

/// The name of a lens, as photographers know it.
fn model<'a>(lens: Node<'a, '_>) -> Option<&'a str> {
    child(lens, "model")?.text().map(str::trim)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The lens whose model has this name, or contains it, and whose calibration
/// covers the camera's picture best.
fn chosen_lens<'a, 'input>(root: Node<'a, 'input>, choice: &Choice) -> Parsed<Node<'a, 'input>> {
    let lenses: Vec<Node> = root
        .children()
        .filter(|node| node.has_tag_name("lens"))
        .collect();
    let wanted = choice.camera.map(str::to_lowercase);
    let named = |whole: bool| -> Vec<Node<'a, 'input>> {
        let fits = |lens: &&Node| match (&wanted, model(**lens).map(str::to_lowercase)) {
            (None, _) => true,
            (Some(wanted), Some(name)) if whole => name == *wanted,
            (Some(wanted), Some(name)) => name.contains(wanted.as_str()),
            _ => false,
        };
        lenses.iter().filter(fits).copied().collect()
    };
    let mut found = named(true);
    if found.is_empty() {
        found = named(false);
    }
    let mut names: Vec<&str> = found.iter().filter_map(|lens| model(*lens)).collect();
    names.dedup();
    match (&found[..], &names[..]) {
        ([], _) => Err("it has no lens of this name; --camera is part of its model's name".into()),
        ([lens], _) => Ok(*lens),
        // The same lens calibrated on cameras of different sizes.
        (_, [_]) => {
            let crop = |lens: &Node| number(*lens, "cropfactor").unwrap_or(1.0);
            let camera = choice.crop_factor.ok_or_else(|| {
                let crops: Vec<f64> = found.iter().map(crop).collect();
                format!(
                    "it is calibrated for crop factors {}: say --crop-factor",
                    list(&crops)
                )
            })?;
            found
                .into_iter()
                .filter(|lens| crop(lens) <= camera * 1.01)
                .max_by(|a, b| crop(a).total_cmp(&crop(b)))
                .ok_or_else(|| format!("it is not calibrated for a crop factor of {camera}"))
        }
        _ => {
            let some: Vec<&str> = names.iter().take(8).copied().collect();
            let more = if names.len() > 8 { ", ..." } else { "" };
            Err(format!(
                "say which lens with --camera: {}{more}",
                some.join(", ")
            ))
        }
    }
}

fn list(values: &[impl Display]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The number in a child element.
fn number(node: Node, name: &str) -> Option<f64> {
    let text = child(node, name)?.text()?.trim();
    match text.split_once(':') {
        Some((a, b)) => Some(a.parse::<f64>().ok()? / b.parse::<f64>().ok()?),
        None => text.parse().ok(),
    }
}

fn read(lens: Node, choice: &Choice) -> Parsed<Calibration> {
    if let Some(kind) = child(lens, "type").and_then(|node| node.text()) {
        if kind.trim() != "rectilinear" {
            return Err(format!(
                "lenses of type {} are not supported, rectilinear ones are",
                kind.trim()
            ));
        }
    }
    let size = choice
        .size
        .ok_or("a profile is for pictures of any size: say yours with --source")?;
    let calibrated = number(lens, "cropfactor").ok_or("it has no cropfactor")?;
    let crop = choice.crop_factor.unwrap_or(calibrated);
    let aspect = number(lens, "aspect-ratio").unwrap_or(ASPECT);
    let entry = entry(lens, choice.focal_length)?;
    let value = |name: &str| -> Parsed<f64> {
        let text = entry.attribute(name).unwrap_or("0");
        text.parse()
            .map_err(|_| format!("{name}: {text} is not a number"))
    };
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
    let focal_length = match value("real-focal")? {
        // Of the lens itself; the polynomial's is the straightened picture's.
        real if real > 0.0 => real / coefficients[0],
        _ => value("focal")?,
    };

    // From pixel centre to pixel centre, as Lensfun counts.
    let [width, height] = [size.width, size.height].map(|side| f64::from(side.max(2) - 1));
    let (short, long) = (width.min(height), width.max(height));
    let picture = (long / short).hypot(1.0) / aspect.hypot(1.0);
    let unit = short / 2.0 * picture * crop / calibrated;
    let focal = focal_length * crop / FILM * width.hypot(height);
    let [x, y] = ["x", "y"].map(|axis| {
        let center = child(lens, "center");
        let text = center.and_then(|center| center.attribute(axis));
        text.and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    });
    let mut power = 1.0;
    let coefficients = coefficients.map(|c| {
        let scaled = c * power;
        power *= focal / unit;
        scaled
    });
    Ok(Calibration {
        lens: checked(Lens {
            focal: [focal; 2],
            center: [(width + x * short) / 2.0, (height + y * short) / 2.0],
            distortion: Distortion::Radial(coefficients),
        })?,
        size: Some(Size { ..size }),
    })
}

/// The distortion at a focal length; only those measured, nothing between them.
fn entry<'a, 'input>(lens: Node<'a, 'input>, wanted: Option<f64>) -> Parsed<Node<'a, 'input>> {
    let calibration = child(lens, "calibration");
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
        ([], _) => Err("it has no distortion".into()),
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

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"<?xml version="1.0"?>
        <!DOCTYPE lensdatabase SYSTEM "lensfun-database.dtd">
        <lensdatabase version="2">
          <lens><maker>Acme</maker><model>Acme 10-20mm f/4</model><mount>A</mount>
            <cropfactor>1.5</cropfactor>
            <calibration>
              <distortion model="ptlens" focal="10" a="0.02" b="-0.05" c="0.01"/>
              <distortion model="poly3" focal="20" k1="-0.01"/>
              <tca model="linear" focal="20" kr="1.0" kb="1.0"/>
            </calibration></lens>
          <lens><maker>Acme</maker><model>Acme 30mm f/2</model><mount>A</mount>
            <cropfactor>2.0</cropfactor><aspect-ratio>4:3</aspect-ratio>
            <calibration><distortion model="poly5" focal="30" k1="-0.02" k2="0.003"/></calibration></lens>
          <lens><maker>Acme</maker><model>Acme Fish</model><mount>A</mount><type>fisheye</type>
            <cropfactor>1.5</cropfactor>
            <calibration><distortion model="poly3" focal="8" k1="0.01"/></calibration></lens>
        </lensdatabase>"#;

    fn read(
        camera: Option<&str>,
        focal_length: Option<f64>,
        size: Option<[u32; 2]>,
    ) -> Parsed<Lens> {
        let choice = Choice {
            camera,
            focal_length,
            size: size.map(|[width, height]| Size { width, height }),
            ..Choice::default()
        };
        Calibration::parse(FILE, &choice).map(|calibration| calibration.lens)
    }

    /// 3:2, like the calibration's pictures: the unit is half the height.
    const SIZE: Option<[u32; 2]> = Some([1501, 1001]);

    #[test]
    fn a_radius_of_half_the_height_stays_where_it_is_in_poly3_and_ptlens() {
        for focal in [10.0, 20.0] {
            let lens = read(Some("10-20mm"), Some(focal), SIZE).unwrap();
            assert_eq!(lens.center, [750.0, 500.0]);
            let [x, y] = lens.distort([750.0, 0.0]).unwrap();
            assert!((x - 750.0).abs() < 1e-9 && y.abs() < 1e-9, "{x} {y}");
        }
        // poly3 at half that radius: r (1 - k1 + k1 / 4).
        let [_, y] = read(Some("10-20mm"), Some(20.0), SIZE)
            .unwrap()
            .distort([750.0, 250.0])
            .unwrap();
        assert!((y - (500.0 - 250.0 * 1.0075)).abs() < 1e-9, "{y}");
    }

    #[test]
    fn another_aspect_ratio_has_the_same_circle() {
        // A 4:3 profile on a 4:3 picture: poly5 at half its height.
        let lens = read(Some("30mm"), None, Some([641, 481])).unwrap();
        let [_, y] = lens.distort([320.0, 0.0]).unwrap();
        assert!((y - (240.0 - 240.0 * 0.983)).abs() < 1e-9, "{y}");
        // On 16:9 of the same diagonal the height is less, the circle is not.
        let lens = read(Some("30mm"), None, Some([698, 393])).unwrap();
        let unit = 697f64.hypot(392.0) / 2.0 * 0.6;
        let [x, _] = lens.distort([348.5 - unit, 196.0]).unwrap();
        assert!((x - (348.5 - unit * 0.983)).abs() < 1e-9, "{x}");
    }

    #[test]
    fn the_focal_length_is_in_pixels_of_the_sensor() {
        // 30 mm on a crop factor of 2: the diagonal is 21.63 mm.
        let lens = read(Some("30mm"), None, Some([641, 481])).unwrap();
        assert!((lens.focal[0] - 30.0 * 800.0 / (FILM / 2.0)).abs() < 1e-9);
    }

    #[test]
    fn what_is_to_be_said_is_asked_for() {
        let error = |camera, focal, size| read(camera, focal, size).unwrap_err();
        assert_eq!(
            error(None, None, SIZE),
            "say which lens with --camera: Acme 10-20mm f/4, Acme 30mm f/2, Acme Fish"
        );
        assert!(error(Some("Zeta"), None, SIZE).starts_with("it has no lens of this name"));
        assert!(error(Some("30mm"), None, None).ends_with("say yours with --source"));
        assert!(error(Some("10-20"), None, SIZE).contains("known at 10, 20 mm"));
        assert!(error(Some("10-20"), Some(15.0), SIZE).contains("known at 10, 20 mm"));
        assert!(error(Some("Fish"), None, SIZE).contains("type fisheye are not supported"));
    }
}
