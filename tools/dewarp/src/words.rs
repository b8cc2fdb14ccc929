// SPDX-License-Identifier: GPL-2.0
//! Map files of other programs: NXP's `userMap`, a text with one word per line,
//! and the sizes in the names that NXP's tool for mainline gives its files.

use std::path::Path;

use crate::format::Size;

/// Converts a map file into binary: a text of hexadecimal words, 8 digits each,
/// becomes little-endian words; other content is not changed.
pub fn binary(bytes: Vec<u8>) -> Vec<u8> {
    let word = |text: &str| {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
    };
    let words: Option<Vec<u32>> = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.split_ascii_whitespace().map(word).collect());
    match words {
        Some(words) if !words.is_empty() => words.into_iter().flat_map(u32::to_le_bytes).collect(),
        _ => bytes,
    }
}

/// Returns the sizes of input and output in a name such as
/// `map-dw100-640x480_320x240.bin`.
pub fn named(path: &Path) -> Option<[Size; 2]> {
    let name = path.file_stem()?.to_str()?;
    let (input, output) = name.strip_prefix("map-dw100-")?.split_once('_')?;
    Some([input.parse().ok()?, output.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_text_are_those_of_the_engine() {
        let text = b"00000000\n00000100\n001002ff\r\n".to_vec();
        let words = [0u32, 0x100, 0x10_02ff];
        let right: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        assert_eq!(binary(text), right);
        for other in [
            &b""[..],
            b"0000\n",
            b"0000000g\n",
            b"\x00\x01\x02\x03",
            b"000000000\n",
        ] {
            assert_eq!(binary(other.to_vec()), other);
        }
    }

    #[test]
    fn names_have_the_input_first() {
        let sizes =
            |name: &str| named(Path::new(name)).map(|sizes| sizes.map(|size| size.to_string()));
        let right = ["640x480".to_owned(), "320x240".to_owned()];
        assert_eq!(sizes("maps/map-dw100-640x480_320x240.bin"), Some(right));
        assert_eq!(sizes("map.bin"), None);
        assert_eq!(sizes("map-dw100-640x480.bin"), None);
    }
}
