// SPDX-License-Identifier: GPL-2.0

//! Reads the kernel's log, message by message.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::libc::O_NONBLOCK;

/// The largest number of messages in [`INTERVAL`].
pub const MOST: usize = 10;

/// The time in which there may be [`MOST`] messages.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// A reader of the kernel's log.
pub struct Log(File);

impl Log {
    /// Waits for [`INTERVAL`], so that the driver may print [`MOST`] messages again,
    /// and reads from now on.
    pub fn when_quiet() -> Result<Self> {
        sleep(INTERVAL + Duration::from_millis(200));
        Self::from_now()
    }

    /// Reads the messages from now on.
    pub fn from_now() -> Result<Self> {
        let mut this = Self::from_start()?;
        this.0.seek(SeekFrom::End(0))?;
        Ok(this)
    }

    /// Reads all messages that the kernel keeps.
    pub fn from_start() -> Result<Self> {
        let options = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .clone();
        let file = options.open("/dev/kmsg").context("opening /dev/kmsg")?;
        Ok(Self(file))
    }

    /// Returns the texts of the messages since the last call.
    pub fn texts(&mut self) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        loop {
            // A read returns one record.
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

    /// Returns the texts of the driver's messages since the last call.
    pub fn ours(&mut self) -> Result<Vec<String>> {
        let mut texts = self.texts()?;
        texts.retain(|text| text.contains("dw100"));
        Ok(texts)
    }
}
