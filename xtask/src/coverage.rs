// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask coverage`: runs suites on boards whose emulator records the executed code, and prints
//! which code of the module was not executed. The module is built with debug information, which leaves
//! its code as it is.
//!
//! The suites use several kernels, whose modules have different code. The instructions of the `rt`
//! kernel's module are counted. One of them counts as executed if it was executed, or if the `debug`
//! kernel's module executed an instruction that was made for the same place in the source: only that
//! module has the tests of suite `kunit`.

mod code;
mod drcov;
mod excuses;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::Env;
use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::module::Module;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, make_dir, remove_dir};
use crate::test;
use code::Code;
use drcov::Block;
use report::{Executed, Report};

/// The suites whose boards load this driver, as [`Board`](crate::board::Board) builds it.
const SUITES: [&str; 10] = [
    "kunit",
    "compliance",
    "stream",
    "uapi",
    "parity",
    "worlds",
    "lifetime",
    "faults",
    "rt",
    "clients",
];

/// The files that a board leaves in `/out` for `coverage`: the executed blocks, and the addresses of
/// the modules' sections.
const BLOCKS: &str = "drcov";
const SECTIONS: &str = "sections";

/// The kernels of the suites. The instructions of the first one's module are counted.
const KERNELS: [Flavour; 2] = [Flavour::Rt, Flavour::Debug];

/// The file in target/coverage with the blocks that earlier runs have executed.
const BLOCKS_FILE: &str = "blocks";

/// The module's name in the kernel.
const MODULE: &str = "dw100_rust";

/// Upper limit of the length of a section of the module, in bytes.
const MAX_SECTION_BYTES: u32 = 1 << 20;

/// The share of the instructions that are not in the list that must be executed, in percent.
const MIN_PERCENT: f64 = 97.0;

/// Collects what boots execute.
#[derive(Default)]
pub struct Recorder {
    boots: Mutex<Recorded>,
}

/// A block: the kernel, the section, the offset in the section and the length, both in bytes.
type ExecutedBlock = (Flavour, String, u32, u16);

#[derive(Default)]
struct Recorded {
    /// The executed blocks.
    blocks: BTreeSet<ExecutedBlock>,
    /// The number of boots.
    count: u32,
    /// The number of boots whose emulator was killed before it wrote its blocks.
    lost: u32,
}

impl Recorder {
    /// Returns the arguments that make QEMU record blocks. `output` is the boot's `/out`.
    pub fn arguments(drcov: &Path, output: &str) -> [String; 2] {
        let plugin = format!("file={},filename={output}/{BLOCKS}", drcov.display());
        ["-plugin".to_owned(), plugin]
    }

    /// Arguments for the kernel and the board's init: programs get addresses far from the modules', and
    /// each load of a module is written to `/out`.
    pub const WORDS: &str = "norandmaps BOARD_COVERAGE=1";

    /// Reads what a boot has left in its `/out`.
    pub fn take(&self, kernel: Flavour, output: &Path) -> Result<()> {
        let [blocks, sections] = [BLOCKS, SECTIONS].map(|name| output.join(name));
        let loads = fs::read_to_string(&sections).unwrap_or_default();
        let file = fs::read(&blocks).unwrap_or_default();
        for file in [blocks, sections] {
            let _ = fs::remove_file(file);
        }
        let loads = loads_of(&loads)?;
        if loads.is_empty() {
            return Ok(());
        }
        let mut boots = self.boots.lock().unwrap_or_else(PoisonError::into_inner);
        boots.count += 1;
        if file.is_empty() {
            boots.lost += 1;
            return Ok(());
        }
        for block in Block::all(&file)? {
            for (section, base) in &loads {
                let offset = block.start.wrapping_sub(*base);
                if offset < MAX_SECTION_BYTES {
                    let block = (kernel, section.clone(), offset, block.length);
                    boots.blocks.insert(block);
                }
            }
        }
        Ok(())
    }
}

/// Parses lines `MODULE/sections/NAME 0xADDRESS`. Returns the sections of this module's code and the
/// lower halves of their addresses, for each load of the module.
fn loads_of(lines: &str) -> Result<BTreeSet<(String, u32)>> {
    let mut loads = BTreeSet::new();
    for line in lines.lines() {
        let (file, address) = line.split_once(' ').context("no address")?;
        let Some(section) = file.strip_prefix(MODULE) else {
            continue;
        };
        let section = section.rsplit('/').next().unwrap_or_default();
        let address = address.trim().trim_start_matches("0x");
        let address = u64::from_str_radix(address, 16).context("no address of a section")?;
        // CAST: The lower half.
        loads.insert((section.to_owned(), address as u32));
    }
    Ok(loads)
}

/// The options of `coverage`.
#[derive(Args)]
pub struct Choice {
    /// Names of suites; if there are none, all that boot boards with this driver
    pub suites: Vec<String>,
    /// Also run the slow tests
    #[arg(long)]
    pub full: bool,
    /// Also count what earlier runs of the same module have executed
    #[arg(long)]
    pub add: bool,
}

/// Runs the suites and prints what they have not executed. Returns whether all tests passed and, for
/// all suites, enough code was executed.
pub fn run(env: &Env, choice: &Choice) -> Result<bool> {
    let all = choice.suites.is_empty();
    let suites = match all {
        true => SUITES.map(str::to_owned).to_vec(),
        false => choice.suites.clone(),
    };
    let recorder = env.coverage.as_ref().context("there is no recorder")?;
    let passed = test::run(
        env,
        &test::Choice {
            suites,
            filter: String::new(),
            full: choice.full,
            junit: None,
        },
    )?;

    let boots = recorder.boots.lock();
    let mut boots = boots.unwrap_or_else(PoisonError::into_inner);
    ensure!(boots.count > boots.lost, "no board has loaded the module");
    let place = env.checkout.join("target/coverage");
    let _chown = ChownGuard::of_all(&place);
    make_dir(&place)?;
    let kept = place.join(BLOCKS_FILE);
    let key = key(env)?;
    if choice.add {
        let text = fs::read_to_string(&kept).unwrap_or_default();
        boots.blocks.extend(kept_blocks(&text, &key));
    }
    fs::write(&kept, keep(&boots.blocks, &key)?)?;

    let mut modules = Vec::new();
    for kernel in KERNELS {
        let code = code_for(env, kernel)?;
        let mut executed = Executed::default();
        for (_, section, start, length) in boots.blocks.iter().filter(|block| block.0 == kernel) {
            executed.add(&code, section, u64::from(*start), u64::from(*length));
        }
        modules.push((code, executed));
    }
    let (code, executed) = modules.remove(0);
    let report = Report::new(&env.checkout, &code, &executed, &modules)?;

    let file = place.join("dw100_rust.info");
    fs::write(&file, report.lcov(&env.checkout))?;
    let pages = place.join("html");
    remove_dir(&pages)?;
    html(env, &file, &pages)?;
    print!("{}", report.text());
    let Recorded { count, lost, .. } = *boots;
    println!("{count} boots, of which {lost} were killed and do not count");
    println!("{}", pages.join("index.html").display());
    let stale = report.stale();
    for line in &stale {
        println!("FAIL {line}");
    }
    // The list and the limit are for all suites together.
    Ok(passed && (!all || stale.is_empty() && report.percent() >= MIN_PERCENT))
}

/// Returns the key of the modules. Blocks of earlier runs count only if it is the same.
fn key(env: &Env) -> Result<String> {
    let sandbox = Sandbox::prepare(env)?;
    let mut key = Key::new();
    for kernel in KERNELS {
        let kernel = Kernel::prepare(env, &sandbox, kernel)?;
        key = key.add(crate::module::key(env, &kernel)?.finish());
    }
    Ok(key.finish())
}

/// Returns the blocks and their key as JSON, for later runs.
fn keep(blocks: &BTreeSet<ExecutedBlock>, key: &str) -> Result<String> {
    let named = |(kernel, section, start, length): &ExecutedBlock| {
        (kernel.name(), section.clone(), *start, *length)
    };
    let blocks: Vec<_> = blocks.iter().map(named).collect();
    Ok(serde_json::to_string(&(key, blocks))?)
}

/// Parses what [`keep`] returned. Returns no blocks if they are of other modules.
fn kept_blocks(json: &str, key: &str) -> Vec<ExecutedBlock> {
    let kept = serde_json::from_str::<(String, Vec<(String, String, u32, u16)>)>(json);
    let Some((_, blocks)) = kept.ok().filter(|(kept, _)| kept == key) else {
        return Vec::new();
    };
    let blocks = blocks
        .into_iter()
        .filter_map(|(name, section, start, length)| {
            let kernel = KERNELS.into_iter().find(|kernel| kernel.name() == name)?;
            Some((kernel, section, start, length))
        });
    blocks.collect()
}

/// Returns the code of the module for a kernel.
fn code_for(env: &Env, kernel: Flavour) -> Result<Code> {
    let sandbox = Sandbox::prepare(env)?;
    let kernel = Kernel::prepare(env, &sandbox, kernel)?;
    let module = Module::prepare(env, &sandbox, &kernel)?;
    let work = env.cache.run_dir()?;
    let copy = work.dir.join("module.ko");
    copy_file(&module.file, &copy)?;
    code::read(&sandbox, &env.checkout, &copy, &work.dir)
}

/// Writes the pages with Debian's `genhtml`.
fn html(env: &Env, file: &Path, place: &Path) -> Result<()> {
    let sandbox = Sandbox::prepare(env)?;
    let lcov = lcov(env, &sandbox)?;
    let step = env.step("genhtml")?;
    let mut command = sandbox.command(&env.checkout, "env");
    command
        .arg(format!("PERL5LIB={}", perl_modules(&lcov.dir)?))
        .arg(lcov.dir.join("usr/bin/genhtml"))
        // A line may be executed although no way of its branch counts as taken. genhtml would report
        // that as inconsistent.
        .args(["--rc", "check_data_consistency=0"])
        .args(["--branch-coverage", "--title", MODULE, "--prefix"])
        .arg(&env.checkout)
        .arg("--output-directory")
        .args([place, file]);
    step.run(&mut command)?;
    step.finish();
    Ok(())
}

/// Returns the directories of Perl modules in a tree, in the form of PERL5LIB.
fn perl_modules(tree: &Path) -> Result<String> {
    let mut places = vec![tree.join("usr/lib/lcov"), tree.join("usr/share/perl5")];
    for version in fs::read_dir(tree.join("usr/lib/x86_64-linux-gnu/perl5"))? {
        places.push(version?.path());
    }
    let places = places.iter().map(|place| place.display().to_string());
    Ok(places.collect::<Vec<_>>().join(":"))
}

/// Downloads and unpacks Debian's package `lcov` with those of its dependencies that the sandbox lacks.
fn lcov(env: &Env, sandbox: &Sandbox) -> Result<Entry> {
    const SCRIPT: &str = "apt-get update -q
        apt-get install -q -y --no-install-recommends --download-only -o Dir::Cache::archives=$PWD lcov
        for package in *.deb; do dpkg -x $package .; done
        rm -rf *.deb partial lock";
    let recipe = Recipe {
        name: "lcov",
        key: Key::new().add(sandbox.toolchain()?).add(SCRIPT).finish(),
        partial: Partial::Discard,
        gigabytes: 0.3,
    };
    env.entry(&recipe, |step, dir| step.run(sandbox.apt(dir).arg(SCRIPT)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_earlier_runs_count_for_the_same_modules_only() {
        let blocks = BTreeSet::from([
            (Flavour::Rt, ".text".to_owned(), 16, 8),
            (Flavour::Debug, ".init.text".to_owned(), 0, 4),
        ]);
        let text = keep(&blocks, "one").unwrap();
        assert!(kept_blocks(&text, "one").into_iter().eq(blocks));
        assert!(kept_blocks(&text, "two").is_empty());
    }

    #[test]
    fn the_sections_of_other_modules_are_left_out() {
        let lines = "dw100_rust/sections/.text 0xffff800079a0c000\nvivid/sections/.text 0xffff800079b00000\n\
            dw100_rust/sections/.init.text 0xffff800079a1f000\n";
        let loads = loads_of(lines).unwrap();
        let expected = [(".init.text", 0x79a1_f000), (".text", 0x79a0_c000)];
        assert!(
            loads
                .iter()
                .map(|(name, base)| (name.as_str(), *base))
                .eq(expected)
        );
        assert!(loads_of("dw100_rust/sections/.text\n").is_err());
    }
}
