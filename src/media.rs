// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over V4L2, videobuf2, mem2mem, controls and the media
//! controller, as far as a mem2mem driver needs them. Nothing here knows of any
//! one device: the room could move to `rust/kernel/media`.

mod bindings;
pub(crate) mod buffer;
pub(crate) mod control;
mod file;
pub(crate) mod format;
mod ioctl;
mod job;
pub(crate) mod m2m;
mod node;
mod queue;

/// First control identifier reserved for the DW100's user controls, and the
/// only number that the V4L2 headers themselves give a driver's name.
pub(crate) use bindings::V4L2_CID_USER_DW100_BASE as CID_USER_DW100_BASE;
