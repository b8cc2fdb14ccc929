// SPDX-License-Identifier: GPL-2.0

//! The board's kernels: source, configuration, build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{Step, capture};
use crate::{Env, host, kconfig};

/// The Debian package with the kernel's source.
const SOURCE: &str = "linux-source-7.3";

/// The board's device tree, below `arch/arm64/boot/dts`.
const DTB: &str = "freescale/imx8mp-evk.dtb";

/// `make`'s variables, for the kernel and its modules.
const VARIABLES: [&str; 5] = [
    "LLVM=1",
    "ARCH=arm64",
    "KBUILD_BUILD_USER=dw100",
    "KBUILD_BUILD_HOST=sandbox",
    "KBUILD_BUILD_TIMESTAMP=@0",
];

/// What `make` is asked for, one run after the other. OBJECTS is the object directory.
const CONFIGURE: [&str; 2] = ["KCONFIG_ALLCONFIG=OBJECTS/requested.config", "allnoconfig"];
const BUILD: [&str; 3] = ["Image", "modules", DTB];
const INSTALL: [&str; 2] = ["INSTALL_MOD_PATH=OBJECTS/root/usr", "modules_install"];

/// Which kernel the board boots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Flavour {
    /// PREEMPT_RT, nothing else
    Rt,
    /// PREEMPT_RT with every check that finds a driver out
    Debug,
    /// PREEMPT without RT, which reports data races
    Kcsan,
}

impl Flavour {
    /// Its name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rt => "rt",
            Self::Debug => "debug",
            Self::Kcsan => "kcsan",
        }
    }

    /// What this kernel needs on its command line.
    pub fn arguments(self) -> &'static str {
        match self {
            Self::Rt => "",
            // The tests inside the module run where they are asked for, not with every load of it.
            // The HSIO block registers a clock with its power domain's lock taken, to which lockdep
            // objects, and then looks at nothing else any more. The engine does not need the block.
            // The clocks' files in debugfs, a seventh of all that kmemleak looks at, are nobody's.
            Self::Debug | Self::Kcsan => {
                "kunit.enable=0 initcall_blacklist=imx8mp_blk_ctrl_driver_init,clk_debug_init"
            }
        }
    }

    fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Rt => &["base", "rt"],
            Self::Debug => &["base", "rt", "debug"],
            Self::Kcsan => &["base", "kcsan"],
        }
    }

    /// Disk space of the build in GB.
    fn gigabytes(self) -> f64 {
        match self {
            Self::Rt => 1.0,
            Self::Debug | Self::Kcsan => 1.5,
        }
    }
}

/// A built kernel.
pub struct Kernel {
    /// Which one.
    pub flavour: Flavour,
    /// Changes whenever a module must be built again.
    pub key: String,
    /// The version that `uname -r` prints.
    pub release: String,
    /// The object directory.
    pub objects: PathBuf,
    /// The source tree.
    pub source: PathBuf,
    _entries: Vec<Entry>,
}

impl Kernel {
    /// Builds the kernel if it is not there.
    pub fn prepare(env: &Env, sandbox: &Sandbox, flavour: Flavour) -> Result<Self> {
        let (source, unpacked) = source(env, sandbox)?;
        let read = |name: &&str| {
            let path = env.checkout.join(format!("tests/kernel/{name}.config"));
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let fragments = flavour
            .fragments()
            .iter()
            .map(read)
            .collect::<Result<Vec<_>>>()?;
        let options = kconfig::merge(&fragments);
        let mut key = Key::new()
            .add(source.as_os_str().as_encoded_bytes())
            .add(sandbox.toolchain()?)
            .add(kconfig::render(&options))
            .words(VARIABLES)
            .words(CONFIGURE)
            .words(BUILD)
            .words(INSTALL);
        if env.kernel_source.is_some() {
            key = key.add(version(&source));
        }
        let key = key.finish();

        let name = format!("kernel-{}", flavour.name());
        let recipe = Recipe {
            name: &name,
            key,
            partial: Partial::Resume,
            gigabytes: flavour.gigabytes(),
        };
        let build = |step: &Step, objects: &Path| {
            let make = |words: &[&str]| {
                let place = objects.to_string_lossy();
                let mut command = make(sandbox, &source, objects);
                command.args(words.iter().map(|word| word.replace("OBJECTS", &place)));
                command
            };
            fs::write(objects.join("requested.config"), kconfig::render(&options))?;
            step.run(&mut make(&CONFIGURE))?;
            let unmet = kconfig::unmet(&options, &fs::read_to_string(objects.join(".config"))?);
            if !unmet.is_empty() {
                bail!("this kernel cannot have: {}", unmet.join(", "));
            }
            step.run(make(&BUILD).arg(format!("-j{}", host::jobs())))?;
            step.run(&mut make(&INSTALL))
        };
        let entry = env.cache.entry(&env.ui, &recipe, build)?;
        let objects = entry.dir.clone();
        let release = fs::read_to_string(objects.join("include/config/kernel.release"))?;
        Ok(Self {
            flavour,
            key: entry.key.clone(),
            release: release.trim().to_owned(),
            objects,
            source,
            _entries: unpacked.into_iter().chain([entry]).collect(),
        })
    }

    /// The kernel image.
    pub fn image(&self) -> PathBuf {
        self.objects.join("arch/arm64/boot/Image")
    }

    /// The board's device tree.
    pub fn device_tree(&self) -> PathBuf {
        self.objects.join("arch/arm64/boot/dts").join(DTB)
    }

    /// The directory that appears as `/usr/lib/modules` on the board.
    pub fn modules(&self) -> PathBuf {
        self.objects.join("root/usr/lib/modules")
    }

    /// `make` for this kernel.
    pub fn make(&self, sandbox: &Sandbox) -> Command {
        make(sandbox, &self.source, &self.objects)
    }
}

fn make(sandbox: &Sandbox, source: &Path, objects: &Path) -> Command {
    let mut command = sandbox.command(source, "make");
    command
        .arg(format!("O={}", objects.display()))
        .args(VARIABLES);
    command
}

/// What tells a changed source tree from the one that was built: its version and commit.
fn version(source: &Path) -> String {
    let makefile = fs::read_to_string(source.join("Makefile")).unwrap_or_default();
    let numbers = makefile
        .lines()
        .take_while(|line| !line.starts_with("NAME"));
    let mut version = numbers.collect::<Vec<_>>().join("\n");
    if source.join(".git").exists() {
        let mut git = Command::new("git");
        git.args(["-c", "safe.directory=*", "rev-parse", "HEAD"])
            .current_dir(source);
        version += &capture(&mut git).unwrap_or_default();
    }
    version
}

/// The kernel's source: the user's, or Debian's unpacked into the cache.
fn source(env: &Env, sandbox: &Sandbox) -> Result<(PathBuf, Option<Entry>)> {
    if let Some(dir) = &env.kernel_source {
        if !dir.join("rust/kernel").is_dir() {
            bail!("{} is not a kernel source tree with Rust", dir.display());
        }
        return Ok((dir.clone(), None));
    }
    let script = format!(
        "apt-get update -q && apt-get download -q {SOURCE} && deb=$(echo {SOURCE}_*.deb) &&
        dpkg-deb --fsys-tarfile $deb | tar -xO ./usr/src/{SOURCE}.tar.xz |
        tar -xJ --strip-components=1 && rm $deb"
    );
    let key = Key::new().add(&script).finish();
    let recipe = Recipe {
        name: "kernel-source",
        key,
        partial: Partial::Discard,
        gigabytes: 2.5,
    };
    let entry = env.cache.entry(&env.ui, &recipe, |step, dir| {
        step.run(
            sandbox
                .command(dir, "bash")
                .args(["-o", "pipefail", "-c", &script]),
        )
    })?;
    Ok((entry.dir.clone(), Some(entry)))
}
