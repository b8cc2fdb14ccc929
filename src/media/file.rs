// SPDX-License-Identifier: GPL-2.0

//! One open file of a mem2mem video device, and the file operations that make
//! and end it. It is counted: a job that is being finished holds a reference.

use super::{
    bindings,
    control,
    format::Direction,
    ioctl,
    job::HandBack,
    lock::Lock,
    m2m::{
        Operations,
        Use, //
    },
    node::Node,
    queue::Queues,
    request::{
        Settlement,
        Ticket, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    container_of,
    error::from_result,
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    new_mutex,
    new_work,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow,
        Mutex, //
    },
    types::Opaque,
    workqueue::{
        impl_has_work,
        Queue,
        Work,
        WorkItem, //
    }, //
};

/// The V4L2 core's part of an open file, [`struct v4l2_fh`].
///
/// [`struct v4l2_fh`]: srctree/include/media/v4l2-fh.h
#[pin_data(PinnedDrop)]
struct Handle {
    #[pin]
    raw: Opaque<bindings::v4l2_fh>,
}

#[pinned_drop]
impl PinnedDrop for Handle {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `File::new` initialised the handle; the file refers to its video device.
        // Where the file was closed, this was done then, and does nothing now.
        unsafe { bindings::v4l2_fh_exit(self.raw.get()) };
    }
}

/// An open file. Its fields are dropped in this order: queues before controls;
/// the driver's context after all that calls it; what they refer to last.
#[pin_data]
pub(super) struct File<T: Operations> {
    pub(super) queues: Queues,
    #[pin]
    handle: Handle,
    #[pin]
    pub(super) controls: control::Handler,
    /// The driver's part.
    #[pin]
    pub(super) context: T,
    /// Held by the media core for each operation on the queues, and by `VIDIOC_S_FMT` and whoever
    /// validates a request: no format is set meanwhile.
    #[pin]
    pub(super) lock: Lock,
    /// Held for each ioctl that is not an operation on the queues, from before the V4L2 core looks
    /// at it: that reads the length of a control, which `VIDIOC_S_FMT` changes, before it locks
    /// the controls; and it changes the file's priority with no lock. Whoever holds it may wait for
    /// userspace for ever, so neither unbinding nor closing takes it, and no other file. It is taken
    /// before all other locks.
    #[pin]
    ioctls: Lock,
    /// Whether its job is to end with the frame that is at work.
    stopping: Atomic<bool>,
    #[pin]
    pub(super) hand_back: HandBack,
    /// Held while a frame starts, until its request waits to be settled.
    #[pin]
    pub(super) starting: Mutex<()>,
    #[pin]
    pub(super) settlement: Settlement<T>,
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
    /// `video` must be registered, or referred to, until this returns.
    unsafe fn new(video: *mut bindings::video_device, device: Use<T>) -> impl PinInit<Self, Error> {
        let data = device.data().clone();
        try_pin_init!(&this in Self {
            device,
            worker <- new_work!("File::worker"),
            settlement <- Settlement::new(),
            stopping: Atomic::new(false),
            hand_back <- HandBack::new(),
            starting <- new_mutex!((), "File::starting"),
            lock <- Lock::new(c"File::lock", static_lock_class!()),
            ioctls <- Lock::new(c"File::ioctls", static_lock_class!()),
            context <- T::open(data),
            // SAFETY: The context is initialised, and dropped after the controls.
            controls <- unsafe { control::Handler::new::<T>() },
            handle <- pin_init!(Handle { raw <- Opaque::ffi_init(|handle: *mut bindings::v4l2_fh| {
                // SAFETY: `handle` is valid for writes, the video device is valid while the
                // file refers to it, and the controls are initialised and outlive the handle.
                unsafe {
                    handle.write_bytes(0, 1);
                    bindings::v4l2_fh_init(handle, video);
                    (*handle).ctrl_handler = (*this.as_ptr()).controls.as_raw();
                }
            }) }),
            queues: {
                // SAFETY: All other fields are initialised, and dropped after the queues.
                let queues = unsafe { Queues::new::<T>(this.as_ptr())? };
                // SAFETY: The handle is initialised.
                unsafe { (*(*this.as_ptr()).handle.raw.get()).m2m_ctx = queues.as_raw() };
                queues
            },
        })
    }

    /// Opens a file, and lists it with its device.
    ///
    /// # Safety
    ///
    /// `video` must be registered, or referred to, until this returns. The file must be
    /// closed by [`File::close`].
    pub(super) unsafe fn open(
        video: *mut bindings::video_device,
        device: Use<T>,
    ) -> Result<Arc<Self>> {
        // SAFETY: The caller's promise.
        let this = Arc::pin_init(unsafe { Self::new(video, device) }, GFP_KERNEL)?;
        let mut files = this.device.files().lock();
        files.push(Entry(NonNull::from(&*this)), GFP_KERNEL)?;
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
        let entry = NonNull::from(&*this);
        this.stop();
        // It has no job any more that anybody could wait for.
        this.device.files().lock().retain(|other| other.0 != entry);
        // Neither may the worker run when the module is gone, nor a frame's start hand it
        // anything. It waits for nobody: no ioctl that could hold the controls is under way.
        this.settle();
        Self::stop_worker(&this);
        // The last reference may be that of a job that is just being finished. What others
        // could see of the file ends here, where V4L2 holds the mutex that guards requests.
        // SAFETY: The handle is initialised; no job and no ioctl uses it or the controls, and
        // all requests are settled. V4L2 holds the mutex.
        unsafe {
            bindings::v4l2_fh_exit(this.handle.raw.get());
            this.controls.free();
        }
    }

    /// The mem2mem context, from the file handle: there also while the queues are
    /// being released.
    pub(super) fn m2m_ctx(&self) -> *mut bindings::v4l2_m2m_ctx {
        // SAFETY: The handle is initialised.
        unsafe { (*self.handle.raw.get()).m2m_ctx }
    }

    /// Ends both streams, as closing the file and unbinding the device do.
    pub(super) fn stop(&self) {
        let _guard = self.lock.lock();
        // SAFETY: The lock is held.
        unsafe { self.queues.stop() };
    }

    /// Whether its job is to end with the frame that is at work.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Says so.
    pub(super) fn set_stopping(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// Takes note that a queue starts to stream.
    pub(super) fn note_start(&self, direction: Direction) {
        self.stopping.store(false, Relaxed);
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
    pub(super) fn settle_soon(this: ArcBorrow<'_, Self>, ticket: Pin<KBox<Ticket<T>>>) {
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
        drop(self.starting.lock());
        self.settlement.settle(self);
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
    unsafe fn pointer(file: *mut bindings::file) -> *const Self {
        // SAFETY: `open` stored the file handle.
        let handle = Opaque::cast_from(unsafe { bindings::helper_file_to_v4l2_fh(file) });
        // SAFETY: The C handle is the field of `Handle`, which is one of `File<T>`.
        unsafe {
            let handle: *const Handle = container_of!(handle, Handle, raw);
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
        this.settlement.settle(&this);
    }
}

/// What a device keeps of its open files. Each is there from `open` to `release`.
pub(super) struct Entry<T: Operations>(NonNull<File<T>>);

impl<T: Operations> Entry<T> {
    /// The open file.
    ///
    /// # Safety
    ///
    /// The entry must be in its device's list, and the list locked.
    pub(super) unsafe fn file(&self) -> &File<T> {
        // SAFETY: `release` takes the entry off the list before it drops the file.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: The pointer is only used as `File<T>` allows from any thread.
unsafe impl<T: Operations> Send for Entry<T> {}

/// The C file operations of `T`.
pub(super) struct Callbacks<T: Operations>(PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
    pub(super) const OPS: bindings::v4l2_file_operations = bindings::v4l2_file_operations {
        owner: core::ptr::null_mut(),
        read: None,
        write: None,
        poll: Some(bindings::v4l2_m2m_fop_poll),
        unlocked_ioctl: Some(Self::ioctl),
        // Only for ioctls of a driver's own.
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl32: None,
        get_unmapped_area: None,
        mmap: Some(bindings::v4l2_m2m_fop_mmap),
        open: Some(Self::open),
        release: Some(Self::release),
    };

    unsafe extern "C" fn open(file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: V4L2 calls this for a file of a video device of a `Node<T>`, which it
            // holds a reference to.
            let (video, device) = unsafe {
                let video = bindings::helper_file_to_video_device(file);
                (video, Node::<T>::usage_of(video).ok_or(ENODEV)?)
            };
            // SAFETY: As above.
            let this = unsafe { File::open(video, device)? };
            // SAFETY: Both are valid; `release` undoes it.
            unsafe { bindings::v4l2_fh_add(this.handle.raw.get(), file) };
            // `release` gets this reference back.
            let _ = Arc::into_raw(this);
            Ok(0)
        })
    }

    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The file is not closed while an ioctl is under way on it.
        let this = unsafe { File::<T>::from_raw(file) };
        from_result(|| {
            let turn = ioctl::takes_turns(command).then(|| this.ioctls.lock_interruptible());
            let turn = turn.transpose()?;
            if ioctl::is_about_controls(command) {
                this.settle();
            }
            // SAFETY: V4L2 calls this in the place of that function.
            let result = unsafe { bindings::video_ioctl2(file, command, argument) };
            drop(turn);
            if ioctl::ends_requests(command, result) {
                // With no lock held, so that who waits for a page keeps nobody from unbinding.
                this.settle();
            }
            Ok(result)
        })
    }

    unsafe extern "C" fn release(file: *mut bindings::file) -> c_int {
        // SAFETY: V4L2 calls this once for a file that `open` made, and holds a
        // reference to its video device until this returns.
        let this = unsafe { Arc::from_raw(File::<T>::pointer(file)) };
        // SAFETY: Undoes `open`'s.
        unsafe { bindings::v4l2_fh_del(this.handle.raw.get(), file) };
        // SAFETY: No ioctl is under way on the file, and V4L2 holds the mutex.
        unsafe { File::close(this) };
        0
    }
}
