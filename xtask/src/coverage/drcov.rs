// SPDX-License-Identifier: GPL-2.0

//! Parses the file that QEMU's plugin `drcov` writes when the emulator ends: the executed blocks.

use anyhow::{Context, Result, ensure};

/// The beginning of the line before the blocks, `BB Table: N bbs`.
const TABLE: &[u8] = b"BB Table: ";

/// The size of a block's entry in bytes: start, length, module.
const ENTRY: usize = 8;

/// A block of code. It was executed at least once from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The lower half of its virtual address.
    pub start: u32,
    /// Its length, in bytes.
    pub length: u16,
}

impl Block {
    /// Parses a file of the plugin.
    pub fn all(file: &[u8]) -> Result<Vec<Self>> {
        let at = file.windows(TABLE.len()).position(|bytes| bytes == TABLE);
        let table = &file[at.context("no BB Table")? + TABLE.len()..];
        let end = table.iter().position(|&byte| byte == b'\n');
        let (title, blocks) = table.split_at(end.context("no end of the title")? + 1);
        let title = std::str::from_utf8(title)?;
        let count: usize = title
            .trim()
            .strip_suffix(" bbs")
            .context("no number of blocks")?
            .parse()?;
        ensure!(
            blocks.len() == count * ENTRY,
            "{} bytes for {count} blocks",
            blocks.len()
        );
        let blocks = blocks.chunks_exact(ENTRY).map(|entry| Self {
            start: u32::from_le_bytes([entry[0], entry[1], entry[2], entry[3]]),
            length: u16::from_le_bytes([entry[4], entry[5]]),
        });
        Ok(blocks.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] =
        b"DRCOV VERSION: 2\nColumns: id, base, end, entry, path\n0, 0x0, 0x0, 0x0, (null)\nBB Table: 2 bbs\n";

    #[test]
    fn blocks_are_read_and_a_truncated_file_is_an_error() {
        let blocks = [4, 3, 2, 0x81, 8, 0, 0, 0, 0x10, 0, 0, 0, 0, 1, 0, 0];
        let file = [HEADER, &blocks].concat();
        let [first, second] =
            [(0x8102_0304, 8), (0x10, 0x100)].map(|(start, length)| Block { start, length });
        assert_eq!(Block::all(&file).unwrap(), [first, second]);
        assert!(Block::all(&file[..file.len() - 1]).is_err());
        assert!(Block::all(b"DRCOV VERSION: 2\n").is_err());
    }
}
