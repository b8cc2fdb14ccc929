// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask bench` compares the cost of a frame with the C driver and with this one, on the same
//! board and kernel. Instructions are counted in boots with `--icount`, where the counts repeat
//! exactly. Throughput comes from one boot in which the drivers take turns. The command prints a table,
//! writes `target/bench.json`, and fails if README.md states other figures. The last lines of the table
//! are the instructions of the same calls on a device that does nothing: what V4L2, videobuf2, mem2mem
//! and the client take.

mod readme;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use crate::Env;
use crate::board::{Board, Driver, Options};
use crate::chown::ChownGuard;
use crate::demo::{frames_of, span};
use crate::kernel::Flavour;
use crate::module::Vim2m;
use crate::step::{make_dir, stdout_of};

/// The drivers, in the order of [`Figure::values`].
const DRIVERS: [Driver; 2] = [Driver::C, Driver::Rust];

/// The number of rounds in which both drivers measure throughput.
const ROUNDS: usize = 5;

/// The streams whose frames are counted in instructions: the arguments of `dw100-board bench stream`
/// (width, height, open files, buffers per queue), and the width again. The widths differ, so that the
/// frames of each stream can be found in the engine's trace.
const COUNTED: [(&str, u32); 3] = [
    ("640 480 1 4", 640),
    ("656 480 4 4", 656),
    ("672 480 1 1", 672),
];

/// Frames per open file: so many that the start of a stream does not change the average.
const FRAMES: u32 = 1000;

/// The sizes whose throughput is measured, each with the number of buffers per queue. The largest size
/// has only as many as fit into the board's memory.
const SIZES: [(&str, u32); 4] = [
    ("176 144", 4),
    ("640 480", 4),
    ("1920 1080", 4),
    ("4096 3072", 2),
];
/// The duration of each measurement of throughput, in seconds.
const SECONDS: u32 = 1;

/// Kernel argument: memory for the buffers of four open files with frames of 4096x3072.
const MEMORY: &str = "cma=768M";

/// A measured figure.
struct Figure {
    name: String,
    /// The C driver's value and this driver's.
    values: [f64; 2],
    bound: Bound,
}

/// A figure of one driver: name, value and bound.
type Metric = (String, f64, Bound);

/// The bound for this driver's value.
#[derive(Clone, Copy)]
enum Bound {
    /// The value is at most this.
    AtMost(f64),
    /// The value is at most this many times the C driver's.
    Share(f64),
    /// The value is at least this many times the C driver's.
    Times(f64),
    /// There is no bound.
    None,
}

impl Figure {
    /// Returns whether the value is within the bound, or `None` if there is no bound.
    fn met(&self) -> Option<bool> {
        let [theirs, ours] = self.values;
        match self.bound {
            Bound::AtMost(most) => Some(ours <= most),
            Bound::Share(share) => Some(ours <= share * theirs),
            Bound::Times(times) => Some(ours >= times * theirs),
            Bound::None => None,
        }
    }

    /// Returns the figure's line of the table.
    fn line(&self) -> String {
        let [theirs, ours] = self.values;
        let bound = match self.bound {
            Bound::AtMost(most) => format!("at most {most}"),
            Bound::Share(share) => format!("at most {share} x C"),
            Bound::Times(times) => format!("at least {times} x C"),
            Bound::None => String::new(),
        };
        let verdict = match self.met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let ratio = if theirs > 0.0 {
            format!("{:.2}", ours / theirs)
        } else {
            String::new()
        };
        let name = &self.name;
        let line = format!("{name:60} {theirs:>12.1} {ours:>12.1} {ratio:>6}  {verdict:6} {bound}");
        line.trim_end().to_owned()
    }
}

/// Runs the benchmark.
pub fn run(env: &Env) -> Result<()> {
    let board = Board::prepare(env, Flavour::Rt, Driver::Rust)?;
    let debug = Board::prepare(env, Flavour::Debug, Driver::Rust)?;
    let step = env.step("bench")?;
    let [theirs, ours] = DRIVERS.map(|driver| counted(env, &board, driver));
    let mut figures = compared(&[theirs?, ours?])?;
    let floor = floor(env, &board)?;
    let [theirs, ours] = DRIVERS.map(|driver| traced(&debug, driver));
    figures.extend(compared(&[theirs?, ours?])?);
    figures.extend(throughput(&board)?);
    figures.push(text_size(env, &board)?);
    step.finish();

    println!("{:60} {:>12} {:>12} {:>6}", "", "C", "Rust", "ratio");
    let mut all = Map::new();
    for figure in &figures {
        println!("{}", figure.line());
        let [theirs, ours] = figure.values;
        let value = json!({"c": theirs, "rust": ours, "met": figure.met()});
        all.insert(figure.name.clone(), value);
    }
    for (name, value) in floor {
        println!("{name:60} {value:>25.1}");
        all.insert(name, json!({"floor": value}));
    }
    let target = env.checkout.join("target");
    let _chown = ChownGuard::of_new(&target);
    make_dir(&target)?;
    let file = target.join("bench.json");
    fs::write(&file, format!("{:#}\n", Value::Object(all)))?;
    println!("{}", file.display());
    let measured = figures
        .iter()
        .map(|figure| (figure.name.as_str(), figure.values));
    let off = readme::differences(
        &fs::read_to_string(env.checkout.join("README.md"))?,
        measured,
    )?;
    ensure!(
        off.is_empty(),
        "README.md is out of date:\n{}",
        off.join("\n")
    );
    Ok(())
}

/// Boots the board with a script of `dw100-board bench` commands, and returns what they measured. Fails
/// if the script does.
fn boot(board: &Board<'_>, options: &Options, script: &str) -> Result<Vec<Value>> {
    let outcome = board.run(options, script, false)?;
    outcome.ensure_success()?;
    // The shell also prints a line when the real-time task is killed.
    let measured = outcome.printed.lines().filter(|line| line.starts_with('{'));
    measured
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}

/// Returns the figures of a boot with `--icount`.
fn counted(env: &Env, board: &Board<'_>, driver: Driver) -> Result<Vec<Metric>> {
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, driver).on_one_cpu();
    options.icount = true;
    options.model = vec!["pixels=off".to_owned()];
    options.append = Some(MEMORY.to_owned());
    options.output = Some(work.dir.clone());
    options.timeout_s = 900;
    let mut script = "set -e\n".to_owned();
    for (stream, _) in COUNTED {
        script += &format!("dw100-board bench stream {stream} {FRAMES} 100\n");
    }
    script += "model pixels-per-clock=1000
        dw100-board bench requests 4096 3072 30
        dw100-board bench files 100";
    let measured = boot(board, &options, &script)?;
    let [one, four, single, requests, files] = measured.as_slice() else {
        bail!("{} measurements, not 5", measured.len());
    };
    let trace = frames_of(&fs::read_to_string(work.dir.join("trace.jsonl"))?)?;
    let of_one = of_width(&trace, COUNTED[0].1)?;
    let of_four = of_width(&trace, COUNTED[1].1)?;
    let accesses = |key: &str| median(of_one, |frame| frame[key].as_f64());
    let after_irq = |to: &'static str| move |frame: &Value| Some(span(frame, "irq_ns", to)? as f64);
    let next_start = |frames| median(frames, after_irq("next_start_ns"));
    let per_frame = |measured, key| ratio(measured, key, "frames");
    let per_file = |key| ratio(files, key, "files");
    let plain = per_frame(requests, "ns")?;
    let map = per_frame(requests, "ns_with_map")? - plain;
    let cropped = per_frame(requests, "ns_with_map_and_crop")? - plain;
    let at_most = |name: &str, value, most| (name.to_owned(), value, Bound::AtMost(most));
    let open = |name: &str, value| (name.to_owned(), value, Bound::None);
    Ok(vec![
        at_most("register reads a frame", accesses("reads")?, 1.0),
        at_most("register writes a frame", accesses("writes")?, 25.0),
        at_most(
            "instructions, line raised to gate, median",
            median(of_one, after_irq("gate_ns"))?,
            520.0,
        ),
        // A timer tick of the kernel hits a few frames, other ones in each run. So the maximum does not
        // repeat.
        open(
            "instructions, line raised to gate, of 99 % at most",
            percentile(of_one, 99, after_irq("gate_ns"))?,
        ),
        at_most(
            "instructions, line raised to next START, 1 file",
            next_start(of_one)?,
            5000.0,
        ),
        open(
            "instructions, line raised to next START, 4 files",
            next_start(of_four)?,
        ),
        (
            "instructions a frame, program included, 1 file".to_owned(),
            per_frame(one, "busy_ns")?,
            Bound::Share(0.7),
        ),
        open(
            "instructions a frame, program included, 4 files",
            per_frame(four, "busy_ns")?,
        ),
        open(
            "instructions a frame, program included, one at a time",
            per_frame(single, "busy_ns")?,
        ),
        open(
            "context switches a frame, 1 file",
            per_frame(one, "switches")?,
        ),
        open(
            "context switches a frame, 4 files",
            per_frame(four, "switches")?,
        ),
        open("instructions for a map of 4096x3072 in a request", map),
        open(
            "instructions for a map of 4096x3072 in a request, cropped",
            cropped,
        ),
        // The bound is the cost of a map in a request before crops were composed into maps.
        at_most(
            "instructions for a crop of 4096x3072 in mid-stream",
            per_frame(requests, "ns_of_crops")?,
            227_000.0,
        ),
        open("instructions to open and close a file", per_file("ns")?),
        open("bytes of an open file", per_file("bytes_open")?),
        open(
            "bytes of an open file with a buffer for each queue",
            per_file("bytes_streaming")?,
        ),
    ])
}

/// Returns the instructions of a frame of [`COUNTED`] on a device that does nothing, with the names of
/// the figures.
fn floor(env: &Env, board: &Board<'_>) -> Result<[(String, f64); 3]> {
    let modules = Vim2m::prepare(env, &board.sandbox, board.kernel())?;
    let mut options = Options::new(Flavour::Rt, Driver::None).on_one_cpu();
    options.icount = true;
    options.input = Some(modules.dir);
    options.timeout_s = 900;
    let mut script = "set -e
        modprobe -a v4l2-mem2mem videobuf2-vmalloc
        insmod /in/vim2m_rust.ko multiplanar=2 work=0\n"
        .to_owned();
    for files_and_buffers in ["1 4", "4 4", "1 1"] {
        script += &format!("dw100-board bench idle 640 480 {files_and_buffers} {FRAMES} 100\n");
    }
    let measured = boot(board, &options, &script)?;
    let [one, four, single] = measured.as_slice() else {
        bail!("{} measurements, not 3", measured.len());
    };
    let figure = |measured, streams: &str| -> Result<(String, f64)> {
        let name = format!("instructions a frame of an idle device, {streams}");
        Ok((name, ratio(measured, "busy_ns", "frames")?))
    };
    Ok([
        figure(one, "1 file")?,
        figure(four, "4 files")?,
        figure(single, "one at a time")?,
    ])
}

/// Returns the figures that come from the kernel's trace events.
fn traced(board: &Board<'_>, driver: Driver) -> Result<Vec<Metric>> {
    let mut options = Options::new(Flavour::Debug, driver);
    options.model.push("pixels=off".to_owned());
    let measured = boot(board, &options, "dw100-board bench events 200")?;
    let [events] = measured.as_slice() else {
        bail!("{} measurements, not 1", measured.len());
    };
    Ok(vec![
        (
            "memory allocations a frame, V4L2's of each ioctl aside".to_owned(),
            ratio(events, "allocations", "frames")?,
            Bound::AtMost(0.0),
        ),
        (
            "wake-ups a frame, 1 file".to_owned(),
            ratio(events, "wakeups", "frames")?,
            Bound::None,
        ),
    ])
}

/// Joins the figures of both drivers.
fn compared(drivers: &[Vec<Metric>; 2]) -> Result<Vec<Figure>> {
    let [theirs, ours] = drivers;
    ensure!(
        theirs.len() == ours.len(),
        "the drivers have different figures"
    );
    let pairs = theirs.iter().zip(ours);
    Ok(pairs
        .map(|((name, theirs, bound), (_, ours, _))| Figure {
            name: name.clone(),
            values: [*theirs, *ours],
            bound: *bound,
        })
        .collect())
}

/// Divides one number of a measurement by another.
fn ratio(measured: &Value, key: &str, of: &str) -> Result<f64> {
    let number = |key: &str| measured[key].as_f64().with_context(|| format!("no {key}"));
    Ok(number(key)? / number(of)?)
}

/// Returns the frames of the trace whose source has this width, without those at the start and the end
/// of the stream.
fn of_width(trace: &[Value], width: u32) -> Result<&[Value]> {
    let is = |frame: &Value| {
        frame["regs"]["0x18"].as_u64().map(|size| size & 0xffff) == Some(width.into())
    };
    let first = trace
        .iter()
        .position(is)
        .with_context(|| format!("no frame of width {width}"))?;
    let frames = &trace[first..];
    let count = frames
        .iter()
        .position(|frame| !is(frame))
        .unwrap_or(frames.len());
    ensure!(count > 40, "only {count} frames of width {width}");
    Ok(&frames[16..count - 8])
}

fn median(frames: &[Value], value: impl Fn(&Value) -> Option<f64>) -> Result<f64> {
    percentile(frames, 50, value)
}

/// Returns a percentile of the values: at most `percent` of a hundred values are less.
fn percentile(
    frames: &[Value],
    percent: usize,
    value: impl Fn(&Value) -> Option<f64>,
) -> Result<f64> {
    let values = frames
        .iter()
        .map(|frame| value(frame).with_context(|| format!("in {frame}")));
    let mut values = values.collect::<Result<Vec<_>>>()?;
    values.sort_by(f64::total_cmp);
    let place = values.len() * percent / 100;
    values.get(place).copied().context("no frame")
}

/// Measures frames per second: the median over all rounds. One more measurement has a real-time task on
/// the CPU that runs the interrupt and the mem2mem worker. This task sleeps for a thousandth of the
/// time: allocating buffers may wait for RCU, which waits for the timer thread of this CPU.
fn throughput(board: &Board<'_>) -> Result<Vec<Figure>> {
    let mut options = Options::new(Flavour::Rt, Driver::None);
    options.model.push("pixels=off".to_owned());
    options.append = Some(MEMORY.to_owned());
    options.timeout_s = 900;
    let hog = "taskset -c 0 chrt -f 10 dw100-board hog 100000 100 1000000 & hog=$!";
    let mut runs = Vec::new();
    for (size, buffers) in SIZES {
        for files in [1, 4] {
            let name = format!(
                "frames a second, {}, {files} file(s)",
                size.replace(' ', "x")
            );
            let stream =
                format!("dw100-board bench stream {size} {files} {buffers} 1000000 {SECONDS}");
            let bound = Bound::Times(if size == SIZES[0].0 { 1.5 } else { 1.0 });
            runs.push((name, stream, bound));
        }
    }
    let (small, buffers) = SIZES[0];
    let stream = format!("dw100-board bench stream {small} 1 {buffers} 1000000 {SECONDS}");
    runs.push((
        format!(
            "frames a second, {}, a FIFO hog on CPU 0",
            small.replace(' ', "x")
        ),
        format!("{hog}; taskset -c 1 {stream}; kill -9 $hog; wait $hog || true"),
        Bound::Times(1.5),
    ));
    let mut script = "set -e\n".to_owned();
    for round in 0..ROUNDS {
        for turn in 0..2 {
            let driver = DRIVERS[(round + turn) % 2].name();
            script += &format!("driver load {driver}\n");
            for (_, run, _) in &runs {
                script += &format!("{run}\n");
            }
            script += &format!("driver unload {driver}\n");
        }
    }
    let measured = boot(board, &options, &script)?;
    ensure!(
        measured.len() == 2 * ROUNDS * runs.len(),
        "{} measurements, not {}",
        measured.len(),
        2 * ROUNDS * runs.len()
    );
    let mut figures = Vec::new();
    for (number, (name, _, bound)) in runs.iter().enumerate() {
        let mut values = [Vec::new(), Vec::new()];
        for (turn, measured) in measured.chunks(runs.len()).enumerate() {
            // The drivers swap their turns in every second round.
            let driver = (turn + turn / 2) % 2;
            values[driver].push(1e9 / ratio(&measured[number], "ns", "frames")?);
        }
        for values in &mut values {
            values.sort_by(f64::total_cmp);
        }
        figures.push(Figure {
            name: name.clone(),
            values: values.map(|values| values[ROUNDS / 2]),
            bound: *bound,
        });
    }
    Ok(figures)
}

/// Returns the size of the code of both modules, in bytes.
fn text_size(env: &Env, board: &Board<'_>) -> Result<Figure> {
    let text = |module: &Path| -> Result<f64> {
        let mut command = board.sandbox.command(&env.checkout, "llvm-size");
        let printed = stdout_of(command.args(["-A", "-d"]).arg(module))?;
        let sections = printed.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            words.next().filter(|name| name.starts_with(".text"))?;
            words.next()?.parse::<f64>().ok()
        });
        Ok(sections.sum())
    };
    let [theirs, ours] = board.modules()?;
    Ok(Figure {
        name: "bytes of .text".to_owned(),
        values: [text(&theirs)?, text(&ours)?],
        bound: Bound::Share(2.5),
    })
}
