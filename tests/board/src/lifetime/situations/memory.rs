// SPDX-License-Identifier: GPL-2.0

//! Memory of buffers, which stays valid as long as a process holds it.

use anyhow::{Context, Result};

use super::gone;
use crate::lifetime::client::Link;
use crate::picture::Bands;
use crate::v4l2::dma_heap::DmaBuf;
use crate::v4l2::memory::Mapping;
use crate::v4l2::{Device, Stream, Way, Which};

/// The band that the frame in the memory shows.
const BAND: u32 = 11;

/// Returns a stream whose first CAPTURE buffer holds a frame.
fn with_a_frame(device: &Device) -> Result<(Bands, Stream<'_>)> {
    let bands = Bands::set(device)?;
    device.set_map(Which::Current, &bands.map(BAND))?;
    let stream = Stream::start(device, 1)?;
    bands.check(&stream.frame(&bands.source)?, BAND)?;
    Ok((bands, stream))
}

pub(super) fn mapping(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let (bands, stream) = with_a_frame(&device)?;
    let planes = stream.into_mappings();
    drop(device);
    link.hold()?;
    let planes: Vec<&Mapping> = planes.iter().flatten().flatten().collect();
    let frame = planes.last().context("nothing is mapped")?;
    bands.check(&[frame.read()], BAND)?;
    for plane in planes {
        plane.fill(0x5a);
    }
    Ok(())
}

/// Exports the buffer that holds the frame.
fn export(device: &Device, bands: &Bands) -> Result<DmaBuf> {
    let file = device.export(Way::Capture, 0, 0)?;
    Ok(DmaBuf::new(file, bands.capture.sizes()[0])?)
}

/// Checks that the frame is there, in the existing mapping and in a new one, and that it can
/// be overwritten.
fn touch(dma_buf: &DmaBuf, bands: &Bands) -> Result<()> {
    bands.check(&[dma_buf.read()?], BAND)?;
    let mapping = Mapping::new(dma_buf, 0, dma_buf.len()).context("mapping it once more")?;
    bands.check(&[mapping.read()], BAND)?;
    mapping.fill(0x5a);
    Ok(())
}

pub(super) fn dma_buf(link: &Link) -> Result<()> {
    let (bands, dma_buf) = {
        let device = Device::open()?;
        let (bands, _stream) = with_a_frame(&device)?;
        let dma_buf = export(&device, &bands)?;
        (bands, dma_buf)
    };
    link.hold()?;
    touch(&dma_buf, &bands)
}

pub(super) fn shared(link: &Link) -> Result<()> {
    let device = Device::open()?;
    let (bands, stream) = with_a_frame(&device)?;
    let dma_buf = export(&device, &bands)?;
    link.hold()?;
    gone(&device)?;
    bands.check(&stream.capture.read(0), BAND)?;
    drop(stream);
    drop(device);
    touch(&dma_buf, &bands).context("after closing the file")
}
