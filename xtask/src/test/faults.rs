// SPDX-License-Identifier: GPL-2.0

//! Suite `faults`: an engine that fails or falls silent and memory that runs out, by the test client
//! `dw100-board` on the board. The C driver is shown to fail what is about its faults.

use anyhow::Result;

use super::{Tests, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// A watchdog that is quick, for many frames are ended by it. The bus does not time out before it: see
/// [`Options::new`].
const SCRIPT: &str = "driver unload rust && driver load rust watchdog_ms=100 && dw100-board faults";

/// What the C driver fails, by which of its faults, and what the failure says then. A job that never
/// ends takes the board along, so each has a board of its own.
const FAILS: [(&str, &str, &str); 4] = [
    (
        "a frame whose interrupt is lost comes back as failed and the stream goes on",
        "fault 7",
        "and it cannot be killed",
    ),
    (
        "each error of the engine fails its own frame and no other",
        "fault 9",
        "and it cannot be killed",
    ),
    (
        "an AXI error on the way to the source fails its own frame and no other",
        "fault 9",
        "and it cannot be killed",
    ),
    (
        "a spurious interrupt in each frame changes nothing",
        "fault 10",
        "the frame came back as failed",
    ),
];

/// Seconds after which a test is given up on which a job never ends; and the board, which may not go
/// off any more.
const HOPELESS: [u64; 2] = [8, 40];

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let rt = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let debug = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let on_rt = || {
        ours(tests, &rt)?;
        timed(tests, &rt)?;
        FAILS
            .into_iter()
            .try_for_each(|entry| theirs(tests, &rt, entry))
    };
    side_by_side([&on_rt, &|| ours(tests, &debug)])
}

fn ours(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let mut options = tests.options(board.flavour());
    options.timeout = if tests.full { 7200 } else { 1200 };
    let mut script = SCRIPT.to_owned();
    script += if tests.full {
        " --full --limit 3600"
    } else {
        " --limit 180"
    };
    if board.flavour() == Flavour::Debug {
        script += " --debug";
    }
    let suffix = format!(", {}", board.flavour().name());
    tests.judge(board, &options, &script, &suffix)
}

/// How soon frames come back, in instructions: twice their limit is promised, and this machine's load
/// has no part in it.
fn timed(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let mut options = tests.options(board.flavour()).on_one_cpu();
    options.icount = true;
    let script =
        "driver unload rust && driver load rust watchdog_ms=100 && dw100-board timed --limit 900";
    tests.judge(board, &options, script, ", by instructions")
}

/// That the C driver fails a test, and by what.
fn theirs(
    tests: &Tests<'_>,
    board: &Board<'_>,
    (name, fault, says): (&str, &str, &str),
) -> Result<()> {
    let mut options = Options::new(board.flavour(), Driver::C).on_one_cpu();
    let [limit, timeout] = HOPELESS;
    options.timeout = timeout;
    let script = format!("dw100-board faults --limit {limit} '{name}'");
    let printed = tests.run(board, &options, &script)?.printed;
    tests.fails(name, fault, says, &printed);
    Ok(())
}
