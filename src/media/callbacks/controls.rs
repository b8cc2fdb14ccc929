// SPDX-License-Identifier: GPL-2.0

//! The functions that V4L2 calls for the controls of an open file, with their handler locked.

use crate::media::{
    bindings,
    control::Set,
    file::File,
    operations::Operations, //
};
use core::{
    marker::PhantomData,
    slice, //
};

/// The C callbacks of the controls of `T`.
pub(super) struct Callbacks<T: Operations>(PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
    /// The controls with their callbacks. The callbacks may be called for the handler of a
    /// `File<T>` whose `context` is initialised; those that set a value may be called once the file
    /// is open.
    pub(super) const SET: Set = Set::new(T::ARRAY, T::NUMBERS, &Self::OPS, &Self::TYPE_OPS);

    const OPS: bindings::v4l2_ctrl_ops = bindings::v4l2_ctrl_ops {
        g_volatile_ctrl: None,
        try_ctrl: None,
        s_ctrl: Some(Self::s_ctrl),
    };

    const TYPE_OPS: bindings::v4l2_ctrl_type_ops = bindings::v4l2_ctrl_type_ops {
        equal: Some(bindings::v4l2_ctrl_type_op_equal),
        init: Some(Self::init),
        minimum: None,
        maximum: None,
        log: Some(bindings::v4l2_ctrl_type_op_log),
        validate: Some(bindings::v4l2_ctrl_type_op_validate),
    };

    unsafe extern "C" fn s_ctrl(ctrl: *mut bindings::v4l2_ctrl) -> kernel::ffi::c_int {
        // SAFETY: V4L2 calls this with a control that `Handler::new` created, while the handler
        // exists.
        let file = unsafe { &*File::<T>::of_controls((*ctrl).handler) };
        // SAFETY: `ctrl` is valid.
        let id = unsafe { (*ctrl).id };
        let is_array = id == T::ARRAY.id;
        if let Some(moment) = file.settlement.noting() {
            // The value is that of a request, whose frame was started with it already. If the
            // control was set after that, the newer value stays: V4L2 does not store a value that
            // is marked as unchanged, and sends no event for it.
            if file.context.has_changed_since(moment, id) {
                // SAFETY: `ctrl` is valid and its handler locked.
                unsafe { (*ctrl).set_has_changed(0) };
            }
        } else {
            let result = if is_array {
                // SAFETY: `ctrl` is valid, its handler is locked, and its new value has
                // `elems` elements.
                file.context.set_array(unsafe {
                    // CAST: `usize` is at least 32 bits wide.
                    slice::from_raw_parts((*ctrl).p_new.p_u32.cast_const(), (*ctrl).elems as usize)
                })
            } else {
                // SAFETY: `ctrl` is valid, its handler is locked, and its new value is that of a
                // control with one value.
                file.context.set_number(id, unsafe { *(*ctrl).p_new.p_s32 })
            };
            if let Err(error) = result {
                return error.to_errno();
            }
        }
        if is_array {
            // SAFETY: The handler is locked.
            unsafe { bindings::helper_v4l2_ctrl_activate((*ctrl).handler, false) };
        }
        0
    }

    unsafe extern "C" fn init(
        ctrl: *const bindings::v4l2_ctrl,
        from: u32,
        to: bindings::v4l2_ctrl_ptr,
    ) {
        // SAFETY: V4L2 calls this with a control that `Handler::new` created, while the handler
        // exists. `Handler::new` itself calls it too: then the context is initialised, if not the
        // rest of the file.
        let context = unsafe { &(*File::<T>::of_controls((*ctrl).handler)).context };
        // SAFETY: `ctrl` is valid. Its handler is locked, or not known to other code yet. `to` has
        // `elems` elements.
        let elements = unsafe {
            // CAST: `usize` is at least 32 bits wide.
            slice::from_raw_parts_mut(to.p_u32, (*ctrl).elems as usize)
        };
        // CAST: `usize` is at least 32 bits wide.
        context.array_default(elements, from as usize);
    }
}
