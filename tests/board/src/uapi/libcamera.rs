// SPDX-License-Identifier: GPL-2.0

//! What libcamera does with the device, call by call: its converter for the DW100 and the generic
//! one for memory-to-memory devices that it builds on.

use anyhow::{Context, Result, ensure};

use super::dmabuf::{of_heap, shared};
use super::selection_rounding::least_crop;
use super::{Test, test};
use crate::picture::{BAND, Bands, band_luma, draw, gather, same, spread, uniform};
use crate::v4l2::bindings::{
    V4L2_BUF_CAP_SUPPORTS_REQUESTS as REQUESTS, V4L2_SEL_TGT_CROP as CROP,
    V4L2_SEL_TGT_CROP_BOUNDS as BOUNDS,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE as OUTPUT_MPLANE,
    v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE as STEPWISE,
};
use crate::v4l2::dma_heap::{DmaBuf, Heap};
use crate::v4l2::{
    Device, Format, MAP, Memory, PATIENCE, Plane, Queue, Rect, Sent, Stream, Way, Which,
};

pub(super) const TESTS: &[Test] = &[
    test(
        "libcamera finds the converter by driver and entity names",
        found,
    ),
    test(
        "libcamera learns the alignment of sizes from one stepwise range",
        alignment,
    ),
    test(
        "libcamera probes the crop with 1x1 and with the largest rectangle",
        crop_bounds,
    ),
    test(
        "libcamera sets a stride of one plane and gets just that",
        padded,
    ),
    test(
        "libcamera exports buffers first and imports them then",
        exported,
    ),
    test(
        "libcamera sends maps in requests with imported buffers",
        maps_in_requests,
    ),
    test(
        "libcamera sets the map before streaming where it uses no requests",
        map_before,
    ),
];

fn found() -> Result<()> {
    let device = Device::open()?;
    let media = device.media()?;
    ensure!(
        media.info()?.driver() == "dw100",
        "the driver has another name"
    );
    let graph = media.graph()?;
    for name in ["dw100-source", "dw100-sink"] {
        let entity = graph.entities.iter().find(|entity| entity.name == name);
        let entity = entity.with_context(|| format!("there is no entity {name}"))?;
        // From the entity to its node, by a link from an interface.
        let node = graph.interfaces.iter().find(|interface| {
            let leads = |link: &&crate::v4l2::media::Link| {
                link.source == interface.id && link.sink == entity.id
            };
            graph.links.iter().any(|link| leads(&link))
        });
        let node = node.with_context(|| format!("{name} has no node"))?.node;
        let link = format!("/sys/dev/char/{}:{}/uevent", node[0], node[1]);
        let uevent = std::fs::read_to_string(link)?;
        let name = uevent
            .lines()
            .find_map(|line| line.strip_prefix("DEVNAME="));
        let path = device.path.strip_prefix("/dev")?;
        ensure!(
            name == path.to_str(),
            "the entity's node is {name:?}, not {path:?}"
        );
    }
    Ok(())
}

fn alignment() -> Result<()> {
    let device = Device::open()?;
    for way in Way::BOTH {
        for fourcc in device.formats(way)? {
            let sizes = device.frame_sizes(&fourcc, 0)?;
            ensure!(
                sizes.type_ == STEPWISE,
                "the sizes are of type {}",
                sizes.type_
            );
            // SAFETY: The type says that this is what the union holds.
            let steps = unsafe { sizes.__bindgen_anon_1.stepwise };
            ensure!(
                (steps.step_width, steps.step_height) == (8, 8),
                "the alignment is {}x{}",
                steps.step_width,
                steps.step_height
            );
            ensure!(device.frame_sizes(&fourcc, 1).is_err(), "there are more");
        }
    }
    Ok(())
}

fn crop_bounds() -> Result<()> {
    let device = Device::open()?;
    device.set_format(Way::Output, &Format::new(b"NV12", 1920, 1080))?;
    // libcamera passes the queue's own type.
    let bounds = device.selection(OUTPUT_MPLANE, BOUNDS)?;
    ensure!(bounds == Rect::new(0, 0, 1920, 1080), "{bounds:?}");
    let set = |width, height| {
        device
            .set_selection(OUTPUT_MPLANE, CROP, 0, Rect::new(0, 0, width, height))
            .with_context(|| format!("a crop of {width}x{height}"))
    };
    let least = set(1, 1)?;
    let due = least_crop(1920, 1080);
    ensure!(
        least == Rect::new(0, 0, due.0, due.1),
        "the least crop is {least:?}, not {due:?}"
    );
    let most = set(u32::MAX, u32::MAX)?;
    ensure!(most == bounds, "the largest crop is {most:?}");
    Ok(())
}

/// A format as libcamera asks for it: one plane that counts, with a stride.
fn asked(fourcc: &[u8; 4], width: u32, height: u32, stride: u32) -> Format {
    let mut format = Format::new(fourcc, width, height);
    format.planes = vec![Plane {
        bytesperline: stride,
        sizeimage: 0,
    }];
    format
}

fn padded() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    // A camera of 1000 columns whose memory is aligned to 64 bytes.
    let (stride, height) = (1024, 752);
    let input = device.set_format(Way::Output, &asked(b"NV12", 1000, height, stride))?;
    let output = device.set_format(Way::Capture, &asked(b"NV12", 1000, height, 1088))?;
    for (got, due) in [(&input, stride), (&output, 1088)] {
        ensure!(
            (got.width, got.height, got.planes[0].bytesperline) == (1000, height, due),
            "a stride of {due} became {got:?}"
        );
        ensure!(
            got.planes[0].sizeimage >= due * height * 3 / 2,
            "the plane is too small: {got:?}"
        );
    }
    let frame = draw(&input, |x, y| (x * 7 + y * 13) as u8)?;
    let (from, to) = (of_heap(&heap, &input)?, of_heap(&heap, &output)?);
    from[0].write(&spread(&input, &frame, 0xee)?[0])?;
    let stream = imported(&device, 1)?;
    stream.resume()?;
    stream
        .capture
        .queue_shared(0, &Sent::default(), &shared(&to))?;
    stream
        .output
        .queue_shared(0, &Sent::default(), &shared(&from))?;
    stream.dequeue()?;
    same(&gather(&output, &[to[0].read()?])?, &frame, 1000)
}

/// Both queues with room for buffers of others.
fn imported(device: &Device, count: u32) -> Result<Stream<'_>> {
    Ok(Stream {
        device,
        output: Queue::import(device, Way::Output, count)?,
        capture: Queue::import(device, Way::Capture, count)?,
    })
}

fn exported() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let exports = |way, length| -> Result<Vec<DmaBuf>> {
        let queue = Queue::allocate(&device, way, 3)?;
        let all = (0..queue.len())
            .map(|index| Ok(DmaBuf::new(device.export(way, index, 0)?, length)?))
            .collect();
        // Here the queue's buffers are freed, and the dma-bufs live on.
        drop(queue);
        all
    };
    let from = exports(Way::Output, bands.output.sizes()[0])?;
    let to = exports(Way::Capture, bands.capture.sizes()[0])?;
    device.set_map(Which::Current, &bands.map(25))?;
    let stream = imported(&device, 3)?;
    stream.resume()?;
    for index in 0..3 {
        from[index].write(&bands.source[0])?;
        let sent = Sent::default();
        let planes = (
            [(&to[index], to[index].len())],
            [(&from[index], from[index].len())],
        );
        stream.capture.queue_shared(index, &sent, &planes.0)?;
        stream.output.queue_shared(index, &sent, &planes.1)?;
    }
    for buffer in &to {
        stream.dequeue()?;
        bands.check(&[buffer.read()?], 25)?;
    }
    Ok(())
}

fn maps_in_requests() -> Result<()> {
    let heap = Heap::open()?;
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    ensure!(
        device.query(MAP)?.elems == 12 * 10,
        "the map has another size"
    );
    let announced = device.request_buffers(Way::Output, Memory::DmaBuf, 0)?;
    ensure!(
        announced.capabilities & REQUESTS != 0,
        "OUTPUT says that it takes no requests"
    );
    let media = device.media()?;
    let from = of_heap(&heap, &bands.output)?;
    from[0].write(&bands.source[0])?;
    let to = (0..4)
        .map(|_| of_heap(&heap, &bands.capture))
        .collect::<Result<Vec<_>>>()?;
    let requests = (0..4)
        .map(|_| media.request())
        .collect::<Result<Vec<_>, _>>()?;
    let stream = imported(&device, 4)?;
    stream.resume()?;
    for round in 0..3_u32 {
        let band = |index: usize| (round * 11 + index as u32 * 9) % 40;
        for (index, (request, planes)) in requests.iter().zip(&to).enumerate() {
            device.set_map(Which::Request(request), &bands.map(band(index)))?;
            let sent = Sent {
                request: Some(request),
                ..Sent::default()
            };
            stream.output.queue_shared(index, &sent, &shared(&from))?;
            stream
                .capture
                .queue_shared(index, &Sent::default(), &shared(planes))?;
            request.queue()?;
        }
        for (index, (request, planes)) in requests.iter().zip(&to).enumerate() {
            stream.dequeue()?;
            ensure!(request.completed(PATIENCE)?, "a request never completed");
            request.reinit()?;
            bands
                .check(&[planes[0].read()?], band(index))
                .with_context(|| format!("round {round}, frame {index}"))?;
        }
    }
    Ok(())
}

fn map_before() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    for band in [4, 35] {
        device.set_map(Which::Current, &bands.map(band))?;
        let stream = Stream::start(&device, 2)?;
        for _ in 0..2 {
            let frame = stream.frame(&bands.source)?;
            let got = uniform(&bands.capture, &frame)?;
            ensure!(
                got == band_luma(band),
                "the frame shows {got}, not band {band} of {BAND} columns"
            );
        }
    }
    Ok(())
}
