// SPDX-License-Identifier: GPL-2.0

//! Parses a plan of frames: `open FORMAT SIZE FORMAT SIZE` opens a node and sets OUTPUT and
//! CAPTURE, `map FILE` starts a stream with a map (`-` with the driver's own), and `frame LEFT
//! TOP WIDTH HEIGHT` processes a frame with that crop.

use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};
use dewarp::Format;

use crate::v4l2::Rect;

/// One node's formats and its streams.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// The queue of frames to the engine.
    pub output: Side,
    /// The queue of frames from the engine.
    pub capture: Side,
    /// The streams, one after the other.
    pub streams: Vec<Streaming>,
}

/// A queue's format and size.
#[derive(Debug, PartialEq, Eq)]
pub struct Side {
    /// Pixel format.
    pub format: Format,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

/// One stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Streaming {
    /// The file of the map that is set before the stream.
    pub map: Option<String>,
    /// The crop of each frame.
    pub crops: Vec<Rect>,
}

/// Reads a plan.
pub fn parse(text: &str) -> Result<Vec<Setting>> {
    let mut settings: Vec<Setting> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split_whitespace().collect();
        add(&mut settings, &words)
            .with_context(|| format!("the plan's line {}, {line:?}", number + 1))?;
    }
    Ok(settings)
}

fn add(settings: &mut Vec<Setting>, words: &[&str]) -> Result<()> {
    match (words, settings.last_mut()) {
        (["open", input, source, output, destination], _) => settings.push(Setting {
            output: side(input, source)?,
            capture: side(output, destination)?,
            streams: Vec::new(),
        }),
        (["map", file], Some(setting)) => setting.streams.push(Streaming {
            map: (*file != "-").then(|| (*file).to_owned()),
            crops: Vec::new(),
        }),
        (["frame", left, top, width, height], Some(setting)) => {
            let stream = setting
                .streams
                .last_mut()
                .context("no map before a frame")?;
            let rect = Rect::new(number(left)?, number(top)?, number(width)?, number(height)?);
            stream.crops.push(rect);
        }
        _ => bail!("it takes open, then map, then frame"),
    }
    Ok(())
}

fn side(format: &str, size: &str) -> Result<Side> {
    let (width, height) = size
        .split_once('x')
        .with_context(|| format!("a size is WIDTHxHEIGHT, not {size}"))?;
    Ok(Side {
        format: format.parse().map_err(Error::msg)?,
        width: number(width)?,
        height: number(height)?,
    })
}

fn number<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().with_context(|| format!("no number: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_settings_of_streams_of_frames() {
        let plan = "open nv12 640x480 nv21m 1280x960\nmap -\nframe 0 0 640 480\nframe 1 2 3 4\n\
                    map lens.map\nframe 0 0 1 1\nopen yuyv 176x144 uyvy 176x144\n";
        let settings = parse(plan).unwrap();
        assert_eq!(settings.len(), 2);
        let Setting {
            output,
            capture,
            streams,
        } = &settings[0];
        assert_eq!((output.width, output.height), (640, 480));
        assert_eq!(&capture.format.fourcc, b"NM21");
        assert_eq!(streams.len(), 2);
        assert_eq!(streams[0].map, None);
        assert_eq!(streams[0].crops[1], Rect::new(1, 2, 3, 4));
        assert_eq!(streams[1].map.as_deref(), Some("lens.map"));
    }

    #[test]
    fn a_bad_line_is_told_with_its_number() {
        for (plan, what) in [
            ("map -\n", "line 1"),
            ("open nv12 1x1 nv12 1x1\nframe 0 0 1 1\n", "line 2"),
            ("open nv12 1-1 nv12 1x1\n", "WIDTHxHEIGHT, not 1-1"),
            ("open rgb 1x1 nv12 1x1\n", "rgb"),
            ("\n", "line 1"),
        ] {
            let error = format!("{:#}", parse(plan).unwrap_err());
            assert!(error.contains(what), "{plan:?}: {error}");
        }
    }
}
