// SPDX-License-Identifier: GPL-2.0
//! The `dewarp` command: the command line, and the commands for picture files.
//! The other commands are in [`commands`]; those that access a device are a
//! feature. Exit status: see [`EXIT_STATUS`].

mod commands;
#[cfg(feature = "tune")]
mod tune;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use dewarp::{Error, Picture, Result, file};

use commands::board::BoardArgs;
use commands::export::ExportArgs;
use commands::info::InfoArgs;
use commands::map::MapArgs;
use commands::pages::{CompletionsArgs, ManArgs};
#[cfg(feature = "preview")]
use commands::preview::PreviewArgs;
#[cfg(feature = "device")]
use commands::run::RunArgs;
#[cfg(feature = "tune")]
use commands::tune::TuneArgs;

/// The text below the help and in the man page.
const EXIT_STATUS: &str = "\
Exit status:
  0  all is done
  1  the system failed: no device, a file that cannot be opened, read or written, a failed frame
  2  what was asked for or given is wrong: the command line, or what a file holds

Sizes are multiples of 8 from 176x144 to 4096x3072: --size is the output's, --source the input's.

Example:
  dewarp map lens --size 640x480 --calibration camera.yml --alpha 0 -o map.bin
  dewarp preview photo.png --map map.bin -o preview.png
  dewarp run --map map.bin photo.png -o straight.png";

/// Straighten pictures with the DW100 dewarper of the i.MX8MP.
#[derive(Parser)]
#[command(version, about, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Draw a board to print, with which a lens is calibrated.
    Board(BoardArgs),
    /// Make a vertex map: which point of the source each block corner shows.
    Map(Box<MapArgs>),
    /// Explain a map file.
    Info(Box<InfoArgs>),
    /// Print a calibration as another program takes it.
    Export(Box<ExportArgs>),
    /// Draw what a map does to a picture, without a device.
    #[cfg(feature = "preview")]
    Preview(PreviewArgs),
    /// Send a picture, a video or a camera's frames through the device.
    #[cfg(feature = "device")]
    Run(Box<RunArgs>),
    #[cfg(not(feature = "device"))]
    #[command(hide = true, disable_help_flag = true)]
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _words: Vec<String>,
    },
    /// Tune the correction of a lens by eye, on a page in a browser.
    #[cfg(feature = "tune")]
    Tune(Box<TuneArgs>),
    #[cfg(not(feature = "tune"))]
    #[command(hide = true, disable_help_flag = true)]
    Tune {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _words: Vec<String>,
    },
    /// Put two pictures side by side.
    Compare(CompareArgs),
    /// Write a picture in another file format.
    Convert(ConvertArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the man page, or write one for each command.
    Man(ManArgs),
}

#[derive(Args)]
#[command(after_help = "Example:\n  dewarp compare photo.png straight.png -o both.png")]
struct CompareArgs {
    /// The picture on the left.
    left: PathBuf,
    /// The picture on the right.
    right: PathBuf,
    /// Both.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:\n  dewarp convert photo.jpg -o photo.png")]
struct ConvertArgs {
    /// The picture (.png, .jpg).
    input: PathBuf,
    /// The same picture (.png, .jpg).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Returns the error for a command of a feature that this program lacks.
#[cfg(not(all(feature = "device", feature = "tune")))]
fn lacking(command: &str, feature: &str) -> Result<()> {
    Err(Error::bad_use(format!(
        "this dewarp was built without the feature {feature}, which '{command}' takes"
    )))
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Board(args) => commands::board::draw(&args),
        Command::Map(args) => commands::map::make(&args),
        Command::Info(args) => commands::info::show(&args),
        Command::Export(args) => commands::export::write(&args),
        #[cfg(feature = "preview")]
        Command::Preview(args) => commands::preview::draw(&args),
        #[cfg(feature = "device")]
        Command::Run(args) => commands::run::run(&args),
        #[cfg(not(feature = "device"))]
        Command::Run { .. } => lacking("run", "device"),
        #[cfg(feature = "tune")]
        Command::Tune(args) => commands::tune::tune(&args),
        #[cfg(not(feature = "tune"))]
        Command::Tune { .. } => lacking("tune", "tune"),
        Command::Compare(args) => compare(&args),
        Command::Convert(args) => convert(&args),
        Command::Completions(args) => commands::pages::completions(&args, Cli::command()),
        Command::Man(args) => commands::pages::man(&args, Cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dewarp: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn compare(args: &CompareArgs) -> Result<()> {
    file::apart(&[&args.left, &args.right], &[&args.output])?;
    Picture::load(&args.left)?
        .beside(&Picture::load(&args.right)?)?
        .save(&args.output)
}

fn convert(args: &ConvertArgs) -> Result<()> {
    file::apart(&[&args.input], &[&args.output])?;
    Picture::load(&args.input)?.save(&args.output)
}

/// Prints to standard output. A closed pipe is not an error, because its reader
/// may stop early.
fn print(bytes: &[u8]) -> Result<()> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::failed(format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::file("cannot read", path, error))
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| Error::file("cannot write", path, error))
}
