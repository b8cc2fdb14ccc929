// SPDX-License-Identifier: GPL-2.0

//! Reports the driver's counts of interrupts and errors, and how much the engine's time
//! varies.

use std::collections::BTreeMap;
use std::fs;

use crate::frame::Shot;
use crate::module::Driver;
use crate::registers::DIRECTORY;
use crate::report::Judged;
use crate::session::{Outcome, Session, simple};

/// The device's counters in the driver's statistics.
pub struct Counts {
    numbers: BTreeMap<String, u64>,
    text: String,
}

impl Counts {
    /// Reads the counters; [`None`] if the driver has none.
    pub fn read() -> Option<Self> {
        let text = fs::read_to_string(format!("{DIRECTORY}/statistics")).ok()?;
        Some(Self::parse(text))
    }

    fn parse(text: String) -> Self {
        let device = text.split("\n\n").next().unwrap_or_default();
        let number = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self {
            numbers: device.lines().filter_map(number).collect(),
            text,
        }
    }

    /// Returns a counter; 0 if there is no such counter.
    pub fn get(&self, name: &str) -> u64 {
        self.known(name).unwrap_or(0)
    }

    /// Returns a counter, if there is one.
    pub fn known(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// Returns the errors, by name, whose counters are not 0.
    fn errors(&self) -> Vec<(&str, u64)> {
        let name = |name: &str| -> Option<usize> { name.starts_with("errors_").then_some(7) };
        self.numbers
            .iter()
            .filter(|(_, count)| **count > 0)
            .filter_map(|(full, count)| Some((&full[name(full)?..], *count)))
            .collect()
    }
}

/// Processes many equal frames, and reports how much their times differ.
pub fn spread(session: &mut Session) -> Outcome {
    let (simple, source) = simple()?;
    let shot = Shot {
        count: session.sizes.repeats,
        ..simple
    };
    let what = format!("{} equal frames of 176x144", shot.count);
    let shots = session.shoot(&what, &shot, &source)?;
    let topic = "from START to the gate, of equal frames";
    let assumed =
        "the engine takes the same time for each; what differs is the way to the interrupt handler";
    let judged = match shots.engine {
        Some(time) => Judged::open(
            topic,
            assumed,
            format!(
                "{} to {} ns, {} in the mean: the gate came up to {} ns later than at best",
                time.min,
                time.max,
                time.mean,
                time.max - time.min
            ),
        ),
        None => {
            let ends = shots.wall_ns.iter().min().zip(shots.wall_ns.iter().max());
            match ends {
                Some((min, max)) => Judged::open(
                    topic,
                    assumed,
                    format!(
                        "{min} to {max} ns from queueing to return: the C driver tells nothing of the gate"
                    ),
                ),
                None => Judged::not_measured(topic, assumed, "no frame came back as done"),
            }
        }
    };
    Ok(session.report(judged)?)
}

/// Reports what was counted in this driver's turn.
pub fn run(session: &mut Session) -> Outcome {
    if session.driver == Driver::C {
        return c_driver(session);
    }
    let Some(counts) = Counts::read() else {
        let why = "the driver shows no statistics";
        session.report(Judged::not_measured("statistics", "", why))?;
        return Ok(());
    };
    session.text("statistics", counts.text.clone())?;
    for judged in judge(&counts) {
        session.report(judged)?;
    }
    Ok(())
}

/// Returns the lines that follow from the counters.
fn judge(counts: &Counts) -> Vec<Judged> {
    let (done, failed) = (counts.get("frames_done"), counts.get("frames_failed"));
    let fired = counts.get("watchdog_fired");
    let time_outs = counts.get("errors_bus_time_out");
    let mut lines = Vec::new();

    let topic = "frames that failed";
    let assumed = "none";
    let by_engine = failed.saturating_sub(fired);
    lines.push(match by_engine {
        0 => Judged::allowed(topic, assumed, format!("none of {done}")),
        // Each of these frames reported a time-out, and no frame that was done did.
        count if time_outs == count => Judged::world(
            topic,
            assumed,
            format!(
                "{count} of {}, each by TIME_OUT without FRAME_DONE",
                done + failed
            ),
            "time-out-in-frame",
        ),
        count => Judged::differs(
            topic,
            assumed,
            format!("{count} of {}: {:?}", done + failed, counts.errors()),
        ),
    });

    let topic = "events beside FRAME_DONE";
    let told = counts.errors();
    let beside = told.iter().map(|(_, count)| count).sum::<u64>();
    lines.push(if beside <= by_engine {
        Judged::as_assumed(topic, assumed, "none")
    } else if time_outs >= done && told.len() == 1 {
        Judged::world(
            topic,
            assumed,
            format!("TIME_OUT with {time_outs} of {done} frames"),
            "done-with-time-out",
        )
    } else {
        Judged::differs(topic, assumed, format!("{told:?} of {done} frames"))
    });

    let topic = "FRAME_BUSY at the interrupt";
    let assumed = "0: a frame that is done is in memory";
    lines.push(match counts.known("frames_busy_at_done") {
        None => Judged::not_measured(topic, assumed, "the driver does not count it"),
        Some(0) => Judged::as_assumed(topic, assumed, format!("0 for each of {done} frames")),
        Some(busy) => Judged::world(
            topic,
            assumed,
            format!("1 for {busy} of {done} frames; the driver waited for it to end"),
            "burst-at-done",
        ),
    });

    let topic = "stale interrupts";
    let assumed = "none: the acknowledgement arrives before the end of interrupt";
    lines.push(match counts.get("interrupts_stale") {
        0 => Judged::as_assumed(topic, assumed, "none"),
        stale if 2 * stale >= done => Judged::world(
            topic,
            assumed,
            format!("{stale} beside {done} frames"),
            "late-writes",
        ),
        stale => Judged::differs(topic, assumed, format!("{stale} beside {done} frames")),
    });

    let topic = "interrupts without an event";
    lines.push(match counts.get("interrupts_silent") {
        0 => Judged::allowed(topic, "none", "none"),
        silent => Judged::differs(topic, "none", format!("{silent} beside {done} frames")),
    });
    lines
}

/// Reports the errors of the C driver. It has no counters, and writes errors to the
/// kernel's log.
fn c_driver(session: &mut Session) -> Outcome {
    let said = session.log.read_new();
    let errors: Vec<&String> = said
        .iter()
        .filter(|line| line.contains("Interrupt error"))
        .collect();
    session.text("kernel log", said.join("\n"))?;
    let (topic, assumed) = ("errors in the kernel's log", "none");
    Ok(session.report(match errors.first() {
        None => Judged::allowed(topic, assumed, "none"),
        Some(first) => Judged::differs(
            topic,
            assumed,
            format!("{} lines, the first is \"{first}\"", errors.len()),
        ),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    fn worlds(text: &str) -> Vec<&'static str> {
        let lines = judge(&Counts::parse(text.to_owned()));
        let named = |line: &Judged| line.verdict == Verdict::Differs;
        lines
            .iter()
            .filter(|line| named(line))
            .map(|line| line.world)
            .collect()
    }

    const QUIET: &str = "interrupts_silent: 0\ninterrupts_stale: 0\nframes_done: 100\nframes_failed: 0\n\
        frames_busy_at_done: 0\nerrors_bus_time_out: 0\nwatchdog_fired: 0\n";

    #[test]
    fn each_number_names_its_world_and_no_other() {
        let with = |name: &str, value: u64| {
            let line = |line: &str| match line.split_once(": ") {
                Some((known, _)) if known == name => format!("{name}: {value}\n"),
                _ => format!("{line}\n"),
            };
            QUIET.lines().map(line).collect::<String>()
        };
        assert!(worlds(QUIET).is_empty());
        assert_eq!(worlds(&with("frames_busy_at_done", 3)), ["burst-at-done"]);
        assert_eq!(worlds(&with("interrupts_stale", 120)), ["late-writes"]);
        assert_eq!(worlds(&with("interrupts_stale", 1)), ["not told apart"]);
        assert_eq!(
            worlds(&with("errors_bus_time_out", 100)),
            ["done-with-time-out"]
        );
        let in_frame = with("errors_bus_time_out", 2).replace("failed: 0", "failed: 2");
        assert_eq!(worlds(&in_frame), ["time-out-in-frame"]);
        let by_watchdog = with("watchdog_fired", 2).replace("failed: 0", "failed: 2");
        assert!(worlds(&by_watchdog).is_empty());
    }

    #[test]
    fn numbers_of_open_files_are_not_the_devices() {
        let text = "frames_done: 3\n\ncontext: 1\nframes_done: 1\nwait_ns_min: 7\n";
        let counts = Counts::parse(text.to_owned());
        assert_eq!(counts.get("frames_done"), 3);
        assert_eq!(counts.known("wait_ns_min"), None);
    }
}
