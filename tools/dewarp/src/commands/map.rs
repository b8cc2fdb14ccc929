// SPDX-License-Identifier: GPL-2.0
//! `dewarp map`: a map from a calibration, and what the output is to show.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use dewarp::calibration::{Choice, Described, Model, Output};
use dewarp::file;
use dewarp::lens::{Brown, Distortion};
use dewarp::view::{Camera, Layout, Part, Projection, Turn, View};
use dewarp::{Calibration, Check, Error, Lens, Rectification, Result, Size, VertexMap};

use crate::write_file;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum MapKind {
    /// The source as it is, scaled to the output.
    Identity,
    /// What undoes the distortion of a lens.
    Lens,
}

#[derive(Args)]
pub struct MapArgs {
    /// What the map is to do.
    kind: MapKind,
    /// Size of the output.
    #[arg(long, value_name = "WxH")]
    size: Size,
    /// Size of the input [default: the calibration's, or else the output's].
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
    /// The map: little-endian words, row by row, as the control takes them.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Fail on a map that the engine cannot do justice to, instead of warning.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    lens: LensArgs,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    layout: LayoutArgs,
}

#[derive(Args)]
#[command(next_help_heading = "The lens")]
struct LensArgs {
    /// Camera calibration: OpenCV's YAML, JSON or XML, a ROS camera_info, a Kalibr camchain, a
    /// Lensfun profile.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["center", "focal", "radial", "tangential", "fisheye"])]
    calibration: Option<PathBuf>,
    /// Which camera of the file: cam0 (Kalibr), 1 or 2 (a stereo pair of OpenCV), part of a lens's
    /// name (Lensfun).
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Which model, where the file does not tell.
    #[arg(long)]
    model: Option<Model>,
    /// Focal length in millimetres, for a zoom lens of Lensfun.
    #[arg(long, value_name = "MM", value_parser = |text: &str| within(text, 0.1, 100_000.0),
          allow_negative_numbers = true)]
    focal_length: Option<f64>,
    /// Crop factor of the camera, for a lens of Lensfun [default: the profile's].
    #[arg(long, value_name = "F", value_parser = |text: &str| within(text, 0.1, 100.0),
          allow_negative_numbers = true)]
    crop_factor: Option<f64>,
    /// Principal point in pixels of the input.
    #[arg(long, value_name = "CX,CY", value_parser = numbers::<2>, allow_hyphen_values = true)]
    center: Option<[f64; 2]>,
    /// Focal lengths in pixels of the input.
    #[arg(long, value_name = "FX,FY", value_parser = numbers::<2>, allow_hyphen_values = true)]
    focal: Option<[f64; 2]>,
    /// Radial distortion.
    #[arg(long, value_name = "K1,K2,K3", value_parser = numbers::<3>, allow_hyphen_values = true)]
    radial: Option<[f64; 3]>,
    /// Tangential distortion [default: none].
    #[arg(long, value_name = "P1,P2", value_parser = numbers::<2>, allow_hyphen_values = true)]
    tangential: Option<[f64; 2]>,
    /// Distortion of a fisheye.
    #[arg(long, value_name = "K1,K2,K3,K4", value_parser = numbers::<4>, allow_hyphen_values = true,
          conflicts_with_all = ["radial", "tangential"])]
    fisheye: Option<[f64; 4]>,
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
    /// Focal lengths, in terms of those: more enlarges the middle.
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

#[derive(Clone, Copy, PartialEq, Eq)]
struct Quarters(u8);

impl ValueEnum for Quarters {
    fn value_variants<'a>() -> &'a [Self] {
        &[Quarters(1), Quarters(2), Quarters(3)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        ["90", "180", "270"]
            .get(usize::from(self.0) - 1)
            .map(PossibleValue::new)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
}

/// A part of a picture in whole pixels.
#[derive(Clone, Copy)]
struct Crop {
    size: Size,
    corner: [u32; 2],
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parse = || {
            let (size, corner) = text.split_once('+')?;
            let (x, y) = corner.split_once('+')?;
            Some(Crop {
                size: size.parse().ok()?,
                corner: [x.parse().ok()?, y.parse().ok()?],
            })
        };
        parse().ok_or(format!(
            "{text} is not WIDTHxHEIGHT+X+Y, such as 320x240+160+120"
        ))
    }
}

/// `N` numbers with commas between.
fn numbers<const N: usize>(text: &str) -> std::result::Result<[f64; N], String> {
    text.split(',')
        .map(|number| finite(number.trim()))
        .collect::<Option<Vec<f64>>>()
        .and_then(|values| values.try_into().ok())
        .ok_or(format!("{N} numbers with commas between are wanted"))
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

fn within(text: &str, least: f64, most: f64) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| (least..=most).contains(value))
        .ok_or(format!("a number from {least} to {most} is wanted"))
}

fn angle(text: &str) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| value.abs() <= 180.0)
        .ok_or("degrees from -180 to 180 are wanted".into())
}

/// Makes the map, and tells what the engine will make of it.
pub fn make(args: &MapArgs) -> Result<()> {
    let inputs = [&args.lens.calibration, &args.view.rectify];
    let inputs: Vec<&Path> = inputs.into_iter().flatten().map(PathBuf::as_path).collect();
    file::apart(&inputs, &[&args.output])?;
    let size = args.size.check()?;
    match args.kind {
        MapKind::Identity => {
            refuse_lens(args)?;
            let source = args.source.unwrap_or(size).check()?;
            let layout = args.layout.of(size, source, &Output::default())?;
            finish(args, source, |x, y| layout.point(x, y))
        }
        MapKind::Lens => {
            let (described, rectification) =
                args.lens.read(args.source, args.view.rectify.as_deref())?;
            for note in &described.notes {
                eprintln!("dewarp: note: {note}");
            }
            let Calibration {
                lens,
                size: calibrated,
            } = described.calibration;
            let source = input(args.source, calibrated, size)?;
            let times = scale(calibrated.unwrap_or(source), source)?;
            let rectification = rectification.map(|stereo| stereo.scaled(times));
            let output = described.output.map(|output| output.scaled(times));
            let output = output.unwrap_or_default();
            let layout = args.layout.of(size, source, &output)?;
            let view = args
                .view
                .of(lens.scaled(times), rectification, layout, source, &output)?;
            finish(args, source, |x, y| view.source(x, y))
        }
    }
}

/// The input's size, of those that may be known.
fn input(given: Option<Size>, calibrated: Option<Size>, output: Size) -> Result<Size> {
    match (given, calibrated) {
        (None, Some(calibrated)) => calibrated.check().map_err(|error| {
            Error::bad_use(format!(
                "the calibration's pictures are not the input's: {error}; say the input's size, of the \
                 same shape, with --source"
            ))
        }),
        _ => given.unwrap_or(output).check(),
    }
}

/// How many times the columns and lines of the calibration's pictures the input
/// has: as many of both, or it shows another part of what the lens sees.
fn scale(calibrated: Size, source: Size) -> Result<[f64; 2]> {
    let sides = |size: Size| [size.width, size.height].map(u64::from);
    let ([cw, ch], [sw, sh]) = (sides(calibrated), sides(source));
    if cw * sh != ch * sw {
        return Err(Error::bad_use(format!(
            "the calibration is of pictures of {calibrated}, and {source} has another aspect ratio: \
             take --source {calibrated}, a size of the same ratio, or a calibration of such pictures"
        )));
    }
    let times = f64::from(source.width) / f64::from(calibrated.width);
    Ok([times; 2])
}

fn finish(args: &MapArgs, source: Size, exact: impl Fn(f64, f64) -> [f64; 2]) -> Result<()> {
    let map = VertexMap::from_fn(args.size, &exact);
    let check = Check::of(&map, source, &exact);
    if let Some(blank) = check.blank() {
        return Err(Error::bad_use(blank));
    }
    let warnings = check.warnings();
    if args.strict && !warnings.is_empty() {
        return Err(Error::bad_use(warnings.join("; ")));
    }
    for warning in warnings {
        eprintln!("dewarp: warning: {warning}");
    }
    write_file(&args.output, &map.to_bytes())
}

/// An identity has neither lens nor camera.
fn refuse_lens(args: &MapArgs) -> Result<()> {
    let (lens, view) = (&args.lens, &args.view);
    let given = [
        ("--calibration", lens.calibration.is_some()),
        ("--camera", lens.camera.is_some()),
        ("--model", lens.model.is_some()),
        ("--focal-length", lens.focal_length.is_some()),
        ("--crop-factor", lens.crop_factor.is_some()),
        ("--center", lens.center.is_some()),
        ("--focal", lens.focal.is_some()),
        ("--radial", lens.radial.is_some()),
        ("--tangential", lens.tangential.is_some()),
        ("--fisheye", lens.fisheye.is_some()),
        ("--alpha", view.alpha.is_some()),
        ("--zoom", view.zoom.is_some()),
        ("--pan", view.pan.is_some()),
        ("--tilt", view.tilt.is_some()),
        ("--roll", view.roll.is_some()),
        ("--projection", view.projection.is_some()),
        ("--rectify", view.rectify.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(Error::bad_use(format!(
            "{name} is for `map lens`; an identity takes --crop, --rotate and --flip"
        ))),
        None => Ok(()),
    }
}

/// What is known of a camera, and its rectification.
type Known = (Described, Option<Rectification>);

impl LensArgs {
    /// The camera that the options describe, and the rectification.
    fn read(&self, source: Option<Size>, rectify: Option<&Path>) -> Result<Known> {
        let choice = Choice {
            camera: self.camera.as_deref(),
            model: self.model,
            size: source,
            focal_length: self.focal_length,
            crop_factor: self.crop_factor,
        };
        if let Some(path) = &self.calibration {
            return Described::load(path, rectify, &choice);
        }
        let rectification = rectify.map(|path| Rectification::load(path, &choice));
        let calibration = Calibration {
            lens: self.by_hand(rectify.is_some())?,
            size: None,
        };
        Ok((calibration.into(), rectification.transpose()?))
    }

    /// The lens of the options with its numbers.
    fn by_hand(&self, rectified: bool) -> Result<Lens> {
        let (Some(center), Some(focal)) = (self.center, self.focal) else {
            return Err(Error::bad_use(
                "a lens takes --calibration, or --center, --focal and --radial or --fisheye",
            ));
        };
        let distortion = match (self.radial, self.fisheye) {
            (Some(radial), _) => Distortion::Brown(Brown {
                radial,
                tangential: self.tangential.unwrap_or_default(),
                ..Brown::NONE
            }),
            (None, Some(k)) => Distortion::Fisheye(k),
            (None, None) => {
                return Err(Error::bad_use(
                    "a lens takes --radial or --fisheye beside --center and --focal",
                ));
            }
        };
        for (given, option) in [
            (self.camera.is_some() && !rectified, "--camera"),
            (self.model.is_some(), "--model"),
            (self.focal_length.is_some(), "--focal-length"),
            (self.crop_factor.is_some(), "--crop-factor"),
        ] {
            if given {
                return Err(Error::bad_use(format!(
                    "{option} is for a file of --calibration, and this lens has none"
                )));
            }
        }
        let lens = Lens {
            focal,
            center,
            distortion,
        };
        lens.check().map_err(Error::bad_use)
    }
}

impl ViewArgs {
    /// The view through `lens` onto a source of this size.
    fn of(
        &self,
        lens: Lens,
        rectification: Option<Rectification>,
        layout: Layout,
        source: Size,
        output: &Output,
    ) -> Result<View> {
        let mut seen = match &rectification {
            Some(rectification) => Camera::rectified(rectification),
            None => Camera::like(&lens).looking(
                self.pan.unwrap_or(0.0),
                self.tilt.unwrap_or(0.0),
                self.roll.unwrap_or(0.0),
            ),
        };
        if let (None, Some([focal, center])) = (rectification, output.camera) {
            (seen.focal, seen.center) = (focal, center);
        }
        seen.projection = self.projection.unwrap_or_default();
        let mut view = View::new(lens, seen, layout);
        if let Some(alpha) = self.alpha {
            view.fit(source, alpha)?;
        }
        view.camera = view.camera.zoomed(self.zoom.unwrap_or(1.0));
        Ok(view)
    }
}

impl LayoutArgs {
    /// How a picture of the size `whole` lies in an output of `size`.
    fn of(&self, size: Size, whole: Size, output: &Output) -> Result<Layout> {
        let mut layout = Layout::whole(size, whole);
        if let Some([corner, extent]) = output.part {
            layout.part = Part { corner, extent };
        }
        if let Some(Crop {
            size,
            corner: [x, y],
        }) = self.crop
        {
            let fits = |from: u32, length: u32, whole: u32| {
                from.checked_add(length).is_some_and(|end| end <= whole)
            };
            if !fits(x, size.width, whole.width) || !fits(y, size.height, whole.height) {
                return Err(Error::bad_use(format!(
                    "the crop {size}+{x}+{y} is not inside a picture of {whole}"
                )));
            }
            layout.part = Part {
                corner: [x, y].map(f64::from),
                extent: [size.width, size.height].map(f64::from),
            };
        }
        layout.turn = Turn {
            quarters: self.rotate.map_or(0, |rotate| rotate.0),
            mirrored: output.mirrored != (self.flip == Some(Flip::Horizontal)),
            flipped: output.flipped != (self.flip == Some(Flip::Vertical)),
        };
        Ok(layout)
    }
}
