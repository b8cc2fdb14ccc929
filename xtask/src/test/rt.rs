// SPDX-License-Identifier: GPL-2.0

//! Suite `rt`: behaviour under PREEMPT_RT. While real-time tasks use the CPUs, each frame's AXI master
//! is gated in time, which the C driver does not achieve. With rcutorture and CPU hotplug running,
//! nothing sleeps where it must not. Other real-time tasks wait no longer because of a stream. With
//! `--full` also without PREEMPT_RT, where KCSAN must report no data race.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::names::Names;
use super::{Tests, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::demo::span;
use crate::kernel::Flavour;

/// The time limit of the gate, in instructions, whatever task runs: half the engine's bus time-out in
/// this suite.
const GATE_LIMIT_NS: i64 = 20_000;

/// The engine's bus time-out in cycles of 2 ns.
const TIME_OUT_CYCLES: i64 = GATE_LIMIT_NS;

/// The status bit of a bus time-out.
const TIME_OUT: u64 = 1 << 1;

/// The least number of frames for a valid result.
const FRAMES: usize = 50;

/// Streams while a task of priority FIFO 80 uses the CPU: first without a pause, then with gaps in
/// which the rest of the system runs. The engine's trace shows whether a stream failed or stood still.
const HOGGED: &str = "model pixels=off pixels-per-clock=1
    dw100-board bench stream 640 480 1 4 1000000 4 &
    stream=$!
    sleep 0.1
    chrt -f 80 dw100-board hog 150000 0 1
    chrt -f 80 dw100-board hog 10000 2000 40
    kill $stream
    true";

/// The torture tests that run beside streams, with their settings; the last one only with `--full`. Two
/// parts of rcutorture are off: the flood of callbacks measures only how fast the board is emulated,
/// and the test of priority boosting takes all CPUs from the streams for four seconds out of seven.
const TORTURES: [(&str, &str); 2] = [
    ("rcutorture", "fwd_progress=0 test_boost=0"),
    ("locktorture", ""),
];

/// Without and with `--full`: the seconds beside each torture test, and the frames of each of four open
/// files while the engine fails.
const SECONDS: [u64; 2] = [10, 300];
const FRAMES_EACH: [u64; 2] = [125, 500];

/// The least number of frames of each open file beside a torture test, however long they take on a busy
/// machine.
const MIN_FRAMES: u32 = 3;

/// The tolerance for the longest wait of a task of priority FIFO 95, in nanoseconds, compared with its
/// wait beside the C driver's stream.
const TAIL_NS: u64 = 5_000;

/// The names of the tests.
const GATED: &str = "every frame's bus is gated in half the time after which it would time out, whoever has the CPU";
const LOST: &str = "the C driver's bus times out or stays open under load";
const WAIT: &str =
    "a real-time task does not wait longer beside a stream than beside the C driver's";

/// Returns the name of the test beside the first `tortures` of [`TORTURES`].
fn beside(tortures: usize) -> String {
    let names: Vec<&str> = TORTURES.map(|(torture, _)| torture)[..tortures].into();
    format!(
        "four files stream beside {} and with an engine that fails, and nothing sleeps where it must not",
        names.join(" and ")
    )
}

const CHECKED: &str = "KCSAN checks the Rust code of the module";

/// The kernel's argument that makes interrupt handlers run in threads, or none.
const THREADS: [&str; 2] = ["", "threadirqs"];

/// Returns the name of the test for data races on a kernel with this argument.
fn races(word: &str) -> String {
    let with = if word.is_empty() { "" } else { ", with " };
    format!(
        "nothing races in streams and in the tests inside the module, without PREEMPT_RT{with}{word}"
    )
}

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let mut known = [GATED, LOST, WAIT, CHECKED].map(str::to_owned).to_vec();
    known.extend([1, 2].map(beside));
    known.extend(THREADS.map(races));
    Names::all(known)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let on_rt = || {
        let rt = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
        if tests.wants_any(&[GATED, LOST]) {
            gate(tests, &rt)?;
        }
        tests.check(WAIT, || latency(tests, &rt));
        Ok(())
    };
    let on_debug = || {
        let tortures = if tests.full { 2 } else { 1 };
        tests.check(&beside(tortures), || torture(tests, tortures));
        Ok(())
    };
    side_by_side([&on_rt, &on_debug])?;
    if tests.full {
        without_rt(tests)?;
    }
    Ok(())
}

/// Measures the gate under load with both drivers.
fn gate(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let [ours, theirs] = [Driver::Rust, Driver::C].map(|driver| hogged(tests, board, driver));
    let (ours, theirs) = (ours?, theirs?);
    let message = format!(
        "rt: instructions from line raised to gate under load: {}; C driver: {}",
        summary(&ours),
        summary(&theirs)
    );
    tests.env.ui.say(&message);
    tests.record(GATED, gated(&ours));
    tests.record(LOST, lost(&theirs));
    Ok(())
}

/// Returns the frames of a boot with real-time tasks.
fn hogged(tests: &Tests<'_>, board: &Board<'_>, driver: Driver) -> Result<Vec<Value>> {
    // With several CPUs and icount, QEMU emulates them in turns, so an interrupt would wait for its
    // CPU's turn.
    let mut options = Options::new(Flavour::Rt, driver).on_one_cpu();
    options.icount = true;
    options.model = vec![format!("timeout-cycles={TIME_OUT_CYCLES}")];
    let (_, frames) = tests.trace(board, options, HOGGED)?;
    Ok(frames)
}

/// What happened to the AXI master of a frame.
#[derive(Debug, PartialEq, Eq)]
enum Bus {
    /// It was gated after this many instructions.
    Gated(i64),
    /// The board powered off before the frame's interrupt.
    Unfinished,
    /// The engine's bus timed out.
    TimedOut,
    /// It was never gated.
    Open,
}

impl Bus {
    fn of(frame: &Value) -> Self {
        let status = frame["status"].as_u64().unwrap_or_default();
        match span(frame, "irq_ns", "gate_ns") {
            _ if status & TIME_OUT != 0 => Self::TimedOut,
            Some(time) => Self::Gated(time),
            None if frame["irq_ns"].is_null() => Self::Unfinished,
            None => Self::Open,
        }
    }
}

fn enough(frames: &[Value]) -> Result<()> {
    ensure!(frames.len() >= FRAMES, "only {} frames", frames.len());
    Ok(())
}

/// Fails unless there are enough frames, each gated in time and without a bus time-out.
fn gated(frames: &[Value]) -> Result<()> {
    enough(frames)?;
    for frame in frames {
        let number = &frame["frame"];
        match Bus::of(frame) {
            Bus::TimedOut => bail!("frame {number}: its bus timed out"),
            Bus::Open => bail!("frame {number} was never gated"),
            Bus::Gated(time) => ensure!(
                time <= GATE_LIMIT_NS,
                "frame {number} was gated after {time} ns"
            ),
            Bus::Unfinished => {}
        }
    }
    Ok(())
}

/// Fails unless there are enough frames, and at least one with a bus time-out or an AXI master that was
/// not gated.
fn lost(frames: &[Value]) -> Result<()> {
    enough(frames)?;
    let is_lost = |frame: &Value| matches!(Bus::of(frame), Bus::TimedOut | Bus::Open);
    ensure!(frames.iter().any(is_lost), "it passes");
    Ok(())
}

/// Returns a summary of the gate's times.
fn summary(frames: &[Value]) -> String {
    let mut times: Vec<i64> = frames
        .iter()
        .filter_map(|frame| span(frame, "irq_ns", "gate_ns"))
        .collect();
    times.sort_unstable();
    let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) else {
        return "no gate".to_owned();
    };
    let late = frames
        .iter()
        .filter(|frame| frame["status"].as_u64().unwrap_or_default() & TIME_OUT != 0)
        .count();
    format!(
        "median {median}, worst {worst}, {late} of {} frames timed out",
        frames.len()
    )
}

/// Measures how long a task of priority FIFO 95 waits, alone and beside a stream of each driver.
fn latency(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let alone = worst_wait(tests, board, Driver::None)?;
    let theirs = worst_wait(tests, board, Driver::C)?;
    let ours = worst_wait(tests, board, Driver::Rust)?;
    tests.env.ui.say(&format!(
        "rt: a real-time task waits {ours} ns at most beside a stream, {theirs} beside the C driver's, {alone} alone"
    ));
    ensure!(
        ours <= theirs + TAIL_NS,
        "{ours} ns, and {theirs} ns beside the C driver's"
    );
    Ok(())
}

/// Returns the longest wait that cyclictest measured, in nanoseconds.
fn worst_wait(tests: &Tests<'_>, board: &Board<'_>, driver: Driver) -> Result<u64> {
    let mut options = Options::new(Flavour::Rt, driver).on_one_cpu();
    options.icount = true;
    let stream = match driver {
        // If the CPU were idle, virtual time would follow real time.
        Driver::None => "while :; do :; done &",
        Driver::C | Driver::Rust => {
            "model pixels=off pixels-per-clock=20; dw100-board bench stream 640 480 2 4 1000000 4 & sleep 0.5;"
        }
    };
    let script = format!(
        "{stream} cyclictest --quiet --priority=95 --interval=300 --loops=5000 --nsecs --mlockall"
    );
    let printed = tests.boot(board, &options, &script)?;
    let (_, max) = printed
        .rsplit_once("Max:")
        .context("no Max from cyclictest")?;
    let max = max.split_whitespace().next();
    Ok(max.context("no figure from cyclictest")?.parse()?)
}

/// Streams four files, with and without requests, beside torture tests with CPU hotplug; then with an
/// engine that fails. In the end the log must have no report.
fn torture(tests: &Tests<'_>, tortures: usize) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let [seconds, frames] = [SECONDS, FRAMES_EACH].map(|each| each[usize::from(tests.full)]);
    let mut options = Options::new(Flavour::Debug, Driver::Rust);
    options.timeout_s = 900 + 10 * seconds;
    let mut script = String::new();
    for ((torture, setting), count) in TORTURES[..tortures].iter().zip(1..) {
        script += &format!(
            "modprobe {torture} {setting} stat_interval=0 onoff_holdoff=3 onoff_interval=200 || exit 1
            dw100-board endure 4 {MIN_FRAMES} {seconds} || exit 1
            rmmod {torture}
            [ $(dmesg | grep -c 'End of test: SUCCESS') = {count} ] || {{ dmesg | grep torture; exit 1; }}
            "
        );
    }
    script += &format!(
        "driver unload rust && driver load rust watchdog_ms=300 &&
        model drop-irq=every:97 error=0x02@every:41 &&
        dw100-board endure --faults 4 {frames} {}",
        seconds / 3
    );
    tests.boot(&board, &options, &script).map(drop)
}

/// Runs the module's KUnit tests, in which stopping a stream, the watchdog and interrupts race, and
/// streams, on a kernel without PREEMPT_RT that reports data races; then again with interrupt handlers
/// in threads. KCSAN checks the module's code in Rust and C, and the C code that it calls. Of the
/// kernel crate it checks only what is compiled into the module.
fn without_rt(tests: &Tests<'_>) -> Result<()> {
    if tests.wants(CHECKED) {
        let board = Board::prepare(tests.env, Flavour::Kcsan, Driver::Rust)?;
        let [_, module] = board.modules()?;
        tests.record(CHECKED, has_checks(&fs::read(module)?));
    }
    for word in THREADS {
        let name = races(word);
        if !tests.wants(&name) {
            continue;
        }
        let board = Board::prepare(tests.env, Flavour::Kcsan, Driver::Rust)?;
        // KCSAN is switched on by the script, so it does not check the boot.
        let mut options = Options::new(Flavour::Kcsan, Driver::None);
        options.append = Some(format!("kunit.enable=1 kcsan.early_enable=0 {word}"));
        options.timeout_s = 1800;
        let script = "echo 100 > /sys/module/kcsan/parameters/skip_watch
            echo on > /sys/kernel/debug/kcsan
            grep -q 'enabled: 1' /sys/kernel/debug/kcsan || exit 1
            tested() {
                if cat /sys/kernel/debug/kunit/dw100*/results | grep 'not ok'; then
                    dmesg | grep '    # ' | tail -6
                    exit 1
                fi
                [ $(cat /sys/kernel/debug/kunit/dw100*/results | grep -c '^ok ') = 3 ]
            }
            driver load rust && tested && dw100-board endure 4 50 60 || exit 1
            driver unload rust && driver load rust watchdog_ms=300 && tested || exit 1
            model drop-irq=every:31 error=0x02@every:7
            dw100-board endure --faults 4 50 30 || exit 1
            dmesg | grep -c 'BUG: KCSAN'
            true";
        let result = tests.boot(&board, &options, script);
        if let Ok(printed) = &result {
            let others = printed.lines().last().unwrap_or_default().trim();
            tests
                .env
                .ui
                .say(&format!("rt: {others} data races of others: {name}"));
        }
        tests.record(&name, result.map(drop));
    }
    Ok(())
}

/// Fails unless the module's Rust code was compiled with the checks of KCSAN, see Kbuild. The symbol is
/// one of Rust's atomics: the module's C code is checked too, but has no atomic operations of the
/// compiler.
fn has_checks(module: &[u8]) -> Result<()> {
    let symbol = b"__tsan_atomic64_load";
    let found = module.windows(symbol.len()).any(|bytes| bytes == symbol);
    ensure!(found, "the module does not call __tsan_atomic64_load");
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frames(last: &Value) -> Vec<Value> {
        let good = json!({"frame": 1, "irq_ns": 1000, "gate_ns": 1500, "status": 1});
        let mut frames = vec![good; FRAMES];
        frames.push(last.clone());
        frames
    }

    #[test]
    fn a_frame_that_is_gated_late_or_never_or_times_out_is_an_error() {
        let with = |gate: Value, status: u32| {
            let frames =
                frames(&json!({"frame": 2, "irq_ns": 1000, "gate_ns": gate, "status": status}));
            [gated(&frames).is_ok(), lost(&frames).is_ok()]
        };
        assert_eq!(with(json!(21_000), 1), [true, false]);
        // A late gate is an error of this driver, but does not prove that the time-out can happen.
        assert_eq!(with(json!(21_001), 1), [false, false]);
        assert_eq!(with(json!(1500), 3), [false, true]);
        assert_eq!(with(Value::Null, 1), [false, true]);
        let off = frames(&json!({"frame": 2, "irq_ns": null, "gate_ns": null, "status": 0}));
        assert!(gated(&off).is_ok() && lost(&off).is_err());
    }

    #[test]
    fn too_few_frames_are_an_error_for_both_drivers() {
        let open = json!({"frame": 1, "irq_ns": 1000, "gate_ns": null, "status": 1});
        for few in [&[][..], std::slice::from_ref(&open)] {
            assert!(gated(few).is_err() && lost(few).is_err());
        }
    }
}
