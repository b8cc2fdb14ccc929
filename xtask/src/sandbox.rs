// SPDX-License-Identifier: GPL-2.0

//! The sandbox: a Debian trixie tree with all tools that the other steps need. Its programs run in
//! their own namespaces. They see the host's checkout and cache, under the same paths, and cargo's
//! crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::{Env, cargo_config, debian_mirror, host};

/// Debian packages of the sandbox, in addition to the essential ones.
const PACKAGES: &[&str] = &[
    // The kernel and the module.
    "clang-19",
    "lld-19",
    "llvm-19",
    "libclang-19-dev",
    "bindgen",
    "rustc",
    "rust-src",
    "rustfmt",
    "rust-clippy",
    "make",
    "flex",
    "bison",
    "bc",
    "kmod",
    "xz-utils",
    "libelf-dev",
    "libdw-dev",
    "libssl-dev",
    // Programs for this machine and for the board.
    "cargo",
    "gcc",
    "libc6-dev",
    "libstd-rust-dev",
    "libc6-dev:arm64",
    "libstd-rust-dev:arm64",
    "libgcc-14-dev:arm64",
    // QEMU.
    "dpkg-dev",
    "patch",
    "meson",
    "ninja-build",
    "pkgconf",
    "python3",
    "python3-venv",
    "python3-pycotap",
    "python3-distlib",
    "python3-setuptools",
    "python3-wheel",
    "libglib2.0-dev",
    "libpixman-1-dev",
    "libattr1-dev",
    "libcap-ng-dev",
    "libfdt-dev",
    "zlib1g-dev",
    "ca-certificates",
    // Checks of the sources.
    "codespell",
    "dt-schema",
    "reuse",
    "shellcheck",
    "sparse",
];

/// Describes a tree of Debian packages for this machine.
struct PackageTree {
    name: &'static str,
    packages: &'static [&'static str],
    architectures: &'static str,
    /// Whether it has all of [`TOOLCHAIN`]. Then their versions are written to the file `toolchain`.
    has_toolchain: bool,
    /// The disk space that it takes, in GB.
    gigabytes: f64,
}

const SANDBOX: PackageTree = PackageTree {
    name: "sandbox",
    packages: PACKAGES,
    architectures: "amd64,arm64",
    has_toolchain: true,
    gigabytes: 12.0,
};

/// A browser, and the programs that control it.
const BROWSER: PackageTree = PackageTree {
    name: "browser",
    packages: &[
        "chromium",
        "chromium-driver",
        "fonts-dejavu-core",
        "python3-selenium",
    ],
    architectures: "amd64",
    has_toolchain: false,
    gigabytes: 1.5,
};

/// The directory of crates inside.
const REGISTRY: &str = "/root/.cargo/registry";

/// The Debian release of the sandbox and of the board.
const RELEASE: &str = "trixie";

/// The suites of the sandbox. MIRROR stands for the mirror's address.
const SUITES: [&str; 3] = [
    "deb MIRROR trixie main",
    "deb MIRROR trixie-backports main",
    "deb-src MIRROR trixie main",
];

/// The packages that decide when kernels are built again: a module in Rust can only be built by the
/// compiler that built the kernel crate.
const TOOLCHAIN: &str = "rustc rust-src bindgen clang-19 lld-19";

/// If the host's apt has no Debian mirror, `mmdebstrap` uses its default. This hook adds the other two
/// suites at the same address.
const MORE_SUITES: &str = r#"list="$1/etc/apt/sources.list"
site='^deb \(\[[^]]*\] \)\?\([^ ]*\) trixie main.*'
sed -n "s|$site|deb \1\2 trixie-backports main\ndeb-src \1\2 trixie main|p" "$list" > "$list.d/more.list"
grep -q backports "$list.d/more.list" || { echo "no Debian mirror is known: pass --mirror URL"; exit 1; }"#;

/// Leaves out recommended packages.
const NO_RECOMMENDS: &str = "--aptopt=APT::Install-Recommends \"false\"";

/// Enters the sandbox: mounts the pairs of a host path and a path inside, which end with `--`, and then
/// runs the other arguments. The home directory has only `$CARGO_CONFIG`.
const ENTER: &str = r#"set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
    mount -t tmpfs tmpfs "$root/root"
    mkdir "$root/root/.cargo"
    printf %s "$CARGO_CONFIG" > "$root/root/.cargo/config.toml"
touch "$root/etc/resolv.conf"
[ ! -e /etc/resolv.conf ] || mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
while [ "$1" != -- ]; do
    mkdir -p "$root${2%/*}"
    [ -e "$root$2" ] || if [ -d "$1" ]; then mkdir -p "$root$2"; else touch "$root$2"; fi
    mount --rbind "$1" "$root$2"
    shift 2
done
shift
exec chroot "$root" "$@""#;

/// Returns the sources of packages for `mmdebstrap`, or nothing if no mirror is known.
fn sources(env: &Env) -> Vec<String> {
    let mirror = env.mirror.clone().or_else(debian_mirror::of_host);
    let Some(mirror) = mirror else {
        return Vec::new();
    };
    SUITES.map(|line| line.replace("MIRROR", &mirror)).to_vec()
}

/// Returns the host's apt settings for connections (proxies, timeouts), as arguments for `mmdebstrap`.
fn apt_options() -> Vec<String> {
    let mut command = Command::new("apt-config");
    command.args(["dump", "--no-empty", "Acquire::http", "Acquire::https"]);
    let dump = crate::step::stdout_of(&mut command).unwrap_or_default();
    dump.lines()
        .map(|line| format!("--aptopt={line}"))
        .collect()
}

/// Returns `mmdebstrap`'s argument that takes a source's packages from backports: a release keeps its
/// version of rustc and of libcamera.
pub fn backport(source: &str) -> String {
    let preference =
        format!(r"Package: src:{source}:any\nPin: release n=trixie-backports\nPin-Priority: 990\n");
    format!("--setup-hook=printf '{preference}' > \"$1/etc/apt/preferences.d/{source}\"")
}

/// Starts the key of a tree that `mmdebstrap` makes with these arguments.
pub fn key(words: &[String]) -> Key {
    Key::new()
        .words(words)
        .words([RELEASE, NO_RECOMMENDS, MORE_SUITES])
        .words(SUITES)
}

/// Returns `mmdebstrap` with these arguments, for a tree in `dir`.
pub fn mmdebstrap(env: &Env, words: &[String], dir: &Path) -> Command {
    let sources = sources(env);
    let more = sources.is_empty().then_some(MORE_SUITES);
    let mut command = host::in_namespaces("mmdebstrap");
    command
        .arg(NO_RECOMMENDS)
        .args(apt_options())
        .args(words)
        .args(more.map(|hook| format!("--setup-hook={hook}")))
        .arg(RELEASE)
        .arg(dir)
        .args(sources);
    command
}

/// Returns `mmdebstrap`'s arguments that are the same on each machine.
fn words(tree: &PackageTree) -> Vec<String> {
    let mut words = vec![
        "--mode=root".to_owned(),
        "--variant=apt".to_owned(),
        "--format=directory".to_owned(),
        format!("--architectures={}", tree.architectures),
        format!("--include={}", tree.packages.join(",")),
        backport("rustc"),
    ];
    if tree.has_toolchain {
        words.push(format!(
            "--customize-hook=chroot \"$1\" dpkg-query -W {TOOLCHAIN} > \"$1/toolchain\""
        ));
    }
    words
}

/// The sandbox.
pub struct Sandbox {
    root: PathBuf,
    mounts: Vec<(PathBuf, PathBuf)>,
    cargo_config: String,
    _entry: Entry,
}

impl Sandbox {
    /// Builds the sandbox if it is not in the cache.
    pub fn prepare(env: &Env) -> Result<Self> {
        Self::make(env, &SANDBOX)
    }

    /// Builds the tree with a browser, which has nothing else.
    pub fn browser(env: &Env) -> Result<Self> {
        Self::make(env, &BROWSER)
    }

    fn make(env: &Env, tree: &PackageTree) -> Result<Self> {
        host::install_tools(env)?;
        let words = words(tree);
        let recipe = Recipe {
            name: tree.name,
            key: key(&words).finish(),
            partial: Partial::Discard,
            gigabytes: tree.gigabytes,
        };
        let entry = env.entry(&recipe, |step, dir| {
            if std::env::consts::ARCH != "x86_64" {
                bail!("the sandbox needs an x86-64 machine");
            }
            step.run(&mut mmdebstrap(env, &words, dir))
        })?;
        let mut mounts = vec![env.checkout.clone(), env.cache.root().to_owned()];
        mounts.extend(env.kernel_source.clone());
        let mut mounts: Vec<_> = mounts
            .into_iter()
            .map(|path| (path.clone(), path))
            .collect();
        // The sandbox sees only the crates of cargo's home, and not the host's programs there.
        let registry = host::cargo_home()?.join("registry");
        if registry.exists() {
            mounts.push((registry, REGISTRY.into()));
        }
        Ok(Self {
            root: entry.dir.clone(),
            mounts,
            cargo_config: cargo_config::config()?,
            _entry: entry,
        })
    }

    /// Returns the versions of the compilers inside, for keys.
    pub fn toolchain(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.root.join("toolchain"))?)
    }

    /// Returns a command that runs inside, in `dir`.
    pub fn command(&self, dir: &Path, program: &str) -> Command {
        self.command_with(&[], dir, program)
    }

    /// Returns a shell inside for a script that uses apt, which the caller adds. Only one such script
    /// runs at a time, because apt fails while another process holds its lists.
    pub fn apt(&self, dir: &Path) -> Command {
        let mut command = self.command(dir, "flock");
        command
            .arg("/var/lib/apt/turn")
            .args(["bash", "-e", "-o", "pipefail", "-c"]);
        command
    }

    /// Returns a command that also sees more of the host: pairs of a host path and a path inside.
    pub fn command_with(&self, more: &[(&Path, &Path)], dir: &Path, program: &str) -> Command {
        let mut command = host::in_namespaces("sh");
        command
            .env("CARGO_CONFIG", &self.cargo_config)
            .args(["-c", ENTER, "enter"])
            .arg(&self.root);
        for (path, place) in &self.mounts {
            command.arg(path).arg(place);
        }
        for (path, place) in more {
            command.arg(path).arg(place);
        }
        command.args(["--", "env", "-i", "-C"]).arg(dir);
        command
            .arg("PATH=/usr/lib/llvm-19/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args([
                "HOME=/root",
                "LC_ALL=C.UTF-8",
                "LIBCLANG_PATH=/usr/lib/llvm-19/lib",
            ]);
        for name in host::PROXIES.into_iter().chain(["TERM"]) {
            if let Ok(value) = std::env::var(name) {
                command.arg(format!("{name}={value}"));
            }
        }
        command.arg(program);
        command
    }
}
