// SPDX-License-Identifier: GPL-2.0

//! Suite `vim2m`: the driver `samples/vim2m`, a port of the kernel's vim2m, which shows that the
//! abstractions of `src/media` fit another driver. It complies in both APIs, makes the frames that
//! the kernel's driver makes, and can be unbound whatever a program does; by the test client
//! `dw100-board vim2m` on the debug kernel. The kernel's driver is shown to fail.

use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::compliance;
use super::names::{self, Names};
use super::{END, Tests, complete};
use crate::board::{Board, Driver, End, Options};
use crate::kernel::Flavour;
use crate::module::Vim2m;

/// What v4l2-compliance is run on: a name, and the driver's parameter `multiplanar`.
const APIS: [(&str, u8); 2] = [
    ("v4l2-compliance, single-planar", 1),
    ("v4l2-compliance, multi-planar", 2),
];

/// What the kernel's driver fails, and what the kernel says then: the same race as fault 20 of dw100.
const FAILS: &str = "a request and its file are closed at the same time";
const SAYS: &str = "media_request_object_";

/// The modules that both drivers use.
const USED: &str = "modprobe -a v4l2-mem2mem videobuf2-vmalloc && ";

fn theirs() -> String {
    format!("the kernel's vim2m fails: {FAILS}")
}

/// The names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let mut known = names::of_board(checkout, "vim2m")?;
    known.extend(APIS.map(|(name, _)| name.to_owned()));
    known.extend([theirs(), END.to_owned()]);
    Names::all(known)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let filter = tests.board_filter("vim2m", "")?;
    let complies = APIS.iter().filter(|(name, _)| tests.wants(name));
    let complies: Vec<_> = complies.collect();
    let fails = tests.full && tests.wants(&theirs());
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::None)?;
    let modules = Vim2m::prepare(tests.env, &board.sandbox, board.kernel())?;
    let mut options = Options::new(board.flavour(), Driver::None);
    options.input = Some(modules.dir);
    options.timeout_s = if tests.full { 2400 } else { 900 };

    let mut script = USED.to_owned();
    for (name, multiplanar) in &complies {
        script += &format!(
            "insmod /in/vim2m_rust.ko multiplanar={multiplanar} && echo '@ {name}' && \
             {{ taskset 1 v4l2-compliance -d /dev/video0 -s5; driver unload vim2m; }} && "
        );
    }
    // The kernel's vim2m stays: its device is in the module's memory, which the debug kernel reports
    // when that is freed.
    if let Some(filter) = &filter {
        let full = if tests.full { " --full" } else { "" };
        script += &format!(
            "insmod /in/vim2m_rust.ko multiplanar=2 && insmod /in/vim2m.ko multiplanar=2 && \
             dw100-board vim2m{full} --limit 600{filter}; driver unload vim2m; "
        );
    }
    if filter.is_some() || !complies.is_empty() {
        let outcome = tests.run(&board, &options, &(script + "true"))?;
        for (name, _) in complies {
            tests.record(name, compliance::verdict(&outcome.printed, name));
        }
        if filter.is_some() {
            tests.record_board(&outcome, "");
        }
        tests.record_end(END, complete(&outcome));
    }
    if fails {
        let script = format!(
            "{USED}insmod /in/vim2m.ko multiplanar=2 && \
             dw100-board vim2m --full --limit 600 '{FAILS}'"
        );
        let end = tests.run(&board, &options, &script)?.end;
        tests.record(&theirs(), reports(&end));
    }
    Ok(())
}

fn reports(end: &End) -> Result<()> {
    let End::Report(report) = end else {
        bail!("no report: {end:?}");
    };
    let text = report.join("\n");
    ensure!(text.contains(SAYS), "{text}");
    Ok(())
}
