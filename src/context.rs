// SPDX-License-Identifier: GPL-2.0

//! One open file: its formats, its vertex map, and the V4L2 operations on them.

mod convert;
mod maps;
mod state;

use crate::{
    device::{
        Device,
        Opened, //
    },
    dewarp::{
        crop::{
            self,
            Crop, //
        },
        format::{
            self,
            Format, //
        },
        image::Image,
        map::Grid,
        prefetch::{
            Prefetch,
            PrefetchMode, //
        },
        size::Size, //
    },
    job::Frame,
    media::{
        buffer::Buffer,
        control,
        format::{
            Direction,
            FrameSizes,
            PixelFormat,
            Rect, //
        },
        m2m::{
            Controls,
            Job,
            Operations, //
        }, //
    }, //
};
use convert::{
    direction_of,
    pixel_format,
    place,
    rect, //
};
use core::mem;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use maps::{
    Map,
    Maps,
    Memory, //
};
use state::{
    Prepared,
    State, //
};

/// `V4L2_CID_USER_DW100_BASE`: sixteen control identifiers are the DW100's.
const CID_BASE: u32 = control::CID_USER_BASE + 0x1190;
/// `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP`.
const CID_VERTEX_MAP: u32 = CID_BASE + 1;
/// A [`PrefetchMode`]. The last two of the sixteen are this driver's: upstream assigns them from the
/// first on.
const CID_PREFETCH_MODE: u32 = CID_BASE + 14;
/// The threshold of [`PrefetchMode::Auto`].
const CID_PREFETCH_THRESHOLD: u32 = CID_BASE + 15;

/// An open file.
#[pin_data]
pub(crate) struct Context {
    account: Opened,
    device: Arc<Device>,
    /// Taken for a moment, after every other lock.
    #[pin]
    state: Mutex<State>,
}

impl Context {
    /// The image nearest to a wanted format.
    fn image(direction: Direction, wanted: &PixelFormat) -> Image {
        let format: &'static Format =
            format::find(wanted.fourcc, direction_of(direction)).unwrap_or(format::DEFAULT);
        // The engine has one stride for all planes of an image.
        let stride = wanted.planes().first().map_or(0, |p| p.bytes_per_line);
        Image::new(format, Size::constrained(wanted.width, wanted.height))
            .with_bytes_per_line(stride)
    }

    /// Composes vertices and the crop where the engine can read them.
    ///
    /// `EINVAL` if they are not one for each of the grid, `ENODEV` if the device is unbound.
    fn map(&self, vertices: &[u32]) -> Result<Map> {
        let mut state = self.state.lock();
        let (grid, crop) = (state.grid(), state.crop);
        let spare = state.maps.take_spare();
        drop(state);

        let memory = match spare {
            Some(spare) if spare.fits(grid) => spare,
            _ => Memory::new(&*self.device.bound().ok_or(ENODEV)?, grid)?,
        };
        Map::new(memory, vertices, crop)
    }

    /// Composes the map of the next frame anew, for a crop that was set while a queue streams.
    fn follow_crop(&self) -> Result {
        let state = self.state.lock();
        let (grid, streams) = (state.grid(), state.maps.current.is_some());
        drop(state);
        if !streams {
            // It is composed when a queue starts to stream.
            return Ok(());
        }
        // Holds unbinding up until the map is where it ends the stream and frees it.
        let bound = self.device.bound();
        bound.as_ref().ok_or(ENODEV)?;
        let room = maps::room(grid)?;
        let latest = self.state.lock().maps.latest(room)?;
        let Some((vertices, number)) = latest else {
            return Ok(());
        };
        let map = self.map(&vertices)?;
        let mut state = self.state.lock();
        // Another map that was set meanwhile stays: if it was composed with the crop before, it is
        // composed anew by the frame that it takes effect with.
        if state.maps.is_latest(number) {
            state.maps.set_next(map);
        }
        Ok(())
    }

    /// Puts the control's map where the engine can read it.
    fn load_map(&self, controls: &control::Handler) -> Result {
        // The control is locked until the map is where a change of it will go, too.
        let old = controls.with_array(|elements| {
            let map = self.map(elements)?;
            Ok::<_, Error>(self.state.lock().maps.load(map))
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
        id: CID_VERTEX_MAP,
        name: c"Dewarping Vertex Map",
        dimensions: (
            Grid::of(Size::DEFAULT).columns(),
            Grid::of(Size::DEFAULT).rows(),
        ),
    };

    const NUMBERS: &'static [control::Number] = &[
        control::Number {
            id: CID_PREFETCH_MODE,
            name: c"Prefetch Mode",
            kind: control::Kind::Menu(&[
                control::Item::new(c"Traversal"),
                control::Item::new(c"Calculation"),
                control::Item::new(c"Auto"),
            ]),
            // CAST: The code of a mode.
            default: Prefetch::DEFAULT.mode as u8,
        },
        control::Number {
            id: CID_PREFETCH_THRESHOLD,
            name: c"Prefetch Threshold",
            kind: control::Kind::Integer(Prefetch::MAX_THRESHOLD),
            default: Prefetch::DEFAULT.threshold,
        },
    ];

    type Prepared = Prepared;

    fn open(device: Arc<Device>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            account: device.open_account()?,
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
            let stale = mem::replace(&mut state.maps, Maps::new());
            drop(state);
            drop(stale);
        }
        Ok(format)
    }

    fn crop(&self) -> (Rect, Rect) {
        let state = self.state.lock();
        (
            rect(state.crop.rect()),
            rect(Crop::full(state.output.image.size()).rect()),
        )
    }

    fn set_crop(&self, wanted: Rect, flags: u32) -> Result<Rect> {
        let wanted = crop::Rect {
            left: wanted.left,
            top: wanted.top,
            width: wanted.width,
            height: wanted.height,
        };
        let mut state = self.state.lock();
        let crop =
            Crop::adjusted(wanted, state.output.image.size(), flags).map_err(
                |unfit| match unfit {
                    crop::Unfit::Range => ERANGE,
                    crop::Unfit::Flags => EINVAL,
                },
            )?;
        let before = mem::replace(&mut state.crop, crop);
        drop(state);
        if crop != before {
            self.follow_crop()
                .inspect_err(|_| self.state.lock().crop = before)?;
        }
        Ok(rect(crop.rect()))
    }

    fn array_default(&self, elements: &mut [u32], from: usize) {
        let identity = self.state.lock().identity();
        identity.fill(elements, from);
    }

    fn set_array(&self, elements: &[u32]) -> Result {
        let state = self.state.lock();
        // A grid of another size means that CAPTURE does not stream: it will load the map
        // when it does.
        let streams = state.maps.current.is_some() && state.grid().vertices() == elements.len();
        drop(state);

        // Holds unbinding up until the map is where it ends the stream and frees it.
        let bound = self.device.bound();
        let mut map = None;
        if streams {
            bound.as_ref().ok_or(ENODEV)?;
            map = Some(self.map(elements)?);
        }
        let mut state = self.state.lock();
        state.map_is_set = true;
        state.note_change(CID_VERTEX_MAP);
        if state.maps.current.is_some() {
            if let Some(map) = map {
                state.maps.set_next(map);
            }
        }
        Ok(())
    }

    fn set_number(&self, id: u32, value: i32) {
        let mut state = self.state.lock();
        state.note_change(id);
        match id {
            CID_PREFETCH_MODE => {
                let mode = PrefetchMode::from_code(value);
                state.prefetch.mode = mode.unwrap_or(state.prefetch.mode);
            }
            CID_PREFETCH_THRESHOLD => {
                let threshold = u8::try_from(value);
                state.prefetch.threshold = threshold.unwrap_or(state.prefetch.threshold);
            }
            _ => {}
        }
    }

    fn prepare_controls(&self, controls: &Controls) -> Result<Prepared> {
        let map = controls.array(CID_VERTEX_MAP)?;
        let mode = controls.number(CID_PREFETCH_MODE);
        let threshold = controls.number(CID_PREFETCH_THRESHOLD);
        Ok(Prepared {
            map: map.map(|elements| self.map(elements)).transpose()?,
            mode: mode.and_then(PrefetchMode::from_code),
            threshold: threshold.and_then(|value| value.try_into().ok()),
        })
    }

    fn prepare(&self, direction: Direction, buffer: &Buffer) -> Result {
        let image = self.state.lock().queue(direction).image;
        let place = place(image, buffer)?;
        place.check().map_err(|_| EINVAL)
    }

    fn start(&self, direction: Direction, controls: &control::Handler) -> Result {
        let powered = Device::power(&self.device)?;
        let state = self.state.lock();
        let current = state.maps.current.as_ref();
        let loaded = current.is_some_and(|map| map.fits(state.grid()));
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
        let maps = idle.then(|| mem::replace(&mut state.maps, Maps::new()));
        drop(state);
        // Both take a while, and need no lock.
        drop(maps);
        drop(powered);
    }

    fn run(&self, job: Job, prepared: Option<Prepared>) -> (Option<u64>, Result<(), Job>) {
        let mut state = self.state.lock();
        job.source().set_sequence(state.output.next_sequence());
        job.destination()
            .set_sequence(state.capture.next_sequence());
        job.copy_metadata();
        let moment = state.take_on(prepared);
        let program = moment.and_then(|_| state.program(&job));
        let sizes = (state.output.image.size(), state.capture.image.size());
        drop(state);
        let frame = Frame {
            job,
            account: self.account.account().clone(),
        };
        let started = match program {
            Ok(program) => self.device.start(frame, &program, sizes),
            Err(_) => Err(self.device.refuse(frame)),
        };
        (moment.ok().flatten(), started)
    }

    fn has_changed_since(&self, moment: u64, id: u32) -> bool {
        self.state.lock().has_changed_since(moment, id)
    }
}
