// SPDX-License-Identifier: GPL-2.0

//! Builds `tools/gst-dw100` for the board: GStreamer's plugin, and the example that plays pipelines
//! with it. They have a workspace and a lock file of their own; its Cargo.toml says why.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::guest::Guest;
use crate::key::Key;
use crate::programs::{self, BOARD, CLIENT_SOURCES};
use crate::sandbox::Sandbox;
use crate::step::{copy_file, make_dir, output_of};
use crate::{Env, host};

/// The manifest of the workspace.
pub const MANIFEST: &str = "tools/gst-dw100/Cargo.toml";

/// The sources, in addition to those of `dewarp`.
const SOURCES: &str = "tools/gst-dw100";

/// The name of cargo's target directory in the cache.
const SCRATCH: &str = "gst-dw100";

/// The results of the build: the plugin and the example.
const PLUGIN: &str = "libgstdw100.so";
const PLAYER: &str = "steps";

/// The libraries that they link with: the crates' names for them in environment variables, and the
/// libraries' names.
const LIBRARIES: [[&str; 2]; 4] = [
    ["GIO_2_0", "gio-2.0"],
    ["GLIB_2_0", "glib-2.0"],
    ["GOBJECT_2_0", "gobject-2.0"],
    ["GSTREAMER_1_0", "gstreamer-1.0"],
];

/// The directory of the board's libraries.
const PLACE: &str = "usr/lib/aarch64-linux-gnu";

/// clang links with the board's shared libraries, but does not look for the libraries that these link
/// with.
const LINK: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Clink-arg=--target=aarch64-linux-gnu \
    -Clink-arg=-fuse-ld=lld -Clink-arg=-Wl,--allow-shlib-undefined";

const BUILD: [&str; 8] = [
    "build",
    "--locked",
    "--offline",
    "--release",
    "--lib",
    "--example",
    PLAYER,
    "--manifest-path",
];

/// The plugin and the example, for a board with the programs of docs/clients.md.
pub struct Plugin(Entry);

impl Plugin {
    /// Builds them if they are not in the cache.
    pub fn prepare(env: &Env, sandbox: &Sandbox, guest: &Guest) -> Result<Self> {
        let mut key = Key::new()
            .add(sandbox.toolchain()?)
            .add(guest.root.as_os_str().as_encoded_bytes())
            .words(programs::CROSS)
            .words(BUILD)
            .add(LINK);
        for path in CLIENT_SOURCES.into_iter().chain([SOURCES]) {
            key = key.add(path).tree(&env.checkout.join(path))?;
        }
        let recipe = Recipe {
            name: "gst-dw100",
            key: key.finish(),
            partial: Partial::Discard,
            gigabytes: 1.5,
        };
        let entry = env.entry(&recipe, |step, dir| {
            host::fetch_crates(env)?;
            let scratch = env.scratch(SCRATCH)?;
            let libraries = scratch.dir.join("libraries");
            link_names(&guest.root, &libraries)?;
            let mut build = cargo(env, sandbox, &scratch.dir, &libraries);
            step.run(build.args(BUILD).args([MANIFEST, "--target", BOARD]))?;
            let built = scratch.dir.join(BOARD).join("release");
            copy_file(&built.join(PLUGIN), &dir.join(PLUGIN))?;
            copy_file(&built.join("examples").join(PLAYER), &dir.join(PLAYER))
        });
        entry.map(Self)
    }

    /// Returns the plugin's file.
    pub fn plugin(&self) -> PathBuf {
        self.0.dir.join(PLUGIN)
    }

    /// Returns the program that plays a pipeline and changes it while it plays.
    pub fn player(&self) -> PathBuf {
        self.0.dir.join(PLAYER)
    }
}

/// `cargo xtask gstreamer`: copies the plugin to `target/gst-dw100` and returns the file. It is for
/// boards with the Debian release of the emulated one.
pub fn deliver(env: &Env) -> Result<PathBuf> {
    let plugin = Plugin::prepare(env, &Sandbox::prepare(env)?, &Guest::with_clients(env)?)?;
    let place = env.checkout.join("target/gst-dw100");
    let _chown = ChownGuard::of_all(&place);
    let to = place.join(PLUGIN);
    // A program may have the file open, so it is replaced and not overwritten.
    let _ = std::fs::remove_file(&to);
    copy_file(&plugin.plugin(), &to)?;
    Ok(to)
}

/// Runs clippy on the sources. Clippy links nothing and needs no library.
pub fn clippy(env: &Env, sandbox: &Sandbox) -> Result<()> {
    let scratch = env.scratch(SCRATCH)?;
    let mut clippy = cargo(env, sandbox, &scratch.dir, Path::new("/"));
    clippy.args(["clippy", "-q", "--offline", "--locked", "--all-targets"]);
    clippy.args(["--target", BOARD, "--manifest-path", MANIFEST]);
    output_of(clippy.args(["--", "-D", "warnings"])).map(drop)
}

/// Returns the sandbox's cargo, set up for the board's GStreamer. `libraries` is the directory of
/// [`link_names`].
fn cargo(env: &Env, sandbox: &Sandbox, target: &Path, libraries: &Path) -> Command {
    let variables = LIBRARIES.into_iter().flat_map(|[key, name]| {
        [
            format!("SYSTEM_DEPS_{key}_NO_PKG_CONFIG=1"),
            format!("SYSTEM_DEPS_{key}_LIB={name}"),
            format!("SYSTEM_DEPS_{key}_SEARCH_NATIVE={}", libraries.display()),
        ]
    });
    let variables: Vec<String> = variables.chain([LINK.to_owned()]).collect();
    programs::cargo_with(env, sandbox, target, &variables)
}

/// Links the libraries' names without a version, which a linker looks for, to the board's libraries.
/// Debian has these links in development packages, which the board lacks.
fn link_names(root: &Path, dir: &Path) -> Result<()> {
    make_dir(dir)?;
    for [_, name] in LIBRARIES {
        let library = root.join(PLACE).join(format!("lib{name}.so.0"));
        let link = dir.join(format!("lib{name}.so"));
        let _ = std::fs::remove_file(&link);
        symlink(&library, &link).with_context(|| format!("linking {}", library.display()))?;
    }
    Ok(())
}
