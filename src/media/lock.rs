// SPDX-License-Identifier: GPL-2.0

//! Mutexes that C code also uses: those of an open file, of which vb2 releases and takes one, the
//! media device's `req_queue_mutex`, and that of the controls. A signal can end the wait for them.
//! `kernel::sync::Mutex` supports neither.

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
#[repr(transparent)]
pub(super) struct Lock {
    #[pin]
    raw: Opaque<bindings::mutex>,
}

impl Lock {
    /// Creates a lock of the lock class `key`, which lockdep calls `name`.
    pub(super) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The memory is valid for writes and pinned; name and key are static.
            // `kernel::bindings` describes the same C structure.
            raw <- Opaque::ffi_init(move |lock: *mut bindings::mutex| unsafe {
                kernel::bindings::__mutex_init(lock.cast(), name.as_char_ptr(), key.as_ptr());
            }),
        })
    }

    /// Borrows a mutex of the C code.
    ///
    /// # Safety
    ///
    /// `raw` must be an initialised mutex that is valid for `'a`.
    pub(super) unsafe fn borrow<'a>(raw: *mut bindings::mutex) -> &'a Self {
        // SAFETY: `Self` is a transparent wrapper of the C structure.
        unsafe { &*raw.cast() }
    }

    /// Returns the C mutex.
    pub(super) fn as_raw(&self) -> *mut bindings::mutex {
        self.raw.get()
    }

    /// Takes the lock until the guard is dropped.
    pub(super) fn lock(&self) -> LockGuard<'_> {
        // SAFETY: The mutex is initialised.
        unsafe { bindings::helper_mutex_lock(self.as_raw()) };
        LockGuard(self, NotThreadSafe)
    }

    /// Takes the lock, for a wait that may be long. The first wait is interruptible, so that a
    /// kernel thread, which gets no signals, does not add to the load average. If a signal ends the
    /// wait of a process, the second wait is not interruptible.
    pub(super) fn lock_long(&self) -> LockGuard<'_> {
        self.lock_interruptible().unwrap_or_else(|_| self.lock())
    }

    /// Takes the lock until the guard is dropped, unless a signal ends the wait.
    ///
    /// `ERESTARTSYS` if a signal ended it: the kernel restarts the system call if the signal's
    /// handler allows that (`SA_RESTART`).
    pub(super) fn lock_interruptible(&self) -> Result<LockGuard<'_>> {
        // SAFETY: The mutex is initialised.
        match unsafe { bindings::helper_mutex_lock_interruptible(self.as_raw()) } {
            0 => Ok(LockGuard(self, NotThreadSafe)),
            // The C function returns `EINTR`, with which the system call would not be restarted.
            _ => Err(ERESTARTSYS),
        }
    }
}

#[pinned_drop]
impl PinnedDrop for Lock {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The mutex is initialised and has no user any more.
        unsafe { bindings::helper_mutex_destroy(self.as_raw()) };
    }
}

// SAFETY: A mutex may be used from any thread.
unsafe impl Send for Lock {}
// SAFETY: A mutex may be used by several threads at the same time.
unsafe impl Sync for Lock {}

/// Holds a [`Lock`]. The thread that took the lock must release it.
pub(super) struct LockGuard<'a>(&'a Lock, NotThreadSafe);

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The thread that created the guard took the lock, and the guard cannot leave that
        // thread.
        unsafe { bindings::helper_mutex_unlock(self.0.as_raw()) };
    }
}
