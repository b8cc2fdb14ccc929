// SPDX-License-Identifier: GPL-2.0

//! Facts about the board: kernel, model, memory, clocks, and the kernel's log.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use nix::libc::O_NONBLOCK;
use nix::mount::{MsFlags, mount};
use nix::sys::utsname::uname;

/// The directory of debugfs.
const DEBUGFS: &str = "/sys/kernel/debug";

/// The rate of the AXI clock that is assumed if the board does not report it, in Hz.
pub const ASSUMED_HZ: u64 = 500_000_000;

/// Returns the kernel's release, as `uname -r` prints it.
pub fn kernel_release() -> String {
    uname().map_or_else(
        |_| String::new(),
        |names| names.release().to_string_lossy().into_owned(),
    )
}

/// Returns the facts about the board at the top of the report.
pub fn facts() -> Vec<(String, String)> {
    let text = |path: &str| {
        fs::read_to_string(path)
            .unwrap_or_default()
            .trim_end_matches(['\0', '\n'])
            .replace('\0', ", ")
    };
    let kernel = uname().map_or_else(
        |_| String::new(),
        |names| {
            let part = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
            format!("{} {}", part(names.release()), part(names.version()))
        },
    );
    let memory: Vec<String> = ["MemTotal", "CmaTotal", "CmaFree"]
        .into_iter()
        .map(|name| format!("{name} {} MiB", memory_mib(name)))
        .collect();
    [
        ("board", text("/sys/firmware/devicetree/base/model")),
        (
            "compatible",
            text("/sys/firmware/devicetree/base/compatible"),
        ),
        ("kernel", kernel),
        ("command line", text("/proc/cmdline")),
        ("memory", memory.join(", ")),
        ("CPUs", text("/sys/devices/system/cpu/online")),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Returns the value of a line in /proc/meminfo, in MiB; 0 if there is no such line.
pub fn memory_mib(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix(':')?;
        rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    text.lines().find_map(value).unwrap_or(0) / 1024
}

/// Returns the highest address of memory.
pub fn memory_end() -> u64 {
    let text = fs::read_to_string("/proc/iomem").unwrap_or_default();
    let end = |line: &str| {
        let (range, what) = line.split_once(" : ")?;
        let (_, end) = range.trim().split_once('-')?;
        (what == "System RAM").then(|| u64::from_str_radix(end, 16).ok())?
    };
    text.lines().filter_map(end).max().unwrap_or(0)
}

/// Makes sure that debugfs is mounted.
pub fn mount_debugfs() -> Result<()> {
    if Path::new(DEBUGFS).join("devices_deferred").exists()
        || fs::read_dir(DEBUGFS).is_ok_and(|mut files| files.next().is_some())
    {
        return Ok(());
    }
    let nothing: Option<&str> = None;
    mount(
        Some("debugfs"),
        DEBUGFS,
        Some("debugfs"),
        MsFlags::empty(),
        nothing,
    )
    .context("mounting debugfs, where the drivers show registers and statistics")
}

/// Returns the rate of the engine's AXI clock in Hz, and its source: the line that this project's
/// driver printed, the clock tree in debugfs, or an assumption.
pub fn axi_hz(log: &[String]) -> (u64, String) {
    let printed = log.iter().find_map(|line| rate_in(line));
    if let Some(hz) = printed {
        return (hz, "the driver's line at probe".to_owned());
    }
    for name in ["media_axi_root", "media_axi"] {
        let path = format!("{DEBUGFS}/clk/{name}/clk_rate");
        let rate = fs::read_to_string(&path).ok();
        if let Some(hz) = rate.and_then(|text| text.trim().parse().ok()) {
            return (hz, path);
        }
    }
    (ASSUMED_HZ, "assumed".to_owned())
}

/// Returns the number before ` Hz` in a line, after `axi `.
fn rate_in(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("axi ")?;
    let (rate, _) = rest.split_once(" Hz")?;
    rate.parse().ok().filter(|&hz| hz > 0)
}

/// Returns the time in UTC.
pub fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// Reads the kernel's log from some time on.
pub struct KernelLog {
    file: Option<File>,
}

impl KernelLog {
    /// Starts to read after the present end of the log.
    pub fn from_now() -> Self {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK)
            .open("/dev/kmsg")
            .ok();
        let mut log = Self { file };
        log.read_new();
        log
    }

    /// Returns the lines since the last call that are about the engine or its driver.
    pub fn read_new(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let Some(file) = &mut self.file else {
            return lines;
        };
        let mut record = [0; 8192];
        loop {
            match file.read(&mut record) {
                Ok(0) => return lines,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    lines.extend(message(&text).map(str::to_owned));
                }
                // Some records were overwritten before they were read.
                Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::EINTR) => {}
                Err(_) => return lines,
            }
        }
    }
}

/// Returns the message in a record of /dev/kmsg, if it is about the engine or its driver.
fn message(record: &str) -> Option<&str> {
    let (_, text) = record.split_once(';')?;
    let line = text.lines().next()?;
    ["dw100", "32e30000"]
        .iter()
        .any(|word| line.contains(word))
        .then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_in_the_line_at_probe() {
        let line = "dw100 32e30000.dwe: registered as /dev/video0: ID 0x00000000, BUS_CTRL 0x0000000e, \
                    axi 400000000 Hz, 32-bit DMA";
        assert_eq!(rate_in(line), Some(400_000_000));
        assert_eq!(rate_in("dw100 v4l2 m2m registered as /dev/video0"), None);
        assert_eq!(axi_hz(&[line.to_owned()]).0, 400_000_000);
    }

    #[test]
    fn only_messages_of_the_engine_are_taken() {
        let record =
            "6,339,5140900,-;dw100 32e30000.dwe: Interrupt error: 0x2\n SUBSYSTEM=platform\n";
        let wanted = "dw100 32e30000.dwe: Interrupt error: 0x2";
        assert_eq!(message(record), Some(wanted));
        assert_eq!(message("6,1,2,-;usb 1-1: new device"), None);
    }
}
