// SPDX-License-Identifier: GPL-2.0
//! Measures how straight the lines of a picture are: the largest distance of a
//! point of a line from the straight line through all its points, over all
//! lines.

use dewarp::{Error, Picture, Result};

use crate::chessboard;
use crate::edges;
use crate::grey::Grey;
use crate::line::{Point, largest_residual};

/// The fewest long edges, across and down each, that a scene must show.
const FEWEST_EDGES: usize = 6;

/// The kinds of the committed pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureKind {
    /// The photograph of a chessboard, 9x6 inner corners.
    Photo,
    /// The rendered facade.
    Scene,
}

/// The measurements of a picture and of the one made from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Largest residual of the input, in pixels.
    pub input: f64,
    /// Largest residual of the output, in pixels.
    pub output: f64,
    /// The kind of the picture.
    pub kind: PictureKind,
}

impl Measured {
    /// Measures both pictures in the same way.
    ///
    /// Returns an error if one of them does not show the lines.
    pub fn new(kind: PictureKind, input: &Picture, output: &Picture) -> Result<Self> {
        let measure = |picture: &Picture, name: &str| {
            worst(kind, picture).map_err(|cause| Error::failed(format!("the {name}: {cause}")))
        };
        Ok(Measured {
            input: measure(input, "input")?,
            output: measure(output, "output")?,
            kind,
        })
    }

    /// Returns the largest residual that the output may have: for the
    /// photograph a quarter of the input's, for the scene one pixel.
    pub fn bound(&self) -> f64 {
        match self.kind {
            PictureKind::Photo => self.input / 4.0,
            PictureKind::Scene => 1.0,
        }
    }

    /// Returns whether the output is straight, and the input was bent enough
    /// for that to be a result (by 1 px, or 8 px for the scene).
    pub fn holds(&self) -> bool {
        let bent = match self.kind {
            PictureKind::Photo => 1.0,
            PictureKind::Scene => 8.0,
        };
        self.input >= bent && self.output <= self.bound()
    }
}

/// Returns the largest residual of a picture's lines, or why it has none.
fn worst(kind: PictureKind, picture: &Picture) -> std::result::Result<f64, String> {
    let lines = lines(kind, &Grey::of(picture))?;
    Ok(lines
        .iter()
        .map(|line| largest_residual(line))
        .fold(0.0, f64::max))
}

/// Returns the lines to measure.
fn lines(kind: PictureKind, grey: &Grey) -> std::result::Result<Vec<Vec<Point>>, String> {
    match kind {
        PictureKind::Photo => match chessboard::find(grey, 9, 6) {
            Some(board) => Ok(board.lines()),
            None => Err("no chessboard of 9x6 inner corners is found".into()),
        },
        PictureKind::Scene => {
            let [across, down] = edges::long_edges(grey);
            if across.len() < FEWEST_EDGES || down.len() < FEWEST_EDGES {
                return Err(format!(
                    "{} long edges across and {} down are found, not {FEWEST_EDGES} each",
                    across.len(),
                    down.len()
                ));
            }
            Ok([across, down].concat())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_a_quarter_for_the_photo_and_a_pixel_for_the_scene() {
        let holds = |kind, input, output| {
            Measured {
                input,
                output,
                kind,
            }
            .holds()
        };
        assert!(holds(PictureKind::Photo, 2.8, 0.7));
        assert!(!holds(PictureKind::Photo, 2.8, 0.71));
        assert!(
            !holds(PictureKind::Photo, 0.4, 0.05),
            "the input was straight already"
        );
        assert!(holds(PictureKind::Scene, 8.0, 1.0));
        assert!(
            !holds(PictureKind::Scene, 7.9, 0.2),
            "the input was straight already"
        );
        assert!(!holds(PictureKind::Scene, 50.0, 1.01));
    }

    #[test]
    fn a_picture_without_lines_is_an_error_and_not_straight() {
        let blank = Picture::filled(
            dewarp::Size {
                width: 640,
                height: 480,
            },
            [80; 3],
        );
        for kind in [PictureKind::Photo, PictureKind::Scene] {
            let error = Measured::new(kind, &blank, &blank).unwrap_err();
            assert!(error.to_string().starts_with("the input: "), "{error}");
        }
    }
}
