// SPDX-License-Identifier: GPL-2.0

//! Abstractions that the kernel crate lacks and that are not media: registers, interrupts, timers,
//! runtime PM and clocks that are undone when they are dropped or their device is unbound, and the
//! guard for code that may run after that. Nothing here depends on a particular device.

pub(crate) mod adapter;
pub(crate) mod binding;
pub(crate) mod clock;
pub(crate) mod debugfs;
#[allow(dead_code, reason = "for drivers that have no hardware")]
pub(crate) mod delayed;
pub(crate) mod irq;
#[cfg(CONFIG_KUNIT = "y")]
pub(crate) mod kunit;
pub(crate) mod limit;
pub(crate) mod pm;
pub(crate) mod registers;
pub(crate) mod timer;
#[allow(dead_code, reason = "for drivers that have no hardware")]
pub(crate) mod virtual_device;
pub(crate) mod workers;

mod bindings {
    //! The C functions and types of `bindings.h`, as the module's own bindgen run generates them.

    #![allow(
        clippy::all,
        clippy::as_underscore,
        clippy::cast_lossless,
        clippy::ptr_as_ptr,
        clippy::ref_as_ptr,
        clippy::undocumented_unsafe_blocks,
        dead_code,
        improper_ctypes,
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        unnecessary_transmutes,
        unreachable_pub,
        unsafe_op_in_unsafe_fn
    )]

    type __kernel_size_t = usize;
    type __kernel_ssize_t = isize;
    type __kernel_ptrdiff_t = isize;

    include!(concat!(
        env!("BINDINGS_DIR"),
        "/platform/bindings_generated.rs"
    ));
}
