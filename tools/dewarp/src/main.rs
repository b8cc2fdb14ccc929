// SPDX-License-Identifier: GPL-2.0
//! The `dewarp` command: the command line, and the commands for pictures. Those
//! for maps are in [`commands`]; what talks to a device is a feature.
//! Exit status: 0, 1 when something failed, 2 for bad use.

mod commands;

#[cfg(feature = "device")]
use std::fs::File;
#[cfg(feature = "device")]
use std::io::BufWriter;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

#[cfg(feature = "device")]
use dewarp::device::{Colours, Device};
#[cfg(feature = "device")]
use dewarp::file::FileKind;
#[cfg(feature = "device")]
use dewarp::stream::{Side, Source, Stream, report};
use dewarp::{Error, Picture, Result};
#[cfg(feature = "device")]
use dewarp::{Format, Size, VertexMap};

use commands::info::InfoArgs;
use commands::map::MapArgs;
use commands::pages::{CompletionsArgs, ManArgs};
#[cfg(feature = "preview")]
use commands::preview::PreviewArgs;

/// Straighten pictures with the DW100 dewarper of the i.MX8MP.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a vertex map: which point of the source each block corner shows.
    Map(Box<MapArgs>),
    /// Explain a map file.
    Info(InfoArgs),
    /// Draw what a map does to a picture, without a device.
    #[cfg(feature = "preview")]
    Preview(PreviewArgs),
    /// Send a picture or raw frames through the device.
    #[cfg(feature = "device")]
    Run(RunArgs),
    /// Put two pictures side by side.
    Compare(CompareArgs),
    /// Write a picture in another file format.
    Convert(ConvertArgs),
    /// Print the completions of a shell.
    Completions(CompletionsArgs),
    /// Print the man page, or write one for each command.
    Man(ManArgs),
}

#[cfg(feature = "device")]
#[derive(Args)]
struct RunArgs {
    /// The device [default: the first one whose driver is dw100].
    #[arg(short, long, value_name = "/dev/videoN")]
    device: Option<PathBuf>,
    /// A map made by `dewarp map` [default: the driver's identity].
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Format of the frames sent.
    #[arg(long, value_name = "FORMAT", default_value = "nv12")]
    in_format: Format,
    /// Format of the frames received.
    #[arg(long, value_name = "FORMAT", default_value = "nv12")]
    out_format: Format,
    /// Size of raw input.
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Size of the output [default: the input's].
    #[arg(long, value_name = "WxH")]
    out_size: Option<Size>,
    /// Frames to send, starting again at the end of the input [default: as many as it has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    frames: Option<u64>,
    /// A picture (.png, .jpg), or raw frames one after the other.
    input: PathBuf,
    /// A picture (.png, .jpg: the last frame), or every frame raw.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Where to save the first frame as it was sent.
    #[arg(long, value_name = "FILE")]
    save_in: Option<PathBuf>,
    /// Where to save the last frame as it was received.
    #[arg(long, value_name = "FILE")]
    save_out: Option<PathBuf>,
    /// Where to write what was done, in JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Args)]
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
struct ConvertArgs {
    /// The picture (.png, .jpg).
    input: PathBuf,
    /// The same picture (.png, .jpg).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Map(args) => commands::map::make(&args),
        Command::Info(args) => commands::info::show(&args),
        #[cfg(feature = "preview")]
        Command::Preview(args) => commands::preview::draw(&args),
        #[cfg(feature = "device")]
        Command::Run(args) => run(&args),
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

#[cfg(feature = "device")]
fn run(args: &RunArgs) -> Result<()> {
    // Whatever can be wrong with the request is found before the device is touched.
    let picture = match FileKind::of(&args.input) {
        FileKind::Raw => None,
        _ => Some(Picture::load(&args.input)?),
    };
    let size = match (&picture, args.size) {
        (Some(picture), Some(size)) if picture.size != size => {
            return Err(Error::bad_use(format!(
                "{} is a picture of {}, not of {size}; --size is for raw input",
                args.input.display(),
                picture.size
            )));
        }
        (Some(picture), _) => picture.size,
        (None, Some(size)) => size,
        (None, None) => return Err(Error::bad_use("raw input takes --size")),
    };
    let sides = [
        Side {
            format: args.in_format,
            size: size.check()?,
        },
        Side {
            format: args.out_format,
            size: args.out_size.unwrap_or(size).check()?,
        },
    ];
    let map = args
        .map
        .as_deref()
        .map(|path| load_map(path, sides[1].size))
        .transpose()?;
    let (mut source, colours) = match &picture {
        Some(picture) => (
            Source::Frame(picture.to_frame(args.in_format)?),
            Colours::Picture,
        ),
        None => (
            Source::raw(&args.input, args.in_format, size)?,
            Colours::Unknown,
        ),
    };
    let total = args.frames.unwrap_or(source.count());
    if let Some(path) = &args.save_in {
        write_file(path, &source.frame(0)?)?;
    }

    let mut device = Device::open(args.device.as_deref())?;
    let stream = Stream::new(&mut device, sides, colours, map.as_ref(), total)?;
    let kind = FileKind::of(&args.output);
    let failed = |error| Error::file("cannot write", &args.output, error);
    let mut raw = match kind {
        FileKind::Raw => Some(BufWriter::new(File::create(&args.output).map_err(failed)?)),
        _ => None,
    };
    let mut last = Vec::new();
    let outcome = stream.run(&mut source, |number, read| {
        let is_last = number + 1 == total;
        if is_last || raw.is_some() {
            let frame = read()?;
            if let Some(raw) = &mut raw {
                raw.write_all(&frame).map_err(failed)?;
            }
            if is_last {
                last = frame;
            }
        }
        Ok(())
    })?;
    match &mut raw {
        Some(raw) => raw.flush().map_err(failed)?,
        None => Picture::from_frame(sides[1].format, sides[1].size, &last)?.save(&args.output)?,
    }
    if let Some(path) = &args.save_out {
        write_file(path, &last)?;
    }
    if let Some(path) = &args.report {
        let text = format!(
            "{:#}\n",
            report(&device, sides, args.map.as_deref(), &outcome)
        );
        write_file(path, text.as_bytes())?;
    }
    match outcome.errors {
        0 => Ok(()),
        errors => Err(Error::failed(format!(
            "{errors} of {total} frames came back with an error; see the kernel log"
        ))),
    }
}

#[cfg(feature = "device")]
fn load_map(path: &Path, size: Size) -> Result<VertexMap> {
    VertexMap::from_bytes(size, &read_file(path)?)
}

fn compare(args: &CompareArgs) -> Result<()> {
    Picture::load(&args.left)?
        .beside(&Picture::load(&args.right)?)
        .save(&args.output)
}

fn convert(args: &ConvertArgs) -> Result<()> {
    Picture::load(&args.input)?.save(&args.output)
}

/// Prints; that nobody reads to the end is no error of ours.
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
