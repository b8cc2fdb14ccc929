// SPDX-License-Identifier: GPL-2.0

//! The verdicts of a run together: a line a check and a fault, and the figures as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::judge::{Check, Fault, Verdict};
use crate::matrix::{self, Combination};

/// How many complaints of a kind are told in full.
const TOLD: usize = 3;

/// What was found over all combinations.
#[derive(Default)]
pub struct Report {
    combinations: usize,
    alike: usize,
    faults: BTreeMap<Fault, usize>,
    /// Of fault 13, those whose blocks are all whole.
    whole_blocks: usize,
    frames: usize,
    frames_compared: usize,
    frames_modelled: usize,
    complaints: BTreeMap<Check, Vec<String>>,
}

impl Report {
    /// Adds a combination's registers.
    pub fn add(&mut self, combination: &Combination, verdict: Verdict) {
        self.combinations += 1;
        self.alike += usize::from(verdict.faults.is_empty());
        for &fault in &verdict.faults {
            *self.faults.entry(fault).or_default() += 1;
        }
        let size = combination.setting.destination;
        let whole = size.width % 16 == 0 && size.height % 16 == 0;
        self.whole_blocks += usize::from(whole && verdict.faults.contains(&Fault::EqualBlocks));
        self.complain(verdict);
    }

    /// Adds a combination whose registers were added already, now for its frame.
    pub fn add_frame(&mut self, verdict: Verdict) {
        self.frames += 1;
        self.frames_compared += usize::from(verdict.frames_compared);
        self.frames_modelled += usize::from(verdict.frame_modelled);
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

    /// The verdicts, as `ok NAME` and `FAIL NAME: WHY`.
    pub fn lines(&self) -> Vec<String> {
        let all = self.combinations;
        let alike = self.alike;
        let mut lines = vec![
            self.line(
                &format!("{all} combinations: formats as asked for"),
                &[Check::Formats],
            ),
            self.line(
                &format!("{all} combinations: buffers and maps in places of their own"),
                &[Check::Places],
            ),
            self.line(
                &format!(
                    "{all} combinations: registers equal, or different by a fault ({alike} alike)"
                ),
                &[Check::Registers],
            ),
        ];
        for fault in Fault::ALL {
            let (number, count) = (fault.number(), self.differing(fault));
            let name = format!("fault {number} in {count}: {}, as computed", fault.about());
            let check = match fault {
                Fault::WidthOf4096 | Fault::EqualBlocks => Check::Maps,
                Fault::Crop => Check::Crops,
                Fault::Bounds => Check::Bounds,
            };
            lines.push(match count {
                0 => format!("FAIL {name}: no combination shows it"),
                _ => self.line(&name, &[check]),
            });
        }
        let (frames, compared) = (self.frames, self.frames_compared);
        let modelled = self.frames_modelled;
        let name = format!(
            "{compared} of {frames} frames had to be equal, {modelled} what the model makes of them"
        );
        lines.push(match compared.min(modelled) {
            0 => format!("FAIL {name}: none was compared"),
            _ => self.line(&name, &[Check::Frames]),
        });
        lines
    }

    fn line(&self, name: &str, checks: &[Check]) -> String {
        let found = |check| self.complaints.get(check).into_iter().flatten();
        let complaints: Vec<&String> = checks.iter().flat_map(found).collect();
        if complaints.is_empty() {
            return format!("ok {name}");
        }
        let told: Vec<&str> = complaints
            .iter()
            .take(TOLD)
            .map(|text| text.as_str())
            .collect();
        let count = complaints.len();
        // The name must hold no colon with a blank, which ends it.
        let name = name.replace(": ", ", ");
        format!("FAIL {name}: {count} complaints; {}", told.join("; "))
    }

    /// True if there is nothing to complain of.
    pub fn good(&self) -> bool {
        self.lines().iter().all(|line| line.starts_with("ok "))
    }

    /// The figures.
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
        json!({
            "combinations": self.combinations,
            "size_pairs": matrix::sizes(),
            "alike": self.alike,
            "differ_by_fault": Fault::ALL.map(fault).into_iter().collect::<BTreeMap<_, _>>(),
            "fault_13_with_whole_blocks": self.whole_blocks,
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
            report.add_frame(verdict.clone());
        }
        report
    }

    fn with(faults: &[Fault]) -> Verdict {
        Verdict {
            faults: faults.iter().copied().collect(),
            frames_compared: faults.is_empty(),
            frame_modelled: !faults.is_empty(),
            complaints: Vec::new(),
        }
    }

    #[test]
    fn counts_are_told_by_fault() {
        let report = report(&[with(&[]), with(&Fault::ALL), with(&[Fault::Crop])]);
        let lines = report.lines();
        assert!(report.good(), "{lines:?}");
        assert!(lines[2].contains("3 combinations") && lines[2].contains("(1 alike)"));
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("ok fault 16 in 2: crop"))
        );
        let frames = "ok 1 of 3 frames had to be equal, 2 what the model makes of them";
        assert_eq!(lines.last().unwrap(), frames);
        let json = report.json();
        assert_eq!(json["differ_by_fault"]["16"]["combinations"], 2);
        assert_eq!(json["fault_13_with_whole_blocks"], 1);
    }

    #[test]
    fn a_fault_that_never_shows_and_frames_that_are_never_compared_are_failures() {
        let report = report(&[with(&[Fault::Crop])]);
        assert!(!report.good());
        let failures = report
            .lines()
            .into_iter()
            .filter(|line| line.starts_with("FAIL "));
        assert_eq!(failures.count(), 4);
    }

    #[test]
    fn complaints_are_counted_and_the_first_are_told() {
        let mut bad = with(&Fault::ALL);
        bad.complaints = vec![(Check::Registers, "SWAP_CONTROL".to_owned())];
        let report = report(&[with(&[]), bad.clone(), bad]);
        let lines = report.lines();
        assert!(
            lines[2].starts_with("FAIL 3 combinations, registers"),
            "{}",
            lines[2]
        );
        assert!(lines[2].contains(": 4 complaints; SWAP_CONTROL; SWAP_CONTROL; SWAP_CONTROL"));
        assert_eq!(report.json()["complaints"]["registers"]["count"], 4);
    }
}
