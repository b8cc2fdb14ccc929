// SPDX-License-Identifier: GPL-2.0

//! Clients: processes that hold something of the device while this one takes the device away.

use std::fs::File;
use std::io::{Read, Write};
use std::process::exit;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::pipe;

use super::situations::Situation;
use crate::harness::Child;
use crate::v4l2::{PollFlags, wait};

/// How long a client may take to look and to end, where a dozen do so at once on a slow board.
const END: Duration = Duration::from_secs(60);

/// What a client says when it holds what it is to hold.
const HELD: u8 = b'h';
/// What it is told when it is to look what became of that.
const LOOK: u8 = b'l';
/// What it is told when it is to go, and to leave everything to the kernel.
const GO: u8 = b'g';

/// A client's end of the line to the test.
pub(super) struct Link {
    from: File,
    to: File,
}

/// Two ends of a line.
fn line() -> Result<[Link; 2]> {
    let (ours, theirs) = (pipe()?, pipe()?);
    let link = |from, to| Link {
        from: File::from(from),
        to: File::from(to),
    };
    Ok([link(ours.0, theirs.1), link(theirs.0, ours.1)])
}

impl Link {
    /// Tells the test that the client holds what it is to hold. Returns when it is to look what
    /// became of that, and never when it is to go.
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
    /// Starts a client, which holds what the situation is about from here on.
    pub(super) fn start(situation: &'static Situation) -> Result<Self> {
        let [line, theirs] = line()?;
        let process = Child::start(|| (situation.hold)(&theirs))?;
        // So that the line ends when the client does.
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

    /// Tells it to look what became of what it holds, and to let go of it.
    pub(super) fn look(&self) {
        self.tell(LOOK);
    }

    /// Tells it to go without a word to the driver.
    pub(super) fn go(&self) {
        self.tell(GO);
    }

    fn tell(&self, word: u8) {
        // One that has ended already says why when it is waited for.
        let _ = (&self.line.to).write_all(&[word]);
    }

    /// Kills it.
    pub(super) fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Waits for its end. An error if what it saw was not right.
    pub(super) fn ended(self) -> Result<()> {
        self.process.end(END).context(self.situation.name)
    }

    /// Waits for its end after it was killed.
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
