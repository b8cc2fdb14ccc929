// SPDX-License-Identifier: GPL-2.0

//! Suite `lifetime`: what is left of the device when it is unbound, and of its streams when the
//! system sleeps, by the test client `dw100-board` on the board: on the debug kernel, whose checks are
//! the better half of the tests, and on the other one, which is fast enough to say how long unbinding
//! takes. After them, on the debug kernel, random calls of several processes, while the engine fails
//! and the device is unbound. The C driver is shown to fail.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use super::names::{self, Names};
use super::{END, Tests, complete, fault, side_by_side};
use crate::board::{Board, Driver, End, Options};
use crate::kernel::Flavour;

/// What the C driver is caught at by the debug kernel: a test, by which of its faults, and what the
/// kernel says then.
const CAUGHT: [(&str, &str, &str); 3] = [
    (
        "lifetime --full --limit 200 'a request and its file are closed at the same time'",
        "fault 20",
        // It may use what was freed, or only give it up twice.
        "media_request_object_",
    ),
    (
        "lifetime --limit 25 'an idle open file'",
        "fault 2",
        "KASAN: slab-use-after-free in v4l2_ioctl",
    ),
    (
        "uapi --limit 25 'S_FMT of CAPTURE while OUTPUT streams is used'",
        "fault 1",
        "device driver frees DMA memory with different size",
    ),
];

/// What the C driver never gets to the end of when the system sleeps (fault 8).
const LOSES: &str =
    "no frame is lost or torn when the system stops short of sleep, power domains off";

/// How long unbinding may take, whatever is held or dies meanwhile.
const BOUND: Duration = Duration::from_secs(1);

/// Seconds of random calls, of every day and of `--full`.
const FUZZED: [u64; 2] = [10, 300];

/// Their seed of every day, so that a change is to blame for what is new.
const SEED: u32 = 0xd100;

/// Unloads the module, which what was unbound may keep for some seconds yet.
const UNLOAD: &str =
    "for second in 1 2 3 4 5 6 7 8; do driver unload rust && break; sleep 1; done; ";

/// What follows the name of a test on one of the kernels.
const SUFFIXES: [&str; 2] = [RT, DEBUG];
const RT: &str = ", rt";
const DEBUG: &str = ", debug";

/// The names of tests that are not of a program with a list.
const FUZZ: &str =
    "random calls of several processes, with faults and unbinding, leave a device that works";
const IN_TIME: &str = "no unbinding takes longer than a second";

/// The names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let mut both = names::of_board(checkout, "lifetime")?;
    both.extend([END, IN_TIME].map(str::to_owned));
    let mut known = names::with_suffixes(&both, &SUFFIXES);
    let mut debug = names::of_board(checkout, "held")?;
    debug.extend(names::of_board(checkout, "sleep")?);
    debug.push(FUZZ.to_owned());
    known.extend(names::with_suffixes(&debug, &[DEBUG]));
    known.extend(CAUGHT.iter().map(|(test, by, _)| fault(quoted(test), by)));
    known.push(fault(LOSES, "fault 8"));
    Names::all(known)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let (rt, debug) = (Flavour::Rt, Flavour::Debug);
    if tests.full {
        // Beside nothing else: how long unbinding takes counts.
        ours(tests, debug)?;
        let others = || {
            ours(tests, rt)?;
            theirs(tests)
        };
        return side_by_side([&|| sleeps(tests), &others]);
    }
    let others = || {
        ours(tests, rt)?;
        sleeps(tests)
    };
    side_by_side([&|| ours(tests, debug), &others])
}

/// System sleep, which the C driver's streams do not get over.
fn sleeps(tests: &Tests<'_>) -> Result<()> {
    let filter = tests.board_filter("sleep", DEBUG)?;
    let theirs = tests.full && tests.wants(&fault(LOSES, "fault 8"));
    if filter.is_none() && !theirs {
        return Ok(());
    }
    let board = &Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let mut options = Options::new(board.flavour(), Driver::Rust);
    options.alarm = true;
    options.timeout = 900;
    if let Some(filter) = filter {
        let script = format!(
            "driver unload rust && driver load rust watchdog_ms=5000 && \
             /board/asleep dw100-board sleep --limit 200{filter}"
        );
        tests.judge(board, &options, &script, DEBUG)?;
    }
    if !theirs {
        return Ok(());
    }
    options.driver = Driver::C;
    let script = format!("/board/asleep dw100-board sleep --limit 40 '{LOSES}'");
    let printed = tests.run(board, &options, &script)?.printed;
    tests.fails(
        LOSES,
        "fault 8",
        "no end after 40 s, and it cannot be killed",
        &printed,
    );
    Ok(())
}

/// All tests with this project's driver. The log is clean at the end, of leaks also.
fn ours(tests: &Tests<'_>, flavour: Flavour) -> Result<()> {
    let debug = flavour == Flavour::Debug;
    let suffix = if debug { DEBUG } else { RT };
    let mut options = Options::new(flavour, Driver::Rust);
    let (full, limit, timeout) = if tests.full {
        (" --full", 3600, 14_400)
    } else {
        ("", 300, 1500)
    };
    options.timeout = timeout;
    let end = format!("{END}{suffix}");
    let mut script = String::new();
    // The debug kernel has what keeps the kernel waiting.
    if let Some(filter) = tests.board_filter("held", suffix)?.filter(|_| debug) {
        script += &format!(
            "driver unload rust && driver load rust watchdog_ms=2000 && \
             dw100-board held --limit 120{filter} || exit 1; "
        );
    }
    let in_time = format!("{IN_TIME}{suffix}");
    let mut filter = tests.board_filter("lifetime", suffix)?;
    if tests.full && tests.wants(&in_time) {
        filter = Some(String::new());
    }
    // The tests load it as they need it.
    if let Some(filter) = &filter {
        let debug = if debug { " --debug" } else { "" };
        script += &format!("{UNLOAD}dw100-board lifetime{full}{debug} --limit {limit}{filter}; ");
    }
    let mut seeded = None;
    if debug && (tests.wants(&format!("{FUZZ}{suffix}")) || tests.wants(&end)) {
        let (seed, seconds) = (seed(tests.full)?, FUZZED[usize::from(tests.full)]);
        script += &format!(
            "{UNLOAD}driver load rust watchdog_ms=100 && \
             dw100-board fuzz --seed {seed} --seconds {seconds}"
        );
        seeded = Some(seed);
    }
    if script.is_empty() {
        return Ok(());
    }
    let board = &Board::prepare(tests.env, flavour, Driver::Rust)?;
    let outcome = tests.run(board, &options, &script)?;
    tests.record_board(&outcome, suffix);
    // A report of the kernel's says nothing of the seed.
    let end = complete(&outcome).with_context(|| match seeded {
        Some(seed) => format!("with the seed {seed} of the random calls"),
        None => "without random calls".to_owned(),
    });
    tests.record_end(&format!("{END}{suffix}"), end);
    if filter.is_none() {
        return Ok(());
    }

    // Each test has looked whether its own took longer than this kernel may need on a machine that has
    // much else to do. The thorough run has the machine to itself, as far as is up to it.
    let unbound = unbinds(&outcome.printed);
    if let Ok((count, longest)) = &unbound {
        let longest = longest.as_millis();
        let told = format!("lifetime: {count} unbinds took {longest} ms at most{suffix}");
        tests.env.ui.say(&told);
    }
    if tests.full {
        let result = unbound.and_then(|(_, longest)| {
            ensure!(longest <= BOUND, "{longest:?}");
            Ok(())
        });
        tests.record(&in_time, result);
    }
    Ok(())
}

/// Where random calls come from: on every day the same, with `--full` another one each time.
fn seed(full: bool) -> Result<u32> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(if full {
        since_1970.subsec_nanos()
    } else {
        SEED
    })
}

/// That the kernel reports the C driver, and what it says. Not of every day.
fn theirs(tests: &Tests<'_>) -> Result<()> {
    for (test, by, says) in CAUGHT {
        let name = fault(quoted(test), by);
        if !tests.wants(&name) {
            continue;
        }
        let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
        // What races takes two of its CPUs.
        let mut options = Options::new(board.flavour(), Driver::C);
        options.timeout = 700;
        let end = tests
            .run(&board, &options, &format!("dw100-board {test}"))?
            .end;
        let caught = || -> Result<()> {
            let End::Splat(report) = &end else {
                bail!("no report: {end:?}");
            };
            ensure!(
                report.iter().any(|line| line.contains(says)),
                "{}",
                report.join("\n")
            );
            Ok(())
        };
        tests.record(&name, caught());
    }
    Ok(())
}

/// What is in quotes.
fn quoted(words: &str) -> &str {
    words.split('\'').nth(1).unwrap_or(words)
}

/// How many unbinds the tests report, and the longest.
fn unbinds(printed: &str) -> Result<(u64, Duration)> {
    let report = |line: &str| -> Option<(u64, Duration)> {
        let (count, longest) = line.strip_prefix("unbound ")?.split_once(" times, in ")?;
        let longest = longest.strip_suffix(" us at most")?;
        let longest = Duration::from_micros(longest.parse().ok()?);
        Some((count.parse().ok()?, longest))
    };
    printed
        .lines()
        .filter_map(report)
        .reduce(|(count, longest), (more, other)| (count + more, longest.max(other)))
        .filter(|(count, _)| *count > 0)
        .context("no test says that it unbound the device")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_unbind_of_all_tests_is_found() {
        let printed = "unbound 3 times, in 700 us at most\nok a\nunbound x\n\
                       unbound 1 times, in 1200 us at most\nok b\n";
        assert_eq!(unbinds(printed).unwrap(), (4, Duration::from_micros(1200)));
        assert!(unbinds("unbound 0 times, in 0 us at most\n").is_err());
        assert!(unbinds("ok a\n").is_err());
    }
}
