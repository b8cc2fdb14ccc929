// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over V4L2, videobuf2, mem2mem, controls and the media
//! controller, as far as a mem2mem driver needs them. Nothing here knows of any
//! one device: the layer could move to `rust/kernel/media`.

mod bindings;
pub(crate) mod buffer;
mod buffer_return;
mod callbacks;
pub(crate) mod control;
mod device;
mod file;
pub(crate) mod format;
mod handle;
mod job;
#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod kunit;
mod lock;
pub(crate) mod m2m;
pub(crate) mod memory;
mod module;
mod node;
mod operations;
pub(crate) mod order;
pub(crate) mod prelude;
mod queue;
mod registration;
mod request;
mod unregister;
