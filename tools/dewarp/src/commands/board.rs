// SPDX-License-Identifier: GPL-2.0
//! `dewarp board`: makes a page to print, with which a lens is calibrated.

use std::path::PathBuf;

use clap::Args;

use dewarp::Result;
use dewarp::board::{Board, Kind, Paper, Squares};

use crate::write_file;

/// The text below the help.
const EXAMPLES: &str = "\
Examples:
  dewarp board -o board.pdf
  dewarp board --kind charuco --paper a3 --squares 11x8 --square 32 -o board.svg

Print it at 100 %, measure the ruler, photograph it, and run calibrate.py with the numbers that stand
on the page: docs/calibrate.md.";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct BoardArgs {
    /// The pattern.
    #[arg(long, value_enum, default_value = "chessboard")]
    kind: Kind,
    /// The sheet, in landscape if there are as many columns as rows or more.
    #[arg(long, value_enum, default_value = "a4")]
    paper: Paper,
    /// Columns and rows of squares.
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "10x7")]
    squares: Squares,
    /// A square's side in millimetres [default: as many whole ones as the paper has room for].
    #[arg(long, value_name = "MM", allow_negative_numbers = true)]
    square: Option<f64>,
    /// The page (.pdf, .svg, .png with 12 pixels a millimetre).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Draws the page.
pub fn draw(args: &BoardArgs) -> Result<()> {
    let board = Board::new(args.kind, args.squares, args.square, args.paper)?;
    write_file(&args.output, &board.page().encode(&args.output)?)
}
