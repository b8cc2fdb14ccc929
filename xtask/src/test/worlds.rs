// SPDX-License-Identifier: GPL-2.0

//! Suite `worlds`: this driver streams in every world in which the C driver streams, with the same
//! pixels, and no slower. A world is one way in which the real engine may behave where its behaviour is
//! not known. The model can simulate each world.
//!
//! Both drivers run the same scenarios of `dw100-board worlds`, in many worlds per boot. A driver that
//! fails in a world may leave the board unusable. So such a world is the last one of its boot, and
//! another boot continues after it.

mod judge;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::names::Names;
use super::{Tests, result};
use crate::board::{Board, Driver, End, Options, Outcome};
use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::demo::frames_of;
use crate::kernel::Flavour;
use crate::step::make_dir;
use judge::WorldResult;
use table::World;

/// Time limits in seconds for a board, without and with `--full`.
const TIMEOUT_S: [u64; 2] = [1200, 3600];

/// The board's memory in GiB, and the place of the contiguous memory. 32 address bits do not reach it,
/// so a driver gets its buffers there only if it sets a DMA mask of more bits.
const MEMORY_GIB: u8 = 6;
const CMA: &str = "cma=256M@0x180000000";

/// With `hlt`, an idle CPU sleeps although instructions are counted: waiting takes none of this
/// machine's time. One instruction takes one nanosecond, so all times are the same in each run.
const SLEEP: &str = "hlt";

/// Begins the line that names a world, on the console and in the kernel's log.
const MARK: &str = "dw100-world: ";

/// The beginning of each script. While a CPU waits for a file of this machine, the board's time runs
/// fast, and a scenario has a time limit. So the programs are read into memory before, and the results
/// are copied afterwards.
const BEGIN: &str = "libs=/lib/aarch64-linux-gnu
    cat /board/dw100-board $libs/libc.so.6 $libs/libm.so.6 $libs/libgcc_s.so.1 > /dev/null
    begin() {
        echo \"dw100-world: $1\"
        echo \"dw100-world: $1\" > /dev/kmsg
        model world=default
        model timeout-cycles=0
    }
    visit() {
        status=0
        dw100-board worlds \"$@\" || status=$?
        cp *.jsonl /out && rm *.jsonl
        return $status
    }
";

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    Names::all(table::all().iter().map(World::verdict))
}

/// Runs the suite and writes the results to `target/worlds.json`.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let board = Board::prepare(env, Flavour::Rt, Driver::Rust)?;
    let worlds = table::all();
    let due: Vec<usize> = (0..worlds.len())
        .filter(|&number| tests.wants(&worlds[number].verdict()))
        .collect();

    let theirs = theirs(tests, &board, &worlds)?;
    let work = env.cache.run_dir()?;
    let step = env.step("worlds")?;
    explore(tests, &board, Driver::Rust, &worlds, &due, &work.dir)?;
    step.finish();

    let (ours, theirs) = (results(&work.dir)?, results(&theirs.dir)?);
    let none = WorldResult::default();
    let mut report = serde_json::Map::new();
    for number in due {
        let world = &worlds[number];
        let [ours, theirs] =
            [&ours, &theirs].map(|seen: &BTreeMap<_, _>| seen.get(&number).unwrap_or(&none));
        let complaints = judge::complaints(world, ours, theirs);
        let entry =
            json!({"rust": ours.to_json(), "c": theirs.to_json(), "complaints": complaints});
        report.insert(world.name(), entry);
        let why = (!complaints.is_empty()).then(|| complaints.join("; "));
        tests.record(&world.verdict(), result(why.as_deref()));
    }
    let target = env.checkout.join("target");
    let _chown = ChownGuard::of_new(&target);
    make_dir(&target)?;
    let file = target.join("worlds.json");
    fs::write(&file, format!("{:#}\n", Value::Object(report)))?;
    env.ui
        .say(&format!("the results are in {}", file.display()));
    Ok(())
}

/// Runs all worlds with the C driver. The result does not depend on this driver, so it is cached until
/// the worlds or the board change.
fn theirs(tests: &Tests<'_>, board: &Board<'_>, worlds: &[World]) -> Result<Entry> {
    let all: Vec<usize> = (0..worlds.len()).collect();
    let script = script(Driver::C, worlds, &all, tests.full);
    let recipe = Recipe {
        name: "c-driver-worlds",
        key: board.key()?.words([script.as_str(), CMA, SLEEP]).finish(),
        partial: Partial::Discard,
        gigabytes: 0.1,
    };
    tests.env.entry(&recipe, |_, dir| {
        explore(tests, board, Driver::C, worlds, &all, dir)
    })
}

/// Returns the script that runs these worlds.
fn script(driver: Driver, worlds: &[World], numbers: &[usize], full: bool) -> String {
    let each = |&number: &usize| {
        let world = &worlds[number];
        let models: String = world
            .model
            .iter()
            .map(|setting| format!("model {setting} || exit 1\n"))
            .collect();
        let name = driver.name();
        // This driver's default watchdog applies: `driver load` would set a longer one for busy
        // machines.
        let limit = match driver {
            Driver::Rust => " watchdog_ms=0",
            _ => "",
        };
        let full = if full { "--full " } else { "" };
        let scenarios = world.scenarios(driver).join(" ");
        let before = world.before.map_or("", |(_, before)| before);
        format!(
            "begin {number}
            {models}{before}
            driver load {name}{limit} &&
            visit {full}{number} {number}.jsonl {scenarios} &&
            driver unload {name} || exit 1
            "
        )
    };
    let worlds: String = numbers.iter().map(each).collect();
    [BEGIN, &worlds].concat()
}

/// Runs the worlds, in as many boots as needed. Each boot has its own directory in `dir`.
fn explore(
    tests: &Tests<'_>,
    board: &Board<'_>,
    driver: Driver,
    worlds: &[World],
    numbers: &[usize],
    dir: &Path,
) -> Result<()> {
    let mut left = numbers;
    for boot in 0.. {
        if left.is_empty() {
            break;
        }
        let output = dir.join(format!("boot-{boot}"));
        make_dir(&output)?;
        let mut options = Options::new(Flavour::Rt, Driver::None).on_one_cpu();
        options.icount = true;
        options.memory_gib = MEMORY_GIB;
        options.append = Some(format!("{CMA} {SLEEP}"));
        options.timeout_s = TIMEOUT_S[usize::from(tests.full)];
        options.output = Some(output.clone());
        let script = script(driver, worlds, left, tests.full);
        let outcome = tests.run(board, &options, &script)?;
        let last = marked(&outcome.printed)
            .with_context(|| format!("the board reached no world: {}", reason(&outcome)))?;
        if outcome.end != End::Script(0) {
            let log = fs::read_to_string(output.join("dmesg.txt")).unwrap_or_default();
            let blamed = blamed(&outcome.end, &log).unwrap_or(last);
            let end = json!({"world": blamed, "why": reason(&outcome)});
            fs::write(output.join("end.json"), end.to_string())?;
        }
        let reached = left.iter().position(|&number| number == last);
        left = &left[reached.context("a world that was not asked for")? + 1..];
    }
    Ok(())
}

/// Returns the number of the last world that a text names.
fn marked(text: &str) -> Option<usize> {
    let (_, rest) = text.rsplit_once(MARK)?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Returns the world in which the kernel printed a report.
fn blamed(end: &End, log: &str) -> Option<usize> {
    let End::Report(lines) = end else {
        return None;
    };
    let (before, _) = log.split_once(lines.first()?.as_str())?;
    marked(before)
}

/// Returns in one line why a boot ended.
fn reason(outcome: &Outcome) -> String {
    match &outcome.end {
        End::Script(_) => super::last_lines(outcome.printed.trim_end(), 1),
        End::Report(lines) => format!("{}{}", judge::REPORT, lines.join(" | ")),
        End::Timeout(_) => "the board did not power off in time".to_owned(),
        End::Silent(_) => "the board powered off early".to_owned(),
    }
}

/// Reads the results of the boots in `dir`, by the numbers of the worlds.
fn results(dir: &Path) -> Result<BTreeMap<usize, WorldResult>> {
    let mut worlds: BTreeMap<usize, WorldResult> = BTreeMap::new();
    for boot in fs::read_dir(dir)? {
        let boot = boot?.path();
        if !boot.join("dmesg.txt").exists() {
            continue;
        }
        for file in fs::read_dir(&boot)? {
            let file = file?.path();
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let text = || fs::read_to_string(&file).with_context(|| file.display().to_string());
            if let Ok(number) = name.parse() {
                worlds.entry(number).or_default().read(&text()?)?;
            } else if name == "end" {
                let end: Value = serde_json::from_str(&text()?)?;
                let number = end["world"].as_u64().and_then(|n| usize::try_from(n).ok());
                let seen = worlds.entry(number.context("no world in end.json")?);
                seen.or_default().end = end["why"].as_str().map(str::to_owned);
            } else if name == "trace" {
                for (number, took) in judge::durations(&frames_of(&text()?)?) {
                    worlds.entry(number).or_default().engine_ns.push(took);
                }
            }
        }
    }
    ensure!(
        !worlds.is_empty(),
        "no boot has left results in {}",
        dir.display()
    );
    Ok(worlds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_is_found_by_the_last_mark_before_a_report() {
        let log =
            "[1] dw100-world: 3\n[2] fine\n[3] dw100-world: 4\n[4] BUG: bad\n[5] dw100-world: 5\n";
        assert_eq!(marked(log), Some(5));
        let end = End::Report(vec!["[4] BUG: bad".to_owned()]);
        assert_eq!(blamed(&end, log), Some(4));
        assert_eq!(blamed(&End::Script(1), log), None);
        assert_eq!(marked("no world"), None);
    }

    #[test]
    fn a_script_sets_the_world_before_it_loads_the_driver() {
        let worlds = table::all();
        let script = script(Driver::Rust, &worlds, &[1], false);
        let at = |what: &str| {
            script
                .find(what)
                .unwrap_or_else(|| panic!("{what}: {script}"))
        };
        assert!(at("world=default") < at("begin 1"));
        assert!(at("begin 1") < at("model world=int-clr-held"));
        assert!(at("model world=int-clr-held") < at("driver load rust watchdog_ms=0"));
        assert!(at("driver load") < at("visit 1 1.jsonl formats "));
    }
}
