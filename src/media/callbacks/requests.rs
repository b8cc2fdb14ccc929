// SPDX-License-Identifier: GPL-2.0

//! The functions that the media core calls to create, check, queue and free a request.

use crate::media::{
    bindings,
    device::Use,
    file::File,
    module::Loaded,
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

/// A request. The media core's structure is its first field.
#[repr(C)]
struct Request<T: Operations> {
    _raw: Opaque<bindings::media_request>,
    _usage: Use<T>,
    /// It is dropped last, and code of this module still runs after that. Unloading waits for it
    /// all the same: [`Remains`](crate::media::unregister) waits until the media core has
    /// decremented its counter of requests. If creating the request failed, the open media device
    /// keeps the module.
    _module: Loaded,
}

/// The C callbacks of the media device of `T`.
pub(in super::super) struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    const HAS_REQUESTS: bool = {
        assert!(T::HAS_PREPARE_CONTROLS == T::HAS_APPLY_CONTROLS);
        T::HAS_PREPARE_CONTROLS
    };

    /// The callbacks; none of them for a driver without requests.
    pub(in super::super) const OPS: bindings::media_device_ops = match Self::HAS_REQUESTS {
        true => bindings::media_device_ops {
            link_notify: None,
            req_alloc: Some(Self::req_alloc),
            req_free: Some(Self::req_free),
            req_validate: Some(Self::req_validate),
            req_queue: Some(queue::<T>),
        },
        false => bindings::media_device_ops {
            link_notify: None,
            req_alloc: None,
            req_free: None,
            req_validate: None,
            req_queue: None,
        },
    };

    /// Creates a request. It keeps the module and the device until it is freed: the media core only
    /// ensures that the media device is open.
    ///
    /// # Safety
    ///
    /// Only the media core may call this, with the media device of a `Node<T>`.
    unsafe extern "C" fn req_alloc(
        media: *mut bindings::media_device,
    ) -> *mut bindings::media_request {
        // SAFETY: By the safety requirements `media` is the media device of a `Node<T>`, which is
        // not freed while the media device is open.
        let node = unsafe { Node::<T>::of_media(media) };
        let (Some(usage), Some(module)) = (node.usage(), node.hold_module()) else {
            return ptr::null_mut();
        };
        let request = Request {
            _raw: Opaque::zeroed(),
            _usage: usage,
            _module: module,
        };
        match KBox::new(request, GFP_KERNEL) {
            Ok(request) => KBox::into_raw(request).cast(),
            Err(_) => ptr::null_mut(),
        }
    }

    /// Frees a request.
    ///
    /// # Safety
    ///
    /// Only the media core may call this, for a request that [`Self::req_alloc`] created.
    unsafe extern "C" fn req_free(request: *mut bindings::media_request) {
        // SAFETY: By the safety requirements the request comes from a box, of which the media
        // core's structure is the first field.
        drop(unsafe { KBox::from_raw(request.cast::<Request<T>>()) });
    }

    /// Checks a request as [`validate`] does; `ENODEV` if the device is unregistered.
    ///
    /// # Safety
    ///
    /// Only the media core may call this, with its `req_queue_mutex` held.
    unsafe extern "C" fn req_validate(raw: *mut bindings::media_request) -> c_int {
        from_result(|| {
            // SAFETY: The request is valid and being validated. Its media device is that of a
            // `Node<T>`, which is not freed while there is a request, and whose files are those of
            // the request's buffers and controls.
            unsafe {
                if !Node::<T>::of_media((*raw).mdev).is_registered() {
                    return Err(ENODEV);
                }
                validate::<T>(raw)?;
            }
            Ok(0)
        })
    }
}

/// Checks a request and prepares its controls. If it fails, it leaves nothing prepared.
///
/// `ENOENT` if the request has no buffer. `EINVAL` if it has more than one, because its controls
/// are applied to one frame, or if it has controls of another file, which would never be completed.
/// Also the errors of the driver's checks of controls and buffers.
///
/// # Safety
///
/// `request` must be a request of a `File<T>` that is being validated.
unsafe fn validate<T: Operations>(request: *mut bindings::media_request) -> Result {
    // SAFETY: The request is valid, and its objects do not change.
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
    // SAFETY: `queue_init` stored the file in the queue, and the file exists while a request has
    // one of the queue's buffers.
    let file = unsafe { &*(*(*buffer).vb2_queue).drv_priv.cast::<File<T>>() };
    // SAFETY: The request is valid, and its objects do not change.
    if !unsafe { bindings::helper_media_request_is_of(request, file.handle.controls.as_raw()) } {
        return Err(EINVAL);
    }
    {
        // While the lock is held, `VIDIOC_S_FMT` cannot change the dimensions of an array, which
        // would invalidate the request's value. `vb2_request_validate` below takes the lock itself.
        let _guard = file.handle.lock.lock();
        // SAFETY: By the safety requirements the request is being validated. The lock is held until
        // the end of this block, where `controls` is dropped first.
        let controls = unsafe { Controls::of(request, &file.handle.controls) };
        let mut set = 0;
        for (index, control) in T::CONTROLS.iter().enumerate() {
            set |= u32::from(controls.has(control.id)) << index;
        }
        let ticket = Ticket::new(file.context.prepare_controls(&controls)?, set)?;
        file.settlement.note_request();
        // SAFETY: vb2 allocated a slot for the buffer. Only the request, which is not queued yet,
        // has the buffer.
        unsafe { Slot::note(buffer.cast()) }.ticket = Some(ticket);
    }
    // SAFETY: The request is valid.
    to_result(unsafe { bindings::vb2_request_validate(request) }).inspect_err(|_| {
        // SAFETY: The buffer has a slot, and only the request has the buffer.
        drop(
            unsafe { Slot::<T::Prepared>::note(buffer.cast()) }
                .ticket
                .take(),
        );
    })
}

/// Queues a request: binds its ticket, and gives its buffer to mem2mem.
///
/// # Safety
///
/// [`validate`] must have succeeded for `request`, and the caller must be the media core.
unsafe extern "C" fn queue<T: Operations>(request: *mut bindings::media_request) {
    // SAFETY: The media core has set the request's state to queued. `validate` stored a ticket at
    // the request's buffer, which only the request has yet. The ticket stays in place until it is
    // settled, when the media core releases it.
    unsafe {
        let buffer = bindings::helper_media_request_buffer(request);
        if let Some(ticket) = &Slot::<T::Prepared>::note(buffer.cast()).ticket {
            ticket.bind(request, (*(*buffer).vb2_queue).drv_priv);
        }
        bindings::v4l2_m2m_request_queue(request);
    }
}
