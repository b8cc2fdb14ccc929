// SPDX-License-Identifier: GPL-2.0

//! Suite `stream`: frames through the driver. It compares pixels with the engine's model, tests the
//! demo's pictures, videos and cameras, the time from the interrupt to the gate, and many frames in a
//! row.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::names::Names;
use super::{Tests, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::demo::{self, Picture, span};
use crate::kernel::Flavour;
use crate::programs::{Judges, Program};
use crate::step::stdout_of;

/// Time limit in instructions (`--icount`) from the rise of the interrupt line to the gate of the AXI
/// master, for the median.
const GATE_LIMIT_NS: i64 = 600;

/// The same for each frame, which may come while the kernel has interrupts disabled.
const WORST_GATE_NS: i64 = 20_000;

/// Register reads and writes from the end of one frame to the end of the next: the figures in the
/// README.
const ACCESSES: [u64; 2] = [1, 25];

/// The number of frames over which both are measured.
const GATED_FRAMES: usize = 100;

/// How often the module is unloaded and loaded after many frames.
const RELOADS: u32 = 20;

/// The engine's interrupt in /proc/interrupts: SPI 100.
const HWIRQ: [&str; 2] = ["GICv3", "132"];

/// The names of tests, except those about pairs of formats, pictures and endurance.
const ONE_THREAD: &str = "one interrupt thread";
const GATED: &str = "the bus is gated in time, in the median and in nearly all frames";
const NEVER_LATE: &str = "no frame's bus is gated late";
const AS_FEW: &str = "a frame takes as few register accesses as the README says";

/// The pictures.
const PICTURES: [Picture; 2] = [Picture::Photo, Picture::Scene];

/// Returns the names of the tests of a picture.
fn of_picture(picture: Picture) -> [String; 2] {
    let name = picture.name();
    [
        format!("{name}: bent lines come out straight"),
        format!("{name}: the C driver delivers the same bytes"),
    ]
}

/// Returns the name of the test of endurance.
fn of_endurance(flavour: Flavour) -> String {
    let kernel = flavour.name();
    format!("many frames of 1920x1080, then rmmod and insmod again and again, {kernel}")
}

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let mut known = [ONE_THREAD, GATED, NEVER_LATE, AS_FEW]
        .map(str::to_owned)
        .to_vec();
    known.extend(PICTURES.iter().flat_map(|picture| of_picture(*picture)));
    known.extend(super::streams_doc::names().map(str::to_owned));
    known.extend([Flavour::Rt, Flavour::Debug].map(of_endurance));
    Names::with_more(known, "each pair of formats, through two maps")
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let rt = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let client = Program::host_client(tests.env, &rt.sandbox)?;
    let judges = Judges::prepare(tests.env, &rt.sandbox)?;
    let on_rt = || {
        pairs(tests, &rt, &client, &judges)?;
        pictures(tests, &rt, &client, &judges)?;
        super::streams_doc::run(tests, &rt)?;
        interrupt(tests, &rt)?;
        endurance(tests, &rt);
        Ok(())
    };
    // Without `--full` other suites stream on the debug kernel and load the module again.
    let on_debug = || {
        if tests.full {
            let debug = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
            endurance(tests, &debug);
        }
        Ok(())
    };
    side_by_side([&on_rt, &on_debug])
}

/// Tests each pair of formats. `dw100-stream` compares the frames.
fn pairs(tests: &Tests<'_>, board: &Board<'_>, client: &Program, judges: &Judges) -> Result<()> {
    let env = tests.env;
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust)
        .on_one_cpu()
        .healthy();
    options.exchange(&work.dir)?;
    let (input, output) = (work.dir.join("in"), work.dir.join("out"));
    Picture::Photo.stage(env, &board.sandbox, client, &input)?;
    let mut plan = judges.command(env, &board.sandbox, "dw100-stream");
    let planned = stdout_of(plan.arg("plan").arg(&input))?;
    if !planned.lines().any(|name| tests.wants(name)) {
        return Ok(());
    }
    let planned = planned.lines().count();

    // If a frame fails, its own test finds no file. So the script continues.
    tests.boot(board, &options, "sh /in/script; true")?;
    let mut check = judges.command(env, &board.sandbox, "dw100-stream");
    let verdicts = check.arg("check").arg(&input).arg(&output).output()?;
    let judged = tests.record_lines(&String::from_utf8_lossy(&verdicts.stdout));
    ensure!(
        judged == planned && matches!(verdicts.status.code(), Some(0 | 1)),
        "{judged} verdicts of {planned}, {}: {}",
        verdicts.status,
        String::from_utf8_lossy(&verdicts.stderr)
    );
    Ok(())
}

/// Tests the demo's pictures with both drivers in one boot.
fn pictures(tests: &Tests<'_>, board: &Board<'_>, client: &Program, judges: &Judges) -> Result<()> {
    let names = PICTURES.iter().flat_map(|picture| of_picture(*picture));
    if !names
        .chain([ONE_THREAD.to_owned()])
        .any(|name| tests.wants(&name))
    {
        return Ok(());
    }
    let env = tests.env;
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust)
        .on_one_cpu()
        .healthy();
    options.exchange(&work.dir)?;
    let mut script =
        "set -e\nps -eo comm > /out/threads\ncat /proc/interrupts > /out/interrupts\n".to_owned();
    for driver in [Driver::Rust, Driver::C] {
        for picture in PICTURES {
            let name = picture.name();
            let dir = work.dir.join("in").join(name);
            fs::create_dir_all(&dir)?;
            if driver == Driver::Rust {
                picture.stage(env, &board.sandbox, client, &dir)?;
            }
            let output = format!("{}-{name}", driver.name());
            fs::create_dir_all(work.dir.join("out").join(&output))?;
            script += &demo::script(&format!("/in/{name}"), &format!("/out/{output}"));
            script += "\n";
        }
        if driver == Driver::Rust {
            script += "driver unload rust\ndriver load c\n";
        }
    }
    tests.boot(board, &options, &script)?;

    let out = work.dir.join("out");
    for picture in PICTURES {
        let name = picture.name();
        let [lines, bytes] = of_picture(picture);
        let mut measure = judges.command(env, &board.sandbox, "dw100-pictures");
        measure.args(["straightness", "--picture", name]);
        measure.arg(work.dir.join("in").join(name).join("input.png"));
        measure.arg(out.join(format!("rust-{name}/output.png")));
        let straight = measure.output()?;
        let said = String::from_utf8_lossy(&straight.stdout).trim().to_owned();
        let result = if straight.status.success() {
            Ok(())
        } else {
            Err(anyhow::anyhow!(
                "{said} {}",
                String::from_utf8_lossy(&straight.stderr)
            ))
        };
        tests.record(&lines, result);
        let frame = |driver: &str| fs::read(out.join(format!("{driver}-{name}/frame-out.nv12")));
        let same = match (frame("rust"), frame("c")) {
            (Ok(ours), Ok(theirs)) if ours == theirs => Ok(()),
            (Ok(_), Ok(_)) => Err(anyhow::anyhow!("the frames differ")),
            _ => Err(anyhow::anyhow!("a frame is missing")),
        };
        tests.record(&bytes, same);
    }
    let threads = fs::read_to_string(out.join("threads"))?;
    let interrupts = fs::read_to_string(out.join("interrupts"))?;
    tests.record(ONE_THREAD, one_thread(&threads, &interrupts));
    Ok(())
}

/// Fails unless the engine has one interrupt thread. A second one would mean that the primary interrupt
/// handler runs in a thread too.
fn one_thread(comms: &str, interrupts: &str) -> Result<()> {
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let ours = |line: &&str| words(line).windows(2).any(|pair| pair == HWIRQ);
    let line = interrupts
        .lines()
        .find(ours)
        .context("the engine's interrupt is not in use")?;
    let (number, _) = line
        .trim()
        .split_once(':')
        .context("no number before the interrupt")?;
    let ours = |name: &&str| name.starts_with(&format!("irq/{number}-"));
    let threads: Vec<&str> = comms.lines().map(str::trim).filter(ours).collect();
    ensure!(threads.len() == 1, "the interrupt threads are: {threads:?}");
    Ok(())
}

/// Measures the instructions from the rise of the interrupt line to the gate.
fn interrupt(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    if !tests.wants_any(&[GATED, NEVER_LATE, AS_FEW]) {
        return Ok(());
    }
    let work = tests.env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust)
        .on_one_cpu()
        .healthy();
    options.icount = true;
    options.model.clear();
    options.input = Some(work.dir.clone());
    let frame = vec![0x80; 640 * 480 * 3 / 2];
    fs::write(work.dir.join("frames.raw"), frame)?;
    let script =
        format!("dewarp run --source 640x480 --frames {GATED_FRAMES} /in/frames.raw -o /dev/null");
    let (_, frames) = tests.trace(board, options, &script)?;
    ensure!(
        frames.len() == GATED_FRAMES,
        "{} frames in the trace, not {GATED_FRAMES}",
        frames.len()
    );
    tests.record(GATED, gated_in_time(&frames));
    tests.record(NEVER_LATE, never_late(&frames));
    tests.record(AS_FEW, accesses(&frames));
    Ok(())
}

/// Returns the instructions from each frame's interrupt to its gate, sorted.
fn gate_times(frames: &[Value]) -> Result<Vec<i64>> {
    let gated = |frame| span(frame, "irq_ns", "gate_ns").context("a frame's bus was never gated");
    let mut times = frames.iter().map(gated).collect::<Result<Vec<i64>>>()?;
    times.sort_unstable();
    ensure!(!times.is_empty(), "no frame");
    Ok(times)
}

/// Fails unless the median is within the limit, and all frames but three in a hundred. With any driver,
/// an interrupt waits while the kernel has interrupts disabled.
fn gated_in_time(frames: &[Value]) -> Result<()> {
    let times = gate_times(frames)?;
    let median = times[times.len() / 2];
    let late = times.iter().filter(|&&time| time > GATE_LIMIT_NS).count();
    ensure!(
        median <= GATE_LIMIT_NS && late * 100 <= times.len() * 3,
        "gated after {median} ns in the median; {late} of {} were late",
        times.len()
    );
    Ok(())
}

/// Fails if any frame was gated later than the kernel's longest time with interrupts disabled allows.
fn never_late(frames: &[Value]) -> Result<()> {
    let worst = gate_times(frames)?.pop().unwrap_or_default();
    ensure!(worst <= WORST_GATE_NS, "gated after {worst} ns at worst");
    Ok(())
}

/// Fails if a frame takes more or fewer register accesses than documented. The first frame is left out,
/// because it also has what probe has left to do.
fn accesses(frames: &[Value]) -> Result<()> {
    ensure!(frames.len() > 1, "only {} frames", frames.len());
    for frame in &frames[1..] {
        let found = ["reads", "writes"].map(|name| frame[name].as_u64());
        ensure!(
            found == ACCESSES.map(Some),
            "frame {}: {} reads, {} writes",
            frame["frame"],
            frame["reads"],
            frame["writes"]
        );
    }
    Ok(())
}

/// Runs many frames, then unloads and loads the module many times. The log must have no report.
fn endurance(tests: &Tests<'_>, board: &Board<'_>) {
    let frames = if tests.full { 5000 } else { 500 };
    let name = of_endurance(board.flavour());
    tests.check(&name, || endure(tests, board, frames));
}

fn endure(tests: &Tests<'_>, board: &Board<'_>, frames: usize) -> Result<()> {
    let mut options = tests.options(board.flavour()).healthy();
    options.timeout_s = 1200;
    let format = "width=1920,height=1080,pixelformat=NV12";
    // The pixels are not checked.
    let script = format!(
        "set -e
        model pixels=off
        v4l2-ctl -d /dev/video0 --set-fmt-video-out={format} --set-fmt-video={format} \
            --stream-mmap --stream-out-mmap --stream-count={frames} --stream-to=/dev/null \
            > /tmp/said 2>&1 || {{ tail -c 2000 /tmp/said; exit 1; }}
        for i in $(seq {RELOADS}); do driver unload rust; driver load rust; done
        v4l2-ctl -d /dev/video0 --all > /dev/null"
    );
    let (_, trace) = tests.trace(board, options, &script)?;
    let done = trace.iter().filter(|frame| frame["status"] == 1).count();
    ensure!(
        done >= frames,
        "the engine finished {done} frames, not {frames}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn two_interrupt_threads_are_an_error() {
        let interrupts = "            CPU0       CPU1\n \
            17:        132          0  GICv3      59 Level     30890000.serial\n \
            190:        51        132  GICv3     132 Level     32e30000.dwe\n";
        let others = "init\nirq/17-30890000\nkworker/0:0\n".to_owned();
        let of = |names: &str| one_thread(&(others.clone() + names), interrupts);
        assert!(of("irq/190-32e3000\n").is_ok());
        assert!(of("irq/190-32e3000\nirq/190-s-32e30\n").is_err());
        assert!(of("").is_err());
        assert!(one_thread("irq/190-32e3000\n", "").is_err());
    }

    fn gates(times: &[i64]) -> Vec<Value> {
        let frame = |time| json!({"frame": 1, "irq_ns": 1000, "gate_ns": 1000 + time});
        times.iter().map(frame).collect()
    }

    #[test]
    fn the_median_and_nearly_all_frames_must_be_gated_in_time() {
        let with = |late| {
            let times = [vec![600; 100 - late], vec![601; late]].concat();
            gated_in_time(&gates(&times))
        };
        assert!(with(0).is_ok());
        assert!(with(3).is_ok());
        assert!(with(4).is_err());
        assert!(gated_in_time(&[]).is_err());
        assert!(gated_in_time(&[json!({"irq_ns": 1000, "gate_ns": null})]).is_err());
    }

    #[test]
    fn no_frame_may_be_gated_too_late() {
        assert!(never_late(&gates(&[500, 20_000, 500])).is_ok());
        assert!(never_late(&gates(&[500, 20_001, 500])).is_err());
    }

    #[test]
    fn every_frame_but_the_first_takes_the_same_accesses() {
        let frame = |reads, writes| json!({"frame": 1, "reads": reads, "writes": writes});
        assert!(accesses(&[frame(4, 30), frame(1, 25), frame(1, 25)]).is_ok());
        assert!(accesses(&[frame(1, 25), frame(1, 25), frame(2, 25)]).is_err());
        assert!(accesses(&[frame(1, 25), frame(1, 26)]).is_err());
        assert!(accesses(&[frame(1, 25)]).is_err());
    }
}
