// SPDX-License-Identifier: GPL-2.0

//! Suite `parity`: this driver and the C driver are asked for the same frames, on a board each, and
//! `dw100-parity` judges the registers, maps and frames that come of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Tests;
use crate::Env;
use crate::board::{Board, Driver, Options};
use crate::cache::{Entry, Partial, Recipe};
use crate::kernel::Flavour;
use crate::owner::HandOver;
use crate::step::{capture, make_dir};
use crate::tools::Judges;

/// Seconds for a board of every day, and for one with all frames.
const TIMEOUT: [u64; 2] = [600, 4800];

/// What a board runs. The frames whose registers are looked at go through without pixels.
/// Frames take as little virtual time as they can: with no icount, that is real.
const SCRIPT: &str = "set -e
    model pixels-per-clock=1000
    model pixels=off
    dw100-board parity /in/registers.plan /out/registers.jsonl
    model pixels=on
    dw100-board parity --pixels /in/frames.plan /out/frames.jsonl";

/// Runs the suite. The figures are in `target/parity.json` afterwards.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let board = Board::prepare(env, Flavour::Rt, Driver::Rust)?;
    let judges = Judges::prepare(env, &board.sandbox)?;

    let work = env.cache.run_dir()?;
    let dir = &work.dir;
    let input = dir.join("in");
    make_dir(&input)?;
    capture(judge(env, &board, &judges, "plan", tests.full).arg(&input))?;

    let (ours, theirs) = (dir.join("rust"), theirs(tests, &board, &input)?);
    let step = env.ui.step("parity", env.cache.log("parity"))?;
    frames(tests, &board, Driver::Rust, &input, &ours)?;
    step.finish();

    let target = env.checkout.join("target");
    let _owner = HandOver::of_new(&target);
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

/// `dw100-parity VERB`.
fn judge(env: &Env, board: &Board<'_>, judges: &Judges, verb: &str, full: bool) -> Command {
    let mut command = judges.command(env, &board.sandbox, "dw100-parity");
    command.arg(verb);
    if full {
        command.arg("--full");
    }
    command
}

/// All frames through the C driver. What it does with them depends on nothing of this driver, and is
/// kept for as long as they, and the board, are the same.
fn theirs(tests: &Tests<'_>, board: &Board<'_>, input: &Path) -> Result<Entry> {
    let recipe = Recipe {
        name: "c-driver-frames",
        key: board.key()?.add(SCRIPT).tree(input)?.finish(),
        partial: Partial::Discard,
        gigabytes: 0.2,
    };
    tests.env.cache.entry(&tests.env.ui, &recipe, |_, dir| {
        frames(tests, board, Driver::C, input, dir)
    })
}

/// All frames through one driver, on a board of its own.
fn frames(
    tests: &Tests<'_>,
    board: &Board<'_>,
    driver: Driver,
    input: &Path,
    output: &Path,
) -> Result<()> {
    let mut options = Options::new(Flavour::Rt, driver).on_one_cpu();
    options.timeout = TIMEOUT[usize::from(tests.full)];
    options.input = Some(input.to_owned());
    options.output = Some(output.to_owned());
    tests
        .boot(board, &options, SCRIPT)
        .with_context(|| format!("driver {}", driver.name()))
        .map(drop)
}
