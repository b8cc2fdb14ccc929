// SPDX-License-Identifier: GPL-2.0

//! The board's root file systems: Debian for arm64 with the V4L2 tools. They are made without running
//! any arm64 program.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Entry, Partial, Recipe};
use crate::step::make_dir;
use crate::{Env, host, sandbox};

/// Debian packages of the board. busybox has the commands that they lack.
const PACKAGES: &[&str] = &[
    "busybox-static",
    "kmod",
    "libgcc-s1",
    "libc6",
    "procps",
    "rt-tests",
    "util-linux",
    "v4l-utils",
];

/// Describes a root file system.
struct RootFs {
    name: &'static str,
    /// Packages in addition to [`PACKAGES`].
    packages: &'static [&'static str],
    /// The sources whose packages come from backports.
    backports: &'static [&'static str],
    /// The links that Debian's alternatives would make for these packages: link below
    /// `/etc/alternatives`, target.
    links: &'static [(&'static str, &'static str)],
    /// The disk space that it takes, in GB.
    gigabytes: f64,
}

/// The root file system of most boots.
const BOARD: RootFs = RootFs {
    name: "guest",
    packages: &[],
    backports: &[],
    links: &[],
    gigabytes: 0.5,
};

/// The root file system with the programs of docs/clients.md.
const CLIENTS: RootFs = RootFs {
    name: "guest-clients",
    packages: &[
        "ffmpeg",
        "gstreamer1.0-libcamera",
        "gstreamer1.0-plugins-base",
        "gstreamer1.0-plugins-good",
        "gstreamer1.0-tools",
    ],
    backports: &["libcamera"],
    links: &[
        (
            "blas/libblas.so.3",
            "usr/lib/aarch64-linux-gnu/libblas.so.3",
        ),
        (
            "lapack/liblapack.so.3",
            "usr/lib/aarch64-linux-gnu/liblapack.so.3",
        ),
    ],
    gigabytes: 1.5,
};

/// Directories that a boot mounts file systems on.
const PLACES: [&str; 9] = [
    "in",
    "out",
    "board",
    "proc",
    "sys",
    "dev",
    "run",
    "tmp",
    "usr/lib/modules",
];

/// Links that packages may lack: the merged /usr, a shell, and the programs of tests/board.
const LINKS: [(&str, &str); 8] = [
    ("usr/bin", "bin"),
    ("usr/sbin", "sbin"),
    ("usr/lib", "lib"),
    ("busybox", "usr/bin/sh"),
    ("/board/driver", "usr/bin/driver"),
    ("/board/model", "usr/bin/model"),
    ("/board/dewarp", "usr/bin/dewarp"),
    ("/board/dw100-board", "usr/bin/dw100-board"),
];

/// Returns `mmdebstrap`'s arguments that are the same on each machine.
fn words(rootfs: &RootFs) -> Vec<String> {
    let packages = [PACKAGES, rootfs.packages].concat().join(",");
    let mut words = vec![
        "--mode=root".to_owned(),
        "--variant=extract".to_owned(),
        "--format=directory".to_owned(),
        "--architectures=arm64".to_owned(),
        format!("--include={packages}"),
    ];
    words.extend(
        rootfs
            .backports
            .iter()
            .map(|source| sandbox::backport(source)),
    );
    words
}

/// A root file system of the board, built.
pub struct Guest {
    /// The directory of the root file system.
    pub root: PathBuf,
    _entry: Entry,
}

impl Guest {
    /// Builds the root file system of most boots if it is not in the cache.
    pub fn prepare(env: &Env) -> Result<Self> {
        Self::make(env, &BOARD)
    }

    /// Builds the one with the programs of docs/clients.md.
    pub fn with_clients(env: &Env) -> Result<Self> {
        Self::make(env, &CLIENTS)
    }

    fn make(env: &Env, rootfs: &RootFs) -> Result<Self> {
        host::install_tools(env)?;
        let words = words(rootfs);
        let links = [&LINKS, rootfs.links].concat();
        let key = sandbox::key(&words)
            .add(format!("{PLACES:?}{links:?}"))
            .finish();
        let recipe = Recipe {
            name: rootfs.name,
            key,
            partial: Partial::Discard,
            gigabytes: rootfs.gigabytes,
        };
        let entry = env.entry(&recipe, |step, dir: &Path| {
            step.run(&mut sandbox::mmdebstrap(env, &words, dir))?;
            for place in PLACES {
                make_dir(&dir.join(place))?;
            }
            for (target, link) in links {
                let place = dir.join(link);
                if !place.is_symlink() {
                    symlink(target, place).with_context(|| format!("making /{link}"))?;
                }
            }
            Ok(())
        })?;
        Ok(Self {
            root: entry.dir.clone(),
            _entry: entry,
        })
    }
}
