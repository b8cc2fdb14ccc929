// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask lint`: runs the tools that check the sources, those of the module and those of the
//! host.

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
use crate::step::{files, output_of};
use crate::{Env, gstreamer, host, module, programs};

/// The binding of the engine's device-tree node, in the kernel's source.
const BINDING: &str = "Documentation/devicetree/bindings/media/nxp,dw100.yaml";

/// Types of messages that `checkpatch.pl` leaves out: macros that declare trace events are never
/// aligned as it wants.
pub const NOT_CHECKED: &str = "--ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE";

/// `make`'s arguments for a module without a warning. Debian's sparse lacks a keyword that the kernel
/// uses.
const WARNINGS: [&str; 7] = [
    "CONFIG_VIDEO_VIM2M_RUST=m",
    "CLIPPY=1",
    "W=1",
    "C=2",
    "CHECK=sparse -D__typeof_unqual__=__typeof__ -Wsparse-error",
    "KRUSTFLAGS=-Dwarnings",
    "KCFLAGS=-Werror",
];

/// A check: its name and its function.
type Check = (&'static str, fn(&Lint<'_>) -> Result<()>);

const CHECKS: [Check; 15] = [
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
        let words = ["--check", "--edition", "2021"];
        let roots = ["src/dw100.rs", "samples/vim2m/vim2m.rs"];
        quietly(lint.tool("rustfmt").args(words).args(roots))
    }),
    ("the module with CLIPPY=1 W=1 and sparse", |lint| {
        lint.module()
    }),
    ("Kconfig by the kernel's own parser", |lint| lint.kconfig()),
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

/// Returns the names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.into_iter().map(|(name, _)| name)
}

/// Runs all checks and prints a line for each. Returns whether all passed.
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

/// A function that receives a check and its name.
type Take<'a> = dyn FnMut(&str, &dyn Fn() -> Result<()>) + 'a;

/// Calls `take` with each check and its name.
pub fn checks(env: &Env, take: &mut Take<'_>) -> Result<()> {
    host::fetch_crates(env)?;
    let lint = Lint {
        env,
        sandbox: Sandbox::prepare(env)?,
        target: programs::target(env)?,
        output: env.scratch("lint")?,
    };
    for (name, check) in CHECKS {
        take(name, &|| check(&lint));
    }
    Ok(())
}

/// The parts that the checks share.
struct Lint<'a> {
    env: &'a Env,
    sandbox: Sandbox,
    /// The directory in which cargo builds.
    target: Scratch,
    /// A directory for files that the checks write.
    output: Scratch,
}

impl Lint<'_> {
    /// Runs the sandbox's cargo in the checkout.
    fn cargo(&self, words: &str) -> Result<()> {
        let mut cargo = programs::cargo(self.env, &self.sandbox, &self.target.dir);
        quietly(cargo.args(words.split(' ')))
    }

    /// Returns a command that runs in the checkout.
    fn tool(&self, name: &str) -> Command {
        self.sandbox.command(&self.env.checkout, name)
    }

    /// Returns the debug kernel. The module for it includes its KUnit tests.
    fn kernel(&self) -> Result<Kernel> {
        Kernel::prepare(self.env, &self.sandbox, Flavour::Debug)
    }

    /// Builds the module with all warnings, clippy and sparse. The result of a build without warnings is
    /// cached.
    fn module(&self) -> Result<()> {
        let (env, kernel) = (self.env, self.kernel()?);
        let recipe = Recipe {
            name: "module-lint",
            key: module::key(env, &kernel)?.words(WARNINGS).finish(),
            partial: Partial::Discard,
            gigabytes: 0.2,
        };
        let checked = env.entry(&recipe, |_, dir| {
            let mut make = kernel.make(&self.sandbox);
            make.args(module::external(&env.checkout, dir));
            let said = output_of(make.args(WARNINGS))?;
            // make continues without sparse if it does not accept its version.
            ensure!(said.contains("  CHECK  "), "make did not run sparse");
            Ok(())
        });
        checked.map(drop)
    }

    /// Reads the options as a kernel tree does that has the drivers.
    fn kconfig(&self) -> Result<()> {
        let (kernel, dir) = (self.kernel()?, &self.output.dir);
        let ours = self.env.checkout.join("Kconfig");
        let modules = "config MODULES\n\tdef_bool y\n\tmodules\n";
        let text = format!("{modules}source \"{}\"\n", ours.display());
        fs::write(dir.join("Kconfig"), text)?;
        let conf = kernel.objects.join("scripts/kconfig/conf");
        let mut conf = self.sandbox.command(dir, &conf.to_string_lossy());
        let said = output_of(conf.args(["--alldefconfig", "Kconfig"]))?;
        ensure!(!said.contains("warning"), "{}", said.trim());
        Ok(())
    }

    /// Checks the board's device tree with all overlays against the engine's binding and those of
    /// dt-schema.
    fn schema(&self) -> Result<()> {
        let (kernel, dir) = (&self.kernel()?, &self.output.dir);
        let trees = DeviceTrees {
            sandbox: &self.sandbox,
            kernel,
            dir,
        };
        let overlays = files(&self.env.checkout.join("dts"), Some(&["dtso"]))?;
        let tree = trees.board(None, &overlays)?;
        let (binding, processed) = (kernel.source.join(BINDING), dir.join("schema"));
        let tool = |name| self.sandbox.command(dir, name);
        quietly(tool("dt-doc-validate").arg(&binding))?;
        let mut make = tool("dt-mk-schema");
        quietly(make.args(["-j", "-o"]).args([&processed, &binding]))?;
        let mut validate = tool("dt-validate");
        validate.args(["-l", "nxp,dw100:reserved-memory", "-s"]);
        let said = output_of(validate.args([&processed, &tree]))?;
        // dt-validate prints errors, but ends with success.
        ensure!(said.is_empty(), "{}", said.trim());
        Ok(())
    }

    fn checkpatch(&self) -> Result<()> {
        // checkpatch writes a file into the current directory.
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

/// Returns the shell scripts of the repository.
fn shell_scripts(checkout: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = vec![checkout.join(".ci/run")];
    for file in files(&checkout.join("tests/board"), Some(&[""]))? {
        if fs::read(&file)?.starts_with(b"#!") {
            scripts.push(file);
        }
    }
    Ok(scripts)
}

/// Runs a command and drops its output, unless it fails.
fn quietly(command: &mut Command) -> Result<()> {
    output_of(command).map(drop)
}
