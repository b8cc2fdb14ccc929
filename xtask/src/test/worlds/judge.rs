// SPDX-License-Identifier: GPL-2.0

//! What a driver did in a world, and the complaints about it.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::table::World;
use crate::board::Driver;

/// DST_IMG_SIZE in the trace: the width in the lower half, the height in the upper half.
const SIZE: &str = "0x40";

/// The width of a frame of the scenario `speed`, and its height in world 0. The height grows by 8 with
/// each world.
const SPEED: (u64, u64) = (656, 152);

/// The status bit of a finished frame.
const DONE: u64 = 1;

/// How much longer the engine may take for a frame than with the C driver, in percent.
const SLOWER: i64 = 5;

/// Begins the reason of a boot's end if that is a kernel report.
pub const REPORT: &str = "the kernel reports: ";

/// What a driver did in a world.
#[derive(Default)]
pub struct WorldResult {
    /// The result of each frame, by scenario and name: hashes of its planes, or null if it had to fail.
    frames: BTreeMap<(String, String), Value>,
    /// The pictures of crops that do not show what was asked for.
    wrong_crops: Vec<String>,
    /// Why each scenario was not completed, or `None` if it was.
    ends: BTreeMap<String, Option<String>>,
    /// The engine's time for each frame of the scenario `speed`.
    pub engine_ns: Vec<i64>,
    /// Why the boot ended in this world.
    pub end: Option<String>,
}

impl WorldResult {
    /// Adds a record of `dw100-board worlds`. A last line without its end is left out.
    pub fn read(&mut self, record: &str) -> Result<()> {
        for line in record
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
        {
            let line: Value = serde_json::from_str(line)?;
            let text = |key: &str| line[key].as_str().map(str::to_owned);
            let scenario = text("scenario").context("a line without a scenario")?;
            let Some(frame) = text("frame") else {
                self.ends.insert(scenario, text("end"));
                continue;
            };
            if let Some(shows) = text("shows") {
                self.wrong_crops.push(format!("{frame} shows {shows}"));
            } else if !line["planes"].is_null() || scenario != "crops" {
                self.frames
                    .insert((scenario, frame), line["planes"].clone());
            }
        }
        Ok(())
    }

    /// Returns the median of the engine's times, in nanoseconds.
    fn median_engine_ns(&self) -> Option<i64> {
        let mut times = self.engine_ns.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// Returns the first scenario that should have been completed and was not, with the reason.
    fn missing(&self, due: &[&str]) -> Vec<String> {
        let why = |scenario: &&str| match self.ends.get(*scenario) {
            Some(None) => None,
            Some(Some(why)) => Some(format!("{scenario}: {why}")),
            None => Some(format!("{scenario}: not completed")),
        };
        let mut missing: Vec<String> = due.iter().filter_map(why).collect();
        // The scenarios after it did not run.
        missing.truncate(1);
        missing
    }

    /// Returns the scenario that was not completed, and the kernel's report.
    fn failures(&self, due: &[&str]) -> Vec<String> {
        let mut failures = self.missing(due);
        let reported = |end: &String| end.starts_with(REPORT);
        // If a scenario failed, that is why the script ended.
        let end = self.end.iter();
        let end = end
            .filter(|end| failures.is_empty() || reported(end))
            .cloned();
        let end: Vec<String> = end.collect();
        failures.extend(end);
        failures
    }

    /// Returns the result for `target/worlds.json`.
    pub fn to_json(&self) -> Value {
        json!({
            "scenarios": self.ends,
            "frames": self.frames.len(),
            "wrong_crops": self.wrong_crops,
            "engine_ns": self.median_engine_ns(),
            "end": self.end,
        })
    }
}

/// Returns what is wrong with this driver's result in a world.
pub fn complaints(world: &World, ours: &WorldResult, theirs: &WorldResult) -> Vec<String> {
    let due = |driver| world.scenarios(driver);
    let mut complaints = ours.failures(&due(Driver::Rust));
    let wrong = ours.wrong_crops.iter();
    complaints.extend(wrong.map(|wrong| format!("crops: {wrong}")).take(1));

    let not_theirs = theirs.failures(&due(Driver::C));
    if !world.c_streams {
        if not_theirs.is_empty() {
            complaints.push("the C driver streams here".to_owned());
        }
        return complaints;
    }
    complaints.extend(not_theirs.iter().map(|why| format!("the C driver: {why}")));
    complaints.extend(other_pixels(ours, theirs));
    if let (Some(ours), Some(theirs)) = (ours.median_engine_ns(), theirs.median_engine_ns()) {
        if ours * 100 > theirs * (100 + SLOWER) {
            complaints.push(format!(
                "the engine is slower: {ours} ns a frame, {theirs} with the C driver"
            ));
        }
    }
    complaints
}

/// Returns a complaint about frames that differ from the C driver's, or that are missing although their
/// scenario was completed.
fn other_pixels(ours: &WorldResult, theirs: &WorldResult) -> Option<String> {
    let differ = |(key, their): (_, &Value)| {
        let (scenario, _): &(String, String) = key;
        let completed = ours.ends.get(scenario) == Some(&None);
        let differs = ours.frames.get(key).map_or(completed, |our| our != their);
        differs.then_some(key)
    };
    let mut differing = theirs.frames.iter().filter_map(differ);
    let (scenario, frame) = differing.next()?;
    let more = differing.count();
    Some(format!(
        "{scenario}: other pixels than the C driver's in {frame}, and in {more} other frames"
    ))
}

/// Returns the engine's times for the frames of the scenario `speed` in a trace, with the numbers of
/// their worlds.
pub fn durations(trace: &[Value]) -> Vec<(usize, i64)> {
    let starts = trace.iter().map(|frame| frame["next_start_ns"].as_i64());
    // The first frame of a boot has another size.
    let frames = trace.iter().skip(1).zip(starts);
    frames
        .filter_map(|(frame, start)| {
            let size = frame["regs"][SIZE].as_u64()?;
            let (width, height) = (size & 0xffff, size >> 16);
            let (due, least) = SPEED;
            let number = height.checked_sub(least).filter(|_| width == due)? / 8;
            let done = frame["status"].as_u64()? & DONE != 0;
            let took = frame["irq_ns"].as_i64()? - start?;
            done.then_some((usize::try_from(number).ok()?, took))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::worlds::table;

    /// Returns a record without any complaint.
    fn record(world: &World, driver: Driver) -> String {
        let scenarios = world.scenarios(driver).into_iter();
        scenarios
            .map(|name| {
                let frame = match name {
                    "crops" => "\"shows\":null",
                    _ => "\"planes\":[\"12\",\"34\"]",
                };
                format!(
                    "{{\"scenario\":\"{name}\",\"frame\":\"a\",{frame}}}\n\
                     {{\"scenario\":\"{name}\",\"end\":null}}\n"
                )
            })
            .collect()
    }

    fn seen(record: &str, engine: i64) -> WorldResult {
        let mut seen = WorldResult::default();
        seen.read(record).unwrap();
        seen.engine_ns = vec![engine];
        seen
    }

    #[test]
    fn each_way_to_be_worse_than_the_c_driver_is_a_complaint() {
        let world = &table::all()[1];
        let [good, theirs] = [Driver::Rust, Driver::C].map(|driver| record(world, driver));
        let said = |ours: &WorldResult| complaints(world, ours, &seen(&theirs, 1000)).join("; ");
        assert_eq!(said(&seen(&good, 1050)), "");
        assert!(said(&seen(&good, 1051)).contains("slower: 1051 ns"));

        let stuck = "{\"scenario\":\"maps\",\"end\":\"waiting for frame 3: ETIME\"}";
        let stuck = good.replace("{\"scenario\":\"maps\",\"end\":null}", stuck);
        assert_eq!(
            said(&seen(&stuck, 1000)),
            "maps: waiting for frame 3: ETIME"
        );
        let cut = good.split_inclusive('\n').take(3).collect::<String>() + "{\"scen";
        assert_eq!(said(&seen(&cut, 1000)), "sizes: not completed");

        let other = good.replacen("\"34\"", "\"35\"", 2);
        assert_eq!(
            said(&seen(&other, 1000)),
            "formats: other pixels than the C driver's in a, and in 1 other frames"
        );
        let lacking = "{\"scenario\":\"maps\",\"frame\":\"a\",\"planes\":[\"12\",\"34\"]}\n";
        let lacking = good.replace(lacking, "");
        assert!(said(&seen(&lacking, 1000)).starts_with("maps: other pixels"));
        let crop = good.replace("\"shows\":null", "\"shows\":\"luma 3\"");
        assert_eq!(said(&seen(&crop, 1000)), "crops: a shows luma 3");

        let mut splat = seen(&good, 1000);
        splat.end = Some("the kernel reports: BUG".to_owned());
        assert_eq!(said(&splat), "the kernel reports: BUG");
    }

    #[test]
    fn what_is_assumed_of_the_c_driver_is_checked() {
        let worlds = table::all();
        let (both, ours_alone) = (&worlds[1], worlds.last().unwrap());
        let theirs = seen(&record(both, Driver::C), 1000);
        let nothing = WorldResult::default();
        for (world, good, bad) in [(both, &theirs, &nothing), (ours_alone, &nothing, &theirs)] {
            let ours = seen(&record(world, Driver::Rust), 1000);
            assert!(complaints(world, &ours, good).is_empty());
            let said = complaints(world, &ours, bad).join("; ");
            assert!(said.contains("the C driver"), "{said}");
        }
    }

    #[test]
    fn frames_of_the_right_size_have_the_time_since_their_start() {
        let frame = |size: u64, irq: i64, next: i64, status: u64| json!({"regs": {"0x40": size}, "irq_ns": irq, "next_start_ns": next, "status": status});
        let world = |number: u64| (152 + 8 * number) << 16 | 656;
        let trace = [
            frame(144 << 16 | 176, 90, 100, 1),
            frame(world(3), 350, 400, 1),
            frame(world(3), 500, 600, 2),
            frame(480 << 16 | 640, 700, 800, 1),
            frame(world(0), 850, 900, 3),
        ];
        assert_eq!(durations(&trace), [(3, 250), (0, 50)]);
    }
}
