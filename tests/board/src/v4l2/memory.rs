// SPDX-License-Identifier: GPL-2.0

//! Memory that the engine shares with the program.

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::Errno;

/// A mapped plane or dma-buf. The engine may write to it at any time, so bytes are copied in and
/// out, and never borrowed.
pub struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes of a file from `offset`. Returns `EINVAL` for a length of 0.
    pub fn new(file: impl AsFd, offset: u32, length: usize) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: The kernel chooses a free address range.
        let start = unsafe {
            mmap(
                None,
                size,
                access,
                MapFlags::MAP_SHARED,
                file,
                offset.into(),
            )?
        };
        Ok(Self { start, length })
    }

    /// Returns how many bytes are mapped.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns `false`: there is no empty mapping.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies bytes to `offset`. Returns `EINVAL` if they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        let end = offset.checked_add(bytes.len()).ok_or(Errno::EINVAL)?;
        if end > self.length {
            return Err(Errno::EINVAL);
        }
        let start = self.start.as_ptr().cast::<u8>();
        // SAFETY: The range was checked to be mapped, and no reference to it exists.
        unsafe { start.add(offset).copy_from(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        let start = self.start.as_ptr().cast::<u8>();
        // SAFETY: All of it is mapped, and no reference to it exists.
        unsafe { start.write_bytes(byte, self.length) };
    }

    /// Writes one byte, once, as a register of a device requires. Returns `EINVAL` after the end.
    pub fn poke(&self, offset: usize, byte: u8) -> Result<(), Errno> {
        if offset >= self.length {
            return Err(Errno::EINVAL);
        }
        // SAFETY: The byte was checked to be mapped, and no reference to it exists.
        unsafe {
            self.start
                .as_ptr()
                .cast::<u8>()
                .add(offset)
                .write_volatile(byte)
        };
        Ok(())
    }

    /// Writes 32 bits, once, as a register of a device requires. Returns `EINVAL` after the end, or
    /// if `offset` is not a multiple of 4.
    pub fn poke_word(&self, offset: usize, word: u32) -> Result<(), Errno> {
        let whole = self.length.checked_sub(size_of::<u32>());
        if offset % size_of::<u32>() != 0 || whole.is_none_or(|last| offset > last) {
            return Err(Errno::EINVAL);
        }
        let start = self.start.as_ptr().cast::<u32>();
        // SAFETY: The 32 bits were checked to be mapped and aligned, because mappings start at a
        // page, and no reference to them exists.
        unsafe { start.byte_add(offset).write_volatile(word) };
        Ok(())
    }

    /// Reads one byte, once, as a register of a device requires. Returns `EINVAL` after the end.
    pub fn peek(&self, offset: usize) -> Result<u8, Errno> {
        if offset >= self.length {
            return Err(Errno::EINVAL);
        }
        // SAFETY: The byte was checked to be mapped, and no reference to it exists.
        Ok(unsafe { self.start.as_ptr().cast::<u8>().add(offset).read_volatile() })
    }

    /// Returns a copy of all bytes.
    pub fn read(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        let start = self.start.as_ptr().cast::<u8>();
        // SAFETY: All of it is mapped, and the vector has the same length.
        unsafe { bytes.as_mut_ptr().copy_from(start, self.length) };
        bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped the memory, and it is not used any more. If the call fails it stays
        // mapped, which is harmless.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}
