// SPDX-License-Identifier: GPL-2.0

//! Taking a device's nodes away. A process can hold the media core's locks for as long as it
//! likes, by having it wait for a page of userspace; and open files of the media device and
//! requests use it without counting as its users. So a thread does what may wait for them, and
//! keeps everything until the last one is done with it; unbinding goes on. Open files of the video
//! device and requests tell it. The media core tells nobody when an open file of the media device
//! is closed, and so the thread has to look.

use super::{
    bindings,
    device::Device,
    node::Node,
    operations::Operations, //
};
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
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

/// How long unbinding waits for what should take no time.
pub(super) const PATIENCE: Delta = Delta::from_millis(200);

/// How often it looks whether that is done.
const GLANCE: Delta = Delta::from_millis(1);

/// How often the thread looks whether the media device is open still, milliseconds.
const LOOK_MS: u32 = 100;

/// The nodes of a device, whose video device is unregistered.
///
/// # Invariants
///
/// `node` is valid: `_video` keeps it.
pub(super) struct Remains<T: Operations> {
    node: NonNull<Node<T>>,
    /// The node of the media device, if that was registered.
    media: Option<ARef<device::Device>>,
    _video: ARef<device::Device>,
    /// Keeps the platform device, the parent of both.
    device: Arc<Device<T>>,
}

// SAFETY: What it holds may be used and released from any thread.
unsafe impl<T: Operations> Send for Remains<T> {}

impl<T: Operations> Remains<T> {
    /// Those of `device`.
    ///
    /// # Safety
    ///
    /// `video` must refer to the video device of `node`, the one of `device`. Its media device must
    /// be as [`Registration`](super::registration::Registration) left it.
    pub(super) unsafe fn new(
        node: NonNull<Node<T>>,
        device: Arc<Device<T>>,
        video: ARef<device::Device>,
    ) -> Self {
        // SAFETY: The caller's promise.
        let devnode = unsafe { (*node.as_ref().media()).devnode };
        // SAFETY: A media device that is registered has a device node, which it refers to. Both
        // crates see the same C structure.
        let media = (!devnode.is_null())
            .then(|| unsafe { device::Device::get_device((&raw mut (*devnode).dev).cast()) });
        // INVARIANT: The caller's promise.
        Self {
            node,
            device,
            media,
            _video: video,
        }
    }

    fn node(&self) -> &Node<T> {
        // SAFETY: By the type invariant.
        unsafe { self.node.as_ref() }
    }

    /// Takes the nodes away: a thread ends all streams, unregisters the media device and waits
    /// for who uses it. Returns when the first two are done; `ETIMEDOUT` if they are not after
    /// [`PATIENCE`]. `device` is theirs.
    // One copy of the code for all who call it.
    #[inline(never)]
    pub(super) fn take_away(self, device: &Device<T>) -> Result {
        let owner = self.node().owner();
        // SAFETY: The module is the one that this code is in.
        if !unsafe { bindings::helper_try_module_get(owner) } {
            // It is being unloaded, so there is no open file and no request: only who freed the
            // last one may have to count it off yet, or a job that has ended to let go of its file.
            self.end();
            self.wait();
            return Ok(());
        }
        // SAFETY: Taken just now.
        match unsafe { self.start() } {
            Ok(()) => {
                let start = Instant::<Monotonic>::now();
                while !device.streams_are_over().load(Acquire) {
                    if start.elapsed() >= PATIENCE {
                        return Err(ETIMEDOUT);
                    }
                    fsleep(GLANCE);
                }
            }
            // There is no memory for a thread.
            Err(this) => {
                this.end();
                if this.is_used() {
                    // It stays, and so does the module.
                    mem::forget(this);
                    return Ok(());
                }
                drop(this);
                // SAFETY: Taken above.
                unsafe { bindings::helper_module_put(owner) };
            }
        }
        Ok(())
    }

    /// Ends all streams and unregisters the media device. May wait for userspace.
    fn end(&self) {
        let media = self.node().media();
        // Who queues requests is held back, as by everybody who stops a stream.
        // SAFETY: The media device is initialised.
        let requests = unsafe { &raw mut (*media).req_queue_mutex };
        // A kernel thread gets no signals, and counts as idle in the first of these.
        // SAFETY: The mutex is initialised.
        unsafe {
            if bindings::helper_mutex_lock_interruptible(requests) != 0 {
                bindings::helper_mutex_lock(requests);
            }
        }
        self.device.stop_all();
        // SAFETY: Locked above.
        unsafe { bindings::helper_mutex_unlock(requests) };
        if self.media.is_some() {
            // SAFETY: The media device is registered, and knows of the mem2mem device.
            unsafe {
                bindings::media_device_unregister(media);
                bindings::v4l2_m2m_unregister_media_controller(self.device.m2m_dev());
            }
        }
    }

    /// Waits until nobody uses the nodes, after [`Self::end`].
    fn wait(&self) {
        // Who has the media device open may be in an ioctl on it. The media core counts open files,
        // and tells nobody when there is none. From then on no request is made.
        while self.is_media_open() {
            // SAFETY: No requirement.
            unsafe { bindings::msleep_interruptible(LOOK_MS) };
        }
        self.device.uses().wait();
        // The media core counts a request off when the driver has freed it.
        while self.has_requests() {
            fsleep(GLANCE);
        }
    }

    /// Whether somebody uses the nodes. No more once it was false after [`Self::end`].
    fn is_used(&self) -> bool {
        self.is_media_open() || !self.device.uses().is_over() || self.has_requests()
    }

    fn is_media_open(&self) -> bool {
        self.media.as_deref().is_some_and(|media| {
            // SAFETY: `Device` is a transparent wrapper of the C structure, which is referred to.
            // Both crates see the same.
            unsafe { bindings::helper_device_is_shared(ptr::from_ref(media).cast()) }
        })
    }

    fn has_requests(&self) -> bool {
        // SAFETY: The media device is initialised.
        unsafe { bindings::helper_media_device_requests(self.node().media()) > 0 }
    }
}

impl<T: Operations> Drop for Remains<T> {
    fn drop(&mut self) {
        // What of `media_device_cleanup()` frees memory. The mutexes that it also destroys are
        // still taken by who closes a file of the video device.
        // SAFETY: The media device is initialised, and nobody walks its graph any more.
        unsafe {
            bindings::media_graph_walk_cleanup(&raw mut (*self.node().media()).pm_count_walk)
        };
    }
}

/// The thread that takes nodes away.
impl<T: Operations> Remains<T> {
    /// Starts the thread, which gives up a reference to the module when it ends. Returns the nodes if
    /// there is no memory.
    ///
    /// # Safety
    ///
    /// The caller must refer to the module, and hand that on if this succeeds.
    unsafe fn start(self) -> Result<(), Self> {
        let Ok(place) = KBox::<Self>::new_uninit(GFP_KERNEL) else {
            return Err(self);
        };
        let this = KBox::into_raw(place.write(self));
        // SAFETY: The thread gets a box of its own and the caller's reference; the name is a string.
        let started = to_result(unsafe {
            bindings::helper_kthread_run(Some(Self::run), this.cast(), T::NAME.as_char_ptr())
        });
        match started {
            Ok(()) => Ok(()),
            // SAFETY: There is no thread that could have it.
            Err(_) => Err(KBox::into_inner(unsafe { KBox::from_raw(this) })),
        }
    }

    /// The thread.
    ///
    /// # Safety
    ///
    /// `this` must be a box of a `Self`, and the caller refer to the module.
    unsafe extern "C" fn run(this: *mut c_void) -> c_int {
        // SAFETY: The caller's promise.
        let this = unsafe { KBox::<Self>::from_raw(this.cast()) };
        this.end();
        this.device.streams_are_over().store(true, Release);
        this.wait();
        let owner = this.node().owner();
        drop(this);
        // SAFETY: The caller's reference. Nothing of the module is left on this stack.
        unsafe { bindings::helper_module_put_and_kthread_exit(owner) }
    }
}
