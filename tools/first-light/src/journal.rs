// SPDX-License-Identifier: GPL-2.0

//! A file with a line for each thing that the program is about to do with the engine. The line
//! is on the disk before that starts: if the board hangs then, the next run and the reader of
//! the file know how far the run got.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The journal's name, and the name that a former run's journal gets.
const NAME: &str = "first-light.log";
const FORMER: &str = "first-light-former.log";

/// The beginning of the last line of a run that was completed.
const END: &str = "end: ";

/// The journal of this run.
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// Begins the journal of a run in `dir`. Also returns how far a former run got there.
    pub fn begin(dir: &Path) -> Result<(Self, Option<String>)> {
        let path = dir.join(NAME);
        let former = match fs::read_to_string(&path) {
            Ok(text) => {
                fs::rename(&path, dir.join(FORMER))
                    .with_context(|| format!("keeping the former {}", path.display()))?;
                Some(how_far(&text))
            }
            Err(_) => None,
        };
        let journal = Self { path };
        journal.note("begin")?;
        // The file's name must be on the disk as well.
        File::open(dir)?.sync_all()?;
        Ok((journal, former))
    }

    /// Opens the journal of this run from another process.
    pub fn of(dir: &Path) -> Self {
        Self {
            path: dir.join(NAME),
        }
    }

    /// Writes a line, and waits until it is on the disk.
    pub fn note(&self, line: &str) -> Result<()> {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .with_context(|| format!("opening {}", self.path.display()))?;
        // This is one write, so that the lines of two processes do not mix.
        file.write_all(format!("{}\n", line.replace('\n', " ")).as_bytes())?;
        file.sync_all()
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// Writes the last line of a run.
    pub fn end(&self, line: &str) -> Result<()> {
        self.note(&format!("{END}{line}"))
    }
}

/// Returns how far the run of this journal got.
fn how_far(journal: &str) -> String {
    match journal.lines().last() {
        None => "it wrote nothing".to_owned(),
        Some(last) => match last.strip_prefix(END) {
            Some(end) => format!("it came to its end: {end}"),
            None => format!("it did not come to its end; the last it wrote is \"{last}\""),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_died_is_told_by_its_last_line() {
        let dir = std::env::temp_dir().join(format!("first-light-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (journal, former) = Journal::begin(&dir).unwrap();
        assert_eq!(former, None);
        journal.note("step 3: a frame\nof two lines").unwrap();
        let (journal, former) = Journal::begin(&dir).unwrap();
        let said = former.unwrap();
        assert!(
            said.contains("did not come") && said.contains("step 3: a frame of two lines"),
            "{said}"
        );
        journal.end("status 0").unwrap();
        let (_, former) = Journal::begin(&dir).unwrap();
        assert_eq!(former.unwrap(), "it came to its end: status 0");
        assert!(dir.join(FORMER).exists());
        fs::remove_dir_all(&dir).unwrap();
    }
}
