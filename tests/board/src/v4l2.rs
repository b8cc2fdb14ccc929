// SPDX-License-Identifier: GPL-2.0

//! A thin layer over V4L2's ioctls for tests: typed functions for valid calls, raw ones for
//! invalid arguments. An ioctl's error is its [`Errno`]. No function waits for ever: nodes are
//! opened non-blocking, and every wait has a time limit.

pub mod buffer;
pub mod control;
pub mod device;
pub mod dma_heap;
pub mod format;
pub mod held;
pub mod media;
pub mod memory;
pub mod raw;
pub mod request;
pub mod stream;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

pub use buffer::{Dequeued, Memory, Queue, Sent, Timecode};
pub use control::{HFLIP, MAP, PREFETCH_MODE, PREFETCH_THRESHOLD, VFLIP, Which};
pub use device::{Device, Way};
pub use format::{Colours, Format, Plane, Rect};
pub use media::Media;
pub use nix::errno::Errno;
pub use nix::poll::PollFlags;
pub use request::Request;
pub use stream::{Stream, one_frame};
pub use v4l2r::bindings;

use nix::poll::{PollFd, PollTimeout, poll};

/// The longest time that a test waits for a frame. The slowest kernel of the emulated board takes
/// two seconds for the largest.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until one of `events` (or an error of the file) occurs, and returns the events that did;
/// none when the time is up.
pub fn wait(file: impl AsFd, events: PollFlags, patience: Duration) -> Result<PollFlags, Errno> {
    let file: BorrowedFd<'_> = file.as_fd();
    let end = Instant::now() + patience;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // The time is rounded up, so that the last round does not spin.
        let left = left.saturating_add(Duration::from_micros(999));
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut polled = [PollFd::new(file, events)];
        match poll(&mut polled, timeout) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
            Ok(0) if Instant::now() < end => {}
            Ok(_) => return Ok(polled[0].revents().unwrap_or(PollFlags::empty())),
        }
    }
}
