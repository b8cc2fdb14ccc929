// SPDX-License-Identifier: GPL-2.0
//! `dewarp map`: makes a map from a calibration and a description of the output.

use std::path::{Path, PathBuf};

#[cfg(feature = "tune")]
use clap::Parser;
use clap::{Args, Subcommand};

use dewarp::calibration::{Output, doubts};
use dewarp::file;
use dewarp::view::{Camera, Layout, Part, Projection, Turn, View};
use dewarp::{Check, Error, Lens, Rectification, Result, Size, VertexMap};

use super::lens::LensArgs;
use super::options::{Crop, Flip, Quarters, SIZES, angle, within};
use super::source::{self, Said};
use crate::write_file;

/// The angle by which a rectification may turn the picture without a warning, in degrees.
const TURNED: f64 = 45.0;

/// The ratio by which an output may be wider or higher than the part it shows, without a warning.
const SQUEEZED: f64 = 1.01;

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
            let layout = args.layout.of(size, source, &Output::default())?;
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

/// The map of a lens.
pub struct Straight {
    pub map: VertexMap,
    /// The lens, in pixels of the source.
    #[cfg(feature = "tune")]
    pub lens: Lens,
    #[cfg(feature = "tune")]
    pub source: Size,
    /// The notes of the calibration's reader.
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
    /// Size of the calibration's pictures, or of their part that the stream shows, if known.
    #[cfg(feature = "tune")]
    pub calibrated: Option<Size>,
    /// Whether the file also describes the output: a flip, a part or a camera.
    #[cfg(feature = "tune")]
    pub arranged: bool,
}

/// Makes the map that `dewarp map lens` with these arguments makes.
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
    let (described, rectification) = args.lens.read(args.source, rectify)?;
    let calibrated = described.calibration.size;
    let said = Said {
        calibrated,
        source: args.source,
        crop: args.lens.sensor_crop,
    };
    let source = said.source(args.made.size)?;
    let size = source::output(args.made.size)?;
    let mut warnings = described.doubts;
    if calibrated.is_none() && args.lens.sensor_crop.is_none() {
        let lens = &described.calibration.lens;
        for doubt in doubts(lens, Some(source.size)) {
            if !warnings.contains(&doubt) {
                warnings.push(doubt);
            }
        }
        if args.lens.calibration.is_some() && args.source.is_none() {
            warnings.push(format!(
                "the file does not say the size of its pictures: taken as {} (--source)",
                source.size
            ));
        }
    }
    let lens = source.lens(described.calibration.lens);
    let rectification = rectification.map(|stereo| source.rectification(stereo));
    warnings.extend(rectification.as_ref().and_then(turned));
    #[cfg(feature = "tune")]
    let arranged = described.output.is_some();
    let output = described.output.map(|output| source.output(output));
    let output = output.unwrap_or_default();
    let layout = args.layout.of(size, source.size, &output)?;
    warnings.extend(squeezed(&layout));
    let view = args
        .view
        .of(lens, rectification, layout, source.size, &output)?;
    warnings.extend(hidden(&view, source.size));
    let exact = |x, y| view.source(x, y);
    let (map, warnings) = checked(source.size, &layout, warnings, exact)?;
    Ok(Straight {
        map,
        #[cfg(feature = "tune")]
        lens,
        #[cfg(feature = "tune")]
        source: source.size,
        notes: described.notes,
        warnings,
        #[cfg(feature = "tune")]
        calibrated: args.lens.sensor_crop.map(|crop| crop.size).or(calibrated),
        #[cfg(feature = "tune")]
        arranged,
    })
}

/// Returns a warning if a rectification turns the picture on its side or upside down.
fn turned(rectification: &Rectification) -> Option<String> {
    let [[along, ..], [across, ..], _] = rectification.rotation;
    let degrees = across.atan2(along).to_degrees().abs();
    (degrees > TURNED).then(|| {
        format!(
            "the rectification turns the picture by {degrees:.0} degrees, as for a pair that stands on \
             its side or upside down"
        )
    })
}

/// Returns a warning if the output has another aspect ratio than the part it shows.
fn squeezed(layout: &Layout) -> Option<String> {
    let times = layout.squeeze();
    let (times, how) = match times > 1.0 {
        true => (times, "wide"),
        false => (times.recip(), "high"),
    };
    let Part { corner, extent } = layout.part;
    // CAST: they are the sides of a picture.
    let part = Size {
        width: extent[0] as u32,
        height: extent[1] as u32,
    };
    let like = match layout.turn.quarters % 2 {
        0 => layout.size,
        _ => Size {
            width: layout.size.height,
            height: layout.size.width,
        },
    };
    let crop = Crop::middle(part, like).filter(|_| corner.iter().all(|part| *part >= 0.0));
    let crop = crop.map_or(String::new(), |mut crop| {
        for (from, within) in crop.corner.iter_mut().zip(corner) {
            *from += within as u32;
        }
        format!(": add --crop {crop}")
    });
    (times > SQUEEZED)
        .then(|| format!("the output is {times:.2} times as {how} as the part it shows{crop}"))
}

/// Returns a warning if a part of the source is in no view.
fn hidden(view: &View, source: Size) -> Option<String> {
    let hidden = view.hidden(source) * 100.0;
    let some = match hidden < 1.0 {
        true => "less than 1".to_owned(),
        false => format!("{hidden:.0}"),
    };
    (hidden > 0.0).then(|| {
        format!(
            "{some} % of the source is beyond the fold of the lens's formula, which no ray reaches: no \
             view shows it"
        )
    })
}

/// Makes the map of these points, and adds the warnings about it.
fn checked(
    source: Size,
    layout: &Layout,
    mut warnings: Vec<String>,
    exact: impl Fn(f64, f64) -> [f64; 2],
) -> Result<(VertexMap, Vec<String>)> {
    let map = VertexMap::from_fn(layout.size, &exact);
    let check = Check::of(&map, source, &exact);
    if let Some(blank) = check.blank() {
        return Err(Error::bad_use(blank));
    }
    warnings.extend(check.warnings(layout.turn.exchanged()));
    Ok((map, warnings))
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
    /// Creates the view through `lens` onto a source of this size.
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
    /// Creates the layout of a picture of the size `whole` in an output of `size`.
    fn of(&self, size: Size, whole: Size, output: &Output) -> Result<Layout> {
        let mut layout = Layout::whole(size, whole);
        if let Some([corner, extent]) = output.part {
            layout.part = Part { corner, extent };
        }
        if let Some(crop) = self.crop {
            let Crop { size, corner } = crop.inside(whole, "--crop")?;
            layout.part = Part {
                corner: corner.map(f64::from),
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
