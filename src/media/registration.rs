// SPDX-License-Identifier: GPL-2.0

//! Registering the nodes of a mem2mem device, and what is done when the driver is unbound.

use super::{
    bindings,
    callbacks::{
        file,
        ioctl,
        requests, //
    },
    device::Device,
    node::{
        self,
        Node, //
    },
    operations::Operations,
    unregister::Remains, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    device,
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

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
        let callbacks = node::Callbacks {
            file: &file::Callbacks::<T>::OPS,
            ioctl: &ioctl::Callbacks::<T>::OPS,
            media: &requests::Callbacks::<T>::OPS,
        };
        // SAFETY: These are for a `Node<T>`.
        let node = unsafe { Node::new(&device, owner, &callbacks)? };
        let video = node.video();
        let media = node.media();

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
            reference: Some(unsafe { node::reference(video) }),
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
        unsafe { self.node.as_ref() }.video()
    }

    /// The media device's mutex for requests, for the tests.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn requests(&self) -> *mut bindings::mutex {
        // SAFETY: By the type invariant the node is valid.
        unsafe { &raw mut (*self.node.as_ref().media()).req_queue_mutex }
    }

    /// The N of `/dev/videoN`.
    pub(super) fn number(&self) -> u16 {
        // SAFETY: By the type invariant the node is valid.
        unsafe { (*self.node.as_ref().video()).num }
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the node is valid, until `self` is gone.
        let node = unsafe { self.node.as_ref() };
        // SAFETY: Both were registered by `new`.
        unsafe {
            bindings::video_unregister_device(node.video());
            bindings::v4l2_device_unregister(node.v4l2());
        }
        // Whoever is about to open the device finds it gone.
        node.let_go();
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
