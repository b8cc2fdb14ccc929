// SPDX-License-Identifier: GPL-2.0

//! Keys of cache entries. A key is a hash of all that decides what a step produces, with the arguments
//! of its commands. Such arguments are constants, which both the key and the command use.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// A hash of all that decides what a step produces.
pub struct Key(Sha256);

impl Key {
    /// Returns an empty key.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a value. Its length is hashed too, so that "ab", "c" differs from "a", "bc".
    pub fn add(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// Adds the arguments of a command.
    pub fn words(self, words: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        words.into_iter().fold(self.add("words"), Self::add)
    }

    /// Adds the content of a file, or of all files below a directory together with their relative
    /// names. Hidden files and `target` directories are left out. A path that does not exist counts as
    /// an empty directory.
    pub fn tree(self, path: &Path) -> Result<Self> {
        self.tree_below(path, "")
    }

    fn tree_below(mut self, path: &Path, name: &str) -> Result<Self> {
        if path.is_file() {
            let content = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            return Ok(self.add(name).add(content));
        }
        let Ok(listing) = fs::read_dir(path) else {
            return Ok(self);
        };
        let mut names: Vec<String> = listing
            .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        names.sort();
        for child in names {
            if !child.starts_with('.') && child != "target" {
                self = self.tree_below(&path.join(&child), &format!("{name}/{child}"))?;
            }
        }
        Ok(self)
    }

    /// Returns the key as 16 hexadecimal digits.
    pub fn finish(self) -> String {
        hexadecimal(&self.0.finalize()[..8])
    }
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn key_depends_on_where_values_end() {
        let split = |parts: &[&str]| parts.iter().fold(Key::new(), |key, part| key.add(part));
        assert_eq!(split(&["ab", "c"]).finish(), split(&["ab", "c"]).finish());
        assert_ne!(split(&["ab", "c"]).finish(), split(&["a", "bc"]).finish());
        assert_eq!(split(&["ab"]).finish().len(), 16);
    }

    #[test]
    fn key_of_a_tree_sees_names_and_contents_but_not_hidden_files() {
        let tree = TestDir::new("key");
        let dir = tree.path();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/a"), "1").unwrap();
        let key = || Key::new().tree(dir).unwrap().finish();
        let first = key();
        fs::write(dir.join(".hidden"), "x").unwrap();
        assert_eq!(key(), first);
        fs::write(dir.join("sub/a"), "2").unwrap();
        let second = key();
        assert_ne!(second, first);
        fs::rename(dir.join("sub/a"), dir.join("sub/b")).unwrap();
        assert_ne!(key(), second);
    }
}
