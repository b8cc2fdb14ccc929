// SPDX-License-Identifier: GPL-2.0

//! The registration of a platform driver whose devices do DMA and support system sleep. The kernel
//! crate's own adapter does not provide for either.

use core::marker::PhantomData;
use kernel::{
    bindings::{
        self,
        dev_pm_ops,
        platform_driver, //
    },
    device::{
        BoundInternal,
        Core,
        Device, //
    },
    dma::{
        Device as _,
        DmaMask, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::from_result,
    ffi::c_int,
    of,
    platform,
    prelude::*,
    types::Opaque, //
};

/// A platform driver. A value of the implementing type is the driver's data of a bound device.
pub(crate) trait Driver: Sized + Send + Sync + 'static {
    /// The devices that the driver binds to.
    const OF_ID_TABLE: of::IdTable<()>;

    /// Returns how many address bits `device` drives, always the same number. It is called before
    /// [`probe`](Self::probe), which is not called if this fails. The adapter sets the DMA mask to
    /// that, and the longest DMA segment to `u32::MAX` bytes.
    ///
    /// The device is refused with `EINVAL` if there is no mask of that many bits, and with `EIO` if
    /// its bus does not support that mask.
    fn dma_bits(device: &platform::Device<Core<'_>>) -> Result<u32>;

    /// Binds `device`.
    fn probe(device: &platform::Device<Core<'_>>) -> Result<Self>;

    /// Ends the device's work, and releases what powers the device, because the system goes to
    /// sleep.
    ///
    /// This and [`resume`](Self::resume) are called in turn while the device is bound, in a thread
    /// that may sleep, when the processes of userspace are frozen. The device's power domain and
    /// its interrupt can be used. An error cancels the system's sleep.
    fn suspend(&self) -> Result;

    /// Resumes the work that [`suspend`](Self::suspend) ended.
    ///
    /// An error means that the device does not work. The system wakes up without it.
    fn resume(&self) -> Result;
}

/// Registers the platform driver `T`. It is the type that `kernel::module_driver!` takes.
pub(crate) struct Adapter<T>(PhantomData<T>);

/// The kernel crate's adapter, which registers the driver.
type Inner<T> = platform::Adapter<Adapter<T>>;

// SAFETY: The kernel crate's adapter implements this in the same way for the same structure.
unsafe impl<T: Driver> DriverLayout for Adapter<T> {
    type DriverType = platform_driver;
    type DriverData<'bound> = T;
    const DEVICE_DRIVER_OFFSET: usize = <Inner<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: The kernel crate's adapter implements this in the same way, with the functions that these
// call.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The structure is valid, and no other code accesses it before it is registered.
        unsafe { (*driver.get()).driver.pm = &Self::PM_OPS };
        // SAFETY: The caller meets the safety requirements, which are the same. The function does
        // not overwrite `pm`.
        unsafe { Inner::<T>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The caller meets the safety requirements, which are the same.
        unsafe { Inner::<T>::unregister(driver) };
    }
}

impl<T: Driver> platform::Driver for Adapter<T> {
    type IdInfo = ();
    type Data<'bound> = T;
    const OF_ID_TABLE: Option<of::IdTable<()>> = Some(T::OF_ID_TABLE);

    fn probe<'bound>(
        device: &'bound platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<T, Error> + 'bound {
        let mask = DmaMask::try_new(T::dma_bits(device)?)?;
        // SAFETY: This binding allocates no DMA memory yet, because the driver has not been given
        // the device. Open files of an earlier binding are refused memory. An ioctl of theirs that
        // is still running uses the same mask, and then these stores change nothing.
        unsafe {
            device.dma_set_max_seg_size(u32::MAX);
            device.dma_set_mask_and_coherent(mask)?;
        }
        T::probe(device)
    }
}

/// The C callbacks of system sleep.
impl<T: Driver> Adapter<T> {
    /// The PM callbacks. Hibernation stops and starts devices in the same way as suspend.
    const PM_OPS: dev_pm_ops = dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// Returns the driver's data of `device`.
    ///
    /// # Safety
    ///
    /// `device` must be bound to the driver `T`, and locked, for the lifetime `'a`.
    unsafe fn data<'a>(device: *mut bindings::device) -> Pin<&'a T> {
        // SAFETY: `Device` is a transparent wrapper of the C structure, and by the safety
        // requirements the device is bound. The kernel crate's adapter stored the result of
        // `T::probe` before the device counted as bound.
        unsafe { (*device.cast::<Device<BoundInternal>>()).drvdata_borrow::<T>() }
    }

    /// Suspends `device`.
    ///
    /// # Safety
    ///
    /// Only the PM core may call this, with the device locked.
    unsafe extern "C" fn suspend(device: *mut bindings::device) -> c_int {
        // SAFETY: The PM core calls the driver that the device is bound to, and this function is
        // registered for the driver `T` only. The device is locked.
        from_result(|| unsafe { Self::data(device) }.suspend().map(|()| 0))
    }

    /// Resumes `device`.
    ///
    /// # Safety
    ///
    /// Only the PM core may call this, with the device locked.
    unsafe extern "C" fn resume(device: *mut bindings::device) -> c_int {
        // SAFETY: The PM core calls the driver that the device is bound to, and this function is
        // registered for the driver `T` only. The device is locked.
        from_result(|| unsafe { Self::data(device) }.resume().map(|()| 0))
    }
}
