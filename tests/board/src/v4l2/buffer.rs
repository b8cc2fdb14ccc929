// SPDX-License-Identifier: GPL-2.0

//! Buffers and the queue that they belong to.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::libc::{O_CLOEXEC, O_RDWR};
use v4l2r::bindings::{
    self, timeval, v4l2_buffer, v4l2_create_buffers, v4l2_exportbuffer, v4l2_plane,
    v4l2_remove_buffers, v4l2_requestbuffers, v4l2_timecode,
};

use super::memory::Mapping;
use super::{Device, Errno, Format, PollFlags, Request, Way, raw, wait};

/// The largest number of planes of a buffer: `VIDEO_MAX_PLANES`.
const PLANES: usize = 8;

/// The kinds of memory of buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Memory {
    /// Memory of the driver, mapped.
    Mmap,
    /// Memory of the program.
    UserPtr,
    /// Memory of dma-bufs.
    DmaBuf,
}

impl Memory {
    /// Returns `V4L2_MEMORY_…`.
    pub fn number(self) -> u32 {
        match self {
            Self::Mmap => bindings::v4l2_memory_V4L2_MEMORY_MMAP,
            Self::UserPtr => bindings::v4l2_memory_V4L2_MEMORY_USERPTR,
            Self::DmaBuf => bindings::v4l2_memory_V4L2_MEMORY_DMABUF,
        }
    }
}

/// A time code of a film: `struct v4l2_timecode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timecode {
    /// `V4L2_TC_TYPE_…`
    pub kind: u32,
    /// `V4L2_TC_FLAG_…`
    pub flags: u32,
    /// Frames, seconds, minutes, hours.
    pub time: [u8; 4],
    /// User bits, set by the program.
    pub userbits: [u8; 4],
}

impl Timecode {
    fn raw(self) -> v4l2_timecode {
        let [frames, seconds, minutes, hours] = self.time;
        v4l2_timecode {
            type_: self.kind,
            flags: self.flags,
            frames,
            seconds,
            minutes,
            hours,
            userbits: self.userbits,
        }
    }

    fn from_raw(raw: &v4l2_timecode) -> Self {
        Self {
            kind: raw.type_,
            flags: raw.flags,
            time: [raw.frames, raw.seconds, raw.minutes, raw.hours],
            userbits: raw.userbits,
        }
    }
}

/// The fields of a buffer that is queued.
#[derive(Clone, Copy, Default)]
pub struct Sent<'a> {
    /// The request that the buffer is queued in.
    pub request: Option<&'a Request>,
    /// The timestamp, microseconds.
    pub timestamp: u64,
    /// The frame's time code, if it has one.
    pub timecode: Option<Timecode>,
    /// Bytes used in each plane; [`None`] for the whole plane.
    pub bytesused: Option<u32>,
    /// The offset of the pixels in each plane, bytes.
    pub data_offset: u32,
    /// `V4L2_FIELD_…`; [`None`] for `V4L2_FIELD_NONE`.
    pub field: Option<u32>,
    /// `V4L2_BUF_FLAG_…`
    pub flags: u32,
}

/// The fields of a buffer that is dequeued.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dequeued {
    /// The index of the buffer.
    pub index: usize,
    /// `V4L2_BUF_FLAG_…`
    pub flags: u32,
    /// `V4L2_FIELD_…`
    pub field: u32,
    /// The driver's sequence number.
    pub sequence: u32,
    /// The timestamp, microseconds.
    pub timestamp: u64,
    /// The frame's time code, if the flags say that it has one.
    pub timecode: Option<Timecode>,
    /// Bytes used in each plane.
    pub bytesused: Vec<u32>,
}

impl Dequeued {
    /// Returns whether the engine, or its driver, failed on it.
    pub fn failed(&self) -> bool {
        self.flags & bindings::V4L2_BUF_FLAG_ERROR != 0
    }
}

/// A buffer in V4L2's structure, with its planes beside it.
struct Raw {
    buffer: v4l2_buffer,
    planes: [v4l2_plane; PLANES],
}

impl Raw {
    fn new(way: Way, memory: Memory, index: usize, planes: usize) -> Self {
        Self {
            buffer: v4l2_buffer {
                // CAST: It is a small number.
                index: index as u32,
                type_: way.buffer_type(),
                memory: memory.number(),
                length: planes as u32,
                ..Default::default()
            },
            planes: [v4l2_plane::default(); PLANES],
        }
    }

    /// Passes it to an ioctl.
    fn call(
        &mut self,
        device: &Device,
        ioctl: unsafe fn(i32, *mut v4l2_buffer) -> Result<i32, Errno>,
    ) -> Result<(), Errno> {
        self.buffer.m.planes = self.planes.as_mut_ptr();
        // SAFETY: The buffer points to as many planes as V4L2 accepts at most.
        unsafe { ioctl(device.as_raw_fd(), &mut self.buffer) }.map(drop)
    }
}

impl Device {
    /// Calls `VIDIOC_REQBUFS`. Returns the number of buffers that the driver allocated.
    pub fn request_buffers(
        &self,
        way: Way,
        memory: Memory,
        count: u32,
    ) -> Result<v4l2_requestbuffers, Errno> {
        self.request_buffers_in(way, memory, count, 0)
    }

    /// Calls `VIDIOC_REQBUFS` with `V4L2_MEMORY_FLAG_…`.
    pub fn request_buffers_in(
        &self,
        way: Way,
        memory: Memory,
        count: u32,
        flags: u8,
    ) -> Result<v4l2_requestbuffers, Errno> {
        let mut request = v4l2_requestbuffers {
            count,
            type_: way.buffer_type(),
            memory: memory.number(),
            flags,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::reqbufs(self.as_raw_fd(), &mut request) }?;
        Ok(request)
    }

    /// Calls `VIDIOC_CREATE_BUFS`. Returns the first buffer's index and the number of new buffers.
    pub fn create_buffers(
        &self,
        way: Way,
        memory: Memory,
        count: u32,
        format: &Format,
    ) -> Result<(u32, u32), Errno> {
        let create = self.create_buffers_as(way, memory, count, format)?;
        Ok((create.index, create.count))
    }

    /// Calls `VIDIOC_CREATE_BUFS`. Returns the whole structure from the driver.
    pub fn create_buffers_as(
        &self,
        way: Way,
        memory: Memory,
        count: u32,
        format: &Format,
    ) -> Result<v4l2_create_buffers, Errno> {
        let mut create = v4l2_create_buffers {
            count,
            memory: memory.number(),
            format: format.to_raw(way),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::create_bufs(self.as_raw_fd(), &mut create) }?;
        Ok(create)
    }

    /// Calls `VIDIOC_REMOVE_BUFS`.
    pub fn remove_buffers(&self, way: Way, index: u32, count: u32) -> Result<(), Errno> {
        let mut remove = v4l2_remove_buffers {
            index,
            count,
            type_: way.buffer_type(),
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::remove_bufs(self.as_raw_fd(), &mut remove) }.map(drop)
    }

    /// Calls `VIDIOC_EXPBUF`. Returns a plane of a buffer as a dma-buf.
    pub fn export(&self, way: Way, index: usize, plane: usize) -> Result<OwnedFd, Errno> {
        let mut export = v4l2_exportbuffer {
            type_: way.buffer_type(),
            // CAST: It is a small number.
            index: index as u32,
            plane: plane as u32,
            flags: (O_RDWR | O_CLOEXEC) as u32,
            ..Default::default()
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::expbuf(self.as_raw_fd(), &mut export) }?;
        // SAFETY: The kernel has just opened the descriptor for this process, which owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(export.fd) })
    }

    /// Dequeues a buffer of either queue, of any memory. Returns `EAGAIN` if none is done.
    pub fn dequeue(&self, way: Way, memory: Memory) -> Result<Dequeued, Errno> {
        let mut raw = Raw::new(way, memory, 0, PLANES);
        raw.call(self, raw::dqbuf)?;
        let Raw { buffer, planes } = &raw;
        let time = buffer.timestamp;
        let number = |part: i64| part.unsigned_abs();
        Ok(Dequeued {
            index: buffer.index as usize,
            flags: buffer.flags,
            field: buffer.field,
            sequence: buffer.sequence,
            timestamp: number(time.tv_sec) * 1_000_000 + number(time.tv_usec),
            timecode: (buffer.flags & bindings::V4L2_BUF_FLAG_TIMECODE != 0)
                .then(|| Timecode::from_raw(&buffer.timecode)),
            bytesused: planes
                .iter()
                .take(buffer.length as usize)
                .map(|plane| plane.bytesused)
                .collect(),
        })
    }

    /// Waits until a buffer of a queue can be dequeued. Returns `false` when the time is up.
    pub fn ready(&self, way: Way, patience: Duration) -> Result<bool, Errno> {
        let wanted = match way {
            Way::Output => PollFlags::POLLOUT,
            Way::Capture => PollFlags::POLLIN,
        };
        Ok(wait(self, wanted, patience)?.intersects(wanted | PollFlags::POLLERR))
    }
}

/// The buffers of one queue, which are freed with it.
pub struct Queue<'d> {
    device: &'d Device,
    /// The queue that the buffers belong to.
    pub way: Way,
    /// The kind of memory.
    pub memory: Memory,
    planes: usize,
    buffers: Vec<Vec<Mapping>>,
}

impl<'d> Queue<'d> {
    /// Allocates `count` buffers and maps them.
    pub fn allocate(device: &'d Device, way: Way, count: u32) -> Result<Self, Errno> {
        Self::allocate_in(device, way, count, 0)
    }

    /// Allocates `count` buffers in memory with these `V4L2_MEMORY_FLAG_…`, and maps them. Returns
    /// `EOPNOTSUPP` if the driver has no such memory.
    pub fn allocate_in(device: &'d Device, way: Way, count: u32, flags: u8) -> Result<Self, Errno> {
        let planes = device.format(way)?.planes.len();
        let got = device.request_buffers_in(way, Memory::Mmap, count, flags)?;
        if got.flags != flags {
            return Err(Errno::EOPNOTSUPP);
        }
        let mut queue = Self {
            device,
            way,
            memory: Memory::Mmap,
            planes,
            buffers: Vec::new(),
        };
        for index in 0..got.count as usize {
            queue.map(index)?;
        }
        Ok(queue)
    }

    /// Sets up the queue for `count` imported buffers.
    pub fn import(device: &'d Device, way: Way, count: u32) -> Result<Self, Errno> {
        let planes = device.format(way)?.planes.len();
        device.request_buffers(way, Memory::DmaBuf, count)?;
        Ok(Self {
            device,
            way,
            memory: Memory::DmaBuf,
            planes,
            buffers: Vec::new(),
        })
    }

    /// Maps the next buffer, which `VIDIOC_CREATE_BUFS` may have made.
    pub fn map(&mut self, index: usize) -> Result<(), Errno> {
        let planes = self.mapped(index)?;
        self.buffers.push(planes);
        Ok(())
    }

    /// Maps a buffer that has replaced another.
    pub fn map_again(&mut self, index: usize) -> Result<(), Errno> {
        self.buffers[index] = self.mapped(index)?;
        Ok(())
    }

    fn mapped(&self, index: usize) -> Result<Vec<Mapping>, Errno> {
        let mut raw = Raw::new(self.way, self.memory, index, PLANES);
        raw.call(self.device, raw::querybuf)?;
        let planes = raw.planes.iter().take(raw.buffer.length as usize);
        let map = |plane: &v4l2_plane| {
            // SAFETY: For buffers of the driver's memory the union holds the offset.
            let offset = unsafe { plane.m.mem_offset };
            Mapping::new(self.device.as_fd(), offset, plane.length as usize)
        };
        planes.map(map).collect()
    }

    /// Unmaps all buffers, which the driver keeps. A mapping would keep the node open.
    pub fn unmap(&mut self) {
        self.buffers.clear();
    }

    /// Returns the mappings, one for each plane of each buffer. They may outlive the file.
    pub fn take_mappings(&mut self) -> Vec<Vec<Mapping>> {
        std::mem::take(&mut self.buffers)
    }

    /// Returns how many buffers are mapped.
    pub fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Returns whether no buffer is mapped.
    pub fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }

    /// Returns the mapped planes of a buffer.
    pub fn planes(&self, index: usize) -> &[Mapping] {
        &self.buffers[index]
    }

    /// Fills a buffer's planes, from their beginnings.
    pub fn write(&self, index: usize, planes: &[impl AsRef<[u8]>]) -> Result<(), Errno> {
        for (to, from) in self.buffers[index].iter().zip(planes) {
            to.write(0, from.as_ref())?;
        }
        Ok(())
    }

    /// Returns the bytes of a buffer's planes.
    pub fn read(&self, index: usize) -> Vec<Vec<u8>> {
        self.buffers[index].iter().map(Mapping::read).collect()
    }

    fn described(&self, index: usize, sent: &Sent<'_>) -> Raw {
        let mut raw = Raw::new(self.way, self.memory, index, self.planes);
        raw.buffer.field = sent.field.unwrap_or(bindings::v4l2_field_V4L2_FIELD_NONE);
        raw.buffer.flags = sent.flags;
        // CAST: Tests count microseconds from 0.
        raw.buffer.timestamp = timeval {
            tv_sec: (sent.timestamp / 1_000_000) as i64,
            tv_usec: (sent.timestamp % 1_000_000) as i64,
        };
        if let Some(timecode) = sent.timecode {
            raw.buffer.flags |= bindings::V4L2_BUF_FLAG_TIMECODE;
            raw.buffer.timecode = timecode.raw();
        }
        if let Some(request) = sent.request {
            raw.buffer.flags |= bindings::V4L2_BUF_FLAG_REQUEST_FD;
            raw.buffer.__bindgen_anon_1.request_fd = request.as_raw_fd();
        }
        let lengths = self.buffers.get(index).into_iter().flatten();
        // CAST: A plane is shorter than 2^29 bytes.
        for (plane, length) in raw.planes.iter_mut().zip(lengths.map(|m| m.len() as u32)) {
            plane.length = length;
            plane.bytesused = sent.bytesused.unwrap_or(length);
        }
        for plane in &mut raw.planes[..self.planes] {
            plane.data_offset = sent.data_offset;
        }
        raw
    }

    /// Calls `VIDIOC_QBUF` for a mapped buffer.
    pub fn queue(&self, index: usize, sent: &Sent<'_>) -> Result<(), Errno> {
        self.described(index, sent).call(self.device, raw::qbuf)
    }

    /// Calls `VIDIOC_PREPARE_BUF` for a mapped buffer.
    pub fn prepare(&self, index: usize, sent: &Sent<'_>) -> Result<(), Errno> {
        self.described(index, sent)
            .call(self.device, raw::prepare_buf)
    }

    /// Calls `VIDIOC_QBUF` for dma-bufs, one for each plane, whose bytes are all used.
    pub fn queue_shared(
        &self,
        index: usize,
        sent: &Sent<'_>,
        planes: &[(impl AsFd, usize)],
    ) -> Result<(), Errno> {
        self.shared(index, sent, planes)
            .call(self.device, raw::qbuf)
    }

    fn shared(&self, index: usize, sent: &Sent<'_>, planes: &[(impl AsFd, usize)]) -> Raw {
        let mut raw = self.described(index, sent);
        for (plane, (file, length)) in raw.planes.iter_mut().zip(planes) {
            plane.m.fd = file.as_fd().as_raw_fd();
            // CAST: A plane is shorter than 2^29 bytes.
            plane.length = *length as u32;
            plane.bytesused = sent.bytesused.unwrap_or(*length as u32);
        }
        raw
    }

    /// Calls `VIDIOC_QBUF` for dma-bufs, one for each plane, each with its own offset.
    pub fn queue_parts(
        &self,
        index: usize,
        planes: &[(impl AsFd, usize)],
        offsets: &[u32],
    ) -> Result<(), Errno> {
        let mut raw = self.shared(index, &Sent::default(), planes);
        for (plane, offset) in raw.planes.iter_mut().zip(offsets) {
            plane.data_offset = *offset;
        }
        raw.call(self.device, raw::qbuf)
    }

    /// Returns the flags of a buffer, by `VIDIOC_QUERYBUF`.
    pub fn flags(&self, index: usize) -> Result<u32, Errno> {
        let mut raw = Raw::new(self.way, self.memory, index, PLANES);
        raw.call(self.device, raw::querybuf)?;
        Ok(raw.buffer.flags)
    }

    /// Dequeues a buffer without waiting. Returns `EAGAIN` if none is done.
    pub fn dequeue(&self) -> Result<Dequeued, Errno> {
        self.device.dequeue(self.way, self.memory)
    }

    /// Dequeues a buffer, and waits for `patience` at most. Returns `ETIME` when the time is up.
    pub fn dequeue_within(&self, patience: Duration) -> Result<Dequeued, Errno> {
        if !self.device.ready(self.way, patience)? {
            return Err(Errno::ETIME);
        }
        self.dequeue()
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        self.buffers.clear();
        // A queue that streams keeps its buffers until the node is closed.
        let _ = self.device.request_buffers(self.way, self.memory, 0);
    }
}
