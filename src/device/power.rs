// SPDX-License-Identifier: GPL-2.0

//! The power of the device: clocks and runtime PM, on while a stream needs them.

use crate::{
    job::Runner,
    platform::{
        binding::Binding,
        clock::{
            self,
            Clocks, //
        },
        pm, //
    }, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    new_mutex,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex, //
    }, //
};

/// The power of a device, and who needs it.
#[pin_data]
pub(super) struct Power {
    binding: Arc<Binding>,
    clocks: Arc<Clocks<2>>,
    runner: Arc<Runner>,
    /// The rate of the AXI clock when the engine was last powered on, hertz.
    axi_hz: Atomic<u64>,
    /// Whether the engine is powered. It repeats what `state` says, for the start of a frame, which
    /// must not wait for that lock.
    ready: Atomic<bool>,
    #[pin]
    state: Mutex<State>,
}

/// How many guards need the device powered, and what keeps it powered.
#[derive(Default)]
struct State {
    users: usize,
    on: Option<On>,
}

/// Keeps the device powered. Its parts are dropped in this order: first the clocks stop.
pub(super) type On = (clock::Running<2>, pm::Active);

impl Power {
    /// Gets the clocks of a device, and enables its runtime PM. The device is powered off.
    pub(super) fn new(
        device: &Device<Bound>,
        binding: Arc<Binding>,
        runner: Arc<Runner>,
    ) -> Result<Arc<Self>> {
        let clocks = Clocks::get(device, [c"axi", c"ahb"])?;
        pm::enable(device)?;
        Arc::pin_init(
            pin_init!(Self {
                binding,
                clocks,
                runner,
                axi_hz: Atomic::new(0),
                ready: Atomic::new(false),
                state <- new_mutex!(State::default(), "Power::state"),
            }),
            GFP_KERNEL,
        )
    }

    /// Powers the device until the result is dropped, and resets its engine.
    pub(super) fn switch_on(&self, device: &Device<Bound>) -> Result<On> {
        let active = pm::Active::get(device)?;
        let running = Clocks::run(&self.clocks)?;
        self.runner.engine().reset(device)?;
        Ok((running, active))
    }

    /// Returns the present rate of the AXI clock, hertz.
    pub(super) fn clock_hz(&self) -> u64 {
        self.clocks.rate()
    }

    /// Powers the device until the guard is dropped, and resets the engine if it was off. It may
    /// sleep.
    ///
    /// `ENODEV` if the device is unbound.
    pub(super) fn keep(this: &Arc<Self>) -> Result<Powered> {
        let bound = this.binding.enter().ok_or(ENODEV)?;
        let mut state = this.state.lock();
        this.on(&bound, &mut state)?;
        state.users += 1;
        drop(state);
        Ok(Powered(this.clone()))
    }

    /// Returns the rate of the AXI clock when the engine was powered on, hertz; [`None`] if it is
    /// not powered.
    pub(super) fn axi_hz(&self) -> Option<u64> {
        self.ready.load(Relaxed).then(|| self.axi_hz.load(Relaxed))
    }

    fn on(&self, device: &Device<Bound>, state: &mut State) -> Result {
        if state.on.is_none() {
            state.on = Some(self.switch_on(device)?);
            self.axi_hz.store(self.clock_hz(), Relaxed);
            self.ready.store(true, Relaxed);
        }
        Ok(())
    }

    fn off(&self, state: &mut State) {
        self.ready.store(false, Relaxed);
        state.on = None;
    }

    /// Powers the device off, although streams need it, for system sleep. No frame may run, and
    /// none may be started before [`Self::resume`].
    pub(super) fn suspend(&self) {
        self.off(&mut self.state.lock());
    }

    /// Powers the device on again, if a stream needs it.
    pub(super) fn resume(&self) -> Result {
        let bound = self.binding.enter().ok_or(ENODEV)?;
        let mut state = self.state.lock();
        if state.users > 0 {
            self.on(&bound, &mut state)?;
        }
        Ok(())
    }
}

/// Keeps a device powered.
pub(crate) struct Powered(Arc<Power>);

impl Drop for Powered {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.users = state.users.saturating_sub(1);
        if state.users == 0 {
            self.0.off(&mut state);
        }
    }
}
