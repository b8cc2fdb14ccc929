// SPDX-License-Identifier: GPL-2.0

//! The kernel's log, message by message.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::libc::O_NONBLOCK;

/// How many messages there may be in [`INTERVAL`].
pub const MOST: usize = 10;

/// The time in which there may be [`MOST`].
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Messages of the kernel's log.
pub struct Log(File);

impl Log {
    /// Those from now on, when the driver has said nothing for long enough to say all.
    pub fn when_quiet() -> Result<Self> {
        sleep(INTERVAL + Duration::from_millis(200));
        Self::from_now()
    }

    /// Those from now on.
    pub fn from_now() -> Result<Self> {
        let mut this = Self::from_start()?;
        this.0.seek(SeekFrom::End(0))?;
        Ok(this)
    }

    /// All that are kept.
    pub fn from_start() -> Result<Self> {
        let options = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .clone();
        let file = options.open("/dev/kmsg").context("opening /dev/kmsg")?;
        Ok(Self(file))
    }

    /// The texts of those that have come since the last time.
    pub fn texts(&mut self) -> Result<Vec<String>> {
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
    pub fn ours(&mut self) -> Result<Vec<String>> {
        let mut texts = self.texts()?;
        texts.retain(|text| text.contains("dw100"));
        Ok(texts)
    }
}
