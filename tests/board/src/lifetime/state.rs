// SPDX-License-Identifier: GPL-2.0

//! The device between two unbinds: checks that it works, that unbinding is fast enough, and that
//! nothing of it is left in the end.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::WATCHDOG_MS;
use crate::binding::{self, Binding};
use crate::harness::becomes_true;
use crate::picture::Bands;
use crate::v4l2::{Device, PATIENCE, Which, one_frame};

/// The list of all mappings and allocations for a device that the DMA API records, with one line
/// for each.
const MAPPED: &str = "/sys/kernel/debug/dma-api/dump";

/// The board's device, which is bound.
pub(super) struct State {
    binding: Binding,
    /// How often the device was unbound, and how long that took at most.
    unbinds: (u32, Duration),
}

impl State {
    /// Finds the device, and binds it if the test before left it unbound.
    pub(super) fn new() -> Result<Self> {
        if !Binding::loaded() {
            binding::load(WATCHDOG_MS)?;
        }
        let binding = Binding::find()?;
        if !binding.bound() {
            binding.bind()?;
        }
        Ok(Self {
            binding,
            unbinds: (0, Duration::ZERO),
        })
    }

    /// Unbinds the device. Returns an error if that takes too long.
    pub(super) fn unbind(&mut self) -> Result<()> {
        let took = self.binding.unbind()?;
        let (count, longest) = &mut self.unbinds;
        *count += 1;
        *longest = took.max(*longest);
        Ok(())
    }

    /// Binds the device again.
    pub(super) fn bind(&self) -> Result<()> {
        self.binding.bind()
    }

    /// Checks that the device, bound again, processes a frame.
    pub(super) fn works(&self) -> Result<()> {
        works().context("a frame after binding again")
    }

    /// Returns the mappings and allocations for the device that the DMA API records; [`None`] if
    /// the kernel does not record them.
    pub(super) fn mapped(&self) -> Result<Option<String>> {
        let all = match fs::read_to_string(MAPPED) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            all => all?,
        };
        let ours = all.lines().filter(|line| line.contains(&self.binding.name));
        Ok(Some(ours.collect::<Vec<_>>().join("; ")))
    }

    /// Checks that nothing is mapped or allocated for the device when everything is closed.
    pub(super) fn nothing_left(&self) -> Result<()> {
        let gone = || Ok(self.mapped()?.is_none_or(|left| left.is_empty()));
        let gone = becomes_true(PATIENCE / 5, gone)?;
        ensure!(gone, "left of the device: {:?}", self.mapped()?);
        Ok(())
    }

    /// Unloads the module. Returns whether that succeeded.
    pub(super) fn unload(&self) -> Result<bool> {
        binding::unload()
    }

    /// Loads the module, which binds the device.
    pub(super) fn load(&self) -> Result<()> {
        binding::load(WATCHDOG_MS)
    }
}

fn works() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(23))?;
    bands.check(&one_frame(&device, &bands.source)?, 23)
}

impl Drop for State {
    fn drop(&mut self) {
        let (count, longest) = self.unbinds;
        // The suite sums these numbers up.
        println!(
            "unbound {count} times, in {} us at most",
            longest.as_micros()
        );
    }
}
