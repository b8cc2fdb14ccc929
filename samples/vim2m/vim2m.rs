// SPDX-License-Identifier: GPL-2.0

//! A virtual mem2mem device: a port of the kernel's vim2m.
//!
//! The device converts between RGB, YUV and Bayer formats, scales and mirrors, by the CPU. A frame
//! takes a time that a control sets, as if hardware processed it.
//!
//! Limitations, compared with vim2m:
//!
//! - There is no parameter `debug`, and none for the default time of a frame.
//! - A format or a field order that a queue does not have is replaced, and never refused.
//! - The memory of a queue's buffers is not limited to 16 MiB. There is no USERPTR.
//! - "Buffers Per Transaction" cannot be set in a request, and is not marked as grabbed.

mod context;
mod convert;
mod device;
mod format;

// Both are compiled into each driver. They could become crates: see docs/porting.md.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../src"]
mod shared {
    pub(crate) mod media;
    pub(crate) mod platform;
}
use shared::{media, platform};

use context::Context;
use kernel::{device::Core, driver, module::this_module, prelude::*, InPlaceModule};
use media::prelude::*;
use platform::{binding::Binding, virtual_device::VirtualDevice};

/// The name of the device and of its driver.
const NAME: &CStr = c"vim2m_rust";

/// The driver of the virtual device. It keeps nothing: what it registers with a device is undone
/// when the device is unbound.
struct Driver;

impl kernel::platform::Driver for Driver {
    type IdInfo = ();
    type Data<'bound> = Self;

    fn probe<'bound>(
        device: &'bound kernel::platform::Device<Core<'_>>,
        _info: Option<&'bound ()>,
    ) -> impl PinInit<Self, Error> + 'bound {
        let api = match *module_parameters::multiplanar.value_ref() {
            1 => Api::SinglePlanar,
            2 => Api::MultiPlanar,
            other => {
                dev_err!(device, "multiplanar is {}: it must be 1 or 2\n", other);
                return Err(EINVAL);
            }
        };
        let binding = Binding::new(device.as_ref())?;
        let data = device::Device::new(device.as_ref())?;
        let module = this_module::<Module>();
        let (_, number) = m2m::register::<Context>(device.as_ref(), module, api, binding, data)?;
        dev_info!(device, "registered as /dev/video{}\n", number);
        Ok(Self)
    }
}

/// The module. The device is removed before its driver is unregistered.
#[pin_data]
struct Module {
    _device: VirtualDevice,
    #[pin]
    _driver: driver::Registration<kernel::platform::Adapter<Driver>>,
}

impl InPlaceModule for Module {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _driver <- driver::Registration::new(NAME, module),
            _device: VirtualDevice::new(NAME)?,
        })
    }
}

module! {
    type: Module,
    name: "vim2m_rust",
    authors: ["The DW100 Rust driver authors"],
    description: "Virtual mem2mem device",
    license: "GPL",
    params: {
        multiplanar: u32 { default: 1, description: "1: single-planar device, 2: multi-planar", },
        work: u32 { default: 1, description: "0: frames end at once, and no image is written", },
    },
}
