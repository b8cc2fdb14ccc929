// SPDX-License-Identifier: GPL-2.0
//! `dewarp info`: explains a map file, which holds nothing but vertices, or a calibration file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use dewarp::check::Survey;
use dewarp::format::SIZES;
use dewarp::lens::Distortion;
use dewarp::source::{self, Said};
use dewarp::{Error, Lens, Result, Size, VertexMap, words};

use super::lens::LensArgs;
use crate::{print, read_file};

#[derive(Args)]
#[command(after_help = format!("{SIZES}\n\nExamples:\n  dewarp info map.bin\n  dewarp info --size \
    640x480 --calibration camera.yml map.bin\n  dewarp info --calibration camera.yml"))]
pub struct InfoArgs {
    /// A map made by `dewarp map`. Without it, how the calibration is read is printed.
    #[arg(required_unless_present = "calibration")]
    map: Option<PathBuf>,
    /// Size of the output it is for [default: guessed from the vertices].
    #[arg(long, value_name = "WxH", requires = "map")]
    size: Option<Size>,
    /// Size of the input, so that what lies outside has no part in the scale.
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
    /// The lens, for the field of view.
    #[command(flatten)]
    lens: LensArgs,
}

/// The sizes that are given by options or by the file's name.
struct Sizes {
    output: Option<Size>,
    source: Option<Size>,
}

/// Prints what a map does, or how a calibration is read.
pub fn show(args: &InfoArgs) -> Result<()> {
    let Some(map) = &args.map else {
        return print(lens(args)?.as_bytes());
    };
    let bytes = read_file(map)?;
    let named = words::said(&bytes).or_else(|| words::named(map));
    let sizes = Sizes {
        output: args.size.or(named.map(|[_, output]| output)),
        source: args.source.or(named.map(|[input, _]| input)),
    };
    print(explain(args, map, sizes, &words::binary(bytes))?.as_bytes())
}

/// Returns the lens as the options of `dewarp map lens`, and the size of its pictures. Prints what is assumed and
/// what is doubtful.
fn lens(args: &InfoArgs) -> Result<String> {
    let (described, _) = args.lens.read(args.source, None)?;
    for note in &described.notes {
        eprintln!("dewarp: note: {note}");
    }
    for doubt in &described.doubts {
        eprintln!("dewarp: warning: {doubt}");
    }
    let size = described.calibration.size;
    let size = size.map_or_else(|| "not in the file".to_owned(), |size| size.to_string());
    let lens = described.calibration.lens.options();
    let lens =
        lens.unwrap_or_else(|| "a profile of Lensfun, which no numbers describe by hand".into());
    let skew = match described.calibration.lens {
        Lens {
            distortion: Distortion::Omni(omni),
            focal: [fx, _],
            ..
        } if omni.skew != 0.0 => {
            format!("skew      {}, which no option describes\n", omni.skew * fx)
        }
        _ => String::new(),
    };
    Ok(format!("lens      {lens}\n{skew}pictures  {size}\n"))
}

fn explain(args: &InfoArgs, path: &Path, sizes: Sizes, bytes: &[u8]) -> Result<String> {
    let (map, others) = match sizes.output {
        Some(size) => (first(source::output(size)?, bytes)?, Vec::new()),
        None => {
            let mut guesses = VertexMap::guesses(bytes).into_iter();
            let map = guesses.next().ok_or_else(|| {
                Error::bad_use(format!(
                    "{} is no map: no output has {} bytes of vertices",
                    path.display(),
                    bytes.len()
                ))
            })?;
            (map, guesses.map(|map| map.size().to_string()).collect())
        }
    };
    let (columns, rows) = VertexMap::dimensions(map.size());
    let seen = field_of_view(args, sizes.source, &map)?;
    let survey = Survey::of(&map, sizes.source);
    let sizes = match sizes.output {
        Some(size) => vec![size],
        None => map.sizes(),
    };
    let sizes: Vec<String> = sizes.iter().map(Size::to_string).collect();
    let mut text = String::new();
    let mut line = |what: &str, value: String| {
        let _ = writeln!(text, "{what:<10}{value}");
    };
    line(
        "map",
        match bytes.len() / (columns * rows * 4) {
            1 => format!("{columns}x{rows} vertices, {} bytes", bytes.len()),
            count => format!("{columns}x{rows} vertices, the first of {count} in the file"),
        },
    );
    line("output", sizes.join(" or "));
    if !others.is_empty() {
        line(
            "guess",
            format!(
                "the size is the likeliest; as many vertices have {}, or smaller maps one after the \
                 other: --size tells",
                others.join(", ")
            ),
        );
    }
    let [[left, right], [top, bottom]] = survey.range;
    if left <= right {
        line(
            "source",
            format!("x from {left} to {right}, y from {top} to {bottom}"),
        );
    }
    if survey.blind > 0 {
        line(
            "sight",
            format!(
                "{} of {} vertices are out of sight and show the boundary colour",
                survey.blind,
                columns * rows
            ),
        );
    }
    if let Some(seen) = seen {
        line("view", seen);
    }
    if let (Some(least), Some(most)) = (survey.least, survey.most) {
        line(
            "scale",
            format!(
                "one output pixel takes {:.2} (at {},{}) to {:.2} (at {},{}) source pixels",
                least.amount, least.at[0], least.at[1], most.amount, most.at[0], most.at[1]
            ),
        );
    }
    if let Some(middle) = survey.middle {
        let turned = match middle.turned.round() as i32 {
            0 => String::new(),
            degrees => format!(", turned by {} degrees", degrees.abs()),
        };
        let mirrored = if middle.mirrored { ", mirrored" } else { "" };
        line(
            "middle",
            format!(
                "one output pixel takes {:.2} source pixels across and {:.2} down{turned}{mirrored}",
                middle.scale[0], middle.scale[1]
            ),
        );
    }
    line(
        "blocks",
        format!(
            "{}, of which {} show only an edge of the source, {} only the boundary colour, and {} show \
             it mirrored",
            survey.blocks, survey.flat, survey.outside, survey.mirrored
        ),
    );
    Ok(text)
}

/// Returns the angles that the map shows through the lens of the options, if they describe one.
fn field_of_view(args: &InfoArgs, source: Option<Size>, map: &VertexMap) -> Result<Option<String>> {
    if !args.lens.is_given() {
        return Ok(None);
    }
    let (described, _) = args.lens.read(source, None)?;
    let said = Said {
        calibrated: described.calibration.size,
        source,
        crop: args.lens.sensor_crop,
    };
    let source = said.source(map.size())?;
    let inverse = source.lens(described.calibration.lens).inverse();
    let (columns, rows) = VertexMap::dimensions(map.size());
    let ray = |column: usize, row: usize| {
        let [x, y] = map.point(column, row);
        let inside = x <= f64::from(source.size.width) && y <= f64::from(source.size.height);
        inside.then(|| inverse.unproject([x, y])).flatten()
    };
    let (middle_column, middle_row) = (columns / 2, rows / 2);
    let Some(middle) = ray(middle_column, middle_row) else {
        return Ok(Some("the lens sees nothing in the middle".into()));
    };
    // The angle from the middle to the outermost vertex that shows anything, in the direction of
    // `end`.
    let to = |end: [usize; 2]| {
        let along = |from: usize, to: usize, part: usize, parts: usize| {
            (from * (parts - part) + to * part + parts / 2) / parts
        };
        let parts = columns.max(rows);
        let vertices = (0..=parts).rev().map(|part| {
            [
                along(middle_column, end[0], part, parts),
                along(middle_row, end[1], part, parts),
            ]
        });
        let rays = vertices.filter_map(|[column, row]| ray(column, row));
        rays.map(|ray| between(middle, ray)).next().unwrap_or(0.0)
    };
    let across = to([0, middle_row]) + to([columns - 1, middle_row]);
    let down = to([middle_column, 0]) + to([middle_column, rows - 1]);
    let corners = to([0, 0]) + to([columns - 1, rows - 1]);
    Ok(Some(format!(
        "{across:.1} degrees across, {down:.1} down, {corners:.1} from corner to corner"
    )))
}

/// Returns the angle between two rays, in degrees.
fn between(a: [f64; 3], b: [f64; 3]) -> f64 {
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    cosine.clamp(-1.0, 1.0).acos().to_degrees()
}

/// Returns the first map of a file that holds several maps for this size.
fn first(size: Size, bytes: &[u8]) -> Result<VertexMap> {
    let length = VertexMap::bytes_for(size);
    match bytes.get(..length) {
        Some(first) if bytes.len() % length == 0 => VertexMap::from_bytes(size, first),
        _ => VertexMap::from_bytes(size, bytes),
    }
}
