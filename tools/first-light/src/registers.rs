// SPDX-License-Identifier: GPL-2.0

//! The engine's registers in the format in which both drivers list them in debugfs: `DW100_NAME:
//! 0xVALUE`.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

/// The directory in debugfs in which the driver shows the engine's state.
pub const DIRECTORY: &str = "/sys/kernel/debug/32e30000.dwe";

/// The registers by name, without `DW100_`.
pub struct Registers {
    values: BTreeMap<String, u32>,
    /// The text as it was read.
    pub text: String,
}

/// The registers that describe a frame, which a soft reset is assumed to clear.
pub const FRAME: [&str; 12] = [
    "MAP_LUT_ADDR",
    "MAP_LUT_SIZE",
    "SRC_IMG_Y_BASE",
    "SRC_IMG_UV_BASE",
    "SRC_IMG_SIZE",
    "SRC_IMG_STRIDE",
    "DST_IMG_Y_BASE",
    "DST_IMG_UV_BASE",
    "DST_IMG_SIZE",
    "DST_IMG_STRIDE",
    "DST_IMG_Y_SIZE1",
    "DST_IMG_UV_SIZE1",
];

impl Registers {
    /// Reads the registers now. The driver powers the engine for that, and resets it if it was off.
    pub fn read() -> Result<Self> {
        Self::read_file("dump_regs")
    }

    /// Reads the registers from a file of the driver's directory.
    pub fn read_file(name: &str) -> Result<Self> {
        let path = format!("{DIRECTORY}/{name}");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let value = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let name = name.trim().strip_prefix("DW100_")?;
            let digits = value.trim().trim_start_matches("0x");
            Some((name.to_owned(), u32::from_str_radix(digits, 16).ok()?))
        };
        Self {
            values: text.lines().filter_map(value).collect(),
            text: text.to_owned(),
        }
    }

    /// Returns the register of this name, if it was listed.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.values.get(name).copied()
    }

    /// Returns the register of this name, or an error that names it.
    pub fn value(&self, name: &str) -> Result<u32> {
        self.get(name)
            .with_context(|| format!("the register list has no {name}"))
    }

    /// Returns the 34-bit address in a register.
    pub fn address(&self, name: &str) -> Result<u64> {
        Ok(u64::from(self.value(name)? & 0x3fff_ffff) << 4)
    }

    /// Returns whether no register was listed.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read_as_both_drivers_write_them() {
        let text =
            "DW100_DEWARP_ID: 0x0\nDW100_BUS_CTRL: 0x8000000e\nDW100_MAP_LUT_ADDR: 3fffffff\n";
        let registers = Registers::parse(text);
        assert_eq!(registers.get("DEWARP_ID"), Some(0));
        assert_eq!(registers.value("BUS_CTRL").unwrap(), 0x8000_000e);
        assert_eq!(registers.address("MAP_LUT_ADDR").unwrap(), 0x3_ffff_fff0);
        assert!(registers.value("ROI_START").is_err());
        assert!(Registers::parse("none\n").is_empty());
    }
}
