// SPDX-License-Identifier: GPL-2.0

//! One open file: the V4L2 operations of the device.

use crate::convert::convert;
use crate::device::Device;
use crate::format::{self, Image};
use crate::media::control::{CID_HFLIP, CID_USER_BASE, CID_VFLIP};
use crate::media::prelude::*;
use kernel::sync::atomic::{Atomic, Relaxed};
use kernel::sync::{Arc, Mutex};
use kernel::{device::Bound, new_mutex, prelude::*};

/// How long a frame takes, milliseconds.
const CID_TRANS_TIME_MSEC: u32 = CID_USER_BASE + 0x1000;
/// How many frames are processed before those of another file.
const CID_TRANS_NUM_BUFS: u32 = CID_USER_BASE + 0x1001;

/// The controls of an open file.
const CONTROLS: [Control; 4] = [
    Control::new(CID_HFLIP, c"Horizontal Flip", Kind::Boolean),
    Control::new(CID_VFLIP, c"Vertical Flip", Kind::Boolean),
    Control::new(CID_TRANS_TIME_MSEC, c"Transaction Time (msec)", TIME_MS),
    Control::new(CID_TRANS_NUM_BUFS, c"Buffers Per Transaction", FRAMES),
];

const FIRST_TIME_MS: i32 = 40;
const TIME_MS: Kind = up_to(10_001, FIRST_TIME_MS);
const FRAMES: Kind = up_to(32, 1);

const fn up_to(max: i32, first: i32) -> Kind {
    let min = 1;
    Kind::Integer { min, max, first }
}

/// The settings of an open file that change.
struct State {
    output: Image,
    capture: Image,
    colorimetry: Colorimetry,
    /// HFLIP and VFLIP.
    flips: [bool; 2],
    time_ms: i32,
    /// The number of queues that stream.
    streaming: u32,
}

impl State {
    fn image(&mut self, direction: Direction) -> &mut Image {
        match direction {
            Direction::Output => &mut self.output,
            Direction::Capture => &mut self.capture,
        }
    }
}

/// An open file.
#[pin_data]
pub(crate) struct Context {
    device: Arc<Device>,
    #[pin]
    state: Mutex<State>,
    frames_in_turn: Atomic<u32>,
}

impl Context {
    /// Sets the value of a control; `EBUSY` for the frames in turn of a file that streams.
    fn set(&self, id: u32, value: i32) -> Result {
        let mut state = self.state.lock();
        let [horizontal, vertical] = &mut state.flips;
        match id {
            CID_HFLIP => *horizontal = value != 0,
            CID_VFLIP => *vertical = value != 0,
            CID_TRANS_TIME_MSEC => state.time_ms = value,
            _ if state.streaming > 0 => return Err(EBUSY),
            _ => self.frames_in_turn.store(value.unsigned_abs(), Relaxed),
        }
        Ok(())
    }
}

#[vtable]
impl Operations for Context {
    type Device = Device;
    type Memory = Vmalloc;
    /// The values of [`CONTROLS`] that a request sets.
    type Prepared = [Option<i32>; CONTROLS.len()];

    const NAME: &'static CStr = c"vim2m";
    const CARD: &'static CStr = c"vim2m";
    const CONTROLS: &'static [Control] = &CONTROLS;

    fn open(device: Arc<Device>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            device,
            state <- new_mutex!(State {
                output: Image::FIRST,
                capture: Image::FIRST,
                colorimetry: Colorimetry::default_of_rec709(),
                flips: [false; 2],
                time_ms: FIRST_TIME_MS,
                streaming: 0,
            }),
            frames_in_turn: Atomic::new(1),
        })
    }

    fn nth_format(direction: Direction, index: u32) -> Option<u32> {
        format::nth(direction, index).map(|format| format.fourcc)
    }

    fn frame_sizes(fourcc: u32) -> Option<FrameSizes> {
        format::find(fourcc).map(|format| format.sizes())
    }

    fn format(&self, direction: Direction) -> PixelFormat {
        let mut state = self.state.lock();
        let image = *state.image(direction);
        image.pixel_format(state.colorimetry)
    }

    fn try_format(&self, direction: Direction, wanted: &PixelFormat) -> PixelFormat {
        let colorimetry = match direction {
            Direction::Output => wanted.colorimetry.or_rec709(),
            Direction::Capture => self.state.lock().colorimetry,
        };
        Image::nearest(direction, wanted).pixel_format(colorimetry)
    }

    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        _dimensions: Dimensions<'_>,
    ) -> Result<PixelFormat> {
        let set = self.try_format(direction, wanted);
        let mut state = self.state.lock();
        *state.image(direction) = Image::nearest(direction, wanted);
        state.colorimetry = set.colorimetry;
        Ok(set)
    }

    fn set_control(&self, id: u32, value: Value<'_>, change: Change<'_>) -> Result<Changed> {
        let Value::Number(value) = value else {
            return Err(EINVAL);
        };
        let changing = change.lock();
        self.set(id, value)?;
        Ok(changing.done())
    }

    fn prepare_controls(&self, controls: &Controls<'_>) -> Result<Self::Prepared> {
        let value = |control: &Control| controls.number(control.id);
        match CONTROLS.each_ref().map(value) {
            [.., Some(_)] => Err(EBUSY), // The last one is CID_TRANS_NUM_BUFS.
            values => Ok(values),
        }
    }

    fn apply_controls(&self, prepared: Self::Prepared) -> Result {
        for (control, value) in CONTROLS.iter().zip(prepared) {
            value.map_or(Ok(()), |value| self.set(control.id, value))?;
        }
        Ok(())
    }

    fn start(&self, _direction: Direction, _controls: &control::Handler) -> Result {
        self.state.lock().streaming += 1;
        Ok(())
    }

    fn stop(&self, _direction: Direction) {
        self.state.lock().streaming -= 1;
    }

    fn frames_in_turn(&self) -> u32 {
        self.frames_in_turn.load(Relaxed)
    }

    fn run(&self, _device: &kernel::device::Device<Bound>, job: Job) -> Run {
        if *crate::module_parameters::work.value_ref() == 0 {
            return Run::Ended(job, buffer::State::Done);
        }
        let state = self.state.lock();
        let (source, destination, flips) = (state.output, state.capture, state.flips);
        let time_ms = state.time_ms.unsigned_abs();
        drop(state);
        if convert(&job, source, destination, flips).is_err() {
            return Run::Ended(job, buffer::State::Error);
        }
        self.device.start(job, time_ms);
        Run::Started
    }

    fn abandon(device: &Device, _bound: &kernel::device::Device<Bound>) {
        device.abandon();
    }
}
