// SPDX-License-Identifier: GPL-2.0

//! Part of suite `host`: the Python scripts of `tools/dewarp/tests`. They compare the maps of `dewarp`
//! with those of OpenCV and Lensfun, which come from PyPI into a virtual environment in the cache,
//! calibrate lenses whose parameters are known, and use the page of `dewarp tune` in a browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Tests;
use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::key::Key;
use crate::programs::{Program, UserClient};
use crate::sandbox::Sandbox;

/// The packages that are installed, with the hashes of their files.
const PACKAGES: &str = include_str!("../../../tools/dewarp/tests/requirements.txt");

/// The certificate authorities that Debian and Ubuntu trust.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The scripts that need no browser, each with its arguments: a seed, and how many calibrations are
/// compared.
const SCRIPTS: [(&str, &[&str]); 3] = [
    ("opencv.py", &["1", "520"]),
    ("lensfun.py", &["1", "80"]),
    ("calibrate.py", &[]),
];

/// Runs the scripts: `opencv.py` and `lensfun.py` have a test for each kind of calibration,
/// `calibrate.py` tests the printed board and the calibration, and `tune.py` tests the page, only with
/// `--full`.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    let client = Program::host_client(env, &sandbox)?;
    let python = environment(tests, &sandbox)?;
    let python = python.dir.join("bin/python");
    for (name, words) in SCRIPTS {
        let mut command = script(tests, &sandbox, &python, name);
        judge(tests, name, command.arg(&client.file).args(words))?;
    }
    if tests.full {
        let client = UserClient::prepare(env, &sandbox)?;
        let browser = Sandbox::browser(env)?;
        let screenshots = env.checkout.join("target/tune");
        let _chown = ChownGuard::of_all(&screenshots);
        let name = "tune.py";
        let mut command = script(tests, &browser, Path::new("python3"), name);
        judge(tests, name, command.arg(client.here()).arg(&screenshots))?;
    }
    Ok(())
}

/// Returns a command that runs one of the scripts. The caller adds the arguments, except the filter.
fn script(tests: &Tests<'_>, sandbox: &Sandbox, python: &Path, name: &str) -> Command {
    let mut command = sandbox.command(&tests.env.checkout, &python.to_string_lossy());
    // Python must not write its cache into the checkout.
    command.arg("-B").arg(format!("tools/dewarp/tests/{name}"));
    command
}

/// Runs a script and records its verdicts.
fn judge(tests: &Tests<'_>, name: &str, command: &mut Command) -> Result<()> {
    let output = command
        .arg(tests.filter)
        .output()
        .context("cannot start python")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let some = tests.record_lines(&printed) > 0 || !tests.filter.is_empty();
    if !some || !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{name} ended with {}:\n{}",
            output.status,
            super::last_lines(&errors, 20)
        );
    }
    Ok(())
}

/// Returns the environment of Python with the packages.
fn environment(tests: &Tests<'_>, sandbox: &Sandbox) -> Result<Entry> {
    let env = tests.env;
    let recipe = Recipe {
        name: "opencv",
        key: Key::new().add(sandbox.toolchain()?).add(PACKAGES).finish(),
        partial: Partial::Discard,
        gigabytes: 0.5,
    };
    env.entry(&recipe, |step, dir| {
        step.run(
            sandbox
                .command(dir, "python3")
                .args(["-m", "venv"])
                .arg(dir),
        )?;
        let packages = dir.join("requirements.txt");
        fs::write(&packages, PACKAGES)?;
        let mut pip = with_host_certificates(sandbox, dir);
        pip.arg(dir.join("bin/pip"))
            .args(["install", "--no-cache-dir", "--only-binary=:all:"])
            .args(["--require-hashes", "-r"])
            .arg(&packages);
        step.run(&mut pip).context(
            "OpenCV and Lensfun, which maps are compared with, come from PyPI: is there a network?",
        )
    })
}

/// Returns `env` in the sandbox, for a `pip` that trusts the authorities that this machine trusts: a
/// proxy may have its own one.
fn with_host_certificates(sandbox: &Sandbox, dir: &Path) -> Command {
    let bundle = Path::new(CERTIFICATES);
    let mounts: &[(&Path, &Path)] = match bundle.exists() {
        true => &[(bundle, bundle)],
        false => &[],
    };
    let mut command = sandbox.command_with(mounts, dir, "env");
    command.arg(format!("PIP_CERT={CERTIFICATES}"));
    command
}
