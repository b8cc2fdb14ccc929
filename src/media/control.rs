// SPDX-License-Identifier: GPL-2.0

//! The control handler of one open file, with the controls that the driver
//! describes: a two-dimensional array of `u32` whose dimensions the driver may
//! change, and numbers and menus beside it.

use super::bindings;
use core::{
    marker::PhantomPinned,
    ptr,
    slice, //
};
use kernel::{
    container_of,
    error::to_result,
    ffi::{
        c_char,
        c_void, //
    },
    prelude::*,
    types::Opaque, //
};

/// `V4L2_CID_HFLIP`.
pub(crate) const CID_HFLIP: u32 = bindings::V4L2_CID_HFLIP;
/// `V4L2_CID_VFLIP`.
pub(crate) const CID_VFLIP: u32 = bindings::V4L2_CID_VFLIP;
/// The first control identifier of the range that is divided between drivers.
pub(crate) const CID_USER_BASE: u32 = bindings::V4L2_CID_USER_BASE;

/// The description of a driver's array control.
pub(crate) struct Array {
    /// Control identifier (`V4L2_CID_…`).
    pub(crate) id: u32,
    /// Name shown to users.
    pub(crate) name: &'static CStr,
    /// Columns and rows, until [`Dimensions::set`] changes them.
    pub(crate) dimensions: (u32, u32),
}

impl Array {
    /// The most elements of an array. V4L2 allocates two values of 4 bytes for each, and kvzalloc()
    /// refuses more than `INT_MAX` bytes.
    const MAX_ELEMENTS: u32 = i32::MAX.unsigned_abs() / 8;

    /// Returns whether V4L2 can have an array of these dimensions.
    const fn is_possible((columns, rows): (u32, u32)) -> bool {
        match columns.checked_mul(rows) {
            Some(elements) => elements > 0 && elements <= Self::MAX_ELEMENTS,
            None => false,
        }
    }
}

/// The description of a control with one value.
pub(crate) struct Number {
    /// Control identifier (`V4L2_CID_…`).
    pub(crate) id: u32,
    /// Name shown to users.
    pub(crate) name: &'static CStr,
    /// The values that the control can have.
    pub(crate) kind: Kind,
    /// Whether the control only has an effect while the array has its defaults. It is inactive
    /// (`V4L2_CTRL_FLAG_INACTIVE`) after the array was set, until the array gets its defaults
    /// again.
    pub(crate) of_default: bool,
    /// The initial value. The driver must start with it, because V4L2 calls no callback for it.
    pub(crate) default: u8,
}

/// The values that a control can have.
pub(crate) enum Kind {
    /// `V4L2_CTRL_TYPE_BOOLEAN`: 0 or 1.
    Boolean,
    /// `V4L2_CTRL_TYPE_INTEGER`: 0 up to this number.
    Integer(u8),
    /// `V4L2_CTRL_TYPE_MENU`: the number of an item. There must be at least one item.
    Menu(&'static [Item]),
}

/// The name of a menu's item.
#[repr(transparent)]
pub(crate) struct Item(*const c_char);

impl Item {
    /// Creates an item with the name `name`.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self(name.to_bytes_with_nul().as_ptr())
    }
}

// SAFETY: The string is static, and never changed.
unsafe impl Sync for Item {}

/// Returns whether each menu has an item, because V4L2 assumes that there is a first one.
const fn have_items(mut numbers: &[Number]) -> bool {
    while let [number, rest @ ..] = numbers {
        if let Kind::Menu([]) = number.kind {
            return false;
        }
        numbers = rest;
    }
    true
}

/// The controls that every open file of a driver has, and the C callbacks that V4L2 calls for them.
///
/// # Invariants
///
/// V4L2 can have an array of the dimensions of `array`, and each menu has an item.
pub(super) struct Set {
    array: Array,
    numbers: &'static [Number],
    ops: &'static bindings::v4l2_ctrl_ops,
    type_ops: &'static bindings::v4l2_ctrl_type_ops,
}

impl Set {
    /// Creates a set of the array control, for which V4L2 also calls `type_ops`, and the controls
    /// with one value. It must be evaluated at compile time, so that the compiler rejects controls
    /// that V4L2 cannot have.
    pub(super) const fn new(
        array: Array,
        numbers: &'static [Number],
        ops: &'static bindings::v4l2_ctrl_ops,
        type_ops: &'static bindings::v4l2_ctrl_type_ops,
    ) -> Self {
        assert!(Array::is_possible(array.dimensions));
        assert!(have_items(numbers));
        // INVARIANT: Both conditions were checked above.
        Self {
            array,
            numbers,
            ops,
            type_ops,
        }
    }
}

/// A [`struct v4l2_ctrl_handler`] and its array control.
///
/// V4L2 takes its mutex for every access to a control, also around the callbacks of its [`Set`];
/// the methods here take it as well. If the open file's own lock is held, it was taken before the
/// mutex. A lock that the driver takes in those callbacks is taken after it.
///
/// # Invariants
///
/// `raw` is initialised, and `array` is a control of it.
///
/// [`struct v4l2_ctrl_handler`]: srctree/include/media/v4l2-ctrls.h
#[pin_data(PinnedDrop)]
pub(crate) struct Handler {
    #[pin]
    raw: Opaque<bindings::v4l2_ctrl_handler>,
    array: *mut bindings::v4l2_ctrl,
    #[pin]
    _pin: PhantomPinned,
}

impl Handler {
    /// Creates the handler with the controls of `set`. V4L2 calls the callback for the array's
    /// default during this call.
    ///
    /// # Safety
    ///
    /// V4L2 must be allowed to call the callbacks of `set` for the handler at this address, from
    /// now on until the handler is dropped.
    pub(super) unsafe fn new(set: &'static Set) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            // SAFETY: `slot` is valid for writes; only addresses of its fields are computed.
            let raw = Opaque::cast_into(unsafe { &raw const (*slot).raw });
            // SAFETY: `raw` is valid for writes.
            let result = to_result(unsafe {
                raw.write_bytes(0, 1);
                // CAST: A driver has few controls.
                bindings::helper_v4l2_ctrl_handler_init(raw, 1 + set.numbers.len() as u32)
            });
            let config = bindings::v4l2_ctrl_config {
                ops: set.ops,
                type_ops: set.type_ops,
                id: set.array.id,
                name: set.array.name.as_char_ptr(),
                type_: bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_U32,
                max: i64::from(u32::MAX),
                step: 1,
                dims: [set.array.dimensions.0, set.array.dimensions.1, 0, 0],
                ..Default::default()
            };
            let array = result.and_then(|()| {
                // SAFETY: The handler is initialised, and V4L2 copies `config`, whose pointers are
                // static. By the safety requirements V4L2 may call the callbacks, which it does
                // during this call.
                let array =
                    unsafe { bindings::v4l2_ctrl_new_custom(raw, &config, ptr::null_mut()) };
                // SAFETY: The handler is initialised.
                to_result(unsafe { (*raw).error })?;
                // V4L2 does not store every failure to allocate the array in the handler.
                if array.is_null() {
                    return Err(ENOMEM);
                }
                for number in set.numbers {
                    // SAFETY: The handler is initialised, and by the safety requirements V4L2 may
                    // call the callbacks for it.
                    unsafe { Self::add(raw, set.ops, number)? };
                }
                Ok(array)
            });
            match array {
                Ok(array) => {
                    // INVARIANT: The handler is initialised, and `array` is a control of it.
                    // SAFETY: `slot` is valid for writes.
                    unsafe { (&raw mut (*slot).array).write(array) };
                    Ok(())
                }
                Err(error) => {
                    // SAFETY: `v4l2_ctrl_handler_init` was called for `raw`. V4L2 requires
                    // `v4l2_ctrl_handler_free` after that, even if it failed.
                    unsafe { bindings::v4l2_ctrl_handler_free(raw) };
                    Err(error)
                }
            }
        };
        // SAFETY: `init` initialises every field that is not zero-sized when it returns `Ok`, and
        // leaves nothing to release when it returns an error.
        unsafe { pin_init::pin_init_from_closure(init) }
    }

    /// Adds a control with one value.
    ///
    /// # Safety
    ///
    /// `raw` must be an initialised handler for which V4L2 may call `ops`.
    unsafe fn add(
        raw: *mut bindings::v4l2_ctrl_handler,
        ops: &'static bindings::v4l2_ctrl_ops,
        number: &Number,
    ) -> Result {
        let mut config = bindings::v4l2_ctrl_config {
            ops,
            id: number.id,
            name: number.name.as_char_ptr(),
            def: i64::from(number.default),
            ..Default::default()
        };
        match number.kind {
            Kind::Boolean => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN;
                config.max = 1;
                config.step = 1;
            }
            Kind::Integer(max) => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER;
                config.max = i64::from(max);
                config.step = 1;
            }
            Kind::Menu(items) => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU;
                // CAST: A menu is short.
                config.max = items.len() as i64 - 1;
                config.qmenu = items.as_ptr().cast();
            }
        }
        // The mark for `helper_v4l2_ctrl_activate`. The pointer is only compared with null.
        let marked: *mut c_void = match number.of_default {
            true => raw.cast(),
            false => ptr::null_mut(),
        };
        // SAFETY: By the safety requirements the handler is initialised. V4L2 copies `config`, and
        // the names that it points at are static.
        unsafe {
            bindings::v4l2_ctrl_new_custom(raw, &config, marked);
            to_result((*raw).error)
        }
    }

    /// Frees the controls, and removes them from every request that contains them, even if such a
    /// request is being released at the same time. Dropping the handler does nothing more then.
    ///
    /// # Safety
    ///
    /// The media device's `req_queue_mutex` must be held. No ioctl may be in flight on the file,
    /// and none of its requests may wait to be settled, so that nothing is added to a request any
    /// more. This must be the first call.
    pub(super) unsafe fn free(&self) {
        // SAFETY: By the type invariant the handler is initialised. By the safety requirements it
        // was not freed before, and is not added to further requests. The mutex is held, as both
        // functions require.
        unsafe {
            bindings::helper_v4l2_ctrl_leave_requests(self.raw.get());
            bindings::v4l2_ctrl_handler_free(self.raw.get());
        }
    }

    /// Returns the C handler.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_ctrl_handler {
        self.raw.get()
    }

    /// Returns the handler whose C structure is `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the C handler of a `Self`.
    pub(super) unsafe fn from_raw(raw: *mut bindings::v4l2_ctrl_handler) -> *const Self {
        // SAFETY: By the safety requirements the C handler is a field of a `Self`.
        unsafe { container_of!(Opaque::cast_from(raw), Self, raw) }
    }

    /// Runs `f` with the array's current elements, row by row, and with the controls locked.
    pub(crate) fn with_array<R>(&self, f: impl FnOnce(&[u32]) -> R) -> R {
        // SAFETY: By the type invariant the handler is initialised.
        let lock = unsafe { (*self.raw.get()).lock };
        // SAFETY: `lock` is the handler's mutex.
        unsafe { bindings::helper_mutex_lock(lock) };
        // SAFETY: By the type invariant the control is valid, and while its handler
        // is locked neither its memory nor its length changes.
        let elements = unsafe {
            slice::from_raw_parts(
                (*self.array).p_cur.p_u32.cast_const(),
                // CAST: `usize` is at least 32 bits wide.
                (*self.array).elems as usize,
            )
        };
        let result = f(elements);
        // SAFETY: The mutex was locked above.
        unsafe { bindings::helper_mutex_unlock(lock) };
        result
    }
}

/// Allows its holder to change the dimensions of an open file's array control. While it exists, no
/// other thread is in an ioctl about controls of that file.
///
/// # Invariants
///
/// The lock that serialises the ioctls about controls of the file is held.
pub(crate) struct Dimensions<'a>(&'a Handler);

impl<'a> Dimensions<'a> {
    /// Creates one for the array of `controls`.
    ///
    /// # Safety
    ///
    /// The lock that serialises the ioctls of the file must be held during `'a`.
    pub(super) unsafe fn of(controls: &'a Handler) -> Self {
        // INVARIANT: By the safety requirements.
        Self(controls)
    }

    /// Gives the array `columns` and `rows`, and gives its elements their defaults, even if the
    /// dimensions do not change.
    ///
    /// `EINVAL` for a zero dimension or more elements than V4L2 can count, `ENOMEM` if there is no
    /// memory.
    pub(crate) fn set(&self, columns: u32, rows: u32) -> Result {
        if !Array::is_possible((columns, rows)) {
            return Err(EINVAL);
        }
        let mut dimensions = [columns, rows, 0, 0];
        // SAFETY: By the handler's type invariant the control is valid. The function reads four
        // dimensions, and the number of elements does not overflow. By this type's invariant no
        // ioctl is between reading the array's length and using it.
        to_result(unsafe {
            bindings::helper_v4l2_ctrl_modify_dimensions(self.0.array, dimensions.as_mut_ptr())
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Handler {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the handler is initialised, and it has no user any more.
        unsafe { bindings::v4l2_ctrl_handler_free(self.raw.get()) };
    }
}
