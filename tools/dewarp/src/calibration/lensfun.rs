// SPDX-License-Identifier: GPL-2.0
//! Lens profiles of the Lensfun database: the models poly3, poly5 and ptlens of
//! rectilinear lenses. A profile is for a kind of lens on any camera, so that
//! the picture's size, and perhaps the crop factor, must come from elsewhere.

use std::fmt::Display;

use roxmltree::{Document, Node, ParsingOptions};

use super::dialect::Described;
use super::{Calibration, Choice, Parsed};
use crate::lens::{Distortion, Lens};

/// Diagonal of the 35 mm film's frame, to which crop factors refer, in millimetres.
const FILM: f64 = 43.266_615_305_567_87;

/// A profile's aspect ratio where it names none.
const ASPECT: f64 = 1.5;

/// Crop factors: from digital backs to endoscopes.
const CROP: [f64; 2] = [0.1, 100.0];

/// The longest focal length.
const MILLIMETRES: f64 = 1e5;

/// Whether the text is of a Lensfun database.
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

/// The name of a lens, as photographers know it, with its maker once.
fn name(lens: Node) -> String {
    let text = |tag| {
        child(lens, tag)
            .and_then(|node| node.text())
            .map_or("", str::trim)
    };
    let (maker, model) = (text("maker"), text("model"));
    match model.to_lowercase().starts_with(&maker.to_lowercase()) {
        true => model.to_owned(),
        false => format!("{maker} {model}"),
    }
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// The lens that has this name, or all of its words in it, and whose calibration
/// covers the camera's picture best.
fn chosen_lens<'a, 'input>(root: Node<'a, 'input>, choice: &Choice) -> Parsed<Node<'a, 'input>> {
    let lenses: Vec<Node> = root
        .children()
        .filter(|node| node.has_tag_name("lens"))
        .collect();
    let wanted = choice.camera.unwrap_or_default().to_lowercase();
    let words: Vec<&str> = wanted.split_whitespace().collect();
    let named = |whole: bool| -> Vec<Node<'a, 'input>> {
        let fits = |lens: &&Node| {
            let name = name(**lens).to_lowercase();
            let model = child(**lens, "model").and_then(|node| node.text());
            match whole {
                true => {
                    name == wanted || model.is_some_and(|it| it.trim().to_lowercase() == wanted)
                }
                false => words.iter().all(|word| name.contains(word)),
            }
        };
        lenses.iter().filter(fits).copied().collect()
    };
    let mut found = named(true);
    if found.is_empty() {
        found = named(false);
    }
    match (&found[..], &names(&found)[..]) {
        ([], _) => Err(match choice.camera {
            Some(wanted) => format!(
                "it has no lens named {wanted}, but {}: say part of a name with --camera",
                names(&lenses).join(", ")
            ),
            None => "it has no lens".into(),
        }),
        ([lens], _) => Ok(*lens),
        (_, [_]) => of_camera(found, choice.crop_factor),
        (_, names) => Err(format!(
            "say which lens with --camera: {}",
            names.join(", ")
        )),
    }
}

/// Of the same lens calibrated on several cameras, the one for a crop factor: the
/// largest that is not above it.
fn of_camera<'a, 'input>(
    lenses: Vec<Node<'a, 'input>>,
    wanted: Option<f64>,
) -> Parsed<Node<'a, 'input>> {
    let crops = lenses.iter().map(|lens| Ok(crop(*lens)?.unwrap_or(1.0)));
    let crops = crops.collect::<Parsed<Vec<f64>>>()?;
    let mut known = crops.clone();
    known.sort_by(f64::total_cmp);
    known.dedup();
    let wanted = match (wanted, &known[..]) {
        (Some(wanted), _) => wanted,
        (None, [only]) => *only,
        _ => {
            return Err(format!(
                "it is calibrated for crop factors {}: say --crop-factor",
                list(&known)
            ));
        }
    };
    let near = |crop: &&f64| **crop <= wanted * 1.01;
    let best = known.iter().rfind(near).ok_or_else(|| {
        format!(
            "it is calibrated for crop factors {}, not for {wanted}",
            list(&known)
        )
    })?;
    let mut fit = lenses.iter().zip(&crops).filter(|(_, crop)| *crop == best);
    match (fit.next(), fit.next()) {
        (Some((lens, _)), None) => Ok(*lens),
        _ => Err(format!(
            "it has more than one calibration of this lens for a crop factor of {best}: leave one \
             of them in the file"
        )),
    }
}

/// The names of lenses, each once.
fn names(lenses: &[Node]) -> Vec<String> {
    let mut names: Vec<String> = lenses.iter().map(|lens| name(*lens)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn list(values: &[impl Display]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// The number of a text, or of two with a colon between, if it is in this range.
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

/// The number in a child element.
fn element(lens: Node, name: &str, range: [f64; 2]) -> Parsed<Option<f64>> {
    let text = child(lens, name).and_then(|node| node.text());
    text.map(|text| number(text.trim(), name, range))
        .transpose()
}

/// The crop factor of the camera of the calibration.
fn crop(lens: Node) -> Parsed<Option<f64>> {
    element(lens, "cropfactor", CROP)
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
    let entry = entry(lens, choice.focal_length);
    let Some(size) = choice.size else {
        // Asked for at once, so that the user comes back once.
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
        // Of the lens itself; the polynomial's is the straightened picture's.
        real if real > 0.0 => real / coefficients[0],
        _ => attribute("focal", [0.1, MILLIMETRES])?,
    };

    // From pixel centre to pixel centre, as Lensfun counts.
    let [width, height] = [size.width, size.height].map(|side| f64::from(side.max(2) - 1));
    let (short, long) = (width.min(height), width.max(height));
    let picture = (long / short).hypot(1.0) / aspect.hypot(1.0);
    let unit = short / 2.0 * picture * crop / calibrated;
    let focal = focal_length * crop / FILM * width.hypot(height);
    let shift = |axis| {
        let center = child(lens, "center").and_then(|center| center.attribute(axis));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Size;

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
        of(FILE, camera, focal_length, size)
    }

    fn of(
        file: &str,
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
        Calibration::parse(file, &choice).map(|calibration| calibration.lens)
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
        assert_eq!(
            error(Some("Zeta"), None, SIZE),
            "it has no lens named Zeta, but Acme 10-20mm f/4, Acme 30mm f/2, Acme Fish: say part of a \
             name with --camera"
        );
        assert!(error(Some("30mm"), None, None).ends_with("say yours with --source"));
        assert!(error(Some("10-20"), None, SIZE).contains("known at 10, 20 mm"));
        assert!(error(Some("10-20"), Some(15.0), SIZE).contains("known at 10, 20 mm"));
        assert!(error(Some("Fish"), None, SIZE).contains("type fisheye are not supported"));
    }

    #[test]
    fn numbers_that_are_none_are_refused_with_their_names() {
        for (right, wrong, error) in [
            (
                r#"k1="-0.02""#,
                r#"k1="nan""#,
                "k1: nan is not a number from -100 to 100",
            ),
            (
                r#"k2="0.003""#,
                r#"k2="inf""#,
                "k2: inf is not a number from -100 to 100",
            ),
            (
                r#"focal="30""#,
                r#"focal="30" real-focal="inf""#,
                "real-focal: inf is not",
            ),
            (
                "2.0</crop",
                "inf</crop",
                "cropfactor: inf is not a number from 0.1 to 100",
            ),
            ("2.0</crop", "5,6</crop", "cropfactor: 5,6 is not"),
            (
                "4:3",
                "0:0",
                "aspect-ratio: 0:0 is not a number from 0.1 to 10",
            ),
            ("4:3", "foo", "aspect-ratio: foo is not"),
            (
                "4:3</aspect-ratio>",
                r#"4:3</aspect-ratio><center x="nan"/>"#,
                "center's x: nan is not",
            ),
        ] {
            let error = format!("Acme 30mm f/2: {error}");
            let found = of(&FILE.replace(right, wrong), Some("30mm"), None, SIZE).unwrap_err();
            assert!(found.starts_with(&error), "{found}");
        }
    }

    #[test]
    fn a_lens_calibrated_on_several_cameras_takes_a_crop_factor() {
        let twice = |crop: &str| {
            FILE.replace("Acme Fish", "Acme 30mm f/2")
                .replace("1.5</crop", crop)
        };
        let error = |crop| of(&twice(crop), Some("30mm"), None, SIZE).unwrap_err();
        let asked = "it is calibrated for crop factors 1.5, 2: say --crop-factor";
        assert_eq!(error("1.5</crop"), asked);
        assert!(error("2</crop").starts_with("it has more than one calibration of this lens"));
    }
}
