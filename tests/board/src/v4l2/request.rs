// SPDX-License-Identifier: GPL-2.0

//! A request: buffers and control values that belong to one frame.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use super::{Errno, PollFlags, raw, wait};

/// The file of a request.
pub struct Request {
    file: File,
}

impl AsRawFd for Request {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl AsFd for Request {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Request {
    pub(super) fn new(file: File) -> Self {
        Self { file }
    }

    /// Calls `MEDIA_REQUEST_IOC_QUEUE`.
    pub fn queue(&self) -> Result<(), Errno> {
        // SAFETY: There is no argument.
        unsafe { raw::media_request_queue(self.as_raw_fd()) }.map(drop)
    }

    /// Calls `MEDIA_REQUEST_IOC_REINIT`, which empties the request for another
    /// frame.
    pub fn reinit(&self) -> Result<(), Errno> {
        // SAFETY: There is no argument.
        unsafe { raw::media_request_reinit(self.as_raw_fd()) }.map(drop)
    }

    /// Waits for the request's completion. Returns `false` when the time is up.
    pub fn completed(&self, patience: Duration) -> Result<bool, Errno> {
        let events = wait(self, PollFlags::POLLPRI, patience)?;
        Ok(events.contains(PollFlags::POLLPRI))
    }
}

impl From<File> for Request {
    /// Uses any file as a request, for tests of the errors that the kernel
    /// returns for it.
    fn from(file: File) -> Self {
        Self { file }
    }
}
