// SPDX-License-Identifier: GPL-2.0

//! What the tests in the kernel have in the place of hardware: memory for registers, a
//! device with an interrupt that software raises, and work that runs beside the test.

use super::{
    bindings,
    irq,
    pm,
    registers::{
        self,
        Block, //
    }, //
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
    },
    workqueue::Queue, //
};

/// Fails the test unless `$condition` holds, and says where; all that the test has made is undone.
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

/// What is only accessed as registers are, and aligned as they are.
#[repr(C, align(16))]
struct Words<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: All accesses are volatile, and of one word.
unsafe impl<const SIZE: usize> Sync for Words<SIZE> {}

impl<const SIZE: usize> Memory<SIZE> {
    /// Registers that are 0.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let words = KBox::new(Words(UnsafeCell::new([0; SIZE])), GFP_KERNEL)?;
        // INVARIANT: A box stays in place.
        let raw = MmioRaw::new_region(words.0.get().expose_provenance(), SIZE)?;
        Ok(Arc::new(Self { raw, _words: words }, GFP_KERNEL)?)
    }

    /// The same as a register block of `device`.
    pub(crate) fn block(this: &Arc<Self>, device: &Device<Bound>) -> Result<Block<SIZE>> {
        let memory = registers::Memory::Test {
            _kept: this.clone(),
        };
        // SAFETY: By the type invariant; this is handed over.
        unsafe { Block::over(device, this.raw, memory) }
    }

    /// The registers.
    pub(crate) fn registers(&self) -> Mmio<'_, Region<SIZE>> {
        // SAFETY: By the type invariant this is valid and aligned. The kernel's accessors do
        // on its own memory what they do on a device's.
        unsafe { Mmio::from_raw(self.raw) }
    }
}

/// A platform device that a driver without any function is bound to, with one interrupt,
/// which is raised by software. Dropping it unbinds and removes it. There can be one at a time.
///
/// # Invariants
///
/// The device is bound.
pub(crate) struct Software {
    device: ARef<Device>,
    wire: Wire,
}

impl Software {
    /// A device. `EEXIST` or `EBUSY` if there is one.
    pub(crate) fn new() -> Result<Self> {
        let mut number = 0;
        // SAFETY: The number is valid for writes.
        let device = from_err_ptr(unsafe { bindings::helper_software_new(&mut number) })?;
        // INVARIANT: Bound just now.
        Ok(Self {
            // SAFETY: The device is there.
            device: unsafe { Device::get_device(device) },
            wire: Wire(number),
        })
    }

    /// The device.
    pub(crate) fn device(&self) -> &Device<Bound> {
        // SAFETY: By the type invariant.
        unsafe { self.device.as_bound() }
    }

    /// The device.
    pub(crate) fn platform(&self) -> Result<&platform::Device<Bound>> {
        self.device().try_into()
    }

    /// Does `first`, and then undoes what that registered with the device, as if it were
    /// unbound and bound again. What it returns borrows nothing of the device.
    pub(crate) fn bound_again<T: 'static>(&self, first: impl FnOnce() -> Result<T>) -> Result<T> {
        let device = pm::as_raw(&self.device);
        // SAFETY: The device is there.
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
        // SAFETY: The group is the device's.
        unsafe { kernel::bindings::devres_release_group(device, group) };
        result
    }

    /// Its interrupt.
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }
}

impl Drop for Software {
    fn drop(&mut self) {
        // SAFETY: `new` made them. What was registered with the device is undone here.
        unsafe { bindings::helper_software_drop(pm::as_raw(&self.device), self.wire.0) };
    }
}

/// What raises an interrupt.
#[derive(Clone, Copy)]
pub(crate) struct Wire(u32);

impl Wire {
    /// Raises the interrupt, and returns when its hard half has run; or at once, if that is
    /// running on another CPU or nobody has requested the interrupt.
    pub(crate) fn raise(self) {
        // SAFETY: Any number will do.
        unsafe { bindings::helper_software_raise(self.0) };
    }

    /// The interrupt.
    pub(crate) fn number(self) -> irq::Number {
        irq::Number::new(self.0)
    }
}

/// Work that runs beside the test.
pub(crate) struct Helper(Arc<Completion>);

impl Helper {
    /// Starts it. It may sleep.
    pub(crate) fn start(work: impl FnOnce() + Send + 'static) -> Result<Self> {
        let ended = Arc::pin_init(Completion::new(), GFP_KERNEL)?;
        let this = Self(ended.clone());
        // SAFETY: The work queue is the kernel's own, and is never destroyed.
        let workers = unsafe { Queue::from_raw(kernel::bindings::system_dfl_wq) };
        workers.try_spawn(GFP_KERNEL, move || {
            // With all that it holds.
            work();
            ended.complete_all();
        })?;
        Ok(this)
    }

    /// Waits for its end.
    pub(crate) fn join(self) {
        self.0.wait_for_completion();
    }
}

/// Whether the kernel has warned of anything since it was booted.
pub(crate) fn has_warned() -> bool {
    // SAFETY: No requirement.
    unsafe { bindings::helper_has_warned() }
}
