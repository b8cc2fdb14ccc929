// SPDX-License-Identifier: GPL-2.0
//! The size of a calibration's pictures, which programs write under many names,
//! as two numbers, a list, a text or a map.

use super::Parsed;
use super::tree::{self, Tree, plain};
use crate::format::Size;

/// Prefixes of `width` and `height`, the least ambiguous first.
const PREFIXES: [&str; 7] = ["image", "img", "frame", "picture", "camera", "video", ""];

/// Names of a size, the least ambiguous first; those that may mean something
/// else are last.
const LISTS: [&str; 14] = [
    "cameraresolution",
    "imagesize",
    "imgsize",
    "imageresolution",
    "framesize",
    "picturesize",
    "imageshape",
    "imgshape",
    "resolution",
    "calibrationsize",
    "calibdimension",
    "size",
    "shape",
    "dim",
];

/// The index of the first name that may mean something other than the pictures'
/// size.
const SURE: usize = 11;

/// Words in names of sizes that are not those of the pictures.
const OTHERS: [&str; 22] = [
    "board", "square", "pattern", "grid", "marker", "tag", "pixel", "cell", "sensor", "chess",
    "checker", "corner", "new", "out", "rect", "valid", "aspect", "window", "kernel", "target",
    "dst", "mm",
];

/// The shortest side of a picture under a name that is only similar to these:
/// the size of a board, in squares, is smaller.
const LEAST: f64 = 64.0;

/// The fraction of a side by which a principal point may be off the centre
/// before width and height may have been exchanged.
const OFF: f64 = 0.08;

/// A principal point that is off by more than the first fraction is assumed not to be that of this picture, if it is
/// off by less than the second one in the exchanged picture.
const TOO_FAR: f64 = 0.25;
const POSSIBLE: f64 = 0.2;

/// Returns the size of the pictures, if the file has it, and what is doubtful
/// about it. Python's `shape` has the height first; the principal point tells
/// whether a size was exchanged.
pub fn find(tree: &Tree, center: [f64; 2]) -> Parsed<Option<(Size, Option<String>)>> {
    if let Some(size) = named(tree)? {
        return Ok(Some((size, other(tree, size))));
    }
    let Some((name, mut values)) = listed(tree)? else {
        return Ok(None);
    };
    let shape = plain(&name).contains("shape");
    // The values are height, width and channels.
    if values.len() == 3 {
        values.pop();
        values.reverse();
    } else if shape {
        values.reverse();
    }
    let [width, height] = values[..] else {
        return Err(format!("{name} is not a width and a height"));
    };
    let size = tree::size([width, height], &name)?;
    if fits_better(exchange(size), size, center) {
        let doubt = format!(
            "{}: {name} is taken as the height and the width",
            better(exchange(size), size)
        );
        return Ok(Some((exchange(size), Some(doubt))));
    }
    Ok(Some((size, None)))
}

/// Returns a warning if the file also has another size of its pictures.
fn other(tree: &Tree, size: Size) -> Option<String> {
    let (name, values) = listed(tree).ok().flatten()?;
    let sides = [size.width, size.height].map(f64::from);
    let [first, second, ..] = values[..] else {
        return None;
    };
    let same = [[first, second], [second, first]].contains(&sides);
    // A smaller one is that of a board.
    (!same && first.min(second) >= LEAST).then(|| {
        format!(
            "the file says {first}x{second} in {name} as well: {size} is taken as the size of the \
             calibration's pictures"
        )
    })
}

/// Returns a warning if the principal point fits a picture better whose width and height are
/// exchanged.
pub fn exchanged(size: Size, center: [f64; 2]) -> Option<String> {
    let exchanged = fits_better(exchange(size), size, center);
    exchanged.then(|| better(exchange(size), size) + ": are they exchanged?")
}

fn exchange(size: Size) -> Size {
    Size {
        width: size.height,
        height: size.width,
    }
}

fn better(size: Size, other: Size) -> String {
    format!("the principal point fits {size} better than {other}")
}

/// Returns how far the point is from the centre of a picture, as a fraction of
/// the picture's side.
pub fn off(size: Size, center: [f64; 2]) -> f64 {
    let sides = [size.width, size.height].map(f64::from);
    let parts = [0, 1].map(|axis| ((center[axis] + 0.5) / sides[axis] - 0.5).abs());
    parts[0].max(parts[1])
}

/// Returns whether the point is near the centre of `one` and not of `other`, or possible in `one` and too far from the
/// centre of `other`.
fn fits_better(one: Size, other: Size, center: [f64; 2]) -> bool {
    let (one, other) = (off(one, center), off(other, center));
    (other > OFF && 3.0 * one < other) || (other > TOO_FAR && one < POSSIBLE)
}

/// Reads the size from a pair of keys for width and height.
fn named(tree: &Tree) -> Parsed<Option<Size>> {
    let keys = tree.keys();
    let key = |name: &str| tree.key(name);
    let known = PREFIXES.iter().map(|prefix| (*prefix).to_owned());
    let others = keys.iter().filter_map(|key| {
        let name = plain(key);
        let prefix = name.strip_suffix("width")?;
        (!OTHERS.iter().any(|word| prefix.contains(word))).then(|| prefix.to_owned())
    });
    for prefix in known.chain(others) {
        let pair = |width: &str, height: &str| {
            [
                key(&format!("{prefix}{width}")),
                key(&format!("{prefix}{height}")),
            ]
        };
        let found = [
            pair("width", "height"),
            pair("w", "h"),
            pair("resx", "resy"),
        ]
        .into_iter()
        .find(|found| found.iter().any(Option::is_some));
        match found {
            Some([Some(width), Some(height)]) => {
                let (w, h) = (tree.number(width)?, tree.number(height)?);
                let values = [w.unwrap_or_default(), h.unwrap_or_default()];
                return tree::size(values, &format!("{width} and {height}")).map(Some);
            }
            Some([Some(one), None] | [None, Some(one)])
                if !prefix.is_empty() && PREFIXES.contains(&&*prefix) =>
            {
                return Err(format!(
                    "it has {one}, and not the other side of its pictures"
                ));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Reads the size from one key for both.
fn listed(tree: &Tree) -> Parsed<Option<(String, Vec<f64>)>> {
    for (index, name) in LISTS.iter().enumerate() {
        let Some((key, value)) = tree.spelled([*name]) else {
            continue;
        };
        match values(&value) {
            Some(values) => return Ok(Some((key, values))),
            None if index < SURE => return Err(format!("{key} is not a width and a height")),
            None => {}
        }
    }
    let like = |key: &&str| {
        let name = plain(key);
        ["size", "resolution", "shape", "dim"]
            .iter()
            .any(|word| name.contains(word))
            && !OTHERS.iter().any(|word| name.contains(word))
    };
    let found = tree.keys().into_iter().filter(like).find_map(|key| {
        let values = values(&tree.get(key)?)?;
        let large = values.iter().take(2).all(|side| *side >= LEAST);
        large.then(|| (key.to_owned(), values))
    });
    Ok(found)
}

/// Reads two or three numbers, or a map of width and height.
fn values(value: &Tree) -> Option<Vec<f64>> {
    if let Some(text) = value.text() {
        let words = text.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let numbers: Option<Vec<f64>> = words.iter().map(|word| word.parse().ok()).collect();
        return numbers.filter(|numbers| [2, 3].contains(&numbers.len()));
    }
    if let Ok(Some(Size { width, height })) = named(value) {
        return Some(vec![f64::from(width), f64::from(height)]);
    }
    let numbers = value.numbers("").ok()?;
    let channels = numbers.len() == 3 && [1.0, 3.0, 4.0].contains(&numbers[2]);
    (numbers.len() == 2 || channels).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, center: [f64; 2]) -> (String, bool) {
        let found = find(&Tree::parse(text).unwrap(), center).unwrap();
        let (size, doubt) = found.unwrap();
        (size.to_string(), doubt.is_some())
    }

    #[test]
    fn a_size_is_found_under_any_name_and_in_any_form() {
        for text in [
            "image_width: 640\nimage_height: 480\n",
            "Width: 640\nHeight: 480\n",
            "w: 640\nh: 480\n",
            "calib_width: 640\ncalib_height: 480\nboard_width: 9\nboard_height: 6\n",
            "resolution: [640, 480]\n",
            "resolution: {width: 640, height: 480}\n",
            "imageSize: 640x480\n",
            "img_size: \"(640, 480)\"\n",
            "board_size: [100, 70]\ncalibrated_size: [640, 480]\n",
            "image_shape: [480, 640, 3]\n",
            "image_shape: [480, 640]\n",
            "size: 0.025\ndim: [640, 480]\n",
        ] {
            let expected = ("640x480".to_owned(), false);
            assert_eq!(found(text, [321.0, 238.0]), expected, "{text}");
        }
    }

    #[test]
    fn the_principal_point_tells_the_height_from_the_width() {
        let other = "image_size: [480, 640]\n";
        assert_eq!(found(other, [322.0, 241.0]), ("640x480".into(), true));
        // The point is far from the middle of both, but too far only of one.
        let camera = "image_size: [720, 1280]\n";
        assert_eq!(found(camera, [625.0, 478.0]), ("1280x720".into(), true));
        // These pictures are in portrait orientation.
        assert_eq!(found(other, [238.0, 322.0]), ("480x640".into(), false));
        // Width and height that have their own names only give a warning.
        let named = "image_width: 480\nimage_height: 640\n";
        assert_eq!(found(named, [322.0, 241.0]), ("480x640".into(), false));
        let size = Size {
            width: 480,
            height: 640,
        };
        let doubt = exchanged(size, [322.0, 241.0]).unwrap();
        assert!(
            doubt.starts_with("the principal point fits 640x480"),
            "{doubt}"
        );
        assert_eq!(exchanged(size, [238.0, 322.0]), None);
    }

    #[test]
    fn a_second_size_gives_a_warning() {
        let text = "image_width: 1280\nimage_height: 960\ncalib_size: [640, 480]\n";
        assert_eq!(found(text, [322.0, 241.0]), ("1280x960".into(), true));
        let same = "image_width: 640\nimage_height: 480\nimage_shape: [480, 640, 3]\n";
        assert_eq!(found(same, [322.0, 241.0]), ("640x480".into(), false));
    }

    #[test]
    fn what_is_no_size_is_named_or_left_alone() {
        let find = |text: &str| find(&Tree::parse(text).unwrap(), [0.0; 2]);
        assert_eq!(find("board_size: [900, 600]\nsize: 3\n"), Ok(None));
        for text in ["image_size: big\n", "image_size: [640]\n"] {
            let error = find(text).unwrap_err();
            assert_eq!(error, "image_size is not a width and a height");
        }
        // The width of a line that a program draws.
        assert_eq!(find("line_width: 2\n"), Ok(None));
        let error = find("image_width: 640\n").unwrap_err();
        assert!(error.starts_with("it has image_width, and not"), "{error}");
    }
}
