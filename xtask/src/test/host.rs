// SPDX-License-Identifier: GPL-2.0

//! Suite `host`: what cargo and the scripts of `tools/dewarp` can test without a board.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::Tests;
use super::names::Names;
use crate::sandbox::Sandbox;
use crate::{host, lint, tools};

/// Seconds that all of it may take, once it is built.
const LONGEST: u64 = 1200;

/// The names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    Names::and(
        lint::names(),
        "the tests of `cargo test --workspace -- --list`, kinds of calibrations beside OpenCV, calibrations of known lenses, and the page of `dewarp tune`",
    )
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let _slot = tests.slot(LONGEST);
    // The names of cargo's tests are paths, without a blank.
    let found = !tests.filter.contains(' ') && crates(tests)?;
    // A filter that is part of the name of one of cargo's tests is not for the scripts, which need Python's
    // packages and a client that is optimised.
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
    let scratch = env.cache.scratch(&env.ui, &tools::target_name(env))?;
    let cargo = |words: &[&str]| {
        let mut command = tools::cargo(env, &sandbox, &scratch.dir);
        command.args(words);
        command
    };

    let step = env.ui.step("host-tests", env.cache.log("host-tests"))?;
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
        let result = if *good {
            Ok(())
        } else {
            Err(anyhow::anyhow!("{}", failure(&said, name)))
        };
        tests.record(name, result);
    }
    let as_told = results.iter().all(|(_, good)| *good) == output.status.success();
    if (results.is_empty() && tests.filter.is_empty()) || !as_told {
        bail!(
            "cargo test ended with {}:\n{}",
            output.status,
            super::last_lines(&errors, 20)
        );
    }
    Ok(!results.is_empty())
}

/// The tests in the output of `cargo test`, and whether they passed. Ignored ones do not count.
fn results(output: &str) -> Vec<(&str, bool)> {
    output.lines().filter_map(result).collect()
}

/// How many tests were left out.
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

/// What a failed test printed.
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
    fn results_of_libtest_are_read_and_ignored_tests_do_not_count() {
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
