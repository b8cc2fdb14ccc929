// SPDX-License-Identifier: GPL-2.0
//! The key to the colours of the local scale, as a strip below it.

use super::shade;
use crate::format::Size;
use crate::picture::Picture;

/// Width and height of a letter, in pixels.
const LETTER: [u32; 2] = [5, 7];
const GAP: u32 = 1;

/// The height of the strip before it is enlarged, in pixels.
const HEIGHT: u32 = 24;

/// The letters that are used, line by line, with the leftmost pixel in bit 4.
const LETTERS: [(char, [u8; 7]); 14] = [
    ('1', [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('2', [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f]),
    ('4', [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02]),
    ('/', [0x01, 0x01, 0x02, 0x04, 0x08, 0x10, 0x10]),
    (':', [0x00, 0x04, 0x04, 0x00, 0x04, 0x04, 0x00]),
    ('o', [0x00, 0x00, 0x0e, 0x11, 0x11, 0x11, 0x0e]),
    ('u', [0x00, 0x00, 0x11, 0x11, 0x11, 0x13, 0x0d]),
    ('t', [0x08, 0x08, 0x1c, 0x08, 0x08, 0x09, 0x06]),
    ('s', [0x00, 0x00, 0x0f, 0x10, 0x0e, 0x01, 0x1e]),
    ('i', [0x04, 0x00, 0x0c, 0x04, 0x04, 0x04, 0x0e]),
    ('d', [0x01, 0x01, 0x0d, 0x13, 0x11, 0x11, 0x0f]),
    ('e', [0x00, 0x00, 0x0e, 0x11, 0x1f, 0x10, 0x0e]),
    ('g', [0x00, 0x0f, 0x11, 0x11, 0x0f, 0x01, 0x0e]),
    (' ', [0; 7]),
];

/// Scales with their words: source pixels per output pixel.
const KEY: [(f64, &str); 5] = [
    (0.25, "1/4"),
    (0.5, "1/2"),
    (1.0, "1:1"),
    (2.0, "2"),
    (4.0, "4"),
];

/// Returns the picture with the key below it.
pub fn below(picture: &Picture) -> Picture {
    let Size { width, height } = picture.size;
    let times = (width / 320).max(1);
    let size = Size {
        width,
        height: height + HEIGHT * times,
    };
    let mut all = Picture::filled(size, [255; 3]);
    all.rgb[..picture.rgb.len()].copy_from_slice(&picture.rgb);
    let key = KEY.iter().map(|(scale, word)| (shade(*scale), *word));
    let others = [([128; 3], "outside"), ([0; 3], "edge")];
    let mut left = 2 * times;
    for (colour, word) in key.chain(others) {
        // CAST: it is the length of a short word.
        let across = (word.len() as u32 * (LETTER[0] + GAP)).max(12) * times;
        let top = height + 2 * times;
        fill(&mut all, [left, top], [across, 10 * times], [0; 3]);
        let inner = [across - 2 * times, 8 * times];
        fill(&mut all, [left + times, top + times], inner, colour);
        write(&mut all, word, [left, height + 14 * times], times);
        left += across + 4 * times;
    }
    all
}

/// Fills the part of a rectangle that is inside the picture.
fn fill(picture: &mut Picture, [left, top]: [u32; 2], [width, height]: [u32; 2], colour: [u8; 3]) {
    let Size {
        width: w,
        height: h,
    } = picture.size;
    for y in top..(top + height).min(h) {
        for x in left..(left + width).min(w) {
            let at = (y as usize * w as usize + x as usize) * 3;
            picture.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }
}

fn write(picture: &mut Picture, word: &str, [left, top]: [u32; 2], times: u32) {
    for (index, letter) in (0..).zip(word.chars()) {
        let lines = LETTERS.iter().find(|(known, _)| *known == letter);
        let lines = lines.map_or([0; 7], |(_, lines)| *lines);
        let left = left + index * (LETTER[0] + GAP) * times;
        for (y, line) in (0..).zip(lines) {
            for x in (0..LETTER[0]).filter(|x| line >> (LETTER[0] - 1 - x) & 1 == 1) {
                let at = [left + x * times, top + y * times];
                fill(picture, at, [times; 2], [0; 3]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_has_every_colour_that_a_block_may_have() {
        let size = Size {
            width: 320,
            height: 240,
        };
        let picture = below(&Picture::filled(size, [9, 9, 9]));
        assert_eq!(picture.size.to_string(), "320x264");
        assert_eq!(
            picture.rgb[..320 * 240 * 3],
            Picture::filled(size, [9; 3]).rgb
        );
        let strip = &picture.rgb[320 * 240 * 3..];
        for (scale, word) in KEY {
            assert!(strip.chunks(3).any(|pixel| pixel == shade(scale)), "{word}");
        }
        assert!(strip.chunks(3).any(|pixel| pixel == [128; 3]));
        for word in KEY
            .map(|(_, word)| word)
            .into_iter()
            .chain(["outside", "edge"])
        {
            let known = |letter| LETTERS.iter().any(|(known, _)| *known == letter);
            assert!(word.chars().all(known), "{word}");
        }
    }
}
