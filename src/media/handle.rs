// SPDX-License-Identifier: GPL-2.0

//! The part of an open file that is the same for all drivers: the V4L2 core's file handle, the queues,
//! the controls, the locks, and how the file's job ends.

use super::{
    bindings,
    control,
    hand_back::HandBack,
    job::Job,
    lock::Lock,
    queue::{
        self,
        Queues, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    container_of,
    ffi::c_void,
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    },
    types::Opaque, //
};

/// The V4L2 core's part of an open file, [`struct v4l2_fh`].
///
/// [`struct v4l2_fh`]: srctree/include/media/v4l2-fh.h
#[pin_data(PinnedDrop)]
struct CoreHandle {
    #[pin]
    raw: Opaque<bindings::v4l2_fh>,
}

#[pinned_drop]
impl PinnedDrop for CoreHandle {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `Handle::new` initialised the handle; the video device is there by the promise
        // made to it.
        // Where the file was closed, this was done then, and does nothing now.
        unsafe { bindings::v4l2_fh_exit(self.raw.get()) };
    }
}

/// The C callbacks of a driver's open files.
pub(super) struct Callbacks {
    pub(super) controls: &'static control::Set,
    pub(super) queues: queue::Init,
}

/// An open file, without the driver's part. Its fields are dropped in this order: queues before
/// controls; what they refer to last.
#[pin_data]
pub(super) struct Handle {
    pub(super) queues: Queues,
    #[pin]
    core: CoreHandle,
    #[pin]
    pub(super) controls: control::Handler,
    /// Held by the media core for each operation on the queues, and by `VIDIOC_S_FMT` and the
    /// validation of a request: no format is set meanwhile.
    #[pin]
    pub(super) lock: Lock,
    /// Held for each ioctl that is not an operation on the queues, from before the V4L2 core looks
    /// at it: that reads the length of a control, which `VIDIOC_S_FMT` changes, before it locks
    /// the controls; and it changes the file's priority with no lock. Its holder may wait for
    /// userspace for ever, so neither unbinding nor closing takes it, and no other file. It is taken
    /// before all other locks.
    #[pin]
    pub(super) ioctls: Lock,
    /// Whether the job of the file is to end with the running frame.
    stopping: Atomic<bool>,
    #[pin]
    pub(super) hand_back: HandBack<Job>,
    /// Held while a frame starts, until its request waits to be settled.
    #[pin]
    pub(super) starting: Mutex<()>,
}

// SAFETY: Everything in it may be used from any thread.
unsafe impl Send for Handle {}
// SAFETY: As above; what changes is behind the lock or a C lock.
unsafe impl Sync for Handle {}

impl Handle {
    /// Sets up what belongs to an open file, which the callbacks find by `file`.
    ///
    /// # Safety
    ///
    /// - `video` must be registered, or referred to, until `v4l2_fh_exit`, which is called at the
    ///   latest when this is dropped; `m2m_dev` must be valid until the queues are dropped, and its
    ///   operations be allowed with `file`.
    /// - `callbacks` must be allowed with `file` and with the controls in this place until those are
    ///   dropped: for the controls at once, for the queues as soon as all other fields are
    ///   initialised.
    pub(super) unsafe fn new(
        video: *mut bindings::video_device,
        m2m_dev: *mut bindings::v4l2_m2m_dev,
        file: *mut c_void,
        callbacks: &'static Callbacks,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            stopping: Atomic::new(false),
            hand_back <- HandBack::new(),
            starting <- new_mutex!((), "Handle::starting"),
            lock <- Lock::new(c"File::lock", static_lock_class!()),
            ioctls <- Lock::new(c"File::ioctls", static_lock_class!()),
            // SAFETY: The caller's promise.
            controls <- unsafe { control::Handler::new(callbacks.controls) },
            core <- pin_init!(CoreHandle { raw <- Opaque::ffi_init(|handle: *mut bindings::v4l2_fh| {
                // SAFETY: `handle` is valid for writes, the video device is valid while the
                // file refers to it, and the controls are initialised and outlive the handle.
                unsafe {
                    handle.write_bytes(0, 1);
                    bindings::v4l2_fh_init(handle, video);
                    (*handle).ctrl_handler = (*this.as_ptr()).controls.as_raw();
                }
            }) }),
            queues: {
                // SAFETY: The caller's promise. All other fields are initialised.
                let queues = unsafe { Queues::new(m2m_dev, file, callbacks.queues)? };
                // SAFETY: The handle is initialised.
                unsafe { (*(*this.as_ptr()).core.raw.get()).m2m_ctx = queues.as_raw() };
                queues
            },
        })
    }

    /// The C file handle.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_fh {
        self.core.raw.get()
    }

    /// The handle that V4L2 knows by `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the C file handle of a `Self`.
    pub(super) unsafe fn from_raw(raw: *mut bindings::v4l2_fh) -> *const Self {
        // SAFETY: The C handle is the field of `CoreHandle`, which is one of `Self`.
        unsafe {
            let core: *const CoreHandle = container_of!(Opaque::cast_from(raw), CoreHandle, raw);
            container_of!(core, Self, core)
        }
    }

    /// The mem2mem context, from the file handle: there also while the queues are
    /// being released.
    pub(super) fn m2m_ctx(&self) -> *mut bindings::v4l2_m2m_ctx {
        // SAFETY: The handle is initialised.
        unsafe { (*self.as_raw()).m2m_ctx }
    }

    /// Ends both streams, as closing the file and unbinding the device do.
    pub(super) fn stop(&self) {
        let _guard = self.lock.lock();
        // SAFETY: The lock is held.
        unsafe { self.queues.stop() };
    }

    /// Whether the job of the file is to end with the running frame.
    #[inline]
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Sets whether it is.
    pub(super) fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Relaxed);
    }
}

/// What a device keeps of its open files. Each is there from `open` to `release`.
pub(super) struct Entry(NonNull<Handle>);

impl Entry {
    /// The entry of an open file.
    ///
    /// # Safety
    ///
    /// It must be taken off its device's list before `handle` is dropped.
    pub(super) unsafe fn of(handle: &Handle) -> Self {
        Self(NonNull::from(handle))
    }

    /// Whether it is the one of `handle`.
    pub(super) fn is_of(&self, handle: &Handle) -> bool {
        self.0 == NonNull::from(handle)
    }

    /// The open file.
    ///
    /// # Safety
    ///
    /// The entry must be in its device's list, and the list locked.
    pub(super) unsafe fn handle(&self) -> &Handle {
        // SAFETY: By the promise made to `of`, what is in the list is not dropped.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: The pointer is only used as `Handle` allows from any thread.
unsafe impl Send for Entry {}
