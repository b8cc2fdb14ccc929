// SPDX-License-Identifier: GPL-2.0
//! Map files of other programs: NXP's `userMap`, a text with one word per line;
//! and the YAML of NXP's tool for mainline, and the sizes in the names that it
//! gives its files.

use std::path::Path;

use crate::format::Size;

/// Converts a map file into binary: a text of hexadecimal words, 8 digits each,
/// or the YAML of NXP's tool becomes little-endian words; other content is not
/// changed.
pub fn binary(bytes: Vec<u8>) -> Vec<u8> {
    if let Some(words) = listed(&bytes, "mapping") {
        return words.into_iter().flat_map(u32::to_le_bytes).collect();
    }
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

/// Returns the numbers in the list of a key of the YAML that NXP's tool writes:
/// `{input-resolution: [640, 480], mapping: [0, 256, ...], output-resolution:
/// [320, 240]}`.
fn listed(bytes: &[u8], key: &str) -> Option<Vec<u32>> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start();
    if !text.starts_with('{') || !text.contains("output-resolution:") {
        return None;
    }
    let (_, value) = text.split_once(&format!("{key}:"))?;
    let (list, _) = value.trim_start().strip_prefix('[')?.split_once(']')?;
    let numbers = list.split(',').map(|number| number.trim().parse().ok());
    numbers.collect()
}

/// Returns the sizes of input and output in the YAML that NXP's tool writes.
pub fn said(bytes: &[u8]) -> Option<[Size; 2]> {
    let size = |key| match listed(bytes, key)?[..] {
        [width, height] => Some(Size { width, height }),
        _ => None,
    };
    Some([size("input-resolution")?, size("output-resolution")?])
}

/// Returns the sizes of input and output in a name such as
/// `map-dw100-640x480_320x240.bin`, or `map-dw100-1-640x480_320x240.bin` of the
/// second camera of a pair.
pub fn named(path: &Path) -> Option<[Size; 2]> {
    let (_, sizes) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let (input, output) = sizes.split_once('_')?;
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
    fn the_yaml_of_nxp_s_tool_has_words_and_sizes() {
        // PyYAML breaks the line at 80 columns.
        let text = b"{input-resolution: [640, 480], mapping: [0, 256, 16777471,\n    33554431], \
            output-resolution: [320, 240]}\n"
            .to_vec();
        let words = [0u32, 256, 16_777_471, 33_554_431];
        let right: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        let sizes = said(&text).map(|sizes| sizes.map(|size| size.to_string()));
        assert_eq!(sizes, Some(["640x480".to_owned(), "320x240".to_owned()]));
        assert_eq!(binary(text), right);
        for other in [
            &b"{mapping: [0, 256]}"[..],
            b"{output-resolution: [320, 240], mapping: [0, x]}",
            b"{output-resolution: [320, 240], mapping: [0, 1",
        ] {
            assert_eq!(binary(other.to_vec()), other);
            assert_eq!(said(other), None);
        }
    }

    #[test]
    fn names_have_the_input_first() {
        let sizes =
            |name: &str| named(Path::new(name)).map(|sizes| sizes.map(|size| size.to_string()));
        let right = ["640x480".to_owned(), "320x240".to_owned()];
        for name in [
            "maps/map-dw100-640x480_320x240.bin",
            "map-dw100-1-640x480_320x240.bin",
            "left-640x480_320x240.yaml",
        ] {
            assert_eq!(sizes(name), Some(right.clone()), "{name}");
        }
        assert_eq!(sizes("map.bin"), None);
        assert_eq!(sizes("map-dw100-640x480.bin"), None);
    }
}
