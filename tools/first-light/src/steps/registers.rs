// SPDX-License-Identifier: GPL-2.0

//! Tests the registers of an idle engine, after a frame, and after the engine was powered up
//! again.

use dw100_model::Worlds;

use crate::module::Driver;
use crate::registers::{FRAME, Registers};
use crate::report::Judged;
use crate::samples::Differences;
use crate::session::{Outcome, Session, simple};

/// Bits of BUS_CTRL and of INTERRUPT_STATUS.
const OUTSTANDING_READS: u32 = 0xff;
const AXI_MASTER_ENABLE: u32 = 1 << 31;
const TIME_OUT_OVERRIDE: u32 = 1 << 26;
const FRAME_BUSY: u32 = 1 << 16;

/// The world in which any reset keeps the frame registers.
const KEEPS: &str = "reset-keeps-registers";

/// Outstanding reads after a reset, by NXP's header.
const READS: u32 = 14;

/// Tests an engine that has processed no frame.
pub fn idle(session: &mut Session) -> Outcome {
    session.intend("the driver powers the engine and reads its registers")?;
    let registers = Registers::read()?;
    session.text("registers, idle", registers.text.clone())?;

    let id = registers.value("DEWARP_ID")?;
    let (topic, assumed) = ("DEWARP_ID", "0");
    session.report(match id {
        0 => Judged::allowed(topic, assumed, "0"),
        id => Judged::differs(topic, assumed, format!("{id:#010x}")),
    })?;

    let bus = registers.value("BUS_CTRL")?;
    let (topic, assumed) = (
        "BUS_CTRL after a reset",
        "outstanding reads (less 2): 14, the AXI master off, the engine's own time-out",
    );
    let found = format!(
        "{bus:#010x}: outstanding reads (less 2): {}, the AXI master {}{}",
        bus & OUTSTANDING_READS,
        if bus & AXI_MASTER_ENABLE == 0 {
            "off"
        } else {
            "on"
        },
        if bus & TIME_OUT_OVERRIDE == 0 {
            ""
        } else {
            ", the time-out of BUS_TIME_OUT_CYCLE"
        }
    );
    let same = bus & (OUTSTANDING_READS | AXI_MASTER_ENABLE | TIME_OUT_OVERRIDE) == READS;
    session.report(if same {
        Judged::allowed(topic, assumed, found)
    } else {
        Judged::differs(topic, assumed, found)
    })?;

    let cycles = registers.value("BUS_TIME_OUT_CYCLE")?;
    session.report(Judged::open(
        "BUS_TIME_OUT_CYCLE after a reset",
        "not known; it counts only with bit 26 of BUS_CTRL",
        format!("{cycles:#010x}"),
    ))?;

    let status = registers.value("INTERRUPT_STATUS")?;
    let (topic, assumed) = (
        "INTERRUPT_STATUS of an idle engine",
        "no event, no enable, not busy",
    );
    let found = format!("{status:#010x}");
    session.report(match status & 0x0001_ffff {
        0 => Judged::allowed(topic, assumed, found),
        _ => Judged::differs(topic, assumed, found),
    })?;
    clear_field(session, "an idle engine", status)
}

/// Reports the value of bits 31:24 of INTERRUPT_STATUS, which the driver has written to
/// acknowledge.
fn clear_field(session: &mut Session, when: &str, status: u32) -> Outcome {
    let topic = format!("INTERRUPT_STATUS 31:24 of {when}");
    let assumed = "they act once, with the write";
    Ok(session.report(match status >> 24 {
        0 => Judged::open(
            topic,
            assumed,
            "they read as 0: they act once, or cannot be read",
        ),
        bits => Judged::world(
            topic,
            assumed,
            format!("they read as {bits:#04x}, as the driver wrote them"),
            "int-clr-held",
        ),
    })?)
}

/// Processes one frame, and tests the registers after it.
pub fn first_frame(session: &mut Session) -> Outcome {
    let (shot, source) = simple()?;
    let shots = session.shoot("the first frame, 176x144 NV12", &shot, &source)?;
    let (topic, assumed) = ("the first frame comes back", "done, with an interrupt");
    let Some(frame) = &shots.frame else {
        let found = "it came back as failed";
        session.report(Judged::differs(topic, assumed, found))?;
        return Ok(());
    };
    // With the identity map the result is the source, whatever the engine's rounding and edges.
    let wanted = shot.model(Worlds::NONE, &source)?;
    let (pixels, size) = shot.target;
    let told = Differences::between(pixels, size, frame, &wanted).to_string();
    session.report(Judged::allowed(
        topic,
        assumed,
        format!("done; beside its source it is {told}"),
    ))?;
    let Some(registers) = shots.registers else {
        return Ok(());
    };
    session.text("registers, after the first frame", registers.text.clone())?;
    let status = registers.value("INTERRUPT_STATUS")?;
    let (topic, assumed) = (
        "INTERRUPT_STATUS after a frame",
        "acknowledged, masked, not busy",
    );
    let found = format!("{status:#010x}");
    session.report(match status & (FRAME_BUSY | 0xffff) {
        0 => Judged::allowed(topic, assumed, found),
        _ => Judged::differs(topic, assumed, found),
    })?;
    clear_field(session, "an engine that made a frame", status)
}

/// Reports whether the frame registers hold the last frame after the engine was off. The driver
/// resets the engine when it powers it up to read them.
pub fn kept(session: &mut Session) -> Outcome {
    session.intend("the driver powers the engine up, resets it and reads its registers")?;
    let registers = Registers::read()?;
    session.text("registers, after the last frame", registers.text.clone())?;
    let held = |name: &&str| registers.get(name).is_some_and(|value| value != 0);
    let held: Vec<&str> = FRAME.into_iter().filter(held).collect();
    let (topic, assumed) = (
        "the frame registers after a power-up and a reset",
        "all 0: a reset clears them",
    );
    // The C driver resets without a pause: if registers are kept after its reset only, that reset
    // had no effect.
    let before = session.known.contains(KEEPS);
    let world = match session.driver {
        Driver::C if !before => "reset-needs-time",
        Driver::C | Driver::Rust => KEEPS,
    };
    Ok(session.report(match held.as_slice() {
        [] => Judged::open(
            topic,
            assumed,
            "all 0: the reset cleared them, or they lost power",
        ),
        held => Judged::world(
            topic,
            assumed,
            format!(
                "{} of {} still hold the last frame: {}",
                held.len(),
                FRAME.len(),
                held.join(", ")
            ),
            world,
        ),
    })?)
}
