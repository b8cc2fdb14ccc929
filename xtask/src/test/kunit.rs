// SPDX-License-Identifier: GPL-2.0

//! Suite `kunit`: the tests inside the module, which run when the debug kernel loads it. What they
//! report is KTAP, which the kernel keeps in debugfs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use super::{Tests, ended, last_lines};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;

/// What marks a suite in the module's source.
const MARK: &str = "kunit_tests(";

/// Prints what each suite has reported, and what the log has on those that failed.
const SCRIPT: &str = "cat /sys/kernel/debug/kunit/dw100*/results; \
    ! grep -q '^not ok' /sys/kernel/debug/kunit/dw100*/results || dmesg | grep '^[^]]*\\]  *# '; true";

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let expected = suites(&tests.env.checkout.join("src"))?;
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let mut options = Options::new(Flavour::Debug, Driver::Rust);
    options.append = Some("kunit.enable=1".to_owned());
    options.timeout = 900;
    let outcome = tests.run(&board, &options, SCRIPT)?;
    let report = &outcome.printed;
    for suite in &expected {
        let cases = cases(report, suite);
        if cases.is_empty() {
            tests.record(suite, Err(anyhow!("it has reported no case")));
        }
        for (case, passed) in cases {
            let result = if passed {
                Ok(())
            } else {
                Err(anyhow!("{}", why(report, case)))
            };
            tests.record(&format!("{suite}: {}", case.replace('_', " ")), result);
        }
    }
    tests.record("runs to its end", ended(&outcome));
    Ok(())
}

/// The suites that the module's source has.
fn suites(dir: &Path) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path()));
            left.append(&mut entries.collect::<Result<Vec<PathBuf>>>()?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(path)?;
            let marked = text.split(MARK).skip(1);
            found.extend(marked.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
        }
    }
    if found.is_empty() {
        bail!("no suite is marked {MARK} in {}", dir.display());
    }
    Ok(found)
}

/// The cases of a suite in KTAP reports, and whether they passed. A case that was skipped has not,
/// and neither has one that was announced and did not report.
fn cases<'a>(report: &'a str, suite: &str) -> Vec<(&'a str, bool)> {
    let title = format!("# Subtest: {suite}");
    let lines = report.lines().map(str::trim);
    lines
        .skip_while(|line| *line != title)
        .skip(1)
        .take_while(|line| !line.starts_with("# Subtest:") && !line.starts_with("KTAP"))
        .filter_map(case)
        .filter(|(name, _)| *name != suite)
        .collect()
}

/// A case's line: `ok 1 NAME` or `not ok 1 NAME`.
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

/// What the log has on a case that failed: the lines of comment before its verdict.
fn why(report: &str, case: &str) -> String {
    let verdict = format!("# {case}: ");
    let lines: Vec<&str> = report.lines().collect();
    let end = lines.iter().position(|line| line.contains(&verdict));
    let before = lines[..end.unwrap_or(lines.len())].join("\n");
    last_lines(&before, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: dw100_job\n\
        \x20   # module: dw100_rust\n    1..3\n    ok 1 a_case\n    not ok 2 another\n\
        \x20   ok 3 a_third # SKIP no reason\n# dw100_job: pass:1 fail:1 skip:1 total:3\n\
        # Totals: pass:1 fail:1 skip:1 total:3\nnot ok 1 dw100_job\n\
        KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: dw100_engine\n    1..1\n\
        \x20   ok 1 fine\nok 1 dw100_engine\n";

    #[test]
    fn each_suite_has_its_own_cases_and_a_skipped_one_has_not_passed() {
        let expected = [("a_case", true), ("another", false), ("a_third", false)];
        assert_eq!(cases(REPORT, "dw100_job"), expected);
        assert_eq!(cases(REPORT, "dw100_engine"), [("fine", true)]);
        assert!(cases(REPORT, "dw100_claim").is_empty());
    }
}
