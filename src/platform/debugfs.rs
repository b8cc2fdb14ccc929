// SPDX-License-Identifier: GPL-2.0

//! Debugfs files that show something of a device, and numbers that can be read and set. The kernel
//! crate's debugfs files hold no reference to the module while they are open: if a program closes
//! one after the module was unloaded, the kernel jumps to code that was freed.

use super::bindings;
use core::ptr;
use kernel::{
    bindings::{
        dentry,
        seq_file, //
    },
    device::{
        Bound,
        Device, //
    },
    devres,
    ffi::{
        c_int,
        c_void, //
    },
    fmt,
    prelude::*,
    seq_file::{
        seq_print,
        SeqFile, //
    },
    sync::{
        atomic::Atomic,
        Arc, //
    }, //
};

/// A number of a `T` that can be read and set.
pub(crate) type Number<T> = fn(&T) -> &Atomic<u32>;

/// Prints the contents of a file about a `T`.
pub(crate) type Show<T> = fn(&Arc<T>, &mut fmt::Formatter<'_>) -> fmt::Result;

/// A debugfs file.
///
/// # Invariants
///
/// `c` is the first field, because the C side has a pointer to `c` only.
#[repr(C)]
struct File<T> {
    c: bindings::helper_shown,
    show: Show<T>,
    data: Arc<T>,
}

impl<T: Sync + Send> File<T> {
    /// Prints the file of `seq`.
    ///
    /// # Safety
    ///
    /// Only the C side may call this, for a file that is not removed, with the `seq_file` of that
    /// file.
    unsafe extern "C" fn show(seq: *mut seq_file, _: *mut c_void) -> c_int {
        // SAFETY: `private` is the pointer that the C side was given for this file, which is not
        // removed. By the type invariant it points to the first field of a `Self`.
        let this = unsafe { &*(*seq).private.cast::<Self>() };
        // SAFETY: By the safety requirements `seq` is the C side's own `seq_file`.
        let seq = unsafe { SeqFile::from_raw(seq) };
        seq_print!(seq, "{}", Shown(this));
        0
    }
}

/// The contents of a file, for printing.
struct Shown<'a, T>(&'a File<T>);

impl<T> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0.show)(&self.0.data, f)
    }
}

/// A directory with files. Dropping it removes them, and waits for those that are being printed or
/// set.
///
/// # Invariants
///
/// `dir` is the result of `debugfs_create_dir()`. Its files are `_files`, which stay in place; its
/// numbers are those of `_data`.
struct Directory<T> {
    dir: *mut dentry,
    _files: KVec<File<T>>,
    _data: Arc<T>,
}

// SAFETY: The directory may be removed by any thread.
unsafe impl<T: Send + Sync> Send for Directory<T> {}

impl<T> Drop for Directory<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `dir` is the result of `debugfs_create_dir()`. The function
        // ignores an error in its place.
        unsafe { bindings::helper_debugfs_remove(self.dir) };
    }
}

/// Creates a directory with the name of `device`, with files that show `data`, and with numbers of
/// `data` that can be read and set, each under its name. Unbinding `device` removes it. The module
/// stays loaded while one of the files is open. A kernel without debugfs shows nothing.
pub(crate) fn create_directory<T: Send + Sync + 'static>(
    device: &Device<Bound>,
    data: &Arc<T>,
    files: &[(&'static CStr, Show<T>)],
    numbers: &[(&'static CStr, Number<T>)],
) -> Result {
    let mut kept = KVec::with_capacity(files.len(), GFP_KERNEL)?;
    for (_, show) in files {
        let file = File {
            c: bindings::helper_shown {
                show: Some(File::<T>::show),
            },
            show: *show,
            data: data.clone(),
        };
        kept.push(file, GFP_KERNEL)?;
    }
    // SAFETY: The name is a string, which is copied.
    let dir = unsafe { bindings::helper_debugfs_create_dir(device.name().as_char_ptr()) };
    for ((name, _), file) in files.iter().zip(&kept) {
        // SAFETY: The name is a string, which is copied. The file lives until the directory is
        // removed, and is not printed after that.
        unsafe {
            bindings::helper_debugfs_create_file(
                name.as_char_ptr(),
                dir,
                ptr::from_ref(file).cast_mut().cast(),
            )
        };
    }
    for (name, number) in numbers {
        // SAFETY: The name is a string, which is copied. The number lives until the directory is
        // removed, because `directory` holds a reference to the data, and any value may be stored
        // in it.
        unsafe {
            bindings::helper_debugfs_create_number(name.as_char_ptr(), dir, number(data).as_ptr())
        };
    }
    // INVARIANT: `dir` was created above, with these files and numbers.
    let directory = Directory {
        dir,
        _files: kept,
        _data: data.clone(),
    };
    devres::register(device, directory, GFP_KERNEL)
}
