// SPDX-License-Identifier: GPL-2.0

//! Device trees: the board's own one, with edits and overlays applied as a boot loader would.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::kernel::Kernel;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, output_of};

/// Runs the device tree compiler of a kernel.
pub struct DeviceTrees<'a> {
    /// The sandbox that runs it.
    pub sandbox: &'a Sandbox,
    /// The kernel whose compiler and bindings are used.
    pub kernel: &'a Kernel,
    /// The directory for the results. The sandbox must see it.
    pub dir: &'a Path,
}

impl DeviceTrees<'_> {
    /// Returns the board's device tree with `edits` (device tree source) and then `overlays` (`.dtbo`
    /// or `.dtso`) applied.
    pub fn board(&self, edits: Option<&str>, overlays: &[PathBuf]) -> Result<PathBuf> {
        let mut tree = self.kernel.device_tree();
        if let Some(edits) = edits {
            let (source, edited) = (self.dir.join("board.dts"), self.dir.join("edited.dtb"));
            let read = ["-q", "-I", "dtb", "-O", "dts", "-o"];
            output_of(self.tool("dtc").args(read).args([&source, &tree]))?;
            let text = fs::read_to_string(&source)? + edits;
            fs::write(&source, text)?;
            let write = ["-q", "-I", "dts", "-O", "dtb", "-o"];
            output_of(self.tool("dtc").args(write).args([&edited, &source]))?;
            tree = edited;
        }
        if overlays.is_empty() {
            return Ok(tree);
        }
        let compiled = overlays
            .iter()
            .map(|overlay| self.overlay(overlay))
            .collect::<Result<Vec<_>>>()?;
        let merged = self.dir.join("merged.dtb");
        let mut apply = self.tool("fdtoverlay");
        apply.arg("-i").arg(&tree).arg("-o").args([&merged]);
        output_of(apply.args(&compiled))
            .context("the overlays do not fit the board's device tree")?;
        Ok(merged)
    }

    /// Compiles an overlay, if it is source. Fails if the compiler prints a warning.
    pub fn overlay(&self, file: &Path) -> Result<PathBuf> {
        ensure!(file.is_file(), "no overlay {}", file.display());
        let name = file.file_name().context("an overlay is a file")?;
        // The sandbox does not see all directories of the host.
        let inside = self.dir.join(name);
        copy_file(file, &inside)?;
        match file.extension().and_then(OsStr::to_str) {
            Some("dtbo") => Ok(inside),
            Some("dtso") => {
                let (plain, compiled) = (
                    inside.with_extension("plain"),
                    inside.with_extension("dtbo"),
                );
                let mut preprocess = self.sandbox.command(self.dir, "cpp");
                preprocess
                    .args(["-nostdinc", "-undef", "-D__DTS__", "-P"])
                    .args(["-x", "assembler-with-cpp", "-I"])
                    .arg(self.kernel.source.join("include"));
                output_of(preprocess.args([&inside, &plain]))?;
                let mut compile = self.tool("dtc");
                compile.args(["-@", "-I", "dts", "-O", "dtb", "-o"]);
                let said = output_of(compile.args([&compiled, &plain]))?;
                ensure!(said.is_empty(), "{}", said.trim());
                Ok(compiled)
            }
            _ => bail!("{}: an overlay is a .dtbo or a .dtso", file.display()),
        }
    }

    fn tool(&self, name: &str) -> Command {
        let program = self.kernel.objects.join("scripts/dtc").join(name);
        self.sandbox.command(self.dir, &program.to_string_lossy())
    }
}
