// SPDX-License-Identifier: GPL-2.0

//! Builds the project's own programs with the sandbox's cargo, for this machine and for the board.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::cache::{Entry, Partial, Recipe, Scratch};
use crate::chown::ChownGuard;
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::copy_file;
use crate::{Env, host};

/// The targets of this machine and of the board.
const HERE: &str = "x86_64-unknown-linux-gnu";
pub const BOARD: &str = "aarch64-unknown-linux-gnu";

/// Variables for cargo. clang links programs for the board, without shared libraries: the sandbox's C
/// library is newer than that of most boards. bindgen reads the board's C headers.
pub const CROSS: [&str; 4] = [
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=clang",
    "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS=-Ctarget-feature=+crt-static \
     -Clink-arg=--target=aarch64-linux-gnu -Clink-arg=-fuse-ld=lld -Clink-arg=-Wno-unused-command-line-argument",
    "BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu=--target=aarch64-linux-gnu -I/usr/include/aarch64-linux-gnu",
    "CC_aarch64_unknown_linux_gnu=clang",
];

const BUILD: [&str; 3] = ["build", "--locked", "--offline"];
const RELEASE: &str = "--release";

/// cargo's setting for a program without shared libraries on this machine, which may be older than the
/// sandbox.
const STATIC_HERE: &str =
    "target.x86_64-unknown-linux-gnu.rustflags=[\"-Ctarget-feature=+crt-static\"]";

/// The sources of the model's library.
const MODEL_SOURCES: [&str; 3] = ["Cargo.toml", "Cargo.lock", "tests/model"];

/// The sources of the client `dewarp`.
pub const CLIENT_SOURCES: [&str; 4] = [
    "Cargo.toml",
    "Cargo.lock",
    "tools/dewarp/Cargo.toml",
    "tools/dewarp/src",
];

/// Further sources: of the client that draws previews, of the test client, and of `first-light`.
const PREVIEW_SOURCES: &str = "tests/model";
const TEST_CLIENT_SOURCES: [&str; 2] = ["tests/board/Cargo.toml", "tests/board/src"];
const FIRST_LIGHT_SOURCES: &str = "tools/first-light";

/// The package and program `first-light`.
const FIRST_LIGHT: &str = "first-light";

/// Leaves out what draws previews and what needs a device.
const LEAN: &str = "--no-default-features";

/// The package and program of the test client.
const TEST_CLIENT: &str = "dw100-board";

/// The programs that check what the board returns, and their sources.
const JUDGES: [&str; 3] = ["dw100-parity", "dw100-pictures", "dw100-stream"];
const JUDGES_SOURCES: [&str; 7] = [
    "Cargo.toml",
    "Cargo.lock",
    "tests/model",
    "tests/parity",
    "tests/pictures",
    "tests/stream",
    "tools",
];

/// A program or library that cargo has built.
pub struct Program {
    /// The file.
    pub file: PathBuf,
    _entry: Entry,
}

impl Program {
    /// Builds the engine's model, as a library for QEMU.
    pub fn model(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let words = [RELEASE, "-p", "dw100-model"];
        let library = "release/libdw100_model.so";
        Self::build(env, sandbox, "model", &MODEL_SOURCES, &words, library)
    }

    /// Builds the client `dewarp` for tests on the emulated board. It draws no previews and serves no page,
    /// which would take minutes longer to build.
    pub fn client(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        Self::for_board(env, sandbox, "client", &[], "dewarp", &[])
    }

    /// Builds the client `dewarp` for tests in the sandbox. It draws no previews, uses no devices and is
    /// not optimised, which would take minutes longer to build. It reads and writes only a few files.
    pub fn host_client(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let words = ["-p", "dewarp", LEAN];
        let program = "debug/dewarp";
        Self::build(
            env,
            sandbox,
            "host-client",
            &CLIENT_SOURCES,
            &words,
            program,
        )
    }

    /// Builds the test client for the board.
    pub fn test_client(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let (sources, words) = (&TEST_CLIENT_SOURCES, ["-p", TEST_CLIENT]);
        Self::for_board(env, sandbox, "test-client", sources, TEST_CLIENT, &words)
    }

    /// Builds `first-light` for the board.
    pub fn first_light(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let words = ["-p", FIRST_LIGHT, "--features", "first-light/board"];
        let sources = [FIRST_LIGHT_SOURCES];
        Self::for_board(env, sandbox, FIRST_LIGHT, &sources, FIRST_LIGHT, &words)
    }

    /// Returns a command that runs the program in `dir`.
    pub fn command(&self, sandbox: &Sandbox, dir: &Path) -> Command {
        sandbox.command(dir, &self.file.to_string_lossy())
    }

    /// Builds a program for the board, from the client's sources and `sources`. `words` follow cargo's
    /// arguments for the client. The features are always the same, so the crates that the programs share
    /// are built once.
    fn for_board(
        env: &Env,
        sandbox: &Sandbox,
        step: &str,
        sources: &[&str],
        program: &str,
        words: &[&str],
    ) -> Result<Self> {
        let sources = [&CLIENT_SOURCES[..], sources].concat();
        let client = ["-p", "dewarp", "--target", BOARD, LEAN];
        let features = ["--features", "dewarp/device"];
        let words = [&[RELEASE][..], &client, &features, words].concat();
        let program = format!("{BOARD}/release/{program}");
        Self::build(env, sandbox, step, &sources, &words, &program)
    }

    /// Builds a program from `sources` with these arguments for `cargo build`. `program` is its path in
    /// cargo's target directory.
    fn build(
        env: &Env,
        sandbox: &Sandbox,
        step: &str,
        sources: &[&str],
        words: &[&str],
        program: &str,
    ) -> Result<Self> {
        let name = Path::new(program).file_name().unwrap_or_default();
        let place = |target: &Path, dir: &Path| copy_file(&target.join(program), &dir.join(name));
        let entry = built(env, sandbox, step, sources, words, place)?;
        Ok(Self {
            file: entry.dir.join(name),
            _entry: entry,
        })
    }
}

/// The client `dewarp` as users get it, with all features, for this machine and for arm64 boards.
pub struct UserClient(Entry);

impl UserClient {
    /// Builds the client if it is not in the cache.
    pub fn prepare(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let sources = [&CLIENT_SOURCES[..], &[PREVIEW_SOURCES]].concat();
        let words = [
            RELEASE,
            "-p",
            "dewarp",
            "--target",
            HERE,
            "--target",
            BOARD,
            "--config",
            STATIC_HERE,
        ];
        let place = |scratch: &Path, dir: &Path| {
            [HERE, BOARD].into_iter().try_for_each(|target| {
                let built = scratch.join(target).join("release/dewarp");
                copy_file(&built, &dir.join(target))
            })
        };
        built(env, sandbox, "dewarp", &sources, &words, place).map(Self)
    }

    /// Returns the program for this machine.
    pub fn here(&self) -> PathBuf {
        self.0.dir.join(HERE)
    }

    /// Returns the program for the board.
    pub fn for_board(&self) -> PathBuf {
        self.0.dir.join(BOARD)
    }
}

/// `cargo xtask dewarp`: copies the client to `target/dewarp`, for this machine and for arm64 boards,
/// and returns both files.
pub fn deliver(env: &Env, sandbox: &Sandbox) -> Result<[PathBuf; 2]> {
    let client = UserClient::prepare(env, sandbox)?;
    let place = env.checkout.join("target/dewarp");
    let _chown = ChownGuard::of_all(&place);
    let deliver = |machine: &str, from: &Path| -> Result<PathBuf> {
        let to = place.join(machine).join("dewarp");
        // The program may be running, so it is replaced and not overwritten.
        let _ = std::fs::remove_file(&to);
        copy_file(from, &to)?;
        Ok(to)
    };
    Ok([
        deliver("x86-64", &client.here())?,
        deliver("arm64", &client.for_board())?,
    ])
}

/// The programs that check what the board returns.
pub struct Judges(Entry);

impl Judges {
    /// Builds the programs if they are not in the cache.
    pub fn prepare(env: &Env, sandbox: &Sandbox) -> Result<Self> {
        let judges = JUDGES.iter().flat_map(|name| ["-p", name]);
        let words: Vec<&str> = [RELEASE].into_iter().chain(judges).collect();
        let place = |scratch: &Path, dir: &Path| {
            JUDGES.into_iter().try_for_each(|name| {
                copy_file(&scratch.join("release").join(name), &dir.join(name))
            })
        };
        built(env, sandbox, "judges", &JUDGES_SOURCES, &words, place).map(Self)
    }

    /// Returns a command that runs one of them in the checkout.
    pub fn command(&self, env: &Env, sandbox: &Sandbox, program: &str) -> Command {
        sandbox.command(&env.checkout, &self.0.dir.join(program).to_string_lossy())
    }
}

/// Returns the entry that `cargo build` makes from `sources` with these arguments. `place` copies the
/// results from cargo's target directory to the entry.
fn built(
    env: &Env,
    sandbox: &Sandbox,
    name: &str,
    sources: &[&str],
    words: &[&str],
    place: impl FnOnce(&Path, &Path) -> Result<()>,
) -> Result<Entry> {
    let mut key = Key::new()
        .add(sandbox.toolchain()?)
        .words(CROSS)
        .words(BUILD)
        .words(words);
    for path in sources {
        key = key.add(path).tree(&env.checkout.join(path))?;
    }
    let recipe = Recipe {
        name,
        key: key.finish(),
        partial: Partial::Discard,
        gigabytes: 1.5,
    };
    env.entry(&recipe, |step, dir| {
        host::fetch_crates(env)?;
        let scratch = target(env)?;
        step.run(cargo(env, sandbox, &scratch.dir).args(BUILD).args(words))?;
        place(&scratch.dir, dir)
    })
}

/// Returns the sandbox's cargo in the checkout, with a target directory in the cache.
pub fn cargo(env: &Env, sandbox: &Sandbox, target: &Path) -> Command {
    cargo_with(env, sandbox, target, &[])
}

/// Returns the same with more variables, which override [`CROSS`].
pub fn cargo_with(env: &Env, sandbox: &Sandbox, target: &Path, variables: &[String]) -> Command {
    let mut command = sandbox.command(&env.checkout, "env");
    command
        .arg(format!("CARGO_TARGET_DIR={}", target.display()))
        .args(CROSS)
        .args(variables)
        .arg("cargo");
    command
}

/// Returns cargo's target directory of this checkout, in the cache.
pub fn target(env: &Env) -> Result<Scratch> {
    env.scratch("target")
}
