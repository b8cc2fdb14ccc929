// SPDX-License-Identifier: GPL-2.0

//! The device: what all open files share, and its power. It lives until the last file and the last
//! request are closed, also after the driver is unbound.

mod accounts;
mod power;

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
        irq,
        timer::Timer, //
    }, //
};
use kernel::{
    device::{
        self,
        Bound, //
    },
    fmt,
    platform,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::Delta, //
};

use accounts::Accounts;
use power::Power;

pub(crate) use power::Powered;

/// The largest time limit, milliseconds. A larger `watchdog_ms` counts as this, although the file
/// in debugfs shows the value that was written. Stopping a stream may take twice the limit.
const MAX_WATCHDOG_MS: u32 = 60_000;

/// What probe reads from the engine.
#[derive(Clone, Copy)]
pub(crate) struct Identity {
    /// DEWARP_ID.
    pub(crate) id: u32,
    /// BUS_CTRL as the reset left it, with the AXI master disabled.
    pub(crate) bus_ctrl: u32,
    /// The rate of the AXI clock, hertz.
    pub(crate) axi_hz: u64,
}

/// A DW100. Its fields are set before the video device is registered, and it accesses the hardware
/// only while the driver is bound.
#[pin_data]
pub(crate) struct Device {
    binding: Arc<Binding>,
    runner: Arc<Runner>,
    watchdog: Arc<Timer<Watchdog>>,
    line: irq::Line,
    identity: Identity,
    /// The time limit of a frame, milliseconds; 0 for a limit computed from its size.
    watchdog_ms: Atomic<u32>,
    power: Arc<Power>,
    #[pin]
    accounts: Accounts,
}

impl Device {
    /// Gets registers, clocks, runtime PM and the interrupt of a device.
    // The order matters, because unbinding undoes it in reverse: the timer first, then the
    // interrupt, runtime PM and the binding, and the registers last.
    pub(crate) fn new(platform: &platform::Device<Bound>) -> Result<Arc<Self>> {
        let device = platform.as_ref();
        let runner = Runner::new(Engine::new(platform)?)?;
        let binding = Binding::new(device)?;
        let power = Power::new(device, binding.clone(), runner.clone())?;
        // Powered once now, so that probe fails if it cannot be powered. The reset stops an engine
        // that a boot loader left running, before its interrupt is requested.
        let powered = power.switch_on(device)?;
        let (id, bus_ctrl) = runner.engine().identity(device)?;
        let identity = Identity {
            id,
            bus_ctrl,
            axi_hz: power.clock_hz(),
        };
        drop(powered);
        let line = irq::request(platform, 0, Interrupt(runner.clone()))?;
        let watchdog = Timer::new(device, Watchdog::new(runner.clone(), line.clone()))?;

        let this = Arc::pin_init(
            pin_init!(Self {
                binding,
                runner,
                watchdog,
                line,
                identity,
                watchdog_ms: Atomic::new(*module_parameters::watchdog_ms.value_ref()),
                power,
                accounts <- Accounts::new(),
            }),
            GFP_KERNEL,
        )?;
        Ok(this)
    }

    /// Returns the state of the driver's binding.
    pub(crate) fn binding(&self) -> &Arc<Binding> {
        &self.binding
    }

    /// Returns a guard until whose drop unbinding waits, or [`None`] if the device is unbound.
    pub(crate) fn bound(&self) -> Option<binding::Guard<'_>> {
        self.binding.enter()
    }

    /// Returns the engine.
    pub(crate) fn engine(&self) -> &Engine {
        self.runner.engine()
    }

    /// Returns what probe read from the engine.
    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// The time limit of a frame, milliseconds; 0 for a limit computed from its size. A new value
    /// applies to frames that are started after it was stored.
    pub(crate) fn watchdog_ms(&self) -> &Atomic<u32> {
        &self.watchdog_ms
    }

    /// Prints the registers at the last time-out.
    pub(crate) fn show_time_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.runner.show_time_out(f)
    }

    /// Prints the counters of the device and of its open files.
    pub(crate) fn show_statistics(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self.runner.totals(), f)?;
        self.accounts.show(f)
    }

    /// Counts a frame that cannot be started, and returns its job, which the caller ends as failed.
    pub(crate) fn refuse(&self, frame: Frame) -> Job {
        self.runner.refuse(frame)
    }

    /// Counts a frame that is not started, of the open file with this account.
    pub(crate) fn note_refused(&self, account: &Account) {
        self.runner.note_refused(account);
    }

    /// Starts a frame. `(source, destination)` are the sizes of its images.
    ///
    /// Returns the frame's job if it cannot be started; the caller ends it as failed.
    pub(crate) fn start(
        &self,
        bound: &device::Device<Bound>,
        frame: Frame,
        program: &Program,
        (source, destination): (Size, Size),
    ) -> Result<(), Job> {
        // A stream keeps the device powered, unless powering it on failed in resume.
        let Some(axi_hz) = self.power.axi_hz() else {
            return Err(self.refuse(frame));
        };
        let limit_ns = match self.watchdog_ms.load(Relaxed) {
            0 => deadline::limit_ns(source, destination, axi_hz),
            limit_ms => u64::from(limit_ms.min(MAX_WATCHDOG_MS)) * 1_000_000,
        };
        // CAST: It is at most a minute.
        let limit = Delta::from_nanos(limit_ns as i64);
        self.runner.start(bound, frame, program, limit)?;
        // After the start of the engine, which does not wait for the timer.
        Timer::arm(&self.watchdog, limit);
        Ok(())
    }

    /// Ends the running frame, if there is one. The interrupt thread returns its buffers soon
    /// afterwards: as failed, unless the engine reports that the frame is done. It must be called
    /// before the interrupt is released, and no frame may be started during the call.
    pub(crate) fn abandon(&self, bound: &device::Device<Bound>) {
        self.runner.abandon(bound, &self.line);
    }

    /// Powers the device until the guard is dropped, and resets the engine if it was off. It may
    /// sleep.
    ///
    /// `ENODEV` if the device is unbound.
    pub(crate) fn power(&self) -> Result<Powered> {
        Power::keep(&self.power)
    }

    /// Powers the device off, although streams need it, for system sleep. No frame may run, and
    /// none may be started before [`Device::resume`].
    pub(crate) fn suspend(&self) {
        self.power.suspend();
    }

    /// Powers the device on again, if a stream needs it.
    pub(crate) fn resume(&self) -> Result {
        self.power.resume()
    }
}

/// The device and the account of one open file. Dropping this removes the account from the device's
/// list.
pub(crate) struct Opened {
    account: Arc<Account>,
    device: Arc<Device>,
}

impl Opened {
    /// Creates the account of a file that the current process is opening.
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
