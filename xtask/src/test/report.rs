// SPDX-License-Identifier: GPL-2.0

//! Collects the results of suites that run in parallel. Prints a line for each test, in the order of
//! the suites, and writes all results as JUnit XML.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

use crate::chown::ChownGuard;

/// A test's result.
pub(super) struct Case {
    pub(super) name: String,
    /// The test's duration, if it is known.
    pub(super) took: Option<Duration>,
    /// Why the test failed, if it did.
    pub(super) failure: Option<String>,
}

impl Case {
    /// Returns the line to print.
    fn line(&self, suite: &str) -> String {
        let name = &self.name;
        match &self.failure {
            None => format!("ok   {suite}: {name}"),
            Some(why) => format!("FAIL {suite}: {name}: {why}"),
        }
    }
}

/// The results of a suite.
struct Suite {
    name: &'static str,
    cases: Vec<Case>,
    /// The number of cases that are printed.
    printed: usize,
    /// The suite's duration, once it has ended.
    took: Option<Duration>,
}

/// The results of all suites of a run.
pub(super) struct Report {
    suites: Vec<Suite>,
    /// The suite whose results are printed at once. The suites before it have ended.
    turn: usize,
}

impl Report {
    /// Returns a report without results.
    pub(super) fn new(suites: impl IntoIterator<Item = &'static str>) -> Self {
        let suite = |name| Suite {
            name,
            cases: Vec::new(),
            printed: 0,
            took: None,
        };
        Self {
            suites: suites.into_iter().map(suite).collect(),
            turn: 0,
        }
    }

    /// Adds a result of a suite. Prints it when all results of the suites before it are printed.
    pub(super) fn add(&mut self, suite: usize, case: Case) {
        self.suites[suite].cases.push(case);
        self.print();
    }

    /// Records that a suite has ended.
    pub(super) fn end(&mut self, suite: usize, took: Duration) {
        self.suites[suite].took = Some(took);
        self.print();
    }

    /// Returns the number of a suite's results.
    pub(super) fn count(&self, suite: usize) -> usize {
        self.suites[suite].cases.len()
    }

    /// Returns the names of a suite's tests that passed.
    pub(super) fn passed(&self, suite: usize) -> Vec<String> {
        let cases = self.suites[suite].cases.iter();
        let passed = cases.filter(|case| case.failure.is_none());
        passed.map(|case| case.name.clone()).collect()
    }

    /// Returns how many tests passed, and how many failed.
    pub(super) fn sums(&self) -> (usize, usize) {
        let all = || self.suites.iter().flat_map(|suite| &suite.cases);
        let failed = all().filter(|case| case.failure.is_some()).count();
        (all().count() - failed, failed)
    }

    fn print(&mut self) {
        for line in self.due() {
            println!("{line}");
        }
    }

    /// Returns the lines that can be printed now, each once.
    fn due(&mut self) -> Vec<String> {
        let mut due = Vec::new();
        while let Some(suite) = self.suites.get_mut(self.turn) {
            let new = &suite.cases[suite.printed..];
            due.extend(new.iter().map(|case| case.line(suite.name)));
            suite.printed = suite.cases.len();
            if suite.took.is_none() {
                break;
            }
            self.turn += 1;
        }
        due
    }

    /// Writes all results as JUnit XML. A test has the name of its line, and the suite as its class.
    pub(super) fn write_junit(&self, file: &Path) -> Result<()> {
        let _chown = ChownGuard::of_new(file);
        std::fs::write(file, self.junit()?).with_context(|| format!("writing {}", file.display()))
    }

    fn junit(&self) -> Result<String> {
        let mut report = quick_junit::Report::new("dw100-rust");
        for suite in &self.suites {
            let mut xml = TestSuite::new(suite.name);
            for case in &suite.cases {
                let status = match &case.failure {
                    None => TestCaseStatus::success(),
                    Some(why) => {
                        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                        status.set_message(why.lines().next().unwrap_or_default());
                        status.set_description(why.as_str());
                        status
                    }
                };
                let mut test = TestCase::new(case.name.as_str(), status);
                test.set_classname(suite.name);
                if let Some(took) = case.took {
                    test.set_time(took);
                }
                xml.add_test_case(test);
            }
            if let Some(took) = suite.took {
                xml.set_time(took);
            }
            report.add_test_suite(xml);
        }
        Ok(report.to_string()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, failure: Option<&str>) -> Case {
        Case {
            name: name.to_owned(),
            took: Some(Duration::from_millis(1500)),
            failure: failure.map(str::to_owned),
        }
    }

    #[test]
    fn lines_come_in_the_order_of_the_suites_whichever_suite_reports_first() {
        let mut report = Report::new(["x", "y", "z"]);
        let mut put = |suite: usize, name: &str| {
            report.suites[suite].cases.push(case(name, None));
            report.due()
        };
        assert_eq!(put(0, "a"), ["ok   x: a"]);
        assert!(put(2, "c").is_empty());
        assert!(put(1, "b").is_empty());
        assert_eq!(put(0, "a too"), ["ok   x: a too"]);
        report.suites[1].took = Some(Duration::ZERO);
        assert!(report.due().is_empty());
        report.suites[0].took = Some(Duration::ZERO);
        assert_eq!(report.due(), ["ok   y: b", "ok   z: c"]);
        report.suites[2].took = Some(Duration::ZERO);
        assert!(report.due().is_empty());
    }

    #[test]
    fn junit_xml_has_each_result_with_its_suite_its_time_and_its_reason() {
        let mut report = Report::new(["x", "y"]);
        report.suites[0].cases = vec![
            case("a < b", None),
            case("c", Some("no \u{1b}[1mframe\nmore")),
        ];
        report.suites[0].took = Some(Duration::from_secs(4));
        let xml = report.junit().unwrap();
        let document = roxmltree::Document::parse(&xml).unwrap();
        let found = |name: &str| -> Vec<roxmltree::Node<'_, '_>> {
            let nodes = document.descendants();
            nodes.filter(|node| node.has_tag_name(name)).collect()
        };
        let suites = found("testsuite");
        let of = |name| suites.iter().map(move |suite| suite.attribute(name));
        assert!(of("name").eq([Some("x"), Some("y")]));
        assert!(of("tests").eq([Some("2"), Some("0")]));
        assert!(of("failures").eq([Some("1"), Some("0")]));
        assert!(of("time").eq([Some("4.000"), None]));
        let cases = found("testcase");
        assert_eq!(cases.len(), 2);
        for (case, name) in cases.iter().zip(["a < b", "c"]) {
            assert_eq!(case.attribute("name"), Some(name));
            assert_eq!(case.attribute("classname"), Some("x"));
            assert_eq!(case.attribute("time"), Some("1.500"));
        }
        let failures = found("failure");
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].attribute("message"), Some("no frame"));
        assert_eq!(failures[0].text(), Some("no frame\nmore"));
        assert_eq!(report.sums(), (1, 1));
    }
}
