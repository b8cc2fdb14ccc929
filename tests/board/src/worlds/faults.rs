// SPDX-License-Identifier: GPL-2.0

//! An engine that fails, or whose interrupt does not come: that frame is returned as failed, those
//! before and after it are not, and the next stream works.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result, ensure};
use nix::libc::O_SYNC;

use super::frames::{source, turned};
use super::{Record, opened, untouched};
use crate::model;
use crate::statistics::Statistics;
use crate::v4l2::memory::Mapping;
use crate::v4l2::{Device, Sent, Stream, Which};

/// The address of the dewarper's registers on the board, and the register with the enables of its
/// events.
const REGISTERS: u32 = 0x32e3_0000;
const INTERRUPT_STATUS: usize = 0x70;

/// Pixels in a cycle of an engine that takes a tenth of a second for a frame of the smallest size.
/// A driver allows more than that, also where the engine is four times slower.
const SLOW: &str = "pixels-per-clock=0.002";

/// Tests errors that the engine reports instead of a frame that is done.
pub(super) fn errors(record: &Record<'_>) -> Result<()> {
    each(record, &["error=0x04@2", "error=0x02@2", "dma-fault=2"])
}

/// Tests frames whose interrupt is lost, and frames that never end; and a stream that is stopped
/// with such a frame in the engine.
pub(super) fn silence(record: &Record<'_>) -> Result<()> {
    each(record, &["drop-irq=2", "stall=2"])?;
    streaming(|stream| {
        model::set("stall=1")?;
        stream.queue(0, &Sent::default())?;
        stream
            .stop()
            .context("stopping a stream with a frame that never ends")
    })?;
    streaming(|stream| record.all("after a stopped stream", stream, None))
}

/// Tests a frame that is done and whose interrupt is masked, and not by the driver: a driver that
/// reads the status finds that it is done.
pub(super) fn masked(record: &Record<'_>) -> Result<()> {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_SYNC)
        .open("/dev/mem")
        .context("opening /dev/mem")?;
    let registers = Mapping::new(&memory, REGISTERS, 4096)?;
    streaming(|stream| {
        // The first access may take a while.
        registers.poke_word(INTERRUPT_STATUS, 0)?;
        let before = late_frames(stream.device)?;
        model::set(SLOW)?;
        untouched(stream, 0);
        stream.queue(0, &Sent::default())?;
        registers.poke_word(INTERRUPT_STATUS, 0)?;
        let done = stream.dequeue().context("waiting for the frame");
        model::set("pixels-per-clock=1")?;
        done?;
        let late = late_frames(stream.device)? - before;
        ensure!(late == 1, "the watchdog ended {late} frames, not 1");
        record.frame("masked", stream, 0, false)?;
        record.all("after a masked frame", stream, None)
    })
}

/// Returns how many frames the watchdog has ended.
fn late_frames(device: &Device) -> Result<u64> {
    Statistics::read(device)?.device.get("watchdog_fired")
}

/// Processes a stream of three frames for each fault, which applies to the second of them.
fn each(record: &Record<'_>, faults: &[&str]) -> Result<()> {
    streaming(|stream| {
        for fault in faults {
            model::set(fault)?;
            record.all(fault, stream, Some(1))?;
            record.all(&format!("after {fault}"), stream, None)?;
        }
        Ok(())
    })?;
    streaming(|stream| record.all("the next stream", stream, None))
}

/// Runs `run` with a stream of three buffers for each queue.
fn streaming(run: impl FnOnce(&Stream<'_>) -> Result<()>) -> Result<()> {
    let (device, [output, capture]) =
        opened(&Device::open()?, (b"NV12", 640, 480), (b"NV12", 176, 144))?;
    device.set_map(Which::Current, &turned(&output, &capture, 1))?;
    let stream = Stream::start(&device, 3)?;
    for index in 0..stream.output.len() {
        stream.output.write(index, &source(&output))?;
    }
    run(&stream)
}
