// SPDX-License-Identifier: GPL-2.0

//! Tests the calls that libcamera 0.7.1 and 0.7.2 make: the converter for the DW100
//! (`converter_dw100.cpp`) and the generic one for memory-to-memory devices that it uses
//! (`converter_v4l2_m2m.cpp`).
//!
//! Each queue has its own handle, a duplicate of one open file. Formats, buffers and crop of a
//! queue are set with its handle, controls with that of CAPTURE. When the converter starts it
//! allocates requests, closes the media device, and sets the map once without a request; then it
//! allocates the buffers, and calls STREAMON of OUTPUT before CAPTURE. Each frame is in a request,
//! and a request has a map only where the crop or the lens changed since the last map was set. When
//! a request signals POLLPRI it is reinitialised, to be used again.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};

use super::dmabuf::{of_heap, shared};
use super::selection::LEAST;
use super::{Test, test};
use crate::picture::{BAND, Bands, band_luma, draw, gather, same, spread, uniform};
use crate::v4l2::bindings::{
    V4L2_SEL_TGT_CROP as CROP, V4L2_SEL_TGT_CROP_BOUNDS as BOUNDS,
    v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE as OUTPUT_MPLANE,
    v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE as STEPWISE,
};
use crate::v4l2::dma_heap::{DmaBuf, Heap};
use crate::v4l2::{
    Device, Format, MAP, PATIENCE, Plane, Queue, Rect, Request, Sent, Stream, Way, Which,
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
        "libcamera probes the crop with 1x1 and sets it back to its bounds",
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
        "libcamera sets a map before streaming and in requests only where it changed",
        requests,
    ),
    test(
        "libcamera sets a map in the first request where none was taken before streaming",
        first_request,
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
        // From the entity to its node, through a link from an interface.
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
            // SAFETY: The type says that the union holds this field.
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

/// Returns the least and the largest crop, as libcamera determines them: when it creates its
/// converter, before any format is set, and again with each configuration.
fn bounds(output: &Device) -> Result<(Rect, Rect)> {
    // libcamera passes the queue's own type.
    let set = |rect| output.set_selection(OUTPUT_MPLANE, CROP, 0, rect);
    let least = set(Rect::new(0, 0, 1, 1)).context("a crop of 1x1")?;
    let most = output.selection(OUTPUT_MPLANE, BOUNDS)?;
    let again = set(most).context("the crop set back")?;
    ensure!(again == most, "set back to {most:?}, the crop is {again:?}");
    Ok((least, most))
}

fn crop_bounds() -> Result<()> {
    let device = Device::open()?;
    for size in [None, Some((1920, 1080)), Some((176, 144))] {
        let (width, height) = size.unwrap_or((640, 480));
        if size.is_some() {
            device.set_format(Way::Output, &Format::new(b"NV12", width, height))?;
            device.set_format(Way::Capture, &Format::new(b"NV12", 640, 480))?;
        }
        let (least, most) = bounds(&device)?;
        ensure!(
            least == Rect::new(0, 0, LEAST, LEAST),
            "the least crop is {least:?}, not {LEAST}x{LEAST}"
        );
        ensure!(most == Rect::new(0, 0, width, height), "{most:?}");
    }
    Ok(())
}

/// Returns a format as libcamera requests it: one plane that is used, with a stride.
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
    // The camera has 1000 columns, and its memory is aligned to 64 bytes.
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

/// Returns both queues, set up for imported buffers.
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
        // The queue's buffers are freed here, and the dma-bufs stay.
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

/// libcamera's `bufferCount`.
const BUFFERS: usize = 4;

/// The converter of one stream: its two handles, and the map that is set next.
struct Converter {
    output: Device,
    capture: Device,
    bands: Bands,
    /// The band that the present map shows.
    band: u32,
    /// Whether the map has changed since it was set.
    update: bool,
}

impl Converter {
    /// Opens the device and configures it.
    fn configure(band: u32) -> Result<Self> {
        let output = Device::open()?;
        let capture = output.duplicate()?;
        let probed = bounds(&output)?;
        ensure!(probed.0 != probed.1, "a converter that cannot crop");
        let mut input = asked(b"NV12", 640, 480, 640);
        input = output.set_format(Way::Output, &input)?;
        let stride = input.planes[0].bytesperline;
        ensure!(stride == 640, "the stride is {stride}");
        capture.set_format(Way::Capture, &asked(b"NV12", 176, 144, 0))?;
        bounds(&output)?;
        // The formats are the same, and this gives a source for them.
        let bands = Bands::set(&output)?;
        ensure!(
            capture.query(MAP)?.elems == 12 * 10,
            "the map has another size"
        );
        Ok(Self {
            output,
            capture,
            bands,
            band,
            update: true,
        })
    }

    /// Changes the map, as a change of ScalerCrop or LensDewarpEnable does.
    fn change(&mut self, band: u32) {
        self.band = band;
        self.update = true;
    }

    /// Sets the map if it changed, in a request or without one.
    fn apply(&mut self, request: Option<&Request>) -> Result<()> {
        if self.update {
            let which = request.map_or(Which::Current, Which::Request);
            self.capture.set_map(which, &self.bands.map(self.band))?;
            self.update = false;
        }
        Ok(())
    }

    /// Allocates requests from a media device that is closed before they are used.
    fn allocate(&self) -> Result<VecDeque<Request>> {
        // libcamera checks first whether requests are supported. Assumed: by allocating one.
        self.output
            .media()?
            .request()
            .context("the first request")?;
        let media = self.output.media()?;
        let requests = (0..BUFFERS).map(|_| Ok(media.request()?));
        requests.collect()
    }

    /// Starts, processes frames, and stops. `changes` has the frames before which the map changes,
    /// and the band that it shows then. Each frame must show the band of the map that was set
    /// before it.
    fn run(&mut self, frames: usize, changes: &[(usize, u32)]) -> Result<()> {
        let heap = Heap::open()?;
        let mut available = self.allocate()?;
        self.apply(None).context("a map without a request")?;
        let (output, capture) = (self.output.duplicate()?, self.capture.duplicate()?);
        let stream = Stream {
            device: &output,
            output: Queue::import(&output, Way::Output, BUFFERS as u32)?,
            capture: Queue::import(&capture, Way::Capture, BUFFERS as u32)?,
        };
        output.start(Way::Output)?;
        capture.start(Way::Capture)?;

        let from = of_heap(&heap, &self.bands.output)?;
        from[0].write(&self.bands.source[0])?;
        let to = (0..BUFFERS)
            .map(|_| of_heap(&heap, &self.bands.capture))
            .collect::<Result<Vec<_>>>()?;
        let planes = |frame: usize| to[frame % BUFFERS].as_slice();
        let mut sent = VecDeque::new();
        for number in 0..frames {
            if let Some((_, band)) = changes.iter().find(|(frame, _)| *frame == number) {
                self.change(*band);
            }
            if available.is_empty() {
                let (request, frame, band) = sent.pop_front().context("no request at all")?;
                self.take(&stream, &request, planes(frame), frame, band)?;
                available.push_back(request);
            }
            let request = available.pop_front().context("no request is available")?;
            self.apply(Some(&request)).context("a map in a request")?;
            let index = number % BUFFERS;
            let in_request = Sent {
                request: Some(&request),
                ..Sent::default()
            };
            stream
                .output
                .queue_shared(index, &in_request, &shared(&from))?;
            let plain = Sent::default();
            stream
                .capture
                .queue_shared(index, &plain, &shared(planes(index)))?;
            request.queue()?;
            sent.push_back((request, number, self.band));
        }
        for (request, frame, band) in sent {
            self.take(&stream, &request, planes(frame), frame, band)?;
        }
        capture.stop(Way::Capture)?;
        output.stop(Way::Output)?;
        Ok(())
    }

    /// Dequeues a frame: the request signals, is reinitialised, and the frame shows its band.
    fn take(
        &self,
        stream: &Stream<'_>,
        request: &Request,
        planes: &[DmaBuf],
        frame: usize,
        band: u32,
    ) -> Result<()> {
        let told = || format!("frame {frame}");
        ensure!(
            request.completed(PATIENCE)?,
            "{}: the request never completed",
            told()
        );
        request.reinit().with_context(told)?;
        stream.dequeue().with_context(told)?;
        self.bands
            .check(&[planes[0].read()?], band)
            .with_context(told)
    }
}

fn requests() -> Result<()> {
    let mut converter = Converter::configure(11)?;
    // The pipeline handler does so: the first request of a camera mostly has a ScalerCrop.
    let first = converter.run(10, &[(0, 12), (5, 30), (6, 31)]);
    first.context("the first run")?;
    // If it is started again without a new configuration, the map is that of the last run: neither
    // STREAMOFF nor REQBUFS with 0 changes it.
    ensure!(!converter.update, "the map was not set");
    converter.run(6, &[]).context("the second run")?;
    converter.change(4);
    let third = converter.run(6, &[(3, 39)]);
    third.context("the third run")
}

fn first_request() -> Result<()> {
    let mut converter = Converter::configure(25)?;
    // The map that the first run set is reset when the format is set.
    converter.run(2, &[])?;
    let bands = Bands::set(&converter.output)?;
    converter.bands = bands;
    converter.update = false;
    let run = converter.run(6, &[(0, 7), (4, 8)]);
    run.context("with a map in the first request alone")
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
