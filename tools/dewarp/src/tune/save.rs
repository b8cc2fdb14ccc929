// SPDX-License-Identifier: GPL-2.0
//! Files that the page saves. They are in the directory in which the program was started; their
//! names cannot point out of it, and files that existed before are not overwritten.

use std::collections::HashMap;
use std::fs::{Metadata, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use dewarp::{Error, Result};

/// The largest length of a name in characters.
const LONGEST: usize = 64;

/// The directory, and the files that were written.
pub struct Folder {
    path: PathBuf,
    ours: Mutex<HashMap<String, Stamp>>,
}

/// Identifies the version of a file: device, inode, size in bytes, time of the last change in
/// seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

fn stamp(data: &Metadata) -> Stamp {
    let (seconds, nanoseconds) = (data.mtime(), data.mtime_nsec());
    (data.dev(), data.ino(), data.size(), seconds, nanoseconds)
}

impl Folder {
    pub fn new(path: PathBuf) -> Self {
        Folder {
            path,
            ours: Mutex::default(),
        }
    }

    /// Writes a file whose name must end in one of `endings`.
    ///
    /// Returns a bad-use error if the name is not a plain one, or is that of a file that this
    /// program did not write.
    pub fn write(&self, name: &str, endings: &[&str], bytes: &[u8]) -> Result<()> {
        check(name, endings)?;
        let path = self.path.join(name);
        let mut ours = self.ours.lock().unwrap_or_else(PoisonError::into_inner);
        let found = std::fs::symlink_metadata(&path).map(|data| stamp(&data));
        if ours
            .get(name)
            .is_some_and(|written| found.is_ok_and(|found| found == *written))
        {
            std::fs::remove_file(&path)
                .or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
                .map_err(|error| Error::file("cannot write", Path::new(name), error))?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::bad_use(format!(
                "{name} exists, and this page did not save it, or it was changed since: give another name"
            )),
            _ => Error::file("cannot write", Path::new(name), error),
        })?;
        let written = file.write_all(bytes).and_then(|()| file.metadata());
        let data = written.map_err(|error| {
            // An incomplete file is removed.
            let _ = std::fs::remove_file(&path);
            Error::file("cannot write", Path::new(name), error)
        })?;
        ours.insert(name.to_owned(), stamp(&data));
        Ok(())
    }
}

/// Checks that a name is that of a file in the directory, with one of the endings.
pub fn check(name: &str, endings: &[&str]) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let ending = endings.iter().any(|ending| name.ends_with(ending));
    if ending
        && name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(plain)
    {
        return Ok(());
    }
    Err(Error::bad_use(format!(
        "{name:?} is no name for this file: at most {LONGEST} letters, digits, - _ and ., a letter or digit \
         first, {} at the end",
        endings.join(" or ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_directory() {
        for name in ["map.bin", "1-b_c.d.bin"] {
            check(name, &[".bin"]).unwrap();
        }
        let long = format!("{}.bin", "a".repeat(LONGEST));
        for name in [
            "",
            ".bin",
            "../map.bin",
            "/map.bin",
            "a/b.bin",
            "a\\b.bin",
            "map.bin\0",
            "-o.bin",
            "map.txt",
            "a b.bin",
            "map.bin/",
            "..bin",
            &long,
        ] {
            assert!(check(name, &[".bin"]).is_err(), "{name}");
        }
    }

    #[test]
    fn only_files_of_its_own_are_written_over() {
        let dir = std::env::temp_dir().join(format!("dewarp-save-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("old.bin"), "old").unwrap();
        std::os::unix::fs::symlink(dir.join("nowhere"), dir.join("link.bin")).unwrap();
        let folder = Folder::new(dir.clone());
        for name in ["old.bin", "link.bin"] {
            let error = folder.write(name, &[".bin"], b"new").unwrap_err();
            assert!(error.to_string().contains("give another name"), "{error}");
        }
        assert_eq!(std::fs::read(dir.join("old.bin")).unwrap(), b"old");
        assert!(!dir.join("nowhere").exists());
        for text in ["one", "two"] {
            folder.write("new.bin", &[".bin"], text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(dir.join("new.bin")).unwrap(), text);
        }
        std::fs::write(dir.join("new.bin"), "of somebody else").unwrap();
        let error = folder.write("new.bin", &[".bin"], b"three").unwrap_err();
        assert!(error.to_string().contains("changed since"), "{error}");
        assert_eq!(
            std::fs::read(dir.join("new.bin")).unwrap(),
            b"of somebody else"
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
