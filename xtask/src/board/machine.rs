// SPDX-License-Identifier: GPL-2.0

//! The machine that a boot runs on: the files that the host shares with it, and QEMU's command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Board, Driver, Options};
use crate::coverage::Recorder;
use crate::devicetree::DeviceTrees;
use crate::step::{copy_file, make_dir};

/// The files of one boot, on the host.
pub(super) struct Boot {
    /// The directory that holds the others, if the options name no other place.
    pub(super) dir: PathBuf,
    /// The file that has the console's output.
    pub(super) console: PathBuf,
    /// The device tree blob.
    tree: PathBuf,
    /// The directory that the board sees as /board.
    files: PathBuf,
    /// The directory that the board sees as /in.
    input: Option<PathBuf>,
    /// The directory that the board sees as /out.
    pub(super) output: PathBuf,
}

impl Board<'_> {
    /// Fills `dir` with the files of a boot.
    pub(super) fn stage(&self, options: &Options, dir: &Path, script: &str) -> Result<Boot> {
        let existing = |dir: &PathBuf| {
            dir.canonicalize()
                .with_context(|| format!("no directory {}", dir.display()))
        };
        let input = options.input.as_ref().map(existing).transpose()?;
        let files = dir.join("board");
        fs::create_dir(&files)?;
        for file in fs::read_dir(self.env.checkout.join("tests/board"))? {
            let file = file?;
            // Copies the scripts, but not the sources of the test client.
            if file.file_type()?.is_file() && file.path().extension().is_none() {
                copy_file(&file.path(), &files.join(file.file_name()))?;
            }
        }
        copy_file(&self.client.file, &files.join("dewarp"))?;
        if let Some(tests) = &self.tests {
            copy_file(&tests.file, &files.join("dw100-board"))?;
        }
        if let Some(module) = &self.module {
            copy_file(&module.file, &files.join("dw100_rust.ko"))?;
        } else if options.driver == Driver::Rust {
            bail!("this board was not prepared for the Rust driver");
        }
        fs::write(files.join("script"), script)?;
        let output = match &options.output {
            Some(output) => {
                make_dir(output)?;
                output.canonicalize()?
            }
            None => {
                let output = dir.join("out");
                fs::create_dir(&output)?;
                output
            }
        };
        for stale in ["exit-status", "dmesg.txt", "trace.jsonl"] {
            let _ = fs::remove_file(output.join(stale));
        }
        let trees = DeviceTrees {
            sandbox: &self.sandbox,
            kernel: &self.kernel,
            dir,
        };
        Ok(Boot {
            tree: trees.board(options.edits, &options.overlays)?,
            dir: dir.to_owned(),
            console: options.console.clone().unwrap_or(dir.join("console")),
            files,
            input,
            output,
        })
    }

    /// Returns the command that boots. `mode` is an argument for the board's init.
    pub(super) fn command(
        &self,
        options: &Options,
        boot: &Boot,
        serials: &[String],
        mode: &str,
    ) -> Command {
        let root = &self.guest.root;
        let (board, modules) = (root.join("board"), root.join("usr/lib/modules"));
        let (input, kernel_modules) = (root.join("in"), self.kernel.modules());
        let mut mounts: Vec<(&Path, &Path)> = vec![
            (&boot.files, &board),
            (&kernel_modules, &modules),
            (&boot.output, &boot.output),
        ];
        mounts.extend(
            boot.input
                .as_ref()
                .map(|dir| (dir.as_path(), input.as_path())),
        );
        let mut command = self.sandbox.command_with(&mounts, Path::new("/"), "env");
        command
            .arg(format!("LD_LIBRARY_PATH={}", self.model_dir().display()))
            .arg(&self.qemu.binary)
            .args(["-M", "imx8mp-evk", "-display", "none", "-no-reboot"])
            .args(["-m", &format!("{}G", options.memory_gib)])
            .args(["-smp", &options.smp.to_string()])
            .arg("-kernel")
            .arg(self.kernel.image())
            .arg("-dtb")
            .arg(&boot.tree);
        if options.icount {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        command.args(&options.emulator);
        for serial in serials {
            command.args(["-serial", serial]);
        }
        if !serials.iter().any(|serial| serial.starts_with("mon:")) {
            command.args(["-monitor", "none"]);
        }
        let mut words = String::new();
        if self.recorder().is_some() {
            let output = option_value(&boot.output);
            command.args(Recorder::arguments(&self.qemu.drcov, &output));
            words += Recorder::WORDS;
        }
        // The root file system is made of several file systems, whose inode numbers may clash: hence
        // `multidevs`.
        let (root, output) = (option_value(root), option_value(&boot.output));
        for (tag, path, more) in [
            ("root", root, ",readonly=on,multidevs=remap"),
            ("out", output.clone(), ""),
        ] {
            command
                .arg("-fsdev")
                .arg(format!(
                    "local,id={tag},path={path},security_model=none{more}"
                ))
                .arg("-device")
                .arg(format!("virtio-9p-device,fsdev={tag},mount_tag={tag}"));
        }
        let mut property = |name: &str, value: &str| {
            command
                .arg("-global")
                .arg(format!("driver=imx8mp-dw100,property={name},value={value}"));
        };
        property("trace-file", &format!("{output}/trace.jsonl"));
        if !options.model.is_empty() {
            property("model", &options.model.join(";").replace(',', ",,"));
        }
        command.arg("-append").arg(format!(
            "console=ttymxc1 root=root rootfstype=9p \
             rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=loose ro init=/board/init \
             panic=-1 oops=panic {} {} BOARD_DRIVER={} {mode} {words} {}",
            self.kernel.flavour.arguments(),
            // To wake an idle CPU takes instructions, which would count as the driver's.
            if options.icount { "nohlt" } else { "" },
            options.driver.name(),
            options.append.as_deref().unwrap_or_default(),
        ));
        command
    }
}

/// Returns QEMU's option for a serial port that writes to a file.
pub(super) fn serial_file(path: &Path) -> String {
    format!("file:{}", option_value(path))
}

/// Returns a path as a value in a QEMU option, where a comma is written twice.
fn option_value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
