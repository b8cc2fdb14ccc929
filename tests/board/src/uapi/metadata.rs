// SPDX-License-Identifier: GPL-2.0

//! Tests what is returned with a buffer: sequence number, time, time code,
//! field, bytes used.

use anyhow::{Result, ensure};

use super::{Test, test};
use crate::picture::Bands;
use crate::v4l2::bindings::{
    V4L2_BUF_FLAG_TIMESTAMP_COPY as COPY, V4L2_BUF_FLAG_TIMESTAMP_MASK as TIMESTAMP,
    V4L2_BUF_FLAG_TSTAMP_SRC_MASK as SOURCE, V4L2_BUF_FLAG_TSTAMP_SRC_SOE as SOE,
    V4L2_TC_FLAG_DROPFRAME as DROP_FRAME, V4L2_TC_TYPE_24FPS as FILM,
    V4L2_TC_TYPE_30FPS as THIRTY_A_SECOND, v4l2_field_V4L2_FIELD_ANY as ANY,
    v4l2_field_V4L2_FIELD_NONE as NONE,
};
use crate::v4l2::{Device, Format, Sent, Stream, Timecode};

pub(super) const TESTS: &[Test] = &[
    test("frames are numbered from 0 in each stream", sequence),
    test("a time stamp goes from OUTPUT to CAPTURE", timestamp),
    test("a time code goes from OUTPUT to CAPTURE", timecode),
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

fn timecode() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    let some = |kind, flags, time, userbits| {
        Some(Timecode {
            kind,
            flags,
            time,
            userbits,
        })
    };
    for timecode in [
        some(THIRTY_A_SECOND, DROP_FRAME, [29, 58, 47, 23], *b"dw!\0"),
        None,
        some(FILM, 0, [1, 2, 3, 4], [5, 6, 7, 8]),
    ] {
        let sent = Sent {
            timecode,
            ..Sent::default()
        };
        stream.queue(0, &sent)?;
        let (output, capture) = stream.dequeue()?;
        for got in [&output, &capture] {
            ensure!(got.timecode == timecode, "{timecode:?} became {got:?}");
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
