// SPDX-License-Identifier: GPL-2.0

//! Buffers that no video device allocated: dma-bufs from a heap.

use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::libc::{O_CLOEXEC, O_RDWR};

use super::memory::Mapping;
use super::{Errno, raw};

/// `DMA_BUF_SYNC_…`. The direction must be the one for which the driver has mapped the buffer:
/// tests only read what it wrote and write what it reads.
const SYNC_READ: u64 = 1;
const SYNC_WRITE: u64 = 2;
const SYNC_END: u64 = 4;

/// A mapped dma-buf.
pub struct DmaBuf {
    file: OwnedFd,
    mapping: Mapping,
}

impl AsFd for DmaBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl DmaBuf {
    /// Maps `length` bytes of a dma-buf that another device exported.
    pub fn new(file: OwnedFd, length: usize) -> Result<Self, Errno> {
        let mapping = Mapping::new(&file, 0, length)?;
        Ok(Self { file, mapping })
    }

    /// Returns how many bytes are mapped.
    pub fn len(&self) -> usize {
        self.mapping.len()
    }

    /// Returns `false`: there is no empty mapping.
    pub fn is_empty(&self) -> bool {
        self.mapping.is_empty()
    }

    /// Copies bytes to the beginning of the dma-buf.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.synced(SYNC_WRITE, |mapping| mapping.write(0, bytes))
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) -> Result<(), Errno> {
        self.synced(SYNC_WRITE, |mapping| {
            mapping.fill(byte);
            Ok(())
        })
    }

    /// Returns a copy of all bytes.
    pub fn read(&self) -> Result<Vec<u8>, Errno> {
        self.synced(SYNC_READ, |mapping| Ok(mapping.read()))
    }

    /// Calls a function between the start and the end of DMA_BUF_IOCTL_SYNC.
    fn synced<R>(
        &self,
        direction: u64,
        f: impl FnOnce(&Mapping) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        // SAFETY: The argument is a number.
        unsafe { raw::dma_buf_sync(self.file.as_raw_fd(), &direction) }?;
        let result = f(&self.mapping);
        // SAFETY: The argument is a number.
        unsafe { raw::dma_buf_sync(self.file.as_raw_fd(), &(direction | SYNC_END)) }?;
        result
    }
}

/// A heap in /dev/dma_heap.
pub struct Heap {
    file: File,
}

impl Heap {
    /// Opens the first heap in the directory.
    pub fn open() -> Result<Self> {
        let directory = "/dev/dma_heap";
        let path = fs::read_dir(directory)
            .with_context(|| format!("looking into {directory}"))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .min()
            .context("there is no heap in /dev/dma_heap")?;
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file })
    }

    /// Allocates a buffer. The kernel rounds its length up to pages.
    pub fn allocate(&self, length: usize) -> Result<DmaBuf, Errno> {
        let mut allocation = raw::HeapAllocation {
            len: length as u64,
            fd_flags: (O_RDWR | O_CLOEXEC) as u32,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::dma_heap_alloc(self.file.as_raw_fd(), &mut allocation) }?;
        // SAFETY: The kernel has just opened the descriptor for this process, which owns it.
        let file = unsafe { OwnedFd::from_raw_fd(allocation.fd as i32) };
        DmaBuf::new(file, length)
    }
}
