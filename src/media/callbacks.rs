// SPDX-License-Identifier: GPL-2.0

//! What the V4L2 core, vb2, mem2mem and the media core call, for the driver that implements
//! [`Operations`](super::operations::Operations). They are the only ones who know the type behind an open
//! file.

mod controls;
pub(super) mod file;
pub(super) mod ioctl;
pub(super) mod jobs;
mod queues;
pub(super) mod requests;
