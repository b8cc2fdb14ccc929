// SPDX-License-Identifier: GPL-2.0

//! An open file for the KUnit tests. They have no userspace, so the ioctls of a stream are
//! functions here. The code below them is the same as for userspace.

use super::{
    bindings,
    callbacks::{
        file::Callbacks,
        jobs, //
    },
    control::Dimensions,
    device::{
        Device,
        Use, //
    },
    file::File,
    format::{
        Api,
        Direction, //
    },
    node::Kept,
    operations::Operations,
    registration::Registration, //
};
use crate::platform::binding::Binding;
use core::ptr;
use kernel::{
    device,
    devres,
    error::to_result,
    prelude::*,
    sync::Arc, //
};

/// The nodes of a device, which a test can open.
pub(crate) struct Node<T: Operations> {
    nodes: Kept<T>,
    device: Arc<Device<T>>,
}

impl<T: Operations> Node<T> {
    /// Registers the nodes of a device as [`register`](super::m2m::register) does.
    pub(crate) fn register(
        parent: &device::Device<device::Bound>,
        module: &'static ThisModule,
        binding: Arc<Binding>,
        data: Arc<T::Device>,
    ) -> Result<Self> {
        let device = jobs::device::<T>(parent, Api::MultiPlanar, binding, data)?;
        // SAFETY: The parent is bound, and devres drops the registration before the parent is
        // unbound.
        let registration = unsafe { Registration::new(device.clone(), module)? };
        let nodes = registration.node().clone();
        devres::register(parent, registration, GFP_KERNEL)?;
        Ok(Self { nodes, device })
    }

    /// Opens the video device.
    pub(crate) fn open(&self) -> Result<Stream<T>> {
        let usage = Use::new(&self.device);
        // SAFETY: There is a reference to the video device. The callbacks are those of a `File<T>`,
        // which `Stream` closes.
        let file = unsafe { File::open(self.nodes.video(), usage, &Callbacks::<T>::BELOW)? };
        Ok(Stream {
            file: Some(file),
            nodes: self.nodes.clone(),
        })
    }
}

/// A buffer that the driver returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Returned {
    /// The index of the buffer in its queue.
    pub(crate) index: u32,
    /// Whether the buffer is marked as failed (`V4L2_BUF_FLAG_ERROR`).
    pub(crate) failed: bool,
}

/// An open file whose buffers have one plane. Dropping it closes the file.
pub(crate) struct Stream<T: Operations> {
    /// [`Some`] until the file is closed.
    file: Option<Arc<File<T>>>,
    nodes: Kept<T>,
}

impl<T: Operations> Stream<T> {
    /// Returns the queue of a direction.
    fn queue(file: &File<T>, direction: Direction) -> *mut bindings::vb2_queue {
        file.handle.queues.queue(direction)
    }

    /// Runs `f` with the file and its lock held.
    fn locked<R>(&self, f: impl FnOnce(&File<T>) -> Result<R>) -> Result<R> {
        let file = self.file.as_ref().ok_or(ENODEV)?;
        let _guard = file.handle.lock.lock();
        f(file)
    }

    /// Changes the dimensions of an array control, as `VIDIOC_S_FMT` may do.
    pub(crate) fn set_dimensions(&self, id: u32, columns: u32, rows: u32) -> Result {
        // SAFETY: No ioctl can be made on a file that a test opened, and `locked` takes the queue
        // lock.
        self.locked(|file| unsafe { Dimensions::of(&file.handle.controls) }.set(id, columns, rows))
    }

    /// Returns the number of elements of an array control.
    pub(crate) fn elements(&self, id: u32) -> Result<usize> {
        self.locked(|file| {
            let controls = &file.handle.controls;
            controls.with_array(id, |elements| Ok(elements.len()))
        })
    }

    /// Allocates `count` buffers for each direction, as `VIDIOC_REQBUFS` does.
    pub(crate) fn allocate(&self, count: u32) -> Result {
        self.locked(|file| {
            for direction in [Direction::Output, Direction::Capture] {
                let mut request = bindings::v4l2_requestbuffers {
                    count,
                    type_: direction.buffer_type(Api::MultiPlanar),
                    memory: bindings::v4l2_memory_V4L2_MEMORY_MMAP,
                    ..Default::default()
                };
                // SAFETY: The queue is valid, and its lock is held.
                let result =
                    unsafe { bindings::vb2_reqbufs(Self::queue(file, direction), &mut request) };
                to_result(result)?;
                if request.count != count {
                    return Err(ENOMEM);
                }
            }
            Ok(())
        })
    }

    /// Queues buffer `index` of both directions, as `VIDIOC_QBUF` does. It may run the job.
    pub(crate) fn queue_pair(&self, index: u32) -> Result {
        for direction in [Direction::Output, Direction::Capture] {
            self.locked(|file| {
                Self::with_buffer(direction, index, |buffer| {
                    // SAFETY: The queue and the context are valid, and the lock of the queue is
                    // held. The buffer structure is in the kernel's memory, as vb2 requires.
                    unsafe {
                        let queue = Self::queue(file, direction);
                        to_result(bindings::vb2_qbuf(queue, ptr::null_mut(), buffer))?;
                        bindings::v4l2_m2m_try_schedule(file.handle.m2m_ctx());
                    }
                    Ok(())
                })
            })?;
        }
        Ok(())
    }

    /// Dequeues a buffer of `direction`, as `VIDIOC_DQBUF` does; [`None`] if no buffer was
    /// returned.
    pub(crate) fn take(&self, direction: Direction) -> Option<Returned> {
        self.locked(|file| {
            Self::with_buffer(direction, 0, |buffer| {
                // SAFETY: The queue is valid, and its lock is held. The buffer structure is in the
                // kernel's memory, as vb2 requires.
                to_result(unsafe {
                    bindings::vb2_dqbuf(Self::queue(file, direction), buffer, true)
                })?;
                Ok(Returned {
                    index: buffer.index,
                    failed: buffer.flags & bindings::V4L2_BUF_FLAG_ERROR != 0,
                })
            })
        })
        .ok()
    }

    /// Runs `f` with the `struct v4l2_buffer` of a buffer of one plane.
    fn with_buffer<R>(
        direction: Direction,
        index: u32,
        f: impl FnOnce(&mut bindings::v4l2_buffer) -> Result<R>,
    ) -> Result<R> {
        // vb2 may write the largest number of planes, which is eight.
        let mut planes = [bindings::v4l2_plane::default(); 8];
        if let Some(plane) = planes.first_mut() {
            // vb2 reads the field for an OUTPUT buffer only.
            plane.bytesused = 1;
        }
        let mut buffer = bindings::v4l2_buffer {
            index,
            type_: direction.buffer_type(Api::MultiPlanar),
            memory: bindings::v4l2_memory_V4L2_MEMORY_MMAP,
            // CAST: The length is eight.
            length: planes.len() as u32,
            ..Default::default()
        };
        buffer.m.planes = planes.as_mut_ptr();
        f(&mut buffer)
    }

    /// Starts the streams of both directions, as `VIDIOC_STREAMON` does. It may run the job.
    pub(crate) fn start(&self) -> Result {
        self.locked(|file| {
            for direction in [Direction::Output, Direction::Capture] {
                // SAFETY: The context is valid, and its file's lock is held. The function does not
                // use the file pointer.
                to_result(unsafe {
                    bindings::v4l2_m2m_streamon(
                        ptr::null_mut(),
                        file.handle.m2m_ctx(),
                        direction.buffer_type(Api::MultiPlanar),
                    )
                })?;
            }
            Ok(())
        })
    }

    /// Stops the streams of both directions, as `VIDIOC_STREAMOFF` does.
    pub(crate) fn stop(&self) {
        if let Some(file) = &self.file {
            file.handle.stop();
        }
    }

    /// Returns the number of buffers that the driver holds.
    pub(crate) fn held(&self) -> i32 {
        self.file.as_ref().map_or(0, |file| {
            [Direction::Output, Direction::Capture]
                .into_iter()
                // SAFETY: The queue is valid, and its counter is atomic.
                .map(|direction| unsafe { bindings::helper_vb2_held(Self::queue(file, direction)) })
                .sum()
        })
    }
}

impl<T: Operations> Drop for Stream<T> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let _requests = self.nodes.requests().lock();
            // SAFETY: The mutex is held. No other thread can use the file.
            unsafe { File::close(file) };
        }
    }
}
