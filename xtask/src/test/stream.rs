// SPDX-License-Identifier: GPL-2.0

//! Suite `stream`: frames through the driver. Their pixels against the golden model, the demo's
//! pictures, the interrupt's way, and endurance.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::{Tests, boot};
use crate::board::{Board, Driver, Options};
use crate::demo::{self, Picture, frames_of, span};
use crate::kernel::Flavour;
use crate::tools::Judges;

/// Instructions from the interrupt line's rise to the AXI master's gate, with `--icount`.
const GATE_LIMIT_NS: i64 = 600;

/// Frames over which that is measured.
const GATED_FRAMES: usize = 100;

/// The engine's line in /proc/interrupts: SPI 100.
const HWIRQ: [&str; 2] = ["GICv3", "132"];

/// Runs the suite.
pub fn run(tests: &mut Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let judges = Judges::prepare(tests.env, &board.sandbox)?;
    pairs(tests, &board, &judges)?;
    pictures(tests, &board, &judges)?;
    interrupt(tests, &board)?;
    endurance(tests, &board);
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    endurance(tests, &board);
    Ok(())
}

/// A boot's files: what it reads in `in`, what it leaves in `out`.
fn exchange(options: &mut Options, dir: &Path) -> Result<()> {
    for (name, place) in [("in", &mut options.input), ("out", &mut options.output)] {
        fs::create_dir_all(dir.join(name))?;
        *place = Some(dir.join(name));
    }
    Ok(())
}

/// Each pair of formats, judged by `dw100-stream`.
fn pairs(tests: &mut Tests<'_>, board: &Board<'_>, judges: &Judges) -> Result<()> {
    let env = tests.env;
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust);
    exchange(&mut options, &work.dir)?;
    let (input, output) = (work.dir.join("in"), work.dir.join("out"));
    Picture::Photo.stage(board, env, &input)?;
    let mut plan = judges.command(env, &board.sandbox, "dw100-stream");
    crate::step::capture(plan.arg("plan").arg(&input))?;

    // A frame that fails is missed by its own test: the script goes on.
    boot(board, &options, "sh /in/script; true")?;
    let mut check = judges.command(env, &board.sandbox, "dw100-stream");
    let verdicts = check.arg("check").arg(&input).arg(&output).output()?;
    if tests.record_lines(&String::from_utf8_lossy(&verdicts.stdout)) == 0 {
        bail!("no verdict: {}", String::from_utf8_lossy(&verdicts.stderr));
    }
    Ok(())
}

/// The demo's pictures through both drivers in one boot.
fn pictures(tests: &mut Tests<'_>, board: &Board<'_>, judges: &Judges) -> Result<()> {
    let env = tests.env;
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust);
    exchange(&mut options, &work.dir)?;
    let all = [Picture::Photo, Picture::Scene];
    let mut script =
        "set -e\nps -eo comm > /out/threads\ncat /proc/interrupts > /out/interrupts\n".to_owned();
    for driver in [Driver::Rust, Driver::C] {
        for picture in all {
            let name = picture.name();
            let dir = work.dir.join("in").join(name);
            fs::create_dir_all(&dir)?;
            if driver == Driver::Rust {
                picture.stage(board, env, &dir)?;
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
    boot(board, &options, &script)?;

    let out = work.dir.join("out");
    for picture in all {
        let name = picture.name();
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
        tests.record(&format!("{name}: bent lines come out straight"), result);
        let frame = |driver: &str| fs::read(out.join(format!("{driver}-{name}/frame-out.nv12")));
        let same = match (frame("rust"), frame("c")) {
            (Ok(ours), Ok(theirs)) if ours == theirs => Ok(()),
            (Ok(_), Ok(_)) => Err(anyhow::anyhow!("the frames differ")),
            _ => Err(anyhow::anyhow!("a frame is missing")),
        };
        tests.record(
            &format!("{name}: the C driver delivers the same bytes"),
            same,
        );
    }
    let threads = fs::read_to_string(out.join("threads"))?;
    let interrupts = fs::read_to_string(out.join("interrupts"))?;
    tests.record("one interrupt thread", one_thread(&threads, &interrupts));
    Ok(())
}

/// The engine has one interrupt thread: a second one would mean that the hard half is a thread too.
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

/// How soon the bus is gated after the interrupt line rises, in instructions.
fn interrupt(tests: &mut Tests<'_>, board: &Board<'_>) -> Result<()> {
    let work = tests.env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust);
    options.icount = true;
    options.model.clear();
    exchange(&mut options, &work.dir)?;
    fs::write(
        work.dir.join("in/frames.raw"),
        vec![0x80; 640 * 480 * 3 / 2],
    )?;
    boot(
        board,
        &options,
        &format!("dewarp run --size 640x480 --frames {GATED_FRAMES} /in/frames.raw -o /dev/null"),
    )?;
    let trace = fs::read_to_string(work.dir.join("out/trace.jsonl"))?;
    let name = format!("the bus is gated within {GATE_LIMIT_NS} instructions");
    tests.record(&name, gated_in_time(&trace, GATED_FRAMES));
    Ok(())
}

/// An interrupt that comes while the kernel has interrupts off must wait, whoever the driver is:
/// the median must keep the limit, and all but three in a hundred.
fn gated_in_time(trace: &str, frames: usize) -> Result<()> {
    let lines = frames_of(trace)?;
    ensure!(
        lines.len() == frames,
        "{} frames in the trace, not {frames}",
        lines.len()
    );
    let gated = |line| span(line, "irq_ns", "gate_ns").context("a frame's bus was never gated");
    let mut times = lines.iter().map(gated).collect::<Result<Vec<i64>>>()?;
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let late = times.iter().filter(|&&time| time > GATE_LIMIT_NS).count();
    ensure!(
        median <= GATE_LIMIT_NS && late * 100 <= frames * 3,
        "gated after {median} in the median, {worst} at worst; {late} of {frames} were late"
    );
    Ok(())
}

/// Many frames, then the module out and in, without a splat.
fn endurance(tests: &mut Tests<'_>, board: &Board<'_>) {
    let frames = if tests.full { 5000 } else { 500 };
    let kernel = board.flavour().name();
    let name = format!("{frames} frames of 1920x1080, then 20 times rmmod and insmod, {kernel}");
    tests.record(&name, endure(tests, board, frames));
}

fn endure(tests: &Tests<'_>, board: &Board<'_>, frames: usize) -> Result<()> {
    let work = tests.env.cache.run_dir()?;
    let mut options = Options::new(board.flavour(), Driver::Rust);
    options.timeout = 1200;
    exchange(&mut options, &work.dir)?;
    let format = "width=1920,height=1080,pixelformat=NV12";
    let script = format!(
        "set -e
        v4l2-ctl -d /dev/video0 --set-fmt-video-out={format} --set-fmt-video={format} \
            --stream-mmap --stream-out-mmap --stream-count={frames} --stream-to=/dev/null \
            > /tmp/said 2>&1 || {{ tail -c 2000 /tmp/said; exit 1; }}
        for i in $(seq 20); do driver unload rust; driver load rust; done
        v4l2-ctl -d /dev/video0 --all > /dev/null"
    );
    boot(board, &options, &script)?;
    let trace = fs::read_to_string(work.dir.join("out/trace.jsonl"))?;
    let done = frames_of(&trace)?
        .iter()
        .filter(|frame| frame["status"] == 1)
        .count();
    ensure!(
        done >= frames,
        "the engine finished {done} frames, not {frames}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_two_threads_are_one_too_many() {
        let interrupts = "            CPU0       CPU1\n \
            17:        132          0  GICv3      59 Level     30890000.serial\n \
            190:        51        132  GICv3     132 Level     dw100\n";
        let others = "init\nirq/17-30890000\nkworker/0:0\n".to_owned();
        let of = |names: &str| one_thread(&(others.clone() + names), interrupts);
        assert!(of("irq/190-dw100\n").is_ok());
        assert!(of("irq/190-32e3000\nirq/190-s-32e30\n").is_err());
        assert!(of("").is_err());
        assert!(one_thread("irq/190-dw100\n", "").is_err());
    }

    #[test]
    fn the_median_and_nearly_all_frames_must_be_gated_in_time() {
        let line = |gate: u32| format!("{{\"frame\":1,\"irq_ns\":1000,\"gate_ns\":{gate}}}\n");
        let trace = |late: usize| line(1600).repeat(100 - late) + &line(1601).repeat(late);
        assert!(gated_in_time(&trace(0), 100).is_ok());
        assert!(gated_in_time(&trace(3), 100).is_ok());
        assert!(gated_in_time(&trace(4), 100).is_err());
        assert!(gated_in_time(&trace(0), 101).is_err());
        assert!(gated_in_time("{\"irq_ns\":1000,\"gate_ns\":null}", 1).is_err());
    }
}
