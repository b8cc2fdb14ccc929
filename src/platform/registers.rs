// SPDX-License-Identifier: GPL-2.0

//! A device's register block, reachable only with a `&Device<Bound>`.
//! For the tests in the kernel it can be memory.
//!
//! The kernel's own `Devres` also serves who does not know it, by RCU: unbinding waits for a
//! grace period, which on a busy machine takes most of a second.

use super::{
    binding,
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
pub(crate) struct Block<const SIZE: usize> {
    device: ARef<Device>,
    mapping: Arc<Mapping<SIZE>>,
}

/// Where the registers are.
///
/// # Invariants
///
/// While `valid` is true to who knows that the device is bound, and knows it from what was
/// registered with the device later or from its driver's callbacks, `raw` is valid and aligned.
struct Mapping<const SIZE: usize> {
    raw: MmioRaw<Region<SIZE>>,
    valid: Atomic<bool>,
}

impl<const SIZE: usize> Block<SIZE> {
    /// Requests and maps memory resource `index` of `device`, until that is unbound: after what is
    /// registered with it later was undone. Only what is registered later may use it: an
    /// interrupt, a timer, a [`Binding`](binding::Binding).
    ///
    /// `ENODEV` if it has none, `EINVAL` if that is too small, `EBUSY` if it was requested before.
    pub(crate) fn map(device: &platform::Device<Bound>, index: u32) -> Result<Self> {
        let resource = device.resource_by_index(index).ok_or(ENODEV)?;
        let (start, size) = (resource.start(), resource.size());
        let parent = device.as_ref();
        // The kernel crate's `iomap_exclusive_sized` requests a part of the device's own resource. A
        // resource of the device tree is in no list of the kernel's, so nobody would see that.
        // SAFETY: The device is bound. The request ends when it is unbound, after the mapping, which
        // is registered later.
        if !unsafe { bindings::helper_devm_request_mem_region(as_raw(parent), start, size) } {
            return Err(EBUSY);
        }
        let request = device.io_request_by_index(index).ok_or(ENODEV)?;
        let memory = request.iomap_sized::<SIZE>()?;
        // SAFETY: Lifetimes do not change the layout. It borrows the device only, and is dropped
        // before that is unbound.
        let memory = unsafe { mem::transmute::<IoMem<'_, SIZE>, IoMem<'static, SIZE>>(memory) };
        let start = MmioBackend::as_ptr((&memory).as_view()).cast::<u8>();
        let raw = MmioRaw::new_region(start.addr(), SIZE)?;
        // SAFETY: What maps them is handed over.
        unsafe { Self::over(device.as_ref(), raw, memory) }
    }

    /// The registers at `raw`, until `device` is unbound.
    ///
    /// # Safety
    ///
    /// They must be valid and aligned until `memory` is dropped.
    pub(super) unsafe fn over(
        device: &Device<Bound>,
        raw: MmioRaw<Region<SIZE>>,
        memory: impl Send + 'static,
    ) -> Result<Self> {
        // INVARIANT: The memory is kept until `valid` is false, and that comes after all that was
        // registered later is over, and after the driver's callbacks.
        let mapping = Mapping {
            raw,
            valid: Atomic::new(true),
        };
        let mapping = Arc::new(mapping, GFP_KERNEL)?;
        let ended = mapping.clone();
        binding::at_end(device, move |_| {
            let _kept = &memory;
            // Who is told from now on that the device is bound was registered earlier, or is
            // told of its next binding.
            ended.valid.store(false, Relaxed);
        })?;
        Ok(Self {
            device: device.into(),
            mapping,
        })
    }

    /// The registers. `ENODEV` if they are not those of `device`, or were of an earlier binding.
    pub(crate) fn access<'a>(
        &'a self,
        device: &'a Device<Bound>,
    ) -> Result<Mmio<'a, Region<SIZE>>> {
        let same = ptr::eq::<Device>(&**device, &*self.device);
        if !same || !self.mapping.valid.load(Relaxed) {
            return Err(ENODEV);
        }
        // SAFETY: By the type invariant, for as long as the device is bound to the caller, who is
        // of those that `map` names.
        Ok(unsafe { Mmio::from_raw(self.mapping.raw) })
    }
}
