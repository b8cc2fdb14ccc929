// SPDX-License-Identifier: GPL-2.0
//! Tests a chessboard seen through every model of lens, by every kind of
//! calibration file, and straightened by the engine's golden model. The
//! residuals are the table in docs/calibration.md.

use std::path::PathBuf;

use dewarp::calibration::Choice;
use dewarp::{Calibration, Lens, Picture, Size, VertexMap, preview};
use dw100_pictures::chessboard;
use dw100_pictures::grey::Grey;
use dw100_pictures::line::{Point, largest_residual};
use dw100_pictures::scene::through;

const SIZE: Size = Size {
    width: 640,
    height: 480,
};

/// The side of a square seen by a camera without distortion, in pixels.
const SQUARE: f64 = 52.0;

/// The angle by which the board is turned, in radians, so that its lines are
/// not the pixels' own lines, whose edges are sharper than any other.
const TURNED: f64 = 0.07;

/// Inner corners of the board.
const CORNERS: [usize; 2] = [9, 6];

/// The largest distance of a point of a straightened line from the line, in
/// pixels.
const BOUND: f64 = 0.25;

/// The least residual of a bent picture, in pixels. With less there is nothing
/// to straighten.
const BENT: f64 = 2.5;

/// The name for no file: a lens without distortion.
const NO_FILE: &str = "-";

/// The lenses that are measured: the table's first column, and the lens's
/// source.
const LENSES: [(&str, &str, Choice); 11] = [
    ("none", NO_FILE, NONE),
    ("OpenCV, radial and tangential", "opencv.yml", NONE),
    ("OpenCV, rational", "rational.json", NONE),
    ("OpenCV, thin prism and tilt", "tilted.xml", NONE),
    ("OpenCV, fisheye", "fisheye.yml", NONE),
    ("ROS, plumb_bob", "ros.yaml", NONE),
    ("Kalibr, pinhole-radtan", "kalibr.yaml", camera("cam0")),
    ("Kalibr, pinhole-equi", "kalibr.yaml", camera("cam1")),
    ("Lensfun, poly3", "lensfun.xml", camera("4mm")),
    ("Lensfun, poly5", "lensfun.xml", camera("6mm")),
    (
        "Lensfun, ptlens",
        "lensfun.xml",
        Choice {
            focal_length: Some(3.0),
            ..camera("3-8mm")
        },
    ),
];

const NONE: Choice = Choice {
    camera: None,
    model: None,
    size: Some(SIZE),
    focal_length: None,
    crop_factor: None,
};

const fn camera(name: &str) -> Choice<'_> {
    Choice {
        camera: Some(name),
        ..NONE
    }
}

fn at_root(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

fn lens(file: &str, choice: &Choice) -> Lens {
    if file == NO_FILE {
        return Lens::straight([420.0, 421.0], [324.5, 236.25]);
    }
    let path = at_root("tools/dewarp/tests/cameras").join(file);
    Calibration::load_chosen(&path, choice).unwrap().lens
}

/// Returns the board as the lens shows it, in the middle of the straightened
/// picture.
fn seen(lens: &Lens) -> Picture {
    let [columns, rows] = CORNERS.map(|count| count as f64 + 1.0);
    through(SIZE, lens, |[x, y]| {
        let ((sin, cos), x, y) = (TURNED.sin_cos(), x - 320.0, y - 240.0);
        let i = (x * cos + y * sin) / SQUARE + columns / 2.0;
        let j = (y * cos - x * sin) / SQUARE + rows / 2.0;
        let on_board = (0.0..columns).contains(&i) && (0.0..rows).contains(&j);
        let dark = on_board && (i.floor() + j.floor()) as i64 % 2 == 0;
        if dark { [20; 3] } else { [230; 3] }
    })
}

/// Returns the largest residual of a picture's board, whose corners are first
/// moved by `moved`.
fn residual(picture: &Picture, moved: impl Fn(Point) -> Point) -> f64 {
    let board = chessboard::find(&Grey::of(picture), CORNERS[0], CORNERS[1]).expect("no board");
    let lines = board.lines().into_iter();
    lines
        .map(|line| largest_residual(&line.into_iter().map(&moved).collect::<Vec<_>>()))
        .fold(0.0, f64::max)
}

/// Returns the numbers of a lens's row in docs/calibration.md.
fn documented(name: &str) -> [f64; 3] {
    let text = std::fs::read_to_string(at_root("docs/calibration.md")).unwrap();
    let row = text
        .lines()
        .find(|line| line.starts_with(&format!("| {name} |")))
        .unwrap_or_else(|| panic!("docs/calibration.md has no row for {name}"));
    let cells: Vec<&str> = row.split('|').map(str::trim).collect();
    [cells[3], cells[4], cells[5]].map(|cell| cell.parse().unwrap())
}

#[test]
fn a_chessboard_through_every_lens_comes_out_straight() {
    let (mut table, mut straight) = (String::new(), true);
    for (name, file, choice) in &LENSES {
        let lens = lens(file, choice);
        let (input, inverse) = (seen(&lens), lens.inverse());
        let map = VertexMap::undistort(SIZE, SIZE, &lens, 1.0);
        let output = preview::result(&input, &map).unwrap();
        let measured = [
            residual(&input, |corner| corner),
            residual(&output, |corner| corner),
            residual(&input, |corner| {
                inverse.undistort(corner).expect("out of the lens's sight")
            }),
        ];
        table += &format!(
            "| {name} | `{file}` | {:.2} | {:.2} | {:.2} |\n",
            measured[0], measured[1], measured[2]
        );
        straight &= (measured[0] > BENT || *file == NO_FILE) && measured[1] < BOUND;
    }
    println!("{table}");
    assert!(
        straight,
        "the residuals are
{table}"
    );
    for line in table.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let documented = documented(cells[1]);
        for (cell, documented) in cells[3..].iter().zip(documented) {
            let measured: f64 = cell.parse().unwrap();
            assert!(
                (measured - documented).abs() < 0.05,
                "the table in docs/calibration.md is\n{table}"
            );
        }
    }
}

#[test]
fn the_map_of_another_lens_leaves_the_board_bent() {
    let input = seen(&lens("opencv.yml", &NONE));
    let map = VertexMap::undistort(SIZE, SIZE, &lens("rational.json", &NONE), 1.0);
    let output = preview::result(&input, &map).unwrap();
    assert!(residual(&output, |corner| corner) > BOUND);
}
