// SPDX-License-Identifier: GPL-2.0

//! What a driver did for each frame: what it returned to the program, and how it accessed the
//! engine.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use dw100_model::trace;
use serde::Deserialize;

use crate::access::Access;
use crate::crop::Rect;

/// A frame as the program on the board sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Said {
    /// The image that VIDIOC_S_FMT returned for OUTPUT.
    pub output: Image,
    /// The image that VIDIOC_S_FMT returned for CAPTURE.
    pub capture: Image,
    /// The rectangle that VIDIOC_S_SELECTION returned, or its error.
    pub crop: std::result::Result<Rect, String>,
    /// Digests of the destination's planes, if they were computed.
    pub planes: Option<Vec<String>>,
}

/// An image as V4L2 describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Image {
    /// The format's four-character code.
    pub fourcc: String,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bytes of a line and of the whole, for each buffer.
    pub buffers: Vec<(u32, u32)>,
}

/// A frame as the engine sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The registers at START, by offset.
    pub registers: BTreeMap<u32, u32>,
    /// Digest of the vertex map.
    pub lut: Option<String>,
    /// Status bits at the end of the frame.
    pub status: u8,
    /// The register accesses since the acknowledgement of the frame before, in order.
    pub sequence: Vec<Access>,
}

impl Started {
    /// Returns a register. One that is not in the trace reads as 0, and the comparison reports
    /// that it is missing.
    pub fn get(&self, offset: u32) -> u32 {
        self.registers.get(&offset).copied().unwrap_or(0)
    }
}

/// The two views of one frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The program's view.
    pub said: Said,
    /// The engine's view.
    pub started: Started,
}

/// Matches what the program and the engine saw. `runs` are the program's records, one after the
/// other; the trace covers all of them. Returns the records of each run.
pub fn line_up(runs: &[&str], trace: &str) -> Result<Vec<Vec<Record>>> {
    let mut started = trace
        .lines()
        .map(|line| into_started(serde_json::from_str(line)?))
        .collect::<Result<Vec<_>>>()
        .context("the trace")?
        .into_iter();
    let said = runs
        .iter()
        .map(|run| said(run))
        .collect::<Result<Vec<_>>>()?;
    let (frames, due) = (started.len(), said.iter().map(Vec::len).sum::<usize>());
    ensure!(
        frames == due,
        "the engine started {frames} frames, the program sent {due}"
    );
    let record = |run: Vec<Said>| {
        let pairs = run.into_iter().zip(started.by_ref());
        pairs
            .map(|(said, started)| Record { said, started })
            .collect()
    };
    Ok(said.into_iter().map(record).collect())
}

fn said(run: &str) -> Result<Vec<Said>> {
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| format!("the record's line {}", number + 1))
    };
    run.lines().enumerate().map(line).collect()
}

fn into_started(frame: trace::Frame) -> Result<Started> {
    let count = usize::try_from(frame.reads + frame.writes)?;
    let sequence = frame
        .sequence
        .iter()
        .map(|text| text.parse())
        .collect::<Result<Vec<Access>>>()?;
    ensure!(
        sequence.len() == count && count < trace::SEQUENCE_LEN,
        "frame {} has {count} register accesses and lists {}",
        frame.frame,
        sequence.len()
    );
    let number = |(offset, &value): (&String, &u32)| {
        let digits = offset.strip_prefix("0x").context("no hexadecimal offset")?;
        Ok((u32::from_str_radix(digits, 16)?, value))
    };
    Ok(Started {
        registers: frame.regs.iter().map(number).collect::<Result<_>>()?,
        lut: frame.lut,
        status: frame.status,
        sequence,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SAID: &str = r#"{"output":{"fourcc":"NV12","width":640,"height":480,"buffers":[[640,460800]]},"capture":{"fourcc":"YUYV","width":640,"height":480,"buffers":[[1280,614400]]},"crop":{"Ok":[0,0,640,480]},"planes":["17"]}"#;

    /// Returns a line of the trace.
    fn line(frame: u64) -> String {
        json!({
            "frame": frame,
            "regs": {"0x04": 7, "0x8c": 0},
            "reads": 1,
            "writes": 1,
            "irq_ns": null,
            "gate_ns": null,
            "ack_ns": null,
            "next_start_ns": null,
            "status": 1,
            "lut": frame.to_string(),
            "sequence": ["w 0x04 0x00000007", "r 0x70 0x0000ff01"],
        })
        .to_string()
    }

    fn trace(frames: u64) -> String {
        (1..=frames).map(|frame| line(frame) + "\n").collect()
    }

    #[test]
    fn frames_of_all_runs_find_theirs_in_the_trace() {
        let two = format!("{SAID}\n{SAID}\n");
        let runs = line_up(&[&two, SAID], &trace(3)).unwrap();
        let luts = |run: &[Record]| -> Vec<String> {
            run.iter().flat_map(|r| r.started.lut.clone()).collect()
        };
        assert_eq!(luts(&runs[0]), ["1", "2"]);
        assert_eq!(luts(&runs[1]), ["3"]);
        let Record { said, started } = &runs[1][0];
        assert_eq!(said.crop, Ok(Rect(0, 0, 640, 480)));
        assert_eq!(said.capture.buffers, [(1280, 614_400)]);
        assert_eq!((started.get(4), started.get(0x8c)), (7, 0));
        let accesses = [Access::write(4, 7), Access::read(0x70, 0xff01)];
        assert_eq!(started.sequence, accesses);
    }

    #[test]
    fn a_crop_that_was_refused_and_pixels_that_were_not_looked_at_can_be_told() {
        let line = SAID
            .replace(r#"{"Ok":[0,0,640,480]}"#, r#"{"Err":"ENOTTY"}"#)
            .replace(r#"["17"]"#, "null");
        let runs = line_up(&[&line], &trace(1)).unwrap();
        assert_eq!(runs[0][0].said.crop, Err("ENOTTY".to_owned()));
        assert_eq!(runs[0][0].said.planes, None);
    }

    #[test]
    fn accesses_that_are_counted_and_not_listed_are_an_error() {
        let short = line(1).replace(r#","r 0x70 0x0000ff01""#, "");
        let error = format!("{:#}", line_up(&[SAID], &short).unwrap_err());
        assert!(
            error.contains("frame 1 has 2 register accesses and lists 1"),
            "{error}"
        );
        let none = line(1).replace("sequence", "order");
        assert!(line_up(&[SAID], &none).is_err());
    }

    #[test]
    fn a_frame_too_few_or_a_line_cut_short_is_an_error() {
        let error = line_up(&[SAID], &trace(2)).unwrap_err().to_string();
        assert_eq!(error, "the engine started 2 frames, the program sent 1");
        assert!(line_up(&[&SAID[..90]], &trace(1)).is_err());
    }
}
