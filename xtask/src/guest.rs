// SPDX-License-Identifier: GPL-2.0

//! The board's root file system: an arm64 Debian tree with the V4L2 tools, made without running
//! any arm64 program.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::sandbox::{NO_RECOMMENDS, RELEASE};
use crate::step::make_dir;
use crate::{Env, host, sandbox};

/// Debian packages of the board. busybox fills in what they lack.
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

/// Where a boot mounts things.
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

/// What the packages do not bring: the merged /usr, a shell, the tools of tests/board.
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

/// `mmdebstrap`'s words, as far as they do not depend on this machine.
fn words() -> [String; 5] {
    [
        "--mode=root".to_owned(),
        "--variant=extract".to_owned(),
        "--format=directory".to_owned(),
        "--architectures=arm64".to_owned(),
        format!("--include={}", PACKAGES.join(",")),
    ]
}

/// The board's root file system.
pub struct Guest {
    /// Its directory.
    pub root: PathBuf,
    _entry: Entry,
}

impl Guest {
    /// Makes the tree if it is not there.
    pub fn prepare(env: &Env) -> Result<Self> {
        host::install_tools(env)?;
        let key = Key::new()
            .words(words())
            .words([RELEASE, NO_RECOMMENDS])
            .add(format!("{PLACES:?}{LINKS:?}"))
            .finish();
        let recipe = Recipe {
            name: "guest",
            key,
            partial: Partial::Discard,
            gigabytes: 0.5,
        };
        let entry = env.cache.entry(&env.ui, &recipe, |step, dir: &Path| {
            let mut command = host::tied("mmdebstrap");
            command
                .arg(NO_RECOMMENDS)
                .args(sandbox::apt_options())
                .args(words())
                .arg(RELEASE)
                .arg(dir)
                .args(sandbox::sources(env));
            step.run(&mut command)?;
            for place in PLACES {
                make_dir(&dir.join(place))?;
            }
            for (target, link) in LINKS {
                symlink(target, dir.join(link)).with_context(|| format!("making /{link}"))?;
            }
            Ok(())
        })?;
        Ok(Self {
            root: entry.dir.clone(),
            _entry: entry,
        })
    }
}
