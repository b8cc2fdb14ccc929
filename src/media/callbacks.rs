// SPDX-License-Identifier: GPL-2.0

//! The functions that the V4L2 core, vb2, mem2mem and the media core call, for the driver that
//! implements [`Operations`](super::operations::Operations).

mod controls;
pub(super) mod file;
pub(super) mod ioctl;
pub(super) mod jobs;
mod queues;
pub(super) mod requests;
