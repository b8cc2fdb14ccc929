// SPDX-License-Identifier: GPL-2.0

//! Suite `fuzz`: random calls of several processes on the debug kernel, by the test client
//! `dw100-board`. Its seed is another one each time, and stands in the test's name.

use std::time::SystemTime;

use anyhow::Result;

use super::Tests;
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// Seconds of every day, and of `--full`.
const SECONDS: [u64; 2] = [30, 300];

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .subsec_nanos();
    let seconds = SECONDS[usize::from(tests.full)];
    let mut options = Options::new(board.flavour(), Driver::Rust);
    // What meets has to meet somewhere; more CPUs than this are not there on most machines.
    options.smp = 2;
    options.timeout = 6 * seconds + 600;
    let script = format!(
        "driver unload rust && driver load rust watchdog_ms=0 && \
         dw100-board fuzz --seed {seed} --seconds {seconds}"
    );
    tests.judge(&board, &options, &script, &format!(", seed {seed}"))
}
