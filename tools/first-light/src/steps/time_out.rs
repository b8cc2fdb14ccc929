// SPDX-License-Identifier: GPL-2.0

//! Tests the recovery from a forced time-out: the watchdog is set so early that it ends a running
//! frame. The driver then resets the engine.

use std::fs;

use anyhow::{Context, Result};
use dewarp::format::NV12;

use super::interrupts::Counts;
use super::speed::largest_size;
use crate::chart;
use crate::frame::{self, Prefetch, Shot};
use crate::maps::Kind;
use crate::registers::{DIRECTORY, Registers};
use crate::report::Judged;
use crate::session::{Halt, Outcome, Session, simple};

/// INTERRUPT_STATUS: a frame is running.
const FRAME_BUSY: u32 = 1 << 16;

/// Sets the driver's watchdog to an early time, for as long as this value lives.
struct Early {
    path: String,
    before: String,
}

impl Early {
    /// Sets it to a millisecond.
    fn set() -> Result<Self> {
        let path = format!("{DIRECTORY}/watchdog_ms");
        let before = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        fs::write(&path, "1").with_context(|| format!("writing {path}"))?;
        Ok(Self {
            path,
            before: before.trim().to_owned(),
        })
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        let _ = fs::write(&self.path, &self.before);
    }
}

/// Forces a time-out, and checks whether the next frames are right.
pub fn run(session: &mut Session) -> Outcome {
    let size = largest_size(session.sizes.largest);
    let shot = Shot {
        prefetch: Some(Prefetch::Calculation),
        ..Shot::new((NV12, size), (NV12, size), Kind::Identity.map(size, size))
    };
    let source = chart::frame(NV12, size)?;
    let fired = |counts: Option<Counts>| counts.map_or(0, |counts| counts.get("watchdog_fired"));
    let before = fired(Counts::read());
    let what = format!("a frame of {size} that the watchdog ends after a millisecond");
    session.intend(&what)?;
    let early = Early::set()?;
    let shots = session.send(&what, 1, || frame::send(&shot, &source));
    drop(early);
    let shots = shots?;
    let topic = "a frame that is timed out while it is made";
    let assumed = "it comes back as failed";
    if shots.failed == 0 {
        let why = "the engine was faster than the watchdog";
        return Ok(session.report(Judged::not_measured(topic, assumed, why))?);
    }
    let after = fired(Counts::read());
    session.report(if after > before {
        Judged::allowed(topic, assumed, "the same; the driver has reset the engine")
    } else {
        let found = "it came back as failed, and not by the watchdog";
        Judged::differs(topic, assumed, found)
    })?;
    at_time_out(session)?;

    let (simple, simple_source) = simple()?;
    session.intend("the frame after the time-out")?;
    let next = session.send("the frame after the time-out", 1, || {
        frame::send(&simple, &simple_source)
    })?;
    if next.frame.is_none() {
        return Err(Halt::Hung(
            "the reset of an engine that was making a frame did not recover it".to_owned(),
        ));
    }
    session.judge(
        "the first frame after a time-out",
        &simple,
        &simple_source,
        &next,
    )?;
    session.intend("the same frame again, with the driver's own watchdog")?;
    let again = session.send("the same frame again", 1, || frame::send(&shot, &source))?;
    session.judge(
        "the frame that was timed out, again",
        &shot,
        &source,
        &again,
    )?;
    Ok(())
}

/// Reports the registers that the driver kept of the time-out.
fn at_time_out(session: &mut Session) -> Outcome {
    let registers = Registers::read_file("timeout_regs")?;
    session.text("registers at the time-out", registers.text.clone())?;
    let topic = "FRAME_BUSY at the time-out";
    let assumed = "1: the engine is making the frame";
    if registers.is_empty() {
        let why = "the driver kept no registers";
        return Ok(session.report(Judged::not_measured(topic, assumed, why))?);
    }
    let status = registers.value("INTERRUPT_STATUS")?;
    let found = format!("INTERRUPT_STATUS is {status:#010x}");
    Ok(session.report(match status & FRAME_BUSY {
        0 => Judged::differs(topic, assumed, found),
        _ => Judged::allowed(topic, assumed, found),
    })?)
}
