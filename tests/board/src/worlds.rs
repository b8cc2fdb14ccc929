// SPDX-License-Identifier: GPL-2.0

//! Runs the scenarios of suite `worlds` with the loaded driver. Meanwhile the model of the engine is
//! in one of its worlds: it behaves in a way that is not known of real hardware.
//!
//! Each scenario runs in its own process, and writes a line to the record for each frame and one for
//! its end:
//!
//! ```text
//! {"scenario":"formats","frame":"nv12 to yuyv, identity","planes":["0123456789abcdef"]}
//! {"scenario":"errors","frame":"error=0x04@2, frame 1","planes":null}
//! {"scenario":"crops","frame":"33x47 at 301,217","shows":"luma 80 at 3,4, not 93.2"}
//! {"scenario":"formats","end":null}
//! ```
//!
//! `planes` has the digests of each plane of the destination, or is null for a frame that was
//! returned as failed, as expected. `shows` says how the picture differs from the expected one, or is
//! null. `end` says why a scenario was not completed, or is null.

mod crops;
mod faults;
mod frames;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use twox_hash::XxHash64;

use crate::harness::Child;
use crate::statistics::Statistics;
use crate::v4l2::{Device, Format, Sent, Stream};

/// The function of a scenario.
type Scenario = fn(&Record<'_>) -> Result<()>;

/// All scenarios by name, and whether each of their frames ends by an interrupt.
const SCENARIOS: &[(&str, bool, Scenario)] = &[
    ("formats", true, frames::formats),
    ("sizes", true, frames::sizes),
    ("speed", true, frames::speed),
    ("maps", true, frames::maps),
    ("files", true, frames::files),
    ("crops", true, crops::run),
    ("errors", true, faults::errors),
    ("silence", false, faults::silence),
    ("masked", false, faults::masked),
];

/// The longest time of a scenario. The process of a driver that waits for ever cannot be killed
/// either.
const LIMIT: Duration = Duration::from_secs(120);

/// The value of the destination's bytes before a frame, all of which the engine has to overwrite.
const UNTOUCHED: u8 = 0xa5;

/// The file that a scenario writes its results to.
pub struct Record<'f> {
    file: &'f File,
    scenario: &'static str,
    /// The number of the world, which is in the height of the frames of scenario `speed`.
    number: u32,
    /// Whether to run the long form.
    full: bool,
}

/// Runs scenarios one after the other, in world `number`. If one is not completed, the others do
/// not run, and an error is returned.
pub fn run(number: u32, record: &Path, full: bool, names: &[String]) -> Result<()> {
    let file = File::create(record).with_context(|| format!("creating {}", record.display()))?;
    for name in names {
        let (scenario, interrupts, run) = SCENARIOS
            .iter()
            .find(|(scenario, ..)| scenario == name)
            .with_context(|| format!("there is no scenario '{name}'"))?;
        let record = Record {
            file: &file,
            scenario,
            number,
            full,
        };
        let whole = || {
            run(&record)?;
            if *interrupts { no_watchdog() } else { Ok(()) }
        };
        let ended = Child::start(whole).and_then(|child| child.end(LIMIT));
        let why = ended.as_ref().err().map(|why| format!("{why:#}"));
        let why = why.as_deref().map(str::trim_end);
        record.line(json!({"scenario": scenario, "end": why}))?;
        ended.context(*scenario)?;
    }
    Ok(())
}

/// Checks that the watchdog has ended no frame since the driver was loaded, if the driver has one.
fn no_watchdog() -> Result<()> {
    if let Ok(statistics) = Statistics::read(&Device::open()?) {
        let fired = statistics.device.get("watchdog_fired")?;
        ensure!(fired == 0, "the watchdog ended {fired} frames");
    }
    Ok(())
}

impl Record<'_> {
    fn line(&self, line: Value) -> Result<()> {
        // Each line is one write, because the board may stop at any time.
        Ok((&mut &*self.file).write_all(format!("{line}\n").as_bytes())?)
    }

    /// Records a frame that is in buffer `index` of CAPTURE, or that failed.
    fn frame(&self, name: &str, stream: &Stream<'_>, index: usize, failed: bool) -> Result<()> {
        let digest = |plane: Vec<u8>| format!("{:016x}", XxHash64::oneshot(0, &plane));
        let planes = || stream.capture.read(index).into_iter().map(digest);
        let planes = (!failed).then(|| planes().collect::<Vec<_>>());
        self.line(json!({"scenario": self.scenario, "frame": name, "planes": planes}))
    }

    /// Records how the picture of a frame differs from the expected one, if it does.
    fn picture(&self, name: &str, shows: Option<String>) -> Result<()> {
        self.line(json!({"scenario": self.scenario, "frame": name, "shows": shows}))
    }

    /// Processes the frame in the first buffer of OUTPUT, and records the result.
    fn next(&self, name: &str, stream: &Stream<'_>) -> Result<()> {
        untouched(stream, 0);
        stream.queue(0, &Sent::default()).context("queueing")?;
        stream
            .dequeue()
            .with_context(|| format!("waiting for {name}"))?;
        self.frame(name, stream, 0, false)
    }

    /// Queues as many frames as there are buffers, and records them. The frame of index `failing`
    /// must be returned as failed, and no other.
    fn all(&self, name: &str, stream: &Stream<'_>, failing: Option<usize>) -> Result<()> {
        for index in 0..stream.output.len() {
            untouched(stream, index);
            stream.queue(index, &Sent::default()).context("queueing")?;
        }
        for index in 0..stream.output.len() {
            let name = format!("{name}, frame {index}");
            let (output, capture) = stream
                .dequeue_any()
                .with_context(|| format!("waiting for {name}"))?;
            ensure!(
                [output.index, capture.index] == [index; 2],
                "buffers {} and {} came back in place of {name}",
                output.index,
                capture.index
            );
            let failed = output.failed() || capture.failed();
            ensure!(
                failed == (failing == Some(index)),
                "{name} came back as {}",
                if failed { "failed" } else { "done" }
            );
            self.frame(&name, stream, index, failed)?;
        }
        Ok(())
    }
}

/// Overwrites all planes of a buffer of CAPTURE.
fn untouched(stream: &Stream<'_>, index: usize) {
    for plane in stream.capture.planes(index) {
        plane.fill(UNTOUCHED);
    }
}

/// Opens the driver's node again, with a format (V4L2's code, width, height) set for each queue.
fn opened(
    node: &Device,
    output: (&[u8; 4], u32, u32),
    capture: (&[u8; 4], u32, u32),
) -> Result<(Device, [Format; 2])> {
    let device = node.again()?;
    let format = |(fourcc, width, height)| Format::new(fourcc, width, height);
    let (output, capture) = device.set_formats(&format(output), &format(capture))?;
    Ok((device, [output, capture]))
}
