// SPDX-License-Identifier: GPL-2.0

//! The file operations of a video device, which open and close its files.

use super::{
    controls,
    ioctl,
    queues, //
};
use crate::media::{
    bindings,
    file::File,
    handle,
    node::Node,
    operations::Operations, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    prelude::*,
    sync::Arc, //
};

/// The C file operations of `T`.
pub(in super::super) struct Callbacks<T: Operations>(PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
    /// The callbacks that V4L2 and mem2mem call for an open file, a `File<T>`.
    pub(in super::super) const BELOW: handle::Callbacks = handle::Callbacks {
        controls: &controls::Callbacks::<T>::SET,
        queues: queues::Callbacks::<T>::queue_init,
    };

    pub(in super::super) const OPS: bindings::v4l2_file_operations =
        bindings::v4l2_file_operations {
            owner: core::ptr::null_mut(),
            read: None,
            write: None,
            poll: Some(bindings::v4l2_m2m_fop_poll),
            unlocked_ioctl: Some(Self::ioctl),
            // This callback is for ioctls of a driver's own. There are none.
            #[cfg(CONFIG_COMPAT)]
            compat_ioctl32: None,
            get_unmapped_area: None,
            mmap: Some(bindings::v4l2_m2m_fop_mmap),
            open: Some(Self::open),
            release: Some(Self::release),
        };

    unsafe extern "C" fn open(file: *mut bindings::file) -> c_int {
        from_result(|| {
            // SAFETY: V4L2 calls this for a file of the video device of a `Node<T>`, and holds a
            // reference to that device.
            let (video, device) = unsafe {
                let video = bindings::helper_file_to_video_device(file);
                (video, Node::<T>::usage_of(video).ok_or(ENODEV)?)
            };
            // SAFETY: V4L2 holds a reference to the video device. The callbacks are those of a
            // `File<T>`. `release` closes the file, and removes its handle from the list that it is
            // added to here.
            let this = unsafe {
                let this = File::open(video, device, &Self::BELOW)?;
                bindings::v4l2_fh_add(this.handle.as_raw(), file);
                this
            };
            // `release` takes this reference back.
            let _ = Arc::into_raw(this);
            Ok(0)
        })
    }

    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The file is not closed while an ioctl is in flight on it.
        let this = unsafe { File::<T>::from_raw(file) };
        from_result(|| {
            let turn = ioctl::takes_turns(command).then(|| this.handle.ioctls.lock_interruptible());
            let turn = turn.transpose()?;
            if ioctl::is_about_controls(command) {
                this.settle();
            }
            // SAFETY: V4L2 calls this function where a driver usually has `video_ioctl2`, with the
            // same arguments.
            let result = unsafe { bindings::video_ioctl2(file, command, argument) };
            drop(turn);
            if ioctl::ends_requests(command, result) {
                // No lock is held, so that a wait for a page of userspace does not delay unbinding.
                this.settle();
            }
            Ok(result)
        })
    }

    unsafe extern "C" fn release(file: *mut bindings::file) -> c_int {
        // SAFETY: V4L2 calls this once for a file that `open` opened and whose handle it added, and
        // holds a reference to its video device until this returns. No ioctl is in flight on the
        // file, and V4L2 holds `req_queue_mutex` if the driver has requests.
        unsafe {
            let this = Arc::from_raw(File::<T>::pointer(file));
            bindings::v4l2_fh_del(this.handle.as_raw(), file);
            File::close(this);
        }
        0
    }
}
