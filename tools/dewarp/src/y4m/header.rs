// SPDX-License-Identifier: GPL-2.0
//! The header of a Y4M file. It is checked before the decoder allocates a frame, because the
//! decoder does not say what is wrong.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use y4m::Ratio;

use crate::error::{Error, Result};
use crate::format::{Layout, Size};

/// The longest header that the decoder reads.
const LONGEST: u64 = 1024;

/// The header of a file whose frames can be sent.
pub struct Header {
    /// The size of the frames.
    pub size: Size,
    /// The layout of the frames after their planes are joined.
    pub layout: Layout,
    /// The parameter of the header that gives the layout.
    pub colorspace: String,
    /// Bytes before the first frame.
    pub bytes: u64,
}

impl Header {
    /// Reads the header of a file.
    ///
    /// Returns a bad-use error unless it describes frames in 8 bits, 4:2:0 or 4:2:2, not
    /// interlaced, and of a size that the device takes.
    pub fn read(path: &Path) -> Result<Self> {
        let mut line = Vec::new();
        File::open(path)
            .map(|file| BufReader::new(file).take(LONGEST))
            .and_then(|mut file| file.read_until(b'\n', &mut line))
            .map_err(|error| Error::file("cannot read", path, error))?;
        let text = String::from_utf8_lossy(&line);
        let header = Header::of(&text).map_err(|why| Error::content(path, why))?;
        header.size.check()?;
        Ok(Header {
            // CAST: it is at most LONGEST.
            bytes: line.len() as u64,
            ..header
        })
    }

    fn of(line: &str) -> std::result::Result<Self, String> {
        let parameters = line
            .strip_prefix("YUV4MPEG2 ")
            .and_then(|rest| rest.strip_suffix('\n'))
            .ok_or("no Y4M video: it does not begin with a line of YUV4MPEG2 and parameters")?;
        // The last parameter of a kind counts.
        let find = |tag: &str| parameters.rsplit(' ').find(|text| text.starts_with(tag));
        let side = |tag: &str, what: &str| {
            let text = find(tag).ok_or(format!("its header has no {what} ({tag})"))?;
            let pixels = text[1..].parse::<u32>();
            pixels.map_err(|_| format!("{text} in its header is no {what} in pixels"))
        };
        let size = Size {
            width: side("W", "width")?,
            height: side("H", "height")?,
        };
        for (tag, what) in [("F", "rate, like F30:1"), ("A", "pixel aspect, like A1:1")] {
            match find(tag) {
                Some(text) if Ratio::parse(&text.as_bytes()[1..]).is_err() => {
                    return Err(format!("{text} in its header is no {what}"));
                }
                _ => {}
            }
        }
        if let Some("It" | "Ib" | "Im") = find("I") {
            return Err("it is interlaced; make whole pictures of its fields first".to_owned());
        }
        let colorspace = find("C").unwrap_or("C420");
        Ok(Header {
            size,
            layout: layout(colorspace).ok_or(format!(
                "it has frames of {colorspace}; C420 and C422 of 8 bits can be sent"
            ))?,
            colorspace: colorspace.to_owned(),
            bytes: 0,
        })
    }
}

/// Returns the layout of a colour space after the planes are joined, or `None` if the engine does
/// not take it.
pub fn layout(colorspace: &str) -> Option<Layout> {
    match colorspace {
        "C420" | "C420jpeg" | "C420paldv" | "C420mpeg2" => Some(Layout::SemiPlanar420),
        "C422" => Some(Layout::SemiPlanar422),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_cannot_be_sent_says_what_is_wrong() {
        let cases = [
            ("not a video", "no Y4M video: "),
            ("YUV4MPEG2 W176 H144", "no Y4M video: "),
            ("YUV4MPEG2 H144\n", "its header has no width (W)"),
            ("YUV4MPEG2 W176\n", "its header has no height (H)"),
            (
                "YUV4MPEG2 W18446744073709551615 H144\n",
                "W18446744073709551615 in its header is no width in pixels",
            ),
            ("YUV4MPEG2 W100000 H100000\n", "100000x100000 is not a size"),
            ("YUV4MPEG2 W176 H144 F25\n", "F25 in its header is no rate"),
            ("YUV4MPEG2 W176 H144 A1\n", "A1 in its header is no pixel"),
            ("YUV4MPEG2 W176 H144 It C420\n", "it is interlaced"),
            (
                "YUV4MPEG2 W176 H144 C420p10\n",
                "it has frames of C420p10; ",
            ),
            ("YUV4MPEG2 W176 H144 Cfoo\n", "it has frames of Cfoo; "),
        ];
        let name = format!("dewarp-header-{}.y4m", std::process::id());
        let path = std::env::temp_dir().join(name);
        for (line, why) in cases {
            std::fs::write(&path, line).unwrap();
            let error = Header::read(&path).err().unwrap();
            assert!(error.to_string().contains(why), "{error}");
            assert_eq!(error.exit_code(), 2, "{error}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
