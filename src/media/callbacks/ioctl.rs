// SPDX-License-Identifier: GPL-2.0

//! The ioctls of a mem2mem video device.
//!
//! Ioctls about buffers and streams are functions of mem2mem, which the V4L2 core calls with the
//! queue lock held (`Handle::lock`). All others but `VIDIOC_DQEVENT` are serialised for each file
//! by `Handle::ioctls`, which the file operation takes, see [`takes_turns`]: they may wait for
//! userspace, and for a stream of the file that is being stopped, and other files do not wait with
//! them. An ioctl that excludes operations on buffers also takes the queue lock.

use crate::media::{
    bindings,
    control::Dimensions,
    file::File,
    format::{
        Api,
        Direction,
        PixelFormat,
        Rect, //
    },
    operations::Operations, //
};
use core::marker::PhantomData;
use kernel::{
    error::from_result,
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_void, //
    },
    ioctl::{
        _IOC_NR,
        _IOC_TYPE, //
    },
    prelude::*, //
};

/// The C callbacks of the ioctls of `T`.
pub(in super::super) struct Callbacks<T: Operations>(PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
    const MULTI_PLANAR: bindings::v4l2_ioctl_ops = {
        let mut ops = Self::BOTH;
        ops.vidioc_g_fmt_vid_cap_mplane = Some(call::<T, GetFmt>);
        ops.vidioc_g_fmt_vid_out_mplane = Some(call::<T, GetFmt>);
        ops.vidioc_try_fmt_vid_cap_mplane = Some(call::<T, TryFmt>);
        ops.vidioc_try_fmt_vid_out_mplane = Some(call::<T, TryFmt>);
        ops.vidioc_s_fmt_vid_cap_mplane = Some(call::<T, SetFmt>);
        ops.vidioc_s_fmt_vid_out_mplane = Some(call::<T, SetFmt>);
        ops
    };

    const SINGLE_PLANAR: bindings::v4l2_ioctl_ops = {
        let mut ops = Self::BOTH;
        ops.vidioc_g_fmt_vid_cap = Some(call::<T, GetFmt>);
        ops.vidioc_g_fmt_vid_out = Some(call::<T, GetFmt>);
        ops.vidioc_try_fmt_vid_cap = Some(call::<T, TryFmt>);
        ops.vidioc_try_fmt_vid_out = Some(call::<T, TryFmt>);
        ops.vidioc_s_fmt_vid_cap = Some(call::<T, SetFmt>);
        ops.vidioc_s_fmt_vid_out = Some(call::<T, SetFmt>);
        ops
    };

    /// The callbacks that do not depend on the API.
    const BOTH: bindings::v4l2_ioctl_ops = {
        // SAFETY: All members are optional function pointers, for which zero means [`None`].
        let mut ops: bindings::v4l2_ioctl_ops = unsafe { core::mem::zeroed() };
        ops.vidioc_querycap = Some(call::<T, QueryCap>);
        ops.vidioc_enum_fmt_vid_cap = Some(call::<T, EnumFmt>);
        ops.vidioc_enum_fmt_vid_out = Some(call::<T, EnumFmt>);
        ops.vidioc_enum_framesizes = Some(call::<T, EnumFrameSizes>);
        assert!(T::HAS_CROP == T::HAS_SET_CROP);
        if T::HAS_CROP {
            ops.vidioc_g_selection = Some(call::<T, GetSelection>);
            ops.vidioc_s_selection = Some(call::<T, SetSelection>);
        }
        ops.vidioc_reqbufs = Some(Self::reqbufs);
        ops.vidioc_create_bufs = Some(bindings::v4l2_m2m_ioctl_create_bufs);
        ops.vidioc_remove_bufs = Some(bindings::v4l2_m2m_ioctl_remove_bufs);
        ops.vidioc_prepare_buf = Some(bindings::v4l2_m2m_ioctl_prepare_buf);
        ops.vidioc_querybuf = Some(bindings::v4l2_m2m_ioctl_querybuf);
        ops.vidioc_qbuf = Some(bindings::v4l2_m2m_ioctl_qbuf);
        ops.vidioc_dqbuf = Some(bindings::v4l2_m2m_ioctl_dqbuf);
        ops.vidioc_expbuf = Some(bindings::v4l2_m2m_ioctl_expbuf);
        ops.vidioc_streamon = Some(bindings::v4l2_m2m_ioctl_streamon);
        ops.vidioc_streamoff = Some(bindings::v4l2_m2m_ioctl_streamoff);
        ops.vidioc_log_status = Some(Self::log_status);
        ops.vidioc_subscribe_event = Some(bindings::v4l2_ctrl_subscribe_event);
        ops.vidioc_unsubscribe_event = Some(bindings::v4l2_event_unsubscribe);
        ops
    };

    /// Returns the callbacks for `api`.
    pub(in super::super) fn ops(api: Api) -> &'static bindings::v4l2_ioctl_ops {
        match api {
            Api::SinglePlanar => &Self::SINGLE_PLANAR,
            Api::MultiPlanar => &Self::MULTI_PLANAR,
        }
    }

    unsafe extern "C" fn reqbufs(
        file: *mut bindings::file,
        private: *mut c_void,
        wanted: *mut bindings::v4l2_requestbuffers,
    ) -> c_int {
        // SAFETY: The V4L2 core calls this for `VIDIOC_REQBUFS`, with the lock of the file's queues
        // held. It accepts two types only, and both have a queue.
        unsafe {
            let queues = &File::<T>::from_raw(file).handle.queues;
            if let Some(direction) = Direction::of((*wanted).type_) {
                // vb2 would return queued buffers with its `mmap_lock` held, see the helper.
                bindings::helper_vb2_give_up(queues.queue(direction), wanted);
            }
            bindings::v4l2_m2m_ioctl_reqbufs(file, private, wanted)
        }
    }

    unsafe extern "C" fn log_status(file: *mut bindings::file, private: *mut c_void) -> c_int {
        // SAFETY: The V4L2 core calls this for `VIDIOC_LOG_STATUS`. Both types have a queue.
        unsafe {
            if !bindings::helper_may_log_status() {
                return 0;
            }
            let this = File::<T>::from_raw(file);
            for direction in [Direction::Output, Direction::Capture] {
                let mut format = bindings::v4l2_format {
                    // The function reads `pix_mp`, whatever the API.
                    type_: direction.buffer_type(Api::MultiPlanar),
                    ..Default::default()
                };
                this.context.format(direction).store(&mut format);
                bindings::helper_log_queue(file, this.handle.queues.queue(direction), &format);
            }
            bindings::v4l2_ctrl_log_status(file, private)
        }
    }
}

/// An ioctl about an open file, with its argument.
trait Ioctl<T: Operations> {
    type Argument;

    /// Handles the ioctl. `argument` is the V4L2 core's copy of userspace's argument. No other code
    /// uses the copy during the call.
    fn handle(file: &File<T>, argument: &mut Self::Argument) -> Result;
}

/// Calls the ioctl `I`, for the V4L2 core.
///
/// # Safety
///
/// Only the V4L2 core may call this, for the ioctl `I` on an open file of a `Device<T>`.
unsafe extern "C" fn call<T: Operations, I: Ioctl<T>>(
    file: *mut bindings::file,
    _private: *mut c_void,
    argument: *mut I::Argument,
) -> c_int {
    // SAFETY: The file is not closed while an ioctl is in flight on it. The V4L2 core copied the
    // argument from userspace, for this call only.
    let (file, argument) = unsafe { (File::<T>::from_raw(file), &mut *argument) };
    from_result(|| I::handle(file, argument).map(|()| 0))
}

/// `VIDIOC_QUERYCAP`.
enum QueryCap {}

impl<T: Operations> Ioctl<T> for QueryCap {
    type Argument = bindings::v4l2_capability;

    fn handle(_file: &File<T>, capability: &mut Self::Argument) -> Result {
        copy_string(&mut capability.driver, T::NAME);
        copy_string(&mut capability.card, T::CARD);
        Ok(())
    }
}

/// `VIDIOC_ENUM_FMT`.
enum EnumFmt {}

impl<T: Operations> Ioctl<T> for EnumFmt {
    type Argument = bindings::v4l2_fmtdesc;

    fn handle(_file: &File<T>, description: &mut Self::Argument) -> Result {
        let direction = Direction::of(description.type_).ok_or(EINVAL)?;
        description.pixelformat = T::nth_format(direction, description.index).ok_or(EINVAL)?;
        Ok(())
    }
}

/// `VIDIOC_ENUM_FRAMESIZES`.
enum EnumFrameSizes {}

impl<T: Operations> Ioctl<T> for EnumFrameSizes {
    type Argument = bindings::v4l2_frmsizeenum;

    fn handle(_file: &File<T>, sizes: &mut Self::Argument) -> Result {
        if sizes.index != 0 {
            return Err(EINVAL);
        }
        let range = T::frame_sizes(sizes.pixel_format).ok_or(EINVAL)?;
        sizes.type_ = bindings::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_STEPWISE;
        sizes.__bindgen_anon_1.stepwise = bindings::v4l2_frmsize_stepwise {
            min_width: range.min.0,
            max_width: range.max.0,
            step_width: range.step.0,
            min_height: range.min.1,
            max_height: range.max.1,
            step_height: range.step.1,
        };
        Ok(())
    }
}

/// `VIDIOC_G_FMT`.
enum GetFmt {}

impl<T: Operations> Ioctl<T> for GetFmt {
    type Argument = bindings::v4l2_format;

    fn handle(file: &File<T>, format: &mut Self::Argument) -> Result {
        let direction = Direction::of(format.type_).ok_or(EINVAL)?;
        file.context.format(direction).store(format);
        Ok(())
    }
}

/// `VIDIOC_TRY_FMT`.
enum TryFmt {}

impl<T: Operations> Ioctl<T> for TryFmt {
    type Argument = bindings::v4l2_format;

    fn handle(file: &File<T>, format: &mut Self::Argument) -> Result {
        let direction = Direction::of(format.type_).ok_or(EINVAL)?;
        let wanted = PixelFormat::load(format);
        file.context.try_format(direction, &wanted).store(format);
        Ok(())
    }
}

/// `VIDIOC_S_FMT`.
enum SetFmt {}

impl<T: Operations> Ioctl<T> for SetFmt {
    type Argument = bindings::v4l2_format;

    fn handle(file: &File<T>, format: &mut Self::Argument) -> Result {
        let direction = Direction::of(format.type_).ok_or(EINVAL)?;
        let _guard = file.handle.lock.lock_interruptible()?;
        if file.handle.queues.is_busy(direction) {
            return Err(EBUSY);
        }
        file.settle();
        // SAFETY: The queue lock was taken above. The handle's `ioctls` is held until this returns:
        // `takes_turns` includes `VIDIOC_S_FMT`, and the V4L2 core calls this only in an ioctl,
        // from the file operation that takes that lock.
        let dimensions = unsafe { Dimensions::of(&file.handle.controls) };
        let wanted = PixelFormat::load(format);
        let set = file.context.set_format(direction, &wanted, dimensions)?;
        set.store(format);
        Ok(())
    }
}

/// `VIDIOC_G_SELECTION`.
enum GetSelection {}

impl<T: Operations> Ioctl<T> for GetSelection {
    type Argument = bindings::v4l2_selection;

    fn handle(file: &File<T>, selection: &mut Self::Argument) -> Result {
        on_output(selection)?;
        let (crop, all) = file.context.crop();
        selection.r = match selection.target {
            bindings::V4L2_SEL_TGT_CROP => crop,
            bindings::V4L2_SEL_TGT_CROP_DEFAULT | bindings::V4L2_SEL_TGT_CROP_BOUNDS => all,
            _ => return Err(EINVAL),
        }
        .to_raw();
        Ok(())
    }
}

/// `VIDIOC_S_SELECTION`.
enum SetSelection {}

impl<T: Operations> Ioctl<T> for SetSelection {
    type Argument = bindings::v4l2_selection;

    fn handle(file: &File<T>, selection: &mut Self::Argument) -> Result {
        on_output(selection)?;
        if selection.target != bindings::V4L2_SEL_TGT_CROP {
            return Err(EINVAL);
        }
        let wanted = Rect::from_raw(&selection.r);
        let set = file.context.set_crop(wanted, selection.flags)?;
        selection.r = set.to_raw();
        Ok(())
    }
}

/// Checks that `selection` is about frames of the OUTPUT queue.
///
/// `EINVAL` if not: the frames of the CAPTURE queue are written as a whole.
fn on_output(selection: &bindings::v4l2_selection) -> Result {
    // The V4L2 core replaces a multi-planar type by the single-planar one.
    if selection.type_ == bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// Copies a name into an argument's array, and truncates it if it is too long. The V4L2 core zeroed
/// the array, and the last byte stays zero.
fn copy_string(to: &mut [u8], from: &CStr) {
    let room = to.len().saturating_sub(1);
    for (to, from) in to.iter_mut().take(room).zip(from.to_bytes()) {
        *to = *from;
    }
}

/// Returns the number of a V4L2 ioctl; [`None`] for any other ioctl. The size of the argument is
/// not compared, because it differs for 32-bit programs.
fn number(command: c_uint) -> Option<c_uint> {
    (_IOC_TYPE(command) == c_uint::from(b'V')).then(|| _IOC_NR(command))
}

/// Returns whether the ioctl is serialised with the other ioctls of its file. Operations on the
/// queues take the lock of the queues instead, and `VIDIOC_DQEVENT` sleeps until there is an event.
pub(super) fn takes_turns(command: c_uint) -> bool {
    !matches!(
        number(command),
        Some(
            bindings::NR_REQBUFS
                | bindings::NR_QUERYBUF
                | bindings::NR_QBUF
                | bindings::NR_EXPBUF
                | bindings::NR_DQBUF
                | bindings::NR_STREAMON
                | bindings::NR_STREAMOFF
                | bindings::NR_CREATE_BUFS
                | bindings::NR_PREPARE_BUF
                | bindings::NR_REMOVE_BUFS
                | bindings::NR_DQEVENT
        )
    )
}

/// Returns whether an ioctl reads or sets controls: those of the file, or those of a request, which
/// can only be read when the request is complete.
pub(super) fn is_about_controls(command: c_uint) -> bool {
    matches!(
        number(command),
        Some(
            bindings::NR_G_CTRL
                | bindings::NR_S_CTRL
                | bindings::NR_G_EXT_CTRLS
                | bindings::NR_S_EXT_CTRLS
        )
    )
}

/// Returns whether the user of a request may expect it to be complete after an ioctl, and may
/// reinitialise it next. `VIDIOC_REQBUFS` may have stopped the stream before it failed.
pub(super) fn ends_requests(command: c_uint, result: c_long) -> bool {
    match number(command) {
        Some(bindings::NR_DQBUF | bindings::NR_STREAMOFF) => result == 0,
        Some(bindings::NR_REQBUFS) => true,
        _ => false,
    }
}
