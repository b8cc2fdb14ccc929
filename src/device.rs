// SPDX-License-Identifier: GPL-2.0

//! The device that outlives unbind: what the contexts of all open files share,
//! and its power.

mod accounts;

use crate::{
    dewarp::{
        deadline,
        frame::Program,
        size::Size,
        statistics::Account, //
    },
    engine::Engine,
    job::{
        interrupt::Interrupt,
        watchdog::Watchdog,
        Frame,
        Runner, //
    },
    media::m2m::Job,
    module_parameters,
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
        pm,
        timer::Timer, //
    }, //
};
use kernel::{
    device::{
        self,
        Bound, //
    },
    fmt,
    new_mutex,
    platform,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    },
    time::Delta, //
};

use accounts::Accounts;

/// The longest time for a frame that can be asked for, milliseconds: nobody waits without a bound.
const MAX_WATCHDOG_MS: u32 = 60_000;

/// What a driver finds out about the engine when it is bound.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    /// DEWARP_ID.
    pub(crate) id: u32,
    /// BUS_CTRL as the reset left it, with the AXI master disabled.
    pub(crate) bus_ctrl: u32,
    /// The rate of the AXI clock, hertz.
    pub(crate) axi_hz: u64,
}

/// A DW100. It is complete before it is registered, and reaches the hardware only
/// while it is bound.
#[pin_data]
pub(crate) struct Device {
    binding: Arc<Binding>,
    clocks: Arc<Clocks<2>>,
    runner: Arc<Runner>,
    watchdog: Arc<Timer<Watchdog>>,
    line: irq::Line,
    identity: Identity,
    /// The longest time for a frame, milliseconds; 0 for one by its size.
    watchdog_ms: Atomic<u32>,
    /// The rate of the engine's clock, hertz, when it was last switched on.
    axi_hz: Atomic<u64>,
    /// Whether the engine is powered.
    ready: Atomic<bool>,
    #[pin]
    power: Mutex<PowerState>,
    #[pin]
    accounts: Accounts,
}

/// Who needs the device powered, and what keeps it so.
#[derive(Default)]
struct PowerState {
    users: usize,
    /// In the order in which they are given up.
    on: Option<On>,
}

/// What keeps a device powered.
type On = (clock::Running<2>, pm::Active);

impl Device {
    /// Sets a device up: registers, clocks, runtime PM and interrupt.
    pub(crate) fn new(platform: &platform::Device<Bound>) -> Result<Arc<Self>> {
        let device = platform.as_ref();
        let clocks = Clocks::get(device, [c"axi", c"ahb"])?;
        let runner = Runner::new(Engine::new(platform)?)?;
        let binding = Binding::new(device)?;
        pm::enable(device)?;
        // A device that cannot be powered is better found now than with the first frame. Its
        // reset silences an engine that was left at work, before its interrupt is taken.
        let powered = Self::switch_on(device, &clocks, runner.engine())?;
        let (id, bus_ctrl) = runner.engine().identity(device)?;
        let identity = Identity {
            id,
            bus_ctrl,
            axi_hz: clocks.rate(),
        };
        drop(powered);
        let line = irq::request(platform, 0, Interrupt(runner.clone()))?;
        let watchdog = Timer::new(device, Watchdog::new(runner.clone(), line.clone()))?;

        let this = Arc::pin_init(
            pin_init!(Self {
                binding,
                clocks,
                runner,
                watchdog,
                line,
                identity,
                watchdog_ms: Atomic::new(*module_parameters::watchdog_ms.value_ref()),
                axi_hz: Atomic::new(0),
                ready: Atomic::new(false),
                power <- new_mutex!(PowerState::default(), "Device::power"),
                accounts <- Accounts::new(),
            }),
            GFP_KERNEL,
        )?;
        Ok(this)
    }

    /// Powers the device and resets its engine.
    fn switch_on(
        device: &device::Device<Bound>,
        clocks: &Arc<Clocks<2>>,
        engine: &Engine,
    ) -> Result<On> {
        let active = pm::Active::get(device)?;
        let running = Clocks::run(clocks)?;
        engine.reset(device)?;
        Ok((running, active))
    }

    /// Whether it is bound.
    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// Holds unbinding up. [`None`] if the device is unbound.
    pub(crate) fn bound(&self) -> Option<binding::Guard<'_>> {
        self.binding.enter()
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        self.runner.engine()
    }

    /// What was found out about the engine when the driver was bound.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// The longest time for a frame, milliseconds; 0 for one by its size. It holds for frames that
    /// are started from now on.
    pub(crate) fn watchdog_ms(&self) -> &Atomic<u32> {
        &self.watchdog_ms
    }

    /// Shows the registers as they were when a frame's time was last over.
    pub(crate) fn show_time_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runner.show_time_out(f)
    }

    /// Shows what is counted of it, and of its open files.
    pub(crate) fn show_statistics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self.runner.totals(), f)?;
        self.accounts.show(f)
    }

    /// Gives a frame back for which there is no program, to be ended as failed.
    pub(crate) fn refuse(&self, frame: Frame) -> Job {
        self.runner.refuse(frame)
    }

    /// Starts a frame with the images' sizes. One that cannot be started comes back, to be ended as
    /// failed.
    pub(crate) fn start(
        &self,
        bound: &device::Device<Bound>,
        frame: Frame,
        program: &Program,
        (source, destination): (Size, Size),
    ) -> Result<(), Job> {
        // Streams keep the device powered, unless that failed when the system woke up.
        if !self.ready.load(Relaxed) {
            return Err(self.refuse(frame));
        }
        let limit_ns = match self.watchdog_ms.load(Relaxed) {
            0 => deadline::limit_ns(source, destination, self.axi_hz.load(Relaxed)),
            limit_ms => u64::from(limit_ms.min(MAX_WATCHDOG_MS)) * 1_000_000,
        };
        // CAST: A minute at most.
        let limit = Delta::from_nanos(limit_ns as i64);
        self.runner.start(bound, frame, program, limit)?;
        // The engine is at work: now there is time for this.
        Timer::arm(&self.watchdog, limit);
        Ok(())
    }

    /// Ends the running frame as failed, if there is one, before the interrupt is released. No frame
    /// may be started meanwhile.
    pub(crate) fn abandon(&self, bound: &device::Device<Bound>) {
        self.runner.abandon(bound, &self.line);
    }

    /// Powers the device until the guard is dropped, with its engine reset when it was
    /// off before. May sleep.
    ///
    /// `ENODEV` if the device is unbound.
    pub(crate) fn power(this: &Arc<Self>) -> Result<Powered> {
        let bound = this.bound().ok_or(ENODEV)?;
        let mut power = this.power.lock();
        this.power_on(&bound, &mut power)?;
        power.users += 1;
        drop(power);
        Ok(Powered(this.clone()))
    }

    fn power_on(&self, bound: &device::Device<Bound>, power: &mut PowerState) -> Result {
        if power.on.is_none() {
            power.on = Some(Self::switch_on(bound, &self.clocks, self.engine())?);
            self.axi_hz.store(self.clocks.rate(), Relaxed);
            self.ready.store(true, Relaxed);
        }
        Ok(())
    }

    fn power_off(&self, power: &mut PowerState) {
        self.ready.store(false, Relaxed);
        power.on = None;
    }

    /// Lets go of the device's power, whoever needs it. No frame may be at work, and none be
    /// started before [`Device::resume`].
    pub(crate) fn suspend(&self) {
        self.power_off(&mut self.power.lock());
    }

    /// Powers the device again, if somebody needs that.
    pub(crate) fn resume(&self) -> Result {
        let bound = self.bound().ok_or(ENODEV)?;
        let mut power = self.power.lock();
        if power.users > 0 {
            self.power_on(&bound, &mut power)?;
        }
        Ok(())
    }
}

/// A device with the account of a file that is open, which is in the list until this is dropped.
pub(crate) struct Opened {
    account: Arc<Account>,
    device: Arc<Device>,
}

impl Opened {
    /// Those of a file that the current process is opening.
    pub(crate) fn new(device: Arc<Device>) -> Result<Self> {
        Ok(Self {
            account: device.accounts.open()?,
            device,
        })
    }

    /// The account.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The device.
    pub(crate) fn device(&self) -> &Arc<Device> {
        &self.device
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.device.accounts.close(&self.account);
    }
}

/// Keeps a device powered.
pub(crate) struct Powered(Arc<Device>);

impl Drop for Powered {
    fn drop(&mut self) {
        let mut power = self.0.power.lock();
        power.users = power.users.saturating_sub(1);
        if power.users == 0 {
            self.0.power_off(&mut power);
        }
    }
}
