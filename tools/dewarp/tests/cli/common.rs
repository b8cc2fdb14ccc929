// SPDX-License-Identifier: GPL-2.0
//! What the tests of the command share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use dewarp::{Picture, Size};

/// A directory of the test's own, gone at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        // Tests run beside each other, and may use a name twice.
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = std::process::id();
        let dir = std::env::temp_dir().join(format!("dewarp-cli-{name}-{id}-{count}"));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A grey picture of this size.
    pub fn picture(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let path = self.path(name);
        Picture::filled(Size { width, height }, [90; 3])
            .save(&path)
            .unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command.
fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dewarp"))
}

#[cfg(feature = "tune")]
impl Scratch {
    /// Starts `dewarp` in the directory; what it prints is for the caller.
    pub fn spawn(&self, words: &str) -> std::process::Child {
        command()
            .args(words.split_whitespace())
            .current_dir(&self.0)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// Runs it: exit status, what it printed, what it said on stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// Runs `dewarp`: exit status, what it said.
pub fn dewarp(args: &[&str], paths: &[&Path]) -> (i32, String) {
    let (code, _, errors) = run(command().args(args).args(paths));
    (code, errors)
}

impl Scratch {
    /// Runs `dewarp` in the directory, with words that have no blanks in them:
    /// exit status, what it said on stderr.
    pub fn run(&self, words: &str) -> (i32, String) {
        let (code, _, errors) = self.start(words);
        (code, errors)
    }

    /// The same with words that may have blanks in them.
    pub fn words(&self, words: &[&str]) -> (i32, String) {
        let (code, _, errors) = run(command().args(words).current_dir(&self.0));
        (code, errors)
    }

    /// The same with what it printed.
    pub fn start(&self, words: &str) -> (i32, String, String) {
        let words = words.split_whitespace();
        run(command().args(words).current_dir(&self.0))
    }
}
