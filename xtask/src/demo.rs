// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask demo`: dewarps a picture with the driver on the emulated board, and leaves it in
//! target/demo together with the files that show how it was made.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::Env;
use crate::board::{Board, Driver, Options};
use crate::chown::ChownGuard;
use crate::kernel::Flavour;
use crate::key::sha256;
use crate::programs::Program;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, make_dir, remove_dir, stdout_of};

/// A picture of the repository, with the calibration of its lens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Picture {
    /// A photograph of a chessboard, 640x480, with the camera's calibration
    Photo,
    /// A rendered facade, 1920x1080, through a wide lens
    Scene,
}

impl Picture {
    /// Returns the picture's name in options and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Scene => "scene",
        }
    }

    /// Returns the picture's file, the file of its lens's calibration, and its size.
    fn source(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Photo => ("photo.jpg", "left_intrinsics.yml", "640x480"),
            Self::Scene => ("scene.png", "scene_intrinsics.yml", "1920x1080"),
        }
    }

    /// Returns the arguments of two calls of `dewarp`: one writes `input.png`, the other `map.bin`, the
    /// map that corrects the lens. `pictures` is the directory of the pictures.
    fn prepare(self, pictures: &str) -> [Vec<String>; 2] {
        let (file, calibration, size) = self.source();
        let place = |name| format!("{pictures}/{name}");
        let (file, calibration) = (place(file), place(calibration));
        let convert = ["convert", &file, "-o", "input.png"];
        let map = [
            "map",
            "lens",
            "--size",
            size,
            "--calibration",
            &calibration,
            "-o",
            "map.bin",
        ];
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        [owned(&convert), owned(&map)]
    }

    /// Makes `input.png` and `map.bin` in `dir`, with the client of this machine.
    pub fn stage(self, env: &Env, sandbox: &Sandbox, client: &Program, dir: &Path) -> Result<()> {
        self.prepare(&pictures(env).to_string_lossy())
            .iter()
            .try_for_each(|words| stdout_of(client.command(sandbox, dir).args(words)).map(drop))
    }
}

/// Returns the directory of the pictures.
fn pictures(env: &Env) -> PathBuf {
    env.checkout.join("tests/pictures")
}

/// Returns the command that dewarps the files of [`Picture::stage`] in `input` on the board.
pub fn script(input: &str, output: &str) -> String {
    format!(
        "dewarp run --map {input}/map.bin {input}/input.png -o {output}/output.png \
         --save-in {output}/frame-in.nv12 --save-out {output}/frame-out.nv12 \
         --report {output}/run.json"
    )
}

/// Runs the demo and leaves its files in `target/demo`.
pub fn run(env: &Env, driver: Driver, picture: Picture) -> Result<()> {
    if driver == Driver::None {
        bail!("the demo needs a driver: --driver rust or --driver c");
    }
    let board = Board::without_tests(env, Flavour::Rt, driver)?;
    let started = Instant::now();
    let work = env.cache.run_dir()?;
    let dir = &work.dir;
    // The board makes the map and compares the pictures, so that no client has to be built for this
    // machine.
    let prepare = picture
        .prepare("/in")
        .map(|words| format!("dewarp {}", words.join(" ")));
    let script = format!(
        "cd /out && {} && {} && dewarp compare input.png output.png -o side-by-side.png",
        prepare.join(" && "),
        script("/out", "/out")
    );

    let mut options = Options::new(Flavour::Rt, driver);
    options.input = Some(pictures(env));
    options.output = Some(dir.clone());
    let step = env.step("board")?;
    options.console = Some(step.log.clone());
    let outcome = board.run(&options, &script, false)?;
    step.finish();
    outcome.ensure_success()?;

    let report = report(&board, driver, picture, dir)?;
    fs::write(dir.join("report.json"), format!("{report:#}\n"))?;
    fs::remove_file(dir.join("run.json"))?;
    let shown = publish(env, dir)?;
    for file in ["input.png", "output.png", "side-by-side.png", "report.json"] {
        println!("{}", shown.join(file).display());
    }
    env.ui.say(&format!(
        "from boot to picture: {:.1} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Copies the files to `target/demo` and removes those of earlier runs.
fn publish(env: &Env, work: &Path) -> Result<PathBuf> {
    let dir = env.checkout.join("target/demo");
    let _alone = env.scratch("demo")?;
    let _chown = ChownGuard::of_all(&dir);
    remove_dir(&dir)?;
    make_dir(&dir)?;
    for file in fs::read_dir(work)? {
        let file = file?;
        copy_file(&file.path(), &dir.join(file.file_name()))?;
    }
    Ok(dir)
}

/// Returns the report: driver, kernel, hashes of the files, and the cost of each frame in the engine.
fn report(board: &Board<'_>, driver: Driver, picture: Picture, dir: &Path) -> Result<Value> {
    let read =
        |name: &str| fs::read(dir.join(name)).with_context(|| format!("the board left no {name}"));
    let run: Value = serde_json::from_slice(&read("run.json")?)?;
    let frames = frames_of(&String::from_utf8(read("trace.jsonl")?)?)?;
    if frames.is_empty() {
        bail!("the engine's trace has no frame: the picture did not come from it");
    }
    let cost = |frame: &Value| {
        json!({
            "reads": frame["reads"],
            "writes": frame["writes"],
            "irq_to_gate_ns": span(frame, "irq_ns", "gate_ns"),
            "status": frame["status"],
        })
    };
    let mut hashes = serde_json::Map::new();
    for file in ["map.bin", "frame-in.nv12", "frame-out.nv12", "output.png"] {
        hashes.insert(file.to_owned(), Value::String(sha256(&read(file)?)));
    }
    Ok(json!({
        "picture": picture.name(),
        "driver": driver.name(),
        "kernel": board.kernel_release(),
        "run": run,
        "sha256": hashes,
        "engine": frames.iter().map(cost).collect::<Vec<_>>(),
    }))
}

/// Parses the engine's trace.
pub fn frames_of(trace: &str) -> Result<Vec<Value>> {
    Ok(trace
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

/// Returns the time between two events of a frame in the trace, in nanoseconds of virtual time.
pub fn span(frame: &Value, from: &str, to: &str) -> Option<i64> {
    Some(frame[to].as_i64()? - frame[from].as_i64()?)
}
