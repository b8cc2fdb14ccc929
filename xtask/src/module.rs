// SPDX-License-Identifier: GPL-2.0

//! The module: builds it for the board's kernels or for any kernel, and copies the driver into a kernel
//! tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::kernel::{self, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, copy_tree, make_dir, remove_dir, stdout_of};
use crate::{Env, host};

const FILE: &str = "dw100_rust.ko";

/// The modules' sources.
const SOURCES: [&str; 4] = ["Kbuild", "Kconfig", "samples", "src"];

/// `make`'s arguments for an external module. A directory follows `M=` and `MO=`.
const EXTERNAL: [&str; 3] = ["M=", "MO=", "modules"];

/// `make`'s arguments for debug information, which `coverage` needs.
const DEBUG_INFO: [&str; 2] = ["KCFLAGS=-g", "KRUSTFLAGS=-Cdebuginfo=2"];

/// The first kernel series with all Rust abstractions that the driver uses.
const OLDEST: (u32, u32) = kernel::TRIED[0];

/// Options that the module needs.
const NEEDED: [&str; 7] = [
    "CONFIG_RUST",
    "CONFIG_MODULES",
    "CONFIG_COMMON_CLK",
    "CONFIG_VIDEO_DEV",
    "CONFIG_MEDIA_CONTROLLER",
    "CONFIG_V4L2_MEM2MEM_DEV",
    "CONFIG_VIDEOBUF2_DMA_CONTIG",
];

/// The vendor's directory in a kernel tree, and the driver's below it.
pub const VENDOR: &str = "drivers/media/platform/nxp";
pub const DIRECTORY: &str = "dw100-rust";

/// The lines that add it to the kernel's build: the file, the line, and the line that it comes after.
const HOOKS: [(&str, &str, &str); 2] = [
    (
        "Kconfig",
        "source \"drivers/media/platform/nxp/dw100-rust/Kconfig\"",
        "source \"drivers/media/platform/nxp/dw100/Kconfig\"",
    ),
    ("Makefile", "obj-y += dw100-rust/", "obj-y += dw100/"),
];

/// The module for one of the board's kernels.
pub struct Module {
    /// The module's file.
    pub file: PathBuf,
    _entry: Entry,
}

impl Module {
    /// Builds the module if it is not in the cache.
    pub fn prepare(env: &Env, sandbox: &Sandbox, kernel: &Kernel) -> Result<Self> {
        let name = format!("module-{}", kernel.flavour.name());
        let more: &[&str] = match env.coverage {
            Some(_) => &DEBUG_INFO,
            None => &[],
        };
        let recipe = Recipe {
            name: &name,
            key: key(env, kernel)?.words(more).finish(),
            partial: Partial::Discard,
            gigabytes: 0.2,
        };
        let entry = env.entry(&recipe, |step, dir| {
            // make builds only what has changed since the last build in this directory.
            let output = format!("{name}-{}{}", kernel.key, more.concat());
            let output = env.scratch(&output)?;
            let mut make = kernel.make(sandbox);
            let words = external(&env.checkout, &output.dir);
            step.run(make.args(words).args(more).arg(jobs()))?;
            copy_file(&output.dir.join(FILE), &dir.join(FILE))
        })?;
        Ok(Self {
            file: entry.dir.join(FILE),
            _entry: entry,
        })
    }
}

/// The modules of suite `vim2m` for one of the board's kernels: the driver `samples/vim2m`, and the
/// kernel's vim2m, which the kernel's configuration does not have.
pub struct Vim2m {
    /// Where the modules `vim2m_rust.ko` and `vim2m.ko` are.
    pub dir: PathBuf,
    _entry: Entry,
}

impl Vim2m {
    /// Builds the modules if they are not in the cache.
    pub fn prepare(env: &Env, sandbox: &Sandbox, kernel: &Kernel) -> Result<Self> {
        let name = format!("vim2m-{}", kernel.flavour.name());
        let recipe = Recipe {
            name: &name,
            key: key(env, kernel)?.words(OURS).add(THEIRS).finish(),
            partial: Partial::Discard,
            gigabytes: 0.2,
        };
        let entry = env.entry(&recipe, |step, dir| {
            let output = env.scratch(&format!("{name}-{}", kernel.key))?;
            let (source, objects) = (output.dir.join("source"), output.dir.join("objects"));
            make_dir(&source)?;
            let file = "drivers/media/test-drivers/vim2m.c";
            copy_file(&kernel.source.join(file), &source.join("vim2m.c"))?;
            fs::write(source.join("Makefile"), THEIRS)?;
            let builds: [(&Path, &[&str], &str); 2] = [
                (&env.checkout, &OURS, "vim2m_rust.ko"),
                (&source, &[], "vim2m.ko"),
            ];
            for (from, more, module) in builds {
                let objects = objects.join(module);
                make_dir(&objects)?;
                let mut make = kernel.make(sandbox);
                let words = external(from, &objects);
                step.run(make.args(words).args(more).arg(jobs()))?;
                copy_file(&objects.join(module), &dir.join(module))?;
            }
            Ok(())
        })?;
        Ok(Self {
            dir: entry.dir.clone(),
            _entry: entry,
        })
    }
}

/// `make`'s arguments for the driver `samples/vim2m` alone, and a makefile for the kernel's vim2m alone.
const OURS: [&str; 2] = ["CONFIG_VIDEO_VIM2M_RUST=m", "CONFIG_VIDEO_DW100_RUST="];
const THEIRS: &str = "obj-m := vim2m.o\n";

/// Returns a key of all that the module depends on.
pub fn key(env: &Env, kernel: &Kernel) -> Result<Key> {
    let key = Key::new()
        .add(&kernel.key)
        .add(env.checkout.as_os_str().as_encoded_bytes())
        .words(EXTERNAL);
    SOURCES.iter().try_fold(key, |key, path| {
        key.add(path).tree(&env.checkout.join(path))
    })
}

/// Returns `make`'s arguments for an external module.
pub fn external(checkout: &Path, output: &Path) -> [String; 3] {
    let (checkout, output) = (checkout.to_string_lossy(), output.to_string_lossy());
    EXTERNAL.map(|word| match word {
        "M=" => format!("{word}{checkout}"),
        "MO=" => format!("{word}{output}"),
        _ => word.to_owned(),
    })
}

fn jobs() -> String {
    format!("-j{}", host::jobs())
}

/// A configured and built kernel tree, for which modules are built.
pub struct Built {
    /// The kernel's object directory.
    pub objects: PathBuf,
    /// The kernel's release, as `uname -r` prints it.
    pub release: String,
    config: String,
}

impl Built {
    /// Opens a kernel's object directory.
    pub fn open(tree: &Path) -> Result<Self> {
        let objects = tree
            .canonicalize()
            .with_context(|| format!("no directory {}", tree.display()))?;
        let part = |name: &str| {
            fs::read_to_string(objects.join(name)).with_context(|| {
                let objects = objects.display();
                format!("{objects} is not the object directory of a built kernel: {name}")
            })
        };
        part("Module.symvers")?;
        Ok(Self {
            config: part("include/config/auto.conf")?,
            release: part("include/config/kernel.release")?.trim().to_owned(),
            objects,
        })
    }

    /// Returns the value of an option of the kernel, if it is set.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut lines = self.config.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns the source tree, which may be the object directory.
    pub fn source(&self) -> PathBuf {
        let source = self.objects.join("source").canonicalize();
        source.unwrap_or_else(|_| self.objects.clone())
    }

    /// Builds the module in `sources` with the compiler that built the kernel: this machine's if it is
    /// the same, or else the sandbox's. The objects go to `output`.
    pub fn build(&self, env: &Env, sources: &Path, output: &Path) -> Result<()> {
        let tree = &self.objects;
        let wanted = self.option("CONFIG_RUSTC_VERSION_TEXT").unwrap_or_default();
        let wanted = wanted.trim_matches('"');
        let sandbox;
        let mut make = if rustc_version(&mut Command::new("rustc")) == wanted {
            Command::new("make")
        } else {
            host::become_root(env)?;
            sandbox = Sandbox::prepare(env)?;
            let inside = rustc_version(&mut sandbox.command(Path::new("/"), "rustc"));
            if inside != wanted {
                bail!(
                    "{} was built with {wanted}, and the sandbox has {inside}: put that rustc into the PATH, or run \
                     make yourself (docs/board.md)",
                    tree.display()
                );
            }
            if self.option("CONFIG_ARM64").is_some() && self.option("CONFIG_CC_IS_GCC").is_some() {
                bail!(
                    "{} was built with gcc, and the sandbox has no gcc for arm64: run make yourself (docs/board.md)",
                    tree.display()
                );
            }
            let source = self.source();
            let mounts = [tree.as_path(), source.as_path()].map(|path| (path, path));
            sandbox.command_with(&mounts, Path::new("/"), "make")
        };
        make.arg("-C")
            .arg(tree)
            .args(external(sources, output))
            .arg(jobs());
        if self.option("CONFIG_CC_IS_CLANG").is_some() {
            make.arg("LLVM=1");
        }
        if self.option("CONFIG_ARM64").is_some() {
            make.arg("ARCH=arm64");
        }
        let _chown = ChownGuard::of_all(output);
        make_dir(output)?;
        let step = env.step("module")?;
        step.run(&mut make)?;
        step.finish();
        Ok(())
    }
}

/// `cargo xtask module BUILD_DIR`: builds the module for a configured and built kernel tree. Returns
/// the file.
pub fn build_for(env: &Env, tree: &Path) -> Result<PathBuf> {
    let built = Built::open(tree)?;
    let mut numbers = built.release.split('.');
    let mut number = || numbers.next()?.trim().parse().ok();
    let series = number().zip(number());
    check_series(env, &built.objects, series)?;
    // For an external module, Kconfig does not select what the driver selects.
    let missing = NEEDED
        .into_iter()
        .filter(|name| built.option(name).is_none());
    let missing = missing.collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        bail!("the kernel in {} has no {missing}", built.objects.display());
    }
    let output = env.checkout.join("target/module");
    let _alone = env.scratch("module")?;
    built.build(env, &env.checkout, &output)?;
    Ok(output.join(FILE))
}

fn rustc_version(rustc: &mut Command) -> String {
    stdout_of(rustc.arg("--version"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// `cargo xtask install TREE`: copies the driver into a kernel source tree and adds it to the kernel's
/// build. If there is a copy, it is replaced.
pub fn install(env: &Env, tree: &Path) -> Result<()> {
    let driver = copy_into(env, tree)?;
    println!("{}: enable CONFIG_VIDEO_DW100_RUST", driver.display());
    Ok(())
}

/// Does the same and returns the driver's directory in the tree.
pub fn copy_into(env: &Env, tree: &Path) -> Result<PathBuf> {
    let vendor = check_tree(env, tree)?;
    let driver = vendor.join(DIRECTORY);
    remove_dir(&driver)?;
    for path in SOURCES {
        let (from, to) = (env.checkout.join(path), driver.join(path));
        if from.is_dir() {
            copy_tree(&from, &to)?;
        } else {
            copy_file(&from, &to)?;
        }
    }
    hook(tree)?;
    Ok(driver)
}

/// Fails if `tree` is not the source tree of a kernel that the driver can be built for. Returns the
/// vendor's directory.
pub fn check_tree(env: &Env, tree: &Path) -> Result<PathBuf> {
    let (vendor, makefile) = vendor(tree)?;
    check_series(env, tree, version(&makefile))?;
    Ok(vendor)
}

/// Adds the driver's directory to the kernel's build.
pub fn hook(tree: &Path) -> Result<()> {
    for (file, line, neighbour) in HOOKS {
        let file = tree.join(VENDOR).join(file);
        edit(&file, |text| with_line(text, line, neighbour))?;
    }
    Ok(())
}

/// `cargo xtask install --remove TREE`: removes the driver from the tree, whatever the kernel's
/// version.
pub fn uninstall(tree: &Path) -> Result<()> {
    let (vendor, _) = vendor(tree)?;
    remove_dir(&vendor.join(DIRECTORY))?;
    for (file, line, _) in HOOKS {
        edit(&vendor.join(file), |text| without_line(text, line))?;
    }
    Ok(())
}

/// Returns the vendor's directory in a kernel source tree, and the text of the tree's top Makefile.
fn vendor(tree: &Path) -> Result<(PathBuf, String)> {
    let vendor = tree.join(VENDOR);
    let makefile = fs::read_to_string(tree.join("Makefile")).unwrap_or_default();
    if !vendor.join("Kconfig").is_file() || makefile.is_empty() {
        bail!(
            "{} is not a kernel source tree with {VENDOR}",
            tree.display()
        );
    }
    Ok((vendor, makefile))
}

/// Fails if the kernel is older than [`OLDEST`]. Prints a warning if the driver was not tried with it.
fn check_series(env: &Env, tree: &Path, series: Option<(u32, u32)>) -> Result<()> {
    let Some((major, minor)) = series else {
        bail!("{} has no kernel version", tree.display());
    };
    let (least, less) = OLDEST;
    if (major, minor) < OLDEST {
        bail!(
            "{} is Linux {major}.{minor}, whose Rust abstractions are too old: the driver needs {least}.{less}",
            tree.display()
        );
    }
    if let Some(message) = kernel::untried((major, minor)) {
        env.ui.say(&message);
    }
    Ok(())
}

/// Returns VERSION and PATCHLEVEL of the kernel's top Makefile.
pub fn version(makefile: &str) -> Option<(u32, u32)> {
    let number = |name: &str| {
        makefile.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == name).then(|| value.trim().parse().ok())?
        })
    };
    Some((number("VERSION")?, number("PATCHLEVEL")?))
}

/// Changes the text of a file. Does not write the file if the text stays the same.
pub fn edit(file: &Path, change: impl Fn(&str) -> String) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let changed = change(&text);
    if changed != text {
        fs::write(file, changed).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Returns the text with `line` added after `neighbour`, or at the end if there is no such line.
pub fn with_line(text: &str, line: &str, neighbour: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if !lines.contains(&line) {
        let place = lines.iter().position(|other| *other == neighbour);
        lines.insert(place.map_or(lines.len(), |place| place + 1), line);
    }
    lines.join("\n") + "\n"
}

fn without_line(text: &str, line: &str) -> String {
    let others = text.lines().filter(|other| *other != line);
    others.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn a_line_is_added_once_and_beside_its_neighbour() {
        let once = with_line("a\nb\nc\n", "new", "b");
        assert_eq!(once, "a\nb\nnew\nc\n");
        assert_eq!(with_line(&once, "new", "b"), once);
        assert_eq!(without_line(&once, "new"), "a\nb\nc\n");
        assert_eq!(with_line("a\n", "new", "missing"), "a\nnew\n");
    }

    #[test]
    fn a_tree_that_is_too_old_is_refused_with_both_versions() {
        let makefile = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 1\n";
        let tree = Path::new("/linux");
        let env = Env::new(None, None).unwrap();
        let check = |series| check_series(&env, tree, series);
        let error = check(version(makefile)).unwrap_err().to_string();
        assert!(
            error.contains("/linux is Linux 6.12") && error.contains("needs 7.3"),
            "{error}"
        );
        assert!(check(Some((7, 3))).is_ok() && check(Some((8, 0))).is_ok());
        assert!(check(version("all:\n")).is_err());
    }

    #[test]
    fn a_driver_that_was_installed_and_removed_leaves_nothing() {
        let linux = TestDir::new("install");
        let tree = linux.path();
        let place = tree.join("drivers/media/platform/nxp");
        fs::create_dir_all(&place).unwrap();
        let (kconfig, makefile) = ("if MEDIA\nendif\n", "obj-y += dw100/\nobj-y += imx-jpeg/\n");
        fs::write(tree.join("Makefile"), "VERSION = 7\nPATCHLEVEL = 3\n").unwrap();
        fs::write(place.join("Kconfig"), kconfig).unwrap();
        fs::write(place.join("Makefile"), makefile).unwrap();
        let env = Env::new(None, None).unwrap();
        for _ in 0..2 {
            let driver = copy_into(&env, tree).unwrap();
            assert!(driver.join("src/dw100.rs").is_file());
        }
        let hooked = fs::read_to_string(place.join("Makefile")).unwrap();
        assert_eq!(
            hooked,
            "obj-y += dw100/\nobj-y += dw100-rust/\nobj-y += imx-jpeg/\n"
        );
        fs::write(tree.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\n").unwrap();
        uninstall(tree).unwrap();
        let left = |name: &str| fs::read_to_string(place.join(name)).unwrap();
        assert_eq!([left("Kconfig"), left("Makefile")], [kconfig, makefile]);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 2);
    }
}
