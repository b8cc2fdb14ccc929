// SPDX-License-Identifier: GPL-2.0

//! Runs the KUnit tests with the kernel's own `kunit.py`: in a source tree with the driver installed,
//! built into a kernel for QEMU's machine `virt`.

use std::fs;

use anyhow::{Result, ensure};

use super::kernel_trees::Tree;
use crate::Env;
use crate::host;
use crate::kernel::{Flavour, Kernel};
use crate::programs::Program;
use crate::qemu::Qemu;
use crate::sandbox::Sandbox;

/// The name of a parameter, as it is stored in the kernel's image.
const PARAMETER: &[u8] = b"dw100.watchdog_ms\0";

/// Runs a command with the emulator $1, whose library is in $2, and saves its output.
const SCRIPT: &str = "export PATH=${1%/*}:$PATH LD_LIBRARY_PATH=$2 PYTHONUNBUFFERED=1; shift 2; \"$@\" | tee ../printed";

/// Builds and runs the kernel. Returns its output, and the result of the tool.
pub fn run(env: &Env) -> Result<(String, Result<()>)> {
    let sandbox = Sandbox::prepare(env)?;
    let source = Kernel::prepare(env, &sandbox, Flavour::Debug)?.source;
    let model = Program::model(env, &sandbox)?;
    let qemu = Qemu::prepare(env, &sandbox, &model)?;

    let tree = Tree::prepare(env, &source)?;
    let step = env.step("kunit.py")?;
    let printed = tree.scratch.dir.join("printed");
    let mut command = sandbox.command(&tree.source, "bash");
    command
        .args(["-o", "pipefail", "-c", SCRIPT, "kunit"])
        .arg(&qemu.binary)
        .args(model.file.parent())
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

/// Checks that the parameter has the name by which docs/dw100-rust.rst sets it on the kernel's command
/// line. It looks in the kernel that [`run`] has built, with the driver built in.
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
