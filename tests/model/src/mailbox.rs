// SPDX-License-Identifier: GPL-2.0
//! The page, for tests only, through which the guest sets keys while it runs.

use serde::Deserialize;
use serde::Serialize;

use crate::fault::Settings;

/// Offset of the byte port. Bytes form a line, and `\n` submits it.
pub const PORT: u64 = 0;
/// Offset of the result of the last line: 0 if it was understood, 1 if not.
pub const VERDICT: u64 = 4;

/// The longest line that is understood, in bytes. A line with all worlds fits.
const LONGEST: usize = 1024;

/// A line that is not complete yet, and the result of the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    line: Vec<u8>,
    refused: bool,
}

impl Mailbox {
    /// Returns the value of a read at `offset`.
    pub fn read(&self, offset: u64) -> u32 {
        match offset {
            VERDICT => u32::from(self.refused),
            _ => 0,
        }
    }

    /// Takes a byte written at `offset`; a `\n` applies the line to `settings`.
    ///
    /// # Errors
    ///
    /// Returns a message that says what was wrong with the line, and what would
    /// be right.
    pub fn write(&mut self, offset: u64, byte: u8, settings: &mut Settings) -> Result<(), String> {
        if offset != PORT {
            return Ok(());
        }
        if byte != b'\n' {
            // One byte more than fits marks the line as too long.
            if self.line.len() <= LONGEST {
                self.line.push(byte);
            }
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let result = match std::str::from_utf8(&line) {
            _ if line.len() > LONGEST => Err(format!("a line must be at most {LONGEST} bytes")),
            Ok(line) => settings.apply(line),
            Err(_) => Err("a line must be UTF-8".to_owned()),
        };
        self.refused = result.is_err();
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn send(mailbox: &mut Mailbox, settings: &mut Settings, line: &[u8]) -> Result<(), String> {
        line.iter()
            .try_for_each(|&byte| mailbox.write(PORT, byte, settings))
    }

    #[test]
    fn a_line_is_applied_when_it_ends_and_its_verdict_stays() {
        let (mut mailbox, mut settings) = (Mailbox::default(), Settings::default());
        send(&mut mailbox, &mut settings, b"stall=1").unwrap();
        assert_eq!(settings, Settings::default());
        send(&mut mailbox, &mut settings, b"\n").unwrap();
        assert_ne!(settings, Settings::default());
        assert_eq!(mailbox.read(VERDICT), 0);
        send(&mut mailbox, &mut settings, b"stall=x\n").unwrap_err();
        assert_eq!(mailbox.read(VERDICT), 1);
        send(&mut mailbox, &mut settings, b"\n").unwrap();
        assert_eq!(mailbox.read(VERDICT), 0);
    }

    #[test]
    fn a_line_may_name_every_world() {
        let (mut mailbox, mut settings) = (Mailbox::default(), Settings::default());
        let line: String = World::ALL.map(|w| format!("world={};", w.name())).concat();
        send(&mut mailbox, &mut settings, line.as_bytes()).unwrap();
        send(&mut mailbox, &mut settings, b"\n").unwrap();
        assert!(World::ALL.into_iter().all(|w| settings.worlds.has(w)));
    }

    #[test]
    fn endless_lines_and_other_offsets_are_harmless() {
        let (mut mailbox, mut settings) = (Mailbox::default(), Settings::default());
        mailbox.write(8, b'\n', &mut settings).unwrap();
        send(&mut mailbox, &mut settings, &[b'x'; 10_000]).unwrap();
        assert!(mailbox.line.len() <= LONGEST + 1);
        assert!(send(&mut mailbox, &mut settings, b"\n").is_err());
        send(&mut mailbox, &mut settings, b"stall=1\n").unwrap();
    }
}
