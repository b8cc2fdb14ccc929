// SPDX-License-Identifier: GPL-2.0

//! One open file of a mem2mem video device, with the driver's part of it. It is reference-counted,
//! because a frame that has not ended and the pending worker hold references.

use super::{
    bindings,
    control,
    device::Use,
    format::Direction,
    handle::{
        self,
        Entry,
        Handle, //
    },
    operations::Operations,
    request::{
        Settlement,
        Ticket, //
    }, //
};
use crate::platform::workers;
use kernel::{
    container_of,
    new_work,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    workqueue::{
        impl_has_work,
        Work,
        WorkItem, //
    }, //
};

/// An open file of a mem2mem video device.
///
/// The fields are dropped in this order: the queues and the controls first; the driver's context
/// after everything that calls it; and last the fields that these refer to.
#[pin_data]
pub(super) struct File<T: Operations> {
    #[pin]
    pub(super) handle: Handle,
    /// The driver's part of the file.
    #[pin]
    pub(super) context: T,
    #[pin]
    pub(super) settlement: Settlement<T::Prepared>,
    /// The work item that settles requests which no ioctl of the file settles earlier.
    #[pin]
    worker: Work<Self>,
    pub(super) device: Use<T>,
}

impl<T: Operations> File<T> {
    /// Creates an open file.
    ///
    /// # Safety
    ///
    /// `video` must be registered, or the caller must hold a reference to it, until this returns.
    /// `callbacks` must be those of a `File<T>`.
    unsafe fn new(
        video: *mut bindings::video_device,
        device: Use<T>,
        callbacks: &'static handle::Callbacks,
    ) -> impl PinInit<Self, Error> {
        let data = device.data().clone();
        let m2m_dev = device.m2m_dev();
        try_pin_init!(&this in Self {
            device,
            worker <- new_work!("File::worker"),
            settlement <- Settlement::new(),
            context <- T::open(data),
            // SAFETY: By the safety requirements. All other fields are initialised, and are dropped
            // after this one. One of them is `device`: it keeps the nodes, and the mem2mem device,
            // whose operations are for a `File<T>`.
            handle <- unsafe { Handle::new(video, m2m_dev, this.as_ptr().cast(), callbacks) },
        })
    }

    /// Opens a file, and adds it to its device's list of open files.
    ///
    /// # Safety
    ///
    /// `video` must be registered, or the caller must hold a reference to it, until this returns.
    /// `callbacks` must be those of a `File<T>`. The file must be closed by [`File::close`].
    pub(super) unsafe fn open(
        video: *mut bindings::video_device,
        device: Use<T>,
        callbacks: &'static handle::Callbacks,
    ) -> Result<Arc<Self>> {
        // SAFETY: By the safety requirements.
        let this = Arc::pin_init(unsafe { Self::new(video, device, callbacks) }, GFP_KERNEL)?;
        let mut files = this.device.files().lock();
        // SAFETY: By the safety requirements `close` is called, which removes the entry from the
        // list.
        files.push(unsafe { Entry::of(&this.handle) }, GFP_KERNEL)?;
        drop(files);
        Ok(this)
    }

    /// Closes a file, and drops a reference to it.
    ///
    /// # Safety
    ///
    /// The file must have been opened by [`File::open`]. Nothing but its running job may use it any
    /// more. If the driver has requests, the media device's `req_queue_mutex` must be held.
    pub(super) unsafe fn close(this: Arc<Self>) {
        this.handle.stop();
        // The file has no job any more for which `Device::pause` could wait.
        let mut files = this.device.files().lock();
        files.retain(|entry| !entry.is_of(&this.handle));
        drop(files);
        // The worker must not run after the module is unloaded, so no frame that is being started
        // may enqueue it later: `settle` waits for such a start. `settle` does not wait for
        // userspace, because no ioctl is in flight that could hold the lock of the controls.
        this.settle();
        Self::stop_worker(&this);
        // The last reference may be that of a job that is being finished. So the parts of the file
        // that other code can see are removed here, where V4L2 holds the mutex that protects
        // requests.
        // SAFETY: The handle is initialised. No job and no ioctl uses it or the controls, and all
        // requests are settled. By the safety requirements the mutex is held if there are requests.
        unsafe {
            bindings::v4l2_fh_exit(this.handle.as_raw());
            this.handle.controls.free();
        }
    }

    /// Notes that a queue starts to stream.
    pub(super) fn note_start(&self, direction: Direction) {
        self.handle.set_stopping(false);
        self.handle.set_frames_left(0);
        self.handle.starting.lock().reset_sequence(direction);
        if direction == Direction::Output {
            self.device.count_streaming(1);
        }
    }

    /// Notes that a queue that was started stops.
    pub(super) fn note_stop(&self, direction: Direction) {
        if direction == Direction::Output {
            self.device.count_streaming(-1);
        }
    }

    /// Adds a ticket to settle, and starts the worker for it. The frame of its request has started
    /// or was dropped.
    pub(super) fn settle_soon(this: ArcBorrow<'_, Self>, ticket: Pin<KBox<Ticket<T::Prepared>>>) {
        this.settlement.push(ticket);
        // A program may wait for the request by `poll` alone, without an ioctl that settles it. The
        // worker settles it then. It may wait for userspace, so it is no work for the workers of
        // this CPU.
        // An error means that the work item is pending already.
        let _ = workers::any().enqueue(Arc::from(this));
    }

    /// Settles all requests whose frames have started or were dropped, without waiting for the
    /// worker.
    ///
    /// V4L2 makes the controls that took effect the file's current ones, and completes the
    /// requests. It may wait for an ioctl that holds the lock of the controls. The caller must not
    /// hold that lock or `Handle::starting`. It may hold the queue lock.
    pub(super) fn settle(&self) {
        if self.settlement.had_request() {
            self.settle_all();
        }
    }

    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    fn settle_all(&self) {
        drop(self.handle.starting.lock());
        self.settle_waiting();
    }

    fn settle_waiting(&self) {
        self.settlement.settle(&self.handle.controls, || {
            if T::HAS_SETTLED {
                self.context.settled();
            }
        });
    }

    /// Cancels the worker, and waits for it if it runs.
    fn stop_worker(this: &Arc<Self>) {
        // SAFETY: The work item is initialised. `kernel::bindings` describes the same C structure.
        if unsafe { bindings::cancel_work_sync(Work::raw_get(&raw const this.worker).cast()) } {
            // SAFETY: The work item was pending, and owned this reference. The worker that would
            // have taken it over does not run.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(this)) });
        }
    }

    /// Returns the open file behind `file`.
    ///
    /// # Safety
    ///
    /// `file` must be an open file of a `Device<T>`, and must not be closed during `'a`.
    pub(super) unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: By the safety requirements the file is not closed during `'a`.
        unsafe { &*Self::pointer(file) }
    }

    /// Returns a pointer to the open file behind `file`.
    ///
    /// # Safety
    ///
    /// `file` must be an open file of a `Device<T>`.
    pub(super) unsafe fn pointer(file: *mut bindings::file) -> *const Self {
        // SAFETY: `open` stored the C file handle, which is that of a `Handle` in a `File<T>`.
        unsafe {
            let handle = Handle::from_raw(bindings::helper_file_to_v4l2_fh(file));
            container_of!(handle, Self, handle)
        }
    }

    /// Returns the open file whose controls have the C handler `controls`.
    ///
    /// # Safety
    ///
    /// `controls` must be the C handler of a `File<T>`.
    pub(super) unsafe fn of_controls(controls: *mut bindings::v4l2_ctrl_handler) -> *const Self {
        // SAFETY: By the safety requirements the C handler is that of a `Handle` in a `File<T>`.
        unsafe {
            let controls = control::Handler::from_raw(controls);
            let handle: *const Handle = container_of!(controls, Handle, controls);
            container_of!(handle, Self, handle)
        }
    }

    /// Returns the file that mem2mem knows as `context`.
    ///
    /// # Safety
    ///
    /// `context` must be the pointer that `Queues::new` gave to mem2mem, and the file must not be
    /// released during `'a`.
    pub(super) unsafe fn borrow<'a>(context: *mut core::ffi::c_void) -> ArcBorrow<'a, Self> {
        // SAFETY: The file is in an `Arc`, and the reference that `File::open` returned is held
        // until the file is released.
        unsafe { ArcBorrow::from_raw(context.cast::<Self>()) }
    }
}

impl_has_work! {
    impl{T: Operations} HasWork<Self> for File<T> { self.worker }
}

impl<T: Operations> WorkItem for File<T> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.settle_waiting();
    }
}
