// SPDX-License-Identifier: GPL-2.0

//! Builds QEMU with the engine on its i.MX8MP EVK, from Debian's source and the patch and shim of
//! tests/qemu.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::programs::Program;
use crate::sandbox::Sandbox;
use crate::step::{Step, copy_file};
use crate::{Env, host};

/// Only the one board is built. `dw100` names the list of devices that the patch adds.
const CONFIGURE: &[&str] = &[
    "--target-list=aarch64-softmmu",
    "--without-default-features",
    "--without-default-devices",
    "--with-devices-aarch64=dw100",
    "--enable-system",
    "--enable-tcg",
    "--enable-virtfs",
    "--enable-attr",
    "--enable-cap-ng",
    "--enable-fdt=system",
    "--enable-trace-backends=log",
    "--enable-plugins",
    "--disable-download",
    "--disable-debug-info",
    "--disable-docs",
    "--disable-tools",
    "--disable-werror",
    "--disable-install-blobs",
];

/// Downloads Debian's source, patches it and moves it to `source`.
const UNPACK: &str = "rm -rf unpack; mkdir unpack; cd unpack
    apt-get update -q
    apt-get source -q --only-source qemu/trixie
    cd qemu-*/; patch -p1 < ../../qemu.patch; cd ..
    mv qemu-*/ ../source; rm -rf ../unpack";

/// The shim's files: the names in tests/qemu and in QEMU's source.
const SHIM: [(&str, &str); 2] = [
    ("dw100.c", "hw/misc/imx8mp_dw100.c"),
    ("dw100.h", "include/hw/misc/imx8mp_dw100.h"),
];

/// Runs sparse on the shim, with the compiler's options except one that sparse does not know.
const CHECK: &str = r"ninja -C build -t commands libcommon.a.p/hw_misc_imx8mp_dw100.c.o \
        | sed -n 's/ -iquote / -I/g; s/^cc \(.*imx8mp_dw100\.c\)$/sparse -Wsparse-error \1/p' > sparse
    grep -q . sparse
    cd build; exec sh -e ../sparse";

/// The emulator, in the build directory.
const BINARY: &str = "qemu-system-aarch64";

/// The plugin that records the executed blocks of code, in the build directory.
const DRCOV: &str = "contrib/plugins/libdrcov.so";

/// A built QEMU.
pub struct Qemu {
    /// The emulator's program.
    pub binary: PathBuf,
    /// The plugin `drcov`.
    pub drcov: PathBuf,
    _entry: Entry,
}

impl Qemu {
    /// Builds QEMU if it is not in the cache. If only the shim has changed, only the shim is compiled.
    pub fn prepare(env: &Env, sandbox: &Sandbox, model: &Program) -> Result<Self> {
        let parts = env.checkout.join("tests/qemu");
        let base = Key::new()
            .add(UNPACK)
            .add(configure(Path::new("")))
            .tree(&parts.join("qemu.patch"))?
            .finish();
        let key = Key::new()
            .add(&base)
            .add(format!("{SHIM:?}{BINARY}{DRCOV}{CHECK}"))
            .tree(&parts)?
            .finish();
        let recipe = Recipe {
            name: "qemu",
            key,
            partial: Partial::Discard,
            gigabytes: 1.5,
        };
        let entry = env.entry(&recipe, |step, dir| {
            let scratch = env.cache.scratch(&env.ui, &format!("qemu-{base}"))?;
            let build = QemuBuild {
                sandbox,
                step,
                parts: &parts,
                dir: &scratch.dir,
            };
            build.unpack()?;
            build.copy_shim()?;
            build.compile(model)?;
            build.shell(CHECK).context("sparse on tests/qemu/dw100.c")?;
            for file in [BINARY, DRCOV] {
                copy_file(&scratch.dir.join("build").join(file), &in_entry(dir, file))?;
            }
            Ok(())
        })?;
        Ok(Self {
            binary: in_entry(&entry.dir, BINARY),
            drcov: in_entry(&entry.dir, DRCOV),
            _entry: entry,
        })
    }
}

/// Returns the path in an entry of a file of the build directory.
fn in_entry(dir: &Path, file: &str) -> PathBuf {
    dir.join(Path::new(file).file_name().unwrap_or_default())
}

/// A build in the directories `source` and `build`. Each step of it may be repeated.
struct QemuBuild<'a> {
    sandbox: &'a Sandbox,
    step: &'a Step,
    parts: &'a Path,
    dir: &'a Path,
}

impl QemuBuild<'_> {
    fn shell(&self, script: &str) -> Result<()> {
        self.step
            .run(self.sandbox.command(self.dir, "sh").args(["-ec", script]))
    }

    fn unpack(&self) -> Result<()> {
        if self.dir.join("source").exists() {
            return Ok(());
        }
        fs::copy(self.parts.join("qemu.patch"), self.dir.join("qemu.patch"))?;
        self.step.run(self.sandbox.apt(self.dir).arg(UNPACK))
    }

    /// Copies the files that have changed. ninja compiles only what depends on them.
    fn copy_shim(&self) -> Result<()> {
        for (from, to) in SHIM {
            let (from, to) = (self.parts.join(from), self.dir.join("source").join(to));
            let content = fs::read(&from).with_context(|| format!("reading {}", from.display()))?;
            if fs::read(&to).ok().as_ref() != Some(&content) {
                fs::write(&to, content)?;
            }
        }
        Ok(())
    }

    fn compile(&self, model: &Program) -> Result<()> {
        // The linker looks for the library in this directory. The path of the model's entry changes
        // with the model, and QEMU would have to be configured again.
        fs::create_dir_all(self.dir.join("lib"))?;
        fs::copy(&model.file, self.dir.join("lib/libdw100_model.so"))?;
        if !self.dir.join("configured").exists() {
            self.shell(&configure(self.dir))?;
        }
        self.shell(&format!(
            "exec ninja -j{} -C build {BINARY} {DRCOV}",
            host::jobs()
        ))
    }
}

/// Returns the commands that configure a build in `dir`.
fn configure(dir: &Path) -> String {
    format!(
        "rm -rf build; mkdir build; cd build
        ../source/configure {} --extra-ldflags=-L{}/lib
        touch ../configured",
        CONFIGURE.join(" "),
        dir.display(),
    )
}
