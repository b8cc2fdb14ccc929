// SPDX-License-Identifier: GPL-2.0

//! The driver itself: built against the board's kernel or any configured tree, and put into a
//! kernel tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{Entry, Partial, Recipe};
use crate::kernel::Kernel;
use crate::key::Key;
use crate::owner::HandOver;
use crate::sandbox::Sandbox;
use crate::step::{capture, make_dir};
use crate::{Env, host, tools};

const FILE: &str = "dw100_rust.ko";

/// What the module is made from.
const SOURCES: [&str; 3] = ["Kbuild", "Kconfig", "src"];

/// `make`'s words for the module out of tree, where `M=` and `MO=` are followed by a directory.
const EXTERNAL: [&str; 3] = ["M=", "MO=", "modules"];

/// The module for one of the board's kernels.
pub struct Module {
    /// The file.
    pub file: PathBuf,
    _entry: Entry,
}

impl Module {
    /// Builds the module if it is not there.
    pub fn prepare(env: &Env, sandbox: &Sandbox, kernel: &Kernel) -> Result<Self> {
        let mut key = Key::new()
            .add(&kernel.key)
            .add(env.checkout.as_os_str().as_encoded_bytes())
            .words(EXTERNAL);
        for path in SOURCES {
            key = key.add(path).tree(&env.checkout.join(path))?;
        }
        let name = format!("module-{}", kernel.flavour.name());
        let recipe = Recipe {
            name: &name,
            key: key.finish(),
            partial: Partial::Discard,
            gigabytes: 0.2,
        };
        let entry = env.cache.entry(&env.ui, &recipe, |step, dir| {
            let output = dir.join("build");
            fs::create_dir(&output)?;
            let mut make = kernel.make(sandbox);
            step.run(make.args(external(&env.checkout, &output)).arg(jobs()))?;
            fs::copy(output.join(FILE), dir.join(FILE))?;
            Ok(fs::remove_dir_all(output)?)
        })?;
        Ok(Self {
            file: entry.dir.join(FILE),
            _entry: entry,
        })
    }
}

/// `make`'s words for the module out of tree.
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

/// `cargo xtask module BUILD_DIR`: builds the module against a configured and built kernel tree,
/// with the compiler that built it: this machine's, else the sandbox's.
pub fn build_for(env: &Env, tree: &Path) -> Result<()> {
    let tree = tree
        .canonicalize()
        .with_context(|| format!("no directory {}", tree.display()))?;
    let config = fs::read_to_string(tree.join("include/config/auto.conf"))
        .with_context(|| format!("{} is not a configured and built kernel", tree.display()))?;
    let option = |name: &str| {
        config
            .lines()
            .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    };
    for needed in ["CONFIG_RUST", "CONFIG_MODULES", "CONFIG_VIDEO_DEV"] {
        if option(needed).is_none() {
            bail!("the kernel in {} has no {needed}", tree.display());
        }
    }
    let wanted = option("CONFIG_RUSTC_VERSION_TEXT").unwrap_or_default();
    let wanted = wanted.trim_matches('"');

    let output = env.checkout.join("target/module");
    let mut make = if rustc_version(&mut Command::new("rustc")) == wanted {
        Command::new("make")
    } else {
        host::become_root(env)?;
        let sandbox = Sandbox::prepare(env)?;
        let inside = rustc_version(&mut sandbox.command(Path::new("/"), "rustc"));
        if inside != wanted {
            bail!(
                "{} was built by {wanted}; the sandbox has {inside}",
                tree.display()
            );
        }
        sandbox.command_with(&[(&tree, &tree)], Path::new("/"), "make")
    };
    make.arg("-C")
        .arg(&tree)
        .args(external(&env.checkout, &output))
        .arg(jobs());
    if option("CONFIG_CC_IS_CLANG").is_some() {
        make.arg("LLVM=1");
    }
    if option("CONFIG_ARM64").is_some() {
        make.arg("ARCH=arm64");
    }
    let _alone = env
        .cache
        .scratch(&env.ui, &tools::own_name(env, "module"))?;
    let _owner = HandOver::of_all(&output);
    make_dir(&output)?;
    let step = env.ui.step("module", env.cache.log("module"))?;
    step.run(&mut make)?;
    step.finish();
    println!("{}", output.join(FILE).display());
    Ok(())
}

fn rustc_version(rustc: &mut Command) -> String {
    capture(rustc.arg("--version"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// `cargo xtask install TREE`: copies the driver into a kernel source tree and hooks it up there.
/// Doing it again brings the copy up to date.
pub fn install(env: &Env, tree: &Path) -> Result<()> {
    let driver = copy_into(env, tree)?;
    println!("{}: enable CONFIG_VIDEO_DW100_RUST", driver.display());
    Ok(())
}

/// Does that, and returns the driver's directory in the tree.
pub fn copy_into(env: &Env, tree: &Path) -> Result<PathBuf> {
    let vendor = tree.join("drivers/media/platform/nxp");
    if !vendor.join("Kconfig").is_file() {
        bail!(
            "{} is not a kernel source tree with drivers/media/platform/nxp",
            tree.display()
        );
    }
    let driver = vendor.join("dw100-rust");
    if driver.exists() {
        fs::remove_dir_all(&driver)?;
    }
    make_dir(&driver)?;
    for path in SOURCES {
        copy(&env.checkout.join(path), &driver.join(path))?;
    }
    let menu = "source \"drivers/media/platform/nxp/dw100-rust/Kconfig\"";
    add_line(
        &vendor.join("Kconfig"),
        menu,
        "source \"drivers/media/platform/nxp/dw100/Kconfig\"",
    )?;
    add_line(
        &vendor.join("Makefile"),
        "obj-y += dw100-rust/",
        "obj-y += dw100/",
    )?;
    Ok(driver)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for file in fs::read_dir(from)? {
            let name = file?.file_name();
            copy(&from.join(&name), &to.join(&name))?;
        }
        return Ok(());
    }
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}

/// Adds `line` to a file that lacks it, after `neighbour`, else at its end.
fn add_line(file: &Path, line: &str, neighbour: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(fs::write(file, with_line(&text, line, neighbour))?)
}

fn with_line(text: &str, line: &str, neighbour: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if !lines.contains(&line) {
        let place = lines.iter().position(|other| *other == neighbour);
        lines.insert(place.map_or(lines.len(), |place| place + 1), line);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_added_once_and_beside_its_neighbour() {
        let once = with_line("a\nb\nc\n", "new", "b");
        assert_eq!(once, "a\nb\nnew\nc\n");
        assert_eq!(with_line(&once, "new", "b"), once);
        assert_eq!(with_line("a\n", "new", "missing"), "a\nnew\n");
    }
}
