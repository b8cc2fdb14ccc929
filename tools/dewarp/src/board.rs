// SPDX-License-Identifier: GPL-2.0
//! Boards to print, with which a lens is calibrated. The parts of a page and its file formats are
//! in [`page`].

mod markers;
pub mod page;

use std::str::FromStr;

use clap::ValueEnum;

use crate::error::{Error, Result};
use markers::{CELLS, MARKERS};
use page::{Page, Rect};

/// The margin at the sides and above the board, in millimetres: printers do not reach the edge.
const MARGIN: f64 = 10.0;
/// The space below the board, for the ruler and the text, in millimetres.
const FOOT: f64 = 25.0;
/// The ruler's length in millimetres.
const RULER: f64 = 100.0;
/// The thickness of the ruler's lines in millimetres.
const LINE: f64 = 0.25;
/// A marker's side, as a fraction of its square's side.
const MARKER: f64 = 0.75;
/// The smallest square, in millimetres: a camera sees too little of smaller ones.
const SMALLEST: f64 = 5.0;
/// The fewest squares on a side: OpenCV looks for at least 3x3 inner corners.
const FEWEST: u32 = 4;

/// The pattern of a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Black and white squares. A picture must show the whole board.
    Chessboard,
    /// The same with a marker in each white square: a part of the board is enough.
    Charuco,
}

impl Kind {
    /// Returns its name, as on the command line.
    fn name(self) -> &'static str {
        match self {
            Kind::Chessboard => "chessboard",
            Kind::Charuco => "charuco",
        }
    }
}

/// The size of a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Paper {
    /// 297 x 210 mm.
    A4,
    /// 420 x 297 mm.
    A3,
    /// 11 x 8.5 inches, 279.4 x 215.9 mm.
    Letter,
}

impl Paper {
    /// Returns the longer and the shorter side in millimetres.
    fn sides(self) -> [f64; 2] {
        match self {
            Paper::A4 => [297.0, 210.0],
            Paper::A3 => [420.0, 297.0],
            Paper::Letter => [279.4, 215.9],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Paper::A4 => "A4",
            Paper::A3 => "A3",
            Paper::Letter => "letter",
        }
    }
}

/// The number of squares on a board: columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Squares {
    /// Squares in a row.
    pub columns: u32,
    /// Squares in a column.
    pub rows: u32,
}

impl FromStr for Squares {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|count| *count >= FEWEST);
        match text.split_once('x').map(|(a, b)| (side(a), side(b))) {
            Some((Some(columns), Some(rows))) => Ok(Squares { columns, rows }),
            _ => Err(format!(
                "{text} is not COLUMNSxROWS of {FEWEST} or more squares each, such as 10x7"
            )),
        }
    }
}

/// A board on a sheet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Board {
    kind: Kind,
    squares: Squares,
    /// A square's side in millimetres.
    side: f64,
    paper: Paper,
}

impl Board {
    /// Creates a board with squares of this side in millimetres; by default, the largest whole
    /// number of millimetres that fits the paper.
    ///
    /// Returns a bad-use error if the paper is too small for the board, or if a ChArUco board has
    /// more white squares than there are markers.
    pub fn new(kind: Kind, squares: Squares, side: Option<f64>, paper: Paper) -> Result<Self> {
        let Squares { columns, rows } = squares;
        let white = u64::from(columns) * u64::from(rows) / 2;
        if kind == Kind::Charuco && white > MARKERS.len() as u64 {
            return Err(Error::bad_use(format!(
                "{columns}x{rows} squares take {white} markers, and there are {}: take fewer squares, \
                 such as 10x7",
                MARKERS.len()
            )));
        }
        let counts = [columns, rows].map(f64::from);
        let room = Self::room(squares, paper);
        let largest = (room[0] / counts[0]).min(room[1] / counts[1]);
        let side = side.unwrap_or(largest.floor());
        if side >= SMALLEST && side <= largest {
            return Ok(Board {
                kind,
                squares,
                side,
                paper,
            });
        }
        let paper = paper.name();
        Err(Error::bad_use(match () {
            () if largest < SMALLEST => format!(
                "{paper} has no room for {columns}x{rows} squares of {SMALLEST} mm or more: take fewer \
                 squares, such as 10x7"
            ),
            () if side > largest => format!(
                "{columns}x{rows} squares of {side} mm are {} x {} mm, and {paper} has room for {:.1} x \
                 {:.1} mm: take --square {} or a larger --paper",
                side * counts[0],
                side * counts[1],
                room[0],
                room[1],
                largest.floor()
            ),
            () => {
                format!("a square's side is {SMALLEST} to {largest:.1} mm on {paper}, not {side}")
            }
        }))
    }

    /// Returns the width and height of the sheet in millimetres, in the board's orientation.
    fn sheet(squares: Squares, paper: Paper) -> [f64; 2] {
        let [long, short] = paper.sides();
        match squares.columns >= squares.rows {
            true => [long, short],
            false => [short, long],
        }
    }

    /// Returns the width and height of the sheet that are left for the board, in millimetres.
    fn room(squares: Squares, paper: Paper) -> [f64; 2] {
        let [width, height] = Self::sheet(squares, paper);
        [width - 2.0 * MARGIN, height - MARGIN - FOOT]
    }

    /// Returns the page to print.
    pub fn page(&self) -> Page {
        let [width, height] = Self::sheet(self.squares, self.paper);
        let counts = [self.squares.columns, self.squares.rows].map(f64::from);
        let room = Self::room(self.squares, self.paper);
        let corner = [0, 1].map(|i| MARGIN + (room[i] - counts[i] * self.side) / 2.0);
        let mut page = Page {
            size: [width, height],
            rects: Vec::new(),
            lines: Vec::new(),
        };
        self.draw(corner, &mut page.rects);
        ruler([MARGIN, height - FOOT + 6.0], &mut page);
        for (at, text) in self.text().into_iter().enumerate() {
            let below = height - FOOT + 12.0 + 3.5 * at as f64;
            page.lines.push(([MARGIN, below], text));
        }
        page
    }

    /// Adds the black squares and the markers to `rects`, from this corner on.
    fn draw(&self, [left, top]: [f64; 2], rects: &mut Vec<Rect>) {
        let side = self.side;
        let mut markers = MARKERS.iter();
        for row in 0..self.squares.rows {
            for column in 0..self.squares.columns {
                let [x, y] = [left + f64::from(column) * side, top + f64::from(row) * side];
                if (column + row) % 2 == 0 {
                    rects.push(Rect {
                        x,
                        y,
                        width: side,
                        height: side,
                    });
                } else if self.kind == Kind::Charuco {
                    let frame = side * (1.0 - MARKER) / 2.0;
                    let bits = markers.next().copied().unwrap_or_default();
                    marker(bits, [x + frame, y + frame], side * MARKER, rects);
                }
            }
        }
    }

    /// Returns the lines of text on the page: what the board is, how to print it, and what the
    /// calibration program needs.
    fn text(&self) -> [String; 3] {
        let Squares { columns, rows } = self.squares;
        let [width, height] = [columns, rows].map(|count| f64::from(count) * self.side);
        let (kind, side) = (self.kind.name(), self.side);
        let marker = match self.kind {
            Kind::Chessboard => String::new(),
            Kind::Charuco => format!(", markers of {} mm, DICT_4X4_50", side * MARKER),
        };
        [
            format!(
                "{kind}, {columns}x{rows} squares of {side} mm ({}x{} inner corners){marker}",
                columns - 1,
                rows - 1
            ),
            format!(
                "Print at 100 %, not \"fit to page\". Measure: ruler {RULER} mm, board {width} x {height} mm."
            ),
            format!("calibrate.py --kind {kind} --squares {columns}x{rows} --square {side}"),
        ]
    }
}

/// Adds the black cells of a marker to `rects`: its bits inside a black frame of one cell. Adjacent
/// black cells of a line are one rectangle.
fn marker(bits: u16, [left, top]: [f64; 2], side: f64, rects: &mut Vec<Rect>) {
    let cell = side / f64::from(CELLS + 2);
    let black = |column: u32, row: u32| {
        let inner = (1..=CELLS).contains(&column) && (1..=CELLS).contains(&row);
        // The first bit is the upper left cell.
        !inner || bits >> (CELLS * CELLS - 1 - (row - 1) * CELLS - (column - 1)) & 1 == 0
    };
    for row in 0..CELLS + 2 {
        let mut column = 0;
        while column < CELLS + 2 {
            let end = (column..CELLS + 2)
                .find(|at| !black(*at, row))
                .unwrap_or(CELLS + 2);
            if end > column {
                rects.push(Rect {
                    x: left + f64::from(column) * cell,
                    y: top + f64::from(row) * cell,
                    width: f64::from(end - column) * cell,
                    height: cell,
                });
            }
            column = end + 1;
        }
    }
}

/// Adds a ruler with a mark each centimetre to the page. Its length between the outer edges is
/// [`RULER`].
fn ruler([x, y]: [f64; 2], page: &mut Page) {
    let mut rect = |x, y, width, height| {
        page.rects.push(Rect {
            x,
            y,
            width,
            height,
        });
    };
    rect(x, y, RULER, LINE);
    let marks = 10;
    for mark in 0..=marks {
        let middle = x + RULER * f64::from(mark) / f64::from(marks);
        let (left, height) = match mark {
            0 => (x, 4.0),
            _ if mark == marks => (x + RULER - LINE, 4.0),
            _ => (middle - LINE / 2.0, 2.0),
        };
        rect(left, y - height, LINE, height);
    }
    page.lines
        .push(([x + RULER + 2.0, y], format!("{RULER} mm")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(kind: Kind, squares: &str, side: Option<f64>, paper: Paper) -> Result<Board> {
        Board::new(kind, squares.parse().unwrap(), side, paper)
    }

    #[test]
    fn a_square_is_as_large_as_the_paper_has_room_for() {
        // A4 in landscape: 297 - 2 * 10 = 277 for 10 columns, 210 - 10 - 25 = 175 for 7 rows.
        for (squares, paper, side) in [
            ("10x7", Paper::A4, 25.0),
            ("7x10", Paper::A4, 26.0),
            ("10x7", Paper::A3, 37.0),
            ("10x7", Paper::Letter, 25.0),
        ] {
            let board = board(Kind::Chessboard, squares, None, paper).unwrap();
            assert_eq!(board.side, side, "{squares} {paper:?}");
        }
    }

    #[test]
    fn what_finds_no_room_is_refused_with_what_does() {
        let error = |kind, squares: &str, side| {
            let error = board(kind, squares, side, Paper::A4).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        assert_eq!(
            error(Kind::Chessboard, "10x7", Some(30.0)),
            "10x7 squares of 30 mm are 300 x 210 mm, and A4 has room for 277.0 x 175.0 mm: take \
             --square 25 or a larger --paper"
        );
        assert_eq!(
            error(Kind::Chessboard, "10x7", Some(0.5)),
            "a square's side is 5 to 25.0 mm on A4, not 0.5"
        );
        assert!(error(Kind::Chessboard, "10x7", Some(f64::NAN)).ends_with("not NaN"));
        assert!(error(Kind::Chessboard, "100x70", None).starts_with("A4 has no room for 100x70"));
        assert!(error(Kind::Charuco, "12x9", None).starts_with("12x9 squares take 54 markers"));
        let huge = "4294967295x4294967295";
        assert!(error(Kind::Charuco, huge, None).contains("take fewer squares"));
    }

    #[test]
    fn squares_are_columns_and_rows() {
        let squares = Squares {
            columns: 10,
            rows: 7,
        };
        assert_eq!("10x7".parse(), Ok(squares));
        for wrong in ["10", "10x", "3x7", "10x-7", "10x7x2", "10 x 7", ""] {
            let error = wrong.parse::<Squares>().unwrap_err();
            assert!(error.starts_with(&format!("{wrong} is not COLUMNSxROWS")));
        }
    }

    #[test]
    fn the_page_has_the_numbers_that_the_calibration_takes() {
        let board = board(Kind::Charuco, "8x6", Some(26.0), Paper::A4).unwrap();
        let text = board.page().lines.into_iter().map(|(_, text)| text);
        let text = text.collect::<Vec<_>>();
        assert_eq!(
            text,
            [
                "100 mm",
                "charuco, 8x6 squares of 26 mm (7x5 inner corners), markers of 19.5 mm, DICT_4X4_50",
                "Print at 100 %, not \"fit to page\". Measure: ruler 100 mm, board 208 x 156 mm.",
                "calibrate.py --kind charuco --squares 8x6 --square 26",
            ]
        );
    }

    #[test]
    fn nothing_is_beside_the_sheet_and_nothing_lies_on_the_board() {
        for (kind, squares, paper) in [
            (Kind::Chessboard, "10x7", Paper::A4),
            (Kind::Charuco, "7x10", Paper::Letter),
            (Kind::Charuco, "5x4", Paper::A3),
        ] {
            let page = board(kind, squares, None, paper).unwrap().page();
            let [width, height] = page.size;
            for rect in &page.rects {
                assert!(
                    rect.x >= MARGIN - 1e-9 && rect.y >= MARGIN - 1e-9,
                    "{rect:?}"
                );
                assert!(rect.x + rect.width <= width - MARGIN + 1e-9, "{rect:?}");
            }
            for ([x, y], text) in &page.lines {
                let right = x + text.len() as f64 * page::ADVANCE;
                assert!(right <= width - 5.0, "{text} ends at {right}");
                assert!(
                    (height - FOOT + 2.0..height - 5.0).contains(y),
                    "{text}: {y}"
                );
            }
        }
    }
}
