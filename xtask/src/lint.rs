// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask lint`: what tools say of the sources, for the host's as for the kernel's.

mod imports;
mod links;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::cache::{Partial, Recipe, Scratch};
use crate::devicetree::DeviceTrees;
use crate::kernel::{Flavour, Kernel};
use crate::sandbox::Sandbox;
use crate::step::{files, hear};
use crate::{Env, gstreamer, host, module, tools};

/// What describes the engine's node, below the kernel's bindings.
const BINDING: &str = "Documentation/devicetree/bindings/media/nxp,dw100.yaml";

/// What `checkpatch.pl` is not asked about: macros that declare trace events are laid out like no
/// other code.
const NOT_CHECKED: &str = "--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE";

/// `make`'s words for a module without a warning. Debian's sparse does not know a keyword that the kernel
/// uses.
const WARNINGS: [&str; 6] = [
    "CLIPPY=1",
    "W=1",
    "C=2",
    "CHECK=sparse -D__typeof_unqual__=__typeof__ -Wsparse-error",
    "KRUSTFLAGS=-Dwarnings",
    "KCFLAGS=-Werror",
];

/// A check: its name, and what it does.
type Check = (&'static str, fn(&Lint<'_>) -> Result<()>);

const CHECKS: [Check; 14] = [
    ("cargo fmt", |lint| lint.cargo("fmt --all --check")),
    ("cargo clippy", |lint| {
        lint.cargo("clippy -q --offline --locked --workspace --all-targets -- -D warnings")
    }),
    ("cargo fmt of the GStreamer element", |lint| {
        lint.cargo(&format!(
            "fmt --check --manifest-path {}",
            gstreamer::MANIFEST
        ))
    }),
    ("cargo clippy of the GStreamer element", |lint| {
        gstreamer::clippy(lint.env, &lint.sandbox)
    }),
    ("rustfmt of the module", |lint| {
        let words = ["--check", "--edition", "2021", "src/dw100.rs"];
        quietly(lint.tool("rustfmt").args(words))
    }),
    ("the module with CLIPPY=1 W=1 and sparse", |lint| {
        lint.module()
    }),
    ("the device tree with the overlays", |lint| lint.schema()),
    ("checkpatch.pl --strict", |lint| lint.checkpatch()),
    ("kernel-doc", |lint| lint.kernel_doc()),
    ("shellcheck", |lint| {
        let scripts = shell_scripts(&lint.env.checkout)?;
        quietly(lint.tool("shellcheck").args(scripts))
    }),
    ("codespell", |lint| {
        let skipped = "--skip=./target,./.git,Cargo.lock,LICENSES";
        quietly(
            lint.tool("codespell")
                .args([skipped, "--ignore-words-list=atmost,filp,parm"]),
        )
    }),
    ("licences, by reuse", |lint| {
        let all = files(&lint.env.checkout, None)?;
        quietly(lint.tool("reuse").args(["lint-file", "--lines"]).args(all))
    }),
    ("links in Markdown", |lint| links::check(&lint.env.checkout)),
    ("imports of the module", |lint| {
        imports::check(&lint.env.checkout)
    }),
];

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.into_iter().map(|(name, _)| name)
}

/// Runs all checks and prints a line for each. True if none found anything.
pub fn run(env: &Env) -> Result<bool> {
    let mut clean = true;
    checks(env, &mut |name, check| match check() {
        Ok(()) => println!("ok   {name}"),
        Err(why) => {
            println!("FAIL {name}: {why:#}");
            clean = false;
        }
    })?;
    Ok(clean)
}

/// What takes a check and its name.
type Take<'a> = dyn FnMut(&str, &dyn Fn() -> Result<()>) + 'a;

/// Hands over all checks, each with its name.
pub fn checks(env: &Env, take: &mut Take<'_>) -> Result<()> {
    host::fetch_crates(env)?;
    let lint = Lint {
        env,
        sandbox: Sandbox::prepare(env)?,
        target: env.cache.scratch(&env.ui, &tools::target_name(env))?,
        output: env.cache.scratch(&env.ui, &tools::own_name(env, "lint"))?,
    };
    for (name, check) in CHECKS {
        take(name, &|| check(&lint));
    }
    Ok(())
}

/// What the checks need.
struct Lint<'a> {
    env: &'a Env,
    sandbox: Sandbox,
    /// Where cargo builds.
    target: Scratch,
    /// Where checks leave files.
    output: Scratch,
}

impl Lint<'_> {
    /// Runs the sandbox's cargo in the checkout.
    fn cargo(&self, words: &str) -> Result<()> {
        let mut cargo = tools::cargo(self.env, &self.sandbox, &self.target.dir);
        quietly(cargo.args(words.split(' ')))
    }

    /// A command in the checkout.
    fn tool(&self, name: &str) -> Command {
        self.sandbox.command(&self.env.checkout, name)
    }

    /// The kernel whose module has its tests inside.
    fn kernel(&self) -> Result<Kernel> {
        Kernel::prepare(self.env, &self.sandbox, Flavour::Debug)
    }

    fn module(&self) -> Result<()> {
        module_checked(self.env, &self.sandbox, &self.kernel()?)
    }

    fn schema(&self) -> Result<()> {
        let trees = DeviceTrees {
            sandbox: &self.sandbox,
            kernel: &self.kernel()?,
            dir: &self.output.dir,
        };
        let overlays = files(&self.env.checkout.join("dts"), Some(&["dtso"]))?;
        schema(&trees, &overlays)
    }

    fn checkpatch(&self) -> Result<()> {
        // It leaves a file of its own where it runs.
        let mut checkpatch = self.sandbox.command(&self.output.dir, "perl");
        checkpatch
            .arg(self.kernel()?.source.join("scripts/checkpatch.pl"))
            .args(["--no-tree", "--strict", "--terse", "--show-types"])
            .args([NOT_CHECKED, "-f"])
            .args(["Kbuild", "Kconfig"].map(|name| self.env.checkout.join(name)))
            .args(self.c_files("src")?);
        quietly(&mut checkpatch)
    }

    fn kernel_doc(&self) -> Result<()> {
        let mut comments = self.sandbox.command(&self.output.dir, "python3");
        comments
            .arg(self.kernel()?.source.join("scripts/kernel-doc"))
            .args(["-none", "-Werror"])
            .args(self.c_files("src")?)
            .args(self.c_files("tests/qemu")?);
        quietly(&mut comments)
    }

    fn c_files(&self, dir: &str) -> Result<Vec<PathBuf>> {
        files(&self.env.checkout.join(dir), Some(&["c", "h"]))
    }
}

/// Has the module's compilers and sparse look for warnings. What was clean is not looked at again.
fn module_checked(env: &Env, sandbox: &Sandbox, kernel: &Kernel) -> Result<()> {
    let recipe = Recipe {
        name: "module-lint",
        key: module::key(env, kernel)?.words(WARNINGS).finish(),
        partial: Partial::Discard,
        gigabytes: 0.2,
    };
    let checked = env.cache.entry(&env.ui, &recipe, |_, dir| {
        let mut make = kernel.make(sandbox);
        let said = hear(
            make.args(module::external(&env.checkout, dir))
                .args(WARNINGS),
        )?;
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
