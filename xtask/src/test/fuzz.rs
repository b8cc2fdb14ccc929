// SPDX-License-Identifier: GPL-2.0

//! Suite `fuzz`: random calls of several processes on the debug kernel, by the test client
//! `dw100-board`. Its seed stands in the test's name: with `--full` it is another one each time.

use std::time::SystemTime;

use anyhow::Result;

use super::Tests;
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// Seconds of every day, and of `--full`.
const SECONDS: [u64; 2] = [30, 300];

/// The seed of every day, so that a change is to blame for what is new.
const SEED: u32 = 0xd100;

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let seed = if tests.full {
        since_1970.subsec_nanos()
    } else {
        SEED
    };
    let seconds = SECONDS[usize::from(tests.full)];
    let mut options = Options::new(board.flavour(), Driver::Rust);
    options.timeout = 6 * seconds + 600;
    let script = format!(
        "driver unload rust && driver load rust watchdog_ms=0 && \
         dw100-board fuzz --seed {seed} --seconds {seconds}"
    );
    tests.judge(&board, &options, &script, &format!(", seed {seed}"))
}
