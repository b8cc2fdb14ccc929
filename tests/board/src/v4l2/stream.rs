// SPDX-License-Identifier: GPL-2.0

//! Processes frames with the device, one at a time or as many as there are buffers.

use anyhow::{Context, Result, bail};

use super::memory::Mapping;
use super::{Dequeued, Device, Errno, PATIENCE, Queue, Sent, Way};

/// Both queues of a device with the driver's buffers, for streaming.
pub struct Stream<'d> {
    /// The device.
    pub device: &'d Device,
    /// The queue of frames to the engine.
    pub output: Queue<'d>,
    /// The queue of frames from the engine.
    pub capture: Queue<'d>,
}

impl<'d> Stream<'d> {
    /// Allocates `count` buffers for each queue in the formats that are set, and starts both.
    pub fn start(device: &'d Device, count: u32) -> Result<Self> {
        let stream = Self::prepare(device, count)?;
        stream.resume()?;
        Ok(stream)
    }

    /// Allocates `count` buffers for each queue in the formats that are set.
    pub fn prepare(device: &'d Device, count: u32) -> Result<Self> {
        let allocate = |way| {
            Queue::allocate(device, way, count).with_context(|| format!("allocating for {way:?}"))
        };
        Ok(Self {
            device,
            output: allocate(Way::Output)?,
            capture: allocate(Way::Capture)?,
        })
    }

    /// Starts both queues.
    pub fn resume(&self) -> Result<(), Errno> {
        self.device.start(Way::Output)?;
        self.device.start(Way::Capture)
    }

    /// Stops both queues.
    pub fn stop(&self) -> Result<(), Errno> {
        self.device.stop(Way::Output)?;
        self.device.stop(Way::Capture)
    }

    /// Drops the stream without stopping it or freeing its buffers: that is left to closing the
    /// node.
    pub fn abandon(mut self) {
        self.output.unmap();
        self.capture.unmap();
        std::mem::forget(self);
    }

    /// Returns the mappings of both queues, without any call to the driver.
    pub fn into_mappings(self) -> [Vec<Vec<Mapping>>; 2] {
        let mut this = std::mem::ManuallyDrop::new(self);
        let Self {
            output, capture, ..
        } = &mut *this;
        [output, capture].map(Queue::take_mappings)
    }

    /// Queues both buffers of this index, for one frame.
    pub fn queue(&self, index: usize, sent: &Sent<'_>) -> Result<(), Errno> {
        self.capture.queue(index, &Sent::default())?;
        self.output.queue(index, sent)
    }

    /// Dequeues both buffers of the next frame, CAPTURE first. Returns an error if the frame
    /// failed.
    pub fn dequeue(&self) -> Result<(Dequeued, Dequeued)> {
        let (output, capture) = self.dequeue_any()?;
        if output.failed() || capture.failed() {
            bail!(
                "the frame came back as failed: OUTPUT with flags {:#x}, CAPTURE with {:#x}",
                output.flags,
                capture.flags
            );
        }
        Ok((output, capture))
    }

    /// Dequeues both buffers of the next frame, also if it failed.
    pub fn dequeue_any(&self) -> Result<(Dequeued, Dequeued), Errno> {
        let capture = self.capture.dequeue_within(PATIENCE)?;
        Ok((self.output.dequeue_within(PATIENCE)?, capture))
    }

    /// Processes one frame with the first buffer of each queue. Returns the planes of the
    /// result.
    pub fn frame(&self, source: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>> {
        self.output.write(0, source)?;
        for plane in self.capture.planes(0) {
            // Bytes that the engine does not write must not look like those of the frame
            // before.
            plane.fill(0xa5);
        }
        self.queue(0, &Sent::default())?;
        let (_, capture) = self.dequeue().context("waiting for a frame")?;
        Ok(self.capture.read(capture.index))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // Buffers can be freed only when neither queue streams.
        let _ = self.stop();
    }
}

/// Processes one frame in the formats that are set. Returns the memory planes of the result.
pub fn one_frame(device: &Device, source: &[impl AsRef<[u8]>]) -> Result<Vec<Vec<u8>>> {
    Stream::start(device, 1)?.frame(source)
}
