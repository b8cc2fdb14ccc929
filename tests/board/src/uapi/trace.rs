// SPDX-License-Identifier: GPL-2.0

//! Tests the driver's trace events, on a kernel that has them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::picture::Bands;
use crate::statistics::Statistics;
use crate::v4l2::{Device, Sent, Stream};

pub(super) const TESTS: &[Test] = &[test(
    "trace events tell of each frame its start, its interrupt and its end",
    told,
)];

/// A trace instance with the driver's events enabled, which is removed when
/// this is dropped.
struct Instance(PathBuf);

impl Instance {
    fn new() -> Result<Self> {
        let dir = Path::new("/sys/kernel/tracing/instances/dw100");
        fs::create_dir(dir).with_context(|| format!("making {}", dir.display()))?;
        let this = Self(dir.to_owned());
        let switch = dir.join("events/dw100/enable");
        fs::write(&switch, "1").with_context(|| format!("writing to {}", switch.display()))?;
        Ok(this)
    }

    /// Returns the events so far, without the kernel's prefix.
    fn events(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.0.join("trace"))?;
        let event = |line: &str| Some(line[line.find(": dw100_")? + 2..].to_owned());
        Ok(text.lines().filter_map(event).collect())
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("events/dw100/enable"), "0");
        let _ = fs::remove_dir(&self.0);
    }
}

/// Returns a number in an event.
fn number(event: &str, name: &str) -> Result<u64> {
    let mut words = event.split_whitespace();
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let number = value.and_then(|value| value.parse().ok());
    number.with_context(|| format!("no number '{name}' in '{event}'"))
}

fn told() -> Result<()> {
    const FRAMES: usize = 4;
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let stream = Stream::start(&device, 2)?;
    stream.frame(&bands.source)?;
    let instance = Instance::new()?;
    let mut due = Vec::new();
    let mut first = None;
    for round in 0..FRAMES {
        stream.queue(round % 2, &Sent::default())?;
        stream.dequeue()?;
        let statistics = Statistics::read(&device)?;
        let own = statistics.own();
        let own = own.first().context("the file is not listed")?;
        if first.is_none() {
            let events = instance.events()?;
            first = Some(number(events.first().context("no event")?, "frame")?);
        }
        let frame = first.unwrap_or_default() + round as u64;
        let context = own.get("context")?;
        let (engine, wait) = (own.get("engine_ns_last")?, own.get("wait_ns_last")?);
        due.extend([
            format!(
                "dw100_job_start: frame={frame} context={context} \
                 source=640x480 destination=176x144"
            ),
            format!("dw100_irq: frame={frame} status=0x01 busy=0 latched=1"),
            format!(
                "dw100_job_finish: frame={frame} context={context} \
                 status=0x01 done=1 engine_ns={engine} wait_ns={wait}"
            ),
        ]);
    }
    let events = instance.events()?;
    ensure!(
        events == due,
        "the events are {events:#?}, where {due:#?} were due"
    );
    Ok(())
}
