// SPDX-License-Identifier: GPL-2.0
//! `dewarp info`: explains a map file, which holds nothing but vertices.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use dewarp::check::Survey;
use dewarp::{Error, Result, Size, VertexMap, words};

use crate::{print, read_file};

#[derive(Args)]
pub struct InfoArgs {
    /// A map made by `dewarp map`.
    map: PathBuf,
    /// Size of the output it is for [default: guessed from the vertices].
    #[arg(long, value_name = "WxH")]
    size: Option<Size>,
    /// Size of the input, so that what lies outside has no part in the scale.
    #[arg(long, value_name = "WxH")]
    source: Option<Size>,
}

/// Prints what a map does.
pub fn show(args: &InfoArgs) -> Result<()> {
    let path = &args.map;
    let named = words::named(path);
    let size = args.size.or(named.map(|[_, output]| output));
    let source = args.source.or(named.map(|[input, _]| input));
    print(explain(path, &words::binary(read_file(path)?), size, source)?.as_bytes())
}

fn explain(path: &Path, bytes: &[u8], size: Option<Size>, source: Option<Size>) -> Result<String> {
    let (map, others) = match size {
        Some(size) => (first(size.check()?, bytes)?, Vec::new()),
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
    let survey = Survey::of(&map, source);
    let sizes: Vec<String> = match size {
        Some(size) => vec![size.to_string()],
        None => sizes(columns, rows),
    };
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
    line(
        "source",
        format!("x from {left} to {right}, y from {top} to {bottom}"),
    );
    if let (Some(least), Some(most)) = (survey.least, survey.most) {
        line(
            "scale",
            format!(
                "one output pixel takes {:.2} (at {},{}) to {:.2} (at {},{}) source pixels",
                least.amount, least.at[0], least.at[1], most.amount, most.at[0], most.at[1]
            ),
        );
    }
    line(
        "blocks",
        format!(
            "{}, of which {} show only an edge of the source and {} show it mirrored",
            survey.blocks, survey.flat, survey.mirrored
        ),
    );
    Ok(text)
}

/// The first of the maps for this size that a file holds one after the other.
fn first(size: Size, bytes: &[u8]) -> Result<VertexMap> {
    let length = VertexMap::bytes_for(size);
    match bytes.get(..length) {
        Some(first) if bytes.len() % length == 0 => VertexMap::from_bytes(size, first),
        _ => VertexMap::from_bytes(size, bytes),
    }
}

/// The sizes of output whose maps have these dimensions.
fn sizes(columns: usize, rows: usize) -> Vec<String> {
    // CAST: at most the vertices of the largest output.
    let ends = |count: usize| [16 * count as u32 - 16, 16 * count as u32 - 24];
    let pairs = ends(columns)
        .into_iter()
        .flat_map(|width| ends(rows).map(|height| Size { width, height }));
    let taken = pairs.filter(|size| size.check().is_ok());
    taken.map(|size| size.to_string()).collect()
}
