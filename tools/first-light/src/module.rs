// SPDX-License-Identifier: GPL-2.0

//! Loads and removes kernel modules: this driver's and the C driver's, and those that they need.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

use crate::board;

/// The engine's device in sysfs, and the directory of the platform bus's drivers.
const DEVICE: &str = "/sys/bus/platform/devices/32e30000.dwe";
const DRIVERS: &str = "/sys/bus/platform/drivers/dw100";

/// How long to wait until a driver is bound to its device.
const PROBE: Duration = Duration::from_secs(5);

/// The drivers of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Driver {
    /// This project's driver.
    Rust,
    /// The upstream kernel's driver.
    C,
}

impl Driver {
    /// Returns the name of the driver's module.
    pub fn module(self) -> &'static str {
        match self {
            Self::Rust => "dw100_rust",
            Self::C => "dw100",
        }
    }

    /// Returns the driver's name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "this driver",
            Self::C => "the C driver",
        }
    }

    /// Returns the path of the driver's module in the kit.
    pub fn file(self, kit: &Path) -> PathBuf {
        kit.join(format!("{}.ko", self.module()))
    }
}

/// Returns the value of the first `KEY=` in the `.modinfo` of a module's file.
fn said(file: &[u8], key: &str) -> Option<String> {
    let start = format!("\0{key}=");
    let at = file
        .windows(start.len())
        .position(|piece| piece == start.as_bytes())?;
    let value = &file[at + start.len()..];
    let end = value.iter().position(|&byte| byte == 0)?;
    Some(String::from_utf8_lossy(&value[..end]).into_owned())
}

/// Loads a driver's module from its file, after the modules that it needs.
pub fn load(driver: Driver, kit: &Path, parameters: &str) -> Result<()> {
    let path = driver.file(kit);
    let file = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let built_for = said(&file, "vermagic").unwrap_or_default();
    let built_for = built_for.split_whitespace().next().unwrap_or("?");
    let running = board::kernel_release();
    ensure!(
        built_for == running,
        "{} is for the kernel {built_for}, and this board runs {running}: make a kit from the build directory of \
         the kernel that runs",
        path.display()
    );
    let needed = said(&file, "depends").unwrap_or_default();
    for name in needed.split(',').filter(|name| !name.is_empty()) {
        need(name)?;
    }
    let opened = File::open(&path)?;
    finit_module(
        &opened,
        &CString::new(parameters)?,
        ModuleInitFlags::empty(),
    )
    .with_context(|| {
        format!(
            "loading {}: the kernel's log (dmesg) says why",
            path.display()
        )
    })
}

/// Loads a module of the board's kernel, unless it is loaded.
fn need(name: &str) -> Result<()> {
    if Path::new("/sys/module")
        .join(name.replace('-', "_"))
        .exists()
    {
        return Ok(());
    }
    let status = Command::new("modprobe").arg(name).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!("modprobe {name} failed: the driver needs this module of the kernel"),
        Err(error) => bail!("cannot run modprobe, to load {name}: {error}"),
    }
}

/// Removes a module. It waits while this fails with `EBUSY`, which it may do for some time after
/// the last file was closed.
pub fn unload(name: &str) -> Result<()> {
    let end = Instant::now() + PROBE;
    loop {
        match delete_module(&CString::new(name)?, DeleteModuleFlags::O_NONBLOCK) {
            Ok(()) => return Ok(()),
            Err(Errno::EAGAIN | Errno::EBUSY | Errno::EWOULDBLOCK) if Instant::now() < end => {
                sleep(Duration::from_millis(50));
            }
            Err(error) => bail!(
                "removing the module {name}: {error}; a program may still have its device open"
            ),
        }
    }
}

/// Returns whether the board has the engine's device.
pub fn has_device() -> bool {
    Path::new(DEVICE).exists()
}

/// Returns whether a driver is bound to the device.
pub fn is_bound() -> bool {
    Path::new(DEVICE).join("driver").exists()
}

/// Waits until a driver is bound to the device.
pub fn wait_bound() -> Result<()> {
    let end = Instant::now() + PROBE;
    while !is_bound() {
        if Instant::now() > end {
            let deferred = fs::read_to_string("/sys/kernel/debug/devices_deferred");
            let deferred = deferred.unwrap_or_default();
            let why = deferred.lines().find(|line| line.contains("32e30000"));
            bail!(
                "the driver was loaded and did not take the device{}",
                match why {
                    Some(line) => format!(
                        "; the kernel waits for something else: {} (often CONFIG_INTERCONNECT_IMX8MP or \
                         CONFIG_ARM_IMX_BUS_DEVFREQ)",
                        line.trim()
                    ),
                    None => String::new(),
                }
            );
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Returns the name of the module whose driver is registered for the engine; [`None`] if there is
/// none.
pub fn loaded() -> Result<Option<String>> {
    if !Path::new(DRIVERS).exists() {
        return Ok(None);
    }
    let Ok(module) = fs::read_link(Path::new(DRIVERS).join("module")) else {
        bail!(
            "the kernel has a driver of this engine built in (CONFIG_VIDEO_DW100=y): boot with \
             initcall_blacklist=dw100_driver_init, and try again"
        );
    };
    let name = module.file_name().unwrap_or_default();
    Ok(Some(name.to_string_lossy().into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_needs_and_which_kernel_it_is_for() {
        let file = b"\x7fELF..\0license=GPL\0depends=v4l2-mem2mem,videodev\0vermagic=7.3.4 SMP\0";
        assert_eq!(said(file, "depends").unwrap(), "v4l2-mem2mem,videodev");
        assert_eq!(said(file, "vermagic").unwrap(), "7.3.4 SMP");
        assert_eq!(said(file, "author"), None);
    }
}
