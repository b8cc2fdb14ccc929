// SPDX-License-Identifier: GPL-2.0

//! The verdict on one combination: where both drivers agree, where a known fault of the C driver
//! is why they do not, and what neither explains.
//!
//! A fault explains a difference only if both values are the ones that are due: this driver's by
//! the engine's documentation, the C driver's by its own faulty arithmetic.

use std::collections::{BTreeSet, HashMap};

use crate::crop::{self, Cropped};
use crate::format::{Format, Size};
use crate::golden;
use crate::map::{self, Map};
use crate::matrix::Combination;
use crate::record::{Image, Record};
use crate::registers::{self, *};

/// A fault of the C driver, by its number in the project's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A source of width 4096 has width 0 in the identity map.
    WidthOf4096 = 12,
    /// The identity map takes all blocks for equal, and their size for whole 1/16 pixels.
    EqualBlocks = 13,
    /// Crop: a scale below 32, Y by the widths, ratios cut to 1/128.
    Crop = 16,
    /// What the engine may write of a destination in one buffer is overstated.
    Bounds = 18,
}

impl Fault {
    /// All faults that can show here.
    pub const ALL: [Self; 4] = [
        Self::WidthOf4096,
        Self::EqualBlocks,
        Self::Crop,
        Self::Bounds,
    ];

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// What differs because of it.
    pub fn about(self) -> &'static str {
        match self {
            Self::WidthOf4096 => "identity map of a source of width 4096",
            Self::EqualBlocks => "identity map with blocks of a broken size",
            Self::Crop => "crop, SCALE_FACTOR and ROI_START",
            Self::Bounds => "bounds of a destination in one buffer",
        }
    }
}

/// What is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// What VIDIOC_S_FMT returns.
    Formats,
    /// Where buffers and maps lie.
    Places,
    /// Registers that must be equal.
    Registers,
    /// The vertex map that the engine fetched.
    Maps,
    /// What VIDIOC_S_SELECTION returns, SCALE_FACTOR and ROI_START.
    Crops,
    /// DST_IMG_*_SIZE1, and the chroma base that goes with them.
    Bounds,
    /// The frames that came back.
    Frames,
}

/// What was found out about a combination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The faults that explain its differences.
    pub faults: BTreeSet<Fault>,
    /// The frames were there and had to be equal.
    pub frames_compared: bool,
    /// This driver's frame had to be what the engine's model makes of it, for that of the C driver
    /// differs by a fault.
    pub frame_modelled: bool,
    /// What is wrong.
    pub complaints: Vec<(Check, String)>,
}

impl Verdict {
    fn complain(&mut self, check: Check, what: String) {
        self.complaints.push((check, what));
    }

    /// A register that both drivers must have at `due`.
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
    /// Identity maps, for they take long to make.
    identities: HashMap<(Size, Size), [Due; 2]>,
}

/// A vertex map that is due.
#[derive(Clone, Debug)]
struct Due {
    digest: String,
    /// Why it is not the right one.
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
        let setting = &combination.setting;
        let (source, destination) = (setting.source, setting.destination);
        let identities = || dues(combination.map, source, destination);
        let due = match combination.map {
            Map::Identity => self
                .identities
                .entry((source, destination))
                .or_insert_with(identities)
                .clone(),
            Map::Lens | Map::Turned => identities(),
        };
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

/// The maps that are due of this driver and of the C driver.
fn dues(map: Map, source: Size, destination: Size) -> [Due; 2] {
    let plain = |words: &[u32]| Due {
        digest: map::digest(words),
        faults: Vec::new(),
    };
    if let Some(words) = map.words(source, destination) {
        return [plain(&words), plain(&words)];
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
    let wrong = Due {
        faults,
        ..plain(&wrong)
    };
    [plain(&right), wrong]
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

/// What V4L2 makes of a format without a stride.
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

/// All that no fault touches.
fn equal(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let setting = &combination.setting;
    let started = records.map(|record| &record.started);
    let known: BTreeSet<u32> = registers::offsets().collect();
    for offset in &known {
        let values = started.map(|started| started.get(*offset));
        let size = |size: Size| size.height << 16 | size.width;
        let due = match *offset {
            // Looked at elsewhere.
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
            // That the record is of this combination at all.
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

fn crops(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let setting = &combination.setting;
    let (source, destination) = (setting.source, setting.destination);
    let wanted = combination.crop.wanted(source);
    let [Ok(rust), Ok(c)] = records.map(|record| record.said.crop.clone()) else {
        let [rust, c] = records.map(|record| &record.said.crop);
        let what = format!("VIDIOC_S_SELECTION: rust {rust:?}, c {c:?}");
        return verdict.complain(Check::Crops, what);
    };
    let [rust, c] = [(records[0], rust), (records[1], c)].map(|(record, rect)| Cropped {
        rect,
        scale: record.started.get(SCALE_FACTOR),
        roi: record.started.get(ROI_START),
    });
    if let Some(objection) = crop::objection(&rust, wanted, source, destination) {
        let what = format!("rust: {objection}: rust {rust}; c {c}; wanted {wanted}");
        verdict.complain(Check::Crops, what);
    }
    let due = crop::of_the_c_driver(wanted, source, destination);
    if c != due {
        verdict.complain(Check::Crops, format!("rust {rust}; c {c}, due {due}"));
    }
    if rust == c {
        return;
    }
    // The fault is in the C driver's crop, so this must be wrong by itself.
    match crop::objection(&c, wanted, source, destination) {
        Some(_) => {
            verdict.faults.insert(Fault::Crop);
        }
        None => {
            let what = format!("rust {rust}; c {c}, in which nothing is wrong; wanted {wanted}");
            verdict.complain(Check::Crops, what);
        }
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

    // In units of 16 bytes, as the registers have them: what both planes take, and what the C
    // driver says of them if they share a buffer.
    let (luma, chroma) = (luma >> 4, chroma >> 4);
    let all = luma + chroma;
    let (due_base, due_luma, due_chroma) = if two {
        ([0; 2], [luma; 2], [chroma; 2])
    } else if format.packed() {
        // There is no chroma plane. The C driver names one behind the end of the buffer; this
        // driver names the buffer itself, for whether a size of 0 is safe is not known.
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

/// Frames must be equal where the registers and the map are; bounds that are too large change
/// nothing in the buffer. Elsewhere this driver's must be the one that is due.
fn frames(verdict: &mut Verdict, combination: &Combination, records: [&Record; 2]) {
    let [Some(rust), Some(c)] = records.map(|record| record.said.planes.as_ref()) else {
        return;
    };
    verdict.frames_compared = verdict.faults.iter().all(|&fault| fault == Fault::Bounds);
    if verdict.frames_compared && rust != c {
        let what = format!("the frames differ: digests of the planes: rust {rust:?}, c {c:?}");
        verdict.complain(Check::Frames, what);
    }
    verdict.frame_modelled = !verdict.frames_compared;
    if verdict.frame_modelled {
        let due = golden::planes(combination, &records[0].started);
        if due.as_ref() != Ok(rust) {
            let what = format!("the frame is not the model's: rust {rust:?}, due {due:?}");
            verdict.complain(Check::Frames, what);
        }
    }
}

#[cfg(test)]
mod tests;
