// SPDX-License-Identifier: GPL-2.0

//! Reads the driver's counters in debugfs for tests.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::binding::Binding;
use crate::v4l2::Device;

/// Counters by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    /// Parses a paragraph of `name: value` lines.
    fn parse(text: &str) -> Result<Self> {
        ensure!(!text.is_empty(), "there is nothing");
        let number = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        let numbers = text
            .lines()
            .map(|line| number(line).with_context(|| format!("'{line}' is not 'name: number'")));
        Ok(Self(numbers.collect::<Result<_>>()?))
    }

    /// Returns the counter of this name.
    pub fn get(&self, name: &str) -> Result<u64> {
        let number = self.0.get(name);
        number
            .copied()
            .with_context(|| format!("there is no '{name}'"))
    }

    /// Returns the increase of each counter since `before`, for those that increased. Times are
    /// left out.
    fn since(&self, before: &Self) -> BTreeMap<&str, u64> {
        let more = self.0.iter().filter_map(|(name, now)| {
            let then = before.0.get(name).copied().unwrap_or(0);
            let counted = !name.contains("_ns_") && *now != then;
            counted.then(|| (name.as_str(), now.wrapping_sub(then)))
        });
        more.collect()
    }

    /// Checks that exactly this was counted since `before`.
    ///
    /// There is one exception: if a board stands still for longer than a short watchdog time, the
    /// watchdog may have fired for frames that then end as they should, and the engine was reset
    /// after them.
    pub fn ensure_since(&self, before: &Self, due: &[(&str, u64)]) -> Result<()> {
        self.compare(before, due, watchdog_is_short()?)
    }

    fn compare(&self, before: &Self, due: &[(&str, u64)], may_be_late: bool) -> Result<()> {
        let mut got = self.since(before);
        let mut due: BTreeMap<_, _> = due.iter().copied().collect();
        let told = format!("{got:?} was counted, not {due:?}");
        let frames = |name| due.get(name).copied().unwrap_or(0);
        let done = frames("frames_done");
        // The engine is reset after these in any case.
        let by_error = frames("frames_failed").saturating_sub(frames("watchdog_fired"));
        let mut out = |name| (got.remove(name).unwrap_or(0), due.remove(name).unwrap_or(0));
        let ((fired, due_fired), (resets, due_resets)) =
            (out("watchdog_fired"), out("engine_resets"));
        let most = if may_be_late { done + by_error } else { 0 };
        let in_place = fired.checked_sub(due_fired).is_some_and(|late| {
            let least = due_resets + late.saturating_sub(by_error);
            late <= most && (least..=due_resets + late.min(done)).contains(&resets)
        });
        ensure!(got == due && in_place, told);
        Ok(())
    }
}

/// Returns whether the driver's watchdog may fire on a machine with much other work.
fn watchdog_is_short() -> Result<bool> {
    const LONG_MS: u32 = 30_000;
    let path = format!("/sys/kernel/debug/{}/watchdog_ms", Binding::find()?.name);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ms: u32 = text.trim().parse().with_context(|| format!("in {path}"))?;
    // 0 means a time by the frame's size, which is a second at least.
    Ok(ms < LONG_MS)
}

/// The content of the file at one time.
pub struct Statistics {
    /// The counters of the device.
    pub device: Numbers,
    /// The counters of all open files, in the order in which they were opened.
    pub contexts: Vec<Numbers>,
}

impl Statistics {
    /// Reads the counters of a device.
    pub fn read(device: &Device) -> Result<Self> {
        let path = format!("/sys/kernel/debug/{}/statistics", device.name()?);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        Self::parse(&text).with_context(|| format!("in {path}"))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut paragraphs = text.split("\n\n").map(Numbers::parse);
        let device = paragraphs.next().context("there is no paragraph")??;
        Ok(Self {
            device,
            contexts: paragraphs.collect::<Result<_>>()?,
        })
    }

    /// Returns the counters of the files that this process has opened.
    pub fn own(&self) -> Vec<&Numbers> {
        let process = u64::from(std::process::id());
        let own = |context: &&Numbers| context.get("process").is_ok_and(|id| id == process);
        self.contexts.iter().filter(own).collect()
    }
}

/// Returns the context numbers of the files of `device` that this process has opened.
pub fn own_numbers(device: &Device) -> Result<Vec<u64>> {
    let statistics = Statistics::read(device)?;
    let own = statistics.own().into_iter();
    own.map(|context| context.get("context")).collect()
}

#[cfg(test)]
mod self_tests {
    use super::*;

    const TEXT: &str = "done: 3\nlate: 0\n\ncontext: 1\ndone: 1\n\ncontext: 2\ndone: 2\n";

    #[test]
    fn paragraphs_are_the_device_and_its_files() {
        let statistics = Statistics::parse(TEXT).unwrap();
        assert_eq!(statistics.device.get("done").unwrap(), 3);
        let numbers = |context: &Numbers| {
            (
                context.get("context").unwrap(),
                context.get("done").unwrap(),
            )
        };
        let contexts: Vec<_> = statistics.contexts.iter().map(numbers).collect();
        assert_eq!(contexts, [(1, 1), (2, 2)]);
        assert!(statistics.own().is_empty());
        for wrong in ["", "done: 3\nlate", "done: 3\n\ndone: many\n", "done:3"] {
            assert!(Statistics::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_count_too_many_too_few_or_of_another_kind_is_seen() {
        let numbers = |text| Numbers::parse(text).unwrap();
        let before = numbers("done: 3\nlate: 0\nwait_ns_last: 7\n");
        let after = numbers("done: 5\nlate: 0\nwait_ns_last: 9\n");
        assert!(after.compare(&before, &[("done", 2)], true).is_ok());
        assert!(before.compare(&before, &[], true).is_ok());
        for wrong in [
            &[][..],
            &[("done", 1)],
            &[("done", 2), ("late", 1)],
            &[("late", 2)],
        ] {
            assert!(after.compare(&before, wrong, true).is_err(), "{wrong:?}");
        }
        assert!(before.compare(&after, &[], true).is_err());
    }

    #[test]
    fn a_watchdog_fires_beside_no_more_frames_than_are_done_and_only_a_short_one() {
        let counted = |fired, resets, may_be_late| {
            let due = [
                ("frames_done", 2),
                ("watchdog_fired", 1),
                ("engine_resets", 1),
            ];
            let after =
                format!("frames_done: 2\nwatchdog_fired: {fired}\nengine_resets: {resets}\n");
            let before = Numbers::default();
            let after = Numbers::parse(&after).unwrap();
            after.compare(&before, &due, may_be_late).is_ok()
        };
        assert!(counted(1, 1, false) && counted(1, 1, true));
        for both in [2, 3] {
            assert!(
                counted(both, both, true) && !counted(both, both, false),
                "{both}"
            );
        }
        for (fired, resets) in [(0, 0), (0, 1), (1, 0), (1, 2), (2, 1), (2, 3), (4, 4)] {
            assert!(!counted(fired, resets, true), "{fired} {resets}");
        }
        // The engine is reset once after a frame with an error, whichever of the two ends it.
        let due = [
            ("frames_done", 1),
            ("frames_failed", 1),
            ("engine_resets", 1),
        ];
        let after = |fired, resets| {
            let text = format!(
                "frames_done: 1\nframes_failed: 1\nwatchdog_fired: {fired}\nengine_resets: {resets}\n"
            );
            let after = Numbers::parse(&text).unwrap();
            after.compare(&Numbers::default(), &due, true).is_ok()
        };
        assert!(after(0, 1) && after(1, 1) && after(1, 2) && after(2, 2));
        assert!(!after(0, 2) && !after(2, 1) && !after(2, 3) && !after(3, 3));
    }
}
