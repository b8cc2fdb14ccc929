// SPDX-License-Identifier: GPL-2.0

//! The mutexes of an open file: one that the media core locks and unlocks, too, and one that a
//! signal ends the wait for. `kernel::sync::Mutex` does neither.

use super::bindings;
use core::pin::Pin;
use kernel::{
    prelude::*,
    sync::LockClassKey,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A mutex that guards no data of its own.
#[pin_data(PinnedDrop)]
pub(super) struct Lock {
    #[pin]
    raw: Opaque<bindings::mutex>,
}

impl Lock {
    /// A lock of the class `key`, which lockdep calls `name`.
    pub(super) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The place is valid for writes and stays where it is; name and key are
            // static. Both crates see the same C structure.
            raw <- Opaque::ffi_init(move |lock: *mut bindings::mutex| unsafe {
                kernel::bindings::__mutex_init(lock.cast(), name.as_char_ptr(), key.as_ptr());
            }),
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
        LockGuard(self, NotThreadSafe)
    }

    /// The same, unless a signal comes: `ERESTARTSYS`, upon which the system call is made again
    /// if the signal's handler says so (`SA_RESTART`).
    pub(super) fn lock_interruptible(&self) -> Result<LockGuard<'_>> {
        // SAFETY: The mutex is initialised.
        match unsafe { bindings::helper_mutex_lock_interruptible(self.as_raw()) } {
            0 => Ok(LockGuard(self, NotThreadSafe)),
            // It says `EINTR`, which would be the system call's last word.
            _ => Err(ERESTARTSYS),
        }
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

/// Holds a [`Lock`], which the thread that took it has to release.
pub(super) struct LockGuard<'a>(&'a Lock, NotThreadSafe);

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: Taken when the guard was made.
        unsafe { bindings::helper_mutex_unlock(self.0.as_raw()) };
    }
}
