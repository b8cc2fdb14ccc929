// SPDX-License-Identifier: GPL-2.0

//! Installs the driver in kernel source trees with `cargo xtask install`, and builds it in
//! configurations that the board's kernels do not have. Applies the patches of `cargo xtask series`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Tests;
use crate::cache::Scratch;
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{Step, copy_file, files, output_of, stdout_of};
use crate::{Env, host, kconfig, lint, module, patches, series};

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

/// Tests of `cargo xtask series`. The second one uses the kernel of the first of [`BUILDS`].
const COMPLETE: &str = "the patch series adds what install does, and checkpatch accepts it";
const BUILDS_ALONE: &str = "each patch of the series builds without a warning";

/// Returns the names of the tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    let series = [COMPLETE, BUILDS_ALONE];
    BUILDS.iter().map(|build| build.name).chain(series)
}

/// Checks the patch series. With `--full`, builds the module in each configuration, and after each patch
/// of the series.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    if !names().any(|name| tests.wants(name)) {
        return Ok(());
    }
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Rt)?.source;
    let work = env.cache.run_dir()?;
    let patches = work.dir.join("series");
    tests.check(COMPLETE, || {
        write_series(env, &source, &work.dir.join("kernel"), &patches)?;
        check_forms(&sandbox, &source, &patches)
    });
    if !tests.full {
        return Ok(());
    }
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
    tests.check(BUILDS_ALONE, || {
        // The filter may have left out the other test.
        if !patches.exists() {
            write_series(env, &source, &work.dir.join("kernel"), &patches)?;
        }
        let step = env.step("series")?;
        build_patches(&sandbox, &source, &tree, &patches, &step)?;
        step.finish();
        Ok(())
    });
    Ok(())
}

/// Makes a git repository with the files of the kernel that the series reads, and writes the series for
/// it. Checks that the series adds the files that `cargo xtask install` does.
fn write_series(env: &Env, source: &Path, kernel: &Path, patches: &Path) -> Result<()> {
    for file in series::READ {
        copy_file(&source.join(file), &kernel.join(file))?;
    }
    let git = |words: &[&str]| stdout_of(Command::new("git").arg("-C").arg(kernel).args(words));
    git(&["init", "--quiet"])?;
    git(&["config", "user.name", "Nobody"])?;
    git(&["config", "user.email", "nobody@example.org"])?;
    git(&["config", "commit.gpgsign", "false"])?;
    git(&["add", "--all"])?;
    git(&["commit", "--quiet", "--message=base"])?;
    series::write(env, kernel, patches)?;
    let changed = git(&["status", "--porcelain"])?;
    ensure!(changed.is_empty(), "series changed files:\n{changed}");
    let again = series::write(env, kernel, &patches.with_extension("again"));
    let refused = again.err().map(|error| format!("{error:#}"));
    ensure!(
        refused
            .as_ref()
            .is_some_and(|error| error.contains("has a branch")),
        "a second series: {refused:?}"
    );
    module::copy_into(env, kernel)?;
    git(&["add", "--all"])?;
    let differs = git(&["diff", "--cached", "--name-only", "dw100-rust"])?;
    let differs: Vec<&str> = differs.lines().collect();
    // `install` adds no documents.
    let documents = [series::PAGE, series::INDEX, "MAINTAINERS"];
    ensure!(
        differs == documents,
        "install and the series differ: {differs:?}"
    );
    Ok(())
}

/// Checks the cover letter, and each patch as the kernel's reviewers do.
fn check_forms(sandbox: &Sandbox, source: &Path, patches: &Path) -> Result<()> {
    let all = files(patches, Some(&["patch"]))?;
    let (cover, rest) = all.split_first().context("there is no patch")?;
    let text = fs::read_to_string(cover)?;
    ensure!(
        text.contains(series::title()) && !text.contains("***"),
        "the cover letter is not complete:\n{text}"
    );
    let mut checkpatch = sandbox.command(patches, "perl");
    checkpatch
        .arg(source.join("scripts/checkpatch.pl"))
        .args(["--no-tree", "--strict", "--terse", "--show-types"])
        .arg(lint::NOT_CHECKED)
        // The first patch has the entry in MAINTAINERS for the files of the later ones.
        .arg("--ignore=FILE_PATH_CHANGES");
    output_of(checkpatch.args(rest)).map(drop)
}

/// Applies one patch after the other to the tree, and builds the modules that the tree has by then.
fn build_patches(
    sandbox: &Sandbox,
    original: &Path,
    tree: &Tree,
    patches: &Path,
    step: &Step,
) -> Result<()> {
    let source = &tree.source;
    // An earlier run may have left patched files.
    module::uninstall(source)?;
    for file in series::READ {
        copy_file(&original.join(file), &source.join(file))?;
    }
    let _ = fs::remove_file(source.join(series::PAGE));
    let (build, objects) = (&BUILDS[0], tree.scratch.dir.join("tree-1"));
    fs::create_dir_all(&objects)?;
    let driver = source.join(module::VENDOR).join(module::DIRECTORY);
    let mut built = Vec::new();
    for patch in files(patches, Some(&["patch"]))?.iter().skip(1) {
        patches::apply(patch, source)?;
        let options = fs::read_to_string(driver.join("Kconfig")).unwrap_or_default();
        built = MODULES.to_vec();
        built.retain(|(option, _)| options.contains(&format!("config {option}\n")));
        if !built.is_empty() {
            build.configure(sandbox, source, &objects, step)?;
            let words = [
                "W=1",
                "CLIPPY=1",
                "KRUSTFLAGS=-Dwarnings",
                "KCFLAGS=-Werror",
            ];
            build.modules(sandbox, source, &objects, step, &built, &words)?;
        }
    }
    ensure!(
        built.len() == MODULES.len(),
        "the series lacks a driver: {built:?}"
    );
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
