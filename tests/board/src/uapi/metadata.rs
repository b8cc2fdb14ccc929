// SPDX-License-Identifier: GPL-2.0

//! What comes back with a buffer: number, time, field, bytes used.

use anyhow::{Result, ensure};

use super::{Test, test};
use crate::picture::Bands;
use crate::v4l2::bindings::{
    V4L2_BUF_FLAG_TIMESTAMP_COPY as COPY, V4L2_BUF_FLAG_TIMESTAMP_MASK as TIMESTAMP,
    V4L2_BUF_FLAG_TSTAMP_SRC_MASK as SOURCE, V4L2_BUF_FLAG_TSTAMP_SRC_SOE as SOE,
    v4l2_field_V4L2_FIELD_ANY as ANY, v4l2_field_V4L2_FIELD_NONE as NONE,
};
use crate::v4l2::{Device, Format, Sent, Stream};

pub(super) const TESTS: &[Test] = &[
    test("frames are numbered from 0 in each stream", sequence),
    test("a time stamp goes from OUTPUT to CAPTURE", timestamp),
    test("CAPTURE has all bytes of each plane used", used),
    test("a buffer without a field comes back progressive", field),
];

fn sequence() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let stream = Stream::prepare(&device, 2)?;
    for length in [5, 3] {
        stream.resume()?;
        for number in 0..length {
            let index = number as usize % 2;
            stream.queue(index, &Sent::default())?;
            let (output, capture) = stream.dequeue()?;
            ensure!(
                (output.sequence, capture.sequence) == (number, number),
                "frame {number} has the numbers {} and {}",
                output.sequence,
                capture.sequence
            );
        }
        stream.stop()?;
    }
    Ok(())
}

fn timestamp() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    for timestamp in [1, 0, 123_456_789_012, 999_999] {
        for flags in [0, SOE] {
            let sent = Sent {
                timestamp,
                flags,
                ..Sent::default()
            };
            stream.queue(0, &sent)?;
            let (output, capture) = stream.dequeue()?;
            for got in [&output, &capture] {
                ensure!(got.timestamp == timestamp, "{timestamp} became {got:?}");
                ensure!(got.flags & TIMESTAMP == COPY, "flags are {:#x}", got.flags);
                ensure!(got.flags & SOURCE == flags, "flags are {:#x}", got.flags);
            }
        }
    }
    Ok(())
}

fn used() -> Result<()> {
    let device = Device::open()?;
    for fourcc in [b"NV12", b"NM16", b"YUYV"] {
        let format = Format::new(fourcc, 648, 488);
        let (output, capture) = device.set_formats(&format, &format)?;
        let stream = Stream::start(&device, 1)?;
        stream.queue(0, &Sent::default())?;
        let (from, to) = stream.dequeue()?;
        for (got, format) in [(&from, &output), (&to, &capture)] {
            let due = format.sizes();
            ensure!(
                got.bytesused.iter().map(|&n| n as usize).eq(due.clone()),
                "{:?} bytes are used, not {due:?}",
                got.bytesused
            );
        }
    }
    Ok(())
}

fn field() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    for field in [ANY, NONE] {
        let sent = Sent {
            field: Some(field),
            ..Sent::default()
        };
        stream.queue(0, &sent)?;
        let (output, capture) = stream.dequeue()?;
        ensure!(
            (output.field, capture.field) == (NONE, NONE),
            "field {field} came back as {} and {}",
            output.field,
            capture.field
        );
    }
    Ok(())
}
