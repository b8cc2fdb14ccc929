// SPDX-License-Identifier: GPL-2.0

//! The tests inside the driver by the kernel's own `kunit.py`: in a source tree that the driver is
//! installed in, built into a kernel for QEMU's machine `virt`.

use std::fs;

use anyhow::{Result, ensure};

use super::trees::Tree;
use crate::Env;
use crate::host;
use crate::kernel::{Flavour, Kernel};
use crate::qemu::Qemu;
use crate::sandbox::Sandbox;
use crate::tools::Model;

/// The name of a parameter, as the kernel keeps it.
const PARAMETER: &[u8] = b"dw100.watchdog_ms\0";

/// Runs a command with the emulator $1, whose library is in $2, and keeps what it prints.
const SCRIPT: &str = "export PATH=${1%/*}:$PATH LD_LIBRARY_PATH=$2 PYTHONUNBUFFERED=1; shift 2; \"$@\" | tee ../printed";

/// Builds and runs the kernel. Returns what it printed, and whether the tool was content.
pub fn run(env: &Env) -> Result<(String, Result<()>)> {
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Debug)?.source;
    let model = Model::prepare(env, &sandbox)?;
    let qemu = Qemu::prepare(env, &sandbox, &model)?;

    let tree = Tree::prepare(env, &source)?;
    let step = env.ui.step("kunit.py", env.cache.log("kunit.py"))?;
    let printed = tree.scratch.dir.join("printed");
    let mut command = sandbox.command(&tree.source, "bash");
    command
        .args(["-o", "pipefail", "-c", SCRIPT, "kunit"])
        .args([&qemu.binary, model.dir()])
        .args(["tools/testing/kunit/kunit.py", "run", "--arch=arm64"])
        .args(["--make_options", "LLVM=1", "--raw_output=kunit"])
        .arg(format!("--jobs={}", host::jobs()))
        .arg("--kunitconfig")
        .arg(env.checkout.join("tests/.kunitconfig"))
        .arg("--build_dir")
        .arg(tree.scratch.dir.join("build"))
        .args(["--timeout=600", "dw100*"]);
    let ended = step.run(&mut command);
    if ended.is_ok() {
        step.finish();
    }
    Ok((fs::read_to_string(printed)?, ended))
}

/// That the driver's parameter has the name in the kernel that [`run`] has built, with the driver in it, by
/// which docs/dw100-rust.rst sets it on the kernel's command line.
pub fn has_parameter(env: &Env) -> Result<()> {
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Debug)?.source;
    let kernel = Tree::prepare(env, &source)?
        .scratch
        .dir
        .join("build/vmlinux");
    let kernel = fs::read(kernel)?;
    let found = kernel
        .windows(PARAMETER.len())
        .any(|bytes| bytes == PARAMETER);
    ensure!(found, "the kernel has no such parameter");
    Ok(())
}
