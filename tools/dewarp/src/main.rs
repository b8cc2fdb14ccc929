// SPDX-License-Identifier: GPL-2.0
//! The `dewarp` command: the command line, and what each command does.
//! Exit status: 0, 1 when something failed, 2 for bad use.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use dewarp::device::{Colours, Device};
use dewarp::file::FileKind;
use dewarp::lens::{Brown, Distortion};
use dewarp::stream::{Side, Source, Stream, report};
use dewarp::{Calibration, Error, Format, Lens, Picture, Result, Size, VertexMap};

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
    Map(MapArgs),
    /// Send a picture or raw frames through the device.
    Run(RunArgs),
    /// Put two pictures side by side.
    Compare(CompareArgs),
    /// Write a picture in another file format.
    Convert(ConvertArgs),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MapKind {
    /// The source as it is, scaled to the output.
    Identity,
    /// What undoes the distortion of a lens.
    Lens,
}

#[derive(Args)]
struct MapArgs {
    /// What the map is to do.
    kind: MapKind,
    /// Size of the output.
    #[arg(long, value_name = "WxH")]
    size: Size,
    /// Size of the input [default: the calibration's, or else the output's].
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
    /// Camera calibration in OpenCV's YAML.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["center", "focal", "radial", "tangential"])]
    calibration: Option<PathBuf>,
    /// Principal point in pixels of the input.
    #[arg(long, value_name = "CX,CY", value_parser = numbers::<2>, allow_hyphen_values = true)]
    center: Option<[f64; 2]>,
    /// Focal lengths in pixels of the input.
    #[arg(long, value_name = "FX,FY", value_parser = numbers::<2>)]
    focal: Option<[f64; 2]>,
    /// Radial distortion.
    #[arg(long, value_name = "K1,K2,K3", value_parser = numbers::<3>, allow_hyphen_values = true)]
    radial: Option<[f64; 3]>,
    /// Tangential distortion [default: none].
    #[arg(long, value_name = "P1,P2", value_parser = numbers::<2>, allow_hyphen_values = true)]
    tangential: Option<[f64; 2]>,
    /// Focal lengths of the output in terms of the lens's: more enlarges the middle.
    #[arg(long, value_name = "Z", default_value_t = 1.0)]
    zoom: f64,
    /// The map: little-endian words, row by row, as the control takes them.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

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
        Command::Map(args) => make_map(&args),
        Command::Run(args) => run(&args),
        Command::Compare(args) => compare(&args),
        Command::Convert(args) => convert(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dewarp: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// `N` numbers with commas between.
fn numbers<const N: usize>(text: &str) -> std::result::Result<[f64; N], String> {
    text.split(',')
        .map(|number| {
            number
                .trim()
                .parse()
                .ok()
                .filter(|value: &f64| value.is_finite())
        })
        .collect::<Option<Vec<f64>>>()
        .and_then(|values| values.try_into().ok())
        .ok_or(format!("{N} numbers with commas between are wanted"))
}

fn make_map(args: &MapArgs) -> Result<()> {
    let size = args.size.check()?;
    let map = match args.kind {
        MapKind::Identity => VertexMap::identity(size, args.source.unwrap_or(size).check()?),
        MapKind::Lens => {
            if !(args.zoom.is_finite() && args.zoom > 0.0) {
                return Err(Error::bad_use(format!(
                    "a zoom of {} is not positive",
                    args.zoom
                )));
            }
            let (lens, calibrated) = lens(args)?;
            let source = args.source.or(calibrated).unwrap_or(size).check()?;
            if let Some(calibrated) = calibrated.filter(|&calibrated| calibrated != source) {
                return Err(Error::bad_use(format!(
                    "the calibration is of pictures of {calibrated}, not of {source}"
                )));
            }
            VertexMap::undistort(size, source, &lens, args.zoom)
        }
    };
    write_file(&args.output, &map.to_bytes())
}

/// The lens that the options describe, and the size its calibration is for.
fn lens(args: &MapArgs) -> Result<(Lens, Option<Size>)> {
    if let Some(path) = &args.calibration {
        let Calibration { lens, size } = Calibration::load(path)?;
        return Ok((lens, size));
    }
    let (Some(center), Some(focal), Some(radial)) = (args.center, args.focal, args.radial) else {
        return Err(Error::bad_use(
            "a lens takes --calibration, or --center, --focal and --radial",
        ));
    };
    if focal.iter().any(|&length| length <= 0.0) {
        return Err(Error::bad_use("focal lengths must be positive"));
    }
    let tangential = args.tangential.unwrap_or_default();
    let brown = Brown {
        radial,
        tangential,
        ..Brown::NONE
    };
    Ok((
        Lens {
            focal,
            center,
            distortion: Distortion::Brown(brown),
        },
        None,
    ))
}

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

fn load_map(path: &Path, size: Size) -> Result<VertexMap> {
    let bytes = std::fs::read(path).map_err(|error| Error::file("cannot read", path, error))?;
    VertexMap::from_bytes(size, &bytes)
}

fn compare(args: &CompareArgs) -> Result<()> {
    Picture::load(&args.left)?
        .beside(&Picture::load(&args.right)?)
        .save(&args.output)
}

fn convert(args: &ConvertArgs) -> Result<()> {
    Picture::load(&args.input)?.save(&args.output)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| Error::file("cannot write", path, error))
}
