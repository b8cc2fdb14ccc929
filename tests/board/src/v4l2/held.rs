// SPDX-License-Identifier: GPL-2.0

//! Memory that keeps the kernel waiting: a process with `userfaultfd` can make an ioctl wait
//! for a page.

use std::ffi::c_void;
use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::ioctl_readwrite;
use nix::libc::{self, O_CLOEXEC, O_NONBLOCK};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::{Errno, PollFlags, wait};

/// `struct uffdio_api` of `linux/userfaultfd.h`.
#[repr(C)]
#[derive(Default)]
pub struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

/// `struct uffdio_register` of `linux/userfaultfd.h`.
#[repr(C)]
#[derive(Default)]
pub struct Register {
    start: u64,
    len: u64,
    mode: u64,
    ioctls: u64,
}

/// `UFFD_API`.
const API: u64 = 0xaa;
/// `UFFDIO_REGISTER_MODE_MISSING`.
const MISSING: u64 = 1;

ioctl_readwrite!(uffdio_api, 0xaa, 0x3f, Api);
ioctl_readwrite!(uffdio_register, 0xaa, 0x00, Register);

/// Bytes of held memory.
const LENGTH: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// Memory of zeroes whose reader or writer waits until the value is dropped or
/// [`HeldMemory::let_go`] is called.
pub struct HeldMemory {
    /// Reports the waiting threads, and releases them when it is closed.
    faults: Mutex<Option<File>>,
    start: NonNull<c_void>,
}

// SAFETY: The pointer is only passed to the kernel, and never dereferenced.
unsafe impl Sync for HeldMemory {}

impl HeldMemory {
    /// Maps a megabyte. Returns `ENOSYS` on a kernel without `CONFIG_USERFAULTFD`.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: The only argument of the call is its flags.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };
        let fd = Errno::result(fd)?;
        // CAST: It is a file descriptor.
        // SAFETY: The kernel has just opened the descriptor for this process, which owns it.
        let faults = unsafe { File::from_raw_fd(fd as i32) };
        let mut api = Api {
            api: API,
            ..Api::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { uffdio_api(faults.as_raw_fd(), &mut api) }?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: The kernel chooses a free address range.
        let start = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_PRIVATE) }?;
        let mut register = Register {
            start: start.as_ptr() as u64,
            len: LENGTH.get() as u64,
            mode: MISSING,
            ioctls: 0,
        };
        // SAFETY: The range belongs to this value, and has never been accessed.
        let registered = unsafe { uffdio_register(faults.as_raw_fd(), &mut register) };
        let this = Self {
            faults: Mutex::new(Some(faults)),
            start,
        };
        registered.map(|_| this)
    }

    /// Returns the address of the memory. A thread that accesses it waits.
    pub fn as_ptr(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    /// Reads from a file into the memory. Returns how many bytes were read.
    pub fn read_from(&self, file: &File) -> Result<usize, Errno> {
        // SAFETY: The memory has this length, and no thread of this process reads it.
        let read = unsafe { libc::read(file.as_raw_fd(), self.as_ptr(), LENGTH.get()) };
        // CAST: It is not negative, because that is an error.
        Errno::result(read).map(|read| read as usize)
    }

    /// Writes the memory to a file. Returns how many bytes were written.
    pub fn write_to(&self, file: &File) -> Result<usize, Errno> {
        // SAFETY: The memory has this length, and no thread of this process changes it.
        let written = unsafe { libc::write(file.as_raw_fd(), self.as_ptr(), LENGTH.get()) };
        // CAST: It is not negative, because that is an error.
        Errno::result(written).map(|written| written as usize)
    }

    /// Waits until a thread waits for the memory. Returns `false` if none does in that time.
    pub fn is_touched(&self, patience: Duration) -> Result<bool, Errno> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.as_ref().map_or(Ok(false), |faults| {
            Ok(wait(faults, PollFlags::POLLIN, patience)?.contains(PollFlags::POLLIN))
        })
    }

    /// Releases all waiting threads, which find zeroes.
    pub fn let_go(&self) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.let_go();
        // SAFETY: `new` mapped the memory. If the call fails it stays mapped, which is
        // harmless.
        let _ = unsafe { munmap(self.start, LENGTH.get()) };
    }
}
