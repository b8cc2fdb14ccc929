// SPDX-License-Identifier: GPL-2.0

//! Files of debugfs that show something of a device, and numbers that can be set. The kernel crate's
//! files do not keep the module while they are open: a program that closes one after the module was
//! unloaded makes the kernel jump to code that is gone.

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

/// What a file shows of a `T`.
pub(crate) type Show<T> = fn(&Arc<T>, &mut fmt::Formatter<'_>) -> fmt::Result;

/// A file.
///
/// # Invariants
///
/// `c` is the first field: it is what the C side knows.
#[repr(C)]
struct File<T> {
    c: bindings::helper_shown,
    show: Show<T>,
    data: Arc<T>,
}

impl<T: Sync + Send> File<T> {
    /// # Safety
    ///
    /// To be called by the C side for a file that is there, with its own `seq_file`.
    unsafe extern "C" fn show(seq: *mut seq_file, _: *mut c_void) -> c_int {
        // SAFETY: The C side stored what it knows, the first field of a `Self`.
        let this = unsafe { &*(*seq).private.cast::<Self>() };
        // SAFETY: The caller's promise.
        let seq = unsafe { SeqFile::from_raw(seq) };
        seq_print!(seq, "{}", Shown(this));
        0
    }
}

/// What a file shows.
struct Shown<'a, T>(&'a File<T>);

impl<T> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0.show)(&self.0.data, f)
    }
}

/// A directory with files. Dropping it removes them, and waits for what is just being shown.
///
/// # Invariants
///
/// `dir` is what `debugfs_create_dir()` returned. Its files are `_files`, which stay in place; its
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
        // SAFETY: By the type invariant; an error in its place is fine.
        unsafe { bindings::helper_debugfs_remove(self.dir) };
    }
}

/// Shows `data` in these files, by name, and lets these numbers be set, in a directory of the name
/// of `device`, until that is unbound. A module stays while one of them is open. A kernel without
/// debugfs shows nothing.
pub(crate) fn show<T: Send + Sync + 'static>(
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
    // SAFETY: The name is a string, and copied.
    let dir = unsafe { bindings::helper_debugfs_create_dir(device.name().as_char_ptr()) };
    for ((name, _), file) in files.iter().zip(&kept) {
        // SAFETY: Both live until the directory is removed, which is what opens them.
        unsafe {
            bindings::helper_debugfs_create_file(
                name.as_char_ptr(),
                dir,
                ptr::from_ref(file).cast_mut().cast(),
            )
        };
    }
    for (name, number) in numbers {
        // SAFETY: The name is a string, and copied. The number lives until the directory is removed,
        // which refers to the data, and any value may be stored in it.
        unsafe {
            bindings::helper_debugfs_create_number(name.as_char_ptr(), dir, number(data).as_ptr())
        };
    }
    // INVARIANT: Made just now, with these files and numbers.
    let directory = Directory {
        dir,
        _files: kept,
        _data: data.clone(),
    };
    devres::register(device, directory, GFP_KERNEL)
}
