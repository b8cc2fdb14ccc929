// SPDX-License-Identifier: GPL-2.0

//! The operations that a mem2mem driver implements.

use super::{
    buffer::Buffer,
    control::{
        Control,
        Dimensions,
        Handler,
        Value, //
    },
    format::{
        Direction,
        FrameSizes,
        PixelFormat,
        Rect, //
    },
    job::{
        Job,
        Run, //
    },
    memory::Memory,
    order::{
        Change,
        Changed, //
    },
    request::Controls, //
};
use kernel::{
    device,
    error::VTABLE_DEFAULT_ERROR,
    prelude::*,
    sync::Arc, //
};

/// A mem2mem driver. The implementing type is the driver's part of one open file.
///
/// The methods with a body are optional. Without [`crop`](Self::crop) and
/// [`set_crop`](Self::set_crop) there is no selection, and without
/// [`prepare_controls`](Self::prepare_controls) and [`apply_controls`](Self::apply_controls) there
/// are no requests.
///
/// The queue lock of the file (`Handle::lock`) is held in [`set_format`](Self::set_format),
/// [`prepare_controls`](Self::prepare_controls), [`check_buffer`](Self::check_buffer),
/// [`start`](Self::start) and [`stop`](Self::stop). It may be held or not in
/// [`format`](Self::format), [`array_default`](Self::array_default), [`settled`](Self::settled),
/// [`frames_in_turn`](Self::frames_in_turn), [`apply_controls`](Self::apply_controls) and
/// [`run`](Self::run). It is not held in the other methods.
///
/// If the driver has requests, the media device's `req_queue_mutex` is held in `prepare_controls`,
/// `start` and `stop`, and may be held in `check_buffer` and `run`. While one of these waits, other
/// files cannot queue a request, start or stop a stream, or be closed.
///
/// All methods but [`run`](Self::run), [`apply_controls`](Self::apply_controls) and
/// [`abandon`](Self::abandon) may be called after the device was unbound.
#[vtable]
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// The data that all open files of a device share.
    type Device: Send + Sync + 'static;

    /// The memory of the buffers.
    type Memory: Memory;

    /// The data that the driver prepares from a request's controls for the request's frame. If the
    /// frame is not started, it is dropped unused, perhaps after the device was unbound.
    type Prepared: Send + 'static;

    /// Driver name, in `VIDIOC_QUERYCAP` and in the names of the media entities.
    const NAME: &'static CStr;
    /// Card name, in `VIDIOC_QUERYCAP`.
    const CARD: &'static CStr;
    /// The controls of an open file, at most 32.
    const CONTROLS: &'static [Control];

    /// Creates the context of a file that is being opened.
    fn open(device: Arc<Self::Device>) -> impl PinInit<Self, Error>;

    /// Returns the FourCC of format number `index` of a queue; [`None`] if it has fewer formats.
    fn nth_format(direction: Direction, index: u32) -> Option<u32>;

    /// Returns the frame sizes of a format; [`None`] for a format that neither queue has.
    fn frame_sizes(fourcc: u32) -> Option<FrameSizes>;

    /// Returns the format of a queue.
    fn format(&self, direction: Direction) -> PixelFormat;

    /// Returns the format nearest to `wanted` that a queue can have.
    fn try_format(&self, direction: Direction, wanted: &PixelFormat) -> PixelFormat;

    /// Sets the format of a queue that has no buffers to the one nearest to `wanted`, and returns
    /// that. `dimensions` are those of the array controls.
    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        dimensions: Dimensions<'_>,
    ) -> Result<PixelFormat>;

    /// Returns the part of the OUTPUT queue's frames that is read, and the whole frame.
    fn crop(&self) -> (Rect, Rect) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the part of the OUTPUT queue's frames that is read to the one nearest to `wanted` that
    /// `flags` (`V4L2_SEL_FLAG_…`) allow, and returns it.
    ///
    /// `ERANGE` and `EINVAL` as documented for `VIDIOC_S_SELECTION`.
    fn set_crop(&self, _wanted: Rect, _flags: u32) -> Result<Rect> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Writes defaults to `elements`, which are all elements of the array control with identifier
    /// `id`. Elements before number `from` are not changed. Without this method the defaults are 0.
    ///
    /// The controls are locked, except while the file is being opened.
    fn array_default(&self, _id: u32, _elements: &mut [u32], _from: usize) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the value of the control with identifier `id`. The method makes the value take effect
    /// while it holds `change.lock()`, so that frames which start later use it. The controls are
    /// locked. It is not called for a control's first value, nor for the controls of a request.
    fn set_control(&self, id: u32, value: Value<'_>, change: Change<'_>) -> Result<Changed>;

    /// Prepares the controls of a request that is about to be queued. They take effect with the
    /// request's frame, if that is started.
    fn prepare_controls(&self, _controls: &Controls<'_>) -> Result<Self::Prepared> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes the controls of a request take effect, for the frame that [`run`](Self::run) starts
    /// next. The requirements are those of `run`. If it fails, nothing has changed, and the frame
    /// is not started.
    fn apply_controls(&self, _prepared: Self::Prepared) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Notes that requests were settled whose frames have started or were dropped: the controls
    /// that took effect are the file's current ones.
    ///
    /// It is called in a thread that may sleep, some time after the frames started.
    fn settled(&self) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Checks a buffer that is about to be queued, whose planes are large enough for the queue's
    /// format.
    fn check_buffer(&self, _direction: Direction, _buffer: &Buffer) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Notes that a queue starts to stream. If it fails, the queue does not start.
    fn start(&self, _direction: Direction, _controls: &Handler) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Notes that a queue that was started stops, after its last job has ended.
    fn stop(&self, _direction: Direction) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns how many frames are processed before those of another file; 0 means 1. The first one
    /// is started when both queues have buffers for all of them. If [`run`](Self::run) returns
    /// [`Run::Ended`], the turn ends early, and another file's frames may be next. Without this
    /// method it is 1.
    ///
    /// It may be called with interrupts disabled, so it must not sleep or take a mutex.
    fn frames_in_turn(&self) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Starts a frame. [`Job::finish`], called in another thread, ends the frame; dropping the job
    /// ends it as failed.
    ///
    /// It is called for one frame of this file at a time, in a thread that may sleep: the one that
    /// queued a buffer, started a stream or resumed the device, mem2mem's worker, or the one that
    /// finished the last frame. It must not call `finish`. Unbinding the device waits for this
    /// call, and no frame is started after that.
    fn run(&self, device: &device::Device<device::Bound>, job: Job) -> Run;

    /// Ends the running frame, if there is one, as failed unless the device reports otherwise.
    ///
    /// Unbinding calls it if the frame has not ended in time, or if a process prevents the frame's
    /// stream from being stopped. No frame is started any more. The frame may end a little later,
    /// by code that was registered with `bound` before the nodes were.
    fn abandon(device: &Self::Device, bound: &device::Device<device::Bound>);
}
