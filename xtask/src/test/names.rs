// SPDX-License-Identifier: GPL-2.0

//! The names of tests before they run. They are read from the sources, because a program for the board
//! does not run here.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use crate::step::files;

/// The names of a suite's tests.
pub(super) struct Names {
    /// The names that are known before the suite runs, with those of `--full`.
    pub(super) known: Vec<String>,
    /// A description of further tests; empty if there are none.
    pub(super) more: &'static str,
}

impl Names {
    /// Returns the names of a suite that has no further tests.
    pub(super) fn all<T: Into<String>>(known: impl IntoIterator<Item = T>) -> Result<Self> {
        Self::with_more(known, "")
    }

    /// Returns the names of a suite that has further tests, which are known only when it runs.
    pub(super) fn with_more<T: Into<String>>(
        known: impl IntoIterator<Item = T>,
        more: &'static str,
    ) -> Result<Self> {
        let known = known.into_iter().map(Into::into).collect();
        Ok(Self { known, more })
    }

    /// Fails if one of `names` is not known: a filter would not find that test.
    pub(super) fn ensure_known(&self, names: &[String]) -> Result<()> {
        let unknown = names.iter().find(|name| !self.known.contains(name));
        match unknown {
            Some(name) if self.more.is_empty() => bail!("`--list` does not list '{name}'"),
            _ => Ok(()),
        }
    }
}

/// Returns each name with each of these suffixes.
pub(super) fn with_suffixes(names: &[String], suffixes: &[&str]) -> Vec<String> {
    let with = |suffix: &&str| {
        let suffix = (*suffix).to_owned();
        names.iter().map(move |name| format!("{name}{suffix}"))
    };
    suffixes.iter().flat_map(with).collect()
}

/// The beginning and the end of the list `timed` in the source of `faults`.
const TIMED: [&str; 2] = ["const TIMED", "\n];"];

/// Returns the names of the tests of `dw100-board SUITE`.
pub(super) fn of_board(checkout: &Path, suite: &str) -> Result<Vec<String>> {
    let source = checkout.join("tests/board/src");
    if suite == "timed" {
        let text = fs::read_to_string(source.join("faults.rs"))?;
        return Ok(declared(timed(&text)[1]));
    }
    let mut texts = fs::read_to_string(source.join(suite).with_extension("rs"))?;
    if suite == "faults" {
        let [before, _, after] = timed(&texts);
        texts = [before, after].concat();
    }
    let rest = source.join(suite);
    if rest.is_dir() {
        for file in files(&rest, Some(&["rs"]))? {
            texts += &fs::read_to_string(file)?;
        }
    }
    let names = declared(&texts);
    ensure!(
        !names.is_empty(),
        "no test is declared in {}",
        rest.display()
    );
    Ok(names)
}

/// Returns the source of `faults` before, in and after the list of `timed`.
fn timed(text: &str) -> [&str; 3] {
    let [begin, end] = TIMED;
    let (before, rest) = text.split_once(begin).unwrap_or((text, ""));
    let (timed, after) = rest.split_once(end).unwrap_or((rest, ""));
    [before, timed, after]
}

/// Returns the names of tests in a source: the quoted text after `test(`.
fn declared(source: &str) -> Vec<String> {
    let calls = source.split("test(").skip(1);
    let name = |rest: &str| {
        let (name, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        Some(name.to_owned())
    };
    calls.filter_map(name).collect()
}

/// Returns a filter for names without a suffix. It finds each name that contains `filter` together with
/// the suffix. The filter is returned as an argument for the shell, with a space before it, or empty if
/// it finds every name.
pub(super) fn without_suffix(filter: &str, suffix: &str) -> String {
    if suffix.contains(filter) {
        return String::new();
    }
    let ends = filter.char_indices().map(|(place, _)| place);
    let cut = ends
        .into_iter()
        .find(|&end| suffix.starts_with(&filter[end..]));
    let filter = &filter[..cut.unwrap_or(filter.len())];
    format!(" '{}'", filter.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_board_s_tests_are_found_in_their_sources() {
        let source = "fn test(x: u8) {}\n#[cfg(test)]\n\
            test(\"one\", one),\n    test(\n        \"two, three\",\n        || two(3),\n    )";
        assert_eq!(declared(source), ["one", "two, three"]);
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for suite in ["uapi", "faults", "timed", "lifetime", "held", "sleep"] {
            assert!(of_board(&checkout, suite).unwrap().len() > 1, "{suite}");
        }
        let faults = of_board(&checkout, "faults").unwrap();
        let timed = of_board(&checkout, "timed").unwrap();
        assert!(timed.iter().all(|name| !faults.contains(name)));
        assert!(of_board(&checkout, "nothing").is_err());
    }

    #[test]
    fn a_test_that_is_not_listed_is_an_error_unless_there_may_be_more() {
        let ran = ["a".to_owned(), "b".to_owned()];
        let check = |names: Result<Names>| names.unwrap().ensure_known(&ran);
        assert!(check(Names::all(["b", "c", "a"])).is_ok());
        let error = check(Names::all(["a"])).unwrap_err().to_string();
        assert!(error.contains("'b'"), "{error}");
        assert!(check(Names::with_more(["a"], "more")).is_ok());
    }

    #[test]
    fn a_filter_loses_the_part_that_only_the_suffix_can_have() {
        let of = |filter| without_suffix(filter, ", debug");
        assert_eq!(of(""), "");
        assert_eq!(of("debug"), "");
        assert_eq!(of("a crop"), " 'a crop'");
        assert_eq!(of("a crop, debug"), " 'a crop'");
        assert_eq!(of("a crop, de"), " 'a crop'");
        assert_eq!(of("a crop, rt"), " 'a crop, rt'");
        assert_eq!(of("it's"), r" 'it'\''s'");
        assert_eq!(without_suffix("a crop", ""), " 'a crop'");
    }
}
