// SPDX-License-Identifier: GPL-2.0

//! The control handler of one open file, with the controls that the driver
//! describes: a two-dimensional array of `u32` whose dimensions the driver may
//! change, and numbers and menus beside it.

use super::{
    bindings,
    file::File,
    m2m::Operations, //
};
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

/// A [`struct v4l2_ctrl_handler`] and its array control.
///
/// Its mutex is taken by V4L2 for every access to a control, also around
/// [`Operations::array_default`] and [`Operations::set_array`]; the methods
/// here take it, too. Where the open file's own lock is held, it was taken before;
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

impl Handler {
    /// Creates the handler inside a [`File`] whose context is initialised
    /// already: V4L2 asks it for the array's default at once.
    ///
    /// # Safety
    ///
    /// The place must be the `controls` field of a `File<T>` whose `context` is
    /// initialised and remains so until the handler is dropped.
    pub(super) unsafe fn new<T: Operations>() -> impl PinInit<Self, Error> {
        const {
            assert!(Array::is_possible(T::ARRAY.dimensions));
            assert!(have_items(T::NUMBERS));
        }
        let init = |slot: *mut Self| {
            // SAFETY: `slot` is valid for writes; only addresses of its fields are computed.
            let raw = Opaque::cast_into(unsafe { &raw const (*slot).raw });
            // SAFETY: `raw` is valid for writes.
            let result = to_result(unsafe {
                raw.write_bytes(0, 1);
                // CAST: A driver has a handful of controls.
                bindings::helper_v4l2_ctrl_handler_init(raw, 1 + T::NUMBERS.len() as u32)
            });
            let config = bindings::v4l2_ctrl_config {
                ops: &Callbacks::<T>::OPS,
                type_ops: &Callbacks::<T>::TYPE_OPS,
                id: T::ARRAY.id,
                name: T::ARRAY.name.as_char_ptr(),
                type_: bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_U32,
                max: i64::from(u32::MAX),
                step: 1,
                dims: [T::ARRAY.dimensions.0, T::ARRAY.dimensions.1, 0, 0],
                ..Default::default()
            };
            let array = result.and_then(|()| {
                // SAFETY: The handler is initialised, and V4L2 copies `config`, whose
                // pointers are static. By the caller's promise the callbacks, which run
                // in this very call, find an initialised context.
                let array =
                    unsafe { bindings::v4l2_ctrl_new_custom(raw, &config, ptr::null_mut()) };
                // SAFETY: The handler is initialised.
                to_result(unsafe { (*raw).error })?;
                // Not every failure to allocate the array is noted in the handler.
                if array.is_null() {
                    return Err(ENOMEM);
                }
                for number in T::NUMBERS {
                    // SAFETY: As above.
                    unsafe { Self::add::<T>(raw, number)? };
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
    /// `raw` must be an initialised handler of a `File<T>`.
    unsafe fn add<T: Operations>(raw: *mut bindings::v4l2_ctrl_handler, number: &Number) -> Result {
        let mut config = bindings::v4l2_ctrl_config {
            ops: &Callbacks::<T>::OPS,
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

/// The C callbacks of the array control of `T`.
struct Callbacks<T: Operations>(core::marker::PhantomData<T>);

#[expect(
    clippy::missing_safety_doc,
    reason = "only C calls them, as its headers say it does"
)]
impl<T: Operations> Callbacks<T> {
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

    /// The open file that `ctrl` belongs to.
    ///
    /// # Safety
    ///
    /// `ctrl` must be a control of the handler of a `File<T>`.
    unsafe fn file(ctrl: *const bindings::v4l2_ctrl) -> *const File<T> {
        // SAFETY: `ctrl` is a valid control by the caller's promise.
        let raw = Opaque::cast_from(unsafe { (*ctrl).handler });
        // SAFETY: The C handler is a field of `Handler`, which is one of `File<T>`.
        unsafe {
            let handler: *const Handler = container_of!(raw, Handler, raw);
            container_of!(handler, File<T>, controls)
        }
    }

    unsafe extern "C" fn s_ctrl(ctrl: *mut bindings::v4l2_ctrl) -> kernel::ffi::c_int {
        // SAFETY: V4L2 calls this with a control that `Handler::new` made, while the
        // handler exists.
        let file = unsafe { &*Self::file(ctrl) };
        // SAFETY: `ctrl` is valid.
        let id = unsafe { (*ctrl).id };
        let is_array = id == T::ARRAY.id;
        if let Some(moment) = file.settlement.noting() {
            // The value is a request's, and its frame had it already. One that came after it
            // stays: V4L2 makes no value the current one that has not changed, and tells nobody.
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
                // SAFETY: As above; the value is that of a control of one number.
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
        // SAFETY: As in `s_ctrl`; `Handler::new`, which calls this too, finds the context
        // initialised, if not the rest of the file.
        let context = unsafe { &(*Self::file(ctrl)).context };
        // SAFETY: `ctrl` is valid and its handler is locked or not yet known to
        // anybody; `to` has `elems` elements.
        let elements = unsafe {
            // CAST: `usize` is at least 32 bits wide.
            slice::from_raw_parts_mut(to.p_u32, (*ctrl).elems as usize)
        };
        // CAST: As above.
        context.array_default(elements, from as usize);
    }
}
