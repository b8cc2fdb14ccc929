// SPDX-License-Identifier: GPL-2.0

//! What a mem2mem driver implements.

use super::{
    buffer::Buffer,
    control,
    format::{
        Direction,
        FrameSizes,
        PixelFormat,
        Rect, //
    },
    job::Job,
    request::Controls, //
};
use kernel::{
    device,
    prelude::*,
    sync::Arc, //
};

/// A mem2mem driver. The implementing type is the driver's part of one open file.
///
/// Methods about buffers and streams, and [`Operations::set_format`], are called with the
/// lock of the open file's queues held, all others without. Where one waits, nobody waits with
/// it but other calls of the same file.
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// What all open files of a device share.
    type Device: Send + Sync + 'static;

    /// Driver name, in `VIDIOC_QUERYCAP` and in the names of the media entities.
    const NAME: &'static CStr;
    /// Card name, in `VIDIOC_QUERYCAP`.
    const CARD: &'static CStr;
    /// The driver's array control.
    const ARRAY: control::Array;
    /// Its other controls.
    const NUMBERS: &'static [control::Number];

    /// What is prepared of a request's controls for its frame.
    type Prepared: Send + 'static;

    /// Makes the context of a file that is being opened.
    fn open(device: Arc<Self::Device>) -> impl PinInit<Self, Error>;

    /// FourCC number `index` of a queue's formats.
    fn nth_format(direction: Direction, index: u32) -> Option<u32>;

    /// The frame sizes of a format; [`None`] for a format that neither queue has.
    fn frame_sizes(fourcc: u32) -> Option<FrameSizes>;

    /// The format of a queue.
    fn format(&self, direction: Direction) -> PixelFormat;

    /// The format nearest to `wanted` that a queue can have.
    fn try_format(&self, direction: Direction, wanted: &PixelFormat) -> PixelFormat;

    /// Sets the format of a queue that has no buffers to the one nearest to
    /// `wanted`, and returns that.
    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        dimensions: control::Dimensions<'_>,
    ) -> Result<PixelFormat>;

    /// The part of the OUTPUT queue's frames that is looked at, and all of it.
    fn crop(&self) -> (Rect, Rect);

    /// Sets that part to the one nearest to `wanted` under `flags` (`V4L2_SEL_FLAG_…`), and
    /// returns it.
    ///
    /// `ERANGE` and `EINVAL` as `VIDIOC_S_SELECTION` has them.
    fn set_crop(&self, wanted: Rect, flags: u32) -> Result<Rect>;

    /// Fills `elements`, those of the array control, with their defaults from number `from`
    /// on. Called with the controls locked.
    fn array_default(&self, elements: &mut [u32], from: usize);

    /// Takes on new elements of the array control. Called with the controls locked.
    fn set_array(&self, elements: &[u32]) -> Result;

    /// Takes on the value of a control of one number. Called with the controls locked.
    fn set_number(&self, id: u32, value: i32) -> Result;

    /// Prepares the controls of a request that is about to be queued. They are to take effect
    /// with its frame, if it comes to that.
    fn prepare_controls(&self, controls: &Controls) -> Result<Self::Prepared>;

    /// Checks a buffer that is to be queued, whose planes are large enough for the
    /// queue's format.
    fn prepare(&self, direction: Direction, buffer: &Buffer) -> Result;

    /// A queue starts to stream.
    fn start(&self, direction: Direction, controls: &control::Handler) -> Result;

    /// A queue that was started stops, after its last job has ended.
    fn stop(&self, direction: Direction);

    /// Starts a frame, with the controls of its request. Its end is [`Job::finish`], from
    /// another thread; dropping it ends it as failed. Called in a thread that may sleep, for
    /// one frame of this file at a time, with no other lock of it held that can be relied on.
    /// Unbinding the device waits for this, and no frame is started after.
    ///
    /// Returns the moment at which the request's controls took effect, if they did; and the
    /// frame, if it cannot be started.
    fn run(
        &self,
        device: &device::Device<device::Bound>,
        job: Job,
        prepared: Option<Self::Prepared>,
    ) -> (Option<u64>, Result<(), Job>);

    /// Ends the running frame as failed, if there is one: it has not ended in the time that unbinding
    /// the device gives it, or a process keeps its stream from being stopped. No frame is started
    /// any more. It may end a little later, by what was registered with `bound` before the nodes
    /// were.
    fn abandon(device: &Self::Device, bound: &device::Device<device::Bound>);

    /// Requests whose frames have started, or were given up, are settled: their controls are the
    /// file's. Called in a thread that may sleep, some time after the frames started, with or without
    /// the open file's lock held.
    fn settled(&self);

    /// Whether the control has changed since that moment. Called with the controls locked.
    fn has_changed_since(&self, moment: u64, id: u32) -> bool;
}
