// SPDX-License-Identifier: GPL-2.0

//! The operations that a mem2mem driver implements.

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
/// Methods about buffers and streams, and [`Operations::set_format`], are called with the lock of
/// the open file's queues held, all others without it. If a method waits, only other calls for the
/// same file wait with it.
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// The data that all open files of a device share.
    type Device: Send + Sync + 'static;

    /// Driver name, in `VIDIOC_QUERYCAP` and in the names of the media entities.
    const NAME: &'static CStr;
    /// Card name, in `VIDIOC_QUERYCAP`.
    const CARD: &'static CStr;
    /// The driver's array control.
    const ARRAY: control::Array;
    /// The driver's other controls.
    const NUMBERS: &'static [control::Number];

    /// The data that the driver prepares from a request's controls for the request's frame.
    type Prepared: Send + 'static;

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

    /// Sets the format of a queue that has no buffers to the one nearest to
    /// `wanted`, and returns that.
    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        dimensions: control::Dimensions<'_>,
    ) -> Result<PixelFormat>;

    /// Returns the part of the OUTPUT queue's frames that is read, and the whole frame.
    fn crop(&self) -> (Rect, Rect);

    /// Sets the part of the OUTPUT queue's frames that is read to the one nearest to `wanted` that
    /// `flags` (`V4L2_SEL_FLAG_…`) allow, and returns it.
    ///
    /// `ERANGE` and `EINVAL` as documented for `VIDIOC_S_SELECTION`.
    fn set_crop(&self, wanted: Rect, flags: u32) -> Result<Rect>;

    /// Fills `elements`, which are those of the array control, with their defaults, starting with
    /// element number `from`. It is called with the controls locked.
    fn array_default(&self, elements: &mut [u32], from: usize);

    /// Sets the elements of the array control. It is called with the controls locked.
    fn set_array(&self, elements: &[u32]) -> Result;

    /// Sets the value of a control with one value. It is called with the controls locked.
    fn set_number(&self, id: u32, value: i32) -> Result;

    /// Prepares the controls of a request that is about to be queued. They take effect with the
    /// request's frame, if that is started.
    fn prepare_controls(&self, controls: &Controls) -> Result<Self::Prepared>;

    /// Checks a buffer that is about to be queued, whose planes are large enough for the queue's
    /// format.
    fn prepare(&self, direction: Direction, buffer: &Buffer) -> Result;

    /// Notes that a queue starts to stream. If it fails, the queue does not start.
    fn start(&self, direction: Direction, controls: &control::Handler) -> Result;

    /// Notes that a queue that was started stops, after its last job has ended.
    fn stop(&self, direction: Direction);

    /// Starts a frame with the controls of its request. [`Job::finish`], called in another thread,
    /// ends the frame; dropping the job ends it as failed.
    ///
    /// It is called in a thread that may sleep, for one frame of this file at a time. It must not
    /// rely on any other lock of the file being held. Unbinding the device waits for this call, and
    /// no frame is started after that.
    ///
    /// Returns the moment at which the request's controls took effect, if they did; and the frame,
    /// if it cannot be started.
    fn run(
        &self,
        device: &device::Device<device::Bound>,
        job: Job,
        prepared: Option<Self::Prepared>,
    ) -> (Option<u64>, Result<(), Job>);

    /// Ends the running frame as failed, if there is one.
    ///
    /// Unbinding calls it if the frame has not ended in time, or if a process prevents the frame's
    /// stream from being stopped. No frame is started any more. The frame may end a little later,
    /// by code that was registered with `bound` before the nodes were.
    fn abandon(device: &Self::Device, bound: &device::Device<device::Bound>);

    /// Notes that requests were settled whose frames have started or were dropped: the controls
    /// that took effect are the file's current ones.
    ///
    /// It is called in a thread that may sleep, some time after the frames started, with or without
    /// the open file's lock held.
    fn settled(&self);

    /// Returns whether the control has changed since `moment`. It is called with the controls
    /// locked.
    fn has_changed_since(&self, moment: u64, id: u32) -> bool;
}
