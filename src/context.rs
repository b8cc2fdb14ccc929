// SPDX-License-Identifier: GPL-2.0

//! One open file: its formats, its vertex map, and the V4L2 operations on them.

mod compose;
mod controls;
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
        image::{
            Image,
            PlaneLayout, //
        },
        prefetch::PrefetchMode,
        size::Size, //
    },
    job::Frame,
    media::{
        control::{
            CID_HFLIP,
            CID_VFLIP, //
        },
        prelude::*, //
    }, //
};
use controls::{
    CID_PREFETCH_MODE,
    CID_PREFETCH_THRESHOLD,
    CID_VERTEX_MAP, //
};
use convert::{
    direction_of,
    pixel_format,
    place,
    rect, //
};
use kernel::{
    device::{
        self,
        Bound, //
    },
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

use state::{
    Edit,
    Prepared,
    State, //
};

/// An open file.
#[pin_data]
pub(crate) struct Context {
    opened: Opened,
    /// Held while the map of a control, a crop or a flip is composed and installed. Maps of
    /// requests are composed without it: `set_view` detects them, and its caller composes again. It
    /// is taken after the lock of the controls. A frame does not wait for it.
    #[pin]
    composing: Mutex<()>,
    /// No other lock of the driver is taken while this is held.
    #[pin]
    state: Mutex<State>,
}

impl Context {
    /// Returns the image nearest to a wanted format of a queue.
    fn image(&self, direction: Direction, wanted: &PixelFormat) -> Image {
        let format: &'static Format =
            format::find(wanted.fourcc, direction_of(direction)).unwrap_or(format::DEFAULT);
        let image = Image::new(format, Size::constrained(wanted.width, wanted.height));
        // The engine has one stride for all planes of an image (register header).
        let Some(plane) = wanted.planes().first() else {
            return image;
        };
        let plane = PlaneLayout {
            bytes_per_line: plane.bytes_per_line,
            size_image: plane.size_image,
        };
        image.with_lines(plane, &self.state.lock().queue(direction).image)
    }
}

#[vtable]
impl Operations for Context {
    type Device = Device;
    type Memory = DmaContig;
    type Prepared = Prepared;

    const NAME: &'static CStr = c"dw100";
    const CARD: &'static CStr = c"DW100 dewarper";
    const CONTROLS: &'static [Control] = &controls::CONTROLS;

    fn open(device: Arc<Device>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            opened: Opened::new(device)?,
            composing <- new_mutex!((), "Context::composing"),
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

    // Not inlined, to have the code once for all callers.
    #[inline(never)]
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
        pixel_format(&self.image(direction, wanted), colorimetry)
    }

    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        dimensions: Dimensions<'_>,
    ) -> Result<PixelFormat> {
        let image = self.image(direction, wanted);

        // The lock is held because the crop changes here.
        let composing = self.composing.lock();
        let mut state = self.state.lock();
        let old = (state.queue(direction).image, state.colorimetry, state.crop);
        state.queue(direction).image = image;
        if direction == Direction::Output {
            state.colorimetry = wanted.colorimetry.resolved();
            state.crop = Crop::full(image.size());
        }
        // The grid lies over the destination, and the identity map depends on the source as well. A
        // format of CAPTURE always makes the map the identity, even if the size stays the same, as
        // in the C driver. A format of OUTPUT renews the identity, and keeps a user's map.
        let renew = match direction {
            Direction::Output => !state.map_is_set && image.size() != old.0.size(),
            Direction::Capture => true,
        };
        let map_was_set = state.map_is_set;
        state.map_is_set &= !renew;
        let grid = state.grid();
        let format = pixel_format(&image, state.colorimetry);
        drop(state);
        // Released, because the lock of the controls must be taken before this one.
        drop(composing);

        let mut renewed = Ok(());
        if renew {
            // V4L2 asks for the identity map in this call, which locks the state, so the state must
            // be unlocked.
            renewed = dimensions.set(CID_VERTEX_MAP, grid.columns(), grid.rows());
        }
        let mut state = self.state.lock();
        if renewed.is_err() {
            state.queue(direction).image = old.0;
            (state.colorimetry, state.crop) = (old.1, old.2);
            state.map_is_set = map_was_set;
        }
        // The other queue may stream already, with the old map, or with the user's map and the old
        // crop. No job runs, because this queue has no buffers. The map is loaded when this queue
        // starts.
        let stale = state.maps.clear();
        drop(state);
        drop(stale);
        renewed.map(|()| format)
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
        Ok(rect(self.edit_view(Edit::Crop(wanted, flags))?.rect()))
    }

    fn array_default(&self, _id: u32, elements: &mut [u32], from: usize) {
        let identity = self.state.lock().identity();
        identity.fill(elements, from);
    }

    fn set_control(&self, id: u32, value: Value<'_>, change: Change<'_>) -> Result<Changed> {
        let value = match value {
            Value::Array(vertices) => return self.set_map(vertices, &change),
            Value::Number(value) => value,
        };
        if matches!(id, CID_HFLIP | CID_VFLIP) {
            return self.set_flip(id, value != 0, &change);
        }
        let changing = change.lock();
        let mut state = self.state.lock();
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
        drop(state);
        Ok(changing.done())
    }

    fn prepare_controls(&self, controls: &Controls<'_>) -> Result<Prepared> {
        let map = controls.array(CID_VERTEX_MAP)?;
        let mode = controls.number(CID_PREFETCH_MODE);
        let threshold = controls.number(CID_PREFETCH_THRESHOLD);
        let flips = [CID_HFLIP, CID_VFLIP].map(|id| controls.number(id).map(|value| value != 0));
        // The map of this request keeps the present crop. A crop that is set later applies to all
        // other frames that start after that.
        let state = self.state.lock();
        let view = state.view(true, state.crop, state.flips);
        drop(state);
        let bound = self.opened.device().bound();
        let bound = || bound.as_ref().ok_or(ENODEV);
        let is_flip = map.is_none() && flips.iter().any(Option::is_some);
        Ok(Prepared {
            map: match map {
                Some(elements) => Some(self.map(bound()?, Some(elements), view)?),
                None => None,
            },
            // Flips that the request does not set are those of the frame before, so the map is
            // composed when the frame starts.
            spare: match is_flip {
                true => Some(self.blank(bound()?)?),
                false => None,
            },
            flips,
            mode: mode.and_then(PrefetchMode::from_code),
            threshold: threshold.and_then(|value| value.try_into().ok()),
        })
    }

    fn apply_controls(&self, prepared: Prepared) -> Result {
        let applied = self.state.lock().apply(prepared);
        applied.inspect_err(|_| self.opened.device().note_refused(self.opened.account()))
    }

    fn settled(&self) {
        // The map of a request has the crop from when the request was queued. Another crop may have
        // been set since, for the frames after the request's.
        if let Err(error) = self.edit_view(Edit::Nothing) {
            kernel::pr_warn_once!(
                "the crop does not apply to the map of a request: error {}\n",
                error.to_errno()
            );
        }
    }

    fn check_buffer(&self, direction: Direction, buffer: &Buffer) -> Result {
        let image = self.state.lock().queue(direction).image;
        let place = place(image, buffer)?;
        place.check().map_err(|_| EINVAL)
    }

    fn start(&self, direction: Direction, controls: &control::Handler) -> Result {
        let powered = self.opened.device().power()?;
        let state = self.state.lock();
        let current = state.maps.current();
        let loaded = current.is_some_and(|map| map.fits(state.grid()));
        drop(state);
        if !loaded {
            self.load_map(controls)?;
        }

        let mut state = self.state.lock();
        state.queue(direction).powered = Some(powered);
        Ok(())
    }

    fn stop(&self, direction: Direction) {
        let mut state = self.state.lock();
        let powered = state.queue(direction).powered.take();
        let idle = state.output.powered.is_none() && state.capture.powered.is_none();
        let maps = idle.then(|| state.maps.clear());
        drop(state);
        // Dropping both takes time and needs no lock.
        drop(maps);
        drop(powered);
    }

    fn run(&self, bound: &device::Device<Bound>, job: Job) -> Run {
        let mut state = self.state.lock();
        let displaced = state.maps.advance();
        let program = state.program(&job);
        let sizes = (state.output.image.size(), state.capture.image.size());
        drop(state);
        let frame = Frame {
            job,
            account: self.opened.account().clone(),
        };
        let started = match program {
            Ok(program) => self.opened.device().start(bound, frame, &program, sizes),
            Err(_) => Err(self.opened.device().refuse(frame)),
        };
        // The engine is running, so freeing the displaced maps now does not delay the frame.
        drop(displaced);
        match started {
            Ok(()) => Run::Started,
            Err(job) => Run::Ended(job, buffer::State::Error),
        }
    }

    fn abandon(device: &Device, bound: &device::Device<Bound>) {
        device.abandon(bound);
    }
}
