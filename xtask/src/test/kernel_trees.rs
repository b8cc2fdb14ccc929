// SPDX-License-Identifier: GPL-2.0

//! Installs the driver in kernel source trees with `cargo xtask install`, and builds it in
//! configurations that the board's kernels do not have. Applies the patches of `cargo xtask series`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::Tests;
use crate::cache::Scratch;
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{Step, copy_file, files};
use crate::{Env, host, kconfig, module, patches, series};

/// The modules' options, and their paths in a tree.
const MODULES: [(&str, &str); 2] = [
    (
        "VIDEO_DW100_RUST",
        "drivers/media/platform/nxp/dw100-rust/dw100_rust.ko",
    ),
    (
        "VIDEO_VIM2M_RUST",
        "drivers/media/platform/nxp/dw100-rust/vim2m_rust.ko",
    ),
];

/// The options for Rust in any configuration, and for the driver.
const RUST: &str = "CONFIG_RUST=y\nCONFIG_WERROR=y\nCONFIG_RANDSTRUCT_NONE=y\nCONFIG_GCC_PLUGINS=n\n\
    CONFIG_DEBUG_INFO_BTF=n\nCONFIG_VIDEO_DW100_RUST=m\nCONFIG_VIDEO_VIM2M_RUST=m\n";

/// A configuration of a kernel: `allmodconfig` with these options.
struct TreeBuild {
    name: &'static str,
    /// `make`'s arguments for everything that is built in this configuration.
    words: &'static [&'static str],
    /// Options in addition to [`RUST`].
    options: &'static str,
}

const BUILDS: [TreeBuild; 2] = [
    TreeBuild {
        name: "arm64 by clang, allmodconfig",
        words: &["ARCH=arm64", "LLVM=1"],
        options: "CONFIG_COMPILE_TEST=y\n",
    },
    TreeBuild {
        name: "x86-64 by gcc, allmodconfig, looked at by objtool",
        words: &["ARCH=x86_64"],
        // The kernel does not support Rust together with gcc's KASAN.
        options: "CONFIG_COMPILE_TEST=y\nCONFIG_OBJTOOL=y\nCONFIG_KASAN=n\n",
    },
];

/// A copy of the kernel's source, with the driver installed.
pub struct Tree {
    /// The source tree.
    pub source: PathBuf,
    /// A directory for builds, which is kept from one run to the next.
    pub scratch: Scratch,
}

impl Tree {
    /// Copies the source if there is no copy yet, and installs the driver as it is now.
    pub fn prepare(env: &Env, source: &Path) -> Result<Self> {
        let key = Key::new()
            .add(source.as_os_str().as_encoded_bytes())
            .finish();
        let scratch = env.cache.scratch(&env.ui, &format!("kunit-{key}"))?;
        let (tree, copied) = (scratch.dir.join("tree"), scratch.dir.join("copied"));
        if !copied.exists() {
            let step = env.step("tree")?;
            step.run(Command::new("rm").arg("-rf").arg(&tree))?;
            step.run(Command::new("cp").arg("-a").args([source, &tree]))?;
            File::create(&copied)?;
            step.finish();
        }
        module::copy_into(env, &tree)?;
        Ok(Self {
            source: tree,
            scratch,
        })
    }
}

/// The test of `cargo xtask series`. It uses the kernel of the first of [`BUILDS`].
const SERIES: &str = "each patch of the series builds without a warning, and checkpatch accepts it";

/// Returns the names of the tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILDS.iter().map(|build| build.name).chain([SERIES])
}

/// Builds the module in each configuration.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    if !names().any(|name| tests.wants(name)) {
        return Ok(());
    }
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Rt)?.source;
    let tree = Tree::prepare(env, &source)?;
    for (build, number) in BUILDS.iter().zip(1..) {
        let name = format!("tree-{number}");
        tests.check(build.name, || {
            let objects = tree.scratch.dir.join(&name);
            fs::create_dir_all(&objects)?;
            let step = env.step(&name)?;
            build.run(&sandbox, &tree.source, &objects, &step)?;
            step.finish();
            Ok(())
        });
    }
    tests.check(SERIES, || {
        let step = env.step("series")?;
        check_patches(env, &sandbox, &source, &tree, &step)?;
        step.finish();
        Ok(())
    });
    Ok(())
}

/// Writes the series, applies one patch after the other to the tree, checks the patch's form, and
/// builds the modules that the tree has by then.
fn check_patches(
    env: &Env,
    sandbox: &Sandbox,
    original: &Path,
    tree: &Tree,
    step: &Step,
) -> Result<()> {
    let source = &tree.source;
    // An earlier run may have left patched files.
    module::uninstall(source)?;
    let _ = fs::remove_file(source.join(series::PAGE));
    // A repository of the files that the series changes.
    let base = tree.scratch.dir.join("series");
    step.run(Command::new("rm").arg("-rf").arg(&base))?;
    for file in series::CHANGED {
        copy_file(&original.join(file), &source.join(file))?;
        copy_file(&original.join(file), &base.join(file))?;
    }
    for words in [
        &["init", "--quiet"][..],
        &["config", "user.name", "Nobody"],
        &["config", "user.email", "nobody@example.org"],
        &["add", "--all"],
        &["commit", "--quiet", "--message=base"],
    ] {
        step.run(Command::new("git").arg("-C").arg(&base).args(words))?;
    }
    let (build, objects) = (&BUILDS[0], tree.scratch.dir.join("tree-1"));
    fs::create_dir_all(&objects)?;
    let kconfig = source
        .join(module::VENDOR)
        .join(module::DIRECTORY)
        .join("Kconfig");
    let mut built = Vec::new();
    for patch in files(&series::write(env, &base)?, Some(&["patch"]))? {
        if patch.ends_with("0000-cover-letter.patch") {
            continue;
        }
        let mut checkpatch = sandbox.command(source, "perl");
        checkpatch.arg(source.join("scripts/checkpatch.pl"));
        step.run(checkpatch.args(["--strict", "--no-summary"]).arg(&patch))?;
        patches::apply(&patch, source, &[])?;
        let options = fs::read_to_string(&kconfig).unwrap_or_default();
        built = MODULES.to_vec();
        built.retain(|(option, _)| options.contains(&format!("config {option}\n")));
        if !built.is_empty() {
            build.configure(sandbox, source, &objects, step)?;
            let words = ["W=1", "CLIPPY=1"];
            build.modules(sandbox, source, &objects, step, &built, &words)?;
        }
    }
    ensure!(built.len() == MODULES.len(), "the series lacks a driver");
    Ok(())
}

impl TreeBuild {
    /// Configures a kernel and builds what the modules need.
    fn run(&self, sandbox: &Sandbox, source: &Path, objects: &Path, step: &Step) -> Result<()> {
        let options = self.configure(sandbox, source, objects, step)?;
        kconfig::ensure_met(&kconfig::merge(&[options]), objects)?;
        self.modules(sandbox, source, objects, step, &MODULES, &[])
    }

    /// Configures a kernel. Returns the options that it should have.
    fn configure(
        &self,
        sandbox: &Sandbox,
        source: &Path,
        objects: &Path,
        step: &Step,
    ) -> Result<String> {
        let requested = objects.join("requested.config");
        let options = format!("{RUST}{}", self.options);
        fs::write(&requested, &options)?;
        let mut make = self.make(sandbox, source, objects);
        make.arg(format!("KCONFIG_ALLCONFIG={}", requested.display()));
        step.run(make.arg("allmodconfig"))?;
        Ok(options)
    }

    /// Builds modules with further arguments of `make`.
    fn modules(
        &self,
        sandbox: &Sandbox,
        source: &Path,
        objects: &Path,
        step: &Step,
        modules: &[(&str, &str)],
        words: &[&str],
    ) -> Result<()> {
        // Removes the modules that an earlier run has built.
        for (_, module) in modules {
            let _ = fs::remove_file(objects.join(module));
        }
        let mut make = self.make(sandbox, source, objects);
        make.args(words)
            .args(modules.iter().map(|(_, module)| module));
        step.run(make.arg(format!("-j{}", host::jobs())))?;
        for (_, module) in modules {
            ensure!(objects.join(module).is_file(), "no {module} was built");
        }
        Ok(())
    }

    fn make(&self, sandbox: &Sandbox, source: &Path, objects: &Path) -> Command {
        let mut make = sandbox.command(source, "make");
        make.arg(format!("O={}", objects.display()))
            // The kernel itself is not built, so its symbols are not known.
            .arg("KBUILD_MODPOST_WARN=1")
            .args(self.words);
        make
    }
}
