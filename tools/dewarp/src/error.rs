// SPDX-License-Identifier: GPL-2.0
//! The error type of this crate: the message, and whether the request or the
//! machine is at fault.

use std::fmt;
use std::path::Path;

/// An error. It is shown to the user as it is, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request or its input is wrong: exit status 2.
    Use(String),
    /// The request is right, but could not be carried out: exit status 1.
    Failed(String),
}

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Creates an error in the request.
    pub fn bad_use(message: impl Into<String>) -> Self {
        Error::Use(message.into())
    }

    /// Creates an error of the machine.
    pub fn failed(message: impl Into<String>) -> Self {
        Error::Failed(message.into())
    }

    /// Creates an error of the machine at `path`: "`doing` PATH: `cause`".
    pub fn file(doing: &str, path: &Path, cause: impl fmt::Display) -> Self {
        Error::Failed(format!("{doing} {}: {cause}", path.display()))
    }

    /// Creates an error in the content of `path`: "PATH: `cause`".
    pub fn content(path: &Path, cause: impl fmt::Display) -> Self {
        Error::Use(format!("{}: {cause}", path.display()))
    }

    /// Returns the exit status for the error.
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
