// SPDX-License-Identifier: GPL-2.0

//! Suite `parity`: this driver and the C driver are asked for the same frames, on a board each, and
//! `dw100-parity` judges the registers, maps and frames that come of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Tests, side_by_side};
use crate::Env;
use crate::board::{Board, Driver, Options};
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

    let step = env.ui.step("parity", env.cache.log("parity"))?;
    let drivers = [Driver::Rust, Driver::C];
    let frames = |driver: Driver| {
        frames(tests, &board, driver, &input, &dir.join(driver.name()))
            .with_context(|| format!("driver {}", driver.name()))
    };
    side_by_side([&|| frames(Driver::Rust), &|| frames(Driver::C)])?;
    step.finish();

    let target = env.checkout.join("target");
    let _owner = HandOver::of_new(&target);
    let report = target.join("parity.json");
    let verdicts = judge(env, &board, &judges, "check", tests.full)
        .arg(&report)
        .args(drivers.map(|driver| dir.join(driver.name())))
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
    tests.boot(board, &options, SCRIPT).map(drop)
}
