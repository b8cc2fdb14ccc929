// SPDX-License-Identifier: GPL-2.0

//! The ioctls themselves: numbers of `linux/videodev2.h`, `linux/media.h` and `linux/dma-heap.h`.
//! The kernel reads and writes the memory that the structures point to, so each function is
//! unsafe: the file must be open, and the memory that the argument points to must be valid and as
//! long as the argument says.

use nix::libc::c_int;
use nix::{ioctl_none, ioctl_read, ioctl_readwrite, ioctl_write_ptr};
use v4l2r::bindings::{
    v4l2_buffer, v4l2_capability, v4l2_create_buffers, v4l2_event, v4l2_event_subscription,
    v4l2_exportbuffer, v4l2_ext_controls, v4l2_fmtdesc, v4l2_format, v4l2_frmsizeenum,
    v4l2_priority, v4l2_query_ext_ctrl, v4l2_querymenu, v4l2_remove_buffers, v4l2_requestbuffers,
    v4l2_selection,
};

use super::media::{DeviceInfo, Topology};

ioctl_read!(querycap, b'V', 0, v4l2_capability);
ioctl_readwrite!(enum_fmt, b'V', 2, v4l2_fmtdesc);
ioctl_readwrite!(g_fmt, b'V', 4, v4l2_format);
ioctl_readwrite!(s_fmt, b'V', 5, v4l2_format);
ioctl_readwrite!(reqbufs, b'V', 8, v4l2_requestbuffers);
ioctl_readwrite!(querybuf, b'V', 9, v4l2_buffer);
ioctl_readwrite!(qbuf, b'V', 15, v4l2_buffer);
ioctl_readwrite!(expbuf, b'V', 16, v4l2_exportbuffer);
ioctl_readwrite!(dqbuf, b'V', 17, v4l2_buffer);
ioctl_write_ptr!(streamon, b'V', 18, c_int);
ioctl_write_ptr!(streamoff, b'V', 19, c_int);
ioctl_readwrite!(querymenu, b'V', 37, v4l2_querymenu);
ioctl_none!(log_status, b'V', 70);
ioctl_readwrite!(try_fmt, b'V', 64, v4l2_format);
ioctl_write_ptr!(s_priority, b'V', 68, v4l2_priority);
ioctl_readwrite!(g_ext_ctrls, b'V', 71, v4l2_ext_controls);
ioctl_readwrite!(s_ext_ctrls, b'V', 72, v4l2_ext_controls);
ioctl_readwrite!(try_ext_ctrls, b'V', 73, v4l2_ext_controls);
ioctl_readwrite!(enum_framesizes, b'V', 74, v4l2_frmsizeenum);
ioctl_read!(dqevent, b'V', 89, v4l2_event);
ioctl_write_ptr!(subscribe_event, b'V', 90, v4l2_event_subscription);
ioctl_write_ptr!(unsubscribe_event, b'V', 91, v4l2_event_subscription);
ioctl_readwrite!(create_bufs, b'V', 92, v4l2_create_buffers);
ioctl_readwrite!(prepare_buf, b'V', 93, v4l2_buffer);
ioctl_readwrite!(g_selection, b'V', 94, v4l2_selection);
ioctl_readwrite!(s_selection, b'V', 95, v4l2_selection);
ioctl_readwrite!(query_ext_ctrl, b'V', 103, v4l2_query_ext_ctrl);
ioctl_readwrite!(remove_bufs, b'V', 104, v4l2_remove_buffers);

ioctl_readwrite!(media_device_info, b'|', 0, DeviceInfo);
ioctl_readwrite!(media_g_topology, b'|', 4, Topology);
ioctl_read!(media_request_alloc, b'|', 5, c_int);
ioctl_none!(media_request_queue, b'|', 0x80);
ioctl_none!(media_request_reinit, b'|', 0x81);

/// `struct dma_heap_allocation_data`.
#[repr(C)]
#[derive(Default)]
pub struct HeapAllocation {
    /// The requested length, bytes.
    pub len: u64,
    /// The new dma-buf.
    pub fd: u32,
    /// The flags of the dma-buf's file descriptor.
    pub fd_flags: u32,
    /// Flags of the heap, of which none are defined.
    pub heap_flags: u64,
}

ioctl_readwrite!(dma_heap_alloc, b'H', 0, HeapAllocation);
ioctl_write_ptr!(dma_buf_sync, b'b', 0, u64);
