// SPDX-License-Identifier: GPL-2.0

//! An open file for the tests in the kernel, which have no userspace: the ioctls of a
//! stream as functions. All below them is what userspace gets.

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
    format::Direction,
    node,
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
    sync::{
        aref::ARef,
        Arc, //
    }, //
};

/// The nodes of a device, to be opened.
///
/// # Invariants
///
/// `video` and `requests` are parts of the nodes, which `reference` keeps.
pub(crate) struct Node<T: Operations> {
    video: *mut bindings::video_device,
    requests: *mut bindings::mutex,
    device: Arc<Device<T>>,
    reference: ARef<device::Device>,
}

// SAFETY: The mutex may be used from any thread, as all the rest.
unsafe impl<T: Operations> Send for Node<T> {}
// SAFETY: As above.
unsafe impl<T: Operations> Sync for Node<T> {}

impl<T: Operations> Node<T> {
    /// Does what [`register`](super::m2m::register) does.
    pub(crate) fn register(
        parent: &device::Device<device::Bound>,
        module: &'static ThisModule,
        binding: Arc<Binding>,
        data: Arc<T::Device>,
    ) -> Result<Self> {
        let device = jobs::device::<T>(parent, binding, data)?;
        // SAFETY: The parent is bound, and devres drops this before it is not.
        let registration = unsafe { Registration::new(device.clone(), module)? };
        // INVARIANT: These are the registration's, which is not dropped yet.
        let this = Self {
            video: registration.video(),
            requests: registration.requests(),
            device,
            // SAFETY: The video device is registered.
            reference: unsafe { node::reference(registration.video()) },
        };
        devres::register(parent, registration, GFP_KERNEL)?;
        Ok(this)
    }

    /// Opens it.
    pub(crate) fn open(&self) -> Result<Stream<T>> {
        // SAFETY: By the type invariant the video device is referred to. These are the callbacks of a
        // `File<T>`, which `Stream` closes.
        let file =
            unsafe { File::open(self.video, Use::new(&self.device), &Callbacks::<T>::BELOW)? };
        // INVARIANT: Those of `self`.
        Ok(Stream {
            file: Some(file),
            requests: self.requests,
            _reference: self.reference.clone(),
        })
    }
}

/// A buffer that came back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Returned {
    /// Which one of its queue.
    pub(crate) index: u32,
    /// Whether it is marked as an error.
    pub(crate) failed: bool,
}

/// An open file with buffers of one plane. Dropping it closes it.
///
/// # Invariants
///
/// `requests` is a mutex of the nodes, which `_reference` keeps. `file` is there until it is
/// closed.
pub(crate) struct Stream<T: Operations> {
    file: Option<Arc<File<T>>>,
    requests: *mut bindings::mutex,
    _reference: ARef<device::Device>,
}

// SAFETY: The mutex may be used from any thread, as all the rest.
unsafe impl<T: Operations> Send for Stream<T> {}
// SAFETY: As above.
unsafe impl<T: Operations> Sync for Stream<T> {}

impl<T: Operations> Stream<T> {
    /// The queue of a direction.
    fn queue(file: &File<T>, direction: Direction) -> *mut bindings::vb2_queue {
        // SAFETY: The file has its mem2mem context, which has both queues.
        unsafe { bindings::v4l2_m2m_get_vq(file.handle.m2m_ctx(), direction.buffer_type()) }
    }

    /// Runs `f` with the file and its lock held.
    fn locked<R>(&self, f: impl FnOnce(&File<T>) -> Result<R>) -> Result<R> {
        let file = self.file.as_ref().ok_or(ENODEV)?;
        let _guard = file.handle.lock.lock();
        f(file)
    }

    /// What `VIDIOC_S_FMT` may do to the array control.
    pub(crate) fn set_dimensions(&self, columns: u32, rows: u32) -> Result {
        // SAFETY: No ioctl reaches a file that was opened by a test.
        self.locked(|file| unsafe { Dimensions::of(&file.handle.controls) }.set(columns, rows))
    }

    /// The elements of the array control.
    pub(crate) fn elements(&self) -> usize {
        self.file
            .as_ref()
            .map_or(0, |file| file.handle.controls.with_array(<[u32]>::len))
    }

    /// `VIDIOC_REQBUFS` with `count` buffers for each direction.
    pub(crate) fn allocate(&self, count: u32) -> Result {
        self.locked(|file| {
            for direction in [Direction::Output, Direction::Capture] {
                let mut request = bindings::v4l2_requestbuffers {
                    count,
                    type_: direction.buffer_type(),
                    memory: bindings::v4l2_memory_V4L2_MEMORY_MMAP,
                    ..Default::default()
                };
                // SAFETY: The queue is valid, and locked.
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

    /// `VIDIOC_QBUF` of buffer `index` of both directions. May run the job.
    pub(crate) fn queue_pair(&self, index: u32) -> Result {
        for direction in [Direction::Output, Direction::Capture] {
            self.locked(|file| {
                Self::with_buffer(direction, index, |buffer| {
                    // SAFETY: The queue is valid, and locked; the buffer is in the kernel, as
                    // vb2 wants it.
                    to_result(unsafe {
                        bindings::vb2_qbuf(Self::queue(file, direction), ptr::null_mut(), buffer)
                    })
                })?;
                // SAFETY: The context is valid.
                unsafe { bindings::v4l2_m2m_try_schedule(file.handle.m2m_ctx()) };
                Ok(())
            })?;
        }
        Ok(())
    }

    /// `VIDIOC_DQBUF` of `direction`; [`None`] if no buffer has come back.
    pub(crate) fn take(&self, direction: Direction) -> Option<Returned> {
        self.locked(|file| {
            Self::with_buffer(direction, 0, |buffer| {
                // SAFETY: The queue is valid, and locked; the buffer is in the kernel, as vb2
                // wants it.
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
        // vb2 may write as many as there can be.
        let mut planes = [bindings::v4l2_plane::default(); 8];
        if let Some(plane) = planes.first_mut() {
            // Of an OUTPUT buffer; not looked at in a CAPTURE buffer.
            plane.bytesused = 1;
        }
        let mut buffer = bindings::v4l2_buffer {
            index,
            type_: direction.buffer_type(),
            memory: bindings::v4l2_memory_V4L2_MEMORY_MMAP,
            // CAST: Eight.
            length: planes.len() as u32,
            ..Default::default()
        };
        buffer.m.planes = planes.as_mut_ptr();
        f(&mut buffer)
    }

    /// `VIDIOC_STREAMON` for both directions. May run the job.
    pub(crate) fn start(&self) -> Result {
        self.locked(|file| {
            for direction in [Direction::Output, Direction::Capture] {
                // SAFETY: The context is valid, and its file locked; the function does not use
                // the file pointer.
                to_result(unsafe {
                    bindings::v4l2_m2m_streamon(
                        ptr::null_mut(),
                        file.handle.m2m_ctx(),
                        direction.buffer_type(),
                    )
                })?;
            }
            Ok(())
        })
    }

    /// `VIDIOC_STREAMOFF` for both directions.
    pub(crate) fn stop(&self) {
        if let Some(file) = &self.file {
            file.handle.stop();
        }
    }

    /// How many buffers are the driver's.
    pub(crate) fn held(&self) -> i32 {
        self.file.as_ref().map_or(0, |file| {
            [Direction::Output, Direction::Capture]
                .into_iter()
                // SAFETY: The queue is valid, and its counter atomic.
                .map(|direction| unsafe { bindings::helper_vb2_held(Self::queue(file, direction)) })
                .sum()
        })
    }
}

impl<T: Operations> Drop for Stream<T> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // SAFETY: By the type invariant the mutex is valid. Nobody else can use the file.
            unsafe {
                bindings::helper_mutex_lock(self.requests);
                File::close(file);
                bindings::helper_mutex_unlock(self.requests);
            }
        }
    }
}
