// SPDX-License-Identifier: GPL-2.0

//! The report of a run: lines that compare this project's assumptions with what the board did,
//! times, pictures and raw texts. `first-light.json` is this structure, and `first-light.html` is
//! made from it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::module::Driver;
use crate::worlds::{DEFAULT, NOT_TOLD_APART};

/// The result of a line for its assumption.
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
    /// Returns the verdict in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsAssumed => "as assumed",
            Self::Differs => "differs",
            Self::NotToldApart => "not told apart",
            Self::NotMeasured => "not measured",
        }
    }
}

/// One assumption, and its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The name of the step.
    pub step: String,
    /// The module of the driver that was loaded.
    pub driver: String,
    /// The subject of the line.
    pub topic: String,
    /// What this project assumes.
    pub assumed: String,
    /// What the board did.
    pub found: String,
    /// Whether that is the same.
    pub verdict: Verdict,
    /// The world in which the engine does what the board did, or a note that several worlds do.
    pub world: String,
}

impl Line {
    /// Creates a line of a step and a driver.
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

/// A line without its step and driver.
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

    /// Creates a line: the board did what is assumed, which the engine does in the default world
    /// only.
    pub fn as_assumed(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::AsAssumed, DEFAULT)
    }

    /// Creates a line: the board did what is assumed, which the engine also does in other worlds.
    pub fn allowed(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::AsAssumed, NOT_TOLD_APART)
    }

    /// Creates a line: the board did something else, which the engine does in the world of this
    /// name.
    pub fn world(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
        world: &'static str,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::Differs, world)
    }

    /// Creates a line: the board did something else, which the engine does in no world.
    pub fn differs(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::Differs, NOT_TOLD_APART)
    }

    /// Creates a line: the board did nothing by which the assumption can be judged.
    pub fn open(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, found, Verdict::NotToldApart, NOT_TOLD_APART)
    }

    /// Creates a line: nothing was measured, for this reason.
    pub fn not_measured(
        topic: impl Into<String>,
        assumed: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self::new(topic, assumed, why, Verdict::NotMeasured, NOT_TOLD_APART)
    }
}

/// The speed of frames of one kind.
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
    /// The shortest time of a frame, in nanoseconds. 0 if none was returned.
    pub least_ns: u64,
    /// The clock of the time: `engine` (start to gate, by the driver) or `wall` (from queueing to
    /// the return of the buffer, by this program).
    pub clock: String,
    /// The destination's pixels in a cycle of the AXI clock.
    pub pixels_per_clock: f64,
    /// The picture, compared with the model's.
    pub picture: String,
    /// The picture, compared with that of the calculation mode.
    pub beside_calculation: String,
}

/// A picture for the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Picture {
    /// The module of the driver.
    pub driver: String,
    /// The title.
    pub title: String,
    /// The text below it.
    pub caption: String,
    /// The file, in base64.
    pub png: String,
}

/// A text from the board, unchanged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Text {
    /// The module of the driver.
    pub driver: String,
    /// The title.
    pub title: String,
    /// The text.
    pub text: String,
}

/// All results of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The version of this program.
    pub version: String,
    /// The options that it was run with.
    pub options: Vec<String>,
    /// When the run began, in UTC.
    pub began: String,
    /// The facts about the board.
    pub board: Vec<(String, String)>,
    /// How far a former run in the same directory got.
    pub former: Option<String>,
    /// The exit status: 0, 1 or 2.
    pub status: u8,
    /// Why the run had to stop, if it had to.
    pub stopped: Option<String>,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// The number of steps that were run, and of all steps.
    pub steps: [usize; 2],
    /// The number of frames that were processed with each driver, in the order in which the drivers
    /// were loaded.
    pub frames: Vec<(String, u64)>,
    /// The worlds other than the default one that lines name.
    pub worlds: BTreeSet<String>,
    /// The lines.
    pub lines: Vec<Line>,
    /// The speeds of frames.
    pub speeds: Vec<Speed>,
    /// Registers, statistics and the kernel's log.
    pub texts: Vec<Text>,
    /// Pictures.
    pub pictures: Vec<Picture>,
}

impl Report {
    /// Returns how many lines have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let has = |line: &&Line| line.verdict == verdict;
        self.lines.iter().filter(has).count()
    }

    /// Adds a line.
    pub fn add(&mut self, line: Line) {
        if line.world != DEFAULT && line.world != NOT_TOLD_APART {
            self.worlds.insert(line.world.clone());
        }
        self.lines.push(line);
    }

    /// Sets the exit status from the lines.
    pub fn judge(&mut self) {
        self.status = match (&self.stopped, self.count(Verdict::Differs)) {
            (Some(_), _) => 2,
            (None, 0) => 0,
            (None, _) => 1,
        };
    }

    /// Returns the report in a sentence.
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
