// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask coverage`: runs suites on boards whose emulator writes down which code was executed, and
//! says which code of the module was not. The module is built with debug information and is otherwise
//! what all boards load: nothing is added to its code.
//!
//! The kernels of the suites have modules of different code. What counts are the instructions of the
//! `rt` kernel's. An instruction of it counts as executed if it was, or if the `debug` kernel's module,
//! which alone has the tests of suite `kunit`, executed one that was made for the same place in the source.

mod code;
mod drcov;
mod excuses;
mod report;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};

use crate::Env;
use crate::cache::{Entry, Partial, Recipe};
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::module::Module;
use crate::owner::HandOver;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, make_dir};
use crate::test;
use code::{Code, WIDTH};
use drcov::Block;
use report::{Report, Seen};

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

/// What a board leaves for this: which blocks were executed, and where the modules' code was.
const BLOCKS: &str = "drcov";
const SECTIONS: &str = "sections";

/// The kernels of the suites. The first one's module is what counts.
const KERNELS: [Flavour; 2] = [Flavour::Rt, Flavour::Debug];

/// The file with the blocks of the last run.
const KEPT: &str = "blocks";

/// The name of the module in the kernel.
const MODULE: &str = "dw100_rust";

/// No section of the module is longer.
const LONGEST: u32 = 1 << 20;

/// Of all instructions, how many have to be executed, percent.
const LEAST: f64 = 97.0;

/// What boots have executed so far.
#[derive(Default)]
pub struct Recorder {
    boots: Mutex<Boots>,
}

/// A block: the kernel, the section, the offset from its start, the length.
type Executed = (Flavour, String, u32, u16);

#[derive(Default)]
struct Boots {
    /// The blocks that were executed.
    blocks: BTreeSet<Executed>,
    /// How many boots there were.
    count: u32,
    /// How many of them were cut short, so that the emulator has written nothing.
    lost: u32,
}

impl Recorder {
    /// What QEMU has to be told for a boot whose `/out` this is.
    pub fn arguments(drcov: &Path, output: &str) -> [String; 2] {
        let plugin = format!("file={},filename={output}/{BLOCKS}", drcov.display());
        ["-plugin".to_owned(), plugin]
    }

    /// What the kernel and the board have to be told: programs have their addresses far from the
    /// modules', and each load of a module is noted in `/out`.
    pub const WORDS: &str = "norandmaps BOARD_COVERAGE=1";

    /// Takes what a boot has left in its `/out`.
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
                if offset < LONGEST {
                    let block = (kernel, section.clone(), offset, block.length);
                    boots.blocks.insert(block);
                }
            }
        }
        Ok(())
    }
}

/// The sections of the module's code and the lower halves of their addresses, once for each load of the
/// module, from lines `MODULE/sections/NAME 0xADDRESS`.
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

/// What to run.
pub struct Choice {
    /// The suites; all that boot boards with this driver, if there are none.
    pub suites: Vec<String>,
    /// Also what is too long for every day.
    pub full: bool,
    /// Whether what earlier runs executed counts, too.
    pub add: bool,
}

/// Runs the suites and says what they have not executed. True if all is as it should be.
pub fn run(env: &Env, choice: &Choice) -> Result<bool> {
    let all = choice.suites.is_empty();
    let suites = match all {
        true => SUITES.map(str::to_owned).to_vec(),
        false => choice.suites.clone(),
    };
    let recorder = env.coverage.as_ref().context("nothing is recorded")?;
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
    let _owner = HandOver::of_all(&place);
    make_dir(&place)?;
    let kept = place.join(KEPT);
    let key = key(env)?;
    if choice.add {
        let text = fs::read_to_string(&kept).unwrap_or_default();
        boots.blocks.extend(kept_blocks(&text, &key));
    }
    fs::write(&kept, keep(&boots.blocks, &key))?;

    let mut modules = Vec::new();
    for kernel in KERNELS {
        let mut blocks = boots.blocks.iter().filter(|block| block.0 == kernel);
        let code = code_for(env, kernel)?;
        let mut executed = Seen::new();
        blocks.try_for_each(|(_, section, start, length)| {
            executed.add(&code, section, u64::from(*start), u64::from(*length))
        })?;
        modules.push((code, executed));
    }
    let (code, executed) = modules.remove(0);
    let report = Report::new(&env.checkout, &code, &executed, &modules)?;

    let file = place.join("dw100_rust.info");
    fs::write(&file, report.lcov(&env.checkout))?;
    let pages = place.join("html");
    if pages.exists() {
        fs::remove_dir_all(&pages)?;
    }
    html(env, &file, &pages)?;
    print!("{}", report.text());
    let Boots { count, lost, .. } = *boots;
    println!("{count} boots, of which {lost} were cut short and do not count");
    println!("{}", pages.join("index.html").display());
    let stale = report.stale();
    for line in &stale {
        println!("FAIL {line}");
    }
    // What some suites leave out, others may execute.
    Ok(passed && (!all || stale.is_empty() && report.share() >= LEAST))
}

/// What blocks of an earlier run are worth: nothing, when the modules are others.
fn key(env: &Env) -> Result<String> {
    let sandbox = Sandbox::prepare(env)?;
    let mut key = Key::new();
    for kernel in KERNELS {
        let kernel = Kernel::prepare(env, &sandbox, kernel)?;
        key = key.add(crate::module::key(env, &kernel)?.finish());
    }
    Ok(key.finish())
}

/// Blocks as they are kept for later runs.
fn keep(blocks: &BTreeSet<Executed>, key: &str) -> String {
    let mut text = format!("{key}\n");
    for (kernel, section, start, length) in blocks {
        text += &format!("{} {section} {start} {length}\n", kernel.name());
    }
    text
}

/// Reads them, none if they are of other modules.
fn kept_blocks(text: &str, key: &str) -> Vec<Executed> {
    let mut lines = text.lines();
    if lines.next() != Some(key) {
        return Vec::new();
    }
    let block = |line: &str| -> Option<Executed> {
        let mut words = line.split(' ');
        let kernel = words.next()?;
        let kernel = KERNELS.into_iter().find(|known| known.name() == kernel)?;
        let section = words.next()?.to_owned();
        let start = words.next()?.parse().ok()?;
        Some((kernel, section, start, words.next()?.parse().ok()?))
    };
    lines.filter_map(block).collect()
}

/// The code of the module for a kernel.
fn code_for(env: &Env, kernel: Flavour) -> Result<Code> {
    let sandbox = Sandbox::prepare(env)?;
    let kernel = Kernel::prepare(env, &sandbox, kernel)?;
    let module = Module::prepare(env, &sandbox, &kernel)?;
    let work = env.cache.run_dir()?;
    let copy = work.dir.join("module.ko");
    copy_file(&module.file, &copy)?;
    code::read(&sandbox, &env.checkout, &copy, &work.dir)
}

/// Writes the pages, by Debian's `genhtml`.
fn html(env: &Env, file: &Path, place: &Path) -> Result<()> {
    let sandbox = Sandbox::prepare(env)?;
    let lcov = lcov(env, &sandbox)?;
    let step = env.ui.step("genhtml", env.cache.log("genhtml"))?;
    let mut command = sandbox.command(&env.checkout, "env");
    command
        .arg(format!("PERL5LIB={}", perl_modules(&lcov.dir)?))
        .arg(lcov.dir.join("usr/bin/genhtml"))
        // A branch whose ways were all joined from elsewhere is on a line that was executed.
        .args(["--rc", "check_data_consistency=0"])
        .args(["--branch-coverage", "--title", MODULE, "--prefix"])
        .arg(&env.checkout)
        .arg("--output-directory")
        .args([place, file]);
    step.run(&mut command)?;
    step.finish();
    Ok(())
}

/// Where a tree has modules of Perl: those in Perl, and those for one version of it.
fn perl_modules(tree: &Path) -> Result<String> {
    let mut places = vec![tree.join("usr/lib/lcov"), tree.join("usr/share/perl5")];
    for version in fs::read_dir(tree.join("usr/lib/x86_64-linux-gnu/perl5"))? {
        places.push(version?.path());
    }
    let places = places.iter().map(|place| place.display().to_string());
    Ok(places.collect::<Vec<_>>().join(":"))
}

/// Debian's package `lcov` and what it needs beside the sandbox, unpacked.
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
    env.cache.entry(&env.ui, &recipe, |step, dir| {
        step.run(sandbox.apt(dir).arg(SCRIPT))
    })
}

/// Offsets of instructions in a block.
fn offsets(start: u64, length: u64) -> impl Iterator<Item = u64> {
    (0..length / WIDTH).map(move |number| start + number * WIDTH)
}

/// A set of places of instructions: the section and the offset.
type Offsets = HashSet<(String, u64)>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_kept_for_the_same_modules_only() {
        let blocks = BTreeSet::from([
            (Flavour::Rt, ".text".to_owned(), 16, 8),
            (Flavour::Debug, ".init.text".to_owned(), 0, 4),
        ]);
        let text = keep(&blocks, "one");
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
