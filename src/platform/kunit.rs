// SPDX-License-Identifier: GPL-2.0

//! Replacements of hardware for KUnit tests: memory for registers, a device with an interrupt that
//! software raises, and work that runs in parallel with the test.

use super::{
    bindings,
    irq,
    pm,
    registers::{
        self,
        Block, //
    },
    workers, //
};
use core::{
    cell::UnsafeCell,
    ptr, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    error::from_err_ptr,
    io::{
        Mmio,
        MmioRaw,
        Region, //
    },
    platform,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        Completion, //
    }, //
};

/// Fails the test unless `$condition` holds, and prints the place. It returns from the test, so
/// that all that the test has created is dropped.
macro_rules! ensure {
    ($condition:expr) => {
        if !$condition {
            kernel::kunit::err(format_args!(
                "    # {}:{}: {}\n",
                file!(),
                line!(),
                stringify!($condition)
            ));
            return Err(EINVAL);
        }
    };
}
pub(crate) use ensure;

/// Memory in the place of a register block.
///
/// # Invariants
///
/// `raw` is the address of `words`.
pub(crate) struct Memory<const SIZE: usize> {
    raw: MmioRaw<Region<SIZE>>,
    _words: KBox<Words<SIZE>>,
}

/// The memory of a register block. It is accessed only as registers are, and aligned likewise.
#[repr(C, align(16))]
struct Words<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: Each access is a volatile access of one word.
unsafe impl<const SIZE: usize> Sync for Words<SIZE> {}

impl<const SIZE: usize> Memory<SIZE> {
    /// Creates registers that are 0.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let words = KBox::new(Words(UnsafeCell::new([0; SIZE])), GFP_KERNEL)?;
        // INVARIANT: The contents of a box stay in place when the box is moved.
        let raw = MmioRaw::new_region(words.0.get().expose_provenance(), SIZE)?;
        Ok(Arc::new(Self { raw, _words: words }, GFP_KERNEL)?)
    }

    /// Creates a register block of `device` over the memory.
    pub(crate) fn block(this: &Arc<Self>, device: &Device<Bound>) -> Result<Block<SIZE>> {
        let memory = registers::Memory::Test {
            _kept: this.clone(),
        };
        // SAFETY: By the type invariant `raw` is the address of the words, which `memory` keeps
        // until it is dropped.
        unsafe { Block::over(device, this.raw, memory) }
    }

    /// Returns the registers.
    pub(crate) fn registers(&self) -> Mmio<'_, Region<SIZE>> {
        // SAFETY: By the type invariant `raw` is valid and aligned. The kernel's accessors access
        // the kernel's own memory in the same way as a device's.
        unsafe { Mmio::from_raw(self.raw) }
    }
}

/// A platform device with one interrupt that software raises, bound to a driver that does nothing.
/// Dropping it unbinds and removes the device. There can be one at a time.
///
/// # Invariants
///
/// The device is bound.
pub(crate) struct Software {
    device: ARef<Device>,
    wire: Wire,
}

impl Software {
    /// Creates the device.
    ///
    /// `EEXIST` or `EBUSY` if there is one.
    pub(crate) fn new() -> Result<Self> {
        let mut number = 0;
        // SAFETY: The number is valid for writes.
        let device = from_err_ptr(unsafe { bindings::helper_software_new(&mut number) })?;
        // INVARIANT: The function returns a bound device.
        Ok(Self {
            // SAFETY: The device is valid until `helper_software_drop` removes it.
            device: unsafe { Device::get_device(device) },
            wire: Wire(number),
        })
    }

    /// Returns the device.
    pub(crate) fn device(&self) -> &Device<Bound> {
        // SAFETY: By the type invariant the device is bound.
        unsafe { self.device.as_bound() }
    }

    /// Returns the device as a platform device.
    pub(crate) fn platform(&self) -> Result<&platform::Device<Bound>> {
        self.device().try_into()
    }

    /// Calls `first`, and then undoes what it registered with the device, as if the device were
    /// unbound and bound again. The result of `first` borrows nothing of the device.
    pub(crate) fn bound_again<T: 'static>(&self, first: impl FnOnce() -> Result<T>) -> Result<T> {
        let device = pm::as_raw(&self.device);
        // SAFETY: The device is valid.
        let group = unsafe {
            kernel::bindings::devres_open_group(
                device,
                ptr::null_mut(),
                kernel::bindings::GFP_KERNEL,
            )
        };
        if group.is_null() {
            return Err(ENOMEM);
        }
        let result = first();
        // SAFETY: `group` was opened for this device above.
        unsafe { kernel::bindings::devres_release_group(device, group) };
        result
    }

    /// Returns the wire of the device's interrupt.
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }
}

impl Drop for Software {
    fn drop(&mut self) {
        // SAFETY: `new` created both. What was registered with the device is undone here.
        unsafe { bindings::helper_software_drop(pm::as_raw(&self.device), self.wire.0) };
    }
}

/// The wire of an interrupt, which raises it.
#[derive(Clone, Copy)]
pub(crate) struct Wire(u32);

impl Wire {
    /// Raises the interrupt, and returns when its handler has run. It returns at once if the
    /// handler runs on another CPU, or if the interrupt is not requested.
    pub(crate) fn raise(self) {
        // SAFETY: The function looks the number up, and returns if there is no such interrupt.
        unsafe { bindings::helper_software_raise(self.0) };
    }

    /// Returns the number of the interrupt.
    pub(crate) fn number(self) -> irq::Number {
        irq::Number::new(self.0)
    }
}

/// Work that runs in parallel with the test.
pub(crate) struct Helper(Arc<Completion>);

impl Helper {
    /// Starts `work`, which may sleep.
    pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let ended = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let this = Self(ended.clone());
        workers::any().try_spawn(GFP_KERNEL, move || {
            // The call drops what `work` holds, before the completion.
            work();
            ended.complete_all();
        })?;
        Ok(this)
    }

    /// Waits until the work has ended.
    pub(crate) fn join(self) {
        self.0.wait_for_completion();
    }
}

/// Returns whether the kernel has warned of anything since it was booted.
pub(crate) fn has_warned() -> bool {
    // SAFETY: The function has no safety requirements.
    unsafe { bindings::helper_has_warned() }
}
