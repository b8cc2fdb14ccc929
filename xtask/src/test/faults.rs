// SPDX-License-Identifier: GPL-2.0

//! Suite `faults`: the test client `dw100-board` injects engine faults and makes memory run out. The C
//! driver must fail the tests that are about its faults.

use std::path::Path;

use anyhow::Result;

use super::names::{self, Names};
use super::{END, Tests, fault, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// A short timeout, because the watchdog ends many frames. The engine's bus time-out is off: see
/// [`Options::new`].
const SCRIPT: &str = "driver unload rust && driver load rust watchdog_ms=100 && dw100-board faults";

/// Tests that the C driver fails: the name, which of its faults is the reason, and a part of the
/// failure. Each has a board of its own, because a job that never ends blocks the board.
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

/// Time limits in seconds for a test in which a job never ends, and for its board, which may not be
/// able to power off.
const STUCK_LIMITS_S: [u64; 2] = [8, 40];

/// Follows the name of a test that counts instructions.
const TIMED: &str = ", by instructions";

/// Returns the names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let mut board = names::of_board(checkout, "faults")?;
    board.push(END.to_owned());
    let mut known = names::with_suffixes(&board, &[", rt", ", debug"]);
    let mut timed = names::of_board(checkout, "timed")?;
    timed.push(END.to_owned());
    known.extend(names::with_suffixes(&timed, &[TIMED]));
    known.extend(FAILS.iter().map(|(name, by, _)| fault(name, by)));
    Names::all(known)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let on_rt = || {
        ours(tests, Flavour::Rt)?;
        timed(tests)?;
        FAILS
            .into_iter()
            .filter(|(name, by, _)| tests.wants(&fault(name, by)))
            .try_for_each(|entry| theirs(tests, entry))
    };
    side_by_side([&on_rt, &|| ours(tests, Flavour::Debug)])
}

fn ours(tests: &Tests<'_>, flavour: Flavour) -> Result<()> {
    let suffix = format!(", {}", flavour.name());
    let Some(filter) = tests.board_filter("faults", &suffix)? else {
        return Ok(());
    };
    let board = &Board::prepare(tests.env, flavour, Driver::Rust)?;
    let mut options = tests.options(flavour);
    options.timeout_s = if tests.full { 7200 } else { 1200 };
    let mut script = SCRIPT.to_owned();
    script += if tests.full {
        " --full --limit 3600"
    } else {
        " --limit 180"
    };
    if flavour == Flavour::Debug {
        script += " --debug";
    }
    script += &filter;
    tests.judge(board, &options, &script, &suffix)
}

/// Measures in instructions how soon frames come back. The promise is twice their limit. The load of
/// this machine does not change the result.
fn timed(tests: &Tests<'_>) -> Result<()> {
    let Some(filter) = tests.board_filter("timed", TIMED)? else {
        return Ok(());
    };
    let board = &Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let mut options = tests.options(board.flavour()).on_one_cpu();
    options.icount = true;
    // With `hlt`, an idle CPU skips to the next event, so a minute of the board's time takes less of
    // this machine's.
    options.append = Some("hlt".to_owned());
    options.timeout_s = 600;
    let script = format!(
        "driver unload rust && driver load rust watchdog_ms=100 && \
         dw100-board timed --limit 900{filter}"
    );
    tests.judge(board, &options, &script, TIMED)
}

/// Records whether the C driver fails a test as listed.
fn theirs(tests: &Tests<'_>, (name, fault, says): (&str, &str, &str)) -> Result<()> {
    let board = &Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let mut options = Options::new(board.flavour(), Driver::C).on_one_cpu();
    let [limit, timeout] = STUCK_LIMITS_S;
    options.timeout_s = timeout;
    let script = format!("dw100-board faults --limit {limit} '{name}'");
    let printed = tests.run(board, &options, &script)?.printed;
    tests.fails(name, fault, says, &printed);
    Ok(())
}
