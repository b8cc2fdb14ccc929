// SPDX-License-Identifier: GPL-2.0

//! The emulated board: puts kernel, driver, root file system and QEMU together, boots, runs a
//! script, and judges how it went.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::Env;
use crate::cache::RunDir;
use crate::guest::Guest;
use crate::kernel::{Flavour, Kernel};
use crate::module::Module;
use crate::qemu::Qemu;
use crate::sandbox::Sandbox;
use crate::splat;
use crate::step::{show, tail};
use crate::tools::{Client, Model};

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
    /// A directory to read at /in
    #[arg(long = "in", value_name = "DIR")]
    pub input: Option<PathBuf>,
    /// Where the files that the script leaves in /out go, with dmesg.txt and trace.jsonl
    #[arg(long = "out", value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Seconds after which the board is switched off
    #[arg(long, value_name = "S", default_value_t = 300)]
    pub timeout: u64,
}

impl Options {
    /// The defaults, for this kernel and driver, with an engine whose bus waits without limit: on a
    /// busy machine the emulated CPUs stand still for longer than the engine would bear.
    pub fn new(kernel: Flavour, driver: Driver) -> Self {
        Self {
            kernel,
            driver,
            icount: false,
            smp: 4,
            model: vec!["timeout-cycles=0".to_owned()],
            append: None,
            input: None,
            output: None,
            timeout: 300,
        }
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

/// How a boot ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The script returned this.
    Script(u8),
    /// The kernel's log has a report: its first lines.
    Splat(Vec<String>),
    /// The time was up: the console's last lines.
    Timeout(String),
    /// The board went off without a word: the console's last lines.
    Silent(String),
}

impl End {
    /// The exit status of `cargo xtask board`.
    pub fn status(&self) -> u8 {
        match self {
            Self::Script(status) => *status,
            Self::Splat(_) => 3,
            Self::Timeout(_) => 124,
            Self::Silent(_) => 125,
        }
    }

    /// What the user should read, if the script did not have the last word.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Script(_) => None,
            Self::Splat(lines) => Some(format!("the kernel log shows:\n{}", lines.join("\n"))),
            Self::Timeout(console) => Some(format!(
                "the time is up (--timeout gives more); the console:\n{console}"
            )),
            Self::Silent(console) => Some(format!(
                "the board ended before its script did; the console:\n{console}"
            )),
        }
    }
}

/// A boot's end and what its script printed.
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The script's stdout and stderr.
    pub printed: String,
}

/// Everything a boot needs, built.
pub struct Board<'a> {
    env: &'a Env,
    /// The sandbox, which other steps of the caller may use too.
    pub sandbox: Sandbox,
    /// The client, for this machine too.
    pub client: Client,
    kernel: Kernel,
    model: Model,
    qemu: Qemu,
    guest: Guest,
    module: Option<Module>,
}

impl<'a> Board<'a> {
    /// Builds what is missing for boots of this kernel and driver.
    pub fn prepare(env: &'a Env, flavour: Flavour, driver: Driver) -> Result<Self> {
        let sandbox = Sandbox::prepare(env)?;
        let guest = Guest::prepare(env)?;
        let kernel = Kernel::prepare(env, &sandbox, flavour)?;
        let module = match driver {
            Driver::Rust => Some(Module::prepare(env, &sandbox, &kernel)?),
            Driver::C | Driver::None => None,
        };
        let model = Model::prepare(env, &sandbox)?;
        let qemu = Qemu::prepare(env, &sandbox, &model)?;
        let client = Client::prepare(env, &sandbox)?;
        Ok(Self {
            env,
            sandbox,
            client,
            kernel,
            model,
            qemu,
            guest,
            module,
        })
    }

    /// Which kernel boots.
    pub fn flavour(&self) -> Flavour {
        self.kernel.flavour
    }

    /// The kernel's version.
    pub fn kernel_release(&self) -> &str {
        &self.kernel.release
    }

    /// Boots and runs `script`. With `live`, what it prints appears at once.
    pub fn run(&self, options: &Options, script: &str, live: bool) -> Result<Outcome> {
        let boot = self.boot_dir(options, Some(script))?;
        let printed = boot.dir.dir.join("printed");
        let console = boot.dir.dir.join("console");
        for file in [&printed, &console] {
            File::create(file)?;
        }
        let serials = [
            "null".to_owned(),
            serial_file(&console),
            serial_file(&printed),
        ];
        let log = File::create(boot.dir.dir.join("qemu"))?;
        let mut command = self.qemu_command(options, &boot, &serials, "");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().context("cannot start QEMU")?;

        let deadline = Instant::now() + Duration::from_secs(options.timeout);
        let mut shown = 0;
        let ended = loop {
            let ended = child.try_wait()?;
            if live {
                shown = show_new(&printed, shown)?;
            }
            if ended.is_some() || Instant::now() >= deadline {
                break ended;
            }
            sleep(Duration::from_millis(20));
        };
        if ended.is_none() {
            child.kill()?;
            child.wait()?;
        }
        if let Some(output) = &options.output {
            crate::host::hand_over(output)?;
        }
        let end = judge(&boot, ended.is_some())?;
        let said = fs::read(&printed)?;
        Ok(Outcome {
            end,
            printed: String::from_utf8_lossy(&said).into_owned(),
        })
    }

    /// Boots with the console on this terminal, or prints the command that would.
    pub fn shell(&self, options: &Options, print: bool) -> Result<()> {
        let boot = self.boot_dir(options, None)?;
        let serials = ["null".to_owned(), "mon:stdio".to_owned(), "null".to_owned()];
        let mut command = self.qemu_command(options, &boot, &serials, "BOARD_SHELL=1");
        if print {
            println!("{}", show(&command));
            // The command refers to the boot's files.
            std::mem::forget(boot);
            return Ok(());
        }
        command.status().context("cannot start QEMU")?;
        Ok(())
    }

    /// Fills the directory that appears as /board, and finds the one for /out.
    fn boot_dir(&self, options: &Options, script: Option<&str>) -> Result<Boot> {
        let existing = |dir: &PathBuf| {
            dir.canonicalize()
                .with_context(|| format!("no directory {}", dir.display()))
        };
        let input = options.input.as_ref().map(existing).transpose()?;
        let dir = self.env.cache.run_dir()?;
        let files = dir.dir.join("board");
        fs::create_dir(&files)?;
        for file in fs::read_dir(self.env.checkout.join("tests/board"))? {
            let file = file?;
            fs::copy(file.path(), files.join(file.file_name()))?;
        }
        fs::copy(self.client.for_board(), files.join("dewarp"))?;
        if let Some(module) = &self.module {
            fs::copy(&module.file, files.join("dw100_rust.ko"))?;
        } else if options.driver == Driver::Rust {
            bail!("this board was not prepared for the Rust driver");
        }
        fs::write(files.join("script"), script.unwrap_or_default())?;
        let output = match &options.output {
            Some(output) => {
                crate::step::make_dir(output)?;
                output.canonicalize()?
            }
            None => {
                let output = dir.dir.join("out");
                fs::create_dir(&output)?;
                output
            }
        };
        for stale in ["exit-status", "dmesg.txt", "trace.jsonl"] {
            let _ = fs::remove_file(output.join(stale));
        }
        Ok(Boot {
            dir,
            files,
            input,
            output,
        })
    }

    fn qemu_command(
        &self,
        options: &Options,
        boot: &Boot,
        serials: &[String],
        mode: &str,
    ) -> Command {
        let root = &self.guest.root;
        let (board, modules) = (root.join("board"), root.join("usr/lib/modules"));
        let (input, kernel_modules) = (root.join("in"), self.kernel.modules());
        let mut lent: Vec<(&Path, &Path)> = vec![
            (&boot.files, &board),
            (&kernel_modules, &modules),
            (&boot.output, &boot.output),
        ];
        lent.extend(
            boot.input
                .as_ref()
                .map(|dir| (dir.as_path(), input.as_path())),
        );
        let mut command = self.sandbox.command_with(&lent, Path::new("/"), "env");
        command
            .arg(format!("LD_LIBRARY_PATH={}", self.model.dir.display()))
            .arg(&self.qemu.binary)
            .args([
                "-M",
                "imx8mp-evk",
                "-m",
                "2G",
                "-display",
                "none",
                "-no-reboot",
            ])
            .args(["-smp", &options.smp.to_string()])
            .arg("-kernel")
            .arg(self.kernel.image())
            .arg("-dtb")
            .arg(self.kernel.device_tree());
        if options.icount {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        for serial in serials {
            command.args(["-serial", serial]);
        }
        if !serials.iter().any(|serial| serial.starts_with("mon:")) {
            command.args(["-monitor", "none"]);
        }
        // The root is put together from several file systems: inode numbers may clash.
        let (root, output) = (option_value(root), option_value(&boot.output));
        for (tag, path, more) in [
            ("root", root, ",readonly=on,multidevs=remap"),
            ("out", output.clone(), ""),
        ] {
            command
                .arg("-fsdev")
                .arg(format!(
                    "local,id={tag},path={path},security_model=none{more}"
                ))
                .arg("-device")
                .arg(format!("virtio-9p-device,fsdev={tag},mount_tag={tag}"));
        }
        let mut property = |name: &str, value: &str| {
            command
                .arg("-global")
                .arg(format!("driver=imx8mp-dw100,property={name},value={value}"));
        };
        property("trace-file", &format!("{output}/trace.jsonl"));
        if !options.model.is_empty() {
            property("model", &options.model.join(";").replace(',', ",,"));
        }
        command.arg("-append").arg(format!(
            "console=ttymxc1 root=root rootfstype=9p \
             rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=loose ro init=/board/init \
             panic=-1 oops=panic {} {} BOARD_DRIVER={} {mode} {}",
            self.kernel.flavour.arguments(),
            // Waking a sleeping CPU takes instructions that are not the driver's.
            if options.icount { "nohlt" } else { "" },
            options.driver.name(),
            options.append.as_deref().unwrap_or_default(),
        ));
        command
    }
}

/// The files of one boot.
struct Boot {
    dir: RunDir,
    files: PathBuf,
    input: Option<PathBuf>,
    output: PathBuf,
}

/// Reads how a boot ended from what it left behind.
fn judge(boot: &Boot, in_time: bool) -> Result<End> {
    let console_file = boot.dir.dir.join("console");
    let console = String::from_utf8_lossy(&fs::read(&console_file)?).into_owned();
    let dmesg = fs::read(boot.output.join("dmesg.txt")).unwrap_or_default();
    let dmesg = String::from_utf8_lossy(&dmesg).into_owned();
    if dmesg.is_empty() {
        fs::write(boot.output.join("dmesg.txt"), &console)?;
    }
    for log in [&dmesg, &console] {
        let report = splat::first(log);
        if !report.is_empty() {
            return Ok(End::Splat(report.into_iter().map(str::to_owned).collect()));
        }
    }
    let last = || {
        format!(
            "{}\n{}",
            tail(&console_file, 15),
            tail(&boot.dir.dir.join("qemu"), 5)
        )
    };
    if !in_time {
        return Ok(End::Timeout(last()));
    }
    let status_file = boot.output.join("exit-status");
    let Ok(status) = fs::read_to_string(&status_file) else {
        return Ok(End::Silent(last()));
    };
    fs::remove_file(status_file)?;
    match status.trim().parse() {
        Ok(status) => Ok(End::Script(status)),
        Err(_) => Ok(End::Silent(last())),
    }
}

fn serial_file(path: &Path) -> String {
    format!("file:{}", option_value(path))
}

/// A path as the value of a QEMU option, where commas separate.
fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Copies what was added to a file since the last time to stdout.
fn show_new(file: &Path, shown: u64) -> Result<u64> {
    let mut file = File::open(file)?;
    file.seek(SeekFrom::Start(shown))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut out = std::io::stdout();
    out.write_all(&bytes)?;
    out.flush()?;
    Ok(shown + bytes.len() as u64)
}
