// SPDX-License-Identifier: GPL-2.0

//! The options of a boot.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::host;
use crate::kernel::Flavour;
use crate::step::make_dir;

/// The driver that the board loads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Driver {
    /// This project's driver
    #[default]
    Rust,
    /// The kernel's C driver
    C,
    /// No driver
    None,
}

impl Driver {
    /// Returns the driver's name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::C => "c",
            Self::None => "none",
        }
    }
}

/// The options of `board` and `shell`, and more that only suites set.
#[derive(Clone, Debug, Default, Args)]
pub struct Options {
    /// The kernel
    #[arg(long, value_enum, default_value = "rt")]
    pub kernel: Flavour,
    /// The driver to load
    #[arg(long, value_enum, default_value = "rust")]
    pub driver: Driver,
    /// One instruction takes one nanosecond, so all figures repeat exactly
    #[arg(long)]
    pub icount: bool,
    /// Number of CPUs
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=4))]
    pub smp: u8,
    /// A setting of the engine's model (repeatable)
    #[arg(long, value_name = "KEY=VALUE", value_parser = model_setting)]
    pub model: Vec<String>,
    /// Arguments for the kernel's command line
    #[arg(long, value_name = "ARGS")]
    pub append: Option<String>,
    /// An overlay for the device tree, source or compiled (repeatable)
    #[arg(long = "overlay", value_name = "DTBO|DTSO")]
    pub overlays: Vec<PathBuf>,
    /// Use a root file system with GStreamer, ffmpeg and libcamera
    #[arg(long)]
    pub clients: bool,
    /// Answer a character that the board writes to /dev/ttymxc0 some seconds later, which can wake it
    /// up
    #[arg(long)]
    pub alarm: bool,
    /// A directory that the board sees as /in, read-only
    #[arg(long = "in", value_name = "DIR")]
    pub input: Option<PathBuf>,
    /// The directory for the files that the script leaves in /out, with dmesg.txt and trace.jsonl
    #[arg(long = "out", value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Seconds after which the board is switched off, unless it has a shell
    #[arg(skip = 300u64)]
    pub timeout_s: u64,
    /// Device tree source, added after the board's own
    #[arg(skip)]
    pub edits: Option<&'static str>,
    /// Memory, in GiB
    #[arg(skip = 1)]
    pub memory_gib: u8,
    /// A file for the console's output that is kept after the boot
    #[arg(skip)]
    pub console: Option<PathBuf>,
    /// Further arguments for QEMU
    #[arg(skip)]
    pub emulator: Vec<String>,
    /// The script injects no engine fault: an error message of the driver about a frame counts as a
    /// kernel report
    #[arg(skip)]
    pub healthy: bool,
}

impl Options {
    /// Returns the default options for this kernel and driver. The board has no more CPUs than this
    /// machine, because an emulated CPU that does not run while it holds a lock makes all others wait;
    /// but at least two, so that races can show. The engine's bus time-out is off: on a busy machine
    /// the emulated CPUs may stop for longer.
    pub fn new(kernel: Flavour, driver: Driver) -> Self {
        Self {
            kernel,
            driver,
            // CAST: A small number.
            smp: host::jobs().clamp(2, 4) as u8,
            model: vec!["timeout-cycles=0".to_owned()],
            timeout_s: 300,
            memory_gib: 1,
            ..Self::default()
        }
    }

    /// Creates the directories `in` and `out` in `dir`, and shares them with the board.
    pub fn exchange(&mut self, dir: &Path) -> Result<()> {
        for (name, place) in [("in", &mut self.input), ("out", &mut self.output)] {
            make_dir(&dir.join(name))?;
            *place = Some(dir.join(name));
        }
        Ok(())
    }

    /// Sets [`healthy`](Self::healthy).
    pub fn healthy(mut self) -> Self {
        self.healthy = true;
        self
    }

    /// Boots with one CPU, which is faster to emulate than several: for tests that need nothing to run
    /// in parallel.
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
        _ => Err("a setting is KEY=VALUE".to_owned()),
    }
}
