// SPDX-License-Identifier: GPL-2.0
//! `dewarp preview`: draws a map as a picture, without a device.

use std::path::PathBuf;

use clap::Args;

use dewarp::format::SIZES;
use dewarp::{Error, Picture, Result, Size, VertexMap, file, preview, source, words};

use crate::read_file;

/// The longest side of a source, in pixels: the largest coordinate that a vertex can store.
const LONGEST: u32 = 4096;

#[derive(Args)]
#[command(after_help = format!("{SIZES} The picture may have any up to 4096x4096.\n\nExample:\n  \
    dewarp preview photo.png --map map.bin -o preview.png"))]
pub struct PreviewArgs {
    /// The picture to look at it on (.png, .jpg), of the input's size.
    input: PathBuf,
    /// A map made by `dewarp map`.
    #[arg(long, value_name = "FILE")]
    map: PathBuf,
    /// Size of the output that the map is for [default: the picture's].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    size: Option<Size>,
    /// Source with the map's grid, result, and local scale, side by side (.png, .jpg). The scale has
    /// a key: white 1:1, blue enlarged, red reduced, grey outside the source, black nothing but its
    /// edge. Its ellipses are what circles of the source become.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Draws the three pictures.
pub fn draw(args: &PreviewArgs) -> Result<()> {
    file::apart(&[&args.input, &args.map], &[&args.output])?;
    let picture = Picture::load(&args.input)?;
    let source = picture.size;
    if source.width > LONGEST || source.height > LONGEST {
        return Err(Error::bad_use(format!(
            "the picture is {source}, and a map holds coordinates up to {LONGEST}: make it smaller"
        )));
    }
    let bytes = words::binary(read_file(&args.map)?);
    let map = match args.size {
        Some(size) => VertexMap::from_bytes(source::output(size)?, &bytes)?,
        None => of_picture(source, &bytes)?,
    };
    preview::with_grid(&picture, &map)?
        .beside(&preview::result(&picture, &map)?)?
        .beside(&preview::heat_with_key(&map, source)?)?
        .save(&args.output)
}

/// Reads the map for an output of the picture's size.
fn of_picture(size: Size, bytes: &[u8]) -> Result<VertexMap> {
    let fits = size
        .check()
        .and_then(|size| VertexMap::from_bytes(size, bytes));
    fits.map_err(|_| {
        let likely = VertexMap::guesses(bytes).first().map(VertexMap::sizes);
        let sizes: Vec<String> = likely.iter().flatten().map(Size::to_string).collect();
        match &sizes[..] {
            [] => Error::bad_use(format!(
                "the map has {} bytes, and no output has as many",
                bytes.len()
            )),
            sizes => Error::bad_use(format!(
                "the map is for an output of {}, and the picture is {size}: say the output's size with \
                 --size",
                sizes.join(" or ")
            )),
        }
    })
}
