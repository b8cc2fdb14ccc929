// SPDX-License-Identifier: GPL-2.0

//! A process that does the steps of one driver. It may get stuck in the kernel: with the C driver
//! a frame that never ends also keeps the process from ending. The process that writes the report
//! therefore waits for messages no longer than for [`SILENCE`], and does not wait for a stuck
//! process to end.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use dw100_board::harness::Child;
use dw100_board::v4l2::{PollFlags, wait};
use nix::libc::STDOUT_FILENO;
use nix::unistd::{dup2, pipe};

use crate::session::Message;

/// The longest time without a message from the process.
pub const SILENCE: Duration = Duration::from_secs(60);

/// The longest time until the process ends after its last message.
const PARTING: Duration = Duration::from_secs(5);

/// Runs `steps` in a new process, and passes its messages to `hear`. If the process dies or sends
/// no message for too long, the last message is [`Message::Hung`].
pub fn run(
    steps: impl FnOnce(File) -> Result<()>,
    mut hear: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let (from, to) = pipe()?;
    let child = Child::start(move || {
        // A process that is stuck for ever must not hold a pipe that another program reads to its
        // end.
        let nothing = File::options().write(true).open("/dev/null")?;
        dup2(nothing.as_raw_fd(), STDOUT_FILENO)?;
        steps(File::from(to))
    })?;
    let mut messages = Messages::of(File::from(from), SILENCE);
    loop {
        match messages.next()? {
            Next::Message(message) => {
                let last = matches!(
                    *message,
                    Message::End | Message::Hung(_) | Message::Unusable(_)
                );
                hear(*message)?;
                if last {
                    child.ended_within(PARTING)?;
                    return Ok(());
                }
            }
            Next::Silence => {
                let why = format!("nothing came of the step within {} s", SILENCE.as_secs());
                return hear(Message::Hung(why));
            }
            Next::Over => {
                let why = match child.end(PARTING) {
                    Ok(()) => "it ended early".to_owned(),
                    Err(error) => format!("{error:#}"),
                };
                return hear(Message::Hung(format!("the step failed: {why}")));
            }
        }
    }
}

/// The next event of a process.
enum Next {
    /// A message.
    Message(Box<Message>),
    /// The process sent no message for too long.
    Silence,
    /// The process has closed its end of the pipe.
    Over,
}

/// Messages, one in each line.
struct Messages {
    from: File,
    patience: Duration,
    bytes: Vec<u8>,
}

impl Messages {
    fn of(from: File, patience: Duration) -> Self {
        Self {
            from,
            patience,
            bytes: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Next> {
        let mut piece = [0; 65536];
        loop {
            if let Some(end) = self.bytes.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                let message = serde_json::from_slice(&line).context("a message is garbled")?;
                return Ok(Next::Message(Box::new(message)));
            }
            if wait(&self.from, PollFlags::POLLIN, self.patience)?.is_empty() {
                return Ok(Next::Silence);
            }
            match self.from.read(&mut piece)? {
                0 => return Ok(Next::Over),
                length => self.bytes.extend_from_slice(&piece[..length]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn messages_come_whole_and_silence_and_the_end_are_told() {
        let (from, to) = pipe().unwrap();
        let mut messages = Messages::of(File::from(from), Duration::from_millis(20));
        let mut to = File::from(to);
        let text = serde_json::to_string(&Message::Step("one".to_owned())).unwrap();
        to.write_all(format!("{text}\n{}", &text[..4]).as_bytes())
            .unwrap();
        let step = |next: Next| match next {
            Next::Message(message) => match *message {
                Message::Step(name) => name,
                _ => "another".to_owned(),
            },
            _ => "none".to_owned(),
        };
        assert_eq!(step(messages.next().unwrap()), "one");
        assert!(matches!(messages.next().unwrap(), Next::Silence));
        to.write_all(format!("{}\n", &text[4..]).as_bytes())
            .unwrap();
        assert_eq!(step(messages.next().unwrap()), "one");
        drop(to);
        assert!(matches!(messages.next().unwrap(), Next::Over));
    }
}
