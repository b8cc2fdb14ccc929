// SPDX-License-Identifier: GPL-2.0

//! The device nodes of a mem2mem device: `/dev/videoN` and `/dev/mediaN`.
//!
//! Their C structures share one allocation, which the V4L2 core frees by itself when
//! the last reference to the video device is gone, and calls nothing of the driver for it. What
//! takes the nodes away has one until nobody uses them any more.

use super::{
    bindings,
    device::{
        Device,
        Use, //
    },
    operations::Operations, //
};
use core::{
    mem::offset_of,
    ptr, //
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

/// The C structures of a device's nodes, and the way from them to the device.
///
/// # Invariants
///
/// - `video` is the first field, and the node lives in memory of its own from the slab
///   allocator: `video_device_release()` frees it, without dropping anything.
/// - `device` is therefore emptied before.
#[pin_data]
#[repr(C)]
pub(super) struct Node<T: Operations> {
    #[pin]
    video: Opaque<bindings::video_device>,
    #[pin]
    v4l2: Opaque<bindings::v4l2_device>,
    #[pin]
    media: Opaque<bindings::media_device>,
    /// [`None`] once the nodes are unregistered.
    #[pin]
    device: Mutex<Option<Arc<Device<T>>>>,
    /// The module that `T` is in.
    owner: *mut bindings::module,
}

/// The C callbacks of a device's nodes.
pub(super) struct Callbacks {
    pub(super) file: &'static bindings::v4l2_file_operations,
    pub(super) ioctl: &'static bindings::v4l2_ioctl_ops,
    pub(super) media: &'static bindings::media_device_ops,
}

impl<T: Operations> Node<T> {
    /// Initialises the nodes of `device`, which nobody can reach yet.
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
        this.init_video(device.parent_raw(), callbacks);
        this.init_v4l2(device.parent())?;
        Ok(this)
    }

    fn init_media(
        &self,
        parent: *mut bindings::device,
        operations: &'static bindings::media_device_ops,
    ) {
        let media = self.media.get();
        // SAFETY: The structure is zeroed, as `media_device_init` wants it, and nobody
        // else knows it. The device refers to the parent.
        unsafe {
            (*media).dev = parent;
            copy_name(&mut (*media).model, T::NAME);
            // The media core would look for it where there is none when the device is unbound.
            copy_name(&mut (*media).driver_name, T::NAME);
            bindings::media_device_init(media);
            (*media).ops = operations;
        }
    }

    fn init_video(&self, parent: *mut bindings::device, callbacks: &Callbacks) {
        let video = self.video.get();
        // SAFETY: The structure is zeroed, and nobody else knows it. What it points at is
        // static, or lives as long as it does, or is its parent in the device model.
        unsafe {
            copy_name(&mut (*video).name, T::NAME);
            (*video).vfl_dir = bindings::vfl_devnode_direction_VFL_DIR_M2M;
            (*video).fops = callbacks.file;
            (*video).ioctl_ops = callbacks.ioctl;
            (*video).device_caps =
                bindings::V4L2_CAP_VIDEO_M2M_MPLANE | bindings::V4L2_CAP_STREAMING;
            (*video).release = Some(bindings::video_device_release);
            (*video).v4l2_dev = self.v4l2.get();
            (*video).dev_parent = parent;
            // The V4L2 core would take this lock for every ioctl that is not a queue operation, and
            // have all files wait for one whose ioctl waits for its process's memory. Each file
            // has a lock of its own instead, see `Handle::ioctls`.
            (*video).lock = ptr::null_mut();
            (*video).minor = -1;
        }
    }

    /// With no parent device given, the V4L2 core leaves the parent's driver data alone.
    /// It would put its own pointer there, where the driver core looks for the Rust
    /// driver's.
    fn init_v4l2(&self, parent: &device::Device) -> Result {
        let v4l2 = self.v4l2.get();
        // SAFETY: The structure is zeroed, and nobody else knows it. The name is set, as is
        // required when no parent is given; the media device is initialised and lives as
        // long.
        unsafe {
            copy_name(&mut (*v4l2).name, parent.name());
            (*v4l2).mdev = self.media.get();
            to_result(bindings::v4l2_device_register(ptr::null_mut(), v4l2))
        }
    }

    /// The video device, which is initialised.
    pub(super) fn video(&self) -> *mut bindings::video_device {
        self.video.get()
    }

    /// The V4L2 device, which is registered.
    pub(super) fn v4l2(&self) -> *mut bindings::v4l2_device {
        self.v4l2.get()
    }

    /// The media device, which is initialised.
    pub(super) fn media(&self) -> *mut bindings::media_device {
        self.media.get()
    }

    /// The module that the driver is in, null if it is none.
    pub(super) fn owner(&self) -> *mut bindings::module {
        self.owner
    }

    /// A use of the device, unless the nodes are unregistered.
    pub(super) fn usage(&self) -> Option<Use<T>> {
        self.device.lock().as_ref().map(Use::new)
    }

    /// Whether the nodes are registered, or about to be.
    pub(super) fn is_registered(&self) -> bool {
        self.device.lock().is_some()
    }

    /// Lets go of the device: from here on nobody gets a use of it, and no request is validated.
    pub(super) fn let_go(&self) {
        drop(self.device.lock().take());
    }

    /// The nodes that the media core knows by `media`.
    ///
    /// # Safety
    ///
    /// `media` must be the media device of a `Node<T>`, which is there for the time of `'a`.
    pub(super) unsafe fn of_media<'a>(media: *mut bindings::media_device) -> &'a Self {
        // SAFETY: The caller's promise.
        unsafe { &*container_of!(Opaque::cast_from(media), Self, media) }
    }

    /// A use of the device behind a video device; [`None`] if it is unregistered.
    ///
    /// # Safety
    ///
    /// `video` must be that of a `Node<T>`, and referred to.
    pub(super) unsafe fn usage_of(video: *mut bindings::video_device) -> Option<Use<T>> {
        // SAFETY: The caller's promise.
        unsafe { &*container_of!(Opaque::cast_from(video), Self, video) }.usage()
    }
}

/// A reference to a video device.
///
/// # Safety
///
/// `video` must be registered, or referred to.
pub(super) unsafe fn reference(video: *mut bindings::video_device) -> ARef<device::Device> {
    // SAFETY: By the caller's promise its count is not zero. Both crates see the same C
    // structure. The V4L2 core may release it from any thread.
    unsafe { device::Device::get_device((&raw mut (*video).dev).cast()) }
}

/// Copies a name into a C array, cut off if too long, always terminated.
fn copy_name(to: &mut [c_char], from: &CStr) {
    let Some((last, room)) = to.split_last_mut() else {
        return;
    };
    *last = 0;
    for (to, from) in room.iter_mut().zip(from.to_bytes()) {
        *to = *from;
    }
}
