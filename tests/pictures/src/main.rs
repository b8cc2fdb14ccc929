// SPDX-License-Identifier: GPL-2.0
//! The `dw100-pictures` command: renders the scene, and measures how straight
//! a picture came out. Exit status: 0, 1 when a bound is missed or something
//! failed, 2 for bad use.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::json;

use dewarp::{Picture, Result};
use dw100_pictures::{Measured, PictureKind, scene};

/// The pictures the project is shown with, and how straight their lines are.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render the scene: the committed scene.png, byte for byte.
    Scene {
        /// Where to write it.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Measure the largest distance of a point from its straight line, before and after.
    Straightness {
        /// Which of the committed pictures it was.
        #[arg(long)]
        picture: Kind,
        /// The picture that was sent through the dewarper.
        input: PathBuf,
        /// What came of it.
        output: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// The photograph of a chessboard.
    Photo,
    /// The rendered facade.
    Scene,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Scene { output } => scene::render().save(&output).map(|()| true),
        Command::Straightness {
            picture,
            input,
            output,
        } => straightness(picture, &input, &output),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dw100-pictures: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

fn straightness(kind: Kind, input: &Path, output: &Path) -> Result<bool> {
    let (kind, name) = match kind {
        Kind::Photo => (PictureKind::Photo, "photo"),
        Kind::Scene => (PictureKind::Scene, "scene"),
    };
    let measured = Measured::new(kind, &Picture::load(input)?, &Picture::load(output)?)?;
    let report = json!({
        "picture": name,
        "input_px": measured.input,
        "output_px": measured.output,
        "bound_px": measured.bound(),
        "holds": measured.holds(),
    });
    println!("{report}");
    Ok(measured.holds())
}
