// SPDX-License-Identifier: GPL-2.0

//! A mem2mem device, to which its open files and requests refer until the last of them is released.

use super::{
    bindings,
    format::Api,
    handle::Entry,
    operations::Operations, //
};
use crate::platform::binding::Binding;
use core::{
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    device,
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

/// The [`struct v4l2_m2m_dev`] of a device. It decides which open file's job runs, and which is
/// next.
///
/// # Invariants
///
/// `raw` is valid and owned by this value. `work` is null, or points to the work item of `raw`.
///
/// [`struct v4l2_m2m_dev`]: srctree/drivers/media/v4l2-core/v4l2-mem2mem.c
struct Scheduler {
    raw: NonNull<bindings::v4l2_m2m_dev>,
    work: *mut bindings::work_struct,
    /// The operations. `raw` refers to them.
    operations: KBox<bindings::v4l2_m2m_ops>,
}

impl Scheduler {
    /// Creates the scheduler of a device.
    ///
    /// # Safety
    ///
    /// mem2mem must be allowed to call `operations` with the contexts of the device's open files.
    unsafe fn new(operations: bindings::v4l2_m2m_ops) -> Result<Self> {
        let operations = KBox::new(operations, GFP_KERNEL)?;
        // SAFETY: The operations live longer than the mem2mem device, and by the safety
        // requirements they may be called.
        let raw = from_err_ptr(unsafe { bindings::v4l2_m2m_init(&*operations) })?;
        // INVARIANT: The mem2mem device was created above, and `work` is null.
        let mut this = Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            work: ptr::null_mut(),
            operations,
        };
        // INVARIANT: The function returns the work item of the mem2mem device.
        // SAFETY: No other code knows the mem2mem device or the operations yet.
        this.work = from_err_ptr(unsafe {
            bindings::helper_v4l2_m2m_find_work(raw, &mut *this.operations)
        })?;
        Ok(this)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // SAFETY: By the type invariant both are owned by this value. No open file is left that
        // could have a job, but the work item may still be pending. This does not run in the work
        // item: a thread that runs jobs counts as a user of the nodes, and the nodes keep the
        // device.
        unsafe {
            if !self.work.is_null() {
                bindings::cancel_work_sync(self.work);
            }
            bindings::v4l2_m2m_release(self.raw.as_ptr());
        }
    }
}

// SAFETY: mem2mem has a lock of its own, and the device may be released from any thread.
unsafe impl Send for Scheduler {}
// SAFETY: mem2mem's own lock protects the device if several threads use it at the same time.
unsafe impl Sync for Scheduler {}

/// A mem2mem device. Its open files, its requests and its registration hold references to it.
#[pin_data]
pub(crate) struct Device<T: Operations> {
    scheduler: Scheduler,
    /// The open files, so that unbinding can stop them.
    #[pin]
    files: Mutex<KVec<Entry>>,
    uses: Arc<Uses>,
    /// The number of OUTPUT queues that stream: of files that may want the device.
    streaming: Atomic<i32>,
    /// Whether the running job is to end with its frame, because no other job may start.
    paused: Atomic<bool>,
    /// Whether unbinding has ended all streams, and the media device is unregistered.
    streams_are_over: Atomic<bool>,
    api: Api,
    parent: ARef<device::Device>,
    binding: Arc<Binding>,
    data: Arc<T::Device>,
}

impl<T: Operations> Device<T> {
    /// Creates a device for which mem2mem calls `operations`. It cannot be opened yet.
    ///
    /// # Safety
    ///
    /// mem2mem must be allowed to call `operations` with the contexts of open files of a
    /// `Device<T>`.
    pub(super) unsafe fn new(
        operations: bindings::v4l2_m2m_ops,
        parent: &device::Device,
        api: Api,
        binding: Arc<Binding>,
        data: Arc<T::Device>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                // SAFETY: By the safety requirements.
                scheduler: unsafe { Scheduler::new(operations)? },
                files <- new_mutex!(KVec::new(), "m2m::Device::files"),
                uses: Uses::new()?,
                streaming: Atomic::new(0),
                paused: Atomic::new(false),
                streams_are_over: Atomic::new(false),
                api,
                parent: parent.into(),
                binding,
                data,
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the API with which userspace describes formats and buffers.
    pub(super) fn api(&self) -> Api {
        self.api
    }

    /// Returns the data that all open files share.
    pub(super) fn data(&self) -> &Arc<T::Device> {
        &self.data
    }

    /// Returns the device's binding, which ends before the streams are stopped.
    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Returns the platform device, which may be unbound.
    pub(super) fn parent(&self) -> &device::Device {
        &self.parent
    }

    /// Returns the platform device as the `struct device` of this layer's own bindings.
    pub(super) fn parent_raw(&self) -> *mut bindings::device {
        // `device::Device` is a transparent wrapper of the C structure.
        ptr::from_ref::<device::Device>(&self.parent)
            .cast_mut()
            .cast()
    }

    /// Returns the C structure.
    pub(super) fn m2m_dev(&self) -> *mut bindings::v4l2_m2m_dev {
        self.scheduler.raw.as_ptr()
    }

    /// Returns the list of open files.
    pub(super) fn files(&self) -> &Mutex<KVec<Entry>> {
        &self.files
    }

    /// Changes the number of OUTPUT queues that stream by `more`, which is 1 or -1.
    pub(super) fn count_streaming(&self, more: i32) {
        self.streaming.fetch_add(more, Relaxed);
    }

    /// Returns whether exactly one OUTPUT queue streams.
    pub(super) fn has_one_streaming(&self) -> bool {
        self.streaming.load(Relaxed) == 1
    }

    /// Returns whether the running job is to end with its frame.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Relaxed)
    }

    /// Waits for the running job, and lets no other job start until [`Device::go_on`]. The buffers
    /// of the last job may not be returned yet.
    pub(crate) fn pause(&self) {
        // `v4l2_m2m_suspend` waits on a wait queue in the context of the file whose job runs, and
        // nothing in mem2mem keeps that context from being released. The lock keeps it: a file
        // whose job runs is in the list, and a file in the list is not closed yet.
        let _files = self.files.lock();
        self.paused.store(true, Relaxed);
        // SAFETY: The mem2mem device is valid.
        unsafe { bindings::v4l2_m2m_suspend(self.m2m_dev()) };
    }

    /// Starts jobs again.
    pub(crate) fn go_on(&self) {
        self.paused.store(false, Relaxed);
        // SAFETY: The mem2mem device is valid.
        unsafe { bindings::v4l2_m2m_resume(self.m2m_dev()) };
    }

    /// Returns the uses of the device by open files and requests.
    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Returns the flag which says that unbinding has ended all streams and unregistered the media
    /// device.
    pub(super) fn streams_are_over(&self) -> &Atomic<bool> {
        &self.streams_are_over
    }

    /// Stops all streams of all open files. It must be called after the video device was
    /// unregistered: then an ioctl in flight is either over before its file's streams are stopped,
    /// or fails with `ENODEV`. It waits for the running frame, with the list of open files locked.
    pub(super) fn stop_all(&self) {
        for entry in self.files.lock().iter() {
            // SAFETY: The entry is in the list, which is locked.
            unsafe { entry.handle() }.stop();
        }
    }
}

/// Counts the uses of a device, and lets a thread wait until there is none.
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

    /// Returns whether there is no use.
    pub(super) fn is_over(&self) -> bool {
        *self.count.lock() == 0
    }

    /// Waits until there is no use.
    pub(super) fn wait(&self) {
        let mut count = self.count.lock();
        while *count != 0 {
            // A kernel thread gets no signals, and its interruptible wait does not add to the load
            // average. In a process a signal may end that wait; then the second one waits.
            let is_interrupted = self.none.wait_interruptible(&mut count);
            if is_interrupted && *count != 0 {
                self.none.wait(&mut count);
            }
        }
    }
}

/// Counts one use while it exists.
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

/// A use of the device by an open file or a request, for which its nodes are kept. It is counted
/// until after its reference to the device is dropped.
pub(super) struct Use<T: Operations> {
    device: Arc<Device<T>>,
    _counted: Counted,
}

impl<T: Operations> Use<T> {
    /// Creates a use of `device`. It keeps the nodes if it is created before they are unregistered.
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
