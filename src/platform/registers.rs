// SPDX-License-Identifier: GPL-2.0

//! A device's register block, reachable only with a `&Device<Bound>`.
//! For the tests in the kernel it can be memory.
//!
//! The kernel's own `Devres` also serves who does not know it, by RCU: unbinding waits for a
//! grace period, which on a busy machine takes most of a second.

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

/// `SIZE` bytes of registers.
pub(crate) struct Block<const SIZE: usize>(Arc<Mapping<SIZE>>);

/// Where the registers are.
///
/// # Invariants
///
/// `raw` is valid and aligned until `memory` is dropped.
struct Mapping<const SIZE: usize> {
    raw: MmioRaw<Region<SIZE>>,
    /// Whether the device is bound as it was when they were mapped.
    valid: Atomic<bool>,
    _memory: Memory<SIZE>,
    /// `_memory` may refer to it.
    device: ARef<Device>,
}

/// What keeps registers mapped.
pub(super) enum Memory<const SIZE: usize> {
    /// They are a device's.
    Device {
        /// Never used, only dropped.
        _mapped: IoMem<'static, SIZE>,
    },
    /// They are memory of a test.
    #[cfg(CONFIG_KUNIT = "y")]
    Test {
        /// Never used, only dropped.
        _kept: Arc<dyn Send + Sync>,
    },
}

impl<const SIZE: usize> Ends for Mapping<SIZE> {
    fn end(&self) {
        self.valid.store(false, Relaxed);
    }
}

impl<const SIZE: usize> Block<SIZE> {
    /// Requests memory resource `index` of `device` until that is unbound, and maps it. What is
    /// registered with the device later, an interrupt, a timer, a
    /// [`Binding`](binding::Binding), does not reach the registers once the device is unbound. The
    /// handler of an interrupt that was requested earlier may be late: it is to be registered later.
    ///
    /// `ENODEV` if it has none, `EINVAL` if that is too small, `EBUSY` if it was requested before.
    pub(crate) fn map(device: &platform::Device<Bound>, index: u32) -> Result<Self> {
        let resource = device.resource_by_index(index).ok_or(ENODEV)?;
        let (start, size) = (resource.start(), resource.size());
        let parent = device.as_ref();
        // The kernel crate's `iomap_exclusive_sized` requests a part of the device's own resource. A
        // resource of the device tree is in no list of the kernel's, so nobody would see that.
        // SAFETY: The device is bound. The request ends when it is unbound.
        if !unsafe { bindings::helper_devm_request_mem_region(as_raw(parent), start, size) } {
            return Err(EBUSY);
        }
        let request = device.io_request_by_index(index).ok_or(ENODEV)?;
        let memory = request.iomap_sized::<SIZE>()?;
        // SAFETY: Lifetimes do not change the layout. It borrows the device, which the mapping refers
        // to, and asks nothing of it when it is dropped: that takes the mapping back, also when the
        // device is not bound any more.
        let memory = unsafe { mem::transmute::<IoMem<'_, SIZE>, IoMem<'static, SIZE>>(memory) };
        let start = MmioBackend::as_ptr((&memory).as_view()).cast::<u8>();
        let raw = MmioRaw::new_region(start.addr(), SIZE)?;
        // SAFETY: What maps them is handed over.
        unsafe { Self::over(device.as_ref(), raw, Memory::Device { _mapped: memory }) }
    }

    /// The registers at `raw`, until `device` is unbound.
    ///
    /// # Safety
    ///
    /// They must be valid and aligned until `memory` is dropped.
    pub(super) unsafe fn over(
        device: &Device<Bound>,
        raw: MmioRaw<Region<SIZE>>,
        memory: Memory<SIZE>,
    ) -> Result<Self> {
        // INVARIANT: The caller's promise.
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

    /// The registers. `ENODEV` if they are not those of `device`, or were of an earlier binding.
    pub(crate) fn access<'a>(
        &'a self,
        device: &'a Device<Bound>,
    ) -> Result<Mmio<'a, Region<SIZE>>> {
        let same = ptr::eq::<Device>(&**device, &*self.0.device);
        if !same || !self.0.valid.load(Relaxed) {
            return Err(ENODEV);
        }
        // SAFETY: By the type invariant: the mapping is there as long as this is.
        Ok(unsafe { Mmio::from_raw(self.0.raw) })
    }
}
