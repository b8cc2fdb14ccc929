// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask mutate`: deliberate bugs, each with the tests that must fail because of it.
//!
//! `tests/mutations/NAME.patch` has a header before the diff:
//!
//! ```text
//! Suite: worlds
//! Test: int-clr-held
//! Says: ETIME
//! Why: a driver that clears and enables in one write
//! ```
//!
//! `Test` is a part of a test's name, `Says` a part of its failure, and `Why` says what is wrong with
//! the driver. There may be several tests, each followed by its `Says`; all of them must fail. A
//! further `Suite` holds for the tests after it. `--full` after a suite's name also runs its slow
//! tests. If the kernel's log has the words of `Says`, `Test` is the test during which they are logged.
//!
//! Each worker has a copy of the checkout. It applies a patch, runs the tests and restores the files that
//! the patch changes, so only those are built again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::Env;
use crate::board::{Board, Driver};
use crate::kernel::Flavour;
use crate::patches::{apply, copy_targets};
use crate::step::{copy_tree, files, last_lines, remove_dir};
use crate::test;

/// The directory of the patches.
const PATCHES: &str = "tests/mutations";

/// A part of the name of the test that fails if the kernel's log has a report.
const END: &str = "runs to its end";

/// Follows a suite's name if the test is a slow one.
const FULL: &str = "--full";

/// The number of mutations that are tried in parallel: one is built while the board of another one
/// runs.
const WORKERS: usize = 2;

/// A deliberate bug.
#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    name: String,
    patch: PathBuf,
    runs: Vec<Run>,
    why: String,
}

/// A suite and its tests that must fail.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    suite: String,
    /// Whether to run the slow tests too.
    full: bool,
    tests: Vec<Test>,
}

/// A test that must fail: a part of its name, and a part of its failure.
#[derive(Debug, PartialEq, Eq)]
struct Test {
    name: String,
    says: String,
}

impl Mutation {
    /// Reads the header of a patch.
    fn read(patch: &Path) -> Result<Self> {
        let text = fs::read_to_string(patch)?;
        let header = text.lines().take_while(|line| !line.starts_with("diff "));
        let (mut runs, mut test, mut why) = (Vec::<Run>::new(), None, None);
        for line in header {
            let Some((key, value)) = line.split_once(": ") else {
                continue;
            };
            let value = value.trim().to_owned();
            ensure!(!value.is_empty(), "{}: {line}", patch.display());
            match (key, runs.last_mut()) {
                ("Suite", _) => runs.push(Run::of(&value)),
                ("Test", Some(_)) => {
                    let before = test.replace(value);
                    ensure!(
                        before.is_none(),
                        "{}: no line 'Says: ...' for the test before '{line}'",
                        patch.display()
                    );
                }
                ("Says", Some(run)) => {
                    let name = test.take().unwrap_or_default();
                    run.tests.push(Test { name, says: value });
                }
                ("Why", _) => why = Some(value),
                _ => {}
            }
        }
        let is_whole =
            |run: &Run| !run.tests.is_empty() && run.tests.iter().all(|test| !test.name.is_empty());
        ensure!(
            test.is_none() && !runs.is_empty() && runs.iter().all(is_whole),
            "{}: the header needs a line 'Suite: ...', and after it lines 'Test: ...' and 'Says: ...', a \
             'Says' for each 'Test'",
            patch.display()
        );
        let names: Vec<String> = runs.iter().map(|run| run.suite.clone()).collect();
        test::check_names(&names).with_context(|| patch.display().to_string())?;
        let name = patch.file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            patch: patch.to_owned(),
            runs,
            why: why.with_context(|| format!("{}: no line 'Why: ...'", patch.display()))?,
        })
    }

    /// Copies the files that the patch changes from a copy of the checkout to the directory `kept`, and
    /// nothing else. To restore them from there is safe, while the patch in reverse could match somewhere
    /// else in them.
    fn keep(&self, copy: &Path, kept: &Path) -> Result<()> {
        remove_dir(kept)?;
        copy_targets(slice::from_ref(&self.patch), copy, kept)
    }

    /// Applies the patch to a copy of the checkout and runs the suites. Returns an error if a test does
    /// not fail as it should.
    fn fails(&self, env: &Env, copy: &Path) -> Result<()> {
        apply(&self.patch, copy).context("the patch does not apply")?;
        self.runs.iter().try_for_each(|run| run.fails(env, copy))
    }
}

impl Run {
    /// Returns a run with the value of a line `Suite`, without tests.
    fn of(words: &str) -> Self {
        let suite = words.strip_suffix(FULL).map(str::trim_end);
        Self {
            suite: suite.unwrap_or(words).to_owned(),
            full: suite.is_some(),
            tests: Vec::new(),
        }
    }

    /// Runs the tests. Returns an error if one does not fail as it should.
    fn fails(&self, env: &Env, copy: &Path) -> Result<()> {
        // The variable tells xtask where the checkout is, as it does when cargo runs it.
        let mut command = Command::new(std::env::current_exe()?);
        command.env("CARGO_MANIFEST_DIR", copy.join("xtask"));
        command.args(env.mirror.iter().flat_map(|url| ["--mirror", url]));
        if let Some(source) = &env.kernel_source {
            command.arg("--kernel-source").arg(source);
        }
        command
            .args(["test", &self.suite])
            .args(self.full.then_some(FULL));
        command.args(["--", common(&self.tests)]);
        let output = command.output().context("cannot start the tests")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let failures = failures(&said);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            !failures.is_empty(),
            "no test fails:\n{}\n{}",
            last_lines(&said, 5),
            last_lines(&errors, 5)
        );
        for Test { name, says } in &self.tests {
            // A kernel report makes the boot fail, and not the test that caused it.
            let of_it = |failure: &String| failure.contains(name) || failure.contains(END);
            let due = |failure: &String| of_it(failure) && failure.contains(says);
            ensure!(
                failures.iter().any(due),
                "no failure of '{name}' says '{says}':\n{}",
                failures.join("\n")
            );
        }
        Ok(())
    }
}

/// Returns the common beginning of the tests' names, which is a filter for all of them.
fn common(tests: &[Test]) -> &str {
    let mut names = tests.iter().map(|test| test.name.as_str());
    let first = names.next().unwrap_or_default();
    names.fold(first, |common, name| {
        let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(a, _)| a.len_utf8()).sum()]
    })
}

/// Copies the checkout, without what was built in it.
fn copy_checkout(env: &Env, copy: &Path) -> Result<()> {
    remove_dir(copy)?;
    copy_tree(&env.checkout, copy)
}

/// Returns the failures in the output of `test`, each with all its lines.
fn failures(said: &str) -> Vec<String> {
    let mut failures: Vec<String> = Vec::new();
    let mut failed = false;
    for line in said.lines() {
        if line.starts_with("FAIL ") {
            failures.push(line.to_owned());
            failed = true;
        } else if line.starts_with("ok ") || line.contains(" passed, ") {
            failed = false;
        } else if let Some(last) = failures.last_mut().filter(|_| failed) {
            last.push('\n');
            last.push_str(line);
        }
    }
    failures
}

/// Returns the named mutations, or all if there are no names.
fn chosen(dir: &Path, names: &[String]) -> Result<Vec<Mutation>> {
    let all = files(dir, Some(&["patch"]))?;
    let all = all.iter().map(|patch| Mutation::read(patch));
    let mut all = all.collect::<Result<Vec<_>>>()?;
    if let Some(name) = names
        .iter()
        .find(|name| !all.iter().any(|m| m.name == **name))
    {
        bail!("there is no {PATCHES}/{name}.patch");
    }
    all.retain(|mutation| names.is_empty() || names.contains(&mutation.name));
    Ok(all)
}

/// Prints all mutations with their tests.
pub fn list(env: &Env) -> Result<()> {
    for mutation in chosen(&env.checkout.join(PATCHES), &[])? {
        let Mutation { name, why, .. } = &mutation;
        println!("{name:32} {why}");
        for Run { suite, tests, .. } in &mutation.runs {
            for test in tests {
                println!("{:32} {suite}: {}", "", test.name);
            }
        }
    }
    Ok(())
}

/// Tries the named mutations, or all. Returns whether the tests of each failed as they should.
pub fn run(env: &Env, names: &[String]) -> Result<bool> {
    let mutations = chosen(&env.checkout.join(PATCHES), names)?;
    // What does not depend on the driver is built before the copies are made, and so only once.
    Board::prepare(env, Flavour::Rt, Driver::None)?;
    let started = Instant::now();
    let queue = Mutex::new(mutations.iter());
    let next = || queue.lock().ok()?.next();
    let work = |worker: usize| -> Result<[usize; 2]> {
        let scratch = env.scratch(&format!("mutate-{worker}"))?;
        let [copy, kept] = ["checkout", "kept"].map(|name| scratch.dir.join(name));
        copy_checkout(env, &copy)?;
        let mut results = [0, 0];
        while let Some(mutation) = next() {
            let Mutation { name, .. } = mutation;
            let step = env
                .ui
                .step(name, env.cache.log(&format!("mutate-{name}")))?;
            mutation.keep(&copy, &kept)?;
            let result = mutation.fails(env, &copy);
            copy_tree(&kept, &copy)?;
            step.finish();
            results[usize::from(result.is_err())] += 1;
            match result {
                Ok(()) => println!("ok   mutate: {name}: fails as it should"),
                Err(why) => println!("FAIL mutate: {name}: {why:#}"),
            }
        }
        Ok(results)
    };
    let [passed, failed] = thread::scope(|scope| {
        let workers =
            (0..WORKERS.min(mutations.len())).map(|worker| scope.spawn(move || work(worker)));
        let workers: Vec<_> = workers.collect();
        workers
            .into_iter()
            .try_fold([0, 0], |[passed, failed], worker| {
                let Ok(results) = worker.join() else {
                    bail!("a thread panicked");
                };
                let [more, worse] = results?;
                Ok([passed + more, failed + worse])
            })
    })?;
    env.ui
        .say(&format!("mutate: {} s", started.elapsed().as_secs()));
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn a_failure_has_its_lines_and_not_those_of_the_next_test() {
        let said = "ok   a: b\nmore\nFAIL a: c: first\nsecond\nok   a: d\nthird\nFAIL a: e: x\n0 passed, 2 failed\n";
        assert_eq!(failures(said), ["FAIL a: c: first\nsecond", "FAIL a: e: x"]);
        assert!(failures("ok   a: b\n").is_empty());
    }

    #[test]
    fn each_patch_has_a_header_that_can_be_read() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(PATCHES);
        let all = chosen(&dir, &[]).unwrap();
        assert!(!all.is_empty());
        // The tests in the module print their file and the condition, as the source has it.
        let said = ["job/tests.rs", "job/races.rs", "engine/kunit.rs"].map(|file| {
            let text = fs::read_to_string(dir.join("../../src").join(file)).unwrap();
            format!("{file}\n{text}")
        });
        let said = said.concat();
        for run in all.iter().flat_map(|mutation| &mutation.runs) {
            for test in &run.tests {
                test::ensure_may_have(&dir.join("../.."), &run.suite, &test.name).unwrap();
                let says = &test.says;
                let is_said = run.suite != "kunit" || said.contains(says.as_str());
                assert!(
                    is_said || ["BUG", "WARNING"].contains(&says.as_str()),
                    "no test in the module says {says}"
                );
            }
        }
        let missing = chosen(&dir, &["nothing".to_owned()]).unwrap_err();
        assert!(missing.to_string().contains("nothing.patch"));
        assert_eq!(
            chosen(&dir, &[all[0].name.clone()]).unwrap(),
            [Mutation::read(&all[0].patch).unwrap()]
        );
    }

    /// Returns the hunks of a patch: the file that each changes, and its lines before the change.
    fn hunks(patch: &str) -> Vec<(&str, String)> {
        let mut hunks = Vec::new();
        let mut file = "";
        for line in patch.lines() {
            if let Some(next) = line.strip_prefix("--- a/") {
                file = next;
            } else if line.starts_with("@@ ") {
                hunks.push((file, String::new()));
            } else if let Some((_, before)) = hunks.last_mut()
                && let Some(line) = line
                    .strip_prefix([' ', '-'])
                    .or(line.is_empty().then_some(""))
            {
                before.push_str(line);
                before.push('\n');
            }
        }
        hunks
    }

    #[test]
    fn each_hunk_of_a_patch_fits_one_place_only() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for patch in files(&checkout.join(PATCHES), Some(&["patch"])).unwrap() {
            let text = fs::read_to_string(&patch).unwrap();
            let hunks = hunks(&text);
            assert!(!hunks.is_empty(), "{}", patch.display());
            for (file, before) in hunks {
                // A file that a patch creates, removes or renames would not be restored.
                assert!(text.contains(&format!("\n--- a/{file}\n+++ b/{file}\n")));
                let code = fs::read_to_string(checkout.join(file)).unwrap();
                let places = format!("\n{code}").matches(&format!("\n{before}")).count();
                assert_eq!(places, 1, "{}: {file}:\n{before}", patch.display());
            }
        }
    }

    #[test]
    fn a_patch_may_have_several_tests_and_suites() {
        let dir = TestDir::new("several");
        let patch = dir.path().join("several.patch");
        let header = "Suite: kunit\nTest: a: one\nSays: x\nTest: a: other\nSays: y\n\
            Suite: rt --full\nTest: gate\nSays: z\nWhy: w\n";
        fs::write(&patch, format!("{header}\ndiff --git a/a b/a\n")).unwrap();
        let read = Mutation::read(&patch).unwrap();
        let runs: Vec<_> = read
            .runs
            .iter()
            .map(|run| (run.suite.as_str(), run.full, common(&run.tests)))
            .collect();
        assert_eq!(runs, [("kunit", false, "a: o"), ("rt", true, "gate")]);
        // A test without its `Says`, and a `Says` without its test.
        for (right, wrong) in [("Says: x\n", ""), ("Test: a: other\n", "")] {
            fs::write(&patch, header.replace(right, wrong)).unwrap();
            assert!(Mutation::read(&patch).is_err());
        }
    }

    #[test]
    fn a_patch_without_a_line_of_its_header_is_refused() {
        let dir = TestDir::new("refused");
        let patch = dir.path().join("refused.patch");
        let whole = "Suite: worlds\nTest: slow\nSays: ETIME\nWhy: short\n\n\
            diff --git a/a b/a\nWhy: no\n";
        fs::write(&patch, whole).unwrap();
        let read = Mutation::read(&patch).unwrap();
        assert_eq!(read.why, "short");
        let test = Test {
            name: "slow".to_owned(),
            says: "ETIME".to_owned(),
        };
        let run = Run {
            tests: vec![test],
            ..Run::of("worlds")
        };
        assert_eq!(read.runs, [run]);
        for line in [
            "Suite: worlds\n",
            "Test: slow\n",
            "Says: ETIME\n",
            "Why: short\n",
        ] {
            fs::write(&patch, whole.replace(line, "")).unwrap();
            let error = Mutation::read(&patch).unwrap_err().to_string();
            assert!(error.contains(&line[..3]), "{error}");
        }
        for (right, wrong) in [("worlds", "worlts"), ("Says: ETIME", "Says: ")] {
            fs::write(&patch, whole.replace(right, wrong)).unwrap();
            assert!(Mutation::read(&patch).is_err());
        }
    }
}
