// SPDX-License-Identifier: GPL-2.0

//! Where the memory of a driver's buffers comes from.

use super::bindings;
use kernel::ffi::c_uint;

mod sealed {
    pub(crate) trait Sealed {}
}

/// A kind of memory for buffers.
pub(crate) trait Memory: sealed::Sealed + 'static {
    /// The ways in which userspace can provide or get the memory: `VB2_MMAP` and others.
    #[doc(hidden)]
    const IO_MODES: c_uint;

    /// Whether userspace can ask for cached memory.
    #[doc(hidden)]
    const HAS_CACHE_HINTS: bool;

    /// Returns vb2's functions for the memory.
    #[doc(hidden)]
    fn operations() -> *const bindings::vb2_mem_ops;
}

/// Memory that is contiguous for a device which does DMA: it has a bus address.
pub(crate) enum DmaContig {}

impl sealed::Sealed for DmaContig {}

impl Memory for DmaContig {
    const IO_MODES: c_uint = bindings::vb2_io_modes_VB2_MMAP | bindings::vb2_io_modes_VB2_DMABUF;
    const HAS_CACHE_HINTS: bool = true;

    fn operations() -> *const bindings::vb2_mem_ops {
        &raw const bindings::vb2_dma_contig_memops
    }
}

/// Memory that only the CPU accesses, by [`Buffer::read`] and [`Buffer::write`].
///
/// [`Buffer::read`]: super::buffer::Buffer::read
/// [`Buffer::write`]: super::buffer::Buffer::write
#[allow(dead_code, reason = "for drivers whose frames the CPU writes")]
pub(crate) enum Vmalloc {}

impl sealed::Sealed for Vmalloc {}

impl Memory for Vmalloc {
    // Not VB2_USERPTR: MEDIA_REQUEST_IOC_QUEUE prepares the buffer with `req_queue_mutex` held.
    // Other files need this mutex, and vb2 would wait for pages of userspace with it held.
    const IO_MODES: c_uint = bindings::vb2_io_modes_VB2_MMAP | bindings::vb2_io_modes_VB2_DMABUF;
    const HAS_CACHE_HINTS: bool = false;

    fn operations() -> *const bindings::vb2_mem_ops {
        &raw const bindings::vb2_vmalloc_memops
    }
}
