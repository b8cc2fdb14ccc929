// SPDX-License-Identifier: GPL-2.0
//! The one error type: what went wrong, whose fault it is, and what to do.

use std::fmt;
use std::path::Path;

/// An error to show to the user as it is, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What was asked for or given is wrong, whoever is to do it: exit status 2.
    Use(String),
    /// The request was fine and the machine failed it: exit status 1.
    Failed(String),
}

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of the caller's.
    pub fn bad_use(message: impl Into<String>) -> Self {
        Error::Use(message.into())
    }

    /// An error of the machine's.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(message.into())
    }

    /// The machine's error with `path`: "`doing` PATH: `cause`".
    pub fn file(doing: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Error::Failed(format!("{doing} {}: {cause}", path.display()))
    }

    /// An error of what stands in `path`: "PATH: `cause`".
    pub fn content(path: &Path, cause: impl fmt::Display) -> Self {
        Error::Use(format!("{}: {cause}", path.display()))
    }

    /// The exit status that goes with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Use(_) => 2,
            Error::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Use(message) | Error::Failed(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}
