// SPDX-License-Identifier: GPL-2.0

//! A mem2mem video device with its media device.
//!
//! A [`Device`] is what open files refer to: it lives until the last of them is
//! gone. A [`Registration`] is what makes it reachable, and lives while the driver
//! is bound. Initialise, register, unregister and clean up are four steps.

pub(crate) use super::job::Job;

use super::{
    bindings,
    buffer::Buffer,
    control,
    file,
    format::{
        Direction,
        FrameSizes,
        PixelFormat, //
    },
    ioctl,
    job, //
};
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    container_of,
    device,
    devres,
    error::{
        from_err_ptr,
        to_result, //
    },
    new_mutex,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        Arc,
        Mutex, //
    },
    types::Opaque, //
};

/// A mem2mem driver. The implementing type is the driver's part of one open file.
///
/// Every method that is not about controls is called with the open file's lock
/// held, except [`Operations::run`].
pub(crate) trait Operations: Sized + Send + Sync + 'static {
    /// What all open files of a device share.
    type Device: Send + Sync + 'static;

    /// Driver name, in `VIDIOC_QUERYCAP` and in the names of the media entities.
    const NAME: &'static CStr;
    /// Card name, in `VIDIOC_QUERYCAP`.
    const CARD: &'static CStr;
    /// The driver's array control.
    const ARRAY: control::Array;

    /// Makes the context of a file that is being opened.
    fn open(device: Arc<Self::Device>) -> impl PinInit<Self, Error>;

    /// FourCC number `index` of a queue's formats.
    fn nth_format(direction: Direction, index: u32) -> Option<u32>;

    /// The frame sizes of a format; [`None`] for a format that neither queue has.
    fn frame_sizes(fourcc: u32) -> Option<FrameSizes>;

    /// The format of a queue.
    fn format(&self, direction: Direction) -> PixelFormat;

    /// The format nearest to `wanted` that a queue can have.
    fn try_format(&self, direction: Direction, wanted: &PixelFormat) -> PixelFormat;

    /// Sets the format of a queue that has no buffers to the one nearest to
    /// `wanted`, and returns that.
    fn set_format(
        &self,
        direction: Direction,
        wanted: &PixelFormat,
        controls: &control::Handler,
    ) -> Result<PixelFormat>;

    /// Fills `elements` with the defaults of the array control, from its element
    /// `from` on. Called with the controls locked.
    fn array_default(&self, from: usize, elements: &mut [u32]);

    /// Takes on new elements of the array control. Called with the controls locked,
    /// for a job's request also from [`Operations::run`]'s thread just before it.
    fn set_array(&self, elements: &[u32]) -> Result;

    /// Checks a buffer that is to be queued, whose planes are large enough for the
    /// queue's format.
    fn prepare(&self, direction: Direction, buffer: &Buffer) -> Result;

    /// A queue starts to stream.
    fn start(&self, direction: Direction, controls: &control::Handler) -> Result;

    /// A queue that was started stops, after its last job has ended.
    fn stop(&self, direction: Direction);

    /// Starts a job; its end is [`Job::finish`], from another thread. Called in a
    /// thread that may sleep, with no lock of this file held that can be relied on.
    /// Dropping the job ends it as failed.
    fn run(&self, job: Job);
}

/// A mem2mem video device. The V4L2 core counts the references to it.
///
/// # Invariants
///
/// - It lives in a `KBox` that [`Callbacks::release`] frees when the reference count
///   of `v4l2` reaches zero.
/// - `m2m` is valid and owned.
#[pin_data(PinnedDrop)]
pub(crate) struct Device<T: Operations> {
    #[pin]
    v4l2: Opaque<bindings::v4l2_device>,
    #[pin]
    video: Opaque<bindings::video_device>,
    #[pin]
    media: Opaque<bindings::media_device>,
    m2m: NonNull<bindings::v4l2_m2m_dev>,
    /// The open files, so that unbind can stop them.
    #[pin]
    files: Mutex<KVec<file::Entry<T>>>,
    parent: ARef<device::Device>,
    data: Arc<T::Device>,
}

// SAFETY: Everything in it may be used and released from any thread.
unsafe impl<T: Operations> Send for Device<T> {}
// SAFETY: As above; the C structures have their own locks.
unsafe impl<T: Operations> Sync for Device<T> {}

impl<T: Operations> Device<T> {
    /// Initialises a device that nobody can reach yet.
    fn new(parent: &device::Device, data: Arc<T::Device>) -> Result<ARef<Self>> {
        // SAFETY: The operations are static.
        let m2m = from_err_ptr(unsafe { bindings::v4l2_m2m_init(&Callbacks::<T>::M2M_OPS) })?;
        let m2m = NonNull::new(m2m).ok_or(ENOMEM)?;
        let this = KBox::pin_init(
            try_pin_init!(Self {
                v4l2: Opaque::zeroed(),
                video: Opaque::zeroed(),
                media: Opaque::zeroed(),
                // INVARIANT: Made just now.
                m2m,
                files <- new_mutex!(KVec::new(), "m2m::Device::files"),
                parent: parent.into(),
                data,
            }? Error),
            GFP_KERNEL,
        )
        // SAFETY: Nobody else knows it.
        .inspect_err(|_| unsafe { bindings::v4l2_m2m_release(m2m.as_ptr()) })?;

        this.init_media();
        this.init_video();
        this.init_v4l2()?;

        // SAFETY: The box is pinned and is not moved out of: `release` makes it one
        // again.
        let this = KBox::into_raw(unsafe { Pin::into_inner_unchecked(this) });
        // INVARIANT: `init_v4l2` set the count to one, which this reference is.
        // SAFETY: The pointer comes from a box and is not null.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(this)) })
    }

    fn init_media(&self) {
        let media = self.media.get();
        // SAFETY: The structure is zeroed, as `media_device_init` wants it, and nobody
        // else knows it. The parent lives longer than it.
        unsafe {
            (*media).dev = self.parent_raw();
            copy_name(&mut (*media).model, T::NAME);
            bindings::media_device_init(media);
            (*media).ops = &Callbacks::<T>::MEDIA_OPS;
        }
    }

    fn init_video(&self) {
        let video = self.video.get();
        // SAFETY: The structure is zeroed, and nobody else knows it. What it points at
        // is static or lives as long as it does.
        unsafe {
            copy_name(&mut (*video).name, T::NAME);
            (*video).vfl_dir = bindings::vfl_devnode_direction_VFL_DIR_M2M;
            (*video).fops = &file::Callbacks::<T>::OPS;
            (*video).ioctl_ops = &ioctl::Callbacks::<T>::OPS;
            (*video).device_caps =
                bindings::V4L2_CAP_VIDEO_M2M_MPLANE | bindings::V4L2_CAP_STREAMING;
            (*video).release = Some(bindings::video_device_release_empty);
            (*video).v4l2_dev = self.v4l2.get();
            (*video).dev_parent = self.parent_raw();
            (*video).minor = -1;
        }
    }

    /// With no parent device given, the V4L2 core leaves the parent's driver data
    /// alone. It would put its own pointer there, where the driver core looks for
    /// the Rust driver's.
    fn init_v4l2(&self) -> Result {
        let v4l2 = self.v4l2.get();
        // SAFETY: The structure is zeroed, and nobody else knows it.
        unsafe { copy_name(&mut (*v4l2).name, self.parent.name()) };
        // SAFETY: The name is set, as is required when no parent is given; the media
        // device is initialised and lives as long.
        unsafe {
            (*v4l2).mdev = self.media.get();
            (*v4l2).release = Some(Callbacks::<T>::release);
            to_result(bindings::v4l2_device_register(ptr::null_mut(), v4l2))
        }
    }

    /// The device of a video device.
    ///
    /// # Safety
    ///
    /// `video` must be that of a `Device<T>` that is referred to for `'a`.
    pub(super) unsafe fn from_video<'a>(video: *mut bindings::video_device) -> &'a Self {
        // SAFETY: The caller's promise.
        unsafe { &*container_of!(Opaque::cast_from(video), Self, video) }
    }

    /// What all open files share.
    pub(super) fn data(&self) -> &Arc<T::Device> {
        &self.data
    }

    /// The platform device, which may be unbound.
    pub(super) fn parent(&self) -> &device::Device {
        &self.parent
    }

    fn parent_raw(&self) -> *mut bindings::device {
        // `device::Device` is a transparent wrapper of the C structure.
        ptr::from_ref::<device::Device>(&self.parent)
            .cast_mut()
            .cast()
    }

    /// The C video device.
    pub(super) fn video(&self) -> *mut bindings::video_device {
        self.video.get()
    }

    /// The C mem2mem device.
    pub(super) fn m2m_dev(&self) -> *mut bindings::v4l2_m2m_dev {
        self.m2m.as_ptr()
    }

    /// The open files.
    pub(super) fn files(&self) -> &Mutex<KVec<file::Entry<T>>> {
        &self.files
    }

    /// Ends all streams of all open files. To be called after the video device was
    /// unregistered: an ioctl that is under way is then either over before its
    /// file's turn comes, or fails with `ENODEV`.
    fn stop_all(&self) {
        // SAFETY: The media device is initialised.
        let requests = unsafe { &raw mut (*self.media.get()).req_queue_mutex };
        // SAFETY: The mutex is initialised. Like everybody who stops a stream, hold
        // back those who queue requests.
        unsafe { bindings::helper_mutex_lock(requests) };
        for entry in self.files.lock().iter() {
            // SAFETY: The entry is in the list, which is locked.
            unsafe { entry.file() }.stop();
        }
        // SAFETY: Locked above.
        unsafe { bindings::helper_mutex_unlock(requests) };
    }
}

#[pinned_drop]
impl<T: Operations> PinnedDrop for Device<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` initialised the media device; it was unregistered or never
        // registered.
        unsafe { bindings::media_device_cleanup(self.media.get()) };
        // SAFETY: By the type invariant it is ours; no file and so no job is left.
        unsafe { bindings::v4l2_m2m_release(self.m2m.as_ptr()) };
    }
}

// SAFETY: The count is that of the V4L2 device; `Callbacks::release` frees the box
// when it reaches zero.
unsafe impl<T: Operations> AlwaysRefCounted for Device<T> {
    fn inc_ref(&self) {
        // SAFETY: The caller holds a reference.
        unsafe { bindings::helper_v4l2_device_get(self.v4l2.get()) };
    }

    unsafe fn dec_ref(this: NonNull<Self>) {
        // SAFETY: The caller gives up a reference.
        unsafe { bindings::v4l2_device_put(this.as_ref().v4l2.get()) };
    }
}

/// Copies a name into a C array, cut off if too long, always terminated.
fn copy_name(to: &mut [kernel::ffi::c_char], from: &CStr) {
    let Some((last, room)) = to.split_last_mut() else {
        return;
    };
    *last = 0;
    for (to, from) in room.iter_mut().zip(from.to_bytes()) {
        *to = *from;
    }
}

/// Keeps a [`Device`] registered. Dropping it takes the device away from userspace
/// and ends what runs; it waits for the engine, never for userspace.
struct Registration<T: Operations>(ARef<Device<T>>);

impl<T: Operations> Registration<T> {
    fn new(device: ARef<Device<T>>, module: &'static ThisModule) -> Result<Self> {
        let video = device.video();
        let owner = module.as_ptr().cast::<bindings::module>();
        // SAFETY: The device is initialised; the reference that V4L2 takes keeps it.
        to_result(unsafe {
            bindings::__video_register_device(
                video,
                bindings::vfl_devnode_type_VFL_TYPE_VIDEO,
                -1,
                1,
                owner,
            )
        })?;
        // From here on dropping this undoes it.
        let this = Self(device);
        // SAFETY: The video device is registered, the media device initialised.
        unsafe {
            to_result(bindings::v4l2_m2m_register_media_controller(
                this.0.m2m_dev(),
                video,
                // CAST: A small constant.
                bindings::MEDIA_ENT_F_PROC_VIDEO_SCALER as kernel::ffi::c_int,
            ))?;
            to_result(bindings::__media_device_register(this.0.media.get(), owner)).inspect_err(
                |_| {
                    bindings::v4l2_m2m_unregister_media_controller(this.0.m2m_dev());
                },
            )?;
        }
        Ok(this)
    }
}

impl<T: Operations> Drop for Registration<T> {
    fn drop(&mut self) {
        let media = self.0.media.get();
        // SAFETY: Each was registered by `new`, except that the media device has no
        // node when `new` itself failed. The device stays valid: `self` refers to it.
        unsafe {
            bindings::video_unregister_device(self.0.video());
            if !(*media).devnode.is_null() {
                bindings::media_device_unregister(media);
                bindings::v4l2_m2m_unregister_media_controller(self.0.m2m_dev());
            }
        }
        self.0.stop_all();
    }
}

/// Registers a video device `/dev/videoN` and its media device, until `parent` is
/// unbound. What was registered with `parent` before, the interrupt say, is still
/// there while that undoes it.
///
/// Returns the N of `/dev/videoN`.
pub(crate) fn register<T: Operations>(
    parent: &device::Device<device::Bound>,
    module: &'static ThisModule,
    data: Arc<T::Device>,
) -> Result<u16> {
    let device = Device::<T>::new(parent, data)?;
    let registration = Registration::new(device.clone(), module)?;
    devres::register(parent, registration, GFP_KERNEL)?;
    // SAFETY: The video device was registered, and its number stays.
    Ok(unsafe { (*device.video()).num })
}

/// The C callbacks of the device of `T`.
struct Callbacks<T: Operations>(PhantomData<T>);

impl<T: Operations> Callbacks<T> {
    const M2M_OPS: bindings::v4l2_m2m_ops = bindings::v4l2_m2m_ops {
        device_run: Some(job::device_run::<T>),
        job_ready: None,
        job_abort: None,
    };

    const MEDIA_OPS: bindings::media_device_ops = bindings::media_device_ops {
        link_notify: None,
        req_alloc: None,
        req_free: None,
        req_validate: Some(bindings::vb2_request_validate),
        req_queue: Some(bindings::v4l2_m2m_request_queue),
    };

    /// The last reference is gone.
    unsafe extern "C" fn release(v4l2: *mut bindings::v4l2_device) {
        // SAFETY: V4L2 calls this once, for the field of a `Device<T>` that came from
        // a box in `Device::new`.
        unsafe {
            let device = container_of!(Opaque::cast_from(v4l2), Device<T>, v4l2).cast_mut();
            drop(Pin::new_unchecked(KBox::from_raw(device)));
        }
    }
}
