// SPDX-License-Identifier: GPL-2.0

//! The rate limit of messages in the kernel's log.

use super::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// A [`struct ratelimit_state`] with the kernel's default limit: ten messages in five seconds.
///
/// [`struct ratelimit_state`]: srctree/include/linux/ratelimit.h
#[pin_data]
pub(crate) struct RateLimit {
    #[pin]
    state: Opaque<bindings::ratelimit_state>,
}

impl RateLimit {
    /// Creates a limit that has not counted a message.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `state` is valid for writes, and pinned.
            state <- Opaque::ffi_init(|state| unsafe {
                bindings::helper_ratelimit_state_init(state)
            }),
        })
    }

    /// Returns whether the next message may be printed. All callers share the limit. The kernel
    /// prints later, with `what` as the prefix, how many messages were suppressed. It may be called
    /// in any context.
    pub(crate) fn allows(&self, what: &'static CStr) -> bool {
        // SAFETY: The state is initialised, and has its own lock.
        unsafe { bindings::___ratelimit(self.state.get(), what.as_char_ptr()) != 0 }
    }
}

// SAFETY: The state has its own lock, and does not belong to a thread.
unsafe impl Send for RateLimit {}
// SAFETY: The state has its own lock.
unsafe impl Sync for RateLimit {}
