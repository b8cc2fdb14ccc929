// SPDX-License-Identifier: GPL-2.0

//! What the media core calls for requests: to make, check, queue and free one.

use crate::media::{
    bindings,
    device::Use,
    file::File,
    node::Node,
    operations::Operations,
    request::{
        Controls,
        Slot,
        Ticket, //
    }, //
};
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    types::Opaque, //
};

/// A request, with the media core's part first.
#[repr(C)]
struct Request<T: Operations> {
    _raw: Opaque<bindings::media_request>,
    _usage: Use<T>,
}

/// The C callbacks of the media device of `T`.
pub(in crate::media) struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    pub(in crate::media) const OPS: bindings::media_device_ops = bindings::media_device_ops {
        link_notify: None,
        req_alloc: Some(Self::req_alloc),
        req_free: Some(Self::req_free),
        req_validate: Some(Self::req_validate),
        req_queue: Some(queue::<T>),
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
        let node = unsafe { Node::<T>::of_media(media) };
        let Some(usage) = node.usage() else {
            return ptr::null_mut();
        };
        // SAFETY: The module is there while the media device is open.
        if !unsafe { bindings::helper_try_module_get(node.owner()) } {
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
                unsafe { bindings::helper_module_put(node.owner()) };
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
            let owner = Node::<T>::of_media((*request).mdev).owner();
            drop(KBox::from_raw(request.cast::<Request<T>>()));
            bindings::helper_module_put(owner);
        }
    }

    /// Refuses a request with `ENODEV` when the device is unregistered, and otherwise as
    /// [`validate`] does.
    ///
    /// # Safety
    ///
    /// To be called by the media core, with its `req_queue_mutex` held.
    unsafe extern "C" fn req_validate(raw: *mut bindings::media_request) -> c_int {
        from_result(|| {
            // SAFETY: The request is valid, and its media device that of a `Node<T>`.
            let node = unsafe { Node::<T>::of_media((*raw).mdev) };
            if !node.is_registered() {
                return Err(ENODEV);
            }
            // SAFETY: The request is one of a file of this node.
            unsafe { validate::<T>(raw)? };
            Ok(0)
        })
    }
}

/// Checks a request and prepares what it brings, or leaves nothing behind.
///
/// `ENOENT` if it has no buffer, `EINVAL` if it has more than one, since mem2mem takes its
/// controls for those of one frame, or if it has controls of another file, which nobody would
/// complete.
///
/// # Safety
///
/// To be called for a request of a `File<T>` that is being validated.
unsafe fn validate<T: Operations>(request: *mut bindings::media_request) -> Result {
    // SAFETY: The request is valid, and its objects stay.
    let (count, buffer) = unsafe {
        (
            bindings::vb2_request_buffer_cnt(request),
            bindings::helper_media_request_buffer(request),
        )
    };
    if count > 1 {
        return Err(EINVAL);
    }
    if buffer.is_null() {
        return Err(ENOENT);
    }
    // SAFETY: A queue in which a request has a buffer has its file.
    let file = unsafe { &*(*(*buffer).vb2_queue).drv_priv.cast::<File<T>>() };
    // SAFETY: As for the first.
    if !unsafe { bindings::helper_media_request_is_of(request, file.handle.controls.as_raw()) } {
        return Err(EINVAL);
    }
    {
        // No format is set meanwhile, which could mark the request's values.
        let _guard = file.handle.lock.lock();
        // SAFETY: The caller's promise; the lock is held until the end of this block, where `controls` is
        // dropped first.
        let controls = unsafe { Controls::of(request, &file.handle.controls) };
        let ticket = Ticket::new(file.context.prepare_controls(&controls)?)?;
        file.settlement.use_it();
        // SAFETY: vb2 allocated a slot. The buffer is its request's, which is not queued yet.
        unsafe { Slot::note(buffer.cast()) }.ticket = Some(ticket);
    }
    // SAFETY: The request is valid.
    to_result(unsafe { bindings::vb2_request_validate(request) }).inspect_err(|_| {
        // SAFETY: As above, where it was put.
        drop(
            unsafe { Slot::<T::Prepared>::note(buffer.cast()) }
                .ticket
                .take(),
        );
    })
}

/// Queues a request.
///
/// # Safety
///
/// To be called for a request for which [`validate`] succeeded.
unsafe extern "C" fn queue<T: Operations>(request: *mut bindings::media_request) {
    // SAFETY: The media core has set the request to queued. `validate` left a ticket with the
    // request's buffer, which nobody but the request has yet. The ticket stays in place until it is settled, when the media core
    // lets go of it.
    unsafe {
        let buffer = bindings::helper_media_request_buffer(request);
        if let Some(ticket) = &Slot::<T::Prepared>::note(buffer.cast()).ticket {
            ticket.bind(request, (*(*buffer).vb2_queue).drv_priv);
        }
        bindings::v4l2_m2m_request_queue(request);
    }
}
