// SPDX-License-Identifier: GPL-2.0

//! The host: root, the few packages that make a sandbox, disk space, and processes that end together
//! with xtask.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::stdout_of;
use crate::{Env, gstreamer};

/// Files that the sandbox is made and entered with, and the Debian package of each.
const TOOLS: [(&str, &str); 3] = [
    ("/usr/bin/mmdebstrap", "mmdebstrap"),
    ("/usr/bin/setpriv", "util-linux"),
    (
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
    ),
];

/// Variables that name proxies.
pub const PROXIES: [&str; 3] = ["http_proxy", "https_proxy", "no_proxy"];

/// Further variables that `sudo` must not drop.
pub const SUDO_VARIABLES: [&str; 9] = [
    "HOME",
    "PATH",
    "CARGO",
    "CARGO_HOME",
    "CARGO_MANIFEST_DIR",
    "DW100_CACHE",
    "DW100_KERNEL_SOURCE",
    "XDG_CACHE_HOME",
    "DEBIAN_MIRROR",
];

/// This variable is set for the run behind `sudo`: the crates are downloaded.
const FETCHED: &str = "DW100_CRATES_FETCHED";

/// Runs the same command again as root, unless this is root: in a user namespace where the machine allows
/// it, or else through `sudo`. In the namespace, xtask and what it starts are root; what they do outside,
/// they do as the user.
///
/// For `sudo`, the crates are downloaded first, as the user, so that root leaves no files in the user's
/// cargo home.
pub fn become_root(env: &Env) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let own = env.cache.is_of_this_user();
    if own && may_mount_in_user_namespace() {
        install_tools(env)?;
        let mut command = in_user_namespace(&[]);
        command
            // The user is this namespace's root, also to those who look for the user behind `sudo`.
            .envs([("SUDO_UID", "0"), ("SUDO_GID", "0")])
            .arg(std::env::current_exe()?)
            .args(std::env::args_os().skip(1));
        return Err(command.exec()).context("cannot start unshare");
    }
    if !on_path("sudo") {
        let cache = env.cache.root().display();
        let other = format!(" (and remove {cache}, which has files of another user)");
        bail!(
            "this command needs root to mount and enter a Debian sandbox: run it as root, install sudo, or \
             install uidmap and allow user namespaces{}",
            if own { "" } else { &other }
        );
    }
    fetch_crates(env)?;
    let mut command = Command::new("sudo");
    command
        .args(["--", "env"])
        .args(variables(&SUDO_VARIABLES))
        .args(variables(&PROXIES))
        .arg(format!("{FETCHED}=1"))
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1));
    Err(command.exec()).context("cannot start sudo")
}

/// Returns those of these variables that are set, as arguments of `env`.
fn variables(names: &[&str]) -> Vec<OsString> {
    let variable = |name: &&str| {
        let mut pair = OsString::from(format!("{name}="));
        pair.push(std::env::var_os(name)?);
        Some(pair)
    };
    names.iter().filter_map(variable).collect()
}

/// Downloads the crates that the lock files name into the user's cargo home. The sandbox builds from
/// there without a network. Does nothing behind `sudo`, where the user has downloaded them.
pub fn fetch_crates(env: &Env) -> Result<()> {
    if std::env::var_os(FETCHED).is_some() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for manifest in ["Cargo.toml", gstreamer::MANIFEST] {
        let mut command = Command::new(&cargo);
        command.current_dir(&env.checkout).args([
            "fetch",
            "--quiet",
            "--locked",
            "--manifest-path",
            manifest,
        ]);
        stdout_of(&mut command)
            .with_context(|| format!("fetching the crates of {manifest}: is there a network?"))?;
    }
    Ok(())
}

/// Returns cargo's home directory of the user.
pub fn cargo_home() -> Result<PathBuf> {
    match (std::env::var_os("CARGO_HOME"), std::env::var_os("HOME")) {
        (Some(dir), _) => Ok(PathBuf::from(dir)),
        (None, Some(home)) => Ok(Path::new(&home).join(".cargo")),
        _ => bail!("cargo's home is unknown: set CARGO_HOME"),
    }
}

/// Installs the missing host packages.
pub fn install_tools(env: &Env) -> Result<()> {
    if missing_packages().is_empty() {
        return Ok(());
    }
    let name = "host-packages";
    let _alone = env.cache.scratch(&env.ui, name)?;
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    if !on_path("apt-get") {
        bail!("xtask needs Debian or Ubuntu (apt-get), or these packages installed: {missing:?}");
    }
    env.ui
        .say(&format!("installs on this machine: {}", missing.join(", ")));
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        // It may ask for a password, so it does that before there is a progress line.
        let asked = Command::new("sudo").arg("--validate").status();
        if !asked.is_ok_and(|status| status.success()) {
            bail!(
                "install these packages first, or sudo: {}",
                missing.join(", ")
            );
        }
    }
    let step = env.step(name)?;
    let apt = || {
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        command
            .args((!is_root).then_some("env"))
            .args(variables(&PROXIES))
            .arg(format!("PATH={}", path_of_root()))
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .args(["-q", "-y", "-o", "DPkg::Lock::Timeout=300"]);
        command
    };
    step.run(apt().arg("update"))?;
    step.run(
        apt()
            .args(["install", "--no-install-recommends"])
            .args(missing),
    )?;
    step.finish();
    Ok(())
}

fn missing_packages() -> Vec<&'static str> {
    TOOLS
        .into_iter()
        .filter_map(|(file, package)| (!Path::new(file).exists()).then_some(package))
        .collect()
}

/// Fails if less than `gigabytes` GB are free for `step`.
pub fn need_space(dir: &Path, step: &str, gigabytes: f64) -> Result<()> {
    let stat = rustix::fs::statvfs(dir)?;
    let free = (stat.f_bavail * stat.f_frsize) as f64 / 1e9;
    if free < gigabytes {
        bail!(
            "step {step} needs {gigabytes} GB in {}, {free:.1} GB are free: free some space or \
             set DW100_CACHE to a directory on a larger disk",
            dir.display()
        );
    }
    Ok(())
}

/// Returns a command that runs as root of a user namespace that has the user's further IDs (`/etc/subuid`).
fn in_user_namespace(more: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--map-auto"])
        .args(more)
        .arg("--");
    command
}

/// Returns whether root of a user namespace may mount file systems. Some machines refuse the namespace, the
/// further IDs (no `uidmap`), any mount (AppArmor), or only /proc (in containers).
fn may_mount_in_user_namespace() -> bool {
    let mut command = in_user_namespace(&["--mount", "--pid", "--fork", "--mount-proc"]);
    stdout_of(command.args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"])).is_ok()
}

/// Returns a command that runs in its own mount and process namespaces. They end with xtask, even if it
/// is killed: no file system stays mounted, and no build continues.
pub fn in_namespaces(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .env("PATH", path_of_root())
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--propagation",
            "private",
        ])
        .args(["--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--"])
        .arg(program);
    command
}

/// Returns `PATH` with the directories of root's programs, which a user's may lack.
fn path_of_root() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// Returns whether `PATH` has a program of this name.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Returns the number of jobs for make and ninja.
pub fn jobs() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}
