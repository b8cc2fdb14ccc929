// SPDX-License-Identifier: GPL-2.0
//! The device as the page uses it: one frame at a time, each with the newest map.

use dewarp::device::{Colours, Device, Queue, Way};
use dewarp::{Error, Format, Result, Size, VertexMap};

use super::feed::Frame;

/// A device that is set up for frames of one format and size.
pub struct Engine {
    device: Device,
    input: Queue,
    output: Queue,
    format: Format,
    size: Size,
    /// The map that the device has.
    map: Option<VertexMap>,
    count: u64,
}

impl Engine {
    /// Sets a device up for frames of this format and size, and an output of `size`.
    pub fn new(mut device: Device, format: Format, source: Size, size: Size) -> Result<Self> {
        let mut side = |way, size| device.set_format(way, format, size, Colours::Unknown, 0);
        let strides = [side(Way::In, source)?, side(Way::Out, size)?];
        let [in_strides, out_strides] = strides;
        let input = device.allocate(Way::In, format, source, in_strides, 1)?;
        let output = device.allocate(Way::Out, format, size, out_strides, 1)?;
        device.start()?;
        Ok(Engine {
            device,
            input,
            output,
            format,
            size,
            map: None,
            count: 0,
        })
    }

    /// Dewarps a frame with the device.
    pub fn dewarped(&mut self, frame: &Frame, map: &VertexMap) -> Result<Frame> {
        let made = self.made(frame, map);
        if made.is_err() {
            // Buffers may still be queued, so both queues are stopped and started.
            self.map = None;
            self.device.stop()?;
            self.device.start()?;
        }
        made
    }

    fn made(&mut self, frame: &Frame, map: &VertexMap) -> Result<Frame> {
        if self.map.as_ref() != Some(map) {
            self.device.set_map(map, None)?;
            self.map = Some(map.clone());
        }
        self.input.write(0, &frame.bytes)?;
        self.device.receive(&self.output, 0)?;
        self.device
            .send(0, self.count, &self.input.planes(0), None)?;
        self.count += 1;
        let done = self.device.returned(Way::Out)?;
        self.device.returned(Way::In)?;
        if done.failed {
            return Err(Error::failed(
                "the device failed on a frame; see the kernel log",
            ));
        }
        Ok(Frame {
            format: self.format,
            size: self.size,
            bytes: self.output.read(0)?,
        })
    }
}
