// SPDX-License-Identifier: GPL-2.0

//! A mem2mem device: what a driver implements, and what its open files refer to until the
//! last of them is gone. Its nodes are there only while the driver is bound.

pub(crate) use super::{
    job::Job,
    request::Controls, //
};

use super::{
    bindings,
    buffer::Buffer,
    control,
    file,
    format::{
        Direction,
        FrameSizes,
        PixelFormat,
        Rect, //
    },
    job,
    node::Registration, //
};
use crate::platform::binding::Binding;
use core::{
    marker::PhantomData,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    device,
    devres,
    error::from_err_ptr,
    new_condvar,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        CondVar,
        Mutex, //
    }, //
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

/// The [`struct v4l2_m2m_dev`] of a device: which open file's job runs, and whose is next.
///
/// # Invariants
///
/// `raw` is valid and owned, `work` null or its work item.
///
/// [`struct v4l2_m2m_dev`]: srctree/drivers/media/v4l2-core/v4l2-mem2mem.c
struct Scheduler {
    raw: NonNull<bindings::v4l2_m2m_dev>,
    work: *mut bindings::work_struct,
    /// Referred to by `raw`.
    operations: KBox<bindings::v4l2_m2m_ops>,
}

impl Scheduler {
    fn new<T: Operations>() -> Result<Self> {
        let operations = KBox::new(Callbacks::<T>::OPS, GFP_KERNEL)?;
        // SAFETY: The operations are kept for longer.
        let raw = from_err_ptr(unsafe { bindings::v4l2_m2m_init(&*operations) })?;
        // INVARIANT: Made just now.
        let mut this = Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            work: ptr::null_mut(),
            operations,
        };
        // INVARIANT: That is what this returns.
        // SAFETY: Nobody else knows the device, or the operations, yet.
        this.work = from_err_ptr(unsafe {
            bindings::helper_v4l2_m2m_find_work(raw, &mut *this.operations)
        })?;
        Ok(this)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: By the type invariant both are ours. There is no open file left that could have a
        // job, but the work item may have yet to find that out, and is not what runs this: who runs
        // jobs counts as a user of the nodes, which keep the device.
        unsafe {
            if !self.work.is_null() {
                bindings::cancel_work_sync(self.work);
            }
            bindings::v4l2_m2m_release(self.raw.as_ptr());
        }
    }
}

// SAFETY: It has its own lock, and may be released from any thread.
unsafe impl Send for Scheduler {}
// SAFETY: As above.
unsafe impl Sync for Scheduler {}

/// A mem2mem device. Its open files and requests refer to it, and so does its registration.
#[pin_data]
pub(crate) struct Device<T: Operations> {
    scheduler: Scheduler,
    /// The open files, so that unbinding can stop them.
    #[pin]
    files: Mutex<KVec<file::Entry<T>>>,
    uses: Arc<Uses>,
    /// How many OUTPUT queues stream, one more while the system sleeps: who may want the device.
    users: Atomic<i32>,
    /// Whether unbinding has ended all streams, and the media device is unregistered.
    streams_are_over: Atomic<bool>,
    parent: ARef<device::Device>,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
}

impl<T: Operations> Device<T> {
    /// A device that nobody can open yet.
    pub(super) fn new(
        parent: &device::Device,
        binding: Arc<Binding>,
        data: Arc<T::Device>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                scheduler: Scheduler::new::<T>()?,
                files <- new_mutex!(KVec::new(), "m2m::Device::files"),
                uses: Uses::new()?,
                users: Atomic::new(0),
                streams_are_over: Atomic::new(false),
                parent: parent.into(),
                binding,
                data,
            }),
            GFP_KERNEL,
        )
    }

    /// What all open files share.
    pub(super) fn data(&self) -> &Arc<T::Device> {
        &self.data
    }

    /// Its binding, which ends before its streams do.
    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The platform device, which may be unbound.
    pub(super) fn parent(&self) -> &device::Device {
        &self.parent
    }

    /// The same as the media core sees it.
    pub(super) fn parent_raw(&self) -> *mut bindings::device {
        // `device::Device` is a transparent wrapper of the C structure.
        ptr::from_ref::<device::Device>(&self.parent)
            .cast_mut()
            .cast()
    }

    /// The C structure.
    pub(super) fn m2m_dev(&self) -> *mut bindings::v4l2_m2m_dev {
        self.scheduler.raw.as_ptr()
    }

    /// The open files.
    pub(super) fn files(&self) -> &Mutex<KVec<file::Entry<T>>> {
        &self.files
    }

    /// There is one more who wants the device, or one less.
    pub(super) fn count_user(&self, more: i32) {
        self.users.fetch_add(more, Relaxed);
    }

    /// Whether nobody wants the device but one file.
    pub(super) fn has_one_user(&self) -> bool {
        self.users.load(Relaxed) == 1
    }

    /// Waits for the running job, and starts no more until [`Device::go_on`]. Its buffers may yet be on
    /// their way.
    pub(crate) fn pause(&self) {
        // mem2mem waits at the context of the file whose job runs, and keeps it from nobody. A file
        // in the list is not yet closed, and one whose job runs is in the list.
        let _files = self.files.lock();
        // The job ends with the frame that is at work.
        self.count_user(1);
        // SAFETY: The mem2mem device is valid.
        unsafe { bindings::v4l2_m2m_suspend(self.m2m_dev()) };
    }

    /// Starts jobs again.
    pub(crate) fn go_on(&self) {
        self.count_user(-1);
        // SAFETY: The mem2mem device is valid.
        unsafe { bindings::v4l2_m2m_resume(self.m2m_dev()) };
    }

    /// Its uses by open files and requests.
    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Whether unbinding has ended all streams, and the media device is unregistered.
    pub(super) fn streams_are_over(&self) -> &Atomic<bool> {
        &self.streams_are_over
    }

    /// Ends all streams of all open files. To be called after the video device was
    /// unregistered: an ioctl that is under way is then either over before its file's
    /// turn comes, or fails with `ENODEV`.
    pub(super) fn stop_all(&self) {
        for entry in self.files.lock().iter() {
            // SAFETY: The entry is in the list, which is locked.
            unsafe { entry.file() }.stop();
        }
    }
}

/// How many uses of a device there are, and who waits for none.
#[pin_data]
pub(super) struct Uses {
    #[pin]
    count: Mutex<usize>,
    #[pin]
    none: CondVar,
}

impl Uses {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                count <- new_mutex!(0, "Uses::count"),
                none <- new_condvar!("Uses::none"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether there is none.
    pub(super) fn is_over(&self) -> bool {
        *self.count.lock() == 0
    }

    /// Waits until there is none.
    pub(super) fn wait(&self) {
        let mut count = self.count.lock();
        while *count != 0 {
            // A kernel thread gets no signals, and counts as idle meanwhile.
            let is_interrupted = self.none.wait_interruptible(&mut count);
            if is_interrupted && *count != 0 {
                self.none.wait(&mut count);
            }
        }
    }
}

/// One of these uses.
struct Counted(Arc<Uses>);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut count = self.0.count.lock();
        *count -= 1;
        if *count == 0 {
            self.0.none.notify_all();
        }
    }
}

/// The use of a device by an open file or a request, for which its nodes are kept. It ends when it
/// refers to the device no more.
pub(super) struct Use<T: Operations> {
    device: Arc<Device<T>>,
    _counted: Counted,
}

impl<T: Operations> Use<T> {
    /// A use of `device`. It keeps the nodes if it comes before they are unregistered.
    pub(super) fn new(device: &Arc<Device<T>>) -> Self {
        *device.uses.count.lock() += 1;
        Self {
            device: device.clone(),
            _counted: Counted(device.uses.clone()),
        }
    }
}

impl<T: Operations> Deref for Use<T> {
    type Target = Device<T>;

    fn deref(&self) -> &Device<T> {
        &self.device
    }
}

/// Registers `/dev/videoN` and `/dev/mediaN` until `parent` is unbound. Then `binding`, which is
/// that of `parent`, ends first: [`Operations::run`] is not called any more. The streams are
/// stopped, which waits for the running frame, while all that was registered with `parent` before
/// is still there, the interrupt say.
///
/// A process can keep its stream from being stopped for as long as it likes. So after
/// [`PATIENCE`](super::unregister::PATIENCE) the running frame is ended by [`Operations::abandon`],
/// and unbinding goes on; the stream is stopped when that is possible. All other operations
/// may be called until then.
///
/// Returns the device and the N of `/dev/videoN`.
pub(crate) fn register<T: Operations>(
    parent: &device::Device<device::Bound>,
    module: &'static ThisModule,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
) -> Result<(Arc<Device<T>>, u16)> {
    let device = Device::<T>::new(parent, binding, data)?;
    // SAFETY: The parent is bound, and devres drops this before it is not.
    let registration = unsafe { Registration::new(device.clone(), module)? };
    let number = registration.number();
    devres::register(parent, registration, GFP_KERNEL)?;
    Ok((device, number))
}

/// The C callbacks of the device of `T`.
struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    const OPS: bindings::v4l2_m2m_ops = bindings::v4l2_m2m_ops {
        device_run: Some(job::device_run::<T>),
        job_ready: None,
        job_abort: Some(job::job_abort::<T>),
    };
}
