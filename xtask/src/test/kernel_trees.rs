// SPDX-License-Identifier: GPL-2.0

//! Installs the driver in kernel source trees with `cargo xtask install`, and builds it in
//! configurations that the board's kernels do not have.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::Tests;
use crate::cache::Scratch;
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::Step;
use crate::{Env, host, kconfig, module};

/// The modules' paths in a tree.
const MODULES: [&str; 2] = [
    "drivers/media/platform/nxp/dw100-rust/dw100_rust.ko",
    "drivers/media/platform/nxp/dw100-rust/vim2m_rust.ko",
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

/// Returns the names of the tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILDS.iter().map(|build| build.name)
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
    Ok(())
}

impl TreeBuild {
    /// Configures a kernel and builds what the module needs.
    fn run(&self, sandbox: &Sandbox, source: &Path, objects: &Path, step: &Step) -> Result<()> {
        let requested = objects.join("requested.config");
        let options = format!("{RUST}{}", self.options);
        fs::write(&requested, &options)?;
        let make = |words: &[&str]| {
            let mut make = sandbox.command(source, "make");
            make.arg(format!("O={}", objects.display()))
                .arg(format!("KCONFIG_ALLCONFIG={}", requested.display()))
                // The kernel itself is not built, so its symbols are not known.
                .arg("KBUILD_MODPOST_WARN=1")
                .args(self.words)
                .args(words);
            make
        };
        step.run(&mut make(&["allmodconfig"]))?;
        kconfig::ensure_met(&kconfig::merge(&[options]), objects)?;
        // Removes the modules that an earlier run has built.
        for module in MODULES {
            let _ = fs::remove_file(objects.join(module));
        }
        step.run(make(&MODULES).arg(format!("-j{}", host::jobs())))?;
        for module in MODULES {
            ensure!(objects.join(module).is_file(), "no {module} was built");
        }
        Ok(())
    }
}
