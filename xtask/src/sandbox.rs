// SPDX-License-Identifier: GPL-2.0

//! The sandbox: a Debian trixie tree with every tool that the other steps need, entered in
//! namespaces of its own. The host lends it the checkout and the cache, at the paths they have
//! there, and cargo's crates.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::cache::{Entry, Partial, Recipe};
use crate::key::Key;
use crate::{Env, crates, host, mirror};

/// Debian packages of the sandbox, beside those that every Debian has.
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
    // Tools for this machine and for the board.
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
    // What looks at sources.
    "codespell",
    "dt-schema",
    "reuse",
    "shellcheck",
    "sparse",
];

/// A tree of Debian packages for this machine.
struct Tree {
    name: &'static str,
    packages: &'static [&'static str],
    architectures: &'static str,
    /// Whether it has all of [`TOOLCHAIN`], whose versions are written down.
    has_toolchain: bool,
    /// The disk space it takes.
    gigabytes: f64,
}

const SANDBOX: Tree = Tree {
    name: "sandbox",
    packages: PACKAGES,
    architectures: "amd64,arm64",
    has_toolchain: true,
    gigabytes: 12.0,
};

/// A browser, and what drives it.
const BROWSER: Tree = Tree {
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

/// Where cargo keeps crates inside.
const REGISTRY: &str = "/root/.cargo/registry";

/// The release of Debian that the sandbox and the board are made of.
pub const RELEASE: &str = "trixie";

/// Its suites at a mirror.
const SUITES: [&str; 3] = [
    "deb MIRROR trixie main",
    "deb MIRROR trixie-backports main",
    "deb-src MIRROR trixie main",
];

/// The packages whose change makes kernels out of date: a module in Rust can only be built by the
/// very compiler that built the kernel crate.
const TOOLCHAIN: &str = "rustc rust-src bindgen clang-19 lld-19";

/// trixie's rustc never moves; backports' does.
const PREFERENCES: &str =
    r"Package: src:rustc:any\nPin: release n=trixie-backports\nPin-Priority: 990\n";

/// Where the host's apt has no Debian mirror, `mmdebstrap` takes its default: this adds the other
/// two suites at that address.
const MORE_SUITES: &str = r#"list="$1/etc/apt/sources.list"
site='^deb \(\[[^]]*\] \)\?\([^ ]*\) trixie main.*'
sed -n "s|$site|deb \1\2 trixie-backports main\ndeb-src \1\2 trixie main|p" "$list" > "$list.d/more.list"
grep -q backports "$list.d/more.list" || { echo "no Debian mirror is known: pass --mirror URL"; exit 1; }"#;

/// Only what is named, and what that cannot do without.
pub const NO_RECOMMENDS: &str = "--aptopt=APT::Install-Recommends \"false\"";

/// Enters: mounts what is lent (pairs of source and place, up to `--`), then runs the rest. The home
/// directory is empty but for `$CARGO_CONFIG`.
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
    mount --bind "$1" "$root$2"
    shift 2
done
shift
exec chroot "$root" "$@""#;

/// The mirror and suites for `mmdebstrap`.
pub fn sources(env: &Env) -> Vec<String> {
    let mirror = env.mirror.clone().or_else(mirror::of_host);
    let Some(mirror) = mirror else {
        return Vec::new();
    };
    SUITES.map(|line| line.replace("MIRROR", &mirror)).to_vec()
}

/// `mmdebstrap`'s words, as far as they do not depend on this machine.
fn words(tree: &Tree) -> Vec<String> {
    let mut words = vec![
        "--mode=root".to_owned(),
        "--variant=apt".to_owned(),
        "--format=directory".to_owned(),
        format!("--architectures={}", tree.architectures),
        format!("--include={}", tree.packages.join(",")),
        format!("--setup-hook=printf '{PREFERENCES}' > \"$1/etc/apt/preferences.d/rust\""),
    ];
    if tree.has_toolchain {
        words.push(format!(
            "--customize-hook=chroot \"$1\" dpkg-query -W {TOOLCHAIN} > \"$1/toolchain\""
        ));
    }
    words
}

/// The host's apt settings about connections (proxies, timeouts), for `mmdebstrap`.
pub fn apt_options() -> Vec<String> {
    let mut command = Command::new("apt-config");
    command.args(["dump", "--no-empty", "Acquire::http", "Acquire::https"]);
    let dump = crate::step::capture(&mut command).unwrap_or_default();
    dump.lines()
        .map(|line| format!("--aptopt={line}"))
        .collect()
}

/// The sandbox, ready to be entered.
pub struct Sandbox {
    root: PathBuf,
    lent: Vec<(PathBuf, PathBuf)>,
    cargo_config: String,
    _entry: Entry,
}

impl Sandbox {
    /// Makes the sandbox if it is not there.
    pub fn prepare(env: &Env) -> Result<Self> {
        Self::make(env, &SANDBOX)
    }

    /// The same with a browser and nothing else.
    pub fn browser(env: &Env) -> Result<Self> {
        Self::make(env, &BROWSER)
    }

    fn make(env: &Env, tree: &Tree) -> Result<Self> {
        host::install_tools(env)?;
        let key = Key::new()
            .words(words(tree))
            .words([RELEASE, NO_RECOMMENDS, MORE_SUITES])
            .words(SUITES)
            .finish();
        let recipe = Recipe {
            name: tree.name,
            key,
            partial: Partial::Discard,
            gigabytes: tree.gigabytes,
        };
        let entry = env.cache.entry(&env.ui, &recipe, |step, dir| {
            if std::env::consts::ARCH != "x86_64" {
                bail!("the sandbox needs an x86-64 machine");
            }
            let sources = sources(env);
            let more = sources.is_empty().then_some(MORE_SUITES);
            let mut command = host::tied("mmdebstrap");
            command
                .arg(NO_RECOMMENDS)
                .args(apt_options())
                .args(words(tree))
                .args(more.map(|hook| format!("--setup-hook={hook}")))
                .arg(RELEASE)
                .arg(dir)
                .args(sources);
            step.run(&mut command)
        })?;
        let mut lent = vec![env.checkout.clone(), env.cache.root().to_owned()];
        lent.extend(env.kernel_source.clone());
        let mut lent: Vec<_> = lent.into_iter().map(|path| (path.clone(), path)).collect();
        // Of cargo's home only the crates: not the host's programs.
        let registry = host::cargo_home()?.join("registry");
        if registry.exists() {
            lent.push((registry, REGISTRY.into()));
        }
        Ok(Self {
            root: entry.dir.clone(),
            lent,
            cargo_config: crates::config()?,
            _entry: entry,
        })
    }

    /// The versions of the compilers inside, for keys.
    pub fn toolchain(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.root.join("toolchain"))?)
    }

    /// A command inside, started in `dir`.
    pub fn command(&self, dir: &Path, program: &str) -> Command {
        self.command_with(&[], dir, program)
    }

    /// A shell inside for a script that uses apt; the script is to be added. Scripts take turns: apt fails where
    /// another process holds its lists.
    pub fn apt(&self, dir: &Path) -> Command {
        let mut command = self.command(dir, "flock");
        command
            .arg("/var/lib/apt/turn")
            .args(["bash", "-e", "-o", "pipefail", "-c"]);
        command
    }

    /// A command with more of the host lent: pairs of a path and where it appears.
    pub fn command_with(&self, more: &[(&Path, &Path)], dir: &Path, program: &str) -> Command {
        let mut command = host::tied("sh");
        command
            .env("CARGO_CONFIG", &self.cargo_config)
            .args(["-c", ENTER, "enter"])
            .arg(&self.root);
        for (path, place) in &self.lent {
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
