// SPDX-License-Identifier: GPL-2.0

//! Suite `kunit`: the KUnit tests of the module, which run when the debug kernel loads it. The kernel
//! keeps their report in debugfs, in the format KTAP.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow, bail};

use super::names::{self, Names};
use super::{END, Tests, ended, kunit_tool, result, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::step::files;

/// Marks a suite in the module's source.
const MARK: &str = "kunit_tests(";

/// Prints the report of each suite, and then the log lines of its tests.
const SCRIPT: &str = "cat /sys/kernel/debug/kunit/dw100*/results; \
    dmesg | grep '^ *# '";

/// Follows the name of a test that `kunit.py` ran.
const BY_TOOL: &str = ", kunit.py";

/// The test of the kernel that `kunit.py` built.
const BUILT_IN: &str =
    "a driver that is built in has its parameters on the command line, by its name";

/// The suites in the module's source, each with its cases.
type Suites = BTreeMap<String, Vec<String>>;

/// Returns the name of a case's test.
fn name(suite: &str, case: &str) -> String {
    format!("{suite}: {}", case.replace('_', " "))
}

/// Returns the names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let suites = suites(&checkout.join("src"))?;
    let each = |(suite, cases): (&String, &Vec<String>)| -> Vec<String> {
        cases.iter().map(|case| name(suite, case)).collect()
    };
    let mut names: Vec<String> = suites.iter().flat_map(each).collect();
    names.push(END.to_owned());
    let mut all = names::with_suffixes(&names, &["", BY_TOOL]);
    all.push(BUILT_IN.to_owned());
    Names::all(all)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let all = suites(&tests.env.checkout.join("src"))?;
    let wanted = |suffix: &str| -> Suites {
        let wants = |name: &str| tests.wants(&format!("{name}{suffix}"));
        let mut suites = all.clone();
        for (suite, cases) in &mut suites {
            cases.retain(|case| wants(END) || wants(&name(suite, case)));
        }
        suites.retain(|_, cases| !cases.is_empty());
        suites
    };
    let on_board = || {
        let expected = wanted("");
        if expected.is_empty() {
            return Ok(());
        }
        let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
        let mut options = Options::new(Flavour::Debug, Driver::Rust);
        options.append = Some(format!("kunit.enable=1{}", glob(&expected, &all)));
        options.timeout_s = 900;
        let outcome = tests.run(&board, &options, SCRIPT)?;
        record(tests, &expected, &outcome.printed, "");
        tests.record_end(END, ended(&outcome));
        Ok(())
    };
    let by_the_kernel = || {
        let expected = wanted(BY_TOOL);
        if tests.full && (!expected.is_empty() || tests.wants(BUILT_IN)) {
            let (printed, ended) = kunit_tool::run(tests.env)?;
            record(tests, &expected, &printed, BY_TOOL);
            let built = ended.is_ok();
            tests.record_end(&format!("{END}{BY_TOOL}"), ended);
            if built {
                tests.check(BUILT_IN, || kunit_tool::has_parameter(tests.env));
            }
        }
        Ok(())
    };
    side_by_side([&on_board, &by_the_kernel])
}

/// Returns the kernel's argument that selects these cases, if they are not all. It takes one pattern: a
/// case, or all cases of a suite.
fn glob(expected: &Suites, all: &Suites) -> String {
    if expected == all {
        return String::new();
    }
    let mut suites = expected.iter();
    match (suites.next(), suites.next()) {
        (Some((suite, cases)), None) => match cases.as_slice() {
            [case] => format!(" kunit.filter_glob={suite}.{case}"),
            _ => format!(" kunit.filter_glob={suite}.*"),
        },
        _ => String::new(),
    }
}

/// Records the results of the suites in a report. `suffix` is appended to each test's name.
fn record(tests: &Tests<'_>, suites: &Suites, report: &str, suffix: &str) {
    for suite in suites.keys() {
        let (planned, cases) = cases(report, suite);
        if cases.is_empty() || cases.len() != planned {
            let reported = cases.len();
            let why = anyhow!("{reported} of {planned} cases have reported");
            tests.record_end(&format!("{suite}{suffix}"), Err(why));
        }
        for (case, passed) in cases {
            let why = (!passed).then(|| why(report, case));
            let name = format!("{}{suffix}", name(suite, case));
            tests.record(&name, result(why.as_deref()));
        }
    }
}

/// Returns the suites in the module's source.
fn suites(dir: &Path) -> Result<Suites> {
    let case = |rest: &str| {
        let (_, rest) = rest.split_once("fn ")?;
        Some(rest.split_once('(')?.0.to_owned())
    };
    let suite = |rest: &str| -> Option<(String, Vec<String>)> {
        let (name, rest) = rest.split_once(')')?;
        let cases = rest.split("#[test]").skip(1).filter_map(case);
        Some((name.to_owned(), cases.collect()))
    };
    let mut found = Suites::new();
    for file in files(dir, Some(&["rs"]))? {
        let text = fs::read_to_string(file)?;
        found.extend(text.split(MARK).skip(1).filter_map(suite));
    }
    if found.is_empty() {
        bail!("no suite is marked {MARK} in {}", dir.display());
    }
    Ok(found)
}

/// Returns how many cases a suite has announced in KTAP reports, and the cases that reported with
/// whether they passed. A skipped case counts as failed.
fn cases<'a>(report: &'a str, suite: &str) -> (usize, Vec<(&'a str, bool)>) {
    let title = format!("# Subtest: {suite}");
    let lines = report.lines().map(str::trim);
    let lines = lines
        .skip_while(|line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with("# Subtest:") && !line.starts_with("KTAP"));
    let plan = lines
        .clone()
        .find_map(|line| line.strip_prefix("1..")?.parse().ok());
    let cases = lines.filter_map(case).filter(|(name, _)| *name != suite);
    (plan.unwrap_or(0), cases.collect())
}

/// Parses a case's line, `ok 1 NAME` or `not ok 1 NAME`.
fn case(line: &str) -> Option<(&str, bool)> {
    let (rest, passed) = match line.strip_prefix("not ") {
        Some(rest) => (rest, false),
        None => (line, true),
    };
    let (_, name) = rest.strip_prefix("ok ")?.split_once(' ')?;
    let (name, skipped) = match name.split_once(" # SKIP") {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    Some((name.trim(), passed && !skipped))
}

/// Returns why a case failed: the line before the kernel's own message in the log.
fn why(report: &str, case: &str) -> String {
    let verdict = format!("# {case}: ASSERTION FAILED");
    let lines: Vec<&str> = report.lines().collect();
    let place = lines.iter().rposition(|line| line.contains(&verdict));
    let said = place.and_then(|place| lines.get(place.checked_sub(1)?));
    said.map_or("it does not say why", |line| line.trim())
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: dw100_job\n\
        \x20   # module: dw100_rust\n    1..3\n    ok 1 a_case\n    not ok 2 another\n\
        \x20   ok 3 a_third # SKIP no reason\n# dw100_job: pass:1 fail:1 skip:1 total:3\n\
        # Totals: pass:1 fail:1 skip:1 total:3\nnot ok 1 dw100_job\n\
        KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: dw100_engine\n    1..2\n\
        \x20   ok 1 fine\nok 1 dw100_engine\n";

    #[test]
    fn each_suite_has_its_own_cases_and_skipped_or_missing_ones_are_noticed() {
        let expected = [("a_case", true), ("another", false), ("a_third", false)];
        assert_eq!(cases(REPORT, "dw100_job"), (3, expected.into()));
        assert_eq!(cases(REPORT, "dw100_engine"), (2, vec![("fine", true)]));
        assert_eq!(cases(REPORT, "dw100_claim"), (0, Vec::new()));
    }

    #[test]
    fn a_failed_case_has_the_assertion_that_failed() {
        let log = "    # other: x\n    # src/job/tests.rs:7: a == b\n    # another: ASSERTION FAILED\n\
            \x20   # another.speed: normal\n";
        let report = format!("{REPORT}    # another: ASSERTION FAILED\n{log}");
        assert_eq!(why(&report, "another"), "# src/job/tests.rs:7: a == b");
        assert_eq!(why(REPORT, "another"), "it does not say why");
    }
}
