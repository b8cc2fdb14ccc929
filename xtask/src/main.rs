// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask`: builds and runs everything in this repository. Each command installs what it needs.

mod bench;
mod board;
mod cache;
mod cargo_config;
mod chown;
mod coverage;
mod debian_mirror;
mod demo;
mod devicetree;
mod gstreamer;
mod guest;
mod host;
mod kconfig;
mod kernel;
mod kernel_log;
mod key;
mod kit;
mod lint;
mod module;
mod mutate;
mod patches;
mod programs;
mod qemu;
mod sandbox;
mod series;
mod step;
mod test;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use crate::board::{Board, Driver};
use crate::cache::{Cache, Entry, Recipe, Scratch};
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{Step, Ui};

/// The position in the help text of options that all commands have: after the command's own.
const LAST: usize = 100;

/// Builds the DW100 driver, the emulated i.MX8MP board and all they need, and runs them.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Cli {
    /// The Debian mirror, for a machine whose apt has none
    #[arg(
        long,
        global = true,
        display_order = LAST,
        value_name = "URL",
        env = "DEBIAN_MIRROR"
    )]
    mirror: Option<String>,
    /// A kernel source tree to use in place of Debian's (built again when its version or commit
    /// changes)
    #[arg(
        long,
        global = true,
        display_order = LAST,
        value_name = "DIR",
        env = "DW100_KERNEL_SOURCE"
    )]
    kernel_source: Option<PathBuf>,
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Boots the board, runs SCRIPT as root on it and returns its exit status
    ///
    /// Other statuses: 3 if the kernel's log has a report, 124 after the timeout, 125 if the board
    /// powered off early.
    Board {
        #[command(flatten)]
        options: board::Options,
        /// Seconds after which the board is switched off
        #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86400))]
        timeout: u64,
        /// A shell command line, or a file with one
        #[arg(required = true, last = true, value_name = "SCRIPT")]
        script: Vec<String>,
    },
    /// Dewarps a picture on the board and leaves the result in target/demo
    Demo {
        /// The driver
        #[arg(long, value_enum, default_value = "rust")]
        driver: Driver,
        /// The picture
        #[arg(long, value_enum, default_value = "photo")]
        picture: demo::Picture,
    },
    /// Measures the C driver and this one and writes the figures to target/bench.json
    Bench,
    /// Runs test suites: all, or the named ones
    Test {
        #[command(flatten)]
        choice: test::Choice,
        /// List the suites, or the tests of the named ones
        #[arg(long)]
        list: bool,
    },
    /// Applies deliberate bugs and checks that the tests of each fail: all, or the named ones
    Mutate {
        /// Names of files in tests/mutations, without .patch
        names: Vec<String>,
        /// List the bugs and their tests
        #[arg(long)]
        list: bool,
    },
    /// Lists the code of the module that no test suite executes
    ///
    /// What tests/coverage.list has, with the reasons, is left out. A page for each source file, with all code,
    /// is in target/coverage/html, and the figures in the format of lcov in target/coverage.
    Coverage {
        #[command(flatten)]
        choice: coverage::Choice,
    },
    /// Runs the tools that check the sources
    Lint,
    /// Boots the board with its console on this terminal
    Shell {
        #[command(flatten)]
        options: board::Options,
        /// Only print QEMU's command, to be run as root; the board's files are kept in a new directory
        /// below target/shell
        #[arg(long)]
        print: bool,
    },
    /// Builds the driver's module for a configured and built kernel tree
    Module {
        /// The kernel's object directory, with .config and Module.symvers
        build_dir: PathBuf,
    },
    /// Copies the driver into a kernel source tree
    Install {
        /// The kernel's source tree
        tree: PathBuf,
        /// Remove it from the tree
        #[arg(long)]
        remove: bool,
    },
    /// Writes the drivers as a series of patches for a kernel tree
    ///
    /// The tree must be a git checkout, whose files stay as they are. Its new branch dw100-rust gets the
    /// commits, signed off by the user of its git configuration, and target/series the patches with a
    /// cover letter.
    Series {
        /// The kernel's source tree
        tree: PathBuf,
    },
    /// Builds a kernel of the board
    Kernel {
        /// The kernel
        #[arg(value_enum, default_value = "rt")]
        flavour: Flavour,
    },
    /// Builds QEMU with the engine's model
    Qemu,
    /// Builds dewarp without shared libraries, for this machine and for arm64 boards
    ///
    /// The programs are target/dewarp/x86-64/dewarp and target/dewarp/arm64/dewarp.
    Dewarp,
    /// Builds GStreamer's plugin with the element dw100dewarp, for arm64 boards with Debian 13
    ///
    /// The plugin is target/gst-dw100/libgstdw100.so. docs/gstreamer.md describes it.
    Gstreamer,
    /// Packs what a person with a board needs into one archive in target/kit
    ///
    /// The archive has this driver's module and the C driver's, the static programs first-light, dewarp
    /// and dw100-board, and a page that says what to type.
    Kit {
        /// The object directory of the kernel that runs on the board, with .config and Module.symvers
        build_dir: PathBuf,
    },
    /// Builds the sandbox, in which everything else is built
    Sandbox,
    /// Removes what was not used for two weeks from the cache
    Clean {
        /// Remove everything, except what another run uses now
        #[arg(long)]
        all: bool,
    },
}

impl Action {
    /// Returns whether the command runs as root from its start.
    fn needs_root(&self) -> bool {
        !matches!(
            self,
            Self::Module { .. }
                | Self::Install { .. }
                | Self::Series { .. }
                | Self::Mutate { list: true, .. }
                | Self::Test { list: true, .. }
        )
    }
}

/// What all commands share.
pub struct Env {
    /// The project's checkout.
    pub checkout: PathBuf,
    /// The cache of built steps.
    pub cache: Cache,
    /// Prints progress.
    pub ui: Ui,
    /// The Debian mirror that the user asked for.
    pub mirror: Option<String>,
    /// The kernel source that the user asked for.
    pub kernel_source: Option<PathBuf>,
    /// Records the code that boards execute, for `coverage`.
    pub coverage: Option<coverage::Recorder>,
}

impl Env {
    fn new(mirror: Option<String>, kernel_source: Option<PathBuf>) -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let checkout = manifest.parent().unwrap_or(Path::new("/")).canonicalize()?;
        let named = |dir: PathBuf| {
            dir.canonicalize()
                .with_context(|| format!("no kernel source in {}", dir.display()))
        };
        Ok(Self {
            checkout,
            cache: Cache::open()?,
            ui: Ui::new(),
            mirror,
            kernel_source: kernel_source.map(named).transpose()?,
            coverage: None,
        })
    }

    /// Starts a step that is no entry of the cache.
    fn step(&self, name: &str) -> Result<Step> {
        self.ui.step(name, self.cache.log(name))
    }

    /// Returns the entry of `recipe`, see [`Cache::entry`].
    fn entry(
        &self,
        recipe: &Recipe<'_>,
        build: impl FnOnce(&Step, &Path) -> Result<()>,
    ) -> Result<Entry> {
        self.cache.entry(&self.ui, recipe, build)
    }

    /// Returns a directory of an incremental build that no other checkout uses, see [`Cache::scratch`].
    fn scratch(&self, name: &str) -> Result<Scratch> {
        let checkout = Key::new().add(self.checkout.as_os_str().as_encoded_bytes());
        let name = format!("{name}-{}", checkout.finish());
        self.cache.scratch(&self.ui, &name)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<u8> {
    let mut env = Env::new(cli.mirror, cli.kernel_source)?;
    match &cli.command {
        Action::Test { choice, .. } => test::check_names(&choice.suites)?,
        Action::Coverage { choice } => {
            test::check_names(&choice.suites)?;
            env.coverage = Some(coverage::Recorder::default());
        }
        _ => {}
    }
    if cli.command.needs_root() {
        host::become_root(&env)?;
    }
    execute(&env, cli.command)
}

/// Executes a command and returns the exit status.
fn execute(env: &Env, command: Action) -> Result<u8> {
    match command {
        Action::Board {
            mut options,
            timeout,
            script,
        } => {
            options.timeout_s = timeout;
            let script = match script.as_slice() {
                [file] if Path::new(file).is_file() => std::fs::read_to_string(file)?,
                words => words.join(" "),
            };
            let board = Board::prepare_for(env, &options)?;
            let end = board.run(&options, &script, true)?.end;
            if let Some(message) = end.message() {
                eprintln!("{message}");
            }
            return Ok(end.status());
        }
        Action::Bench => bench::run(env)?,
        Action::Lint => return Ok(u8::from(!lint::run(env)?)),
        Action::Demo { driver, picture } => demo::run(env, driver, picture)?,
        Action::Test { choice, list: true } => test::list(env, &choice.suites)?,
        Action::Test { choice, .. } => return Ok(u8::from(!test::run(env, &choice)?)),
        Action::Coverage { choice } => return Ok(u8::from(!coverage::run(env, &choice)?)),
        Action::Mutate { list: true, .. } => mutate::list(env)?,
        Action::Mutate { names, .. } => return Ok(u8::from(!mutate::run(env, &names)?)),
        Action::Shell { options, print } => {
            Board::prepare_for(env, &options)?.shell(&options, print)?;
        }
        Action::Kernel { flavour } => {
            let kernel = Kernel::prepare(env, &Sandbox::prepare(env)?, flavour)?;
            println!("{}: {}", kernel.release, kernel.objects.display());
        }
        Action::Qemu => {
            let sandbox = Sandbox::prepare(env)?;
            let model = programs::Program::model(env, &sandbox)?;
            println!(
                "{}",
                qemu::Qemu::prepare(env, &sandbox, &model)?.binary.display()
            );
        }
        Action::Gstreamer => println!("{}", gstreamer::deliver(env)?.display()),
        Action::Dewarp => {
            let [here, board] = programs::deliver(env, &Sandbox::prepare(env)?)?;
            println!("x86-64: {}", here.display());
            println!("arm64: {}", board.display());
        }
        Action::Kit { build_dir } => {
            let kit = kit::Kit::build(env, &build_dir, &env.checkout.join("target/kit"))?;
            println!("C driver: {}", kit.c_driver);
            println!("{}", kit.archive.display());
        }
        Action::Sandbox => {
            Sandbox::prepare(env)?;
        }
        Action::Clean { all } => {
            let removed = if all {
                env.cache.remove_all()?
            } else {
                env.cache.remove_old(None)?
            };
            for name in removed {
                println!("removed {name}");
            }
        }
        Action::Module { build_dir } => {
            println!("{}", module::build_for(env, &build_dir)?.display());
        }
        Action::Install { tree, remove: true } => module::uninstall(&tree)?,
        Action::Install { tree, .. } => module::install(env, &tree)?,
        Action::Series { tree } => {
            ensure!(
                std::env::var_os("SUDO_UID").is_none(),
                "run it without sudo: the commits belong to the owner of the tree"
            );
            let to = env.checkout.join("target/series");
            series::write(env, &tree, &to)?;
            println!("{}", to.display());
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn options_given_by_variables_survive_sudo() {
        let command = Cli::command();
        let variables: Vec<_> = command
            .get_arguments()
            .filter_map(|argument| argument.get_env()?.to_str())
            .collect();
        assert!(variables.contains(&"DW100_KERNEL_SOURCE"));
        for variable in variables {
            assert!(host::SUDO_VARIABLES.contains(&variable), "{variable}");
        }
    }
}
