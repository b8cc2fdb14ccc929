// SPDX-License-Identifier: GPL-2.0
//! The text of a calibration file. A file that is not text is detected by its first bytes, and
//! deviations from YAML that programs write are corrected without moving a line.

use super::{Parsed, by_hand};

/// The largest file that is read, in bytes.
pub const LARGEST: u64 = 16 << 20;

/// The indentation that is added to lines inside brackets: deeper than any key.
const INSIDE: &str = "                                ";

/// First bytes of files that are not text, with the advice for each.
const BINARY: [(&[u8], &str); 13] = [
    (
        &[0x1f, 0x8b],
        "it is compressed, unpack it with gunzip, or a .tar.gz with tar xzf: that of ROS has ost.yaml in it",
    ),
    (
        b"%PDF",
        "it is a PDF: the numbers are in another file of the same program, such as Kalibr's camchain.yaml",
    ),
    (b"#ROSBAG", RECORDING),
    (b"\x89MCAP", RECORDING),
    (
        b"PK\x03\x04",
        "it is numpy's archive (.npz) or another zip: write JSON, with tolist() of each matrix",
    ),
    (
        b"\x93NUMPY",
        "it is numpy's array (.npy): write JSON, with tolist() of each matrix",
    ),
    (b"\x80", PICKLE),
    (b"(dp", PICKLE),
    (b"MATLAB ", "it is MATLAB's: write JSON, with jsonencode"),
    (b"\x89HDF", "it is HDF5: write JSON"),
    (b"\x89PNG", "it is a picture"),
    (&[0xff, 0xd8, 0xff], "it is a picture"),
    (
        b"SQLite format",
        "it is a database, such as COLMAP's: export it as text",
    ),
];

const PICKLE: &str = "it is Python's pickle: write JSON, with tolist() of each matrix";
const RECORDING: &str = "it is a recording of ROS: write a message of its camera_info topic to a file, with ros2 topic echo --once";

/// Returns the text of a file. Numbers and names of keys are ASCII, so bytes of other encodings,
/// which stand in comments and dates, are replaced.
pub fn of(bytes: Vec<u8>) -> Parsed<String> {
    if bytes.len() as u64 > LARGEST {
        return Err("it has more than 16 MiB: it is no camera calibration".into());
    }
    if let Some((_, why)) = BINARY.iter().find(|(first, _)| bytes.starts_with(first)) {
        return Err((*why).into());
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err("it is an archive: unpack it with tar xf".into());
    }
    let text = match utf16(&bytes) {
        Some(text) => text,
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    // The last letter of a file of DOS was Ctrl-Z.
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_end_matches('\u{1a}');
    let binary = |letter: char| letter.is_control() && !letter.is_whitespace();
    if text.contains(binary) {
        return Err(
            "it is no text, as YAML, JSON and XML are; if it is a map of vertices, `dewarp run --map` and \
             `dewarp info` take it"
                .into(),
        );
    }
    // A line of earlier Macs ends with a carriage return alone.
    let text = match text.contains('\n') {
        true => text.to_owned(),
        false => text.replace('\r', "\n"),
    };
    // A space that does not break a line separates nothing in YAML.
    Ok(text.replace('\u{a0}', " "))
}

/// Returns the text of a file in UTF-16, which begins with a byte order mark or has a zero in every
/// other byte.
fn utf16(bytes: &[u8]) -> Option<String> {
    let little = match bytes {
        [0xff, 0xfe, ..] => true,
        [0xfe, 0xff, ..] => false,
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => true,
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => false,
        _ => return None,
    };
    let units = bytes.chunks_exact(2).map(|pair| match little {
        true => u16::from_le_bytes([pair[0], pair[1]]),
        false => u16::from_be_bytes([pair[0], pair[1]]),
    });
    let letters = char::decode_utf16(units);
    Some(
        letters
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

/// Returns how many YAML documents a text has. The parser reads the first one.
pub fn documents(text: &str) -> usize {
    let told = |line: &&str| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with(['#', '%']) || line == "...")
    };
    let mut count = 0;
    let mut open = false;
    for line in text.lines() {
        if line.trim_end() == "---" {
            open = false;
        } else if !open && told(&line) {
            open = true;
            count += 1;
        }
    }
    count
}

/// Converts a text into what the YAML parser accepts: OpenCV's first line, `%YAML:1.0`, is not a
/// YAML directive, and JSON may have comments.
pub fn yaml(text: &str) -> Parsed<String> {
    let text = match text.split_once('\n') {
        Some((first, rest)) if first.starts_with("%YAML") => " ".repeat(first.len()) + "\n" + rest,
        _ => text.to_owned(),
    };
    match is_json(&text) {
        true => json(&text),
        false => Ok(text),
    }
}

/// Returns whether a text begins with a brace, or with a comment of JSON and then a bracket.
fn is_json(text: &str) -> bool {
    let start = text.trim_start();
    let mut rest = start;
    loop {
        let comment = match rest.get(..2) {
            Some("//") => rest.split_once('\n'),
            Some("/*") => rest.split_once("*/"),
            _ => break,
        };
        rest = comment.map_or("", |(_, rest)| rest.trim_start());
    }
    rest.starts_with('{') || (rest.len() < start.len() && rest.starts_with('['))
}

/// Corrects what OpenCV's and Python's parsers accept although YAML does not: a value without a
/// space after the colon of its key (`data:[1, 2]`), and lines inside brackets that begin to the
/// left of their key. Lines stay where they are.
pub fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + text.len() / 8);
    // The number of open brackets, and the open quote.
    let (mut depth, mut quote) = (0usize, None);
    for line in text.split_inclusive('\n') {
        let mut rest = line;
        if depth > 0 {
            mended.push_str(INSIDE);
        } else if let Some((key, value)) = line.split_once(':') {
            let plain = |letter: char| letter.is_alphanumeric() || "_.- ".contains(letter);
            let close = value
                .starts_with(|first: char| "[{\"-+.".contains(first) || first.is_ascii_digit());
            if close && quote.is_none() && !key.trim().is_empty() && key.chars().all(plain) {
                mended.push_str(key);
                mended.push_str(": ");
                rest = value;
            }
        }
        mended.push_str(rest);
        let mut before = ' ';
        for letter in rest.chars() {
            match (quote, letter) {
                (Some(open), _) if open == letter => quote = None,
                (Some(_), _) => {}
                (None, '#') if before.is_whitespace() => break,
                // A quote begins a value; an apostrophe is inside a word.
                (None, '"' | '\'') if !before.is_alphanumeric() => quote = Some(letter),
                (None, '[' | '{') => depth += 1,
                (None, ']' | '}') => depth = depth.saturating_sub(1),
                _ => {}
            }
            before = letter;
        }
    }
    mended
}

/// Returns JSON without comments and without the trailing commas that OpenCV writes.
fn json(text: &str) -> Parsed<String> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    // The last significant character, and the number of open brackets.
    let (mut last, mut depth) = (' ', 0usize);
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('"', _) => {
                plain.push('"');
                let mut escaped = false;
                loop {
                    let next = characters.next().ok_or_else(cut)?;
                    plain.push(next);
                    if next == '"' && !escaped {
                        break;
                    }
                    escaped = next == '\\' && !escaped;
                }
            }
            ('/', Some('/')) => {
                plain.push(' ');
                while let Some(next) = characters.next_if(|next| *next != '\n') {
                    plain.extend(std::iter::repeat_n(' ', next.len_utf8()));
                }
                continue;
            }
            ('/', Some('*')) => {
                plain.push(' ');
                let mut before = ' ';
                loop {
                    let next = characters.next().ok_or_else(cut)?;
                    match next {
                        '\n' => plain.push('\n'),
                        _ => plain.extend(std::iter::repeat_n(' ', next.len_utf8())),
                    }
                    if (before, next) == ('*', '/') {
                        break;
                    }
                    before = next;
                }
                continue;
            }
            (',', _) if matches!(last, ',' | '{' | '[' | ' ') => plain.push(' '),
            // YAML does not allow a tab at the beginning of a line.
            ('\t', _) => plain.push(' '),
            _ => plain.push(character),
        }
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !character.is_whitespace() {
            last = character;
        }
    }
    match depth {
        0 => Ok(plain),
        _ => Err(cut()),
    }
}

/// Returns a note about a text whose last number or word may be truncated, because nothing marks
/// its end.
pub fn unended(text: &str) -> Option<String> {
    let closed = text.trim_start().starts_with(['{', '[', '<']);
    let open = text.ends_with(|last: char| last.is_alphanumeric() || "._-+".contains(last));
    let last = text.lines().last().unwrap_or_default().trim();
    (open && !closed && last.chars().any(|letter| letter.is_ascii_digit()))
        .then(|| format!("the file's last line has no end, taken as it stands: {last}"))
}

/// Returns the error for a file that is not complete.
pub fn cut() -> String {
    "the file ends in the middle: a bracket or a quote is not closed".into()
}

/// Returns the error for a text of no known format.
pub fn unknown(why: &str) -> String {
    format!("it is neither YAML nor JSON nor XML ({why}); {}", by_hand())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_everything_else_stays_where_it_was() {
        let text =
            "{ // é\n \"a\": \"// no, \\\" comment\", /* one\n two */ ,\n \"b\": [ , 1,, 2 ]\n}";
        let plain = json(text).unwrap();
        assert_eq!(
            plain,
            "{      \n \"a\": \"// no, \\\" comment\",       \n         \n \"b\": [   1,  2 ]\n}"
        );
        assert_eq!(plain.len(), text.len());
    }

    #[test]
    fn what_other_parsers_take_is_put_right() {
        for (text, right) in [
            (
                "a:\n  data:[1, 2]\nViewer.Size:2\n",
                "a:\n  data: [1, 2]\nViewer.Size: 2\n",
            ),
            (
                "a: [1,\n2] # [\nb:-1\n",
                "a: [1,\n                                2] # [\nb: -1\n",
            ),
            // Text is not changed.
            (
                "a: \"b:[\"\nc: it's [1]\nd: http://x\ne: x:1\n",
                "a: \"b:[\"\nc: it's [1]\nd: http://x\ne: x:1\n",
            ),
        ] {
            assert_eq!(mended(text), right);
        }
    }

    #[test]
    fn json_that_is_cut_off_is_told_so() {
        for text in ["{\"a\": [1, 2", "{\"a", "{ /* ", "{\"a\": \"\\"] {
            assert_eq!(json(text), Err(cut()), "{text}");
        }
    }
}
