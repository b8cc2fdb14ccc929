// SPDX-License-Identifier: GPL-2.0

//! How often the same may be said in the kernel's log.

use super::bindings;
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// A [`struct ratelimit_state`]: ten messages in five seconds, as everywhere in the kernel.
///
/// [`struct ratelimit_state`]: srctree/include/linux/ratelimit.h
#[pin_data]
pub(crate) struct RateLimit {
    #[pin]
    state: Opaque<bindings::ratelimit_state>,
}

impl RateLimit {
    /// Nothing has been said.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The place is valid for writes, and stays where it is.
            state <- Opaque::ffi_init(|state| unsafe {
                bindings::helper_ratelimit_state_init(state)
            }),
        })
    }

    /// Whether the next message of `what` may be printed. How many may not is printed later.
    pub(crate) fn allows(&self, what: &'static CStr) -> bool {
        // SAFETY: The state is initialised, and has its own lock.
        unsafe { bindings::___ratelimit(self.state.get(), what.as_char_ptr()) != 0 }
    }
}

// SAFETY: The state has its own lock, and belongs to no thread.
unsafe impl Send for RateLimit {}
// SAFETY: As above.
unsafe impl Sync for RateLimit {}
