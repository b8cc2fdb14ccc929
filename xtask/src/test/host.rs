// SPDX-License-Identifier: GPL-2.0

//! Suite `host`: the tests of cargo and of the scripts in `tools/dewarp`, which need no board.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::Tests;
use super::names::Names;
use crate::sandbox::Sandbox;
use crate::{host, lint, programs};

/// Time limit in seconds for the whole suite, without building.
const LIMIT_S: u64 = 1200;

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    Names::with_more(
        lint::names(),
        "the tests of `cargo test --workspace -- --list`, calibrations compared with OpenCV, calibrations of known lenses, and the page of `dewarp tune`",
    )
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let _slot = tests.slot(LIMIT_S);
    // The names of cargo's tests are paths, so a filter with a space matches none of them.
    let found = !tests.filter.contains(' ') && crates(tests)?;
    // A filter that matches one of cargo's tests does not run the scripts, which need packages of Python
    // and an optimised client.
    if tests.filter.is_empty() || !found {
        if let Err(why) = super::scripts::run(tests) {
            tests.record("the scripts of tools/dewarp/tests", Err(why));
        }
    }
    lint::checks(tests.env, &mut |name, check| tests.check(name, check))
}

/// Runs the tests of all crates. Returns whether the filter is part of a test's name.
fn crates(tests: &Tests<'_>) -> Result<bool> {
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    host::fetch_crates(env)?;
    let scratch = programs::target(env)?;
    let cargo = |words: &[&str]| {
        let mut command = programs::cargo(env, &sandbox, &scratch.dir);
        command.args(words);
        command
    };

    let step = env.step("host-tests")?;
    let build = ["test", "--offline", "--locked", "--workspace", "--no-run"];
    step.run(&mut cargo(&build))?;
    step.finish();
    let all = [
        "test",
        "--offline",
        "--locked",
        "--workspace",
        "--no-fail-fast",
        "--",
        tests.filter,
    ];
    let mut command = cargo(&all);
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot start cargo")?;
    let (said, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let ignored = ignored(&said);
    if ignored > 0 {
        env.ui.say(&format!("host: {ignored} tests were ignored"));
    }
    let results = results(&said);
    for (name, good) in &results {
        let why = (!good).then(|| failure(&said, name));
        tests.record(name, super::result(why));
    }
    let consistent = results.iter().all(|(_, good)| *good) == output.status.success();
    if (results.is_empty() && tests.filter.is_empty()) || !consistent {
        bail!(
            "cargo test ended with {}:\n{}",
            output.status,
            super::last_lines(&errors, 20)
        );
    }
    Ok(!results.is_empty())
}

/// Returns the tests in the output of `cargo test` that were not ignored, and whether each passed.
fn results(output: &str) -> Vec<(&str, bool)> {
    output.lines().filter_map(result).collect()
}

/// Returns the number of ignored tests.
fn ignored(output: &str) -> usize {
    let lines = output.lines().filter(|line| line.starts_with("test "));
    lines.filter(|line| line.contains(" ... ignored")).count()
}

fn result(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match result {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// Returns the output of a failed test.
fn failure<'a>(output: &'a str, name: &str) -> &'a str {
    let title = format!("---- {name} stdout ----\n");
    let text = output.split_once(&title).map_or("", |(_, rest)| rest);
    text.split("\n\n").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 3 tests\ntest map::tests::a ... ok\n\
        test map::tests::b - should panic ... FAILED\ntest slow ... ignored\n\nfailures:\n\n\
        ---- map::tests::b - should panic stdout ----\nassertion failed: x\n\n\nfailures:\n";

    #[test]
    fn results_of_libtest_are_read_and_ignored_tests_are_left_out() {
        let expected = [
            ("map::tests::a", true),
            ("map::tests::b - should panic", false),
        ];
        assert_eq!(results(OUTPUT), expected);
        assert_eq!(ignored(OUTPUT), 1);
        assert_eq!(
            ignored("test slow ... ignored, takes long\ntest fast ... ok\n"),
            1
        );
        assert_eq!(failure(OUTPUT, expected[1].0), "assertion failed: x");
    }
}
