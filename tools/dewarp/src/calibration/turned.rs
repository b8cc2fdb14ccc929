// SPDX-License-Identifier: GPL-2.0
//! Keys that say that a program turns the camera's pictures. No reader uses
//! them, so the user is told.

use super::tree::{Tree, plain};

/// Names of such keys.
const KEYS: [&str; 17] = [
    "rotate",
    "rotation",
    "rotationangle",
    "rotationdeg",
    "rotationdegrees",
    "imagerotation",
    "camerarotation",
    "frameorientation",
    "flip",
    "flipmethod",
    "fliphorizontal",
    "flipvertical",
    "hflip",
    "vflip",
    "mirror",
    "mirrored",
    "transpose",
];

/// Values that leave the pictures as they are.
const NOTHING: [&str; 8] = ["0", "false", "no", "none", "off", "", "normal", "landscape"];

/// Returns a note about the first key that turns the pictures.
pub fn note(tree: &Tree) -> Option<String> {
    let mut found = None;
    tree.each(&mut |key, value| {
        let nothing = value.parse::<f64>() == Ok(0.0) || NOTHING.contains(&plain(value).as_str());
        if found.is_none() && !nothing && KEYS.contains(&plain(key).as_str()) {
            let value: String = value.chars().take(20).collect();
            found = Some(format!(
                "its {key}: {value} is not used: if a program turns the pictures by it, say so with --rotate \
                 or --flip"
            ));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_turns_the_pictures_is_told() {
        let note = |text: &str| note(&Tree::parse(text).unwrap());
        for text in ["rotate: 180\n", "cam:\n  Flip-Horizontal: true\n"] {
            assert!(note(text).is_some(), "{text}");
        }
        for text in [
            "rotate: 0\n",
            "flip: false\n",
            "frame_orientation: landscape\n",
            "rotation: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]\n",
        ] {
            assert_eq!(note(text), None, "{text}");
        }
    }
}
