// SPDX-License-Identifier: GPL-2.0

//! What the driver says in the kernel's log of frames that fail.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::libc::O_NONBLOCK;

use super::Set;
use crate::harness::{Test, test};
use crate::model;
use crate::v4l2::{Device, Sent};

/// All tests.
pub(super) const TESTS: &[Test] = &[
    test(
        "a message names the errors of a frame, and what a time-out found",
        named,
    ),
    test(
        "of many frames that fail ten have a message in five seconds",
        limited,
    ),
];

/// How many messages there may be in which time.
const MOST: usize = 10;
const INTERVAL: Duration = Duration::from_secs(5);

/// Messages of the kernel's log.
struct Log(File);

impl Log {
    /// Those from now on, when the driver has said nothing for long enough to say all.
    fn when_quiet() -> Result<Self> {
        sleep(INTERVAL + Duration::from_millis(200));
        let options = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .clone();
        let mut file = options.open("/dev/kmsg").context("opening /dev/kmsg")?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self(file))
    }

    /// The texts of those that have come since the last time.
    fn new(&mut self) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        loop {
            // One record at a time.
            let mut record = [0; 8192];
            let length = match self.0.read(&mut record) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(texts),
                length => length.context("reading /dev/kmsg")?,
            };
            let record = String::from_utf8_lossy(&record[..length]);
            let (_, text) = record.split_once(';').context("a record has no text")?;
            texts.push(text.lines().next().unwrap_or_default().to_owned());
        }
    }

    /// The driver's own of them.
    fn ours(&mut self) -> Result<Vec<String>> {
        let mut texts = self.new()?;
        texts.retain(|text| text.contains("dw100"));
        Ok(texts)
    }
}

fn named() -> Result<()> {
    const START: &str = "dw100 32e30000.dwe: ";
    let device = Device::open()?;
    let set = Set::start(&device, 1, 9)?;
    let mut log = Log::when_quiet()?;
    for (fault, due) in [
        (
            "error=0x02@1",
            "interrupt: the engine reports bus time-out (INTERRUPT_STATUS 0x02)",
        ),
        (
            "error=0x14@1",
            "interrupt: the engine reports AXI response, macroblock fetch (INTERRUPT_STATUS 0x14)",
        ),
        (
            "error=0xe8@1",
            "interrupt: the engine reports X, frame 2, frame 3, frame done (INTERRUPT_STATUS 0xe8)",
        ),
        (
            "stall=1",
            "no interrupt in time: the engine reports no error (INTERRUPT_STATUS 0x00)",
        ),
    ] {
        model::set(fault)?;
        set.stream.queue(0, &Sent::default())?;
        set.take_failed(0)?;
        // The thread that returns it has written the message of the one before.
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 9).context("the frame after it")?;
        let said = log.ours()?;
        let texts: Vec<&str> = said.iter().map(String::as_str).collect();
        let due = format!("{START}{due}");
        ensure!(
            texts == [due.as_str()],
            "after {fault} the log has {texts:?}"
        );
    }
    Ok(())
}

fn limited() -> Result<()> {
    const FRAMES: usize = MOST + 5;
    let device = Device::open()?;
    let set = Set::start(&device, 1, 9)?;
    // A board that takes as long as the interval proves nothing.
    for _ in 0..5 {
        let mut log = Log::when_quiet()?;
        let start = Instant::now();
        model::set("error=0x04@every:1")?;
        let failed = (0..FRAMES).try_for_each(|_| -> Result<()> {
            set.stream.queue(0, &Sent::default())?;
            set.take_failed(0)
        });
        model::set("error=off")?;
        failed?;
        set.stream.queue(0, &Sent::default())?;
        set.take(0, 9).context("the frame after them")?;
        let took = start.elapsed();
        let said = log.ours()?;
        if took < INTERVAL {
            ensure!(
                said.len() == MOST,
                "the log has {} messages on {FRAMES} frames: {said:?}",
                said.len()
            );
            return Ok(());
        }
    }
    bail!("{FRAMES} frames always take longer than {INTERVAL:?}")
}
