// SPDX-License-Identifier: GPL-2.0

//! Suite `lifetime`: the test client `dw100-board` unbinds the device while programs use it, and
//! streams while the system sleeps. On the debug kernel the kernel's checks find most faults. The `rt`
//! kernel is fast enough to measure how long unbinding takes. Then, on the debug kernel, several
//! processes make random calls while the engine fails and the device is unbound. The C driver must fail
//! as listed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};

use super::names::{self, Names};
use super::{END, Tests, complete, fault, side_by_side};
use crate::board::{Board, Driver, End, Options};
use crate::kernel::Flavour;

/// Faults of the C driver that the debug kernel reports: a test, the number of the fault, and a part of
/// the report.
const CAUGHT: [(&str, &str, &str); 3] = [
    (
        "lifetime --full --limit 200 'a request and its file are closed at the same time'",
        "fault 20",
        // It either uses freed memory or frees it twice. Both reports name such a function.
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

/// With the C driver this test does not end when the system sleeps (fault 8).
const LOSES: &str =
    "no frame is lost or torn when the system stops short of sleep, power domains off";

/// Time limit for unbinding, whatever programs hold or do at that time.
const LIMIT: Duration = Duration::from_secs(1);

/// Seconds of random calls, without and with `--full`.
const FUZZ_SECONDS: [u64; 2] = [10, 300];

/// The seed of the random calls without `--full`. It is constant, so that a new failure comes from a
/// change of the code.
const SEED: u32 = 0xd100;

/// Unloads the module. Objects that outlived unbinding may keep it loaded for some seconds.
const UNLOAD: &str =
    "for second in 1 2 3 4 5 6 7 8; do driver unload rust && break; sleep 1; done; ";

/// Follows the name of a test on one of the kernels.
const SUFFIXES: [&str; 2] = [RT, DEBUG];
const RT: &str = ", rt";
const DEBUG: &str = ", debug";

/// The names of tests that are in no list of the test client.
const FUZZ: &str =
    "random calls of several processes, with faults and unbinding, leave a device that works";
const IN_TIME: &str = "no unbinding takes longer than a second";

/// Returns the names of the tests.
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
        // Nothing runs in parallel, because the time of unbinding is measured.
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

/// Tests system sleep, which the C driver's streams do not survive.
fn sleeps(tests: &Tests<'_>) -> Result<()> {
    let filter = tests.board_filter("sleep", DEBUG)?;
    let theirs = tests.full && tests.wants(&fault(LOSES, "fault 8"));
    if filter.is_none() && !theirs {
        return Ok(());
    }
    let board = &Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let mut options = Options::new(board.flavour(), Driver::Rust);
    options.alarm = true;
    options.timeout_s = 900;
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

/// Runs all tests with this project's driver. In the end the log must have no report, also not of a
/// leak.
fn ours(tests: &Tests<'_>, flavour: Flavour) -> Result<()> {
    let debug = flavour == Flavour::Debug;
    let suffix = if debug { DEBUG } else { RT };
    let mut options = Options::new(flavour, Driver::Rust);
    let (full, limit, timeout) = if tests.full {
        (" --full", 3600, 14_400)
    } else {
        ("", 300, 1500)
    };
    options.timeout_s = timeout;
    let end = format!("{END}{suffix}");
    let mut script = String::new();
    // `held` runs on the debug kernel only, whose checks it needs.
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
    // The tests load the module themselves.
    if let Some(filter) = &filter {
        let debug = if debug { " --debug" } else { "" };
        script += &format!("{UNLOAD}dw100-board lifetime{full}{debug} --limit {limit}{filter}; ");
    }
    let mut seeded = None;
    if debug && (tests.wants(&format!("{FUZZ}{suffix}")) || tests.wants(&end)) {
        let (seed, seconds) = (seed(tests.full)?, FUZZ_SECONDS[usize::from(tests.full)]);
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
    // A kernel report does not show the seed.
    let end = complete(&outcome).with_context(|| match seeded {
        Some(seed) => format!("with the seed {seed} of the random calls"),
        None => "without random calls".to_owned(),
    });
    tests.record_end(&format!("{END}{suffix}"), end);
    if filter.is_none() {
        return Ok(());
    }

    // Each test has its own time limit for unbinding, which suits this kernel on a busy machine. Only
    // with `--full`, where the suite has the machine to itself as far as possible, the limit is
    // [`LIMIT`].
    let unbound = unbinds(&outcome.printed);
    if let Ok((count, longest)) = &unbound {
        let longest = longest.as_millis();
        let message = format!("lifetime: {count} unbinds took {longest} ms at most{suffix}");
        tests.env.ui.say(&message);
    }
    if tests.full {
        let result = unbound.and_then(|(_, longest)| {
            ensure!(longest <= LIMIT, "{longest:?}");
            Ok(())
        });
        tests.record(&in_time, result);
    }
    Ok(())
}

/// Returns the seed of the random calls: always the same, or with `--full` another one each time.
fn seed(full: bool) -> Result<u32> {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(if full {
        since_1970.subsec_nanos()
    } else {
        SEED
    })
}

/// Records whether the kernel reports the C driver's faults as listed. Runs only with `--full`.
fn theirs(tests: &Tests<'_>) -> Result<()> {
    for (test, by, says) in CAUGHT {
        let name = fault(quoted(test), by);
        if !tests.wants(&name) {
            continue;
        }
        let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
        // A race needs two CPUs.
        let mut options = Options::new(board.flavour(), Driver::C);
        options.timeout_s = 700;
        let end = tests
            .run(&board, &options, &format!("dw100-board {test}"))?
            .end;
        let caught = || -> Result<()> {
            let End::Report(report) = &end else {
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

/// Returns the text in quotes.
fn quoted(words: &str) -> &str {
    words.split('\'').nth(1).unwrap_or(words)
}

/// Returns the number of unbinds that the tests report, and the longest one's duration.
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
