// SPDX-License-Identifier: GPL-2.0

//! One open file: its formats, its vertex map, and the V4L2 operations on them.

use crate::{
    device::{
        Device,
        Powered, //
    },
    dewarp::{
        crop::Crop,
        format::{
            self,
            Format, //
        },
        frame::{
            self,
            Frame,
            Prefetch,
            Program, //
        },
        image::Image,
        map::{
            Grid,
            Identity, //
        },
        size::Size, //
    },
    media::{
        buffer::Buffer,
        control,
        format::{
            Colorimetry,
            Direction,
            FrameSizes,
            PixelFormat,
            Plane, //
        },
        m2m::{
            Job,
            Operations, //
        },
        CID_USER_DW100_BASE, //
    }, //
};
use core::mem;
use kernel::{
    device::Bound,
    dma::Coherent,
    io::Io,
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// An open file.
#[pin_data]
pub(crate) struct Context {
    device: Arc<Device>,
    /// Taken for a moment, after every other lock.
    #[pin]
    state: Mutex<State>,
}

struct State {
    output: Queue,
    capture: Queue,
    /// The engine converts no colours, so one serves both queues.
    colorimetry: Colorimetry,
    crop: Crop,
    /// There while a queue streams.
    maps: Option<Maps>,
    /// The map is the user's, and not the identity.
    map_is_set: bool,
}

struct Queue {
    image: Image,
    /// Number of the next frame.
    sequence: u32,
    /// There while the queue streams.
    powered: Option<Powered>,
}

impl Queue {
    fn new() -> Self {
        Self {
            image: Image::new(format::DEFAULT, Size::DEFAULT),
            sequence: 0,
            powered: None,
        }
    }

    fn next_sequence(&mut self) -> u32 {
        let next = self.sequence.wrapping_add(1);
        mem::replace(&mut self.sequence, next)
    }
}

impl State {
    fn new() -> Self {
        let output = Queue::new();
        Self {
            crop: Crop::full(output.image.size()),
            output,
            capture: Queue::new(),
            colorimetry: Colorimetry::rec709(),
            maps: None,
            map_is_set: false,
        }
    }

    fn queue(&mut self, direction: Direction) -> &mut Queue {
        match direction {
            Direction::Output => &mut self.output,
            Direction::Capture => &mut self.capture,
        }
    }

    fn grid(&self) -> Grid {
        Grid::of(self.capture.image.size())
    }

    fn identity(&self) -> Identity {
        Identity::new(self.output.image.size(), self.capture.image.size())
    }
}

/// The vertex map in the engine's memory, twice: a new map is written to the one that
/// the engine does not read, and takes effect with the next frame, whole.
struct Maps {
    grid: Grid,
    current: Coherent<[u8]>,
    spare: Coherent<[u8]>,
    /// `spare` is newer than `current`.
    fresh: bool,
}

impl Maps {
    fn new(device: &kernel::device::Device<Bound>, grid: Grid) -> Result<Self> {
        Ok(Self {
            grid,
            current: Coherent::zeroed_slice(device, grid.bytes(), GFP_KERNEL)?,
            spare: Coherent::zeroed_slice(device, grid.bytes(), GFP_KERNEL)?,
            fresh: false,
        })
    }

    /// Takes on a map for the next frame. `EINVAL` if it has not one vertex for each
    /// of the grid.
    fn write(&mut self, vertices: &[u32]) -> Result {
        let bytes = vertices.as_bytes();
        if bytes.len() != self.spare.len() {
            return Err(EINVAL);
        }
        (&self.spare).copy_from_slice(bytes);
        self.fresh = true;
        Ok(())
    }

    /// The map for the frame that starts now.
    fn next(&mut self) -> frame::Map {
        if mem::take(&mut self.fresh) {
            mem::swap(&mut self.current, &mut self.spare);
        }
        frame::Map {
            grid: self.grid,
            address: self.current.dma_address(),
        }
    }
}

fn direction_of(direction: Direction) -> format::Direction {
    match direction {
        Direction::Output => format::Direction::Output,
        Direction::Capture => format::Direction::Capture,
    }
}

fn pixel_format(image: &Image, colorimetry: Colorimetry) -> PixelFormat {
    let mut planes = [Plane::default(); 2];
    let mut count = 0;
    for (to, from) in planes.iter_mut().zip(image.planes()) {
        *to = Plane {
            bytes_per_line: from.bytes_per_line,
            size_image: from.size_image,
        };
        count += 1;
    }
    PixelFormat::new(
        image.format().fourcc,
        image.size().width(),
        image.size().height(),
        colorimetry,
        planes.get(..count).unwrap_or(&[]),
    )
}

/// Where the planes of a buffer lie.
fn place(image: Image, buffer: &Buffer) -> Result<frame::Buffer> {
    let second = match image.format().memory_planes {
        2 => buffer.dma_address(1)?,
        _ => 0,
    };
    Ok(frame::Buffer {
        image,
        addresses: [buffer.dma_address(0)?, second],
    })
}

impl Context {
    /// The image nearest to a wanted format.
    fn image(direction: Direction, wanted: &PixelFormat) -> Image {
        let format: &'static Format =
            format::find(wanted.fourcc, direction_of(direction)).unwrap_or(format::DEFAULT);
        Image::new(format, Size::constrained(wanted.width, wanted.height))
    }

    /// What the engine has to do for a job.
    fn program(&self, job: &Job) -> Result<Program> {
        let mut state = self.state.lock();
        job.source().set_sequence(state.output.next_sequence());
        job.destination()
            .set_sequence(state.capture.next_sequence());
        job.copy_metadata();

        let frame = Frame {
            source: place(state.output.image, job.source())?,
            destination: place(state.capture.image, job.destination())?,
            crop: state.crop,
            map: state.maps.as_mut().ok_or(EINVAL)?.next(),
            prefetch: Prefetch::Calculation,
        };
        frame.program().map_err(|_| EINVAL)
    }

    /// Makes room for the vertex map, and puts the control's there.
    fn load_map(&self, controls: &control::Handler) -> Result {
        let grid = self.state.lock().grid();
        let bound = self.device.bound().ok_or(ENODEV)?;
        let mut maps = Maps::new(&bound, grid)?;
        // The control is locked until the map is where a change of it will go, too.
        let old = controls.with_array(|vertices| {
            maps.write(vertices)?;
            Ok::<_, Error>(self.state.lock().maps.replace(maps))
        })?;
        // Freed with no lock held.
        drop(old);
        Ok(())
    }
}

impl Operations for Context {
    type Device = Device;

    const NAME: &'static CStr = c"dw100";
    const CARD: &'static CStr = c"DW100 dewarper";
    const ARRAY: control::Array = control::Array {
        // V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP
        id: CID_USER_DW100_BASE + 1,
        name: c"Dewarping Vertex Map",
        dimensions: (
            Grid::of(Size::DEFAULT).columns(),
            Grid::of(Size::DEFAULT).rows(),
        ),
    };

    fn open(device: Arc<Device>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device,
            state <- new_mutex!(State::new(), "Context::state"),
        })
    }

    fn nth_format(direction: Direction, index: u32) -> Option<u32> {
        format::nth(index, direction_of(direction)).map(|format| format.fourcc)
    }

    fn frame_sizes(fourcc: u32) -> Option<FrameSizes> {
        format::find_any(fourcc).map(|_| FrameSizes {
            min: (Size::MIN.width(), Size::MIN.height()),
            max: (Size::MAX.width(), Size::MAX.height()),
            step: (Size::STEP, Size::STEP),
        })
    }

    fn format(&self, direction: Direction) -> PixelFormat {
        let mut state = self.state.lock();
        let image = state.queue(direction).image;
        pixel_format(&image, state.colorimetry)
    }

    fn try_format(&self, direction: Direction, wanted: &PixelFormat) -> PixelFormat {
        let colorimetry = match direction {
            Direction::Output => wanted.colorimetry.resolved(),
            Direction::Capture => self.state.lock().colorimetry,
        };
        pixel_format(&Self::image(direction, wanted), colorimetry)
    }

    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        controls: &control::Handler,
    ) -> Result<PixelFormat> {
        let format = self.try_format(direction, wanted);
        let image = Self::image(direction, wanted);

        let mut state = self.state.lock();
        let old = (state.queue(direction).image, state.colorimetry, state.crop);
        state.queue(direction).image = image;
        if direction == Direction::Output {
            state.colorimetry = format.colorimetry;
            state.crop = Crop::full(image.size());
        }
        // The grid lies over the destination, and the identity map depends on the source,
        // too. A map that the user set stays as long as its grid does.
        let renew = match direction {
            Direction::Output => !state.map_is_set && image.size() != old.0.size(),
            Direction::Capture => true,
        };
        let grid = state.grid();
        drop(state);

        if renew {
            // Asks for the identity map, so the state has to be unlocked.
            let renewed = controls.set_dimensions(grid.columns(), grid.rows());
            let mut state = self.state.lock();
            if renewed.is_err() {
                state.queue(direction).image = old.0;
                (state.colorimetry, state.crop) = (old.1, old.2);
            }
            renewed?;
            state.map_is_set = false;
            // The other queue may stream already, with the old map. No job runs: this queue
            // has no buffers. The new map is loaded when it starts.
            let stale = state.maps.take();
            drop(state);
            drop(stale);
        }
        Ok(format)
    }

    fn array_default(&self, from: usize, elements: &mut [u32]) {
        let identity = self.state.lock().identity();
        for (index, element) in (from..).zip(elements) {
            *element = identity.vertex(index);
        }
    }

    fn set_array(&self, elements: &[u32]) -> Result {
        let mut state = self.state.lock();
        state.map_is_set = true;
        match state.maps.as_mut() {
            // A grid of another size means that CAPTURE does not stream: it will load the
            // map when it does.
            Some(maps) if maps.grid.vertices() == elements.len() => maps.write(elements),
            _ => Ok(()),
        }
    }

    fn prepare(&self, direction: Direction, buffer: &Buffer) -> Result {
        let image = self.state.lock().queue(direction).image;
        let place = place(image, buffer)?;
        place.check().map_err(|_| EINVAL)
    }

    fn start(&self, direction: Direction, controls: &control::Handler) -> Result {
        let powered = Device::power(&self.device)?;
        let state = self.state.lock();
        let loaded = state
            .maps
            .as_ref()
            .is_some_and(|maps| maps.grid == state.grid());
        drop(state);
        if !loaded {
            self.load_map(controls)?;
        }

        let mut state = self.state.lock();
        let queue = state.queue(direction);
        queue.sequence = 0;
        queue.powered = Some(powered);
        Ok(())
    }

    fn stop(&self, direction: Direction) {
        let mut state = self.state.lock();
        let powered = state.queue(direction).powered.take();
        let idle = state.output.powered.is_none() && state.capture.powered.is_none();
        let maps = if idle { state.maps.take() } else { None };
        drop(state);
        // Both take a while, and need no lock.
        drop(maps);
        drop(powered);
    }

    fn run(&self, job: Job) {
        match self.program(&job) {
            Ok(program) => self.device.runner().start(job, &program),
            // Ends it as failed.
            Err(_) => drop(job),
        }
    }
}
