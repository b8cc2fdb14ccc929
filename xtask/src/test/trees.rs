// SPDX-License-Identifier: GPL-2.0

//! The driver in kernel source trees of its users': `cargo xtask install`, and configurations that
//! the board's kernels do not have.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::Tests;
use crate::cache::Scratch;
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::{Env, host, kconfig, module};

/// Where the driver is in a tree.
const MODULE: &str = "drivers/media/platform/nxp/dw100-rust/dw100_rust.ko";

/// What Rust code needs of any configuration, and the driver.
const RUST: &str = "CONFIG_RUST=y\nCONFIG_WERROR=y\nCONFIG_RANDSTRUCT_NONE=y\nCONFIG_GCC_PLUGINS=n\n\
    CONFIG_DEBUG_INFO_BTF=n\nCONFIG_VIDEO_DW100_RUST=m\n";

/// Configurations: a name, the architecture, what is configured, and more options.
const BUILDS: [(&str, &str, &str, &str); 2] = [
    (
        "allmodconfig, versions of symbols by GENDWARFKSYMS",
        "arm64",
        "allmodconfig",
        "CONFIG_MODVERSIONS=y\nCONFIG_GENDWARFKSYMS=y\nCONFIG_DEBUG_INFO_DWARF5=y\n",
    ),
    (
        "COMPILE_TEST, looked at by objtool",
        "x86_64",
        "allmodconfig",
        "CONFIG_MODVERSIONS=n\n",
    ),
];

/// A copy of the kernel's source that the driver is installed in.
pub struct Tree {
    /// The source.
    pub source: PathBuf,
    /// Where more can be kept beside it, from one run to the next.
    pub scratch: Scratch,
}

impl Tree {
    /// Copies it, if that was not done, and installs the driver as it is now.
    pub fn prepare(env: &Env, source: &Path) -> Result<Self> {
        let key = Key::new()
            .add(source.as_os_str().as_encoded_bytes())
            .finish();
        let scratch = env.cache.scratch(&env.ui, &format!("kunit-{key}"))?;
        let (tree, copied) = (scratch.dir.join("tree"), scratch.dir.join("copied"));
        if !copied.exists() {
            let step = env.ui.step("tree", env.cache.log("tree"))?;
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

/// Builds the module in each configuration.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Rt)?.source;
    let tree = Tree::prepare(env, &source)?;
    for (name, architecture, target, options) in BUILDS {
        let objects = tree.scratch.dir.join(architecture);
        fs::create_dir_all(&objects)?;
        let requested = objects.join("requested.config");
        fs::write(&requested, format!("{RUST}{options}"))?;
        let make = |words: &[&str]| {
            let mut make = sandbox.command(&tree.source, "make");
            make.arg(format!("O={}", objects.display()))
                .args(["LLVM=1", &format!("ARCH={architecture}")])
                .arg(format!("KCONFIG_ALLCONFIG={}", requested.display()))
                .args(words);
            make
        };
        let log = env.cache.log(&format!("tree-{architecture}"));
        let step = env.ui.step(&format!("tree-{architecture}"), log)?;
        let build = || -> Result<()> {
            step.run(&mut make(&[target]))?;
            let asked = kconfig::merge(&[format!("{RUST}{options}")]);
            let unmet = kconfig::unmet(&asked, &fs::read_to_string(objects.join(".config"))?);
            ensure!(unmet.is_empty(), "there cannot be: {}", unmet.join(", "));
            // Nothing that an earlier run left.
            let _ = fs::remove_file(objects.join(MODULE));
            step.run(&mut make(&[MODULE, &format!("-j{}", host::jobs())]))?;
            ensure!(objects.join(MODULE).is_file(), "no {MODULE} was built");
            Ok(())
        };
        let built = build();
        if built.is_ok() {
            step.finish();
        }
        tests.record(&format!("{architecture}, {name}"), built);
    }
    Ok(())
}
