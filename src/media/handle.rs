// SPDX-License-Identifier: GPL-2.0

//! The part of an open file that is the same for all drivers: the V4L2 core's file handle, the
//! queues, the controls, the locks, and the end of the file's job.
//!
//! Locks are taken in this order: `ioctls` or the media device's `req_queue_mutex`; the list of
//! open files; `lock`; then either `returning` of `buffer_return`, or the lock of the thread that
//! settles and that of the controls; then `starting`; and last the driver's.

use super::{
    bindings,
    buffer_return::BufferReturn,
    control,
    job::Job,
    lock::Lock,
    order::Order,
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
        // SAFETY: `Handle::new` initialised the handle, and by its safety requirements the video
        // device is valid. If the file was closed, the function was called then, and does nothing
        // now.
        unsafe { bindings::v4l2_fh_exit(self.raw.get()) };
    }
}

/// The C callbacks of a driver's open files.
pub(super) struct Callbacks {
    pub(super) controls: &'static control::Set,
    pub(super) queues: queue::Init,
}

/// An open file without the driver's part. Its fields are dropped in this order: the queues before
/// the controls; and last the fields that both refer to.
#[pin_data]
pub(super) struct Handle {
    pub(super) queues: Queues,
    #[pin]
    core: CoreHandle,
    #[pin]
    pub(super) controls: control::Handler,
    /// The queue lock. The V4L2 core holds it for each operation on the queues, and vb2 releases it
    /// while `VIDIOC_DQBUF` waits for a buffer. `VIDIOC_S_FMT` holds it so that no buffer is
    /// allocated meanwhile, and the validation of a request so that no format is set.
    #[pin]
    pub(super) lock: Lock,
    /// Held for each ioctl but `VIDIOC_DQEVENT` and the operations on the queues, from before the
    /// V4L2 core handles it. The V4L2 core reads the length of a control, which `VIDIOC_S_FMT`
    /// changes, before it locks the controls; and it changes the file's priority without a lock.
    /// The holder may wait for userspace for an unlimited time, so unbinding, closing and other
    /// files do not take this lock. It is taken before all other locks.
    #[pin]
    pub(super) ioctls: Lock,
    /// Whether the job of the file is to end with the running frame.
    stopping: Atomic<bool>,
    /// How many frames the file may still process before another file's job runs.
    frames_left: Atomic<u32>,
    #[pin]
    pub(super) buffer_return: BufferReturn<Job>,
    /// Held while a frame starts, until its request waits to be settled; and briefly while a
    /// control is set. It is taken after the lock of the controls and before the driver's.
    #[pin]
    pub(super) starting: Mutex<Order>,
}

// SAFETY: All fields may be used from any thread.
unsafe impl Send for Handle {}
// SAFETY: All fields may be used by several threads at the same time: each has a lock of its own,
// is atomic, or is protected by `lock` or by a lock of the C code.
unsafe impl Sync for Handle {}

impl Handle {
    /// Creates the part of an open file that is the same for all drivers. The callbacks get the
    /// open file as `file`.
    ///
    /// # Safety
    ///
    /// - `video` must be registered, or the caller must hold a reference to it, until
    ///   `v4l2_fh_exit` is called, which is done at the latest when this is dropped. `m2m_dev` must
    ///   be valid until the queues are dropped, and it must be sound to call its operations with
    ///   `file`.
    /// - It must be sound to call `callbacks` with `file` and with the controls at this address
    ///   until those are dropped: for the controls at once, for the queues as soon as all other
    ///   fields are initialised.
    pub(super) unsafe fn new(
        video: *mut bindings::video_device,
        m2m_dev: *mut bindings::v4l2_m2m_dev,
        file: *mut c_void,
        callbacks: &'static Callbacks,
    ) -> impl PinInit<Self, Error> {
        try_pin_init!(&this in Self {
            stopping: Atomic::new(false),
            frames_left: Atomic::new(0),
            buffer_return <- BufferReturn::new(),
            starting <- new_mutex!(Order::new(callbacks.controls.len())?, "Handle::starting"),
            lock <- Lock::new(c"File::lock", static_lock_class!()),
            ioctls <- Lock::new(c"File::ioctls", static_lock_class!()),
            // SAFETY: By the safety requirements.
            controls <- unsafe { control::Handler::new(callbacks.controls) },
            core <- pin_init!(CoreHandle {
                raw <- Opaque::ffi_init(|handle: *mut bindings::v4l2_fh| {
                    // SAFETY: `handle` is valid for writes, the video device is valid while the
                    // file refers to it, and the controls are initialised and outlive the handle.
                    unsafe {
                        handle.write_bytes(0, 1);
                        bindings::v4l2_fh_init(handle, video);
                        (*handle).ctrl_handler = (*this.as_ptr()).controls.as_raw();
                    }
                }),
            }),
            queues: {
                // SAFETY: By the safety requirements. All other fields are initialised.
                unsafe {
                    let queues = Queues::new(m2m_dev, file, callbacks.queues)?;
                    (*(*this.as_ptr()).core.raw.get()).m2m_ctx = queues.as_raw();
                    queues
                }
            },
        })
    }

    /// Returns the C file handle.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_fh {
        self.core.raw.get()
    }

    /// Returns the handle whose C structure is `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the C file handle of a `Self`.
    pub(super) unsafe fn from_raw(raw: *mut bindings::v4l2_fh) -> *const Self {
        // SAFETY: By the safety requirements the C handle is a field of a `CoreHandle`, which is a
        // field of a `Self`.
        unsafe {
            let core: *const CoreHandle = container_of!(Opaque::cast_from(raw), CoreHandle, raw);
            container_of!(core, Self, core)
        }
    }

    /// Returns the mem2mem context. It is read from the C file handle, which still has it while the
    /// queues are being released.
    pub(super) fn m2m_ctx(&self) -> *mut bindings::v4l2_m2m_ctx {
        // SAFETY: The handle is initialised.
        unsafe { (*self.as_raw()).m2m_ctx }
    }

    /// Stops both streams, as closing the file and unbinding the device do. It waits for the
    /// running job. If the driver has requests, the caller must hold `req_queue_mutex`, so that no
    /// request is queued meanwhile.
    pub(super) fn stop(&self) {
        let _guard = self.lock.lock();
        // SAFETY: The lock is held.
        unsafe { self.queues.stop() };
    }

    /// Returns whether the job of the file is to end with the running frame.
    #[inline]
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }

    /// Returns how many frames the file may still process before another file's job runs.
    #[inline]
    pub(super) fn frames_left(&self) -> u32 {
        self.frames_left.load(Relaxed)
    }

    /// Sets how many frames the file may still process before another file's job runs.
    pub(super) fn set_frames_left(&self, frames: u32) {
        self.frames_left.store(frames, Relaxed);
    }

    /// Sets whether the job of the file is to end with the running frame.
    pub(super) fn set_stopping(&self, stopping: bool) {
        self.stopping.store(stopping, Relaxed);
    }
}

/// An entry in a device's list of open files. It is in the list from `open` to `release`.
pub(super) struct Entry(NonNull<Handle>);

impl Entry {
    /// Creates the entry of an open file.
    ///
    /// # Safety
    ///
    /// The entry must be removed from its device's list before `handle` is dropped.
    pub(super) unsafe fn of(handle: &Handle) -> Self {
        Self(NonNull::from(handle))
    }

    /// Returns whether the entry is that of `handle`.
    pub(super) fn is_of(&self, handle: &Handle) -> bool {
        self.0 == NonNull::from(handle)
    }

    /// Returns the open file.
    ///
    /// # Safety
    ///
    /// The entry must be in its device's list, and the list must be locked.
    pub(super) unsafe fn handle(&self) -> &Handle {
        // SAFETY: By the safety requirements of `of` the handle of an entry in the list is not
        // dropped.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: `Handle` may be used from any thread, and the pointer is only used to reach it.
unsafe impl Send for Entry {}
