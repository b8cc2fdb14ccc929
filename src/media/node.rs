// SPDX-License-Identifier: GPL-2.0

//! The device nodes of a mem2mem device: `/dev/videoN` and `/dev/mediaN`.
//!
//! Their C structures share one allocation, which the V4L2 core frees by itself when
//! the last reference to the video device is gone, and calls nothing of the driver for it. What
//! takes the nodes away has one until nobody uses them any more.

use super::{
    bindings,
    file,
    ioctl,
    m2m::{
        Device,
        Operations,
        Use, //
    },
    request,
    unregister::Remains, //
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    container_of,
    device,
    error::to_result,
    ffi::{
        c_char,
        c_int, //
    },
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

impl<T: Operations> Node<T> {
    /// Initialises the nodes of `device`, which nobody can reach yet.
    fn new(device: &Arc<Device<T>>, owner: *mut bindings::module) -> Result<Pin<KBox<Self>>> {
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
        this.init_media(device.parent_raw());
        this.init_video(device.parent_raw());
        this.init_v4l2(device.parent())?;
        Ok(this)
    }

    fn init_media(&self, parent: *mut bindings::device) {
        let media = self.media.get();
        // SAFETY: The structure is zeroed, as `media_device_init` wants it, and nobody
        // else knows it. The device refers to the parent.
        unsafe {
            (*media).dev = parent;
            copy_name(&mut (*media).model, T::NAME);
            // The media core would look for it where there is none when the device is unbound.
            copy_name(&mut (*media).driver_name, T::NAME);
            bindings::media_device_init(media);
            (*media).ops = &Self::MEDIA_OPS;
        }
    }

    fn init_video(&self, parent: *mut bindings::device) {
        let video = self.video.get();
        // SAFETY: The structure is zeroed, and nobody else knows it. What it points at is
        // static, or lives as long as it does, or is its parent in the device model.
        unsafe {
            copy_name(&mut (*video).name, T::NAME);
            (*video).vfl_dir = bindings::vfl_devnode_direction_VFL_DIR_M2M;
            (*video).fops = &file::Callbacks::<T>::OPS;
            (*video).ioctl_ops = &ioctl::Callbacks::<T>::OPS;
            (*video).device_caps =
                bindings::V4L2_CAP_VIDEO_M2M_MPLANE | bindings::V4L2_CAP_STREAMING;
            (*video).release = Some(bindings::video_device_release);
            (*video).v4l2_dev = self.v4l2.get();
            (*video).dev_parent = parent;
            // The V4L2 core would take this lock for every ioctl that is not a queue operation, and
            // have all files wait for one whose ioctl waits for its process's memory. Each file
            // has a lock of its own instead, see `file::Callbacks`.
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

    /// The media device, which is initialised.
    pub(super) fn media(&self) -> *mut bindings::media_device {
        self.media.get()
    }

    /// The module that the driver is in, null if it is none.
    pub(super) fn owner(&self) -> *mut bindings::module {
        self.owner
    }

    /// A use of the device, unless the nodes are unregistered.
    fn usage(&self) -> Option<Use<T>> {
        self.device.lock().as_ref().map(Use::new)
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

    const MEDIA_OPS: bindings::media_device_ops = bindings::media_device_ops {
        link_notify: None,
        req_alloc: Some(Self::req_alloc),
        req_free: Some(Self::req_free),
        req_validate: Some(Self::req_validate),
        req_queue: Some(request::queue::<T>),
    };

    /// Makes a request, which needs the driver until it is freed: the media core only sees to it
    /// that the media device is open.
    ///
    /// # Safety
    ///
    /// To be called by the media core, with the media device of a `Node<T>`.
    unsafe extern "C" fn req_alloc(
        media: *mut bindings::media_device,
    ) -> *mut bindings::media_request {
        // SAFETY: The caller's promise.
        let node = unsafe { &*container_of!(Opaque::cast_from(media), Self, media) };
        let Some(usage) = node.usage() else {
            return ptr::null_mut();
        };
        // SAFETY: The module is there while the media device is open.
        if !unsafe { bindings::helper_try_module_get(node.owner) } {
            return ptr::null_mut();
        }
        let request = Request {
            _raw: Opaque::zeroed(),
            _usage: usage,
        };
        match KBox::new(request, GFP_KERNEL) {
            Ok(request) => KBox::into_raw(request).cast(),
            Err(_) => {
                // SAFETY: Taken above.
                unsafe { bindings::helper_module_put(node.owner) };
                ptr::null_mut()
            }
        }
    }

    /// Frees a request.
    ///
    /// # Safety
    ///
    /// To be called by the media core, for a request that [`Self::req_alloc`] made.
    unsafe extern "C" fn req_free(request: *mut bindings::media_request) {
        // SAFETY: The request is valid, and its media device that of a `Node<T>`, which is there
        // until the media core has counted the request off.
        unsafe {
            let node = container_of!(Opaque::cast_from((*request).mdev), Self, media);
            let owner = (*node).owner;
            drop(KBox::from_raw(request.cast::<Request<T>>()));
            bindings::helper_module_put(owner);
        }
    }

    /// Refuses a request with `ENODEV` when the device is unregistered, and otherwise as
    /// [`request::validate`] does.
    ///
    /// # Safety
    ///
    /// To be called by the media core, with its `req_queue_mutex` held.
    unsafe extern "C" fn req_validate(raw: *mut bindings::media_request) -> c_int {
        kernel::error::from_result(|| {
            // SAFETY: The request is valid, and its media device that of a `Node<T>`.
            let node = unsafe { &*container_of!(Opaque::cast_from((*raw).mdev), Self, media) };
            if node.device.lock().is_none() {
                return Err(ENODEV);
            }
            // SAFETY: The request is one of a file of this node.
            unsafe { request::validate::<T>(raw)? };
            Ok(0)
        })
    }
}

/// A request, with the media core's part first.
#[repr(C)]
struct Request<T: Operations> {
    _raw: Opaque<bindings::media_request>,
    _usage: Use<T>,
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

/// Keeps the nodes of a device registered. Dropping it takes them away from userspace, ends the
/// device's binding and what runs. It waits for the running frame, not without a limit, and not for
/// userspace.
///
/// # Invariants
///
/// `node` was registered, and `reference` is to its video device and keeps it. The device's parent
/// is bound.
pub(super) struct Registration<T: Operations> {
    node: NonNull<Node<T>>,
    device: Arc<Device<T>>,
    /// There until `self` is dropped.
    reference: Option<ARef<device::Device>>,
    _node: PhantomData<Node<T>>,
}

// SAFETY: What it holds may be used and released from any thread.
unsafe impl<T: Operations> Send for Registration<T> {}

impl<T: Operations> Registration<T> {
    /// Registers the nodes of `device`.
    ///
    /// # Safety
    ///
    /// The device's parent must be bound until this is dropped.
    pub(super) unsafe fn new(device: Arc<Device<T>>, module: &'static ThisModule) -> Result<Self> {
        let owner = module.as_ptr().cast::<bindings::module>();
        let node = Node::new(&device, owner)?;
        let video = node.video.get();
        let media = node.media.get();

        // SAFETY: The node is initialised.
        to_result(unsafe {
            bindings::__video_register_device(
                video,
                bindings::vfl_devnode_type_VFL_TYPE_VIDEO,
                -1,
                1,
                owner,
            )
        })
        .inspect_err(|_| {
            // V4L2 leaves the name behind when the driver core refuses the device.
            // SAFETY: The device is not registered, so nobody uses its name, which is null or
            // allocated.
            unsafe { bindings::kfree_const((*video).dev.kobj.name.cast()) };
        })?;
        // From now on the V4L2 core frees the node.
        // SAFETY: The node is not moved.
        let node = KBox::into_raw(unsafe { Pin::into_inner_unchecked(node) });
        // INVARIANT: Registered just now. The rest is the caller's promise.
        let this = Self {
            // SAFETY: The pointer comes from a box and is not null.
            node: unsafe { NonNull::new_unchecked(node) },
            device,
            // SAFETY: The video device is registered.
            reference: Some(unsafe { reference(video) }),
            _node: PhantomData,
        };
        // SAFETY: The video device is registered, the media device initialised. When
        // registering it fails, it has no node, by which `drop` knows.
        unsafe {
            to_result(bindings::v4l2_m2m_register_media_controller(
                this.device.m2m_dev(),
                video,
                // CAST: A small constant.
                bindings::MEDIA_ENT_F_PROC_VIDEO_SCALER as c_int,
            ))
            .inspect_err(|_| bindings::helper_media_device_drop_entities(media))?;
            to_result(bindings::__media_device_register(media, owner)).inspect_err(|_| {
                bindings::v4l2_m2m_unregister_media_controller(this.device.m2m_dev());
            })?;
        }
        Ok(this)
    }

    /// The video device, for the tests.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn video(&self) -> *mut bindings::video_device {
        // SAFETY: By the type invariant the node is valid.
        unsafe { self.node.as_ref() }.video.get()
    }

    /// The media device's mutex for requests, for the tests.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn requests(&self) -> *mut bindings::mutex {
        // SAFETY: By the type invariant the node is valid.
        unsafe { &raw mut (*self.node.as_ref().media.get()).req_queue_mutex }
    }

    /// The N of `/dev/videoN`.
    pub(super) fn number(&self) -> u16 {
        // SAFETY: By the type invariant the node is valid.
        unsafe { (*self.node.as_ref().video.get()).num }
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the node is valid, until `self` is gone.
        let node = unsafe { self.node.as_ref() };
        // SAFETY: Both were registered by `new`.
        unsafe {
            bindings::video_unregister_device(node.video.get());
            bindings::v4l2_device_unregister(node.v4l2.get());
        }
        // Whoever is about to open the device finds it gone.
        drop(node.device.lock().take());
        // Whoever is about to start a frame, too.
        self.device.binding().end();
        let Some(video) = self.reference.take() else {
            return;
        };
        // SAFETY: By the type invariant that is the node's video device.
        let remains = unsafe { Remains::new(self.node, self.device.clone(), video) };
        if remains.take_away(&self.device).is_err() {
            // SAFETY: By the type invariant the parent is bound.
            T::abandon(self.device.data(), unsafe {
                self.device.parent().as_bound()
            });
        }
    }
}
