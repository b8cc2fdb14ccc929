// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask lint`: what tools say of the sources, for the host's as for the kernel's.

mod links;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cache::{Partial, Recipe};
use crate::devicetree::DeviceTrees;
use crate::kernel::{Flavour, Kernel};
use crate::sandbox::Sandbox;
use crate::step::{files, hear};
use crate::{Env, host, module, tools};

/// What describes the engine's node, below the kernel's bindings.
const BINDING: &str = "Documentation/devicetree/bindings/media/nxp,dw100.yaml";

/// What `checkpatch.pl` is not asked about: macros that declare trace events are laid out like no
/// other code.
const NOT_CHECKED: &str = "--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE";

/// `make`'s words for a module without a warning. Debian's sparse does not know a keyword that the kernel
/// uses.
const CHECKS: [&str; 6] = [
    "CLIPPY=1",
    "W=1",
    "C=2",
    "CHECK=sparse -D__typeof_unqual__=__typeof__ -Wsparse-error",
    "KRUSTFLAGS=-Dwarnings",
    "KCFLAGS=-Werror",
];

/// Runs all checks and prints a line for each. True if none found anything.
pub fn run(env: &Env) -> Result<bool> {
    let mut clean = true;
    checks(env, &mut |name, result| match result {
        Ok(()) => println!("ok   {name}"),
        Err(why) => {
            println!("FAIL {name}: {why:#}");
            clean = false;
        }
    })?;
    Ok(clean)
}

/// Runs all checks, and tells each one's name and result.
pub fn checks(env: &Env, tell: &mut dyn FnMut(&str, Result<()>)) -> Result<()> {
    let sandbox = Sandbox::prepare(env)?;
    host::fetch_crates(env)?;
    let scratch = env.cache.scratch(&env.ui, &tools::target_name(env))?;
    let cargo = |words: &str| {
        let mut command = tools::cargo(env, &sandbox, &scratch.dir);
        command.args(words.split(' '));
        command
    };
    let rustfmt = "--check --edition 2021 src/dw100.rs";
    tell("cargo fmt", quietly(&mut cargo("fmt --all --check")));
    let clippy = "clippy -q --offline --locked --workspace --all-targets -- -D warnings";
    tell("cargo clippy", quietly(&mut cargo(clippy)));
    let mut command = sandbox.command(&env.checkout, "rustfmt");
    tell(
        "rustfmt of the module",
        quietly(command.args(rustfmt.split(' '))),
    );

    // With the tests inside the module.
    let kernel = Kernel::prepare(env, &sandbox, Flavour::Debug)?;
    tell(
        "the module with CLIPPY=1 W=1 and sparse",
        module_checked(env, &sandbox, &kernel),
    );
    let output = env.cache.scratch(&env.ui, &tools::own_name(env, "lint"))?;
    let trees = DeviceTrees {
        sandbox: &sandbox,
        kernel: &kernel,
        dir: &output.dir,
    };
    let overlays = files(&env.checkout.join("dts"), Some(&["dtso"]))?;
    tell(
        "the device tree with the overlays",
        schema(&trees, &overlays),
    );

    let scripts = kernel.source.join("scripts");
    let c = files(&env.checkout.join("src"), Some(&["c", "h"]))?;
    let shim = files(&env.checkout.join("tests/qemu"), Some(&["c", "h"]))?;
    // It leaves a file of its own where it runs.
    let mut checkpatch = sandbox.command(&output.dir, "perl");
    checkpatch
        .arg(scripts.join("checkpatch.pl"))
        .args(["--no-tree", "--strict", "--terse", "--show-types"])
        .args([NOT_CHECKED, "-f"])
        .args(["Kbuild", "Kconfig"].map(|name| env.checkout.join(name)))
        .args(&c);
    tell("checkpatch.pl --strict", quietly(&mut checkpatch));
    let mut comments = sandbox.command(&output.dir, "python3");
    comments
        .arg(scripts.join("kernel-doc"))
        .args(["-none", "-Werror"])
        .args(c.iter().chain(&shim));
    tell("kernel-doc", quietly(&mut comments));

    let scripts = shell_scripts(&env.checkout)?;
    let mut shellcheck = sandbox.command(&env.checkout, "shellcheck");
    tell("shellcheck", quietly(shellcheck.args(&scripts)));
    let mut spelling = sandbox.command(&env.checkout, "codespell");
    let skipped = "--skip=./target,./.git,Cargo.lock,LICENSES";
    spelling.args([skipped, "--ignore-words-list=atmost"]);
    tell("codespell", quietly(&mut spelling));
    let all = files(&env.checkout, None)?;
    let mut licences = sandbox.command(&env.checkout, "reuse");
    licences.args(["lint-file", "--lines"]).args(&all);
    tell("licences, by reuse", quietly(&mut licences));
    tell("links in Markdown", links::check(&env.checkout));
    Ok(())
}

/// Has the module's compilers and sparse look for warnings. What was clean is not looked at again.
fn module_checked(env: &Env, sandbox: &Sandbox, kernel: &Kernel) -> Result<()> {
    let recipe = Recipe {
        name: "module-lint",
        key: module::key(env, kernel)?.words(CHECKS).finish(),
        partial: Partial::Discard,
        gigabytes: 0.2,
    };
    let checked = env.cache.entry(&env.ui, &recipe, |_, dir| {
        let mut make = kernel.make(sandbox);
        let said = hear(make.args(module::external(&env.checkout, dir)).args(CHECKS))?;
        // make goes on without a checker that it does not like.
        ensure!(said.contains("  CHECK  "), "make did not run sparse");
        Ok(())
    });
    checked.map(drop)
}

/// Holds the board's tree with all overlays against the bindings: the engine's, and those that come with
/// dt-schema.
fn schema(trees: &DeviceTrees<'_>, overlays: &[PathBuf]) -> Result<()> {
    let tree = trees.board(None, overlays)?;
    let (binding, processed) = (trees.kernel.source.join(BINDING), trees.dir.join("schema"));
    let tool = |name| trees.sandbox.command(trees.dir, name);
    quietly(tool("dt-doc-validate").arg(&binding))?;
    quietly(
        tool("dt-mk-schema")
            .arg("-j")
            .arg("-o")
            .args([&processed, &binding]),
    )?;
    let mut validate = tool("dt-validate");
    validate.args(["-l", "nxp,dw100:reserved-memory", "-s"]);
    let said = hear(validate.arg(&processed).arg(&tree))?;
    // It complains, and ends with success.
    ensure!(said.is_empty(), "{}", said.trim());
    Ok(())
}

/// The shell scripts.
fn shell_scripts(checkout: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = vec![checkout.join(".ci/run")];
    for file in files(&checkout.join("tests/board"), Some(&[""]))? {
        if fs::read(&file)?.starts_with(b"#!") {
            scripts.push(file);
        }
    }
    Ok(scripts)
}

/// Runs a command whose output matters only if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    hear(command).map(drop)
}
