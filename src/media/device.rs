// SPDX-License-Identifier: GPL-2.0

//! A mem2mem device: what its open files and requests refer to until the last of them is gone.

use super::{
    bindings,
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
    /// # Safety
    ///
    /// mem2mem must be allowed to call `operations` with the contexts of the device's open files.
    unsafe fn new(operations: bindings::v4l2_m2m_ops) -> Result<Self> {
        let operations = KBox::new(operations, GFP_KERNEL)?;
        // SAFETY: The operations are kept for longer, and may be called by the caller's promise.
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
    files: Mutex<KVec<Entry>>,
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
    /// A device that nobody can open yet, for which mem2mem calls `operations`.
    ///
    /// # Safety
    ///
    /// mem2mem must be allowed to call `operations` with the contexts of open files of a `Device<T>`.
    pub(super) unsafe fn new(
        operations: bindings::v4l2_m2m_ops,
        parent: &device::Device,
        binding: Arc<Binding>,
        data: Arc<T::Device>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                // SAFETY: The caller's promise.
                scheduler: unsafe { Scheduler::new(operations)? },
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
    pub(super) fn files(&self) -> &Mutex<KVec<Entry>> {
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

    /// Waits for the running job, and starts no more until [`Device::go_on`]. Its buffers may not be
    /// returned yet.
    pub(crate) fn pause(&self) {
        // mem2mem waits at the context of the file whose job runs, and keeps it from nobody. A file
        // in the list is not yet closed, and one whose job runs is in the list.
        let _files = self.files.lock();
        // The job ends with the running frame.
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
            unsafe { entry.handle() }.stop();
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
