// SPDX-License-Identifier: GPL-2.0

//! What a run reports: lines that set what this project assumes beside what the board did, times,
//! pictures and raw texts. `first-light.json` is this, and `first-light.html` is made of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::module::Driver;
use crate::worlds::{DEFAULT, NOT_TOLD_APART};

/// What a line says about the assumption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The board did what is assumed.
    AsAssumed,
    /// The board did something else.
    Differs,
    /// The board did nothing by which the assumption can be judged.
    NotToldApart,
    /// Nothing was measured; the line says why.
    NotMeasured,
}

impl Verdict {
    /// The words for it.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsAssumed => "as assumed",
            Self::Differs => "differs",
            Self::NotToldApart => "not told apart",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One assumption, and what became of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The step, in words.
    pub step: String,
    /// The module of the driver that was loaded.
    pub driver: String,
    /// What the line is about.
    pub topic: String,
    /// What this project assumes.
    pub assumed: String,
    /// What the board did.
    pub found: String,
    /// Whether that is the same.
    pub verdict: Verdict,
    /// The world that this is, or that none is told from another.
    pub world: String,
}

impl Line {
    /// A line of a step and a driver.
    pub fn of(judged: Judged, step: &str, driver: Driver) -> Self {
        Self {
            step: step.to_owned(),
            driver: driver.module().to_owned(),
            topic: judged.topic,
            assumed: judged.assumed,
            found: judged.found,
            verdict: judged.verdict,
            world: judged.world.to_owned(),
        }
    }
}

/// A line that is being made, before it has a step and a driver.
pub struct Judged {
    pub(crate) topic: String,
    pub(crate) assumed: String,
    pub(crate) found: String,
    pub(crate) verdict: Verdict,
    pub(crate) world: &'static str,
}

impl Judged {
    fn new(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
        verdict: Verdict,
        world: &'static str,
    ) -> Self {
        Self {
            topic: topic.into(),
            assumed: assumed.into(),
            found: found.into(),
            verdict,
            world,
        }
    }

    /// The board did what is assumed, which it does in the default world alone.
    pub fn as_assumed(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::AsAssumed, DEFAULT)
    }

    /// The board did what is assumed, and would in other worlds, too.
    pub fn allowed(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::AsAssumed, NOT_TOLD_APART)
    }

    /// The board did something else: what it does in the world of this name.
    pub fn world(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
        world: &'static str,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::Differs, world)
    }

    /// The board did something else, which no world has a name for.
    pub fn differs(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::Differs, NOT_TOLD_APART)
    }

    /// The board did nothing by which the assumption can be judged.
    pub fn open(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::NotToldApart, NOT_TOLD_APART)
    }

    /// Nothing was measured, for this reason.
    pub fn not_measured(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, why, Verdict::NotMeasured, NOT_TOLD_APART)
    }
}

/// How fast frames of one kind are made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Speed {
    /// The module of the driver.
    pub driver: String,
    /// The map's name.
    pub map: String,
    /// The prefetch mode's name.
    pub mode: String,
    /// The source's size.
    pub source: String,
    /// The destination's size.
    pub target: String,
    /// The least time that a frame took, in nanoseconds. 0 if none came back.
    pub least_ns: u64,
    /// What the time is of: `engine` (start to gate, by the driver) or `wall` (from queueing to the
    /// return of the buffer, by this program).
    pub clock: String,
    /// The destination's pixels in a cycle of the AXI clock.
    pub pixels_per_clock: f64,
    /// The picture beside the model's.
    pub picture: String,
    /// The picture beside that of the calculation mode.
    pub beside_calculation: String,
}

/// A picture for the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Picture {
    /// The module of the driver.
    pub driver: String,
    /// What it shows.
    pub title: String,
    /// What is to be said of it.
    pub caption: String,
    /// The file, in base64.
    pub png: String,
}

/// A text as the board gave it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Text {
    /// The module of the driver.
    pub driver: String,
    /// What it is.
    pub title: String,
    /// The text.
    pub text: String,
}

/// All that a run found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The version of this program.
    pub version: String,
    /// The options that it was run with.
    pub options: Vec<String>,
    /// When it began, in UTC.
    pub began: String,
    /// What the board says of itself.
    pub board: Vec<(String, String)>,
    /// How far a former run in the same directory got.
    pub former: Option<String>,
    /// The exit status: 0, 1 or 2.
    pub status: u8,
    /// Why it had to stop, if it had to.
    pub stopped: Option<String>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Steps that were run, of how many.
    pub steps: [usize; 2],
    /// Frames that were sent with each driver, in the order in which they were loaded.
    pub frames: Vec<(String, u64)>,
    /// The worlds other than the default one that lines name.
    pub worlds: BTreeSet<String>,
    /// The lines.
    pub lines: Vec<Line>,
    /// How fast frames are made.
    pub speeds: Vec<Speed>,
    /// Registers, statistics and the kernel's log.
    pub texts: Vec<Text>,
    /// Pictures.
    pub pictures: Vec<Picture>,
}

impl Report {
    /// How many lines have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let has = |line: &&Line| line.verdict == verdict;
        self.lines.iter().filter(has).count()
    }

    /// Takes a line.
    pub fn add(&mut self, line: Line) {
        if line.world != DEFAULT && line.world != NOT_TOLD_APART {
            self.worlds.insert(line.world.clone());
        }
        self.lines.push(line);
    }

    /// The exit status that the lines amount to.
    pub fn judge(&mut self) {
        self.status = match (&self.stopped, self.count(Verdict::Differs)) {
            (Some(_), _) => 2,
            (None, 0) => 0,
            (None, _) => 1,
        };
    }

    /// The report in a sentence.
    pub fn summary(&self) -> String {
        let count = |verdict: Verdict| self.count(verdict);
        let counts = format!(
            "{} lines as assumed, {} that differ, {} not told apart, {} not measured",
            count(Verdict::AsAssumed),
            count(Verdict::Differs),
            count(Verdict::NotToldApart),
            count(Verdict::NotMeasured)
        );
        match &self.stopped {
            Some(why) => format!("Stopped: {why}. {counts}."),
            None => format!("{counts}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(judged: Judged) -> Line {
        Line::of(judged, "a step", Driver::Rust)
    }

    #[test]
    fn the_status_is_2_when_stopped_1_when_a_line_differs_and_0_otherwise() {
        let mut report = Report::default();
        report.add(line(Judged::as_assumed("a", "b", "b")));
        report.add(line(Judged::open("a", "b", "c")));
        report.add(line(Judged::not_measured("a", "b", "c")));
        report.judge();
        assert_eq!((report.status, report.worlds.len()), (0, 0));
        report.add(line(Judged::world("a", "b", "c", "slow")));
        report.add(line(Judged::differs("a", "b", "c")));
        report.judge();
        assert_eq!(report.status, 1);
        assert_eq!(report.worlds, BTreeSet::from(["slow".to_owned()]));
        report.stopped = Some("the bus hangs".to_owned());
        report.judge();
        assert_eq!(report.status, 2);
        assert!(report.summary().starts_with("Stopped: the bus hangs."));
    }
}
