// SPDX-License-Identifier: GPL-2.0

//! Situations: the object that a client holds while the device is unbound, and what it must
//! observe then.

mod files;
mod memory;
mod waiting;

use anyhow::{Result, ensure};

use super::client::Link;
use crate::harness::fails;
use crate::v4l2::{Device, Errno, Memory, PATIENCE, PollFlags, Way, wait};

/// A situation of a client.
pub(super) struct Situation {
    /// The name of the situation.
    pub(super) name: &'static str,
    /// Gets the object, calls [`Link::hold`], checks the object, and releases it.
    pub(super) hold: fn(&Link) -> Result<()>,
    /// Whether a node is open, or its memory mapped, so that the module must stay.
    pub(super) opens_a_node: bool,
    /// Whether there is memory for buffers.
    pub(super) has_buffers: bool,
}

impl Situation {
    /// All situations, in an order in which none prevents the next: the last one stalls the
    /// engine.
    pub(super) const ALL: [&'static Self; 13] = [
        &Self::IDLE,
        &Self::MEDIA,
        &Self::DEBUGFS_TEXT,
        &Self::DEBUGFS_NUMBER,
        &Self::MAPPING,
        &Self::DMA_BUF,
        &Self::SHARED,
        &Self::REQUEST,
        &Self::QUEUED_REQUEST,
        &Self::DQBUF,
        &Self::POLL,
        &Self::STREAM,
        &Self::STALL,
    ];

    /// An open video node, and no more.
    pub(super) const IDLE: Self = Self::new("an idle file", files::idle);
    /// An open media node.
    pub(super) const MEDIA: Self = Self::new("the media device", files::media);
    /// An open debugfs file that shows a text, and another one that is half read.
    pub(super) const DEBUGFS_TEXT: Self =
        Self::new("a debugfs file with text", files::debugfs_text).without_nodes();
    /// An open debugfs file with a number that can be set.
    pub(super) const DEBUGFS_NUMBER: Self =
        Self::new("a debugfs file with a number", files::debugfs_number).without_nodes();
    /// A request with a control and a buffer.
    pub(super) const REQUEST: Self =
        Self::new("a request that is not queued", files::request).with_buffers();
    /// The same request, and no other file of the device.
    pub(super) const LONE_REQUEST: Self =
        Self::new("a request and nothing else", files::lone_request).without_nodes();
    /// A request that waits for a buffer to write the frame to.
    pub(super) const QUEUED_REQUEST: Self =
        Self::new("a request that is queued", files::queued_request).with_buffers();
    /// Buffers that are mapped, with their file closed.
    pub(super) const MAPPING: Self = Self::new("a mapping", memory::mapping).with_buffers();
    /// A buffer that is exported, with its file closed.
    pub(super) const DMA_BUF: Self = Self::new("a dma-buf", memory::dma_buf)
        .with_buffers()
        .without_nodes();
    /// A buffer that is exported from a file that is open.
    pub(super) const SHARED: Self =
        Self::new("a dma-buf of an open file", memory::shared).with_buffers();
    /// Frames that come and go.
    pub(super) const STREAM: Self = Self::new("a stream", waiting::stream).with_buffers();
    /// A thread that is blocked in `VIDIOC_DQBUF`.
    pub(super) const DQBUF: Self = Self::new("a blocked DQBUF", waiting::dqbuf).with_buffers();
    /// A thread that is blocked in `poll`.
    pub(super) const POLL: Self = Self::new("a blocked poll", waiting::poll).with_buffers();
    /// A frame that runs and does not end.
    pub(super) const STALL: Self = Self::new("a stalled frame", waiting::stall).with_buffers();

    const fn new(name: &'static str, hold: fn(&Link) -> Result<()>) -> Self {
        Self {
            name,
            hold,
            opens_a_node: true,
            has_buffers: false,
        }
    }

    const fn with_buffers(mut self) -> Self {
        self.has_buffers = true;
        self
    }

    const fn without_nodes(mut self) -> Self {
        self.opens_a_node = false;
        self
    }
}

/// Checks that calls on an open file return that the device is gone.
pub(crate) fn gone(device: &Device) -> Result<()> {
    fails(device.capability(), Errno::ENODEV, "QUERYCAP")?;
    for way in Way::BOTH {
        fails(device.format(way), Errno::ENODEV, "G_FMT")?;
        fails(device.start(way), Errno::ENODEV, "STREAMON")?;
        fails(
            device.dequeue(way, Memory::Mmap),
            Errno::ENODEV,
            "DQBUF of a file whose device is gone",
        )?;
        fails(device.stop(way), Errno::ENODEV, "STREAMOFF")?;
    }
    let polled = wait(device, PollFlags::POLLIN, PATIENCE)?;
    ensure!(
        polled.contains(PollFlags::POLLERR | PollFlags::POLLHUP),
        "poll says {polled:?}"
    );
    Ok(())
}
