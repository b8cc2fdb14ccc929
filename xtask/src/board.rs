// SPDX-License-Identifier: GPL-2.0

//! The emulated board: puts kernel, driver, root file system and QEMU together, boots, runs a script
//! and finds out how the boot ended.

mod machine;
mod options;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use machine::{Boot, serial_file};
pub use options::{Driver, Options};

use crate::Env;
use crate::chown::ChownGuard;
use crate::coverage::Recorder;
use crate::guest::Guest;
use crate::kernel::{Flavour, Kernel};
use crate::kernel_log;
use crate::key::Key;
use crate::module::Module;
use crate::patches;
use crate::programs::Program;
use crate::qemu::Qemu;
use crate::sandbox::Sandbox;
use crate::step::{show, tail, unused_dir};

/// With [`Options::alarm`]: the time from the board's character to the first one that wakes it up, and
/// the interval of the further ones. One is not enough: the UART's driver has disabled its interrupt
/// early in suspend, and until the PM core arms the interrupt for wake-up, a character does not wake
/// the board up.
const ALARM: Duration = Duration::from_secs(5);

/// How a boot ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The script ended with this exit status.
    Script(u8),
    /// The kernel log has a report. These are its first lines.
    Report(Vec<String>),
    /// The boot took longer than its timeout. These are the console's last lines.
    Timeout(String),
    /// QEMU ended before the script did. These are the console's last lines.
    Silent(String),
}

impl End {
    /// Returns the exit status of `cargo xtask board`.
    pub fn status(&self) -> u8 {
        match self {
            Self::Script(status) => *status,
            Self::Report(_) => 3,
            Self::Timeout(_) => 124,
            Self::Silent(_) => 125,
        }
    }

    /// Returns the message for the user, unless the script ended by itself.
    pub fn message(&self) -> Option<String> {
        match self {
            Self::Script(_) => None,
            Self::Report(lines) => Some(format!("the kernel log shows:\n{}", lines.join("\n"))),
            Self::Timeout(console) => Some(format!(
                "the board was switched off after its timeout; the console:\n{console}"
            )),
            Self::Silent(console) => Some(format!(
                "the board powered off before its script ended; the console:\n{console}"
            )),
        }
    }
}

/// The result of a boot.
pub struct Outcome {
    /// How the boot ended.
    pub end: End,
    /// What the script printed on stdout and stderr.
    pub printed: String,
    /// The length of `printed` in bytes, with the time since the start of the boot, each time that it
    /// had grown.
    grown: Vec<(usize, Duration)>,
}

impl Outcome {
    /// Fails unless the script succeeded.
    pub fn ensure_success(&self) -> Result<()> {
        if self.end == End::Script(0) {
            return Ok(());
        }
        bail!(
            "the script on the board failed: {}\n{}",
            self.printed.trim(),
            self.end.message().unwrap_or_default()
        )
    }

    /// Returns the time since the start of the boot at which the script had printed this many bytes. It
    /// is exact to 20 ms, the interval at which the file is read.
    pub fn printed_at(&self, bytes: usize) -> Option<Duration> {
        let place = self.grown.partition_point(|(length, _)| *length < bytes);
        self.grown.get(place).map(|(_, time)| *time)
    }
}

/// All parts of a boot, built.
pub struct Board<'a> {
    env: &'a Env,
    /// The sandbox, in which the caller may run other programs.
    pub sandbox: Sandbox,
    /// The client `dewarp`.
    pub client: Program,
    tests: Option<Program>,
    kernel: Kernel,
    model: Program,
    qemu: Qemu,
    guest: Guest,
    module: Option<Module>,
}

impl<'a> Board<'a> {
    /// Builds all that boots with this kernel and driver need.
    pub fn prepare(env: &'a Env, flavour: Flavour, driver: Driver) -> Result<Self> {
        let mut board = Self::without_tests(env, flavour, driver)?;
        board.tests = Some(Program::test_client(env, &board.sandbox)?);
        Ok(board)
    }

    /// Does the same for boots without the test client, which cannot change the engine's model.
    ///
    /// The parts are built in parallel: each has minutes in which it keeps one CPU busy or waits for
    /// the network. If one build fails, the others continue, because the next run needs them.
    ///
    /// The parts are built beside each other: each has minutes in which it keeps one CPU busy or waits for
    /// the network. If one fails, the others go on, for they will be needed.
    pub fn without_tests(env: &'a Env, flavour: Flavour, driver: Driver) -> Result<Self> {
        let base = || {
            let sandbox = Sandbox::prepare(env)?;
            let model = Program::model(env, &sandbox)?;
            Ok((sandbox, model))
        };
        let (base, guest) = both(env, base, || Guest::prepare(env))?;
        let (sandbox, model) = base;
        let kernel = || {
            let kernel = Kernel::prepare(env, &sandbox, flavour)?;
            let module = match driver {
                Driver::Rust => Some(Module::prepare(env, &sandbox, &kernel)?),
                Driver::C | Driver::None => None,
            };
            Ok((kernel, module))
        };
        let programs = || {
            let qemu = || Qemu::prepare(env, &sandbox, &model);
            both(env, qemu, || Program::client(env, &sandbox))
        };
        let ((kernel, module), (qemu, client)) = both(env, kernel, programs)?;
        Ok(Self {
            env,
            sandbox,
            client,
            tests: None,
            kernel,
            model,
            qemu,
            guest,
            module,
        })
    }

    /// Does the same for the debug kernel with the patches of `patches/`, without this project's
    /// driver.
    pub fn prepare_patched(env: &'a Env) -> Result<Self> {
        let mut board = Self::prepare(env, Flavour::Debug, Driver::None)?;
        board.kernel = patches::kernel(env, &board.sandbox)?;
        Ok(board)
    }

    /// Does the same for boots with these options.
    pub fn prepare_for(env: &'a Env, options: &Options) -> Result<Self> {
        let mut board = Self::prepare(env, options.kernel, options.driver)?;
        if options.clients {
            board.guest = Guest::with_clients(env)?;
        }
        Ok(board)
    }

    /// Returns the flavour of the kernel.
    pub fn flavour(&self) -> Flavour {
        self.kernel.flavour
    }

    /// Returns the kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Returns the module files of the C driver and of this driver.
    pub fn modules(&self) -> Result<[PathBuf; 2]> {
        let ours = self.module.as_ref().context("no module was built")?;
        let modules = self.kernel.modules().join(&self.kernel.release);
        let theirs = modules.join("kernel/drivers/media/platform/nxp/dw100/dw100.ko");
        Ok([theirs, ours.file.clone()])
    }

    /// Returns the directory with the model's library.
    fn model_dir(&self) -> &Path {
        self.model.file.parent().unwrap_or(Path::new("/"))
    }

    /// Returns the kernel's object directory.
    pub fn kernel_objects(&self) -> &Path {
        &self.kernel.objects
    }

    /// Returns the kernel's version.
    pub fn kernel_release(&self) -> &str {
        &self.kernel.release
    }

    /// Returns a hash of all that boots depend on, except this project's driver.
    pub fn key(&self) -> Result<Key> {
        let parts = [
            &self.kernel.objects,
            &self.guest.root,
            self.model_dir(),
            &self.qemu.binary,
            &self.client.file,
        ];
        let names = parts.map(|part| part.as_os_str().as_encoded_bytes());
        let tests = self.tests.as_ref().map(|tests| tests.file.as_path());
        let tests = tests.unwrap_or(Path::new(""));
        let key = Key::new()
            .words(names)
            .add(tests.as_os_str().as_encoded_bytes())
            .add(self.kernel.flavour.arguments());
        ["tests/board", "xtask/src/board.rs", "xtask/src/board"]
            .iter()
            .try_fold(key, |key, path| key.tree(&self.env.checkout.join(path)))
    }

    /// Boots the board and runs `script`. With `live`, its output appears while it runs.
    pub fn run(&self, options: &Options, script: &str, live: bool) -> Result<Outcome> {
        let dir = self.env.cache.run_dir()?;
        let _chown = options.output.as_deref().map(ChownGuard::of_new);
        let boot = self.stage(options, &dir.dir, script)?;
        let printed = boot.dir.join("printed");
        for file in [&printed, &boot.console] {
            File::create(file)?;
        }
        let first = if options.alarm { "stdio" } else { "null" };
        let serials = [
            first.to_owned(),
            serial_file(&boot.console),
            serial_file(&printed),
        ];
        let log = File::create(boot.dir.join("qemu"))?;
        let mut command = self.command(options, &boot, &serials, "");
        command
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().context("cannot start QEMU")?;
        let mut alarm = child.stdin.take().filter(|_| options.alarm);
        let (mut asked, mut rings) = (0, Instant::now());

        let started = Instant::now();
        let deadline = started + Duration::from_secs(options.timeout_s);
        let mut shown = 0;
        let mut grown: Vec<(usize, Duration)> = Vec::new();
        let ended = loop {
            let ended = child.try_wait()?;
            // CAST: The file is read into memory later.
            let length = fs::metadata(&printed)?.len() as usize;
            if grown.last().is_none_or(|(last, _)| *last < length) {
                grown.push((length, started.elapsed()));
            }
            if live {
                shown = show_new(&printed, shown)?;
            }
            if ended.is_some() || Instant::now() >= deadline {
                break ended;
            }
            if let Some(alarm) = &mut alarm {
                let said = fs::metadata(boot.dir.join("qemu"))?.len();
                if said > asked {
                    (asked, rings) = (said, Instant::now());
                } else if asked > 0 && rings.elapsed() > ALARM {
                    // A failed write means that QEMU is about to end.
                    let _ = alarm.write_all(b"\n");
                    rings = Instant::now();
                }
            }
            sleep(Duration::from_millis(20));
        };
        if ended.is_none() {
            child.kill()?;
            child.wait()?;
        }
        if let Some(recorder) = self.recorder() {
            recorder.take(self.kernel.flavour, &boot.output)?;
        }
        let end = judge(&boot, ended.is_some(), options.healthy)?;
        let said = fs::read(&printed)?;
        Ok(Outcome {
            end,
            printed: String::from_utf8_lossy(&said).into_owned(),
            grown,
        })
    }

    /// Returns the recorder of executed code, if there is one and the board has this driver's module.
    fn recorder(&self) -> Option<&Recorder> {
        self.module.as_ref().and(self.env.coverage.as_ref())
    }

    /// Boots with the console on this terminal, or only prints QEMU's command line.
    pub fn shell(&self, options: &Options, print: bool) -> Result<()> {
        let (run_dir, _printed, dir);
        if print {
            // The printed command needs the files of the boot, so they are not removed.
            let all = self.env.checkout.join("target/shell");
            _printed = ChownGuard::of_new(&all);
            dir = unused_dir(&all, "")?;
        } else {
            run_dir = self.env.cache.run_dir()?;
            dir = run_dir.dir.clone();
        }
        let _chown = options.output.as_deref().map(ChownGuard::of_new);
        let boot = self.stage(options, &dir, "")?;
        let serials = ["null".to_owned(), "mon:stdio".to_owned(), "null".to_owned()];
        let mut command = self.command(options, &boot, &serials, "BOARD_SHELL=1");
        if print {
            println!("{}", show(&command));
            return Ok(());
        }
        command.status().context("cannot start QEMU")?;
        Ok(())
    }
}

/// Runs two steps in parallel. Prints an error at once, because the other step may take long.
fn both<A: Send, B: Send>(
    env: &Env,
    one: impl FnOnce() -> Result<A> + Send,
    other: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let one = scope.spawn(|| one().inspect_err(|why| env.ui.say(&format!("error: {why:#}"))));
        let other = other().inspect_err(|why| env.ui.say(&format!("error: {why:#}")));
        let one = one.join().unwrap_or_else(|_| bail!("a step panicked"));
        Ok((one?, other?))
    })
}

/// Finds out from a boot's files how it ended.
fn judge(boot: &Boot, in_time: bool, healthy: bool) -> Result<End> {
    let console = String::from_utf8_lossy(&fs::read(&boot.console)?).into_owned();
    let dmesg = fs::read(boot.output.join("dmesg.txt")).unwrap_or_default();
    let dmesg = String::from_utf8_lossy(&dmesg).into_owned();
    if dmesg.is_empty() {
        fs::write(boot.output.join("dmesg.txt"), &console)?;
    }
    for log in [&dmesg, &console] {
        let report = kernel_log::first_report(log, healthy);
        if !report.is_empty() {
            return Ok(End::Report(report.into_iter().map(str::to_owned).collect()));
        }
    }
    let last = || {
        format!(
            "{}\n{}",
            tail(&boot.console, 0, 15),
            tail(&boot.dir.join("qemu"), 0, 5)
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

/// Copies what was added to a file after the byte `shown` to stdout. Returns the file's length.
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
