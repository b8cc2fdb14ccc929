// SPDX-License-Identifier: GPL-2.0

//! Memory that keeps the kernel waiting: what a process with `userfaultfd` can do to an ioctl.

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

/// `struct uffdio_register` there.
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

/// Bytes of memory held.
const LENGTH: NonZeroUsize = NonZeroUsize::new(1 << 20).unwrap();

/// Zeroes that nobody gets to see, but waits for, until the value is dropped or
/// [`HeldMemory::let_go`] is called.
pub struct HeldMemory {
    /// Tells who waits, and lets them go on when it is closed.
    faults: Mutex<Option<File>>,
    start: NonNull<c_void>,
}

// SAFETY: It only says where the memory is, and never looks at it.
unsafe impl Sync for HeldMemory {}

impl HeldMemory {
    /// A megabyte. `ENOSYS` on a kernel without `CONFIG_USERFAULTFD`.
    pub fn new() -> Result<Self, Errno> {
        // SAFETY: The call takes flags alone.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };
        let fd = Errno::result(fd)?;
        // CAST: A file descriptor.
        // SAFETY: The kernel has just opened it for us.
        let faults = unsafe { File::from_raw_fd(fd as i32) };
        let mut api = Api {
            api: API,
            ..Api::default()
        };
        // SAFETY: The argument points to nothing.
        unsafe { uffdio_api(faults.as_raw_fd(), &mut api) }?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: The kernel chooses a place that is free.
        let start = unsafe { mmap_anonymous(None, LENGTH, access, MapFlags::MAP_PRIVATE) }?;
        let mut register = Register {
            start: start.as_ptr() as u64,
            len: LENGTH.get() as u64,
            mode: MISSING,
            ioctls: 0,
        };
        // SAFETY: The range is ours, and has never been touched.
        let registered = unsafe { uffdio_register(faults.as_raw_fd(), &mut register) };
        let this = Self {
            faults: Mutex::new(Some(faults)),
            start,
        };
        registered.map(|_| this)
    }

    /// Where it is. Who touches it waits.
    pub fn as_ptr(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    /// Reads from a file into it. Returns how many bytes.
    pub fn read_from(&self, file: &File) -> Result<usize, Errno> {
        // SAFETY: The memory is so long, and nobody looks at it.
        let read = unsafe { libc::read(file.as_raw_fd(), self.as_ptr(), LENGTH.get()) };
        // CAST: Not negative, as that is an error.
        Errno::result(read).map(|read| read as usize)
    }

    /// Writes from it to a file.
    pub fn write_to(&self, file: &File) -> Result<usize, Errno> {
        // SAFETY: The memory is so long, and nobody changes it.
        let written = unsafe { libc::write(file.as_raw_fd(), self.as_ptr(), LENGTH.get()) };
        // CAST: Not negative, as that is an error.
        Errno::result(written).map(|written| written as usize)
    }

    /// Waits until somebody waits for it; false if nobody does in that time.
    pub fn is_touched(&self, patience: Duration) -> Result<bool, Errno> {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.as_ref().map_or(Ok(false), |faults| {
            Ok(wait(faults, PollFlags::POLLIN, patience)?.contains(PollFlags::POLLIN))
        })
    }

    /// Lets everybody go on, who finds zeroes.
    pub fn let_go(&self) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.let_go();
        // SAFETY: Mapped by `new`. A failure would leave it mapped, which harms nobody.
        let _ = unsafe { munmap(self.start, LENGTH.get()) };
    }
}
