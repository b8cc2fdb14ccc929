// SPDX-License-Identifier: GPL-2.0

//! Unregisters a device's nodes without waiting for userspace.
//!
//! A process can hold the media core's locks for an unlimited time, by making an ioctl wait for a
//! page of userspace. Open files of the media device and requests use the media device, but no
//! function of the media core waits for them. So a thread does the steps that may wait for them,
//! and keeps all structures until their last user is gone, while unbinding goes on. Open files of
//! the video device and requests notify the thread. The media core does not notify the driver when
//! an open file of the media device is closed, so the thread polls for that.

use super::{
    bindings,
    device::Device,
    module::Loaded,
    node::Kept,
    operations::Operations, //
};
use core::{
    mem,
    ptr, //
};
use kernel::{
    device,
    error::to_result,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Release, //
        },
        Arc, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// The longest time that unbinding waits for the thread to stop the streams and to unregister the
/// media device. That normally takes as long as the running frame.
pub(super) const PATIENCE: Delta = Delta::from_millis(200);

/// The interval at which a wait checks a condition that is normally met at once.
const GLANCE: Delta = Delta::from_millis(1);

/// The interval at which the thread checks whether the media device is still open, milliseconds.
const LOOK_MS: u32 = 100;

/// The nodes of a device, whose video device is unregistered.
pub(super) struct Remains<T: Operations> {
    node: Kept<T>,
    /// The `struct device` of the media device's node; [`None`] if the media device is not
    /// registered.
    media: Option<ARef<device::Device>>,
    /// The mem2mem device, which keeps the platform device, the parent of both nodes.
    device: Arc<Device<T>>,
}

impl<T: Operations> Remains<T> {
    /// Creates it for the nodes of `device`.
    ///
    /// # Safety
    ///
    /// `node` must be the node of `device`, and its media device must be as
    /// [`Registration`](super::registration::Registration) left it.
    pub(super) unsafe fn new(node: Kept<T>, device: Arc<Device<T>>) -> Self {
        // SAFETY: The node's media device is valid. A registered one has a device node, and holds a
        // reference to it. `kernel::bindings` describes the same C structure.
        let media = unsafe {
            let devnode = (*node.media()).devnode;
            (!devnode.is_null())
                .then(|| device::Device::get_device((&raw mut (*devnode).dev).cast()))
        };
        Self {
            node,
            device,
            media,
        }
    }

    /// Unregisters the nodes, in a thread that stops all streams, unregisters the media device and
    /// then waits until the nodes have no user. `device` is the device of the nodes.
    ///
    /// Returns when the streams are stopped and the media device is unregistered; `ETIMEDOUT` if
    /// that takes longer than [`PATIENCE`].
    // Not inlined, to have the code once for all callers.
    #[inline(never)]
    pub(super) fn take_away(self, device: &Device<T>) -> Result {
        let Some(module) = self.node.hold_module() else {
            // The module is being unloaded, so there is no open file and no request. But the thread
            // that freed the last request may not have decremented the media core's counter yet,
            // and a job that has ended may not have dropped its reference to its file yet.
            self.end();
            self.wait();
            return Ok(());
        };
        match self.start(module) {
            Ok(()) => {
                let start = Instant::<Monotonic>::now();
                while !device.streams_are_over().load(Acquire) {
                    if start.elapsed() >= PATIENCE {
                        return Err(ETIMEDOUT);
                    }
                    fsleep(GLANCE);
                }
            }
            // There is no memory for the thread.
            Err((this, module)) => {
                this.end();
                if this.is_used() {
                    // The nodes are never freed then, and the module stays loaded.
                    mem::forget((this, module));
                    return Ok(());
                }
                drop(this);
                drop(module);
            }
        }
        Ok(())
    }

    /// Stops all streams and unregisters the media device. It may wait for userspace. It runs in
    /// the thread, or in the one that unbinds if there is no thread.
    fn end(&self) {
        let media = self.node.media();
        // No request may be queued while a stream is stopped. The V4L2 core holds the same mutex
        // whenever it stops a stream.
        let requests = self.node.requests().lock_long();
        self.device.stop_all();
        drop(requests);
        if self.media.is_some() {
            // SAFETY: The media device is registered, and the mem2mem device was registered with
            // it.
            unsafe {
                bindings::media_device_unregister(media);
                bindings::v4l2_m2m_unregister_media_controller(self.device.m2m_dev());
            }
        }
    }

    /// Waits until the nodes have no user. [`Self::end`] must have been called.
    fn wait(&self) {
        // A process that has the media device open may be in an ioctl on it. The media core counts
        // open files, but does not notify the driver when there is none. After that no request is
        // made.
        while self.is_media_open() {
            // SAFETY: This thread may sleep.
            unsafe { bindings::msleep_interruptible(LOOK_MS) };
        }
        self.device.uses().wait();
        // The media core decrements its counter of requests after the driver has freed the request.
        while self.has_requests() {
            fsleep(GLANCE);
        }
    }

    /// Returns whether the nodes have a user. Once it returned false after [`Self::end`], it does
    /// not return true any more.
    fn is_used(&self) -> bool {
        self.is_media_open() || !self.device.uses().is_over() || self.has_requests()
    }

    fn is_media_open(&self) -> bool {
        self.media.as_deref().is_some_and(|media| {
            // SAFETY: `Device` is a transparent wrapper of the C structure, to which `self.media`
            // holds a reference. `kernel::bindings` describes the same C structure.
            unsafe { bindings::helper_device_is_shared(ptr::from_ref(media).cast()) }
        })
    }

    fn has_requests(&self) -> bool {
        // SAFETY: The media device is initialised.
        unsafe { bindings::helper_media_device_requests(self.node.media()) > 0 }
    }
}

impl<T: Operations> Drop for Remains<T> {
    fn drop(&mut self) {
        // This is the part of `media_device_cleanup()` that frees memory. That function also
        // destroys mutexes, which V4L2 still uses when a file of the video device is closed.
        // SAFETY: The media device is initialised, and its graph is not walked any more.
        unsafe { bindings::media_graph_walk_cleanup(&raw mut (*self.node.media()).pm_count_walk) };
    }
}

/// Implements the thread that unregisters the nodes.
impl<T: Operations> Remains<T> {
    /// Starts the thread, which keeps the module loaded until it ends. Returns the arguments if
    /// there is no memory.
    fn start(self, module: Loaded) -> Result<(), (Self, Loaded)> {
        let Ok(place) = KBox::<(Self, Loaded)>::new_uninit(GFP_KERNEL) else {
            return Err((self, module));
        };
        let this = KBox::into_raw(place.write((self, module)));
        // SAFETY: The thread gets a box of its own; the name is a C string.
        let started = to_result(unsafe {
            bindings::helper_kthread_run(Some(Self::run), this.cast(), T::NAME.as_char_ptr())
        });
        match started {
            Ok(()) => Ok(()),
            // SAFETY: No thread was started, so the box is still owned here.
            Err(_) => Err(KBox::into_inner(unsafe { KBox::from_raw(this) })),
        }
    }

    /// Runs as the thread: stops the streams, unregisters the media device, and frees the nodes
    /// when they have no user.
    ///
    /// # Safety
    ///
    /// `this` must come from the box of [`Self::start`], which is passed to this function.
    unsafe extern "C" fn run(this: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements `this` comes from a box, which this function owns.
        let (this, module) =
            KBox::into_inner(unsafe { KBox::<(Self, Loaded)>::from_raw(this.cast()) });
        this.end();
        this.device.streams_are_over().store(true, Release);
        this.wait();
        drop(this);
        // SAFETY: The reference to the module is owned here, and is dropped by the function. No
        // value that would have to be dropped is left on this stack.
        unsafe { bindings::helper_module_put_and_kthread_exit(module.into_raw()) }
    }
}
