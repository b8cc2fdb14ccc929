// SPDX-License-Identifier: GPL-2.0

//! The counters of frames and interrupts, which are printed as lines of `name: value`.
//!
//! Each number is correct by itself. Two of them may be from before and after one frame, because
//! counting takes no lock.

use super::status::{
    Errors,
    Status, //
};

use core::{
    fmt,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};

/// A counter of events.
struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Prints a value on a line of its own.
// Not inlined, to have the code once for all callers.
#[inline(never)]
fn show(f: &mut fmt::Formatter<'_>, subject: &str, what: &str, value: u64) -> fmt::Result {
    writeln!(f, "{subject}{what}: {value}")
}

/// The durations of something, nanoseconds.
struct Times {
    count: Counter,
    total: Counter,
    last: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Times {
    const fn new() -> Self {
        Self {
            count: Counter::new(),
            total: Counter::new(),
            last: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }

    fn note(&self, time: u64) {
        self.count.add(1);
        self.total.add(time);
        self.last.store(time, Relaxed);
        // Most values are neither, and a load is cheaper.
        if time < self.min.load(Relaxed) {
            self.min.fetch_min(time, Relaxed);
        }
        if time > self.max.load(Relaxed) {
            self.max.fetch_max(time, Relaxed);
        }
    }

    /// Prints the durations. All are 0 if there was none.
    fn show(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let min = match self.min.load(Relaxed) {
            u64::MAX => 0,
            min => min,
        };
        let mean = self.total.get() / self.count.get().max(1);
        show(f, name, "_ns_last", self.last.load(Relaxed))?;
        show(f, name, "_ns_min", min)?;
        show(f, name, "_ns_max", self.max.load(Relaxed))?;
        show(f, name, "_ns_mean", mean)
    }
}

/// The end of a frame that the engine was started with.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Whether it was returned as done, and not as failed.
    pub done: bool,
    /// The engine's status: its events, and whether it was busy.
    pub status: Status,
    /// The time from when the later one of its two buffers was given to the driver (by
    /// `VIDIOC_QBUF` or `MEDIA_REQUEST_IOC_QUEUE`, or by `VIDIOC_STREAMON` if that came later)
    /// until its registers were about to be written, nanoseconds.
    pub wait: u64,
    /// The time from then until its interrupt handler had disabled the AXI master, nanoseconds. It
    /// includes the time that a frame that is done and busy had to end its last burst. [`None`] if
    /// the watchdog or unbinding ended the frame.
    pub engine: Option<u64>,
    /// Whether the engine was reset after the frame.
    pub reset: bool,
}

/// The names under which the errors of [`Errors::NAMES`] are counted.
const ERRORS: [&str; Errors::NAMES.len()] = [
    "bus_time_out",
    "axi_response",
    "x",
    "macroblock_fetch",
    "frame_2",
    "frame_3",
    "frame_done",
];

/// The counters of frames.
pub struct Frames {
    done: Counter,
    failed: Counter,
    errors: [Counter; Errors::NAMES.len()],
    timed_out: Counter,
    resets: Counter,
    busy_at_done: Counter,
    engine: Times,
    wait: Times,
}

impl Frames {
    /// Creates the counters, which are 0.
    pub const fn new() -> Self {
        Self {
            done: Counter::new(),
            failed: Counter::new(),
            errors: [const { Counter::new() }; Errors::NAMES.len()],
            timed_out: Counter::new(),
            resets: Counter::new(),
            busy_at_done: Counter::new(),
            engine: Times::new(),
            wait: Times::new(),
        }
    }

    /// Counts a frame that has ended.
    pub fn note(&self, ended: &Ended) {
        let counter = if ended.done { &self.done } else { &self.failed };
        counter.add(1);
        for number in ended.status.errors().numbers() {
            if let Some(counter) = self.errors.get(number) {
                counter.add(1);
            }
        }
        match ended.engine {
            Some(time) => self.engine.note(time),
            None => self.timed_out.add(1),
        }
        if ended.reset {
            self.resets.add(1);
        }
        if ended.status.is_frame_done() && ended.status.is_busy() {
            self.busy_at_done.add(1);
        }
        self.wait.note(ended.wait);
    }

    /// Counts a frame that was returned as failed, and that the engine was not started with.
    pub fn note_refused(&self) {
        self.failed.add(1);
    }
}

impl Default for Frames {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "frames_", "done", self.done.get())?;
        show(f, "frames_", "failed", self.failed.get())?;
        for (name, counter) in ERRORS.iter().zip(&self.errors) {
            show(f, "errors_", name, counter.get())?;
        }
        show(f, "", "watchdog_fired", self.timed_out.get())?;
        show(f, "", "engine_resets", self.resets.get())?;
        show(f, "frames_", "busy_at_done", self.busy_at_done.get())?;
        self.engine.show("engine", f)?;
        self.wait.show("wait", f)
    }
}

/// The counters of one open file.
pub struct Account {
    /// The number of the file among all files of its device that were ever opened, from 1.
    pub number: u64,
    /// The process that opened the file.
    pub process: i32,
    /// The counters of its frames.
    pub frames: Frames,
}

impl Account {
    /// Creates the account of a file that has just been opened.
    pub const fn new(number: u64, process: i32) -> Self {
        Self {
            number,
            process,
            frames: Frames::new(),
        }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "", "context", self.number)?;
        // CAST: The number of a process is not negative.
        show(f, "", "process", self.process as u64)?;
        self.frames.fmt(f)
    }
}

/// The counters of a device.
pub struct Totals {
    /// The counters of the frames of all files that were ever opened.
    pub frames: Frames,
    silent: Counter,
    stale: Counter,
}

impl Totals {
    /// Creates the counters, which are 0.
    pub const fn new() -> Self {
        Self {
            frames: Frames::new(),
            silent: Counter::new(),
            stale: Counter::new(),
        }
    }

    /// Counts an interrupt for which the engine had no event to report.
    pub fn note_silent(&self) {
        self.silent.add(1);
    }

    /// Counts an interrupt that came when no frame was running, or for a frame that was already
    /// latched.
    pub fn note_stale(&self) {
        self.stale.add(1);
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "interrupts_", "silent", self.silent.get())?;
        show(f, "interrupts_", "stale", self.stale.get())?;
        self.frames.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        string::{
            String,
            ToString, //
        },
        vec::Vec, //
    };

    /// Returns the lines whose value is not 0.
    fn told(counted: &impl ToString) -> Vec<String> {
        let text = counted.to_string();
        let told = text.lines().filter(|line| !line.ends_with(": 0"));
        told.map(String::from).collect()
    }

    const DONE: Ended = Ended {
        done: true,
        status: Status(1),
        wait: 30,
        engine: Some(100),
        reset: false,
    };

    #[test]
    fn before_the_first_frame_all_is_zero() {
        let text = Totals::new().to_string();
        assert_eq!(text.lines().count(), 22);
        assert_eq!(told(&Totals::new()), [""; 0]);
        assert!(text.contains("\nengine_ns_min: 0\n"), "{text}");
    }

    #[test]
    fn times_are_told_by_their_last_least_most_and_mean() {
        let frames = Frames::new();
        for (engine, wait) in [(100, 30), (40, 31), (71, 30)] {
            frames.note(&Ended {
                engine: Some(engine),
                wait,
                ..DONE
            });
        }
        assert_eq!(
            told(&frames),
            [
                "frames_done: 3",
                "engine_ns_last: 71",
                "engine_ns_min: 40",
                "engine_ns_max: 100",
                "engine_ns_mean: 70",
                "wait_ns_last: 30",
                "wait_ns_min: 30",
                "wait_ns_max: 31",
                "wait_ns_mean: 30",
            ]
        );
    }

    #[test]
    fn a_frame_that_timed_out_has_no_engine_time() {
        let frames = Frames::new();
        frames.note(&Ended {
            done: false,
            status: Status::SILENCE,
            wait: 0,
            engine: None,
            reset: true,
        });
        frames.note_refused();
        assert_eq!(
            told(&frames),
            ["frames_failed: 2", "watchdog_fired: 1", "engine_resets: 1",]
        );
    }

    #[test]
    fn a_frame_that_is_done_while_the_engine_says_that_it_is_busy_is_counted() {
        let busy = |frames: &Frames| {
            told(frames)
                .into_iter()
                .find(|line| line.starts_with("frames_busy_at_done"))
        };
        let frames = Frames::new();
        for status in [0x1, 0x1_0002, 0x1_0000].map(Status) {
            frames.note(&Ended { status, ..DONE });
        }
        assert_eq!(busy(&frames), None);
        let status = Status(0x1_0001);
        frames.note(&Ended { status, ..DONE });
        assert_eq!(busy(&frames).as_deref(), Some("frames_busy_at_done: 1"));
    }

    #[test]
    fn each_error_is_counted_under_its_name() {
        const NAMES: [&str; 7] = [
            "bus_time_out",
            "axi_response",
            "x",
            "macroblock_fetch",
            "frame_2",
            "frame_3",
            "frame_done",
        ];
        let errors = |frames: &Frames| {
            let told = told(frames).into_iter();
            told.filter(|line| line.starts_with("errors_"))
                .collect::<Vec<_>>()
        };
        for (bit, name) in (1..).zip(NAMES) {
            let frames = Frames::new();
            let status = Status(1 << bit);
            frames.note(&Ended { status, ..DONE });
            assert_eq!(errors(&frames), [std::format!("errors_{name}: 1")]);
        }
        let frames = Frames::new();
        for status in [0x06, 0x83, 0x81].map(Status) {
            frames.note(&Ended { status, ..DONE });
        }
        let both = ["errors_bus_time_out: 2", "errors_axi_response: 1"];
        assert_eq!(errors(&frames), both);
    }

    #[test]
    fn whose_frames_they_are_is_told_first() {
        let account = Account::new(3, 77);
        account.frames.note_refused();
        let first = ["context: 3", "process: 77", "frames_failed: 1"];
        assert_eq!(told(&account), first);
    }

    #[test]
    fn interrupts_of_no_frame_are_the_devices() {
        let totals = Totals::new();
        totals.note_silent();
        totals.note_stale();
        totals.note_stale();
        assert_eq!(
            told(&totals),
            ["interrupts_silent: 1", "interrupts_stale: 2"]
        );
    }
}
