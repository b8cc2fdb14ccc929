// SPDX-License-Identifier: GPL-2.0

//! The device that outlives unbind: what the contexts of all open files share,
//! and its power.

use crate::{
    engine::Engine,
    job::{
        Interrupt,
        Runner, //
    },
    platform::{
        binding::{
            self,
            Binding, //
        },
        clock::{
            self,
            Clocks, //
        },
        irq,
        pm, //
    }, //
};
use kernel::{
    device::Bound,
    new_mutex,
    platform,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// A DW100. It is complete before it is registered, and reaches the hardware only
/// while it is bound.
#[pin_data]
pub(crate) struct Device {
    binding: Arc<Binding>,
    clocks: Arc<Clocks>,
    runner: Arc<Runner>,
    #[pin]
    power: Mutex<PowerState>,
}

/// Who needs the device powered, and what keeps it so.
#[derive(Default)]
struct PowerState {
    users: usize,
    /// In the order in which they are given up.
    on: Option<(clock::Running, pm::Active)>,
}

impl Device {
    /// Sets a device up: registers, clocks, runtime PM and interrupt.
    pub(crate) fn new(platform: &platform::Device<Bound>) -> Result<Arc<Self>> {
        let device = platform.as_ref();
        let clocks = Clocks::get(device, &[c"axi", c"ahb"])?;
        let runner = Runner::new(Engine::new(platform)?)?;
        let binding = Binding::new(device)?;
        pm::enable(device)?;

        let this = Arc::pin_init(
            pin_init!(Self {
                binding,
                clocks,
                runner,
                power <- new_mutex!(PowerState::default(), "Device::power"),
            }),
            GFP_KERNEL,
        )?;
        // A device that cannot be powered is better found now than with the first frame. Its
        // reset silences an engine that was left at work, before its interrupt is taken.
        drop(Self::power(&this)?);
        irq::request(platform, 0, c"dw100", Interrupt(this.runner.clone()))?;
        Ok(this)
    }

    /// Holds unbinding up. [`None`] if the device is unbound.
    pub(crate) fn bound(&self) -> Option<binding::Guard<'_>> {
        self.binding.enter()
    }

    /// Runs the frames.
    pub(crate) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// Powers the device until the guard is dropped, with its engine reset when it was
    /// off before. May sleep.
    ///
    /// `ENODEV` if the device is unbound.
    pub(crate) fn power(this: &Arc<Self>) -> Result<Powered> {
        let bound = this.bound().ok_or(ENODEV)?;
        let mut power = this.power.lock();
        if power.on.is_none() {
            let active = pm::Active::get(&bound)?;
            let clocks = Clocks::run(&this.clocks)?;
            this.runner.engine().reset()?;
            power.on = Some((clocks, active));
        }
        power.users += 1;
        drop(power);
        Ok(Powered(this.clone()))
    }
}

/// Keeps a device powered.
pub(crate) struct Powered(Arc<Device>);

impl Drop for Powered {
    fn drop(&mut self) {
        let mut power = self.0.power.lock();
        power.users = power.users.saturating_sub(1);
        if power.users == 0 {
            power.on = None;
        }
    }
}
