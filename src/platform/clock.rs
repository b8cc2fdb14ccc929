// SPDX-License-Identifier: GPL-2.0

//! A device's clocks, all on or all off.

use kernel::{
    clk::Clk,
    device::{
        Bound,
        Device, //
    },
    prelude::*,
    sync::Arc, //
};

/// Clocks by the names that the device tree gives them.
pub(crate) struct Clocks(KVec<Clk>);

impl Clocks {
    /// Looks the clocks up. `ENOENT` if the device has none of a name,
    /// `EPROBE_DEFER` if its provider is not there yet.
    pub(crate) fn get(device: &Device<Bound>, names: &[&CStr]) -> Result<Arc<Self>> {
        let mut clocks = KVec::with_capacity(names.len(), GFP_KERNEL)?;
        for name in names {
            clocks.push(Clk::get(device, Some(name))?, GFP_KERNEL)?;
        }
        Ok(Arc::new(Self(clocks), GFP_KERNEL)?)
    }

    /// The rate of the first one in hertz, 0 if unknown. It may change while the clock is off. May
    /// sleep.
    pub(crate) fn rate(&self) -> u64 {
        self.0
            .first()
            .map_or(0, |clock| clock.rate().as_hz() as u64)
    }

    /// Switches the clocks on until the guard is dropped; none if one fails. May
    /// sleep.
    pub(crate) fn run(this: &Arc<Self>) -> Result<Running> {
        let mut running = Running {
            clocks: this.clone(),
            count: 0,
        };
        for clock in &this.0 {
            clock.prepare_enable()?;
            running.count += 1;
        }
        Ok(running)
    }
}

/// Keeps clocks on.
pub(crate) struct Running {
    clocks: Arc<Clocks>,
    /// How many, from the first.
    count: usize,
}

impl Drop for Running {
    fn drop(&mut self) {
        for clock in self.clocks.0.iter().take(self.count).rev() {
            clock.disable_unprepare();
        }
    }
}
