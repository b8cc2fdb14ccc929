// SPDX-License-Identifier: GPL-2.0

//! The order of a frame's register accesses. The C driver's sequence is known to work on silicon, so
//! this driver's must be the same, except for the differences that are listed in docs/dw100-rust.rst,
//! "Differences in register access", each with the reason why it is safe.
//!
//! A frame's accesses are split into the resets of a power-up, which the first frame of a stream has
//! before it, and the frame itself:
//!
//! ```text
//!   C driver     read and write each register ...      close, mask, acknowledge
//!        | each listed difference rewrites a part of it (or is not found: reported)
//!        v
//!   expected     ==  what this driver did (or reported)
//! ```

use std::collections::BTreeSet;

use crate::access::Access;
use crate::crop;
use crate::registers::*;

/// The largest number of register reads of a frame.
const READS: usize = 1;

/// The largest number of register writes of a frame.
const WRITES: usize = 25;

/// Register reads of the C driver that precede a write of the same register, in a frame.
const READ_BACK: usize = 8;

/// DEWARP_CTRL: ENABLE, START and SOFT_RESET.
const ENABLE: u32 = 1;
const START: u32 = 2;
const SOFT_RESET: u32 = 4;

/// BUS_CTRL: the AXI master is enabled.
const AXI_MASTER: u32 = 1 << 31;

/// INTERRUPT_STATUS: the bus time-out, which the C driver always acknowledges.
const TIME_OUT: u32 = 1 << 1;

/// INTERRUPT_STATUS: all events acknowledged and none enabled, and all enabled.
const ACKNOWLEDGE_ALL: u32 = 0xff00_0000;
const ENABLE_ALL: u32 = 0x0000_ff00;

/// A difference in register access, by its number in docs/dw100-rust.rst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// SCALE_FACTOR and ROI_START always show the whole source, because the crop is in the vertex
    /// map.
    CropInMap = 1,
    /// BUS_CTRL, DEWARP_CTRL and SWAP_CONTROL are written from values that the driver knows.
    NotReadBack = 2,
    /// DEWARP_CTRL is complete with its first write.
    ControlOnce = 3,
    /// SWAP_CONTROL is written for both sides at once.
    SwapOnce = 4,
    /// Stale events are acknowledged before the interrupt is enabled.
    AcknowledgedFirst = 5,
    /// The AXI master is disabled before the interrupt is masked, by the write that acknowledges.
    GatedFirst = 6,
    /// The interrupt handler acknowledges every event, not only those that it read.
    AllAcknowledged = 7,
    /// A reset is gated, read back and acknowledged.
    Reset = 8,
}

impl Difference {
    /// All differences that frames without a fault of the engine can show.
    pub const ALL: [Self; 8] = [
        Self::CropInMap,
        Self::NotReadBack,
        Self::ControlOnce,
        Self::SwapOnce,
        Self::AcknowledgedFirst,
        Self::GatedFirst,
        Self::AllAcknowledged,
        Self::Reset,
    ];

    /// Returns the difference's number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Returns a description of what this driver does.
    pub fn about(self) -> &'static str {
        match self {
            Self::CropInMap => "the vertex map has the crop, not SCALE_FACTOR and ROI_START",
            Self::NotReadBack => "registers are written without being read before",
            Self::ControlOnce => "DEWARP_CTRL has its formats with the first write",
            Self::SwapOnce => "SWAP_CONTROL is written once",
            Self::AcknowledgedFirst => "stale events are acknowledged before all are enabled",
            Self::GatedFirst => "the bus is closed first, and acknowledging masks",
            Self::AllAcknowledged => "every event is acknowledged at the interrupt",
            Self::Reset => "a reset closes the bus first and is read back",
        }
    }
}

/// Compares a frame of this driver with the C driver's. Returns the differences that were found,
/// and what none of them explains.
pub fn compare(rust: &[Access], c: &[Access]) -> (BTreeSet<Difference>, Result<(), String>) {
    let mut found = BTreeSet::new();
    let explained = explain(rust, c, &mut found);
    (found, explained)
}

fn explain(rust: &[Access], c: &[Access], found: &mut BTreeSet<Difference>) -> Result<(), String> {
    let (ours, rust) = resets(rust, OUR_RESET);
    let (theirs, c) = resets(c, THEIR_RESET);
    let mut due = c.to_vec();
    for difference in Difference::ALL {
        let applied = rewrite(difference, &mut due).map_err(|why| {
            let number = difference.number();
            format!("difference {number} is not found in the sequence of c: {why}")
        })?;
        if applied {
            found.insert(difference);
        }
    }
    // Both drivers reset the engine whenever they power it. At probe the C driver resets it more
    // often.
    if (ours > 0) != (theirs > 0) || ours > theirs {
        return Err(format!("{ours} resets before the frame, and {theirs} of c"));
    }
    if ours > 0 {
        found.insert(Difference::Reset);
    }
    budget(rust)?;
    same(rust, &due)
}

/// The shape of one access.
type Shape = fn(&Access) -> bool;

/// The accesses of a reset of this driver, which closes the bus and reads each write back.
const OUR_RESET: &[Shape] = &[
    |access| access.reads(BUS_CTRL),
    |access| access.sets(BUS_CTRL, AXI_MASTER, 0),
    |access| access.reads(BUS_CTRL),
    |access| access.reads(DEWARP_CTRL),
    |access| {
        access.sets(
            DEWARP_CTRL,
            ENABLE | START | SOFT_RESET,
            ENABLE | SOFT_RESET,
        )
    },
    |access| access.reads(DEWARP_CTRL),
    |access| access.sets(DEWARP_CTRL, ENABLE | START | SOFT_RESET, ENABLE),
    |access| access.reads(DEWARP_CTRL),
    |access| access.reads(BUS_CTRL),
    |access| access.sets(BUS_CTRL, AXI_MASTER, 0),
    |access| *access == Access::write(INTERRUPT_STATUS, ACKNOWLEDGE_ALL),
    |access| access.reads(INTERRUPT_STATUS),
];

/// The accesses of a reset of the C driver.
const THEIR_RESET: &[Shape] = &[
    |access| access.reads(DEWARP_CTRL),
    |access| {
        access.sets(
            DEWARP_CTRL,
            ENABLE | START | SOFT_RESET,
            ENABLE | SOFT_RESET,
        )
    },
    |access| access.sets(DEWARP_CTRL, ENABLE | START | SOFT_RESET, ENABLE),
];

/// Returns how many resets a sequence begins with, and the accesses after them. This driver reads
/// DEWARP_ID at probe.
fn resets<'a>(mut accesses: &'a [Access], shape: &[Shape]) -> (usize, &'a [Access]) {
    let mut count = 0;
    loop {
        let fits = accesses.len() >= shape.len();
        if fits && accesses.iter().zip(shape).all(|(access, is)| is(access)) {
            accesses = &accesses[shape.len()..];
            count += 1;
        } else if accesses.first().is_some_and(|first| first.reads(DEWARP_ID)) {
            accesses = &accesses[1..];
        } else {
            return (count, accesses);
        }
    }
}

/// Checks that a frame has no more accesses than the limits.
fn budget(frame: &[Access]) -> Result<(), String> {
    let writes = frame.iter().filter(|access| access.write).count();
    let reads = frame.len() - writes;
    if reads > READS || writes > WRITES {
        return Err(format!(
            "{reads} reads and {writes} writes, where {READS} and {WRITES} are allowed"
        ));
    }
    Ok(())
}

/// Rewrites the C driver's frame as a difference does. Returns `false` if there is nothing to
/// rewrite, where that is allowed.
fn rewrite(difference: Difference, frame: &mut Vec<Access>) -> Result<bool, String> {
    match difference {
        Difference::CropInMap => {
            let before = frame.clone();
            for access in frame.iter_mut() {
                if access.writes(SCALE_FACTOR) {
                    access.value = crop::WHOLE.0;
                } else if access.writes(ROI_START) {
                    access.value = crop::WHOLE.1;
                }
            }
            return Ok(*frame != before);
        }
        Difference::NotReadBack => {
            let known = [BUS_CTRL, DEWARP_CTRL, SWAP_CONTROL];
            let read = |access: &Access| known.iter().any(|&offset| access.reads(offset));
            // Each read must be the first half of a read-modify-write.
            let alone = |pair: &[Access]| read(&pair[0]) && !pair[1].writes(pair[0].offset);
            if let Some(pair) = frame.windows(2).find(|pair| alone(pair)) {
                return Err(format!("{}, then {}", pair[0], pair[1]));
            }
            let before = frame.len();
            frame.retain(|access| !read(access));
            if before - frame.len() != READ_BACK {
                return Err(format!("{} such reads", before - frame.len()));
            }
        }
        Difference::ControlOnce => {
            let plain = |access: &Access| access.sets(DEWARP_CTRL, START | SOFT_RESET, 0);
            let start = frame.iter().position(|a| a.sets(DEWARP_CTRL, START, START));
            let before = &frame[..start.ok_or("no START")?];
            let places = places(before, plain);
            let [first, .., last] = places[..] else {
                return Err("fewer than two writes before START".to_owned());
            };
            frame[first].value = frame[last].value;
            remove(frame, &places[1..]);
        }
        Difference::SwapOnce => {
            let places = places(frame, |access| access.writes(SWAP_CONTROL));
            let [first, _] = places[..] else {
                return Err(format!("{} writes", places.len()));
            };
            // The second write has the value of the first.
            remove(frame, &[first]);
        }
        Difference::AcknowledgedFirst => {
            let enable = Access::write(INTERRUPT_STATUS, ENABLE_ALL);
            let place = frame.iter().position(|access| *access == enable);
            let acknowledge = Access::write(INTERRUPT_STATUS, ACKNOWLEDGE_ALL);
            frame.insert(
                place.ok_or("no write that enables all events")?,
                acknowledge,
            );
        }
        Difference::GatedFirst => {
            let mask = Access::write(INTERRUPT_STATUS, 0);
            let place = frame.iter().position(|access| *access == mask);
            let place = place.ok_or("no write that masks all events")?;
            let [.., last] = frame[place + 1..] else {
                return Err("nothing follows the mask".to_owned());
            };
            if !last.sets(INTERRUPT_STATUS, 0x00ff_ffff, 0) {
                return Err(format!("it ends with {last}"));
            }
            frame.remove(place);
        }
        Difference::AllAcknowledged => {
            let status = frame.iter().rfind(|access| access.reads(INTERRUPT_STATUS));
            let status = status.ok_or("no status is read")?.value;
            let last = frame.last_mut().ok_or("it is empty")?;
            let due = Access::write(INTERRUPT_STATUS, (status & 0xff | TIME_OUT) << 24);
            if *last != due {
                return Err(format!("{last}, where {due} is due"));
            }
            last.value = ACKNOWLEDGE_ALL;
        }
        // The resets were compared before.
        Difference::Reset => return Ok(false),
    }
    Ok(true)
}

/// Returns the places in a frame of accesses of a kind.
fn places(frame: &[Access], kind: impl Fn(&Access) -> bool) -> Vec<usize> {
    let places = frame.iter().enumerate().filter(|(_, access)| kind(access));
    places.map(|(place, _)| place).collect()
}

/// Removes the accesses at some places, which are in ascending order.
fn remove(frame: &mut Vec<Access>, places: &[usize]) {
    for &place in places.iter().rev() {
        frame.remove(place);
    }
}

/// Checks that a frame is the expected one: the same registers in the same order, with the same
/// values. The addresses of buffers and maps, and the sizes of a destination, are checked with the
/// registers at START.
fn same(frame: &[Access], due: &[Access]) -> Result<(), String> {
    let value_of_its_own = [
        MAP_LUT_ADDR,
        SRC_IMG_Y_BASE,
        SRC_IMG_UV_BASE,
        DST_IMG_Y_BASE,
        DST_IMG_UV_BASE,
        DST_IMG_Y_SIZE1,
        DST_IMG_UV_SIZE1,
    ];
    let alike = |a: &Access, b: &Access| {
        let place = |access: &Access| (access.write, access.offset);
        place(a) == place(b) && (a.value == b.value || value_of_its_own.contains(&a.offset))
    };
    let differ = frame.iter().zip(due).position(|(a, b)| !alike(a, b));
    let place = match differ {
        Some(place) => place,
        None if frame.len() == due.len() => return Ok(()),
        None => frame.len().min(due.len()),
    };
    let told = |access: Option<&Access>| access.map_or("the end".to_owned(), Access::to_string);
    let (number, count) = (place + 1, frame.len());
    Err(format!(
        "access {number} of {count}: {}, where {} is due",
        told(frame.get(place)),
        told(due.get(place))
    ))
}

/// Checks that a frame's registers at START are the values that were last written to them.
///
/// # Errors
///
/// Returns a message that names the register that is not.
pub fn consistent(frame: &[Access], at_start: impl Fn(u32) -> u32) -> Result<(), String> {
    let started = frame.iter().position(|a| a.sets(DEWARP_CTRL, START, START));
    let Some(started) = started else {
        return Err("no START".to_owned());
    };
    let written = &frame[..=started];
    for offset in offsets().filter(|offset| *offset != INTERRUPT_STATUS) {
        let last = written.iter().rfind(|access| access.writes(offset));
        if let Some(last) = last.filter(|last| last.value != at_start(offset)) {
            return Err(format!("{last}, and {:#x} at START", at_start(offset)));
        }
    }
    Ok(())
}

#[cfg(test)]
pub mod tests;
