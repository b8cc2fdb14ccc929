// SPDX-License-Identifier: GPL-2.0

//! The control handler of one open file, with the controls that the driver describes: booleans,
//! integers, menus, and two-dimensional arrays of `u32` whose dimensions the driver may change.

use super::{
    bindings,
    lock::Lock, //
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
/// The first control identifier of the range that is divided between drivers.
pub(crate) const CID_USER_BASE: u32 = bindings::V4L2_CID_USER_BASE;

/// The description of a control.
pub(crate) struct Control {
    /// Control identifier (`V4L2_CID_…`).
    pub(crate) id: u32,
    /// Name shown to users.
    name: &'static CStr,
    /// The values that the control can have, and the first one. The driver must start with that,
    /// because V4L2 calls no callback for it.
    kind: Kind,
    /// Whether the control only has an effect while every array has its defaults.
    of_default: bool,
}

impl Control {
    /// Returns the description of a control.
    pub(crate) const fn new(id: u32, name: &'static CStr, kind: Kind) -> Self {
        Self {
            id,
            name,
            kind,
            of_default: false,
        }
    }

    /// Returns the description of a control that only has an effect while every array has its
    /// defaults. It is inactive (`V4L2_CTRL_FLAG_INACTIVE`) after an array was set, until an array
    /// gets its defaults again.
    pub(crate) const fn of_default(id: u32, name: &'static CStr, kind: Kind) -> Self {
        Self {
            id,
            name,
            kind,
            of_default: true,
        }
    }
}

/// The values that a control can have, and the first one.
pub(crate) enum Kind {
    /// `V4L2_CTRL_TYPE_BOOLEAN`, first false.
    Boolean,
    /// `V4L2_CTRL_TYPE_INTEGER`: the numbers from `min` to `max`.
    Integer { min: i32, max: i32, first: i32 },
    /// `V4L2_CTRL_TYPE_MENU`: the number of an item. There must be at least one item.
    Menu { items: &'static [Item], first: u8 },
    /// An array of `V4L2_CTRL_TYPE_U32` with two dimensions, until [`Dimensions::set`] changes
    /// them. Its first elements are those of [`array_default`].
    ///
    /// [`array_default`]: super::operations::Operations::array_default
    Array { columns: u32, rows: u32 },
}

impl Kind {
    /// The most elements of an array. V4L2 allocates two values of 4 bytes for each, and kvzalloc()
    /// refuses more than `INT_MAX` bytes.
    const MAX_ELEMENTS: u32 = i32::MAX.unsigned_abs() / 8;

    /// Returns whether V4L2 can have an array of these dimensions.
    const fn has_room(columns: u32, rows: u32) -> bool {
        match columns.checked_mul(rows) {
            Some(elements) => elements > 0 && elements <= Self::MAX_ELEMENTS,
            None => false,
        }
    }

    /// Returns whether V4L2 can have a control of this kind. It assumes that a menu has an item.
    const fn is_possible(&self) -> bool {
        match *self {
            Self::Boolean => true,
            Self::Integer { min, max, first } => min <= first && first <= max,
            Self::Menu { items, first } => (first as usize) < items.len(),
            Self::Array { columns, rows } => Self::has_room(columns, rows),
        }
    }
}

/// A value that userspace gives a control.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    /// That of a boolean, an integer or a menu.
    Number(i32),
    /// The elements of an array, row by row.
    Array(&'a [u32]),
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

/// The controls that every open file of a driver has, and the C callbacks that V4L2 calls for them.
///
/// # Invariants
///
/// V4L2 can have each of the controls.
pub(super) struct Set {
    controls: &'static [Control],
    ops: &'static bindings::v4l2_ctrl_ops,
    type_ops: &'static bindings::v4l2_ctrl_type_ops,
}

impl Set {
    /// Creates a set of controls. V4L2 also calls `type_ops` for arrays. It must be evaluated at
    /// compile time, so that the compiler rejects controls that V4L2 cannot have.
    pub(super) const fn new(
        controls: &'static [Control],
        ops: &'static bindings::v4l2_ctrl_ops,
        type_ops: &'static bindings::v4l2_ctrl_type_ops,
    ) -> Self {
        // A ticket has one bit for each control.
        // CAST: 32 is small.
        assert!(controls.len() <= u32::BITS as usize);
        let mut rest = controls;
        while let [control, others @ ..] = rest {
            assert!(control.kind.is_possible());
            rest = others;
        }
        // INVARIANT: Each control was checked above.
        Self {
            controls,
            ops,
            type_ops,
        }
    }

    /// Returns the number of controls.
    pub(super) fn len(&self) -> usize {
        self.controls.len()
    }

    /// Returns the configuration of one of the controls for V4L2.
    fn config(&self, control: &Control) -> bindings::v4l2_ctrl_config {
        let mut config = bindings::v4l2_ctrl_config {
            ops: self.ops,
            id: control.id,
            name: control.name.as_char_ptr(),
            step: 1,
            ..Default::default()
        };
        match control.kind {
            Kind::Boolean => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN;
                config.max = 1;
            }
            Kind::Integer { min, max, first } => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER;
                config.min = min.into();
                config.max = max.into();
                config.def = first.into();
            }
            Kind::Menu { items, first } => {
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU;
                // CAST: A menu is short.
                config.max = items.len() as i64 - 1;
                config.step = 0;
                config.def = first.into();
                config.qmenu = items.as_ptr().cast();
            }
            Kind::Array { columns, rows } => {
                config.type_ops = self.type_ops;
                config.type_ = bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_U32;
                config.max = u32::MAX.into();
                config.dims = [columns, rows, 0, 0];
            }
        }
        config
    }
}

/// A [`struct v4l2_ctrl_handler`].
///
/// V4L2 takes its mutex for every access to a control, also around the callbacks of its [`Set`],
/// except while [`Handler::new`] runs; the methods here take it as well. `Handle::ioctls` and
/// `Handle::lock` are taken before this mutex, and `Handle::starting` and the driver's locks after
/// it.
///
/// # Invariants
///
/// `raw` is initialised.
///
/// [`struct v4l2_ctrl_handler`]: srctree/include/media/v4l2-ctrls.h
#[pin_data(PinnedDrop)]
pub(crate) struct Handler {
    #[pin]
    raw: Opaque<bindings::v4l2_ctrl_handler>,
    set: &'static Set,
    #[pin]
    _pin: PhantomPinned,
}

impl Handler {
    /// Creates the handler with the controls of `set`. V4L2 calls the callback for the default of
    /// an array during this call.
    ///
    /// # Safety
    ///
    /// V4L2 must be allowed to call the callbacks of `set` for the handler at this address, from
    /// now on until the handler is dropped.
    pub(super) unsafe fn new(set: &'static Set) -> impl PinInit<Self, Error> {
        // INVARIANT: The handler is initialised if there is no error.
        try_pin_init!(Self {
            set,
            raw <- Opaque::try_ffi_init(move |raw: *mut bindings::v4l2_ctrl_handler| {
                // SAFETY: `raw` is valid for writes. By the safety requirements V4L2 may call the
                // callbacks for it. It requires `v4l2_ctrl_handler_free` even after a failure.
                unsafe {
                    raw.write_bytes(0, 1);
                    Self::add_all(raw, set).inspect_err(|_| {
                        bindings::v4l2_ctrl_handler_free(raw);
                    })
                }
            }),
            _pin: PhantomPinned,
        })
    }

    /// Initialises a handler and adds its controls.
    ///
    /// # Safety
    ///
    /// `raw` must be zeroed, and V4L2 must be allowed to call the callbacks of `set` for it. It
    /// calls the one for the default of an array during this call.
    unsafe fn add_all(raw: *mut bindings::v4l2_ctrl_handler, set: &'static Set) -> Result {
        // SAFETY: By the safety requirements. The handler is initialised before a control is added
        // to it. V4L2 copies a control's configuration, whose pointers are to static data; the mark
        // is only compared with null.
        unsafe {
            // CAST: A driver has few controls.
            let count = set.controls.len() as u32;
            to_result(bindings::helper_v4l2_ctrl_handler_init(raw, count))?;
            for control in set.controls {
                // The mark for `helper_v4l2_ctrl_activate`.
                let mark: *mut c_void = match control.of_default {
                    true => raw.cast(),
                    false => ptr::null_mut(),
                };
                let added = bindings::v4l2_ctrl_new_custom(raw, &set.config(control), mark);
                to_result((*raw).error)?;
                // V4L2 does not store every failure to allocate an array in the handler.
                if added.is_null() {
                    return Err(ENOMEM);
                }
            }
            Ok(())
        }
    }

    /// Frees the controls, and removes them from every request that contains them, even if such a
    /// request is being released at the same time. Dropping the handler does nothing more then.
    ///
    /// # Safety
    ///
    /// If the driver has requests, the media device's `req_queue_mutex` must be held. No ioctl may
    /// be in flight on the file, and none of its requests may wait to be settled, so that nothing
    /// is added to a request any more. The function must not be called twice.
    pub(super) unsafe fn free(&self) {
        // SAFETY: By the type invariant the handler is initialised. By the safety requirements it
        // was not freed before, and is not added to further requests. If there may be requests, the
        // mutex is held, as both functions require then.
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

    /// Returns whether `id` is that of an array control.
    pub(super) fn is_array(&self, id: u32) -> bool {
        let is = |control: &Control| control.id == id && matches!(control.kind, Kind::Array { .. });
        self.set.controls.iter().any(is)
    }

    /// Returns the array control with identifier `id`, which is not null; `EINVAL` if there is
    /// none.
    fn array(&self, id: u32) -> Result<*mut bindings::v4l2_ctrl> {
        // SAFETY: By the type invariant the handler is initialised.
        let control = unsafe { bindings::v4l2_ctrl_find(self.raw.get(), id) };
        match self.is_array(id) && !control.is_null() {
            true => Ok(control),
            false => Err(EINVAL),
        }
    }

    /// Calls `f` once, with all current elements of an array control in the order of the rows, and
    /// with the controls locked; `EINVAL` if `id` is not that of an array.
    pub(crate) fn with_array<R>(&self, id: u32, f: impl FnOnce(&[u32]) -> Result<R>) -> Result<R> {
        let array = self.array(id)?;
        // SAFETY: By the type invariant the handler is initialised, and has its mutex.
        let _guard = unsafe { Lock::borrow((*self.raw.get()).lock) }.lock();
        // SAFETY: The control is one of the handler, and while that is locked neither its memory
        // nor its length changes. All arrays are of `u32`.
        let elements = unsafe {
            slice::from_raw_parts(
                (*array).p_cur.p_u32.cast_const(),
                // CAST: `usize` is at least 32 bits wide.
                (*array).elems as usize,
            )
        };
        f(elements)
    }
}

/// Allows its holder to change the dimensions of an open file's array controls. While it exists, no
/// other thread is in an ioctl about controls of that file, and no request of the file is
/// validated.
///
/// # Invariants
///
/// The queue lock of the file (`Handle::lock`) and the lock that serialises its ioctls
/// (`Handle::ioctls`) are held.
pub(crate) struct Dimensions<'a>(&'a Handler);

impl<'a> Dimensions<'a> {
    /// Creates one for the arrays of `controls`.
    ///
    /// # Safety
    ///
    /// The queue lock of the file and the lock that serialises its ioctls must be held during `'a`.
    pub(super) unsafe fn of(controls: &'a Handler) -> Self {
        // INVARIANT: By the safety requirements.
        Self(controls)
    }

    /// Gives the array control with identifier `id` `columns` and `rows`, and gives its elements
    /// their defaults, even if the dimensions do not change.
    ///
    /// `EINVAL` for a zero dimension, for more elements than V4L2 can allocate, or if there is no
    /// such array; `ENOMEM` if there is no memory. It locks the controls, and V4L2 calls
    /// `Operations::array_default` with them locked.
    pub(crate) fn set(&self, id: u32, columns: u32, rows: u32) -> Result {
        if !Kind::has_room(columns, rows) {
            return Err(EINVAL);
        }
        let array = self.0.array(id)?;
        let mut dimensions = [columns, rows, 0, 0];
        // SAFETY: The control is one of the handler. The function reads four dimensions, and the
        // number of elements does not overflow. By this type's invariant no ioctl is between
        // reading the array's length and using it.
        to_result(unsafe {
            bindings::helper_v4l2_ctrl_modify_dimensions(array, dimensions.as_mut_ptr())
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
