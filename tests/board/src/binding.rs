// SPDX-License-Identifier: GPL-2.0

//! The device and its driver in sysfs: unbinding, binding, and the module.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::harness::slow_kernel;
use crate::scheduling::Class;

/// The directory of platform drivers in sysfs.
const DRIVERS: &str = "/sys/bus/platform/drivers";

/// The name that both drivers of the engine have.
const DRIVER: &str = "dw100";

/// The longest time for unbinding, whatever is held, runs or dies meanwhile.
const BOUND: Duration = Duration::from_secs(1);

/// The longest time on a slow kernel of a busy machine. It tests whether unbinding waits for
/// another process, and not how fast it is.
const SLOW_BOUND: Duration = Duration::from_secs(20);

/// The device that the driver is bound to, or could be.
pub struct Binding {
    /// The device's name, as in `dev_name()`.
    pub name: String,
    driver: &'static str,
}

impl Binding {
    /// Finds the device.
    pub fn find() -> Result<Self> {
        for entry in fs::read_dir("/sys/bus/platform/devices")? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".dwe") {
                return Ok(Self {
                    name,
                    driver: DRIVER,
                });
            }
        }
        anyhow::bail!("the board has no dewarper")
    }

    /// Returns the binding of a device that has its driver's name.
    pub fn of(driver: &'static str) -> Self {
        Self {
            name: driver.to_owned(),
            driver,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(DRIVERS).join(self.driver).join(name)
    }

    /// Returns the file that binds the driver when the device's name is written to it.
    pub fn bind_file(&self) -> PathBuf {
        self.file("bind")
    }

    /// Returns the file that unbinds the driver when the device's name is written to it.
    pub fn unbind_file(&self) -> PathBuf {
        self.file("unbind")
    }

    /// Returns whether a driver of the engine is loaded.
    pub fn loaded() -> bool {
        PathBuf::from(DRIVERS).join(DRIVER).exists()
    }

    /// Returns whether the driver is bound to the device.
    pub fn bound(&self) -> bool {
        self.file(&self.name).exists()
    }

    /// Unbinds the driver. Returns how long that took, or an error if it took too long.
    pub fn unbind(&self) -> Result<Duration> {
        // This measures how long the driver makes unbinding wait, not how long it waits for a CPU:
        // a dozen clients that die at the same time need the CPU as well, each for longer than
        // unbinding does.
        self.unbind_as(Class::RealTime(1))
    }

    /// Unbinds the driver in a thread of that class, which is an ordinary one afterwards.
    pub fn unbind_as(&self, class: Class) -> Result<Duration> {
        class.take()?;
        let start = Instant::now();
        let written = fs::write(self.unbind_file(), &self.name);
        let took = start.elapsed();
        Class::Ordinary.take()?;
        written.context("unbinding")?;
        let bound = if slow_kernel() { SLOW_BOUND } else { BOUND };
        ensure!(took < bound, "unbinding took {took:?}");
        Ok(took)
    }

    /// Binds the driver.
    pub fn bind(&self) -> Result<()> {
        fs::write(self.bind_file(), &self.name).context("binding")
    }
}

/// Loads this project's driver with a watchdog time in milliseconds, which binds it.
pub fn load(watchdog_ms: u32) -> Result<()> {
    let watchdog = format!("watchdog_ms={watchdog_ms}");
    ensure!(driver(&["load", "rust", &watchdog])?, "insmod failed");
    Ok(())
}

/// Unloads this project's driver. Returns `false` if the kernel refuses.
pub fn unload() -> Result<bool> {
    driver(&["unload", "rust"])
}

/// Runs the board's `driver` command. Its output is dropped, because the callers test for failure.
fn driver(words: &[&str]) -> Result<bool> {
    let output = Command::new("driver").args(words).output();
    let output = output.context("starting 'driver', which the emulated board has")?;
    Ok(output.status.success())
}
