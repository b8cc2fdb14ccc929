// SPDX-License-Identifier: GPL-2.0

//! The device nodes of a mem2mem device: `/dev/videoN` and `/dev/mediaN`.
//!
//! Their C structures share one allocation. The V4L2 core frees it when the last reference to the
//! video device is dropped, and calls no function of the driver then. The code that unregisters the
//! nodes holds such a reference until the nodes have no user.

use super::{
    bindings,
    device::{
        Device,
        Use, //
    },
    format::Api,
    lock::Lock,
    module::Loaded,
    operations::Operations, //
};
use core::{
    mem::offset_of,
    ops::Deref,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    container_of,
    device,
    error::to_result,
    ffi::c_char,
    new_mutex,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// The C structures of a device's nodes, and the reference from them to the device.
///
/// # Invariants
///
/// - `video` is the first field, and the node is an allocation of its own from the slab allocator:
///   `video_device_release()` frees it with `kfree()`, without dropping any field.
/// - `device` is therefore [`None`] before that.
#[pin_data]
#[repr(C)]
pub(super) struct Node<T: Operations> {
    #[pin]
    video: Opaque<bindings::video_device>,
    #[pin]
    v4l2: Opaque<bindings::v4l2_device>,
    #[pin]
    media: Opaque<bindings::media_device>,
    /// The device; [`None`] once the nodes are unregistered.
    #[pin]
    device: Mutex<Option<Arc<Device<T>>>>,
    /// The module that contains `T`; null if it is built in.
    owner: *mut bindings::module,
}

/// The C callbacks of a device's nodes.
pub(super) struct Callbacks {
    pub(super) file: &'static bindings::v4l2_file_operations,
    pub(super) ioctl: &'static bindings::v4l2_ioctl_ops,
    pub(super) media: &'static bindings::media_device_ops,
}

impl<T: Operations> Node<T> {
    /// Initialises the nodes of `device`. No other code can reach them yet.
    ///
    /// # Safety
    ///
    /// The V4L2 and the media core must be allowed to call `callbacks` for a `Node<T>`.
    pub(super) unsafe fn new(
        device: &Arc<Device<T>>,
        owner: *mut bindings::module,
        callbacks: &Callbacks,
    ) -> Result<Pin<KBox<Self>>> {
        const { assert!(offset_of!(Self, video) == 0) };

        let this = KBox::pin_init(
            try_pin_init!(Self {
                video: Opaque::zeroed(),
                v4l2: Opaque::zeroed(),
                media: Opaque::zeroed(),
                device <- new_mutex!(Some(device.clone()), "Node::device"),
                owner,
            }? Error),
            GFP_KERNEL,
        )?;
        this.init_media(device.parent_raw(), callbacks.media);
        this.init_video(device.parent_raw(), device.api(), callbacks);
        this.init_v4l2(device.parent())?;
        Ok(this)
    }

    fn init_media(
        &self,
        parent: *mut bindings::device,
        operations: &'static bindings::media_device_ops,
    ) {
        let media = self.media.get();
        // SAFETY: The structure is zeroed, as `media_device_init` requires, and is not known to
        // other code yet. The device holds a reference to the parent.
        unsafe {
            (*media).dev = parent;
            copy_name(&mut (*media).model, T::NAME);
            // Without it, the media core reads the name from the parent's driver, which is null
            // once the device is unbound.
            copy_name(&mut (*media).driver_name, T::NAME);
            bindings::media_device_init(media);
            (*media).ops = operations;
        }
    }

    fn init_video(&self, parent: *mut bindings::device, api: Api, callbacks: &Callbacks) {
        let video = self.video.get();
        let m2m = match api {
            Api::SinglePlanar => bindings::V4L2_CAP_VIDEO_M2M,
            Api::MultiPlanar => bindings::V4L2_CAP_VIDEO_M2M_MPLANE,
        };
        // SAFETY: The structure is zeroed, and is not known to other code yet. Its pointers refer
        // to static data, to data that lives as long as the structure, or to its parent in the
        // device model.
        unsafe {
            copy_name(&mut (*video).name, T::NAME);
            (*video).vfl_dir = bindings::vfl_devnode_direction_VFL_DIR_M2M;
            (*video).fops = callbacks.file;
            (*video).ioctl_ops = callbacks.ioctl;
            (*video).device_caps = m2m | bindings::V4L2_CAP_STREAMING;
            (*video).release = Some(bindings::video_device_release);
            (*video).v4l2_dev = self.v4l2.get();
            (*video).dev_parent = parent;
            // The V4L2 core would take this lock for every ioctl that is not a queue operation. All
            // files would then wait while the ioctl of one file waits for a page of userspace. Each
            // file has a lock of its own instead, see `Handle::ioctls`.
            (*video).lock = ptr::null_mut();
            (*video).minor = -1;
        }
    }

    /// Initialises the V4L2 device without a parent.
    ///
    /// With a parent, `v4l2_device_register` may store its own pointer as the parent's driver data,
    /// where the driver core expects the pointer of the Rust driver.
    fn init_v4l2(&self, parent: &device::Device) -> Result {
        let v4l2 = self.v4l2.get();
        // SAFETY: The structure is zeroed, and is not known to other code yet. The name is set, as
        // is required without a parent. The media device is initialised and lives as long as the
        // V4L2 device.
        unsafe {
            copy_name(&mut (*v4l2).name, parent.name());
            (*v4l2).mdev = self.media.get();
            to_result(bindings::v4l2_device_register(ptr::null_mut(), v4l2))
        }
    }

    /// Returns the video device, which is initialised.
    pub(super) fn video(&self) -> *mut bindings::video_device {
        self.video.get()
    }

    /// Returns the V4L2 device, which is registered.
    pub(super) fn v4l2(&self) -> *mut bindings::v4l2_device {
        self.v4l2.get()
    }

    /// Returns the media device, which is initialised.
    pub(super) fn media(&self) -> *mut bindings::media_device {
        self.media.get()
    }

    /// Returns the media device's mutex for requests, `req_queue_mutex`.
    pub(super) fn requests(&self) -> &Lock {
        // SAFETY: The media device is initialised, and so is its mutex.
        unsafe { Lock::borrow(&raw mut (*self.media()).req_queue_mutex) }
    }

    /// Returns a reference to the driver's module; [`None`] if that is being unloaded.
    pub(super) fn hold_module(&self) -> Option<Loaded> {
        // SAFETY: The module contains `T`, whose code calls this: for an open file of the media
        // device, or while the driver is registered. The module is not freed before.
        unsafe { Loaded::new(self.owner) }
    }

    /// Returns a use of the device; [`None`] if the nodes are unregistered.
    pub(super) fn usage(&self) -> Option<Use<T>> {
        self.device.lock().as_ref().map(Use::new)
    }

    /// Returns whether the nodes are registered, or are being registered.
    pub(super) fn is_registered(&self) -> bool {
        self.device.lock().is_some()
    }

    /// Drops the reference to the device. From here on no use of the device can be made, and no
    /// request is validated.
    pub(super) fn let_go(&self) {
        drop(self.device.lock().take());
    }

    /// Returns the nodes whose media device is `media`.
    ///
    /// # Safety
    ///
    /// `media` must be the media device of a `Node<T>` that is not freed during `'a`.
    pub(super) unsafe fn of_media<'a>(media: *mut bindings::media_device) -> &'a Self {
        // SAFETY: By the safety requirements `media` is a field of a valid `Node<T>`.
        unsafe { &*container_of!(Opaque::cast_from(media), Self, media) }
    }

    /// Returns a use of the device of a video device; [`None`] if the nodes are unregistered.
    ///
    /// # Safety
    ///
    /// `video` must be the video device of a `Node<T>`, and the caller must hold a reference to it.
    pub(super) unsafe fn usage_of(video: *mut bindings::video_device) -> Option<Use<T>> {
        // SAFETY: By the safety requirements `video` is a field of a valid `Node<T>`.
        unsafe { &*container_of!(Opaque::cast_from(video), Self, video) }.usage()
    }
}

/// A reference to the nodes of a device.
///
/// # Invariants
///
/// `video` refers to the video device of `node`, and so keeps `node` valid.
pub(super) struct Kept<T: Operations> {
    node: NonNull<Node<T>>,
    video: ARef<device::Device>,
}

impl<T: Operations> Kept<T> {
    /// Creates a reference.
    ///
    /// # Safety
    ///
    /// The video device of `node` must be registered.
    pub(super) unsafe fn new(node: NonNull<Node<T>>) -> Self {
        // SAFETY: By the safety requirements the node is valid, and the reference count of its
        // video device is not zero. `kernel::bindings` describes the same C structure. The V4L2
        // core allows that any thread drops the last reference.
        let video =
            unsafe { device::Device::get_device((&raw mut (*node.as_ref().video()).dev).cast()) };
        // INVARIANT: By the line above.
        Self { node, video }
    }
}

impl<T: Operations> Clone for Kept<T> {
    fn clone(&self) -> Self {
        // INVARIANT: Both references are to the same video device.
        Self {
            node: self.node,
            video: self.video.clone(),
        }
    }
}

impl<T: Operations> Deref for Kept<T> {
    type Target = Node<T>;

    fn deref(&self) -> &Node<T> {
        // SAFETY: By the type invariant the node is valid.
        unsafe { self.node.as_ref() }
    }
}

// SAFETY: The node may be used and released from any thread.
unsafe impl<T: Operations> Send for Kept<T> {}
// SAFETY: The node may be used by several threads at the same time: what changes is protected by
// its own lock or by locks of the C code.
unsafe impl<T: Operations> Sync for Kept<T> {}

/// Copies a name into a C array. It truncates a name that is too long, and always terminates the
/// array with a zero.
fn copy_name(to: &mut [c_char], from: &CStr) {
    let Some((last, room)) = to.split_last_mut() else {
        return;
    };
    *last = 0;
    for (to, from) in room.iter_mut().zip(from.to_bytes()) {
        *to = *from;
    }
}
