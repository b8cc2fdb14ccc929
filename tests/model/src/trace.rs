// SPDX-License-Identifier: GPL-2.0
//! What happened to each frame: one record a frame, one line of JSON a record.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::regs::Registers;

/// One frame, from its START to the next. Times are virtual, absolute, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Which START of this run, from 1.
    pub frame: u64,
    /// Every register at START, by offset ("0x04").
    pub regs: BTreeMap<String, u32>,
    /// Register reads after the previous frame's acknowledgement, up to this one's. Of
    /// a frame that was never acknowledged, up to the next START.
    pub reads: u64,
    /// Register writes, counted likewise; the acknowledging write is the last of them.
    pub writes: u64,
    /// When a status bit first raised the line.
    pub irq_ns: Option<i64>,
    /// When the AXI master was first disabled after that.
    pub gate_ns: Option<i64>,
    /// When a write cleared the last status bit.
    pub ack_ns: Option<i64>,
    /// When the next frame started.
    pub next_start_ns: Option<i64>,
    /// All status bits that the acknowledgement, or the end of the record, found.
    pub status: u8,
    /// SHA-256 of the vertex map that the frame fetched, in hexadecimal: of its words as
    /// they lie in memory, columns times rows of them. None if it fetched none.
    pub lut: Option<String>,
}

/// The digest of a vertex map in [`Frame::lut`].
pub fn digest(map: &[u8]) -> String {
    Sha256::digest(map)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Keeps the record of the current frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    frames: u64,
    reads: u64,
    writes: u64,
    open: Option<Frame>,
    finished: Vec<Frame>,
}

impl Trace {
    /// A register was read.
    pub fn read(&mut self) {
        self.reads += 1;
    }

    /// A register was written; called before what the write brings about.
    pub fn write(&mut self) {
        self.writes += 1;
    }

    /// The write just counted started a frame. `word` gives the register at an offset.
    pub fn start(&mut self, now_ns: i64, word: impl Fn(u64) -> u32) {
        // The START itself belongs to the new frame.
        self.writes = self.writes.saturating_sub(1);
        self.close(Some(now_ns));
        self.writes += 1;
        self.frames += 1;
        self.open = Some(Frame {
            frame: self.frames,
            regs: Registers::offsets()
                .map(|offset| (format!("{offset:#04x}"), word(offset)))
                .collect(),
            reads: 0,
            writes: 0,
            irq_ns: None,
            gate_ns: None,
            ack_ns: None,
            next_start_ns: None,
            status: 0,
            lut: None,
        });
    }

    /// The current frame fetched its vertex map.
    pub fn map_fetched(&mut self, map: &[u8]) {
        if let Some(frame) = &mut self.open {
            frame.lut = Some(digest(map));
        }
    }

    /// A status bit raised the line.
    pub fn line_raised(&mut self, now_ns: i64) {
        if let Some(frame) = &mut self.open {
            frame.irq_ns.get_or_insert(now_ns);
        }
    }

    /// The AXI master was disabled.
    pub fn gated(&mut self, now_ns: i64) {
        if let Some(frame) = &mut self.open {
            if frame.irq_ns.is_some() {
                frame.gate_ns.get_or_insert(now_ns);
            }
        }
    }

    /// These status bits are set.
    pub fn status(&mut self, status: u8) {
        if let Some(frame) = self.open.as_mut().filter(|f| f.ack_ns.is_none()) {
            frame.status |= status;
        }
    }

    /// The write just counted cleared the last status bit.
    pub fn acknowledged(&mut self, now_ns: i64) {
        if let Some(frame) = self.open.as_mut().filter(|f| f.ack_ns.is_none()) {
            frame.ack_ns = Some(now_ns);
            frame.reads = std::mem::take(&mut self.reads);
            frame.writes = std::mem::take(&mut self.writes);
        }
    }

    /// Ends the current frame's record.
    pub fn close(&mut self, next_start_ns: Option<i64>) {
        if let Some(mut frame) = self.open.take() {
            if frame.ack_ns.is_none() {
                frame.reads = std::mem::take(&mut self.reads);
                frame.writes = std::mem::take(&mut self.writes);
            }
            frame.next_start_ns = next_start_ns;
            self.finished.push(frame);
        }
    }

    /// The records that ended since the last call.
    pub fn take(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_keys_that_its_readers_rely_on() {
        let mut trace = Trace::default();
        trace.write();
        trace.start(5, |offset| offset as u32);
        trace.close(None);
        let line = serde_json::to_string(&trace.take()[0]).unwrap();
        let end = "\"reads\":0,\"writes\":1,\"irq_ns\":null,\"gate_ns\":null,\
                   \"ack_ns\":null,\"next_start_ns\":null,\"status\":0,\"lut\":null}";
        assert!(
            line.starts_with("{\"frame\":1,\"regs\":{\"0x00\":0,\"0x04\":4,"),
            "{line}"
        );
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn accesses_count_from_one_acknowledgement_to_the_next() {
        let mut trace = Trace::default();
        for start in [10, 20] {
            trace.read();
            trace.write();
            trace.write();
            trace.start(start, |_| 0);
            trace.write();
            trace.acknowledged(start + 5);
        }
        trace.read();
        trace.close(None);
        let frames = trace.take();
        assert_eq!(
            frames
                .iter()
                .map(|f| (f.reads, f.writes))
                .collect::<Vec<_>>(),
            [(1, 3); 2]
        );
        assert_eq!(frames[0].next_start_ns, Some(20));
        assert_eq!(frames[1].next_start_ns, None);
    }

    #[test]
    fn an_unacknowledged_frame_leaves_the_next_start_to_the_next_frame() {
        let mut trace = Trace::default();
        for start in [10, 20] {
            trace.write();
            trace.start(start, |_| 0);
        }
        trace.close(None);
        assert_eq!(
            trace.take().iter().map(|f| f.writes).collect::<Vec<_>>(),
            [1, 1]
        );
    }
}
