// SPDX-License-Identifier: GPL-2.0

//! The verdicts of a run: a line for each check, fault and difference, and the counts as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::judge::{Check, Fault, Verdict};
use crate::matrix::{self, Combination};
use crate::sequence::Difference;

/// How many deviations of a kind are printed in full.
const TOLD: usize = 3;

/// Returns the line for a fault or difference, which at least one combination must show.
fn shown(name: &str, count: usize) -> String {
    // The name of a failure ends at a colon followed by a space.
    match count {
        0 => format!("FAIL {}: no combination shows it", name.replace(": ", ", ")),
        _ => format!("ok {}", name.replace(": ", ", ")),
    }
}

/// The results of all combinations.
#[derive(Default)]
pub struct Report {
    combinations: usize,
    alike: usize,
    faults: BTreeMap<Fault, usize>,
    differences: BTreeMap<Difference, usize>,
    /// How many combinations with fault 13 have only whole blocks.
    whole_blocks: usize,
    frames: usize,
    frames_compared: usize,
    frames_modelled: usize,
    complaints: BTreeMap<Check, Vec<String>>,
}

impl Report {
    /// Adds the verdict on a combination's registers.
    pub fn add(&mut self, combination: &Combination, verdict: Verdict) {
        self.combinations += 1;
        self.alike += usize::from(verdict.faults.is_empty());
        for &fault in &verdict.faults {
            *self.faults.entry(fault).or_default() += 1;
        }
        for &difference in &verdict.differences {
            *self.differences.entry(difference).or_default() += 1;
        }
        let size = combination.setting.destination;
        let whole = size.width % 16 == 0 && size.height % 16 == 0;
        self.whole_blocks += usize::from(whole && verdict.faults.contains(&Fault::EqualBlocks));
        self.complain(verdict);
    }

    /// Adds the verdict on a combination's frame. Its registers were added before.
    pub fn add_frame(&mut self, combination: &Combination, verdict: Verdict) {
        self.frames += 1;
        self.frames_compared += usize::from(verdict.frames_compared);
        self.frames_modelled += usize::from(verdict.frame_modelled);
        if !verdict.frames_compared && !verdict.frame_modelled {
            let what = format!("{combination}: a frame was not looked at");
            self.complaints.entry(Check::Frames).or_default().push(what);
        }
        self.complain(verdict);
    }

    fn complain(&mut self, verdict: Verdict) {
        for (check, what) in verdict.complaints {
            self.complaints.entry(check).or_default().push(what);
        }
    }

    fn differing(&self, fault: Fault) -> usize {
        self.faults.get(&fault).copied().unwrap_or(0)
    }

    fn showing(&self, difference: Difference) -> usize {
        self.differences.get(&difference).copied().unwrap_or(0)
    }

    /// Returns the verdicts, as `ok NAME` and `FAIL NAME: WHY`. The names are the same in each run;
    /// the counts are in [`Report::json`].
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = [
            ("formats are as asked for", Check::Formats),
            ("buffers and maps have places of their own", Check::Places),
            (
                "registers are equal, or different by a fault",
                Check::Registers,
            ),
            ("crops are as asked for, and in no register", Check::Crops),
            (
                "maps are those that were set, composed with the crop",
                Check::Maps,
            ),
            (
                "register accesses are in the order of the C driver",
                Check::Sequence,
            ),
        ]
        .map(|(name, check)| self.line(name, check))
        .into();
        for difference in Difference::ALL {
            let (number, about) = (difference.number(), difference.about());
            let name = format!("difference {number} in register access: {about}");
            lines.push(shown(&name, self.showing(difference)));
        }
        for fault in Fault::ALL {
            let name = format!(
                "fault {} of the C driver: {}",
                fault.number(),
                fault.about()
            );
            lines.push(shown(&name, self.differing(fault)));
        }
        let name = "sizes of destinations are as computed";
        lines.push(self.line(name, Check::Bounds));
        let name = "frames are equal, or the model's where a fault or a crop makes them others";
        lines.push(match self.frames_compared.min(self.frames_modelled) {
            0 => format!("FAIL {name}: not both kinds were compared"),
            _ => self.line(name, Check::Frames),
        });
        lines
    }

    fn line(&self, name: &str, check: Check) -> String {
        let complaints = self.complaints.get(&check).map_or(&[][..], Vec::as_slice);
        if complaints.is_empty() {
            return format!("ok {name}");
        }
        let told = complaints[..complaints.len().min(TOLD)].join("; ");
        format!("FAIL {name}: {} complaints; {told}", complaints.len())
    }

    /// Returns whether there is no deviation.
    pub fn good(&self) -> bool {
        self.lines().iter().all(|line| line.starts_with("ok "))
    }

    /// Returns the counts.
    pub fn json(&self) -> Value {
        let fault = |fault: Fault| {
            let count = self.differing(fault);
            (
                fault.number().to_string(),
                json!({"about": fault.about(), "combinations": count}),
            )
        };
        let complaint = |(check, told): (&Check, &Vec<String>)| {
            let first: Vec<&String> = told.iter().take(100).collect();
            (
                format!("{check:?}").to_lowercase(),
                json!({"count": told.len(), "first": first}),
            )
        };
        let difference = |difference: Difference| {
            let count = self.showing(difference);
            (
                difference.number().to_string(),
                json!({"about": difference.about(), "combinations": count}),
            )
        };
        json!({
            "combinations": self.combinations,
            "size_pairs": matrix::sizes(),
            "alike": self.alike,
            "differ_by_fault": Fault::ALL.map(fault).into_iter().collect::<BTreeMap<_, _>>(),
            "fault_13_with_whole_blocks": self.whole_blocks,
            "differences": Difference::ALL.map(difference).into_iter().collect::<BTreeMap<_, _>>(),
            "frames": self.frames,
            "frames_that_had_to_be_equal": self.frames_compared,
            "frames_that_had_to_be_the_models": self.frames_modelled,
            "complaints": self.complaints.iter().map(complaint).collect::<BTreeMap<_, _>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Extent;

    fn report(verdicts: &[Verdict]) -> Report {
        let combination = matrix::combinations(Extent::Registers)[0];
        let mut report = Report::default();
        for verdict in verdicts {
            report.add(&combination, verdict.clone());
            report.add_frame(&combination, verdict.clone());
        }
        report
    }

    fn with(faults: &[Fault], differences: &[Difference]) -> Verdict {
        Verdict {
            faults: faults.iter().copied().collect(),
            differences: differences.iter().copied().collect(),
            frames_compared: faults.is_empty(),
            frame_modelled: !faults.is_empty(),
            complaints: Vec::new(),
        }
    }

    fn plain() -> Verdict {
        with(&[], &[])
    }

    fn all() -> Verdict {
        with(&Fault::ALL, &Difference::ALL)
    }

    fn failures(report: &Report) -> Vec<String> {
        let failed = |line: &String| line.starts_with("FAIL ");
        report.lines().into_iter().filter(failed).collect()
    }

    #[test]
    fn counts_are_told_by_fault_and_by_difference() {
        let some = with(&[Fault::Bounds], &[Difference::CropInMap]);
        let report = report(&[plain(), all(), some]);
        assert!(report.good(), "{:?}", report.lines());
        let json = report.json();
        assert_eq!(json["alike"], 1);
        assert_eq!(json["differ_by_fault"]["18"]["combinations"], 2);
        assert_eq!(json["differ_by_fault"]["13"]["combinations"], 1);
        assert_eq!(json["differences"]["1"]["combinations"], 2);
        assert_eq!(json["differences"]["8"]["combinations"], 1);
        assert_eq!(json["fault_13_with_whole_blocks"], 1);
        assert_eq!(json["frames_that_had_to_be_equal"], 1);
        assert_eq!(json["frames_that_had_to_be_the_models"], 2);
    }

    #[test]
    fn a_line_has_one_name_whatever_it_finds() {
        let name = |line: &String| {
            let name = line.strip_prefix("ok ").or(line.strip_prefix("FAIL "));
            name.unwrap().split(": ").next().unwrap().to_owned()
        };
        let names = |report: &Report| report.lines().iter().map(name).collect::<Vec<_>>();
        assert_eq!(names(&report(&[])), names(&report(&[plain(), all()])));
    }

    #[test]
    fn what_never_shows_and_frames_that_are_never_compared_are_failures() {
        let failures = failures(&report(&[with(&[Fault::Bounds], &[Difference::Reset])]));
        assert_eq!(failures.len(), 2 + 7 + 1, "{failures:?}");
    }

    #[test]
    fn a_frame_that_was_not_looked_at_is_a_failure() {
        let unseen = Verdict {
            frames_compared: false,
            ..plain()
        };
        let failures = failures(&report(&[plain(), all(), unseen]));
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert!(
            failures[0].contains("a frame was not looked at"),
            "{failures:?}"
        );
    }

    #[test]
    fn complaints_are_counted_and_the_first_are_told() {
        let mut bad = all();
        bad.complaints = vec![(Check::Registers, "SWAP_CONTROL".to_owned())];
        let report = report(&[plain(), bad.clone(), bad]);
        let due = "FAIL registers are equal, or different by a fault: 4 complaints; SWAP_CONTROL; \
                   SWAP_CONTROL; SWAP_CONTROL";
        assert_eq!(failures(&report), [due]);
        assert_eq!(report.json()["complaints"]["registers"]["count"], 4);
    }
}
