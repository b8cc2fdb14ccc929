// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask mutate`: deliberate bugs, each with the test that has to fail because of it.
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
//! `Suite` may be followed by `--full`. `Test` is part of a test's name, `Says` part of what the failure says, and `Why` what is wrong
//! with the driver.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::Env;
use crate::board::{Board, Driver};
use crate::kernel::Flavour;
use crate::step::{copy_file, files, hear, make_dir};
use crate::test::{self, last_lines};
use crate::tools::own_name;

/// Where the patches are.
const PATCHES: &str = "tests/mutations";

/// What follows a suite's name if the test is too long for every day.
const FULL: &str = "--full";

/// A deliberate bug.
#[derive(Debug, PartialEq, Eq)]
struct Mutation {
    name: String,
    patch: PathBuf,
    suite: String,
    test: String,
    says: String,
    why: String,
}

impl Mutation {
    /// Reads a patch's header.
    fn read(patch: &Path) -> Result<Self> {
        let text = fs::read_to_string(patch)?;
        let field = |key: &str| {
            let header = text.lines().take_while(|line| !line.starts_with("diff "));
            let mut values = header.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
            values
                .next()
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
                .with_context(|| format!("{}: no line '{key}: ...'", patch.display()))
        };
        let name = patch.file_stem().unwrap_or_default();
        let mutation = Self {
            name: name.to_string_lossy().into_owned(),
            patch: patch.to_owned(),
            suite: field("Suite")?,
            test: field("Test")?,
            says: field("Says")?,
            why: field("Why")?,
        };
        test::check_names(&[mutation.words().0.to_owned()])?;
        Ok(mutation)
    }

    /// The suite's name, and whether all of it runs.
    fn words(&self) -> (&str, bool) {
        let name = self.suite.strip_suffix(FULL).map(str::trim_end);
        (name.unwrap_or(&self.suite), name.is_some())
    }

    /// Runs the suite on a copy of the checkout with the bug. An error if the test does not fail as
    /// it should.
    fn fails(&self, env: &Env, copy: &Path) -> Result<()> {
        if copy.exists() {
            fs::remove_dir_all(copy)?;
        }
        for file in files(&env.checkout, None)? {
            let to = copy.join(file.strip_prefix(&env.checkout)?);
            make_dir(to.parent().context("a file has a directory")?)?;
            copy_file(&file, &to)?;
        }
        let mut apply = Command::new("git");
        // The copy is in no repository, whatever is around the cache.
        apply.env("GIT_CEILING_DIRECTORIES", copy.parent().unwrap_or(copy));
        apply.arg("-C").arg(copy).arg("apply").arg(&self.patch);
        hear(&mut apply).context("the patch does not apply")?;

        // The command finds the checkout by this variable, as it does when cargo runs it.
        let mut command = Command::new(std::env::current_exe()?);
        command.env("CARGO_MANIFEST_DIR", copy.join("xtask"));
        command.args(env.mirror.iter().flat_map(|url| ["--mirror", url]));
        if let Some(source) = &env.kernel_source {
            command.arg("--kernel-source").arg(source);
        }
        let (suite, full) = self.words();
        command.args(["test", suite]).args(full.then_some(FULL));
        command.args(["--", &self.test]);
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
        let due = |failure: &String| failure.contains(&self.test) && failure.contains(&self.says);
        ensure!(
            failures.iter().any(due),
            "no failure says '{}':\n{}",
            self.says,
            failures.join("\n")
        );
        Ok(())
    }
}

/// What failed, each with what it says.
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

/// The mutations of these names, or all.
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

/// Prints the mutations.
pub fn list(env: &Env) -> Result<()> {
    for mutation in chosen(&env.checkout.join(PATCHES), &[])? {
        let Mutation {
            name,
            suite,
            test,
            why,
            ..
        } = mutation;
        println!("{name:32} {why} ({suite}: {test})");
    }
    Ok(())
}

/// Tries the named mutations, or all. True if each makes its test fail.
pub fn run(env: &Env, names: &[String]) -> Result<bool> {
    let mutations = chosen(&env.checkout.join(PATCHES), names)?;
    // What does not depend on the driver is built here once, and not in the copy.
    Board::prepare(env, Flavour::Rt, Driver::None)?;
    let scratch = env.cache.scratch(&env.ui, &own_name(env, "mutate"))?;
    let copy = scratch.dir.join("checkout");
    let mut results = [0, 0];
    for mutation in &mutations {
        let step = env.ui.step(&mutation.name, env.cache.log("mutate"))?;
        let result = mutation.fails(env, &copy);
        step.finish();
        results[usize::from(result.is_err())] += 1;
        let Mutation { name, suite, .. } = mutation;
        match result {
            Ok(()) => println!("ok   mutate: {name}: suite {suite} fails as it should"),
            Err(why) => println!("FAIL mutate: {name}: {why:#}"),
        }
    }
    let [passed, failed] = results;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let missing = chosen(&dir, &["nothing".to_owned()]).unwrap_err();
        assert!(missing.to_string().contains("nothing.patch"));
        assert_eq!(
            chosen(&dir, &[all[0].name.clone()]).unwrap(),
            [Mutation::read(&all[0].patch).unwrap()]
        );
    }

    #[test]
    fn a_patch_without_a_line_of_its_header_is_refused() {
        let patch = std::env::temp_dir().join(format!("mutation-{}.patch", std::process::id()));
        let whole =
            "Suite: worlds\nTest: slow\nSays: ETIME\nWhy: short\n\ndiff --git a/a b/a\nWhy: no\n";
        fs::write(&patch, whole).unwrap();
        let read = Mutation::read(&patch).unwrap();
        assert_eq!((read.test.as_str(), read.why.as_str()), ("slow", "short"));
        for line in ["Suite: worlds\n", "Says: ETIME\n", "Why: short\n"] {
            fs::write(&patch, whole.replace(line, "")).unwrap();
            let error = Mutation::read(&patch).unwrap_err().to_string();
            assert!(error.contains(&line[..3]), "{error}");
        }
        fs::write(&patch, whole.replace("worlds", "rt --full")).unwrap();
        assert_eq!(Mutation::read(&patch).unwrap().words(), ("rt", true));
        for (right, wrong) in [("worlds", "worlts"), ("Says: ETIME", "Says: ")] {
            fs::write(&patch, whole.replace(right, wrong)).unwrap();
            assert!(Mutation::read(&patch).is_err());
        }
        fs::remove_file(&patch).unwrap();
    }
}
