// SPDX-License-Identifier: GPL-2.0

//! The functions that V4L2 calls for the controls of an open file. Their handler is locked, except
//! while it is being created.

use crate::media::{
    bindings,
    control::{
        Set,
        Value, //
    },
    file::File,
    operations::Operations,
    order::Change, //
};
use core::{
    marker::PhantomData,
    slice, //
};
use kernel::prelude::*;

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
    pub(super) const SET: Set = Set::new(T::CONTROLS, &Self::OPS, &Self::TYPE_OPS);

    const OPS: bindings::v4l2_ctrl_ops = bindings::v4l2_ctrl_ops {
        g_volatile_ctrl: None,
        try_ctrl: None,
        s_ctrl: Some(Self::s_ctrl),
    };

    const TYPE_OPS: bindings::v4l2_ctrl_type_ops = bindings::v4l2_ctrl_type_ops {
        equal: Some(bindings::v4l2_ctrl_type_op_equal),
        init: match T::HAS_ARRAY_DEFAULT {
            true => Some(Self::init),
            false => Some(bindings::v4l2_ctrl_type_op_init),
        },
        minimum: None,
        maximum: None,
        log: Some(bindings::v4l2_ctrl_type_op_log),
        validate: Some(bindings::v4l2_ctrl_type_op_validate),
    };

    unsafe extern "C" fn s_ctrl(ctrl: *mut bindings::v4l2_ctrl) -> kernel::ffi::c_int {
        // SAFETY: V4L2 calls this with a control that `Handler::new` created, while the handler
        // exists.
        let file = unsafe { &*File::<T>::of_controls((*ctrl).handler) };
        // SAFETY: `ctrl` is valid, and its kind does not change.
        let (id, is_array) = unsafe { ((*ctrl).id, (*ctrl).is_array() != 0) };
        let starting = &file.handle.starting;
        // The driver has few controls.
        let index = T::CONTROLS.iter().position(|control| control.id == id);
        let Some(index) = index else {
            return EINVAL.to_errno();
        };
        if let Some(change) = file.settlement.setup_change() {
            // The value is that of a request, whose frame was started with it already. If the
            // control was set after that, the newer value stays: V4L2 does not store a value that
            // is marked as unchanged, and sends no event for it.
            if starting.lock().has_changed_since(change, index) {
                // SAFETY: `ctrl` is valid and its handler locked.
                unsafe { (*ctrl).set_has_changed(0) };
            }
        } else {
            // SAFETY: `ctrl` is valid, its handler is locked, and its new value has `elems`
            // elements of `u32` if it is an array; else it is one number.
            let value = unsafe {
                if is_array {
                    // CAST: `usize` is at least 32 bits wide.
                    let count = (*ctrl).elems as usize;
                    Value::Array(slice::from_raw_parts(
                        (*ctrl).p_new.p_u32.cast_const(),
                        count,
                    ))
                } else {
                    Value::Number(*(*ctrl).p_new.p_s32)
                }
            };
            let change = Change::new(starting, index);
            if let Err(error) = file.context.set_control(id, value, change) {
                return error.to_errno();
            }
        }
        if is_array {
            // Controls that only have an effect while the array has its defaults become inactive.
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
        // SAFETY: `ctrl` is valid.
        // CAST: `usize` is at least 32 bits wide.
        context.array_default(unsafe { (*ctrl).id }, elements, from as usize);
    }
}
