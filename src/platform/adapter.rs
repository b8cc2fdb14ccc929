// SPDX-License-Identifier: GPL-2.0

//! How a platform driver is registered whose devices do DMA and sleep with the system: the kernel
//! crate's own adapter has no place for either.

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

/// A platform driver. A value of the implementing type is the driver's part of a bound device.
pub(crate) trait Driver: Sized + Send + Sync + 'static {
    /// The devices that it takes.
    const OF_ID_TABLE: of::IdTable<()>;

    /// How many address bits `device` drives. Called before [`probe`](Self::probe), which is not
    /// called if this fails. A segment may have any length.
    ///
    /// The device is refused with `EINVAL` if there are no masks of that many bits, and with `EIO` if
    /// its bus cannot do with that.
    fn dma_bits(device: &platform::Device<Core<'_>>) -> Result<u32>;

    /// Binds `device`.
    fn probe(device: &platform::Device<Core<'_>>) -> Result<Self>;

    /// Ends what is under way, and lets go of what powers the device: the system goes to sleep.
    ///
    /// This and [`resume`](Self::resume) are called while the device is bound, in turn, in a thread
    /// that may sleep, when the processes of userspace are frozen. The device's power domain and its
    /// interrupt are there.
    fn suspend(&self) -> Result;

    /// Takes up again what [`suspend`](Self::suspend) ended.
    ///
    /// An error says that the device does not work. The system wakes up without it.
    fn resume(&self) -> Result;
}

/// Registers the platform driver `T`: what `kernel::module_driver!` takes.
pub(crate) struct Adapter<T>(PhantomData<T>);

/// How the kernel crate registers it.
type Inner<T> = platform::Adapter<Adapter<T>>;

// SAFETY: This is what the kernel crate's adapter says of the same structure.
unsafe impl<T: Driver> DriverLayout for Adapter<T> {
    type DriverType = platform_driver;
    type DriverData<'bound> = T;
    const DEVICE_DRIVER_OFFSET: usize = <Inner<T> as DriverLayout>::DEVICE_DRIVER_OFFSET;
}

// SAFETY: The kernel crate's adapter says the same of its functions, which these call.
unsafe impl<T: Driver> RegistrationOps for Adapter<T> {
    unsafe fn register(
        driver: &Opaque<Self::DriverType>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        // SAFETY: The structure is valid, and nobody knows it before it is registered.
        unsafe { (*driver.get()).driver.pm = &Self::PM_OPS };
        // SAFETY: The caller's promise. What is set above stays.
        unsafe { Inner::<T>::register(driver, name, module) }
    }

    unsafe fn unregister(driver: &Opaque<Self::DriverType>) {
        // SAFETY: The caller's promise.
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
        // SAFETY: The driver has not been given the device yet. Open files of an earlier binding are
        // refused memory, and an ioctl of theirs that is still under way asked for it with the same
        // mask: these stores change nothing then.
        unsafe {
            device.dma_set_max_seg_size(u32::MAX);
            device.dma_set_mask_and_coherent(mask)?;
        }
        T::probe(device)
    }
}

/// The C callbacks of system sleep.
impl<T: Driver> Adapter<T> {
    /// Hibernation stops and starts devices in the same way.
    const PM_OPS: dev_pm_ops = dev_pm_ops {
        suspend: Some(Self::suspend),
        resume: Some(Self::resume),
        freeze: Some(Self::suspend),
        thaw: Some(Self::resume),
        poweroff: Some(Self::suspend),
        restore: Some(Self::resume),
        ..pin_init::zeroed()
    };

    /// # Safety
    ///
    /// `device` must be bound to the driver `T`, and locked, for the time of `'a`.
    unsafe fn data<'a>(device: *mut bindings::device) -> Pin<&'a T> {
        // SAFETY: `Device` is a transparent wrapper of the C structure, which is bound.
        let device: &Device<BoundInternal> = unsafe { &*device.cast() };
        // SAFETY: The kernel crate's adapter stored what `T::probe` returned before it counted the
        // device as bound.
        unsafe { device.drvdata_borrow::<T>() }
    }

    /// # Safety
    ///
    /// To be called by the PM core, with the device locked.
    unsafe extern "C" fn suspend(device: *mut bindings::device) -> c_int {
        // SAFETY: The PM core asks the driver that a device is bound to, and this is only known as
        // one of the driver `T`.
        from_result(|| unsafe { Self::data(device) }.suspend().map(|()| 0))
    }

    /// # Safety
    ///
    /// To be called by the PM core, with the device locked.
    unsafe extern "C" fn resume(device: *mut bindings::device) -> c_int {
        // SAFETY: As above.
        from_result(|| unsafe { Self::data(device) }.resume().map(|()| 0))
    }
}
