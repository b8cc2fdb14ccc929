// SPDX-License-Identifier: GPL-2.0

//! The verdict on one combination: where both drivers agree, where a known fault of the C driver or
//! a listed difference in register access is why they do not, and what neither explains.
//!
//! A fault or a difference explains a deviation only if both values are the expected ones: this
//! driver's by the engine's documentation, the C driver's by its own arithmetic.

use std::collections::{BTreeSet, HashMap};

use crate::crop::{self, Crop, Cropped, Rect};
use crate::format::{Format, Size};
use crate::golden;
use crate::map::{self, Map};
use crate::matrix::Combination;
use crate::record::{Image, Record};
use crate::registers::{self, *};
use crate::sequence::{self, Difference};

/// A fault of the C driver, by its number in the project's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A source of width 4096 has width 0 in the identity map.
    WidthOf4096 = 12,
    /// The identity map assumes that all blocks are equal, and that their size is a whole number of
    /// 1/16 pixels.
    EqualBlocks = 13,
    /// The size of a destination in one buffer, which bounds what the engine may write, is too
    /// large.
    Bounds = 18,
}

impl Fault {
    /// All faults that can appear here.
    pub const ALL: [Self; 3] = [Self::WidthOf4096, Self::EqualBlocks, Self::Bounds];

    /// Returns the fault's number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns a description of what differs because of the fault.
    pub fn about(self) -> &'static str {
        match self {
            Self::WidthOf4096 => "identity map of a source of width 4096",
            Self::EqualBlocks => "identity map with blocks of a broken size",
            Self::Bounds => "bounds of a destination in one buffer",
        }
    }
}

/// The properties that are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// The formats that VIDIOC_S_FMT returns.
    Formats,
    /// The addresses of buffers and maps.
    Places,
    /// Registers that must be equal.
    Registers,
    /// The order of the register accesses.
    Sequence,
    /// The vertex map that the engine fetched.
    Maps,
    /// The rectangle that VIDIOC_S_SELECTION returns, SCALE_FACTOR and ROI_START.
    Crops,
    /// DST_IMG_*_SIZE1, and the chroma base that goes with them.
    Bounds,
    /// The frames that were returned.
    Frames,
}

/// The result of the checks of one combination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The faults that explain the combination's differences.
    pub faults: BTreeSet<Fault>,
    /// The differences in register access that the combination shows.
    pub differences: BTreeSet<Difference>,
    /// Whether there were frames of both drivers, which had to be equal.
    pub frames_compared: bool,
    /// Whether this driver's frame was compared with the engine model's, because the C driver's
    /// frame differs by a fault or by its crop.
    pub frame_modelled: bool,
    /// The deviations that nothing explains.
    pub complaints: Vec<(Check, String)>,
}

impl Verdict {
    fn complain(&mut self, check: Check, what: String) {
        self.complaints.push((check, what));
    }

    /// Checks a register that both drivers must have at `due`.
    fn due(&mut self, check: Check, register: u32, values: [u32; 2], due: [u32; 2]) {
        if values == due {
            return;
        }
        let [rust, c] = values;
        let right = if due[0] == due[1] {
            format!("due {:#x}", due[0])
        } else {
            format!("due {:#x} and {:#x}", due[0], due[1])
        };
        let register = registers::name(register);
        self.complain(
            check,
            format!("{register}: rust {rust:#x}, c {c:#x}; {right}"),
        );
    }
}

/// Judges combinations.
#[derive(Default)]
pub struct Judge {
    /// The expected maps. They are kept because they take long to compute.
    maps: HashMap<(Map, Crop, Size, Size), [Due; 2]>,
}

/// An expected vertex map.
#[derive(Clone, Debug)]
struct Due {
    digest: String,
    /// The faults that make it differ from the right map.
    faults: Vec<Fault>,
}

impl Judge {
    /// Judges what this driver and the C driver did for a combination.
    pub fn judge(&mut self, combination: &Combination, rust: &Record, c: &Record) -> Verdict {
        let mut verdict = Verdict::default();
        let records = [rust, c];
        formats(&mut verdict, combination, records);
        places(&mut verdict, combination, records);
        equal(&mut verdict, combination, records);
        sequences(&mut verdict, records);
        crops(&mut verdict, combination, records);
        bounds(&mut verdict, combination, records);
        self.maps(&mut verdict, combination, records);
        frames(&mut verdict, combination, records);
        for (_, what) in &mut verdict.complaints {
            *what = format!("{combination}: {what}");
        }
        verdict
    }

    fn maps(&mut self, verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
        let &Combination { setting, map, crop } = combination;
        let key = (map, crop, setting.source, setting.destination);
        let due = self.maps.entry(key).or_insert_with(|| dues(combination));
        verdict.faults.extend(&due[1].faults);
        for (who, record, due) in [("rust", records[0], &due[0]), ("c", records[1], &due[1])] {
            let found = record.started.lut.as_deref();
            if found != Some(&due.digest) {
                let found = found.unwrap_or("none");
                let what = format!("vertex map: {who} {found:.16}, due {:.16}", due.digest);
                verdict.complain(Check::Maps, what);
            }
        }
    }
}

/// Returns the expected maps of this driver and of the C driver. This driver's is composed with the
/// crop.
fn dues(combination: &Combination) -> [Due; 2] {
    let setting = &combination.setting;
    let (source, destination) = (setting.source, setting.destination);
    let crop = crop::granted(combination.crop.wanted(source), source);
    let due = |words: &[u32], faults| Due {
        digest: map::digest(words),
        faults,
    };
    let composed = |words: &[u32]| due(&map::composed(words, crop, source), Vec::new());
    if let Some(words) = combination.map.words(source, destination) {
        return [composed(&words), due(&words, Vec::new())];
    }
    let right = map::identity(source, destination);
    let wrong = map::identity_of_the_c_driver(source, destination);
    let differ = |shift: u32| {
        let mut pairs = right.iter().zip(&wrong);
        pairs.any(|(a, b)| a >> shift & 0xffff != b >> shift & 0xffff)
    };
    let across = if source.width == 4096 {
        Fault::WidthOf4096
    } else {
        Fault::EqualBlocks
    };
    let mut faults = Vec::new();
    faults.extend(differ(0).then_some(across));
    faults.extend(differ(16).then_some(Fault::EqualBlocks));
    [composed(&right), due(&wrong, faults)]
}

fn formats(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let setting = &combination.setting;
    let [rust, c] = records.map(|record| &record.said);
    let sides = [
        (
            "OUTPUT",
            &rust.output,
            &c.output,
            setting.input,
            setting.source,
        ),
        (
            "CAPTURE",
            &rust.capture,
            &c.capture,
            setting.output,
            setting.destination,
        ),
    ];
    for (queue, rust, c, format, size) in sides {
        let due = image(format, size);
        if *rust != due || *c != due {
            let what = format!("VIDIOC_S_FMT({queue}): rust {rust:?}, c {c:?}; due {due:?}");
            verdict.complain(Check::Formats, what);
        }
    }
}

/// Returns the image that V4L2 describes for a format without a stride.
fn image(format: Format, size: Size) -> Image {
    let line = format.line(size);
    // V4L2's code of a format in two buffers: NM12 for nv12m.
    let name = format.name.to_uppercase();
    let fourcc = match name.strip_suffix('M') {
        Some(name) => name.replacen("NV", "NM", 1),
        None => name,
    };
    Image {
        fourcc,
        width: size.width,
        height: size.height,
        buffers: format
            .buffers(size)
            .into_iter()
            .map(|bytes| (line, bytes))
            .collect(),
    }
}

fn places(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    for (who, record) in ["rust", "c"].into_iter().zip(records) {
        if let Some(what) = registers::misplaced(&combination.setting, &record.started) {
            verdict.complain(Check::Places, format!("{who}: {what}"));
        }
    }
}

/// Checks that everything that no fault affects is equal.
fn equal(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let setting = &combination.setting;
    let started = records.map(|record| &record.started);
    let known: BTreeSet<u32> = registers::offsets().collect();
    for offset in &known {
        let values = started.map(|started| started.get(*offset));
        let size = |size: Size| size.height << 16 | size.width;
        let due = match *offset {
            // Other checks compare these.
            MAP_LUT_ADDR | SRC_IMG_Y_BASE | DST_IMG_Y_BASE | DST_IMG_UV_BASE | SCALE_FACTOR
            | ROI_START | DST_IMG_Y_SIZE1 | DST_IMG_UV_SIZE1 => continue,
            SRC_IMG_UV_BASE => {
                let two = setting.input.two_buffers();
                let values = started.map(|started| {
                    registers::chroma(started, SRC_IMG_Y_BASE, SRC_IMG_UV_BASE, two)
                });
                verdict.due(Check::Registers, *offset, values, [values[1]; 2]);
                continue;
            }
            // Checks that the record is of this combination at all.
            SRC_IMG_SIZE => size(setting.source),
            DST_IMG_SIZE => size(setting.destination),
            _ => values[1],
        };
        verdict.due(Check::Registers, *offset, values, [due; 2]);
    }
    for (who, started) in ["rust", "c"].into_iter().zip(started) {
        if !started.registers.keys().eq(&known) {
            let count = started.registers.len();
            let what = format!("{who}: {count} registers in the trace, not {}", known.len());
            verdict.complain(Check::Registers, what);
        }
        if started.status != 1 {
            let what = format!("{who}: the frame ended with status {:#x}", started.status);
            verdict.complain(Check::Registers, what);
        }
    }
}

/// Checks the order of the accesses: this driver's is the C driver's, except for the listed
/// differences.
fn sequences(verdict: &mut Verdict, records: [&Record; 2]) {
    let started = records.map(|record| &record.started);
    for (who, started) in ["rust", "c"].into_iter().zip(started) {
        let at_start = |offset| started.get(offset);
        if let Err(why) = sequence::consistent(&started.sequence, at_start) {
            verdict.complain(Check::Sequence, format!("{who}: {why}"));
        }
    }
    let [rust, c] = started.map(|started| started.sequence.as_slice());
    let (found, explained) = sequence::compare(rust, c);
    verdict.differences = found;
    if let Err(why) = explained {
        verdict.complain(Check::Sequence, why);
    }
}

fn crops(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let setting = &combination.setting;
    let (source, destination) = (setting.source, setting.destination);
    let wanted = combination.crop.wanted(source);
    let [Ok(rust), Ok(c)] = records.map(|record| record.said.crop.clone()) else {
        let [rust, c] = records.map(|record| &record.said.crop);
        let what = format!("VIDIOC_S_SELECTION: rust {rust:?}, c {c:?}");
        return verdict.complain(Check::Crops, what);
    };
    let due = crop::granted(wanted, source);
    if rust != due {
        let what = format!("VIDIOC_S_SELECTION: rust {rust}, due {due}; wanted {wanted}");
        verdict.complain(Check::Crops, what);
    }
    let registers = |record: &Record| {
        let started = &record.started;
        (started.get(SCALE_FACTOR), started.get(ROI_START))
    };
    let (scale, roi) = registers(records[0]);
    if (scale, roi) != crop::WHOLE {
        let what = format!("rust: SCALE_FACTOR {scale:#x}, ROI_START {roi:#x}, for the whole");
        verdict.complain(Check::Crops, what);
    }
    let (scale, roi) = registers(records[1]);
    let c = Cropped {
        rect: c,
        scale,
        roi,
    };
    let due = crop::of_the_c_driver(wanted, source, destination);
    if c != due {
        verdict.complain(Check::Crops, format!("c {c}, due {due}"));
    }
}

fn bounds(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let (format, size) = (combination.setting.output, combination.setting.destination);
    let started = records.map(|record| &record.started);
    let two = format.two_buffers();
    let bases =
        started.map(|started| registers::chroma(started, DST_IMG_Y_BASE, DST_IMG_UV_BASE, two));
    let sizes = |register| started.map(|started| started.get(register));
    let (luma, chroma) = format.planes(size);

    // In units of 16 bytes, as in the registers: the size of both planes, and the size that the C
    // driver writes if they share a buffer.
    let (luma, chroma) = (luma >> 4, chroma >> 4);
    let all = luma + chroma;
    let (due_base, due_luma, due_chroma) = if two {
        ([0; 2], [luma; 2], [chroma; 2])
    } else if format.packed() {
        // There is no chroma plane. The C driver writes an address behind the end of the buffer;
        // this driver writes the buffer's own address, because it is not known whether a size of 0
        // is safe.
        ([0, luma], [luma; 2], [luma; 2])
    } else {
        let overstated = if format.halves_lines() { all / 2 } else { all };
        ([luma; 2], [luma, all], [chroma, overstated])
    };
    if !two {
        verdict.faults.insert(Fault::Bounds);
    }
    for (register, values, due) in [
        (DST_IMG_UV_BASE, bases, due_base),
        (DST_IMG_Y_SIZE1, sizes(DST_IMG_Y_SIZE1), due_luma),
        (DST_IMG_UV_SIZE1, sizes(DST_IMG_UV_SIZE1), due_chroma),
    ] {
        verdict.due(Check::Bounds, register, values, due);
    }
}

/// Checks the frames. They must be equal where the whole source is shown and the registers and the
/// map are equal; bounds that are too large change nothing in the buffer. Elsewhere this driver's
/// frame must be the expected one.
fn frames(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let [Some(rust), Some(c)] = records.map(|record| record.said.planes.as_ref()) else {
        return;
    };
    let source = combination.setting.source;
    let whole = records
        .iter()
        .all(|record| record.said.crop == Ok(Rect::whole(source)));
    let seen = |&fault: &Fault| fault != Fault::Bounds;
    verdict.frames_compared = whole && !verdict.faults.iter().any(seen);
    if verdict.frames_compared && rust != c {
        let what = format!("the frames differ: digests of the planes: rust {rust:?}, c {c:?}");
        verdict.complain(Check::Frames, what);
    }
    verdict.frame_modelled = !verdict.frames_compared;
    if verdict.frame_modelled {
        let due = golden::planes(combination);
        if due.as_ref() != Ok(rust) {
            let what = format!("the frame is not the model's: rust {rust:?}, due {due:?}");
            verdict.complain(Check::Frames, what);
        }
    }
}

#[cfg(test)]
mod tests;
