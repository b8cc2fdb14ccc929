// SPDX-License-Identifier: GPL-2.0

//! The device between two unbinds: that it works, that it goes in time, and that nothing is left of
//! it in the end.

use std::fs;
use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::WATCHDOG_MS;
use crate::binding::{self, Binding};
use crate::harness::becomes_true;
use crate::picture::Bands;
use crate::v4l2::{Device, PATIENCE, Which, one_frame};

/// Every mapping and allocation for a device that the DMA API knows of, a line each.
const MAPPED: &str = "/sys/kernel/debug/dma-api/dump";

/// The board's device, which is bound.
pub(super) struct State {
    binding: Binding,
    /// How often it was unbound, and how long that took at most.
    unbinds: (u32, Duration),
}

impl State {
    /// Finds the device, and has it bound whatever the test before left behind.
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

    /// Unbinds the device, which must take no longer than it may.
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

    /// That the device, bound anew, makes a frame of a frame.
    pub(super) fn works(&self) -> Result<()> {
        works().context("a frame after binding again")
    }

    /// What the DMA API knows to be mapped or allocated for the device; nothing where it does not
    /// look.
    pub(super) fn mapped(&self) -> Result<Option<String>> {
        let all = match fs::read_to_string(MAPPED) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            all => all?,
        };
        let ours = all.lines().filter(|line| line.contains(&self.binding.name));
        Ok(Some(ours.collect::<Vec<_>>().join("; ")))
    }

    /// That nothing is mapped or allocated for the device when all is closed.
    pub(super) fn nothing_left(&self) -> Result<()> {
        let gone = || Ok(self.mapped()?.is_none_or(|left| left.is_empty()));
        let gone = becomes_true(PATIENCE / 5, gone)?;
        ensure!(gone, "left of the device: {:?}", self.mapped()?);
        Ok(())
    }

    /// Unloads the module, and whether that succeeded.
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
        // For who counts them all.
        println!(
            "unbound {count} times, in {} us at most",
            longest.as_micros()
        );
    }
}
