// SPDX-License-Identifier: GPL-2.0

//! The board's kernels: source, configuration, build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{Step, stdout_of};
use crate::{Env, host, kconfig, module};

/// The kernel series that the driver was tried with, oldest first.
pub const TRIED: [(u32, u32); 1] = [(7, 3)];

/// The name of a Debian package with a kernel's source, without the series at its end.
const SOURCE: &str = "linux-source-";

/// The board's device tree, below `arch/arm64/boot/dts`.
const DTB: &str = "freescale/imx8mp-evk.dtb";

/// `make`'s variables for the kernel and its modules.
const VARIABLES: [&str; 5] = [
    "LLVM=1",
    "ARCH=arm64",
    "KBUILD_BUILD_USER=dw100",
    "KBUILD_BUILD_HOST=sandbox",
    "KBUILD_BUILD_TIMESTAMP=@0",
];

/// `make`'s arguments in three runs. OBJECTS stands for the object directory.
const CONFIGURE: [&str; 2] = ["KCONFIG_ALLCONFIG=OBJECTS/requested.config", "allnoconfig"];
const BUILD: [&str; 3] = ["Image", "modules", DTB];
const INSTALL: [&str; 2] = ["INSTALL_MOD_PATH=OBJECTS/root/usr", "modules_install"];

/// The kernel that the board boots.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, ValueEnum)]
pub enum Flavour {
    /// PREEMPT_RT, without debugging
    #[default]
    Rt,
    /// PREEMPT_RT with KASAN, lockdep, kmemleak and other checks
    Debug,
    /// PREEMPT without RT, with KCSAN, which reports data races
    Kcsan,
}

impl Flavour {
    /// Returns the kernel's name in options and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rt => "rt",
            Self::Debug => "debug",
            Self::Kcsan => "kcsan",
        }
    }

    /// Returns the arguments that this kernel needs on its command line.
    pub fn arguments(self) -> &'static str {
        match self {
            Self::Rt => "",
            // The module's KUnit tests do not run at each load, but only when the suite `kunit` asks
            // for them. The HSIO block is left out because it registers a clock with its power domain's
            // lock held: lockdep reports that and then switches itself off. The engine does not need
            // the block. The clocks' debugfs files are left out because they are a seventh of the
            // memory that kmemleak scans.
            Self::Debug | Self::Kcsan => {
                "kunit.enable=0 initcall_blacklist=imx8mp_blk_ctrl_driver_init,clk_debug_init"
            }
        }
    }

    /// Returns the names of the configuration fragments in `tests/kernel`.
    fn fragments(self) -> &'static [&'static str] {
        match self {
            Self::Rt => &["base", "rt"],
            Self::Debug => &["base", "rt", "debug"],
            Self::Kcsan => &["base", "kcsan"],
        }
    }

    /// Returns the disk space of the build in GB.
    fn gigabytes(self) -> f64 {
        match self {
            Self::Rt => 1.0,
            Self::Debug | Self::Kcsan => 1.5,
        }
    }
}

/// A built kernel.
pub struct Kernel {
    /// The flavour of the kernel.
    pub flavour: Flavour,
    /// The key of the build. If it changes, modules must be built again.
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
    /// Builds the kernel if it is not in the cache.
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
        // If Debian lacks the tried series, the source of another one is at the same path. Then the
        // version belongs to the key.
        if env.kernel_source.is_some() || series(&source).is_none_or(|it| it != tried()) {
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
            let make = |words: &[&str]| make_with(sandbox, &[], &source, objects, words);
            fs::write(objects.join("requested.config"), kconfig::render(&options))?;
            step.run(&mut make(&CONFIGURE))?;
            kconfig::ensure_met(&options, objects)?;
            build_with(step, sandbox, &[], &source, objects)
        };
        let entry = env.entry(&recipe, build)?;
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

    /// Builds what is out of date, with other sources or another object directory mounted over this
    /// kernel's. `mounts` has pairs of a directory and its mount point.
    pub fn build(&self, step: &Step, sandbox: &Sandbox, mounts: &[(&Path, &Path)]) -> Result<()> {
        build_with(step, sandbox, mounts, &self.source, &self.objects)
    }

    /// Returns this kernel with other objects, which [`Self::build`] has built.
    pub fn moved(mut self, objects: Entry) -> Self {
        self.key.clone_from(&objects.key);
        self.objects.clone_from(&objects.dir);
        self._entries.push(objects);
        self
    }

    /// Returns the kernel image.
    pub fn image(&self) -> PathBuf {
        self.objects.join("arch/arm64/boot/Image")
    }

    /// Returns the board's device tree.
    pub fn device_tree(&self) -> PathBuf {
        self.objects.join("arch/arm64/boot/dts").join(DTB)
    }

    /// Returns the directory that the board sees as `/usr/lib/modules`.
    pub fn modules(&self) -> PathBuf {
        self.objects.join("root/usr/lib/modules")
    }

    /// Returns the `make` command for this kernel.
    pub fn make(&self, sandbox: &Sandbox) -> Command {
        make_with(sandbox, &[], &self.source, &self.objects, &[])
    }
}

/// Returns `make` with these arguments, in which OBJECTS stands for the object directory.
fn make_with(
    sandbox: &Sandbox,
    mounts: &[(&Path, &Path)],
    source: &Path,
    objects: &Path,
    words: &[&str],
) -> Command {
    let place = objects.to_string_lossy();
    let mut command = sandbox.command_with(mounts, source, "make");
    command
        .arg(format!("O={place}"))
        .args(VARIABLES)
        .args(words.iter().map(|word| word.replace("OBJECTS", &place)));
    command
}

/// Builds what is out of date and installs the modules.
fn build_with(
    step: &Step,
    sandbox: &Sandbox,
    mounts: &[(&Path, &Path)],
    source: &Path,
    objects: &Path,
) -> Result<()> {
    let make = |words: &[&str]| make_with(sandbox, mounts, source, objects, words);
    step.run(make(&BUILD).arg(format!("-j{}", host::jobs())))?;
    step.run(&mut make(&INSTALL))
}

/// Returns the version and commit of a source tree, by which a changed tree is noticed.
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
        version += &stdout_of(&mut git).unwrap_or_default();
    }
    version
}

/// Returns the series of the board's kernel, unless Debian lacks it.
fn tried() -> (u32, u32) {
    TRIED[TRIED.len() - 1]
}

/// Returns the series of a source tree, from its top Makefile.
fn series(source: &Path) -> Option<(u32, u32)> {
    module::version(&fs::read_to_string(source.join("Makefile")).ok()?)
}

/// A shell command that prints the names of Debian's packages with a kernel's source.
const LIST: &str = "apt-get update -q >&2 && apt-cache pkgnames linux-source-";

/// Returns a shell command that unpacks the source in a package into the current directory.
fn unpack(package: &str) -> String {
    format!(
        "apt-get update -q && apt-get download -q {package} && deb=$(echo {package}_*.deb) &&
        dpkg-deb --fsys-tarfile $deb | tar -xO ./usr/src/{package}.tar.xz |
        tar -xJ --strip-components=1 && rm $deb"
    )
}

/// Returns the package of the tried series, if the list has it, or else of the newest series if that is
/// newer. Otherwise it fails with the series that the list has.
fn package(listed: &str) -> Result<String> {
    let numbers = |name: &str| -> Option<(u32, u32)> {
        let (major, minor) = name.strip_prefix(SOURCE)?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    let mut found: Vec<(u32, u32)> = listed.lines().filter_map(numbers).collect();
    found.sort_unstable();
    let (major, minor) = match found.last() {
        _ if found.contains(&tried()) => tried(),
        Some(newest) if *newest > tried() => *newest,
        _ => {
            let (major, minor) = tried();
            let found: Vec<String> = found.iter().map(|(a, b)| format!("{a}.{b}")).collect();
            bail!(
                "Debian has no source of a kernel {major}.{minor} or newer, only: {}; pass --kernel-source DIR",
                found.join(" ")
            );
        }
    };
    Ok(format!("{SOURCE}{major}.{minor}"))
}

/// Returns a warning if the driver was not tried with this series.
pub fn untried((major, minor): (u32, u32)) -> Option<String> {
    if TRIED.contains(&(major, minor)) {
        return None;
    }
    let tried: Vec<String> = TRIED.iter().map(|(a, b)| format!("{a}.{b}")).collect();
    Some(format!(
        "this is Linux {major}.{minor}; the driver was tried with {} only, and the kernel's Rust interfaces \
         change with each series: if it does not build, use a tried one",
        tried.join(", ")
    ))
}

/// Returns the kernel's source tree: the user's, or Debian's unpacked into the cache.
pub fn source(env: &Env, sandbox: &Sandbox) -> Result<(PathBuf, Option<Entry>)> {
    if let Some(dir) = &env.kernel_source {
        if !dir.join("rust/kernel").is_dir() {
            bail!("{} is not a kernel source tree with Rust", dir.display());
        }
        return Ok((dir.clone(), None));
    }
    // The series is chosen when the source is unpacked. It stays the same while the cache has the
    // entry, so that an update of Debian's does not change the kernel.
    let (major, minor) = tried();
    let key = Key::new()
        .add(unpack(&format!("{SOURCE}{major}.{minor}")))
        .finish();
    let recipe = Recipe {
        name: "kernel-source",
        key,
        partial: Partial::Discard,
        gigabytes: 2.5,
    };
    let entry = env.entry(&recipe, |step, dir| {
        let listed = stdout_of(sandbox.apt(dir).arg(LIST))?;
        let package = package(&listed)?;
        step.run(sandbox.apt(dir).arg(unpack(&package)))
    })?;
    static SAID: Once = Once::new();
    if let Some(message) = series(&entry.dir).and_then(untried) {
        SAID.call_once(|| {
            env.ui.say(&format!(
                "Debian has no {SOURCE}{major}.{minor} any more: {message}"
            ));
        });
    }
    Ok((entry.dir.clone(), Some(entry)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn a_newer_series_is_taken_if_debian_lacks_the_tried_one_but_never_an_older_one() {
        let of = |names: &[&str]| package(&names.join("\n"));
        let linux = ["linux-source-6.12", "linux-source-7.3", "linux-source-7.4"];
        assert_eq!(of(&linux).unwrap(), "linux-source-7.3");
        let later = [
            "linux-source-7.10",
            "linux-source-6.12",
            "linux-source-7.9",
            "linux-source",
            "linux-source-7.11-rc",
        ];
        assert_eq!(of(&later).unwrap(), "linux-source-7.10");
        assert_eq!(of(&["linux-source-8.0"]).unwrap(), "linux-source-8.0");
        let error = of(&["linux-source-7.2", "linux-source-6.12"]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("7.3 or newer, only: 6.12 7.2;"), "{error}");
        assert!(of(&[]).is_err());
    }

    #[test]
    fn the_warning_about_an_untried_series_names_the_tried_ones() {
        assert_eq!(untried((7, 3)), None);
        let warning = untried((7, 4)).unwrap();
        assert!(
            warning.contains("Linux 7.4") && warning.contains("with 7.3 only"),
            "{warning}"
        );
    }

    #[test]
    fn the_source_of_another_series_is_unpacked_if_the_mirror_lacks_the_tried_one() {
        let mirror = TestDir::new("kernel");
        let dir = mirror.path();
        let (tree, output) = (dir.join("linux-source-7.4"), dir.join("output"));
        for made in ["bin", "linux-source-7.4", "usr/src", "output"] {
            fs::create_dir_all(dir.join(made)).unwrap();
        }
        fs::write(tree.join("Makefile"), "VERSION = 7\nPATCHLEVEL = 4\n").unwrap();
        let shell = |dir: &Path, script: &str| {
            let mut bash = Command::new("bash");
            let path = std::env::var("PATH").unwrap();
            bash.env("PATH", format!("{}/../bin:{path}", output.display()));
            bash.args(["-e", "-o", "pipefail", "-c", script])
                .current_dir(dir);
            stdout_of(&mut bash).unwrap()
        };
        // Programs that replace apt's, for a mirror with one package.
        for (name, script) in [
            (
                "apt-get",
                "[ $1 = update ] || cp ../package $3_7.4.1-1_all.deb",
            ),
            (
                "apt-cache",
                "printf '%s\\n' linux-source linux-source-6.12 linux-source-7.4",
            ),
            ("dpkg-deb", "cat $2"),
        ] {
            let file = dir.join("bin").join(name);
            fs::write(file, format!("#!/bin/sh\n{script}\n")).unwrap();
        }
        shell(
            dir,
            "chmod +x bin/*; tar -cJf usr/src/linux-source-7.4.tar.xz linux-source-7.4; tar -cf package ./usr",
        );

        let package = package(&shell(&output, LIST)).unwrap();
        assert_eq!(package, "linux-source-7.4");
        shell(&output, &unpack(&package));
        assert_eq!(series(&output), Some((7, 4)));
        assert_eq!(fs::read_dir(&output).unwrap().count(), 1);
    }
}
