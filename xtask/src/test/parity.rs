// SPDX-License-Identifier: GPL-2.0

//! Suite `parity`: this driver and the C driver process the same frames, each on its own board.
//! `dw100-parity` compares the registers, their order, the maps and the resulting frames. QEMU's trace
//! of the register block shows whether the model records the accesses as they were.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Tests;
use super::names::Names;
use crate::Env;
use crate::board::{Board, Driver, Options};
use crate::cache::{Entry, Partial, Recipe};
use crate::chown::ChownGuard;
use crate::demo::frames_of;
use crate::kernel::Flavour;
use crate::programs::Judges;
use crate::step::{make_dir, stdout_of};

/// Time limits in seconds for a board, without and with `--full`.
const TIMEOUT_S: [u64; 2] = [600, 4800];

/// The script of a board. The frames whose registers are compared need no pixels. Frames take as little
/// virtual time as possible: without icount that is real time.
const SCRIPT: &str = "set -e
    model pixels-per-clock=1000
    model pixels=off
    dw100-board parity /in/registers.plan /out/registers.jsonl
    model pixels=on
    dw100-board parity --pixels /in/frames.plan /out/frames.jsonl";

/// The test of QEMU's own trace.
const SEEN: &str = "QEMU sees the register accesses that the model lists, in their order";

/// The frames that QEMU traces: of two open files with different formats, sizes, maps and crops.
const TRACED: &str = "open nv12 640x480 yuyv 640x480\nmap -\nframe 0 0 640 480\n\
                      frame 160 120 320 240\nmap -\nframe 0 0 640 480\n\
                      open uyvy 176x144 nv21m 184x152\nmap -\nframe 0 0 176 144\n";

/// The number of these frames.
const TRACED_FRAMES: usize = 4;

/// QEMU's events for accesses to a device, with the model's letters for them.
const EVENTS: [(&str, char); 2] = [
    ("memory_region_ops_read ", 'r'),
    ("memory_region_ops_write ", 'w'),
];

/// The shim's name for the register block.
const REGION: &str = "'imx8mp-dw100'";

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    Names::with_more(
        [SEEN],
        "the verdicts of `dw100-parity` on the frames of both drivers",
    )
}

/// Runs the suite and writes the figures to `target/parity.json`.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let board = Board::prepare(env, Flavour::Rt, Driver::Rust)?;
    tests.check(SEEN, || traced(tests, &board));
    let judges = Judges::prepare(env, &board.sandbox)?;
    let names = stdout_of(&mut judge(env, &board, &judges, "names", false))?;
    if !names.lines().any(|name| tests.wants(name)) {
        return Ok(());
    }
    let work = env.cache.run_dir()?;
    let dir = &work.dir;
    let input = dir.join("in");
    make_dir(&input)?;
    stdout_of(judge(env, &board, &judges, "plan", tests.full).arg(&input))?;

    let (ours, theirs) = (dir.join("rust"), theirs(tests, &board, &input)?);
    let step = env.step("parity")?;
    frames(tests, &board, Driver::Rust, &input, &ours)?;
    step.finish();

    let target = env.checkout.join("target");
    let _chown = ChownGuard::of_new(&target);
    let report = target.join("parity.json");
    let verdicts = judge(env, &board, &judges, "check", tests.full)
        .arg(&report)
        .args([&ours, &theirs.dir])
        .output()?;
    if tests.record_lines(&String::from_utf8_lossy(&verdicts.stdout)) == 0 {
        bail!("no verdict: {}", String::from_utf8_lossy(&verdicts.stderr));
    }
    env.ui
        .say(&format!("the figures are in {}", report.display()));
    Ok(())
}

/// Runs frames with both drivers while QEMU traces the register block.
fn traced(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let work = tests.env.cache.run_dir()?;
    let output = work.dir.join("out");
    let log = output.join("qemu.log");
    let mut options = Options::new(Flavour::Rt, Driver::Rust)
        .on_one_cpu()
        .healthy();
    options.exchange(&work.dir)?;
    fs::write(work.dir.join("in/plan"), TRACED)?;
    options.emulator = ["-D", &log.display().to_string()].map(str::to_owned).into();
    for (event, _) in EVENTS {
        options
            .emulator
            .extend(["-trace".to_owned(), event.trim().to_owned()]);
    }
    let script = "set -e
        dw100-board parity /in/plan /out/rust.jsonl
        driver unload rust
        driver load c
        dw100-board parity /in/plan /out/c.jsonl";
    tests.boot(board, &options, script)?;
    let frames = frames_of(&fs::read_to_string(output.join("trace.jsonl"))?)?;
    let due = 2 * TRACED_FRAMES;
    ensure!(
        frames.len() == due,
        "{} frames in the trace, not {due}",
        frames.len()
    );
    as_listed(&frames, &accesses(&fs::read_to_string(&log)?)?)
}

/// Returns the accesses to the register block in QEMU's log, in the model's format.
fn accesses(log: &str) -> Result<Vec<String>> {
    let mut accesses = Vec::new();
    for line in log.lines().filter(|line| line.contains(REGION)) {
        let found = EVENTS.iter().find(|(event, _)| line.contains(event));
        let (_, kind) = found.with_context(|| format!("in QEMU's log: {line}"))?;
        let number = |name: &str| -> Result<u64> {
            let mut words = line.split_whitespace().skip_while(|word| *word != name);
            let digits = words.nth(1).and_then(|word| word.strip_prefix("0x"));
            let digits = digits.with_context(|| format!("no {name} in QEMU's log: {line}"))?;
            Ok(u64::from_str_radix(digits, 16)?)
        };
        // The block begins at the start of a page and is smaller than a page.
        let (offset, value) = (number("addr")? & 0xfff, number("value")?);
        accesses.push(format!("{kind} {offset:#04x} {value:#010x}"));
    }
    Ok(accesses)
}

/// Checks that QEMU's accesses are those that the frames list, one frame after the other. The accesses
/// after the last frame must not start another one.
fn as_listed(frames: &[Value], accesses: &[String]) -> Result<()> {
    let mut rest = accesses;
    for frame in frames {
        let number = &frame["frame"];
        let listed = frame["sequence"].as_array();
        let listed = listed.with_context(|| format!("frame {number} lists no accesses"))?;
        let count = |name: &str| frame[name].as_u64().context("no count of accesses");
        let count = usize::try_from(count("reads")? + count("writes")?)?;
        ensure!(
            listed.len() == count && count > 0,
            "frame {number} has {count} accesses and lists {}",
            listed.len()
        );
        let differ = listed
            .iter()
            .zip(rest)
            .position(|(ours, qemu)| ours != qemu);
        if let Some(place) = differ {
            bail!(
                "frame {number}, access {} of {count}: {}, and in QEMU's trace {}",
                place + 1,
                listed[place],
                rest[place]
            );
        }
        let left = rest.len();
        rest = rest.get(count..).with_context(|| {
            format!("frame {number}: {left} of {count} accesses in QEMU's trace")
        })?;
    }
    let starts = |access: &&String| {
        let value = access.strip_prefix("w 0x04 0x");
        value.is_some_and(|digits| u32::from_str_radix(digits, 16).is_ok_and(|v| v & 2 != 0))
    };
    let start = rest.iter().find(starts);
    ensure!(
        start.is_none(),
        "in QEMU's trace a frame starts that the model does not list"
    );
    Ok(())
}

/// Returns the command `dw100-parity VERB`.
fn judge(env: &Env, board: &Board<'_>, judges: &Judges, verb: &str, full: bool) -> Command {
    let mut command = judges.command(env, &board.sandbox, "dw100-parity");
    command.arg(verb);
    if full {
        command.arg("--full");
    }
    command
}

/// Runs all frames with the C driver. The result does not depend on this driver, so it is cached until
/// the frames or the board change.
fn theirs(tests: &Tests<'_>, board: &Board<'_>, input: &Path) -> Result<Entry> {
    let recipe = Recipe {
        name: "c-driver-frames",
        key: board.key()?.add(SCRIPT).tree(input)?.finish(),
        partial: Partial::Discard,
        gigabytes: 0.2,
    };
    tests.env.entry(&recipe, |_, dir| {
        frames(tests, board, Driver::C, input, dir)
    })
}

/// Runs all frames with one driver, on a board of its own.
fn frames(
    tests: &Tests<'_>,
    board: &Board<'_>,
    driver: Driver,
    input: &Path,
    output: &Path,
) -> Result<()> {
    let mut options = Options::new(Flavour::Rt, driver).on_one_cpu().healthy();
    options.timeout_s = TIMEOUT_S[usize::from(tests.full)];
    options.input = Some(input.to_owned());
    options.output = Some(output.to_owned());
    tests
        .boot(board, &options, SCRIPT)
        .with_context(|| format!("driver {}", driver.name()))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LOG: &str = "\
memory_region_ops_read cpu 0 mr 0x7f00 addr 0x32e30070 value 0x1ff01 size 4 name 'imx8mp-dw100'
memory_region_ops_write cpu 0 mr 0x7f01 addr 0x3f000050 value 0x0 size 4 name 'virtio-mmio'
memory_region_ops_write cpu 0 mr 0x7f02 addr 0x32e31000 value 0x61 size 1 name 'imx8mp-dw100-mailbox'
memory_region_ops_write cpu 0 mr 0x7f00 addr 0x32e30004 value 0x8100a3 size 4 name 'imx8mp-dw100'
";

    #[test]
    fn the_register_block_s_accesses_are_found_in_qemu_s_log() {
        let due = ["r 0x70 0x0001ff01", "w 0x04 0x008100a3"];
        assert_eq!(accesses(LOG).unwrap(), due);
        let odd = "memory_region_subpage_write addr 0x4 value 0x1 name 'imx8mp-dw100'\n";
        assert!(accesses(odd).is_err());
        assert!(accesses(&LOG.replace("value 0x8100a3 ", "")).is_err());
    }

    fn frame(number: u64, sequence: &[&str]) -> Value {
        let writes = sequence.iter().filter(|text| text.starts_with('w')).count();
        let reads = sequence.len() - writes;
        json!({"frame": number, "reads": reads, "writes": writes, "sequence": sequence})
    }

    #[test]
    fn a_different_order_or_value_and_an_additional_access_are_errors() {
        let all = [
            "w 0x08 0x00000001",
            "w 0x04 0x00000003",
            "r 0x70 0x0000ff01",
        ];
        let frames = [frame(1, &all), frame(2, &all)];
        let twice: Vec<String> = [all, all]
            .concat()
            .iter()
            .map(|&text| text.to_owned())
            .collect();
        let compare = |change: &dyn Fn(&mut Vec<String>)| {
            let mut accesses = twice.clone();
            change(&mut accesses);
            as_listed(&frames, &accesses).map_err(|why| why.to_string())
        };
        assert_eq!(compare(&|_| ()), Ok(()));
        assert_eq!(
            compare(&|all| all.push("r 0x00 0x00000000".to_owned())),
            Ok(())
        );
        for change in [
            (|all: &mut Vec<String>| all.swap(3, 4)) as fn(&mut Vec<String>),
            |all| all[3] = "w 0x08 0x00000002".to_owned(),
            |all| all[5] = "w 0x70 0x0000ff01".to_owned(),
            |all| all.insert(3, "r 0x74 0x0000000e".to_owned()),
            |all| drop(all.remove(3)),
            |all| drop(all.pop()),
            |all| all.extend_from_within(3..),
            Vec::clear,
        ] {
            assert!(compare(&change).is_err());
        }
        let why = compare(&|all| all.swap(3, 4)).unwrap_err();
        assert!(
            why.starts_with("frame 2, access 1 of 3: \"w 0x08 0x00000001\""),
            "{why}"
        );
        // A truncated list proves nothing.
        let mut short = frames[0].clone();
        short["reads"] = json!(300);
        assert!(as_listed(&[short], &twice).is_err());
    }
}
