// SPDX-License-Identifier: GPL-2.0

//! One register access, as it is in the trace's `sequence`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

use crate::registers;

/// A read, with the value that was returned, or a write.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// Whether the access is a write.
    pub write: bool,
    /// Byte offset of the register.
    pub offset: u32,
    /// The value that was read or written.
    pub value: u32,
}

impl Access {
    /// Creates a read that returned `value`.
    #[cfg(test)]
    pub const fn read(offset: u32, value: u32) -> Self {
        Self {
            write: false,
            offset,
            value,
        }
    }

    /// Creates a write of `value`.
    pub const fn write(offset: u32, value: u32) -> Self {
        Self {
            write: true,
            offset,
            value,
        }
    }

    /// Returns whether this is a read of the register.
    pub fn reads(&self, offset: u32) -> bool {
        !self.write && self.offset == offset
    }

    /// Returns whether this is a write to the register.
    pub fn writes(&self, offset: u32) -> bool {
        self.write && self.offset == offset
    }

    /// Returns whether this is a write to the register of a value with these bits under
    /// the mask.
    pub fn sets(&self, offset: u32, mask: u32, bits: u32) -> bool {
        self.writes(offset) && self.value & mask == bits
    }
}

impl FromStr for Access {
    type Err = Error;

    /// Parses `"w 0x04 0x008100a1"` and `"r 0x70 0x0001ff01"`.
    fn from_str(text: &str) -> Result<Self> {
        let number = |word: &str| {
            let digits = word.strip_prefix("0x").context("no 0x")?;
            Ok::<_, Error>(u32::from_str_radix(digits, 16)?)
        };
        let words: Vec<&str> = text.split(' ').collect();
        let [kind @ ("r" | "w"), offset, value] = words[..] else {
            bail!("{text:?} is no register access");
        };
        let wrong = || format!("{text:?} is no register access");
        Ok(Self {
            write: kind == "w",
            offset: number(offset).with_context(wrong)?,
            value: number(value).with_context(wrong)?,
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.write { "write" } else { "read" };
        let name = registers::name(self.offset);
        write!(f, "{kind} {name} {:#x}", self.value)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_are_read_as_the_trace_writes_them() {
        let read = |text: &str| text.parse::<Access>().unwrap();
        assert_eq!(read("w 0x04 0x008100a1"), Access::write(4, 0x0081_00a1));
        assert_eq!(read("r 0x70 0x0001ff01"), Access::read(0x70, 0x0001_ff01));
        for wrong in ["", "x 0x04 0x1", "w 4 0x1", "w 0x04", "w 0x04 0x1 0x2"] {
            let error = wrong.parse::<Access>().unwrap_err().to_string();
            assert!(
                error.contains("is no register access"),
                "{wrong:?}: {error}"
            );
        }
    }

    #[test]
    fn an_access_is_named_after_its_register() {
        let text = Access::write(0x74, 0x8000_000e).to_string();
        assert_eq!(text, "write BUS_CTRL (0x74) 0x8000000e");
    }
}
