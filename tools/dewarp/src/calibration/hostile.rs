// SPDX-License-Identifier: GPL-2.0
//! Tests with truncated files, with files that have values of other types or keys twice, and with
//! random ones. Each is refused, or gives a note or a warning, or gives the same lens. None makes
//! the program panic or run without end.

mod fuzz;

use super::dialect::ALL;
use super::*;
use super::{
    basalt, colmap, depthai, euroc, flat, gyroflow, kalibr, lensfun, libcamera, maplab, matlab,
    mrcal, nxp, okvis, opencv, opensfm, orbslam, ost, ros, vikit, vins,
};

/// OpenCV's JSON and XML, with every coefficient that OpenCV has.
const JSON: &str = include_str!("../../tests/cameras/rational.json");
const XML: &str = include_str!("../../tests/cameras/tilted.xml");

/// A file of each dialect: the dialect's name, its text, and a camera of it.
const SAMPLES: [(&str, &str, Option<&str>); 23] = [
    (nxp::DIALECT.name, nxp::tests::FILE, None),
    (libcamera::DIALECT.name, libcamera::tests::FILE, None),
    (vins::DIALECT.name, vins::tests::FILE, None),
    (vikit::DIALECT.name, vikit::tests::FILE, None),
    (okvis::DIALECT.name, okvis::tests::FILE, Some("0")),
    (basalt::DIALECT.name, basalt::tests::FILE, Some("0")),
    (depthai::DIALECT.name, depthai::tests::FILE, Some("CAM_A")),
    (gyroflow::DIALECT.name, gyroflow::tests::FILE, None),
    (mrcal::DIALECT.name, mrcal::tests::FILE, None),
    (orbslam::DIALECT.name, orbslam::tests::FILE, Some("1")),
    (
        opensfm::DIALECT.name,
        opensfm::tests::FILE,
        Some("v2 acme two 4000 3000 fisheye 0.5"),
    ),
    (euroc::DIALECT.name, euroc::tests::FILE, None),
    (flat::DIALECT.name, flat::tests::FILE, None),
    (maplab::DIALECT.name, maplab::tests::FILE, None),
    (matlab::DIALECT.name, matlab::tests::FILE, None),
    ("the cameras of COLMAP", colmap::tests::FILE, Some("1")),
    ("a Kalibr camchain", kalibr::tests::CHAIN, Some("cam1")),
    ("a Lensfun profile", lensfun::tests::FILE, Some("30mm")),
    ("a ROS camera_info", ros::tests::FILE, None),
    ("a ROS camera_info", ost::tests::FILE, None),
    ("an OpenCV calibration", opencv::tests::FILE, None),
    ("an OpenCV calibration", JSON, None),
    ("an OpenCV calibration", XML, None),
];

/// Values that are not valid numbers of a lens.
const WRONG: [&str; 10] = [
    "x",
    "[]",
    "{}",
    "[[1, 2], {a: 3}]",
    "\"\"",
    "1e999",
    ".nan",
    "~",
    "1e308",
    "-99999999999999999999",
];

/// Reads what a file says about a camera, with the notes about the file itself.
fn read(text: &str, camera: Option<&str>) -> Parsed<Described> {
    let choice = Choice {
        camera,
        size: Some(crate::Size {
            width: 2592,
            height: 1944,
        }),
        ..Choice::default()
    };
    let (content, notes) = Content::of_bytes(text.as_bytes().to_vec())?;
    let mut described = content.calibration(&choice)?;
    described.notes.extend(notes);
    Ok(described)
}

/// Returns whether the text begins with a bracket, so that a missing end is detected.
fn is_closed(text: &str) -> bool {
    text.starts_with(['{', '<'])
}

#[test]
fn each_dialect_s_file_is_its_own() {
    for (name, text, camera) in SAMPLES {
        read(text, camera).unwrap();
        let content = Content::of(text.to_owned()).unwrap();
        assert_eq!(content.whose(), name);
        if let Content::Of(dialect, tree) = content {
            let first = ALL.iter().find(|dialect| (dialect.is_one)(&tree));
            assert_eq!(first.map(|first| first.name), Some(dialect.name));
        }
    }
}

#[test]
fn a_file_that_ends_early_is_refused_or_told_of() {
    for (name, text, camera) in SAMPLES {
        let right = read(text, camera).unwrap();
        for end in (0..text.trim_end().len()).filter(|end| text.is_char_boundary(*end)) {
            let Ok(found) = read(&text[..end], camera) else {
                continue;
            };
            // The file ends between two lines of a format that needs no end mark. A truncated word
            // or number gives a note.
            let told =
                found.notes.len() + found.doubts.len() > right.notes.len() + right.doubts.len();
            // A missing size is reported when the map is made.
            let size = found.calibration.size;
            let same = found.calibration.lens == right.calibration.lens
                && (size.is_none() || size == right.calibration.size);
            assert!(
                !is_closed(text) && (same || told),
                "{name}: {found:?} of {}",
                &text[..end]
            );
        }
    }
}

#[test]
fn a_value_of_another_type_is_an_error_or_is_not_used() {
    for (_, text, camera) in SAMPLES {
        let right = read(text, camera).unwrap();
        // The places of the numbers.
        let mut places = Vec::new();
        let mut start = None;
        for (index, byte) in text.bytes().enumerate() {
            let inside = byte.is_ascii_digit() || b"-.e".contains(&byte);
            match (inside, start) {
                (true, None) => start = Some(index),
                (false, Some(from)) => {
                    // The digit of `k1` is not a number.
                    let word = text[..from].ends_with(|last: char| last.is_alphanumeric());
                    if !word && text[from..index].parse::<f64>().is_ok() {
                        places.push((from, index));
                    }
                    start = None;
                }
                _ => {}
            }
        }
        assert!(places.len() > 8, "{text}");
        for (from, to) in places {
            for wrong in WRONG.iter().cycle().skip(from).take(3) {
                let file = format!("{}{wrong}{}", &text[..from], &text[to..]);
                // A value that is not used may be anything.
                if let Ok(found) = read(&file, camera) {
                    let same =
                        |a: &Described, b: &Described| a.calibration.lens == b.calibration.lens;
                    assert!(
                        same(&found, &right),
                        "{wrong} for {} gives {found:?}: {file}",
                        &text[from..to]
                    );
                }
            }
        }
    }
}

#[test]
fn files_that_once_gave_a_map_without_a_word_are_refused() {
    for (file, reason) in [
        (
            include_str!("../../tests/hostile/orbslam-cut.yaml"),
            "it has no Camera.p1",
        ),
        (
            include_str!("../../tests/hostile/ost-twice.txt"),
            "camera matrix stands twice",
        ),
        (
            include_str!("../../tests/hostile/lensfun-twice.xml"),
            "Acme One: its cropfactor stands twice",
        ),
    ] {
        let error = read(file, None).unwrap_err();
        assert!(error.starts_with(reason), "{error}");
    }
}

/// Returns copies of the text, each with one of its keys inserted once more before the key itself.
fn twice(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut add =
        |at: usize, more: String| all.push(format!("{}{more}{}", &text[..at], &text[at..]));
    let word = |letter: char| letter.is_alphanumeric() || "_.".contains(letter);
    if text.starts_with('<') {
        for (at, _) in text.match_indices('<') {
            let name: String = text[at + 1..]
                .chars()
                .take_while(|&letter| word(letter))
                .collect();
            let many = [
                "",
                "opencv_storage",
                "lensdatabase",
                "lens",
                "maker",
                "model",
                "mount",
                "distortion",
                "tca",
                "_",
            ];
            if !many.contains(&name.as_str()) {
                add(at, format!("<{name}>1.25</{name}>"));
            }
        }
        return all;
    }
    // The number of open brackets.
    let (mut start, mut depth) = (0, 0);
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '-']).len();
        let name: String = line[indent..]
            .chars()
            .take_while(|&letter| word(letter))
            .collect();
        if !name.is_empty() && line[indent + name.len()..].starts_with(':') {
            let end = if depth > 0 {
                ", ".into()
            } else {
                format!("\n{}", " ".repeat(indent))
            };
            add(start + indent, format!("{name}: 1{end}"));
        }
        for quote in ['"', '\''] {
            let mut rest = 0;
            while let Some(from) = line[rest..].find(quote).map(|from| rest + from) {
                let Some(to) = line[from + 1..].find(quote).map(|to| from + 1 + to) else {
                    break;
                };
                if line[from + 1..to].chars().all(word) && line[to + 1..].starts_with(':') {
                    add(start + from, format!("{}: 1,\n", &line[from..=to]));
                }
                rest = to + 1;
            }
        }
        start += line.len();
        depth += line.matches(['[', '{']).count();
        depth -= line.matches([']', '}']).count();
    }
    all
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    for (name, text, camera) in SAMPLES {
        if name == "the cameras of COLMAP" || text == ost::tests::FILE {
            continue;
        }
        let (files, right) = (twice(text), read(text, camera));
        assert!(files.len() > 4, "{name}");
        for file in files {
            // This key is removed before the file is parsed, so that it is not found twice.
            if file.matches("'optimization_inputs'").count() > 1 {
                continue;
            }
            let error = match read(&file, camera) {
                Err(error) => error,
                // The inserted element belongs to another lens of the profile.
                Ok(found) if name == "a Lensfun profile" && Ok(&found) == right.as_ref() => {
                    continue;
                }
                Ok(found) => panic!("{name} is read as {found:?}: {file}"),
            };
            assert!(error.contains(" stands twice"), "{name}: {error}: {file}");
        }
    }
    for block in ["width\n", "camera matrix\n", "[narrow_stereo]\n"] {
        let (before, after) = ost::tests::FILE.split_once(block).unwrap();
        let more = format!("{before}{block}{after}\n{block}2\n");
        let error = read(&more, None).unwrap_err();
        assert!(error.contains(" stands twice"), "{error}");
    }
}
