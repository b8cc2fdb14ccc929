// SPDX-License-Identifier: GPL-2.0

//! What can be asked of a boot.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::host;
use crate::kernel::Flavour;

/// Which driver the board loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Driver {
    /// This project's
    Rust,
    /// The kernel's own
    C,
    /// Neither
    None,
}

impl Driver {
    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::None => "none",
        }
    }
}

/// How a board boots.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// The kernel
    #[arg(long, value_enum, default_value = "rt")]
    pub kernel: Flavour,
    /// The driver to load
    #[arg(long, value_enum, default_value = "rust")]
    pub driver: Driver,
    /// One instruction takes one nanosecond: figures repeat exactly
    #[arg(long)]
    pub icount: bool,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub smp: u8,
    /// Sets a property of the engine's model (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = model_setting)]
    pub model: Vec<String>,
    /// More words for the kernel's command line
    #[arg(long, value_name = "ARGS")]
    pub append: Option<String>,
    /// An overlay for the device tree, compiled or not (repeatable)
    #[arg(long = "overlay", value_name = "DTBO|DTSO")]
    pub overlays: Vec<PathBuf>,
    /// A board that also has GStreamer, ffmpeg and libcamera
    #[arg(long)]
    pub clients: bool,
    /// Some seconds after each character to /dev/ttymxc0 one comes back, which can wake the board up
    #[arg(long)]
    pub alarm: bool,
    /// A directory to read at /in
    #[arg(long = "in", value_name = "DIR")]
    pub input: Option<PathBuf>,
    /// Where the files that the script leaves in /out go, with dmesg.txt and trace.jsonl
    #[arg(long = "out", value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Seconds after which the board is switched off, unless it is a shell's
    #[arg(skip = 300u64)]
    pub timeout: u64,
    /// Device tree source that comes after the board's own
    #[arg(skip)]
    pub edits: Option<&'static str>,
    /// Gigabytes of memory
    #[arg(skip = 1)]
    pub memory: u8,
    /// The file that the console is written to, if it is to outlive the boot
    #[arg(skip)]
    pub console: Option<PathBuf>,
    /// More arguments for QEMU
    #[arg(skip)]
    pub emulator: Vec<String>,
    /// No engine is made to fail: what the driver says of a frame that does is a report
    #[arg(skip)]
    pub healthy: bool,
}

impl Options {
    /// The defaults, for this kernel and driver, with no more CPUs than this machine has, but two: one
    /// that stands still with a lock held keeps the others spinning. And with an engine whose bus
    /// waits without limit: on a busy machine the CPUs stand still for longer than it would bear.
    pub fn new(kernel: Flavour, driver: Driver) -> Self {
        Self {
            kernel,
            driver,
            icount: false,
            // CAST: A small number.
            smp: host::jobs().clamp(2, 4) as u8,
            model: vec!["timeout-cycles=0".to_owned()],
            append: None,
            overlays: Vec::new(),
            clients: false,
            alarm: false,
            input: None,
            output: None,
            timeout: 300,
            edits: None,
            memory: 1,
            console: None,
            emulator: Vec::new(),
            healthy: false,
        }
    }

    /// The same for a script that makes no engine fail: a message about a frame that fails is a report.
    pub fn healthy(mut self) -> Self {
        self.healthy = true;
        self
    }

    /// The same with one CPU, which is emulated in less time than four: for what does not depend
    /// on anything running beside it.
    pub fn on_one_cpu(mut self) -> Self {
        self.smp = 1;
        self
    }
}

fn model_setting(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() && !text.contains(';') => {
            Ok(text.to_owned())
        }
        _ => Err("it takes KEY=VALUE".to_owned()),
    }
}
