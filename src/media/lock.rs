// SPDX-License-Identifier: GPL-2.0

//! Mutexes that this driver shares with the media core.

use super::bindings;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// A mutex that the media core locks and unlocks, too.
///
/// There is one for each open file, which serialises its queue operations and
/// `VIDIOC_S_FMT`; and one for the video device, which the V4L2 core takes before, for every
/// ioctl that is not a queue operation.
#[pin_data(PinnedDrop)]
pub(super) struct Lock {
    #[pin]
    raw: Opaque<bindings::mutex>,
}

impl Lock {
    /// The lock of a video device.
    pub(super) fn of_device() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The place is valid for writes and stays where it is.
            raw <- Opaque::ffi_init(|lock| unsafe { bindings::helper_mutex_init_device(lock) }),
        })
    }

    /// The lock of an open file.
    pub(super) fn of_file() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The place is valid for writes and stays where it is.
            raw <- Opaque::ffi_init(|lock| unsafe { bindings::helper_mutex_init_file(lock) }),
        })
    }

    /// The C mutex.
    pub(super) fn as_raw(&self) -> *mut bindings::mutex {
        self.raw.get()
    }

    /// Takes the lock until the guard is dropped.
    pub(super) fn lock(&self) -> LockGuard<'_> {
        // SAFETY: The mutex is initialised.
        unsafe { bindings::helper_mutex_lock(self.as_raw()) };
        LockGuard(self)
    }

    /// The same, unless a signal comes: `ERESTARTSYS`.
    pub(super) fn lock_interruptible(&self) -> Result<LockGuard<'_>> {
        // SAFETY: The mutex is initialised.
        to_result(unsafe { bindings::helper_mutex_lock_interruptible(self.as_raw()) })?;
        Ok(LockGuard(self))
    }
}

#[pinned_drop]
impl PinnedDrop for Lock {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The mutex is initialised and nobody uses it any more.
        unsafe { bindings::helper_mutex_destroy(self.as_raw()) };
    }
}

// SAFETY: A mutex may be used from any thread.
unsafe impl Send for Lock {}
// SAFETY: As above.
unsafe impl Sync for Lock {}

/// Holds a [`Lock`].
pub(super) struct LockGuard<'a>(&'a Lock);

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Taken when the guard was made.
        unsafe { bindings::helper_mutex_unlock(self.0.as_raw()) };
    }
}
