// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask lint`: what tools say of the sources, for the host's as for the kernel's.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::kernel::{Flavour, Kernel};
use crate::sandbox::Sandbox;
use crate::{Env, host, module, tools};

/// What `checkpatch.pl` is not asked about: macros that declare trace events are laid out like no
/// other code.
const NOT_CHECKED: &str = "--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE";

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
    let output = env.cache.scratch(&env.ui, &tools::own_name(env, "lint"))?;
    let mut make = kernel.make(&sandbox);
    make.arg("clean")
        .args(module::external(&env.checkout, &output.dir))
        .args(["CLIPPY=1", "W=1"])
        .args(["KRUSTFLAGS=-Dwarnings", "KCFLAGS=-Werror"]);
    tell("the module with CLIPPY=1 W=1", quietly(&mut make));
    let script = format!(
        "perl {}/scripts/checkpatch.pl --no-tree --strict --terse --show-types {NOT_CHECKED} \
         -f {checkout}/Kbuild {checkout}/Kconfig $(find {checkout}/src -name '*.[ch]')",
        kernel.source.display(),
        checkout = env.checkout.display()
    );
    // It leaves a file of its own where it runs.
    let mut command = sandbox.command(&output.dir, "sh");
    tell(
        "checkpatch.pl --strict",
        quietly(command.args(["-c", &script])),
    );
    Ok(())
}

/// Runs a command whose output matters only if it fails.
fn quietly(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot be started")?;
    if !output.status.success() {
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        said += &String::from_utf8_lossy(&output.stderr);
        bail!("{}\n{}", output.status, crate::test::last_lines(&said, 30));
    }
    Ok(())
}
