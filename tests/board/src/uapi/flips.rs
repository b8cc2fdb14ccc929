// SPDX-License-Identifier: GPL-2.0

//! Tests HFLIP and VFLIP: the identity is mirrored, and a map that is set is not.

use anyhow::{Context, Result, ensure};

use super::requests::Requests;
use super::selection_pixels::{Rulers, set_crop};
use super::{Test, test};
use crate::picture::{draw, luma, spread};
use crate::v4l2::bindings::{
    V4L2_CTRL_FLAG_INACTIVE as INACTIVE, V4L2_EVENT_CTRL as CTRL,
    V4L2_EVENT_CTRL_CH_FLAGS as FLAGS, v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN as BOOLEAN,
};
use crate::v4l2::{
    Device, Format, HFLIP, Media, PATIENCE, Rect, Request, Sent, Stream, VFLIP, Way, Which,
    one_frame,
};

pub(super) const TESTS: &[Test] = &[
    test(
        "HFLIP and VFLIP mirror what is shown, at any scale and in any crop",
        mirrored,
    ),
    test(
        "a flip set while streaming shows in the next frame",
        while_streaming,
    ),
    test(
        "flips are inactive and without effect while a map is set",
        inactive,
    ),
    test(
        "a flip in a request shows in its frame and stays",
        in_requests,
    ),
    test(
        "a flip in a request leaves a map alone, and counts when the map is gone",
        beside_a_map,
    ),
];

const FLIPS: [u32; 2] = [HFLIP, VFLIP];

/// Sets both flips.
fn set_flips(device: &Device, which: Which<'_>, flips: [bool; 2]) -> Result<()> {
    for (id, on) in FLIPS.into_iter().zip(flips) {
        device.set_number(which, id, on.into())?;
    }
    Ok(())
}

fn flips(device: &Device) -> Result<[bool; 2]> {
    let on = |id| anyhow::Ok(device.number(Which::Current, id)? == 1);
    Ok([on(HFLIP)?, on(VFLIP)?])
}

fn mirrored() -> Result<()> {
    for (output, capture, crop) in [
        ((640, 480), (640, 480), None),
        ((648, 488), (648, 488), None),
        ((640, 480), (1280, 720), None),
        ((1000, 752), (504, 376), Some(Rect::new(501, 0, 450, 131))),
        ((640, 480), (648, 488), Some(Rect::new(0, 101, 333, 251))),
    ] {
        let device = Device::open()?;
        for id in FLIPS {
            let query = device.query(id)?;
            ensure!(
                query.type_ == BOOLEAN && query.default_value == 0 && query.flags & INACTIVE == 0,
                "{query:?}"
            );
        }
        let rulers = Rulers::set(&device, output, capture)?;
        let rect = crop.unwrap_or(Rect::new(0, 0, output.0, output.1));
        set_crop(&device, rect)?;
        let map = device.map(Which::Current)?;
        for flips in [[false; 2], [true, false], [false, true], [true; 2]] {
            set_flips(&device, Which::Current, flips)?;
            let stream = Stream::start(&device, 1)?;
            let at = |axis: usize, place: f64| {
                let (start, length) = [(rect.left, rect.width), (rect.top, rect.height)][axis];
                let side = f64::from([capture.0, capture.1][axis]);
                let step = f64::from(length) / side;
                let start = f64::from(start);
                let plain = |place: f64| start + place * step;
                let mirror = |place: f64| plain(side - 1.0 - place);
                // A map cannot have a place before the source's first pixel: the vertex that would
                // be there, one pixel after the destination's last, is on the first pixel instead.
                let block = ((side - 1.0) / 16.0).floor() * 16.0;
                match flips[axis] {
                    false => plain(place),
                    true if place > block && mirror(side) < 0.0 => {
                        mirror(block) * (side - place) / (side - block)
                    }
                    true => mirror(place),
                }
            };
            rulers
                .shows_at(at, |source| stream.frame(source))
                .with_context(|| format!("{output:?} in {capture:?}, {rect:?}, {flips:?}"))?;
        }
        ensure!(device.map(Which::Current)? == map, "the map has changed");
    }
    Ok(())
}

/// A source of four lumas, one in each quarter, which show the flips.
struct Quarters {
    source: Vec<Vec<u8>>,
    capture: Format,
}

impl Quarters {
    const SIZE: (u32, u32) = (176, 144);

    fn set(device: &Device) -> Result<Self> {
        let (width, height) = Self::SIZE;
        let format = Format::new(b"NV12", width, height);
        let (output, capture) = device.set_formats(&format, &format)?;
        // CAST: It is not more than 160.
        let quarter = |x: u32, y: u32| (40 * (1 + 2 * (2 * y / height) + 2 * x / width)) as u8;
        Ok(Self {
            source: spread(&output, &draw(&output, quarter)?, 0)?,
            capture,
        })
    }

    /// Returns which flips a frame shows.
    fn shown(&self, planes: &[Vec<u8>]) -> Result<[bool; 2]> {
        let frame = luma(&self.capture, planes)?;
        let (width, height) = (Self::SIZE.0 as usize, Self::SIZE.1 as usize);
        let corners = [(20, 20), (width - 20, 20), (20, height - 20)];
        let seen = corners.map(|(x, y)| frame[y * width + x]);
        match seen {
            [40, 80, 120] => Ok([false; 2]),
            [80, 40, 160] => Ok([true, false]),
            [120, 160, 40] => Ok([false, true]),
            [160, 120, 80] => Ok([true; 2]),
            _ => anyhow::bail!("three corners are {seen:?}"),
        }
    }

    fn check(&self, planes: &[Vec<u8>], due: [bool; 2]) -> Result<()> {
        let shown = self.shown(planes)?;
        ensure!(
            shown == due,
            "the frame shows the flips {shown:?}, not {due:?}"
        );
        Ok(())
    }
}

fn while_streaming() -> Result<()> {
    let device = Device::open()?;
    let quarters = Quarters::set(&device)?;
    let stream = Stream::start(&device, 1)?;
    for due in [
        [false; 2],
        [true, false],
        [true; 2],
        [false, true],
        [false; 2],
    ] {
        set_flips(&device, Which::Current, due)?;
        for _ in 0..2 {
            quarters.check(&stream.frame(&quarters.source)?, due)?;
        }
        // A crop is composed with the flips again, and not with the map that was composed before.
        for crop in [Rect::new(8, 8, 160, 128), Rect::new(0, 0, 176, 144)] {
            device.set_crop(crop)?;
            quarters
                .check(&stream.frame(&quarters.source)?, due)
                .context("after a crop")?;
        }
    }
    Ok(())
}

/// Returns whether both flips are inactive. Returns an error if they do not agree.
fn are_inactive(device: &Device) -> Result<bool> {
    let [across, down] = [device.query(HFLIP)?, device.query(VFLIP)?];
    ensure!(across.flags == down.flags, "one of the flips is inactive");
    Ok(across.flags & INACTIVE != 0)
}

/// Checks that the next event is a change of a flip's flags.
fn hears(device: &Device) -> Result<()> {
    let event = device.event().context("taking an event")?;
    ensure!(event.type_ == CTRL && event.id == HFLIP, "another event");
    // SAFETY: The event's type says that the union holds this field.
    let changes = unsafe { event.u.ctrl }.changes;
    ensure!(changes == FLAGS, "the event says {changes:#x}");
    Ok(())
}

fn inactive() -> Result<()> {
    let device = Device::open()?;
    let quarters = Quarters::set(&device)?;
    // The map is the identity moved by one pixel to the left, so it is not the default.
    let mut map = device.map(Which::Current)?;
    map[1] -= 16;
    set_flips(&device, Which::Current, [true, false])?;
    device.subscribe(CTRL, HFLIP, 0)?;
    for way in [None, Some(Way::Capture)] {
        quarters.check(&one_frame(&device, &quarters.source)?, [true, false])?;
        ensure!(!are_inactive(&device)?, "without a map they are inactive");
        let stream = Stream::start(&device, 1)?;
        device.set_map(Which::Current, &map)?;
        quarters
            .check(&stream.frame(&quarters.source)?, [false; 2])
            .context("with a map")?;
        ensure!(are_inactive(&device)?, "with a map they are active");
        hears(&device)?;
        // The values that are set now apply later.
        set_flips(&device, Which::Current, [true; 2])?;
        quarters
            .check(&stream.frame(&quarters.source)?, [false; 2])
            .context("set beside a map")?;
        set_flips(&device, Which::Current, [true, false])?;
        drop(stream);
        if way.is_none() {
            // A map stays when OUTPUT gets another format of its size.
            device.set_format(Way::Output, &Format::new(b"NV12", 176, 144))?;
            ensure!(are_inactive(&device)?, "S_FMT of OUTPUT made them active");
        }
        device.set_format(Way::Capture, &quarters.capture)?;
        ensure!(
            !are_inactive(&device)?,
            "S_FMT of CAPTURE left them inactive"
        );
        hears(&device)?;
        ensure!(flips(&device)? == [true, false], "the flips have changed");
    }
    Ok(())
}

/// Queues a request with a buffer and flips.
fn send(
    stream: &Stream<'_>,
    media: &Media,
    index: usize,
    flips: [Option<bool>; 2],
) -> Result<Request> {
    let request = media.request()?;
    for (id, on) in FLIPS.into_iter().zip(flips) {
        if let Some(on) = on {
            let which = Which::Request(&request);
            stream.device.set_number(which, id, on.into())?;
        }
    }
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    stream.output.queue(index, &sent)?;
    request.queue().context("queueing a request")?;
    Ok(request)
}

fn in_requests() -> Result<()> {
    // The flips that each request sets, and those that its frame shows.
    const FRAMES: [([Option<bool>; 2], [bool; 2]); 6] = [
        ([None, None], [false, false]),
        ([Some(true), None], [true, false]),
        ([None, Some(true)], [true, true]),
        ([None, None], [true, true]),
        ([Some(true), Some(false)], [true, false]),
        ([Some(false), None], [false, false]),
    ];
    let device = Device::open()?;
    let quarters = Quarters::set(&device)?;
    let media = device.media()?;
    let stream = Stream::start(&device, 6)?;
    // All requests are queued before the first can start, with a crop that is set after that.
    let mut requests = Vec::new();
    for (index, (said, _)) in FRAMES.into_iter().enumerate() {
        stream.output.write(index, &quarters.source)?;
        requests.push(send(&stream, &media, index, said)?);
    }
    device.set_crop(Rect::new(8, 8, 160, 128))?;
    for (index, (_, due)) in FRAMES.into_iter().enumerate() {
        stream.capture.queue(index, &Sent::default())?;
        let (_, capture) = stream.dequeue()?;
        quarters
            .check(&stream.capture.read(capture.index), due)
            .with_context(|| format!("request {index}"))?;
        ensure!(requests[index].completed(PATIENCE)?, "it never completed");
        ensure!(
            flips(&device)? == due,
            "after request {index} the flips are {:?}, not {due:?}",
            flips(&device)?
        );
    }
    // A value that is set without a request applies to the frame of a later request.
    device.set_number(Which::Current, VFLIP, 1)?;
    send(&stream, &media, 0, [Some(true), None])?;
    stream.capture.queue(0, &Sent::default())?;
    let (_, capture) = stream.dequeue()?;
    quarters.check(&stream.capture.read(capture.index), [true; 2])
}

fn beside_a_map() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let (request, later) = (all.media.request()?, all.media.request()?);
    set_flips(&device, Which::Request(&request), [true, false])?;
    all.frame(&request, Some(7), 7)?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    ensure!(are_inactive(&device)?, "a request's map leaves them active");
    ensure!(flips(&device)? == [true, false], "the flip was not kept");
    set_flips(&device, Which::Request(&later), [true; 2])?;
    all.frame(&later, None, 7)?;
    drop(all);
    // The bands of luma go from left to right.
    let bands = crate::picture::Bands::set(&device)?;
    let frame = luma(&bands.capture, &one_frame(&device, &bands.source)?)?;
    let ends = (frame[8], frame[bands.capture.width as usize - 8]);
    ensure!(ends.0 > ends.1, "its sides are {ends:?}, not mirrored");
    ensure!(flips(&device)? == [true; 2], "the flips were not kept");
    Ok(())
}
