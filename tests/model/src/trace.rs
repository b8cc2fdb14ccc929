// SPDX-License-Identifier: GPL-2.0
//! Records what happened to each frame, as one line of JSON for each.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::regs::Registers;

/// The record of one frame, from its START to the next. Times are virtual, absolute, in
/// nanoseconds; the time of a write is when it reached the block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The number of the frame's START in this run, from 1.
    pub frame: u64,
    /// Every register at START, by offset ("0x04").
    pub regs: BTreeMap<String, u32>,
    /// Register reads after the previous frame's acknowledgement, up to this one's. If the
    /// frame was never acknowledged, up to the next START.
    pub reads: u64,
    /// Register writes, counted in the same way; the acknowledging write is the last of
    /// them.
    pub writes: u64,
    /// When a status bit first raised the line.
    pub irq_ns: Option<i64>,
    /// When the AXI master was first disabled after that.
    pub gate_ns: Option<i64>,
    /// When a write cleared the last status bit.
    pub ack_ns: Option<i64>,
    /// When the next frame started.
    pub next_start_ns: Option<i64>,
    /// All status bits that were set at the acknowledgement, or at the end of the record.
    pub status: u8,
    /// SHA-256 of the vertex map that the frame fetched, in hexadecimal: of its columns
    /// times rows of 32-bit values as they are in memory. [`None`] if it fetched none.
    pub lut: Option<String>,
    /// The accesses that `reads` and `writes` count, in order, as "w 0x04 0x008100a1" and
    /// "r 0x70 0x0001ff01": offset, value. Only the first [`SEQUENCE_LEN`] are kept.
    pub sequence: Vec<String>,
}

/// The largest number of entries of [`Frame::sequence`].
pub const SEQUENCE_LEN: usize = 256;

/// One register access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Access {
    write: bool,
    offset: u64,
    value: u32,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.write { 'w' } else { 'r' };
        write!(f, "{kind} {:#04x} {:#010x}", self.offset, self.value)
    }
}

/// The accesses since the last acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    reads: u64,
    writes: u64,
    sequence: Vec<Access>,
    /// The last access, for which `sequence` may have had no place.
    last: Option<Access>,
}

impl Span {
    fn push(&mut self, access: Access) {
        match access.write {
            true => self.writes += 1,
            false => self.reads += 1,
        }
        if self.sequence.len() < SEQUENCE_LEN {
            self.sequence.push(access);
        }
        self.last = Some(access);
    }

    /// Removes the last write and returns it.
    fn pop_write(&mut self) -> Option<Access> {
        let access = self.last.take()?;
        if self.reads + self.writes == self.sequence.len() as u64 {
            self.sequence.pop();
        }
        self.writes = self.writes.saturating_sub(1);
        Some(access)
    }

    /// Moves all accesses into the record of `frame`.
    fn move_into(&mut self, frame: &mut Frame) {
        let span = std::mem::take(self);
        frame.reads = span.reads;
        frame.writes = span.writes;
        frame.sequence = span.sequence.iter().map(Access::to_string).collect();
    }
}

/// Computes the digest of a vertex map in [`Frame::lut`].
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
    span: Span,
    open: Option<Frame>,
    finished: Vec<Frame>,
}

impl Trace {
    /// Records that the register at `offset` was read and returned `value`.
    pub fn read(&mut self, offset: u64, value: u32) {
        self.span.push(Access {
            write: false,
            offset,
            value,
        });
    }

    /// Records that `value` was written to the register at `offset`. It must be called
    /// before the effects of the write.
    pub fn write(&mut self, offset: u64, value: u32) {
        self.span.push(Access {
            write: true,
            offset,
            value,
        });
    }

    /// Records that the write just counted started a frame. `word` returns the register at
    /// an offset.
    pub fn start(&mut self, now_ns: i64, word: impl Fn(u64) -> u32) {
        // The START itself belongs to the new frame.
        let start = self.span.pop_write();
        self.close(Some(now_ns));
        if let Some(start) = start {
            self.span.push(start);
        }
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
            sequence: Vec::new(),
        });
    }

    /// Records that the current frame fetched its vertex map.
    pub fn map_fetched(&mut self, map: &[u8]) {
        if let Some(frame) = &mut self.open {
            frame.lut = Some(digest(map));
        }
    }

    /// Records that a status bit raised the line.
    pub fn line_raised(&mut self, now_ns: i64) {
        if let Some(frame) = &mut self.open {
            frame.irq_ns.get_or_insert(now_ns);
        }
    }

    /// Records that the AXI master was disabled.
    pub fn gated(&mut self, now_ns: i64) {
        if let Some(frame) = &mut self.open {
            if frame.irq_ns.is_some() {
                frame.gate_ns.get_or_insert(now_ns);
            }
        }
    }

    /// Records that these status bits are set.
    pub fn status(&mut self, status: u8) {
        if let Some(frame) = self.open.as_mut().filter(|f| f.ack_ns.is_none()) {
            frame.status |= status;
        }
    }

    /// Records that the write just counted cleared the last status bit.
    pub fn acknowledged(&mut self, now_ns: i64) {
        if let Some(frame) = self.open.as_mut().filter(|f| f.ack_ns.is_none()) {
            frame.ack_ns = Some(now_ns);
            self.span.move_into(frame);
        }
    }

    /// Ends the current frame's record.
    pub fn close(&mut self, next_start_ns: Option<i64>) {
        if let Some(mut frame) = self.open.take() {
            if frame.ack_ns.is_none() {
                self.span.move_into(&mut frame);
            }
            frame.next_start_ns = next_start_ns;
            self.finished.push(frame);
        }
    }

    /// Returns the records that ended since the last call.
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
        trace.write(0x04, 0x0081_00a3);
        trace.start(5, |offset| offset as u32);
        trace.close(None);
        let line = serde_json::to_string(&trace.take()[0]).unwrap();
        let end = "\"reads\":0,\"writes\":1,\"irq_ns\":null,\"gate_ns\":null,\
                   \"ack_ns\":null,\"next_start_ns\":null,\"status\":0,\"lut\":null,\
                   \"sequence\":[\"w 0x04 0x008100a3\"]}";
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
            trace.read(0x74, 0xe);
            trace.write(0x08, 1);
            trace.write(0x04, 3);
            trace.start(start, |_| 0);
            trace.write(0x70, 0x0300_0000);
            trace.acknowledged(start + 5);
        }
        trace.read(0, 0);
        trace.close(None);
        let frames = trace.take();
        assert_eq!(
            frames
                .iter()
                .map(|f| (f.reads, f.writes))
                .collect::<Vec<_>>(),
            [(1, 3); 2]
        );
        let sequence = [
            "r 0x74 0x0000000e",
            "w 0x08 0x00000001",
            "w 0x04 0x00000003",
            "w 0x70 0x03000000",
        ];
        assert_eq!(frames[0].sequence, sequence);
        assert_eq!(frames[1].sequence, sequence);
        assert_eq!(frames[0].next_start_ns, Some(20));
        assert_eq!(frames[1].next_start_ns, None);
    }

    #[test]
    fn an_unacknowledged_frame_leaves_the_next_start_to_the_next_frame() {
        let mut trace = Trace::default();
        for start in [10, 20] {
            trace.write(0x04, start as u32);
            trace.start(start, |_| 0);
        }
        trace.close(None);
        let frames = trace.take();
        assert_eq!((frames[0].writes, frames[1].writes), (1, 1));
        assert_eq!(frames[0].sequence, ["w 0x04 0x0000000a"]);
        assert_eq!(frames[1].sequence, ["w 0x04 0x00000014"]);
    }

    #[test]
    fn a_sequence_keeps_the_first_accesses_and_counts_them_all() {
        let mut trace = Trace::default();
        for start in 0..2 {
            for i in 0..1000 {
                trace.read(0x70, i);
            }
            trace.write(0x04, start as u32);
            trace.start(start, |_| 0);
        }
        trace.close(None);
        let frames = trace.take();
        assert_eq!((frames[0].reads, frames[0].writes), (2000, 1));
        assert_eq!(frames[0].sequence.len(), SEQUENCE_LEN);
        assert_eq!(frames[0].sequence[255], "r 0x70 0x000000ff");
        assert_eq!(frames[1].sequence, ["w 0x04 0x00000001"]);
    }
}
