// SPDX-License-Identifier: GPL-2.0

//! Clients: processes that hold an object of the device while this one unbinds the device.

use std::fs::File;
use std::io::{Read, Write};
use std::process::exit;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::pipe;

use super::situations::Situation;
use crate::harness::Child;
use crate::v4l2::{PollFlags, wait};

/// The longest time until a client has checked its object and ended, if all situations do so at once
/// on a slow board.
const END: Duration = Duration::from_secs(60);

/// The byte that a client sends when it holds its object.
const HELD: u8 = b'h';
/// The byte that tells a client to check its object.
const LOOK: u8 = b'l';
/// The byte that tells a client to exit, and to leave everything to the kernel.
const GO: u8 = b'g';

/// The client's end of the connection to the test.
pub(super) struct Link {
    from: File,
    to: File,
}

/// Creates a connection. Returns its two ends.
fn line() -> Result<[Link; 2]> {
    let (ours, theirs) = (pipe()?, pipe()?);
    let link = |from, to| Link {
        from: File::from(from),
        to: File::from(to),
    };
    Ok([link(ours.0, theirs.1), link(theirs.0, ours.1)])
}

impl Link {
    /// Tells the test that the client holds its object. Returns when the client is told to
    /// check the object, and does not return when it is told to exit.
    pub(super) fn hold(&self) -> Result<()> {
        (&self.to).write_all(&[HELD])?;
        let mut word = [0];
        (&self.from).read_exact(&mut word)?;
        if word != [LOOK] {
            exit(0);
        }
        Ok(())
    }
}

/// A client that holds something.
pub(super) struct Client {
    situation: &'static Situation,
    process: Child,
    line: Link,
}

impl Client {
    /// Starts a client, which holds the situation's object when this returns.
    pub(super) fn start(situation: &'static Situation) -> Result<Self> {
        let [line, theirs] = line()?;
        let process = Child::start(|| (situation.hold)(&theirs))?;
        // Dropped, so that the connection ends when the client does.
        drop(theirs);
        let client = Self {
            situation,
            process,
            line,
        };
        if wait(&client.line.from, PollFlags::POLLIN, END)?.contains(PollFlags::POLLIN) {
            return Ok(client);
        }
        client.ended()?;
        bail!("{} is not held", situation.name)
    }

    /// Tells the client to check its object, and to release it.
    pub(super) fn look(&self) {
        self.tell(LOOK);
    }

    /// Tells the client to exit without any call to the driver.
    pub(super) fn go(&self) {
        self.tell(GO);
    }

    fn tell(&self, word: u8) {
        // If the client has already ended, waiting for it returns the reason.
        let _ = (&self.line.to).write_all(&[word]);
    }

    /// Kills the client.
    pub(super) fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Waits for the end of the client. Returns an error if its checks failed.
    pub(super) fn ended(self) -> Result<()> {
        self.process.end(END).context(self.situation.name)
    }

    /// Waits for the end of the client after it was killed.
    pub(super) fn died(self) -> Result<()> {
        let ended = self.process.ended_within(END)?;
        ensure!(
            ended.is_some(),
            "{}: it cannot be killed",
            self.situation.name
        );
        Ok(())
    }
}
