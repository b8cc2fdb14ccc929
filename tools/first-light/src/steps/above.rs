// SPDX-License-Identifier: GPL-2.0

//! Tests memory above 4 GiB: first the map, which the engine only reads, then the source, and the
//! destination only when both were right, because an engine that drops the upper bits would write
//! to other memory.

use anyhow::{Result, ensure};
use dewarp::format::{NV12, Size};
use dw100_board::v4l2::{Device, Format, Memory, Queue, Stream, Way};
use dw100_model::Worlds;

use crate::board;
use crate::frame::{self, Ended, Shot, Shots};
use crate::report::Judged;
use crate::samples::Differences;
use crate::session::{Outcome, Session, simple};

/// The first address above 4 GiB.
const ABOVE: u64 = 1 << 32;

/// The frames with which the contiguous memory is filled, and how many files of [`BUFFERS`] each.
/// The first two are larger than any range of other memory, and the rest takes 90 MiB of that at
/// most.
const FILLING: [(Size, usize); 5] = [
    (size(4096, 3072), 64),
    (size(2304, 1792), 4),
    (size(1024, 1024), 1),
    (size(320, 240), 4),
    (size(176, 144), 8),
];

/// The largest number of buffers of a queue.
const BUFFERS: u32 = 32;

const fn size(width: u32, height: u32) -> Size {
    Size { width, height }
}

/// The part of a frame's memory that is above 4 GiB.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Map,
    Source,
    Destination,
}

impl Part {
    const ALL: [Self; 3] = [Self::Map, Self::Source, Self::Destination];

    fn name(self) -> &'static str {
        match self {
            Self::Map => "the vertex map",
            Self::Source => "the source",
            Self::Destination => "the destination",
        }
    }

    /// Returns the name of the register with its address.
    fn register(self) -> &'static str {
        match self {
            Self::Map => "MAP_LUT_ADDR",
            Self::Source => "SRC_IMG_Y_BASE",
            Self::Destination => "DST_IMG_Y_BASE",
        }
    }
}

/// Tests each part in turn, and stops at the first that is wrong.
pub fn run(session: &mut Session) -> Outcome {
    let end = board::memory_end();
    if end < ABOVE {
        let why = format!("the memory ends at {end:#x}");
        session.report(Judged::not_measured(
            "memory above 4 GiB",
            "the engine reaches it",
            why,
        ))?;
        return Ok(());
    }
    for part in Part::ALL {
        if !look(session, part)? {
            break;
        }
    }
    Ok(())
}

/// Tests one part. Returns `false` if it was wrong, or not above 4 GiB.
fn look(session: &mut Session, part: Part) -> Outcome<bool> {
    let (shot, source) = simple()?;
    let what = format!("a frame with {} above 4 GiB", part.name());
    session.intend(&what)?;
    let shots = session.send(&what, 1, || send(&shot, &source, part))?;
    let topic = format!("{} above 4 GiB", part.name());
    let assumed = "the engine reaches it: addresses have 34 bits";
    let address = |shots: &Shots| -> Result<u64> {
        let registers = shots.registers.as_ref();
        registers.map_or(Ok(0), |registers| registers.address(part.register()))
    };
    // The driver resets the engine after a frame that failed, which clears its registers.
    let address = address(&shots)?;
    if shots.frame.is_some() && address < ABOVE {
        let why = format!("it came to lie at {address:#x}");
        session.report(Judged::not_measured(topic, assumed, why))?;
        return Ok(part == Part::Map);
    }
    let told = match &shots.frame {
        None => "the frame came back as failed".to_owned(),
        Some(got) => {
            let wanted = shot.model(Worlds::NONE, &source)?;
            let (pixels, size) = shot.target;
            Differences::between(pixels, size, got, &wanted).to_string()
        }
    };
    let right = told == "exact";
    session.report(if right {
        Judged::as_assumed(
            topic,
            assumed,
            format!("the frame is right; it lay at {address:#x}"),
        )
    } else {
        Judged::world(topic, assumed, told, "low-addresses")
    })?;
    Ok(right)
}

/// Processes a frame. Its map, its map and source, or all its memory was allocated when there was
/// no contiguous memory left, which is below 4 GiB.
fn send(shot: &Shot, source: &[u8], part: Part) -> Result<Ended> {
    let device = Device::open()?;
    frame::set_formats(&device, shot)?;
    let allocate = |way: Way| Queue::allocate(&device, way, 1);
    let early = |way: Way, wanted: bool| wanted.then(|| allocate(way)).transpose();
    let output = early(Way::Output, part == Part::Map)?;
    let capture = early(Way::Capture, part != Part::Destination)?;
    let fillers = fill()?;
    frame::set_map(&device, shot)?;
    let stream = Stream {
        device: &device,
        output: output.map_or_else(|| allocate(Way::Output), Ok)?,
        capture: capture.map_or_else(|| allocate(Way::Capture), Ok)?,
    };
    let ended = frame::run(stream, shot, source);
    drop(fillers);
    ended
}

/// Allocates all contiguous memory, until the files are closed.
fn fill() -> Result<Vec<Device>> {
    let mut files = Vec::new();
    for (size, times) in FILLING {
        for _ in 0..times {
            let device = Device::open()?;
            let format = Format::new(&NV12.fourcc, size.width, size.height);
            device.set_format(Way::Output, &format)?;
            let got = device.request_buffers(Way::Output, Memory::Mmap, BUFFERS);
            let all = got.is_ok_and(|got| got.count == BUFFERS);
            files.push(device);
            if !all {
                break;
            }
        }
    }
    ensure!(!files.is_empty(), "no file could be opened");
    Ok(files)
}
