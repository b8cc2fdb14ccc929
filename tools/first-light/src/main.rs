// SPDX-License-Identifier: GPL-2.0

//! `first-light` runs as root on a board, for less than five minutes. It loads this project's
//! driver, and then the C driver if the kit has it, processes frames on the DW100, and writes the
//! assumptions and what the board did to `first-light.json` and `first-light.html`. It accesses no
//! device but the DW100, and stops at the first sign of a hung bus.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use first_light::board;
use first_light::journal::Journal;
use first_light::module::{self, Driver};
use first_light::report::{Judged, Line, Report, Verdict};
use first_light::session::{Message, Session, Sizes};
use first_light::steps::{self, Turn};
use first_light::{page, worker};
use nix::unistd::geteuid;

/// Measures what this board's DW100 does, and writes first-light.json and first-light.html to send
/// back. Exit status: 0 nothing that was measured differs from what is assumed, 1 something differs,
/// 2 it had to stop
#[derive(Parser)]
#[command(name = "first-light", version)]
struct Cli {
    /// Smaller and fewer frames: seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// Also put the map, the source and, if these were read right, the destination above 4 GiB. An
    /// engine that drops upper address bits reads other memory then, and may fail with a bus error
    #[arg(long)]
    above_4g: bool,
    /// Last of all force a time-out, to see whether the driver's reset recovers a running engine. If
    /// that hangs the bus, only switching the board off helps
    #[arg(long)]
    time_out: bool,
    /// Leave the C driver out
    #[arg(long)]
    no_c: bool,
    /// Do only what one of the options above asks for
    #[arg(long)]
    only: bool,
    /// Where the report goes
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Where dw100_rust.ko and dw100.ko are: with this program, unless told otherwise
    #[arg(long, value_name = "DIR")]
    kit: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("first-light: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli) -> Result<u8> {
    ensure!(
        geteuid().is_root(),
        "it loads kernel modules: run it as root"
    );
    let began = Instant::now();
    let kit = match &cli.kit {
        Some(kit) => kit.clone(),
        None => {
            let program = std::env::current_exe()?;
            program.parent().unwrap_or(Path::new(".")).to_owned()
        }
    };
    fs::create_dir_all(&cli.out).with_context(|| format!("creating {}", cli.out.display()))?;
    let (journal, former) = Journal::begin(&cli.out)?;
    let mut run = Run {
        cli,
        kit,
        began,
        total: 0,
        report: Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            options: std::env::args().skip(1).collect(),
            began: board::now(),
            board: board::facts(),
            former,
            ..Report::default()
        },
    };
    run.greet();
    if let Err(why) = run.all() {
        run.report.stopped = Some(format!("{why:#}"));
    }
    run.write()?;
    let report = &run.report;
    println!("\n{}", report.summary());
    if !report.worlds.is_empty() {
        let named: Vec<&str> = report.worlds.iter().map(String::as_str).collect();
        println!("Worlds that this engine shows: {}", named.join(", "));
    }
    for name in ["json", "html"] {
        println!("{}", cli.out.join(format!("first-light.{name}")).display());
    }
    journal.end(&format!("status {}", report.status))?;
    Ok(report.status)
}

/// One run of the program.
struct Run<'a> {
    cli: &'a Cli,
    kit: PathBuf,
    began: Instant,
    /// The number of all steps.
    total: usize,
    report: Report,
}

impl Run<'_> {
    /// Prints what runs, and how far a former run got.
    fn greet(&self) {
        let fact = |name: &str| {
            let facts = self.report.board.iter();
            facts
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.as_str())
                .next()
                .unwrap_or("?")
                .to_owned()
        };
        println!(
            "first-light {} on {}, Linux {}",
            self.report.version,
            fact("board"),
            board::kernel_release()
        );
        if let Some(former) = &self.report.former {
            println!("A former run in {}: {former}.", self.cli.out.display());
        }
    }

    /// Returns the drivers' turns, in order: those that may hang the bus come last.
    fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        if !self.cli.only {
            turns.push(Turn::Rust);
            if !self.cli.no_c && Driver::C.file(&self.kit).exists() {
                turns.push(Turn::C);
            }
        }
        if self.cli.above_4g {
            turns.push(Turn::Above4G);
        }
        if self.cli.time_out {
            turns.push(Turn::TimeOut);
        }
        turns
    }

    /// Removes a driver that is loaded, and runs each driver's turn.
    fn all(&mut self) -> Result<()> {
        board::mount_debugfs()?;
        ensure!(
            module::has_device(),
            "this board's device tree has no node for the DW100 (32e30000.dwe), or it is disabled: see \
             README.txt, \"No device\""
        );
        let before = module::loaded()?;
        if let Some(name) = &before {
            println!("Removing the module {name} for the time being.");
            module::unload(name)?;
        }
        let turns = self.turns();
        self.total = turns.iter().map(|turn| turn.steps().len()).sum();
        self.report.steps = [0, self.total];
        if !self.cli.only && !turns.contains(&Turn::C) {
            let why = "its module is not in the kit, or was left out";
            let judged = Judged::not_measured("the C driver on the same board", "", why);
            self.line(Line::of(judged, "the C driver", Driver::C));
        }
        for turn in turns {
            self.turn(turn)?;
            if self.report.stopped.is_some() {
                // Removing the module would access the engine.
                return Ok(());
            }
            // The board may hang in the next turn.
            self.write()?;
        }
        if let Some(name) = before {
            println!("Loading the module {name} again.");
            let driver = [Driver::Rust, Driver::C];
            let own = driver.into_iter().find(|driver| driver.module() == name);
            let again = std::process::Command::new("modprobe").arg(&name).status();
            if !again.is_ok_and(|status| status.success()) {
                if let Some(driver) = own.filter(|driver| driver.file(&self.kit).exists()) {
                    module::load(driver, &self.kit, "")?;
                }
            }
        }
        Ok(())
    }

    /// Runs a driver's turn in its own process.
    fn turn(&mut self, turn: Turn) -> Result<()> {
        let driver = turn.driver();
        let sizes = if self.cli.quick {
            Sizes::QUICK
        } else {
            Sizes::FULL
        };
        let began = self.began;
        let (kit, out) = (self.kit.clone(), self.cli.out.clone());
        let known = self.report.worlds.clone();
        let steps = move |to: File| {
            let journal = Journal::of(&out);
            let parameters = turn.parameters();
            let mut session = Session::new(driver, kit, parameters, sizes, journal, to, began);
            session.known = known;
            steps::run(turn, &mut session)
        };
        let number = self.report.frames.len();
        self.report.frames.push((driver.module().to_owned(), 0));
        worker::run(steps, |message| {
            self.hear(driver, number, message);
            Ok(())
        })
    }

    /// Handles a message of a driver's turn.
    fn hear(&mut self, driver: Driver, number: usize, message: Message) {
        match message {
            Message::Step(name) => {
                self.report.steps[0] += 1;
                println!(
                    "step {} of {}: {}: {name}",
                    self.report.steps[0],
                    self.total,
                    driver.title()
                );
            }
            Message::Line(line) => self.line(line),
            Message::Speed(speed) => {
                if speed.least_ns > 0 {
                    println!(
                        "    {} map, {}: {:.3} ms, {:.3} pixels per clock",
                        speed.map,
                        speed.mode,
                        speed.least_ns as f64 / 1e6,
                        speed.pixels_per_clock
                    );
                }
                self.report.speeds.push(speed);
            }
            Message::Picture(picture) => self.report.pictures.push(picture),
            Message::Text(text) => self.report.texts.push(text),
            Message::Frames(count) => self.report.frames[number].1 = count,
            Message::Hung(why) => self.report.stopped = Some(why),
            Message::Unusable(why) if driver == Driver::C => {
                let judged = Judged::not_measured("the C driver", "", why);
                self.line(Line::of(judged, "loading the module", driver));
            }
            Message::Unusable(why) => self.report.stopped = Some(why),
            Message::End => {}
        }
    }

    /// Adds a line to the report, and prints it.
    fn line(&mut self, line: Line) {
        let mark = match line.verdict {
            Verdict::AsAssumed => "ok     ",
            Verdict::Differs => "DIFFERS",
            Verdict::NotToldApart => "open   ",
            Verdict::NotMeasured => "-      ",
        };
        let mut found = line.found.clone();
        if let Some((end, _)) = found.char_indices().nth(160) {
            found.truncate(end);
            found += " ...";
        }
        println!("    {mark} {}: {found}", line.topic);
        self.report.add(line);
    }

    /// Writes the report in its present state, and waits until it is on the disk.
    fn write(&mut self) -> Result<()> {
        self.report.seconds = self.began.elapsed().as_secs_f64();
        self.report.judge();
        let json = serde_json::to_string_pretty(&self.report)?;
        for (name, text) in [
            ("first-light.json", json),
            ("first-light.html", page::render(&self.report)?),
        ] {
            let path = self.cli.out.join(name);
            let file =
                File::create(&path).with_context(|| format!("writing {}", path.display()))?;
            std::io::Write::write_all(&mut &file, text.as_bytes())?;
            file.sync_all()?;
        }
        Ok(())
    }
}
