// SPDX-License-Identifier: GPL-2.0

//! Part of suite `stream`: runs every command of docs/streams.md on the board, as printed there, and
//! compares the results with those of runs with one map, which suite `stream` compares with the model.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::Tests;
use super::clients::blocks;
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::step::copy_file;

/// The document with the commands.
const DOCUMENT: &str = "docs/streams.md";

/// The size of the frames of its input, which is NV12.
const WIDTH: usize = 640;
const HEIGHT: usize = 480;
const LUMA: usize = WIDTH * HEIGHT;
const FRAME: usize = LUMA * 3 / 2;

/// The number of these frames, and of those that the document takes from a camera. There are three
/// maps.
const FRAMES: usize = 4;
const FILMED: usize = 8;

/// Loads two cameras with contiguous buffers, like those of real boards: `/dev/video1` with the
/// single-planar API, `/dev/video2` with the multi-planar API.
const BEFORE: &str = "set -e
    cp /in/* /out
    cd /out
    modprobe vivid n_devs=2 node_types=0x1,0x1 no_error_inj=1 multiplanar=1,2 allocators=1,1
    v4l2-ctl -d /dev/video1 --set-fmt-video=width=640,height=480 --set-parm=30 > /dev/null
    exec 2> said\n";

/// Makes the results that the document's are compared with, and provokes errors.
const AFTER: &str = "exec 2> more
    for n in 0 1 2; do
        dewarp run --map zoom-$n.bin --source 640x480 frames.nv12 -o single-$n.nv12
    done
    dewarp run --map map.bin --source 640x480 first.nv12 -o first-alone.nv12
    dewarp run --source 640x480 --in-format nv12 --frames 2 --save-in planes-in.nv12 /dev/video2 \
        -o planes.nv12
    dewarp run --source 640x480 --in-format nv12 --frames 6 --report drops.json /dev/video1 \
        -o /proc/self/fd/1 | { sleep 1; cat > drops.nv12; }
    dewarp run /dev/video1 -o until.nv12 & pid=$!
    sleep 1
    kill -INT $pid
    ends() { status=0; \"$@\" || status=$?; echo $status >> statuses; }
    ends wait $pid
    model error=2@2
    ends dewarp run --source 640x480 --report failed.json frames.nv12 -o failed.nv12
    ends dewarp run --in-format nv21 /dev/video1 -o /dev/null 2> refused";

/// A test's name and its function.
type Judge = (&'static str, fn(&Out) -> Result<()>);

const JUDGES: [Judge; 9] = [
    ("each frame has the map that is its own", maps),
    ("Y4M gives what raw frames give", y4m),
    ("two outputs of one source are two runs", outputs),
    ("a camera's frames are read in place", camera),
    ("a camera of the multi-planar interface is, too", planes),
    ("what was done is said and reported", said),
    ("frames that a camera drops are counted", drops),
    ("Ctrl-C ends a camera's stream with a whole frame", until),
    (
        "a failed frame and a format that does not fit are told",
        wrong,
    ),
];

/// Returns the names of the tests.
pub fn names() -> impl Iterator<Item = &'static str> {
    JUDGES.into_iter().map(|(name, _)| name)
}

/// Runs all commands in one boot.
pub fn run(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    if !names().any(|name| tests.wants(name)) {
        return Ok(());
    }
    let env = tests.env;
    let work = env.cache.run_dir()?;
    let mut options = Options::new(Flavour::Rt, Driver::Rust).on_one_cpu();
    options.exchange(&work.dir)?;
    let input = work.dir.join("in");
    let camera = "opencv.yml";
    let cameras = env.checkout.join("tools/dewarp/tests/cameras");
    copy_file(&cameras.join(camera), &input.join(camera))?;
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(pattern).collect();
    fs::write(input.join("frames.nv12"), frames.concat())?;
    fs::write(input.join("video.y4m"), video(&frames))?;

    let document = fs::read_to_string(env.checkout.join(DOCUMENT))?;
    let script = [BEFORE, &shell(&document)?, AFTER].concat();
    tests.boot(board, &options, &script)?;
    let out = Out(work.dir.join("out"));
    for (name, judge) in JUDGES {
        tests.record(name, judge(&out));
    }
    Ok(())
}

/// Returns the shell commands of the document.
fn shell(document: &str) -> Result<String> {
    let blocks = blocks(document).into_iter();
    let shell: String = blocks.map(|(_, commands)| commands).collect();
    let streams = shell.matches("dewarp run").count();
    ensure!(
        streams >= 6,
        "{DOCUMENT} has {streams} commands `dewarp run`"
    );
    Ok(shell)
}

/// Returns a frame that differs from those of other numbers, and whose pixels and planes differ.
fn pattern(number: usize) -> Vec<u8> {
    // CAST: the remainder of 256.
    let byte = |value: usize| (value % 256) as u8;
    let mut frame: Vec<u8> = (0..LUMA)
        .map(|at| byte(2 * (at % WIDTH) + 3 * (at / WIDTH) + 50 * number))
        .collect();
    frame.extend((0..LUMA / 4).flat_map(|at| {
        let (x, y) = (at % (WIDTH / 2), at / (WIDTH / 2));
        [byte(x + 7 * number), byte(2 * y + 11 * number + 90)]
    }));
    frame
}

/// Returns the same frames as Y4M.
fn video(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut video = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip C420jpeg\n").into_bytes();
    for frame in frames {
        let (luma, chroma) = frame.split_at(LUMA);
        video.extend(b"FRAME\n");
        video.extend(luma);
        for part in 0..2 {
            video.extend(chroma.iter().skip(part).step_by(2));
        }
    }
    video
}

/// The directory with the files that the board left.
struct Out(PathBuf);

impl Out {
    fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        fs::read(self.0.join(name)).with_context(|| format!("{name} is missing"))
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(String::from_utf8(self.bytes(name)?)?)
    }

    fn report(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.text(name)?)?)
    }

    /// Returns the frames of a file as NV12. Fails unless there are `count`.
    fn frames(&self, name: &str, count: usize) -> Result<Vec<Vec<u8>>> {
        let bytes = self.bytes(name)?;
        let frames = if Path::new(name).extension().is_some_and(|end| end == "y4m") {
            unpacked(&bytes).with_context(|| name.to_owned())?
        } else {
            ensure!(bytes.len() % FRAME == 0, "{name} ends within a frame");
            bytes.chunks(FRAME).map(<[u8]>::to_vec).collect()
        };
        ensure!(
            frames.len() == count,
            "{name} has {} frames, not {count}",
            frames.len()
        );
        Ok(frames)
    }
}

/// Returns the frames of a Y4M file as NV12.
fn unpacked(video: &[u8]) -> Result<Vec<Vec<u8>>> {
    let end = video.iter().position(|&byte| byte == b'\n');
    let (header, mut rest) = video.split_at(end.context("no header")? + 1);
    let header = String::from_utf8_lossy(header);
    ensure!(
        header.starts_with(&format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} ")) && header.contains(" C420"),
        "the header is {header}"
    );
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let Some((frame, after)) = rest
            .strip_prefix(b"FRAME\n")
            .and_then(|rest| rest.split_at_checked(FRAME))
        else {
            bail!("no whole frame after {}", frames.len());
        };
        let (luma, chroma) = frame.split_at(LUMA);
        let (cb, cr) = chroma.split_at(LUMA / 4);
        let pairs = cb.iter().zip(cr).flat_map(|(cb, cr)| [*cb, *cr]);
        frames.push(luma.iter().copied().chain(pairs).collect());
        rest = after;
    }
    Ok(frames)
}

/// Fails if two streams differ in any frame.
fn same(what: &str, got: &[Vec<u8>], wanted: &[Vec<u8>]) -> Result<()> {
    for (number, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        let differing = got.iter().zip(wanted).filter(|(a, b)| a != b).count();
        ensure!(
            differing == 0,
            "frame {number} of {what}: {differing} bytes differ"
        );
    }
    ensure!(got.len() == wanted.len(), "{what} has {} frames", got.len());
    Ok(())
}

fn maps(out: &Out) -> Result<()> {
    let single = |map: usize| out.frames(&format!("single-{map}.nv12"), FRAMES);
    let single = [single(0)?, single(1)?, single(2)?];
    let wanted: Vec<_> = (0..FRAMES).map(|n| single[n % 3][n].clone()).collect();
    for (number, [a, b]) in [[0, 1], [1, 2], [0, 2]].into_iter().enumerate() {
        ensure!(
            single[a][number] != single[b][number],
            "maps {a} and {b} do the same"
        );
    }
    same("zoom.y4m", &out.frames("zoom.y4m", FRAMES)?, &wanted)
}

fn y4m(out: &Out) -> Result<()> {
    let raw = out.frames("straight.nv12", FRAMES)?;
    ensure!(
        raw != out.frames("frames.nv12", FRAMES)?,
        "the map does nothing"
    );
    same("straight.y4m", &out.frames("straight.y4m", FRAMES)?, &raw)?;
    let header = out.bytes("straight.y4m")?;
    let header = header
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    ensure!(
        header == b"YUV4MPEG2 W640 H480 F30:1 C420jpeg",
        "the header is {}",
        String::from_utf8_lossy(header)
    );
    Ok(())
}

fn outputs(out: &Out) -> Result<()> {
    for (name, map) in [("whole.y4m", 0), ("near.y4m", 2)] {
        let single = out.frames(&format!("single-{map}.nv12"), FRAMES)?;
        same(name, &out.frames(name, FRAMES)?, &single)?;
    }
    Ok(())
}

/// Fails unless the frames show the same picture, and at least `new` of them differ from the one before.
/// vivid's picture does not move, except for a clock and the frame's number at its top.
fn stands_still(frames: &[Vec<u8>], new: usize) -> Result<()> {
    for (number, pair) in frames.windows(2).enumerate() {
        let lower = [&pair[0][LUMA / 2..LUMA], &pair[1][LUMA / 2..LUMA]];
        ensure!(
            lower[0] == lower[1],
            "frame {} has another picture",
            number + 1
        );
    }
    let differ = frames.windows(2).filter(|pair| pair[0] != pair[1]).count();
    ensure!(
        differ >= new,
        "{differ} frames differ from the one before, and not {new}"
    );
    let first = &frames[0][LUMA / 2..LUMA];
    ensure!(
        first.iter().any(|&byte| byte != first[0]),
        "there is no picture"
    );
    Ok(())
}

fn camera(out: &Out) -> Result<()> {
    let frames = out.frames("camera.nv12", FILMED)?;
    same(
        "camera.nv12, its first",
        &frames[..1],
        &out.frames("first-alone.nv12", 1)?,
    )?;
    // The map leaves the clock out. vivid gives two frames the same number when it is late.
    let new = FILMED / 2;
    stands_still(&frames, new)?;
    stands_still(&out.frames("camera.y4m", FILMED)?, new).context("YUYV")
}

fn planes(out: &Out) -> Result<()> {
    let frames = out.frames("planes.nv12", 2)?;
    stands_still(&frames, 1)?;
    same(
        "planes.nv12, its first",
        &frames[..1],
        &out.frames("planes-in.nv12", 1)?,
    )
}

fn said(out: &Out) -> Result<()> {
    let said = out.text("said")?;
    let lines: Vec<&str> = said.lines().collect();
    let wanted = [FRAMES, FRAMES, FRAMES, FILMED, FILMED, FRAMES];
    ensure!(lines.len() == wanted.len(), "it says: {said}");
    for (line, frames) in lines.iter().zip(wanted) {
        let start = format!("dewarp: {frames} frames in ");
        let camera = line.contains(" dropped by the camera");
        ensure!(
            line.starts_with(&start)
                && line.contains(" a second, 0 failed")
                && line.contains("; engine ")
                && camera == (frames == FILMED),
            "it says: {line}"
        );
    }
    let report = out.report("zoom.json")?;
    let number = |name: &str| report[name].as_f64().unwrap_or(-1.0);
    let (mean, max) = (number("engine_ns_mean"), number("engine_ns_max"));
    ensure!(
        report["frames"] == FRAMES
            && report["errors"] == 0
            && report["dropped"].is_null()
            && report["map"] == "zoom.maps"
            && number("fps") > 0.0
            && 0.0 < mean
            && mean <= max,
        "the report is {report:#}"
    );
    Ok(())
}

fn drops(out: &Out) -> Result<()> {
    out.frames("drops.nv12", 6)?;
    let report = out.report("drops.json")?;
    // For a second nothing reads the output, and the camera has four buffers.
    ensure!(
        report["dropped"].as_u64() > Some(5) && report["errors"] == 0,
        "the report is {report:#}"
    );
    Ok(())
}

fn until(out: &Out) -> Result<()> {
    let count = out.bytes("until.nv12")?.len() / FRAME;
    ensure!(count > 1, "{count} frames in a second");
    stands_still(&out.frames("until.nv12", count)?, count - 1)
}

fn wrong(out: &Out) -> Result<()> {
    let statuses = out.text("statuses")?;
    ensure!(statuses == "0\n1\n2\n", "the statuses are {statuses:?}");
    let report = out.report("failed.json")?;
    ensure!(
        report["errors"] == 1 && report["frames"] == FRAMES,
        "the report is {report:#}"
    );
    let refused = out.text("refused")?;
    let (_, choice) = refused
        .split_once("choose with --in-format among ")
        .with_context(|| refused.clone())?;
    let choice: Vec<&str> = choice.split_whitespace().collect();
    ensure!(
        refused.contains("/dev/video1 gives no nv21 that the device takes; it offers ")
            && choice.contains(&"nv12")
            && choice.contains(&"yuyv")
            && !choice.contains(&"nv21"),
        "it says: {refused}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_unpacked_to_the_frames_that_it_was_made_of() {
        let frames = [pattern(0), pattern(1)];
        let video = video(&frames);
        assert!(unpacked(&video).unwrap() == frames);
        assert!(frames[0] != frames[1]);
        assert!(unpacked(&video[..video.len() - 1]).is_err());
        assert!(unpacked(b"YUV4MPEG2 W640 H360 C420\n").is_err());
    }

    #[test]
    fn only_shell_blocks_are_run() {
        let run = "dewarp run a\n".repeat(6);
        let document = format!("text\n```sh\n{run}```\nmore\n```\nsaid\n```\n```sh\nlast\n```\n");
        assert_eq!(shell(&document).unwrap(), format!("{run}last\n"));
        assert!(shell("```sh\ndewarp run a\n```\n").is_err());
    }

    #[test]
    fn a_stream_that_stops_or_has_no_picture_is_an_error() {
        assert!(stands_still(&[pattern(0), pattern(0)], 1).is_err());
        assert!(stands_still(&[pattern(0), pattern(1)], 1).is_err());
        let mut next = pattern(0);
        next[0] ^= 1;
        assert!(stands_still(&[pattern(0), next], 1).is_ok());
        assert!(stands_still(&[vec![9; FRAME]], 1).is_err());
    }
}
