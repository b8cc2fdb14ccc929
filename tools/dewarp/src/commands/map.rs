// SPDX-License-Identifier: GPL-2.0
//! `dewarp map`: makes a map from a calibration and a description of the output.

use std::path::{Path, PathBuf};

#[cfg(feature = "tune")]
use clap::Parser;
use clap::{Args, Subcommand};

use dewarp::calibration::Output;
use dewarp::crop::Crop;
use dewarp::file;
use dewarp::format::SIZES;
use dewarp::source::{self, Said};
use dewarp::straight::{Arrangement, Sight, Wanted, checked, squeezed};
use dewarp::view::{Projection, Turn};
use dewarp::{Error, Result, Size, Straight, VertexMap};

use super::lens::LensArgs;
use super::options::{Flip, Quarters, angle, within};
use crate::write_file;

#[derive(Args)]
#[command(after_help = SIZES)]
pub struct MapArgs {
    /// What the map is to do.
    #[command(subcommand)]
    kind: MapKind,
}

#[derive(Subcommand)]
enum MapKind {
    /// Show the source as it is, scaled to the output.
    #[command(after_help = format!("{SIZES}\n\nExample:\n  dewarp map identity --size 640x480 \
        --source 1280x960 -o map.bin"))]
    Identity(IdentityArgs),
    /// Undo the distortion of a lens.
    #[command(after_help = format!("{SIZES}\n\nExamples:\n  dewarp map lens --size 640x480 \
        --calibration camera.yml --alpha 0 -o map.bin\n  dewarp map lens --size 640x480 \
        --center 324.5,236.3 --focal 420,421 --radial -0.29,0.11 -o map.bin"))]
    Lens(Box<UndistortArgs>),
}

#[derive(Args)]
struct IdentityArgs {
    /// Size of the input [default: the output's].
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    layout: LayoutArgs,
}

#[derive(Args)]
struct UndistortArgs {
    /// Size of the input, the stream to be dewarped [default: the calibration's or --sensor-crop's,
    /// or else the output's].
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    lens: LensArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    layout: LayoutArgs,
}

/// What is made.
#[derive(Args)]
struct MadeArgs {
    /// Size of the output.
    #[arg(long, value_name = "WxH")]
    size: Size,
    /// The map: little-endian words, row by row, as the control takes them.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Fail where there is a warning.
    #[arg(long)]
    strict: bool,
}

#[derive(Args)]
#[command(next_help_heading = "What the output shows")]
struct ViewArgs {
    /// Free scaling, as OpenCV calls it: 0 shows no black, 1 every pixel of the source [default: the
    /// lens's own focal lengths].
    #[arg(
        long,
        value_name = "A",
        conflicts_with = "rectify",
        allow_negative_numbers = true
    )]
    alpha: Option<f64>,
    /// Multiply the focal lengths (the lens's, or those that --alpha finds): 2 shows the middle twice
    /// as large.
    #[arg(long, value_name = "Z", value_parser = |text: &str| within(text, 0.01, 100.0),
          allow_negative_numbers = true)]
    zoom: Option<f64>,
    /// Look to the right.
    #[arg(long, value_name = "DEGREES", value_parser = angle, allow_hyphen_values = true)]
    pan: Option<f64>,
    /// Look up.
    #[arg(long, value_name = "DEGREES", value_parser = angle, allow_hyphen_values = true)]
    tilt: Option<f64>,
    /// Turn the camera clockwise.
    #[arg(long, value_name = "DEGREES", value_parser = angle, allow_hyphen_values = true)]
    roll: Option<f64>,
    /// How directions lie in the picture.
    #[arg(long)]
    projection: Option<Projection>,
    /// Rectify one camera of a stereo pair with R and P of this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pan", "tilt", "roll", "projection"])]
    rectify: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "How it lies in the output")]
struct LayoutArgs {
    /// The part that fills the output, in pixels of a picture of the input's size [default: all].
    #[arg(long, value_name = "WxH+X+Y")]
    crop: Option<Crop>,
    /// Turn the picture clockwise.
    #[arg(long, value_name = "DEGREES", allow_negative_numbers = true)]
    rotate: Option<Quarters>,
    /// Then exchange its sides.
    #[arg(long)]
    flip: Option<Flip>,
}

/// Makes the map, and prints warnings about its effect in the engine.
pub fn make(args: &MapArgs) -> Result<()> {
    match &args.kind {
        MapKind::Identity(args) => {
            let size = source::output(args.made.size)?;
            let source = Said {
                calibrated: None,
                source: args.source,
                crop: None,
            };
            let source = source.source(size)?.size;
            let layout = args.layout.arrangement();
            let layout = layout.layout(size, source, &Output::default())?;
            let warnings = squeezed(&layout).into_iter().collect();
            let (map, warnings) = checked(source, &layout, warnings, |x, y| layout.point(x, y))?;
            finish(&args.made, &map, warnings)
        }
        MapKind::Lens(args) => {
            let inputs = [&args.lens.calibration, &args.view.rectify];
            let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
            file::apart(&inputs, &[&args.made.output])?;
            let straight = undistort(args)?;
            for note in &straight.notes {
                eprintln!("dewarp: note: {note}");
            }
            finish(&args.made, &straight.map, straight.warnings)
        }
    }
}

/// The map that `dewarp map lens` with these words makes.
#[cfg(feature = "tune")]
pub fn lens(words: &[String]) -> Result<Straight> {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: UndistortArgs,
    }
    let line = super::options::parsed::<Line>(words)?;
    undistort(&line.args)
}

fn undistort(args: &UndistortArgs) -> Result<Straight> {
    // The file is read first, because an error in it may be the reason for a wrong size.
    let rectify = args.view.rectify.as_deref();
    let (mut described, rectification) = args.lens.read(args.source, rectify)?;
    let has_size = described.calibration.size.is_some()
        || args.source.is_some()
        || args.lens.sensor_crop.is_some();
    if args.lens.calibration.is_some() && !has_size {
        described.doubts.push(format!(
            "the file does not say the size of its pictures: taken as {} (--source)",
            args.made.size
        ));
    }
    let wanted = Wanted {
        size: args.made.size,
        source: args.source,
        sensor_crop: args.lens.sensor_crop,
        sight: args.view.sight(),
        arrangement: args.layout.arrangement(),
    };
    Straight::new(described, rectification, &wanted)
}

fn finish(args: &MadeArgs, map: &VertexMap, warnings: Vec<String>) -> Result<()> {
    if args.strict && !warnings.is_empty() {
        return Err(Error::bad_use(warnings.join("; ")));
    }
    for warning in warnings {
        eprintln!("dewarp: warning: {warning}");
    }
    write_file(&args.output, &map.to_bytes())
}

impl ViewArgs {
    fn sight(&self) -> Sight {
        Sight {
            alpha: self.alpha,
            zoom: self.zoom.unwrap_or(1.0),
            pan: self.pan.unwrap_or(0.0),
            tilt: self.tilt.unwrap_or(0.0),
            roll: self.roll.unwrap_or(0.0),
            projection: self.projection.unwrap_or_default(),
        }
    }
}

impl LayoutArgs {
    fn arrangement(&self) -> Arrangement {
        Arrangement {
            crop: self.crop,
            turn: Turn {
                quarters: self.rotate.map_or(0, |rotate| rotate.0),
                mirrored: self.flip == Some(Flip::Horizontal),
                flipped: self.flip == Some(Flip::Vertical),
            },
        }
    }
}
