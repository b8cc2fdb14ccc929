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
/// First of the control identifiers that are divided up between drivers.
pub(crate) const CID_USER_BASE: u32 = bindings::V4L2_CID_USER_BASE;

/// What a driver says of its array control.
pub(crate) struct Array {
    /// Control identifier (`V4L2_CID_…`).
    pub(crate) id: u32,
    /// Name shown to users.
    pub(crate) name: &'static CStr,
    /// Columns and rows until [`Dimensions::set`] says otherwise.
    pub(crate) dimensions: (u32, u32),
}

impl Array {
    /// V4L2 allocates two values at once, and multiplies in 32 bits.
    const MAX_ELEMENTS: u32 = i32::MAX.unsigned_abs() / 8;

    /// Whether V4L2 can have an array of these dimensions.
    const fn is_possible((columns, rows): (u32, u32)) -> bool {
        match columns.checked_mul(rows) {
            Some(elements) => elements > 0 && elements <= Self::MAX_ELEMENTS,
            None => false,
        }
    }
}

/// What a driver says of a control with one value.
pub(crate) struct Number {
    /// Control identifier (`V4L2_CID_…`).
    pub(crate) id: u32,
    /// Name shown to users.
    pub(crate) name: &'static CStr,
    /// Its values.
    pub(crate) kind: Kind,
    /// Whether it only has an effect while the array has its defaults. It is inactive
    /// (`V4L2_CTRL_FLAG_INACTIVE`) from when the array is set until it gets its defaults again.
    pub(crate) of_default: bool,
    /// The value that it has at first, which the driver takes for granted.
    pub(crate) default: u8,
}

/// The values of a control.
pub(crate) enum Kind {
    /// `V4L2_CTRL_TYPE_BOOLEAN`: 0 or 1.
    Boolean,
    /// `V4L2_CTRL_TYPE_INTEGER`: 0 up to this.
    Integer(u8),
    /// `V4L2_CTRL_TYPE_MENU`: the number of an item. There has to be one.
    Menu(&'static [Item]),
}

/// The name of a menu's item.
#[repr(transparent)]
pub(crate) struct Item(*const c_char);

impl Item {
    /// An item called `name`.
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self(name.to_bytes_with_nul().as_ptr())
    }
}

// SAFETY: The string is static, and never changed.
unsafe impl Sync for Item {}

/// Whether each menu has an item: V4L2 takes the first one for granted.
const fn have_items(mut numbers: &[Number]) -> bool {
    while let [number, rest @ ..] = numbers {
        if let Kind::Menu([]) = number.kind {
            return false;
        }
        numbers = rest;
    }
    true
}

/// The controls of every open file of a driver, and the C callbacks that V4L2 has for them.
///
/// # Invariants
///
/// V4L2 can have an array of these dimensions, and each menu has an item.
pub(super) struct Set {
    array: Array,
    numbers: &'static [Number],
    ops: &'static bindings::v4l2_ctrl_ops,
    type_ops: &'static bindings::v4l2_ctrl_type_ops,
}

impl Set {
    /// The array control, with `type_ops` besides, and the numbers. To be evaluated by the compiler,
    /// which refuses what V4L2 cannot have.
    pub(super) const fn new(
        array: Array,
        numbers: &'static [Number],
        ops: &'static bindings::v4l2_ctrl_ops,
        type_ops: &'static bindings::v4l2_ctrl_type_ops,
    ) -> Self {
        assert!(Array::is_possible(array.dimensions));
        assert!(have_items(numbers));
        // INVARIANT: Checked just now.
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
/// Its mutex is taken by V4L2 for every access to a control, also around the
/// callbacks of its [`Set`]; the methods here take it, too. Where the open file's own lock is held, it was taken before;
/// any lock that the driver takes in those callbacks is taken after.
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
    /// Creates the handler with the controls of `set`. V4L2 asks the callbacks for the array's
    /// default at once.
    ///
    /// # Safety
    ///
    /// V4L2 must be allowed to call the callbacks of `set` for the handler in this place, from now on
    /// until the handler is dropped.
    pub(super) unsafe fn new(set: &'static Set) -> impl PinInit<Self, Error> {
        let init = move |slot: *mut Self| {
            // SAFETY: `slot` is valid for writes; only addresses of its fields are computed.
            let raw = Opaque::cast_into(unsafe { &raw const (*slot).raw });
            // SAFETY: `raw` is valid for writes.
            let result = to_result(unsafe {
                raw.write_bytes(0, 1);
                // CAST: A driver has a handful of controls.
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
                // SAFETY: The handler is initialised, and V4L2 copies `config`, whose
                // pointers are static. By the caller's promise the callbacks may run, which
                // they do in this very call.
                let array =
                    unsafe { bindings::v4l2_ctrl_new_custom(raw, &config, ptr::null_mut()) };
                // SAFETY: The handler is initialised.
                to_result(unsafe { (*raw).error })?;
                // Not every failure to allocate the array is noted in the handler.
                if array.is_null() {
                    return Err(ENOMEM);
                }
                for number in set.numbers {
                    // SAFETY: As above.
                    unsafe { Self::add(raw, set.ops, number)? };
                }
                Ok(array)
            });
            match array {
                Ok(array) => {
                    // INVARIANT: The handler is initialised, and made the control.
                    // SAFETY: `slot` is valid for writes.
                    unsafe { (&raw mut (*slot).array).write(array) };
                    Ok(())
                }
                Err(error) => {
                    // SAFETY: `raw` was initialised, if not successfully: freeing is
                    // what V4L2 asks for in both cases.
                    unsafe { bindings::v4l2_ctrl_handler_free(raw) };
                    Err(error)
                }
            }
        };
        // SAFETY: `init` initialises every field that is not zero-sized when it
        // returns `Ok`, and leaves nothing behind when it does not.
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
        // What `helper_v4l2_ctrl_activate` looks for; it is not a pointer to anything.
        let marked: *mut c_void = match number.of_default {
            true => raw.cast(),
            false => ptr::null_mut(),
        };
        // SAFETY: The handler is initialised by the caller's promise. V4L2 copies `config`, and
        // the names that it points at are static.
        unsafe {
            bindings::v4l2_ctrl_new_custom(raw, &config, marked);
            to_result((*raw).error)
        }
    }

    /// Frees the controls, and takes them out of every request that holds them, also when one is
    /// being released at the same time. Dropping the handler does nothing more.
    ///
    /// # Safety
    ///
    /// The media device's `req_queue_mutex` must be held, no ioctl be under way on the file and
    /// none of its requests wait to be settled: nothing is put into a request any more. It must
    /// be the first call.
    pub(super) unsafe fn free(&self) {
        // SAFETY: By the type invariant the handler is initialised, and by the caller's promise not
        // freed, and in no more requests than it is now. The mutex is held, as both functions
        // need.
        unsafe {
            bindings::helper_v4l2_ctrl_leave_requests(self.raw.get());
            bindings::v4l2_ctrl_handler_free(self.raw.get());
        }
    }

    /// The C handler.
    pub(super) fn as_raw(&self) -> *mut bindings::v4l2_ctrl_handler {
        self.raw.get()
    }

    /// The handler that V4L2 knows by `raw`.
    ///
    /// # Safety
    ///
    /// `raw` must be the C handler of a `Self`.
    pub(super) unsafe fn from_raw(raw: *mut bindings::v4l2_ctrl_handler) -> *const Self {
        // SAFETY: The C handler is a field of `Self` by the caller's promise.
        unsafe { container_of!(Opaque::cast_from(raw), Self, raw) }
    }

    /// Lends the array's current elements, row by row.
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
        // SAFETY: Locked above.
        unsafe { bindings::helper_mutex_unlock(lock) };
        result
    }
}

/// Changes the dimensions of an open file's array control. There is one while nobody but its
/// holder is in an ioctl about controls of that file.
///
/// # Invariants
///
/// The lock that ioctls about controls of the file take turns with is held.
pub(crate) struct Dimensions<'a>(&'a Handler);

impl<'a> Dimensions<'a> {
    /// Those of the array of `controls`.
    ///
    /// # Safety
    ///
    /// The lock of the file that ioctls take turns with must be held for the time of `'a`.
    pub(super) unsafe fn of(controls: &'a Handler) -> Self {
        // INVARIANT: The caller's promise.
        Self(controls)
    }

    /// Gives the array `columns` and `rows`, and its elements their defaults,
    /// also when the dimensions are as before.
    ///
    /// `EINVAL` for a zero dimension or more elements than V4L2 can count, `ENOMEM` if there is no
    /// memory.
    pub(crate) fn set(&self, columns: u32, rows: u32) -> Result {
        if !Array::is_possible((columns, rows)) {
            return Err(EINVAL);
        }
        let mut dimensions = [columns, rows, 0, 0];
        // SAFETY: By the handler's type invariant the control is valid; four dimensions are what the
        // function reads, and so many elements do not overflow. By this type's invariant no ioctl is
        // between its look at the array's length and its use of that.
        to_result(unsafe {
            bindings::helper_v4l2_ctrl_modify_dimensions(self.0.array, dimensions.as_mut_ptr())
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Handler {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the handler is initialised; nobody else
        // knows it any more.
        unsafe { bindings::v4l2_ctrl_handler_free(self.raw.get()) };
    }
}
