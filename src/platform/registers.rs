// SPDX-License-Identifier: GPL-2.0

//! The register block of a device, which is accessible only with a `&Device<Bound>`. In KUnit tests
//! it can be memory.
//!
//! The kernel's own `Devres` also serves callers without such a reference, by means of RCU:
//! unbinding waits for a grace period, which on a busy machine takes most of a second.

use super::{
    binding::{
        self,
        Ends, //
    },
    bindings,
    pm::as_raw, //
};
use core::{
    mem,
    ptr, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    io::{
        mem::IoMem,
        IoBackend,
        IoBase,
        Mmio,
        MmioBackend,
        MmioRaw,
        Region, //
    },
    platform,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    }, //
};

/// A block of `SIZE` bytes of registers.
pub(crate) struct Block<const SIZE: usize>(Arc<Mapping<SIZE>>);

/// The mapping of a register block.
///
/// # Invariants
///
/// `raw` is valid and aligned until `_memory` is dropped.
struct Mapping<const SIZE: usize> {
    raw: MmioRaw<Region<SIZE>>,
    /// Whether the binding in which the registers were mapped has not ended.
    valid: Atomic<bool>,
    _memory: Memory<SIZE>,
    /// The device of the registers, to which `_memory` may refer.
    device: ARef<Device>,
}

/// The object that keeps registers mapped.
pub(super) enum Memory<const SIZE: usize> {
    /// The registers are a device's.
    Device {
        /// It is never used, only dropped.
        _mapped: IoMem<'static, SIZE>,
    },
    /// The registers are memory of a test.
    #[cfg(CONFIG_KUNIT = "y")]
    Test {
        /// It is never used, only dropped.
        _kept: Arc<dyn Send + Sync>,
    },
}

impl<const SIZE: usize> Ends for Mapping<SIZE> {
    fn end(&self) {
        self.valid.store(false, Relaxed);
    }
}

impl<const SIZE: usize> Block<SIZE> {
    /// Requests memory resource `index` of `device` until the device is unbound, and maps it until
    /// the last reference to the block is dropped. After unbinding, [`access`](Self::access)
    /// returns `ENODEV`.
    ///
    /// The interrupt must be requested after this call, so that devres frees it first: the handler
    /// of an interrupt that is freed later could access registers that are not requested any more.
    ///
    /// `ENODEV` if there is no such resource, `EINVAL` if it is too small, `EBUSY` if it was
    /// requested before, or if there is no memory to note the request: the kernel does not tell
    /// these two apart.
    pub(crate) fn map(device: &platform::Device<Bound>, index: u32) -> Result<Self> {
        let resource = device.resource_by_index(index).ok_or(ENODEV)?;
        let (start, size) = (resource.start(), resource.size());
        let parent = device.as_ref();
        // The kernel crate's `iomap_exclusive_sized` requests a part of the device's own resource.
        // A resource of the device tree is not in any of the kernel's lists, so no other driver
        // would see such a request.
        // SAFETY: The device is bound. The request ends when it is unbound.
        if !unsafe { bindings::helper_devm_request_mem_region(as_raw(parent), start, size) } {
            return Err(EBUSY);
        }
        let request = device.io_request_by_index(index).ok_or(ENODEV)?;
        let memory = request.iomap_sized::<SIZE>()?;
        // SAFETY: Lifetimes do not change the layout. The memory borrows the device, to which the
        // mapping holds a reference. Dropping the memory only removes the mapping, for which the
        // device need not be bound any more.
        let memory = unsafe { mem::transmute::<IoMem<'_, SIZE>, IoMem<'static, SIZE>>(memory) };
        let start = MmioBackend::as_ptr((&memory).as_view()).cast::<u8>();
        let raw = MmioRaw::new_region(start.addr(), SIZE)?;
        // SAFETY: The registers are mapped at `raw` until `memory`, which is passed on, is dropped.
        unsafe { Self::over(device.as_ref(), raw, Memory::Device { _mapped: memory }) }
    }

    /// Creates a block of the registers at `raw`, until `device` is unbound.
    ///
    /// # Safety
    ///
    /// The registers must be valid and aligned until `memory` is dropped.
    pub(super) unsafe fn over(
        device: &Device<Bound>,
        raw: MmioRaw<Region<SIZE>>,
        memory: Memory<SIZE>,
    ) -> Result<Self> {
        // INVARIANT: By the safety requirements.
        let mapping = Mapping {
            raw,
            valid: Atomic::new(true),
            _memory: memory,
            device: device.into(),
        };
        let mapping = Arc::new(mapping, GFP_KERNEL)?;
        binding::at_end(device, mapping.clone())?;
        Ok(Self(mapping))
    }

    /// Returns the registers.
    ///
    /// `ENODEV` if `device` is not their device, or if they were mapped in an earlier binding.
    pub(crate) fn access<'a>(
        &'a self,
        device: &'a Device<Bound>,
    ) -> Result<Mmio<'a, Region<SIZE>>> {
        let same = ptr::eq::<Device>(&**device, &*self.0.device);
        if !same || !self.0.valid.load(Relaxed) {
            return Err(ENODEV);
        }
        // SAFETY: By the type invariant the registers are valid as long as `self`.
        Ok(unsafe { Mmio::from_raw(self.0.raw) })
    }
}
