// SPDX-License-Identifier: GPL-2.0

//! A device's register block, reachable only while the device is bound. For the tests in
//! the kernel it can be memory.

use kernel::{
    device::{
        Bound,
        Device, //
    },
    devres::DevresGuard,
    io::{
        mem::{
            DevresIoMem,
            IoMem, //
        },
        IoBase,
        Mmio,
        Region, //
    },
    platform,
    prelude::*, //
};
#[cfg(CONFIG_KUNIT = "y")]
use {
    super::kunit::Memory,
    kernel::{
        devres::Devres,
        revocable::RevocableGuard,
        sync::Arc, //
    },
};

/// `SIZE` bytes of registers.
pub(crate) enum Block<const SIZE: usize> {
    /// Those of a device.
    Device(DevresIoMem<SIZE>),
    /// None: what is written stays as it is.
    #[cfg(CONFIG_KUNIT = "y")]
    Memory(Devres<Arc<Memory<SIZE>>>),
}

impl<const SIZE: usize> Block<SIZE> {
    /// Maps memory resource `index` of `device`.
    ///
    /// `ENODEV` if it has none, `EINVAL` if that is too small.
    pub(crate) fn map(device: &platform::Device<Bound>, index: u32) -> Result<Self> {
        let request = device.io_request_by_index(index).ok_or(ENODEV)?;
        Ok(Self::Device(request.iomap_sized()?.into_devres()?))
    }

    /// The registers, for who knows that `device` is bound.
    ///
    /// `EINVAL` if they are another device's.
    pub(crate) fn access<'a>(
        &'a self,
        device: &'a Device<Bound>,
    ) -> Result<Mmio<'a, Region<SIZE>>> {
        match self {
            Self::Device(io) => Ok(io.access(device)?.as_view()),
            #[cfg(CONFIG_KUNIT = "y")]
            Self::Memory(io) => Ok(io.access(device)?.registers()),
        }
    }

    /// The registers, which keep the device from being unbound. [`None`] if it is.
    pub(crate) fn try_access(&self) -> Option<Access<'_, SIZE>> {
        match self {
            Self::Device(io) => io.try_access().map(Access::Device),
            #[cfg(CONFIG_KUNIT = "y")]
            Self::Memory(io) => io.try_access().map(Access::Memory),
        }
    }
}

/// A register block of a device that is not unbound meanwhile. Nothing may sleep.
pub(crate) enum Access<'a, const SIZE: usize> {
    /// That of a device.
    Device(DevresGuard<'a, IoMem<'static, SIZE>>),
    /// Memory.
    #[cfg(CONFIG_KUNIT = "y")]
    Memory(RevocableGuard<'a, Arc<Memory<SIZE>>>),
}

impl<const SIZE: usize> Access<'_, SIZE> {
    /// The registers.
    pub(crate) fn registers(&self) -> Mmio<'_, Region<SIZE>> {
        match self {
            Self::Device(io) => (&**io).as_view(),
            #[cfg(CONFIG_KUNIT = "y")]
            Self::Memory(io) => io.registers(),
        }
    }
}
