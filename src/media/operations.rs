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
/// Methods about buffers and streams, [`set_format`](Self::set_format) and
/// [`prepare_controls`](Self::prepare_controls) are called with the lock of the open file's queues
/// held, all others without it. If a method waits, only other calls for the same file wait with it.
#[vtable]
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// The data that all open files of a device share.
    type Device: Send + Sync + 'static;

    /// The memory of the buffers.
    type Memory: Memory;

    /// The data that the driver prepares from a request's controls for the request's frame.
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

    /// Fills `elements`, which are those of the array control with identifier `id`, with their
    /// defaults, starting with element number `from`. It is called with the controls locked.
    /// Without it the defaults are 0.
    fn array_default(&self, _id: u32, _elements: &mut [u32], _from: usize) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Sets the value of the control with identifier `id`. It is called with the controls locked.
    /// The value takes effect, for the frames that start after that, while `change` is locked.
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
    /// It is called in a thread that may sleep, some time after the frames started, with or without
    /// the open file's lock held.
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
    /// is started when both queues have buffers for all of them. A frame that ends while it is
    /// started ([`Run::Ended`]) lets another file's frames pass. Without this method it is 1.
    ///
    /// It is called with interrupts disabled: it must not sleep or take a mutex.
    fn frames_in_turn(&self) -> u32 {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Starts a frame. [`Job::finish`], called in another thread, ends the frame; dropping the job
    /// ends it as failed.
    ///
    /// It is called in a thread that may sleep, for one frame of this file at a time. It must not
    /// rely on any other lock of the file being held, and must not call `finish`. Unbinding the
    /// device waits for this call, and no frame is started after that.
    fn run(&self, device: &device::Device<device::Bound>, job: Job) -> Run;

    /// Ends the running frame as failed, if there is one.
    ///
    /// Unbinding calls it if the frame has not ended in time, or if a process prevents the frame's
    /// stream from being stopped. No frame is started any more. The frame may end a little later,
    /// by code that was registered with `bound` before the nodes were.
    fn abandon(device: &Self::Device, bound: &device::Device<device::Bound>);
}
