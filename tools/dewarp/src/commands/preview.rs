// SPDX-License-Identifier: GPL-2.0
//! `dewarp preview`: a map as a picture, without a device.

use std::path::PathBuf;

use clap::Args;

use dewarp::{Picture, Result, Size, VertexMap, file, preview, words};

use crate::read_file;

#[derive(Args)]
pub struct PreviewArgs {
    /// The picture to look at it on (.png, .jpg).
    input: PathBuf,
    /// A map made by `dewarp map`.
    #[arg(long, value_name = "FILE")]
    map: PathBuf,
    /// Size of the output that the map is for [default: the picture's].
    #[arg(long, value_name = "WxH", allow_negative_numbers = true)]
    out_size: Option<Size>,
    /// Source with the map's grid, result, and scale (white 1:1, blue enlarged, red reduced), side
    /// by side (.png, .jpg).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Draws the three pictures.
pub fn draw(args: &PreviewArgs) -> Result<()> {
    file::apart(&[&args.input, &args.map], &[&args.output])?;
    let picture = Picture::load(&args.input)?;
    let source = picture.size.check()?;
    let size = args.out_size.unwrap_or(source).check()?;
    let map = VertexMap::from_bytes(size, &words::binary(read_file(&args.map)?))?;
    preview::with_grid(&picture, &map)?
        .beside(&preview::result(&picture, &map)?)?
        .beside(&preview::heat(&map, source))?
        .save(&args.output)
}
