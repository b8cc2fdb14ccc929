// SPDX-License-Identifier: GPL-2.0

//! The kernel's threads for work that may sleep.

use kernel::{
    bindings,
    workqueue::Queue, //
};

/// Returns the work queue whose workers run on any CPU, `system_dfl_wq`. The kernel crate has its
/// older name only, `system_unbound_wq`, and the kernel warns of work that is enqueued there.
pub(crate) fn any() -> &'static Queue {
    // SAFETY: The pointer was set at boot and does not change. The work queue is the kernel's own,
    // and is never destroyed.
    unsafe { Queue::from_raw(bindings::system_dfl_wq) }
}
