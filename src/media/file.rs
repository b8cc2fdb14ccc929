// SPDX-License-Identifier: GPL-2.0

//! One open file of a mem2mem video device, with its driver's part. It is counted: a job that is being
//! finished holds a reference.

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
        Queue,
        Work,
        WorkItem, //
    }, //
};

/// An open file. Its fields are dropped in this order: queues and controls first; the driver's context
/// after all that calls it; what they refer to last.
#[pin_data]
pub(super) struct File<T: Operations> {
    #[pin]
    pub(super) handle: Handle,
    /// The driver's part.
    #[pin]
    pub(super) context: T,
    #[pin]
    pub(super) settlement: Settlement<T::Prepared>,
    /// Settles what nobody asks for.
    #[pin]
    worker: Work<Self>,
    pub(super) device: Use<T>,
}

// SAFETY: Everything in it may be used from any thread.
unsafe impl<T: Operations> Send for File<T> {}
// SAFETY: As above; what changes is behind the lock or a C lock.
unsafe impl<T: Operations> Sync for File<T> {}

impl<T: Operations> File<T> {
    /// # Safety
    ///
    /// `video` must be registered, or referred to, until this returns. `callbacks` must be those of a
    /// `File<T>`.
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
            // SAFETY: The caller's promise. All other fields are initialised, and dropped after
            // this one, `device` among them: it keeps the nodes, and the mem2mem device, whose
            // operations are for a `File<T>`.
            handle <- unsafe { Handle::new(video, m2m_dev, this.as_ptr().cast(), callbacks) },
        })
    }

    /// Opens a file, and lists it with its device.
    ///
    /// # Safety
    ///
    /// `video` must be registered, or referred to, until this returns. `callbacks` must be those of a
    /// `File<T>`. The file must be closed by [`File::close`].
    pub(super) unsafe fn open(
        video: *mut bindings::video_device,
        device: Use<T>,
        callbacks: &'static handle::Callbacks,
    ) -> Result<Arc<Self>> {
        // SAFETY: The caller's promise.
        let this = Arc::pin_init(unsafe { Self::new(video, device, callbacks) }, GFP_KERNEL)?;
        let mut files = this.device.files().lock();
        // SAFETY: By the caller's promise `close` is called, which takes it off the list.
        files.push(unsafe { Entry::of(&this.handle) }, GFP_KERNEL)?;
        drop(files);
        Ok(this)
    }

    /// Closes a file, and gives up a reference to it.
    ///
    /// # Safety
    ///
    /// The file must have been opened by [`File::open`], nobody use it any more but its
    /// running job, and the media device's `req_queue_mutex` be held.
    pub(super) unsafe fn close(this: Arc<Self>) {
        this.handle.stop();
        // It has no job any more that anybody could wait for.
        let mut files = this.device.files().lock();
        files.retain(|entry| !entry.is_of(&this.handle));
        drop(files);
        // Neither may the worker run when the module is gone, nor a frame's start hand it
        // anything. It waits for nobody: no ioctl that could hold the controls is under way.
        this.settle();
        Self::stop_worker(&this);
        // The last reference may be that of a job that is just being finished. What others
        // could see of the file ends here, where V4L2 holds the mutex that guards requests.
        // SAFETY: The handle is initialised; no job and no ioctl uses it or the controls, and
        // all requests are settled. V4L2 holds the mutex.
        unsafe {
            bindings::v4l2_fh_exit(this.handle.as_raw());
            this.handle.controls.free();
        }
    }

    /// Takes note that a queue starts to stream.
    pub(super) fn note_start(&self, direction: Direction) {
        self.handle.set_stopping(false);
        if direction == Direction::Output {
            self.device.count_user(1);
        }
    }

    /// Takes note that a queue that was started stops.
    pub(super) fn note_stop(&self, direction: Direction) {
        if direction == Direction::Output {
            self.device.count_user(-1);
        }
    }

    /// Has a ticket settled, soon: its request's frame has started or was given up.
    pub(super) fn settle_soon(this: ArcBorrow<'_, Self>, ticket: Pin<KBox<Ticket<T::Prepared>>>) {
        this.settlement.push(ticket);
        // Whoever waits for the request with `poll` alone is served by a worker. It may wait,
        // and is nobody's but this file's: any CPU will do.
        // SAFETY: The work queue is the kernel's own, and is never destroyed.
        let workers = unsafe { Queue::from_raw(kernel::bindings::system_dfl_wq) };
        // An error says that the worker is about to run anyway.
        let _ = workers.enqueue(Arc::from(this));
    }

    /// Has V4L2 note what the frames brought that have started or were given up, and completes
    /// their requests, without waiting for the worker. May wait for an ioctl that holds the
    /// controls.
    pub(super) fn settle(&self) {
        if self.settlement.is_used() {
            self.settle_all();
        }
    }

    // One copy of the code for all who call it.
    #[inline(never)]
    fn settle_all(&self) {
        drop(self.handle.starting.lock());
        self.settle_waiting();
    }

    fn settle_waiting(&self) {
        self.settlement
            .settle(&self.handle.controls, || self.context.settled());
    }

    /// Keeps the worker from running.
    fn stop_worker(this: &Arc<Self>) {
        // SAFETY: The work item is initialised. Both crates see the same C structure.
        if unsafe { bindings::cancel_work_sync(Work::raw_get(&raw const this.worker).cast()) } {
            // SAFETY: The worker would have taken over this reference, which went with the work.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(this)) });
        }
    }

    /// The open file behind `file`.
    ///
    /// # Safety
    ///
    /// `file` must be an open file of a `Device<T>` that is not being closed for
    /// the time of `'a`.
    pub(super) unsafe fn from_raw<'a>(file: *mut bindings::file) -> &'a Self {
        // SAFETY: The caller's promise.
        unsafe { &*Self::pointer(file) }
    }

    /// # Safety
    ///
    /// `file` must be an open file of a `Device<T>`.
    pub(super) unsafe fn pointer(file: *mut bindings::file) -> *const Self {
        // SAFETY: `open` stored the file handle, which is the one of a `Handle` in a `File<T>`.
        unsafe {
            let handle = Handle::from_raw(bindings::helper_file_to_v4l2_fh(file));
            container_of!(handle, Self, handle)
        }
    }

    /// The open file whose controls V4L2 knows by `controls`.
    ///
    /// # Safety
    ///
    /// `controls` must be the C handler of a `File<T>`.
    pub(super) unsafe fn of_controls(controls: *mut bindings::v4l2_ctrl_handler) -> *const Self {
        // SAFETY: The caller's promise.
        unsafe {
            let controls = control::Handler::from_raw(controls);
            let handle: *const Handle = container_of!(controls, Handle, controls);
            container_of!(handle, Self, handle)
        }
    }

    /// The file that mem2mem knows by `context`.
    ///
    /// # Safety
    ///
    /// `context` must be what `Queues::new` gave mem2mem, and the file not be released for the time
    /// of `'a`.
    pub(super) unsafe fn borrow<'a>(context: *mut core::ffi::c_void) -> ArcBorrow<'a, Self> {
        // SAFETY: The file lives in an `Arc`, of which `open` gave away one reference
        // that is still there.
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
