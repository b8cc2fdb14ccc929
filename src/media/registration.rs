// SPDX-License-Identifier: GPL-2.0

//! Registers the nodes of a mem2mem device, and unregisters them when the driver is unbound.

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
        Kept,
        Node, //
    },
    operations::Operations,
    unregister::Remains, //
};
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::Arc, //
};

/// Keeps the nodes of a device registered.
///
/// Dropping it unregisters the nodes, ends the device's binding and stops the streams. The drop
/// waits for the running frame for a limited time, and does not wait for userspace. Neither is true
/// if there is no memory for the thread of [`unregister`](super::unregister).
///
/// # Invariants
///
/// `node` was registered. The device's parent is bound.
pub(super) struct Registration<T: Operations> {
    node: Kept<T>,
    device: Arc<Device<T>>,
}

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
            ioctl: ioctl::Callbacks::<T>::ops(device.api()),
            media: &requests::Callbacks::<T>::OPS,
        };
        // SAFETY: The callbacks are those for a `Node<T>`.
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
            // If the driver core does not accept the device, V4L2 does not free the device's name.
            // SAFETY: The device is not registered, so its name has no user. The name is null or
            // was allocated by `dev_set_name`; `kfree_const` accepts both.
            unsafe { bindings::kfree_const((*video).dev.kobj.name.cast()) };
        })?;
        // From now on the V4L2 core frees the node.
        // SAFETY: The node is not moved, and its video device was registered above. The pointer
        // comes from a box and is not null.
        let node = unsafe {
            let node = KBox::into_raw(Pin::into_inner_unchecked(node));
            Kept::new(NonNull::new_unchecked(node))
        };
        // INVARIANT: The node was registered above. By the safety requirements the parent is bound
        // until this is dropped.
        let this = Self { node, device };
        // SAFETY: The video device is registered, and the media device is initialised. If the media
        // device cannot be registered, its `devnode` is null, which `Remains::new` tests.
        unsafe {
            to_result(bindings::v4l2_m2m_register_media_controller(
                this.device.m2m_dev(),
                video,
                // CAST: The constant is small enough for `c_int`.
                bindings::MEDIA_ENT_F_PROC_VIDEO_SCALER as c_int,
            ))
            .inspect_err(|_| bindings::helper_media_device_drop_entities(media))?;
            to_result(bindings::__media_device_register(media, owner)).inspect_err(|_| {
                bindings::v4l2_m2m_unregister_media_controller(this.device.m2m_dev());
            })?;
        }
        Ok(this)
    }

    /// Returns the nodes, for the tests.
    #[cfg(CONFIG_KUNIT = "y")]
    pub(super) fn node(&self) -> &Kept<T> {
        &self.node
    }

    /// Returns the N of `/dev/videoN`.
    pub(super) fn number(&self) -> u16 {
        // SAFETY: The node's video device is valid.
        unsafe { (*self.node.video()).num }
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        let node = &self.node;
        // SAFETY: `new` registered both.
        unsafe {
            bindings::video_unregister_device(node.video());
            bindings::v4l2_device_unregister(node.v4l2());
        }
        // From here on an open that V4L2 accepted before also fails with `ENODEV`.
        node.let_go();
        // From here on no frame is started.
        self.device.binding().end();
        // SAFETY: The node is that of `self.device`. `new` registered its media device, or left
        // `devnode` null.
        let remains = unsafe { Remains::new(node.clone(), self.device.clone()) };
        if remains.take_away(&self.device).is_err() {
            // SAFETY: By the type invariant the parent is bound.
            T::abandon(self.device.data(), unsafe {
                self.device.parent().as_bound()
            });
        }
    }
}
