// SPDX-License-Identifier: GPL-2.0
//! Finds the inner corners of a chessboard in a photograph, to a fraction of a
//! pixel. It is given the number of corners, and not their places.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use crate::grey::Grey;
use crate::line::Point;

/// The blur before corners are searched, in pixels: it is larger than the noise of
/// a JPEG file, and much smaller than a square's side.
const BLUR: f64 = 2.0;

/// The weakest corner that is considered, as a part of the strongest.
const WEAKEST: f64 = 0.15;

/// Radius of the circle on which the fields around a corner are counted, in pixels.
const CIRCLE: f64 = 6.0;

/// Half the side of the window in which a corner is refined, in pixels.
const WINDOW: i32 = 5;

/// The place of a corner on the board.
type Cell = (i32, i32);

/// A board's inner corners, line by line, with `columns` points in each line.
#[derive(Debug, Clone)]
pub struct Board {
    /// Corners in a line.
    pub columns: usize,
    /// The corners.
    pub corners: Vec<Point>,
}

impl Board {
    /// Returns the points that are on straight lines on the board: lines and
    /// columns.
    pub fn lines(&self) -> Vec<Vec<Point>> {
        let lines = self.corners.chunks(self.columns).map(<[Point]>::to_vec);
        let columns = (0..self.columns).map(|column| {
            self.corners
                .iter()
                .skip(column)
                .step_by(self.columns)
                .copied()
                .collect()
        });
        lines.chain(columns).collect()
    }
}

/// Finds the board of `columns` x `rows` inner corners.
pub fn find(picture: &Grey, columns: usize, rows: usize) -> Option<Board> {
    let candidates = saddles(&picture.blurred(BLUR));
    for seed in 0..candidates.len() {
        let Some(grid) = grow(&candidates, seed) else {
            continue;
        };
        if let Some(cells) = rectangle(&grid, columns, rows) {
            let corners = cells
                .into_iter()
                .map(|index| refine(picture, candidates[index]))
                .collect();
            return Some(Board { columns, corners });
        }
    }
    None
}

/// Finds the points where two dark and two light fields meet, strongest first.
///
/// There the picture is a saddle: it is curved up in one direction and down in the
/// other, so that the determinant of its second derivatives is negative.
fn saddles(picture: &Grey) -> Vec<Point> {
    let strength = |x: isize, y: isize| {
        let at = |dx, dy| picture.at(x + dx, y + dy);
        let xx = at(-1, 0) - 2.0 * at(0, 0) + at(1, 0);
        let yy = at(0, -1) - 2.0 * at(0, 0) + at(0, 1);
        let xy = (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1)) / 4.0;
        xy * xy - xx * yy
    };
    let (width, height) = (picture.width as isize, picture.height as isize);
    let strengths: Vec<f64> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| strength(x, y))
        .collect();
    let strongest = strengths.iter().copied().fold(0.0, f64::max);
    let mut found = Vec::new();
    let edge = WINDOW as isize + 1;
    for y in edge..height - edge {
        for x in edge..width - edge {
            let here = strengths[(y * width + x) as usize];
            let is_peak = || {
                (-3..=3).all(|dy| {
                    (-3..=3).all(|dx| strengths[((y + dy) * width + x + dx) as usize] <= here)
                })
            };
            if here > WEAKEST * strongest && is_peak() && four_fields(picture, x, y) {
                found.push((here, [x as f64, y as f64]));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, point)| point).collect()
}

/// Returns whether dark and light alternate twice on a circle around the point, and
/// opposite points are alike. Neither holds at the corner of a single dark square
/// on the board's border, whatever is beyond it.
fn four_fields(picture: &Grey, x: isize, y: isize) -> bool {
    const POINTS: usize = 32;
    let circle: Vec<f64> = (0..POINTS)
        .map(|number| {
            let (sin, cos) = (number as f64 * TAU / POINTS as f64).sin_cos();
            picture.between(x as f64 + CIRCLE * cos, y as f64 + CIRCLE * sin)
        })
        .collect();
    let low = circle.iter().copied().fold(f64::INFINITY, f64::min);
    let high = circle.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let dark: Vec<bool> = circle
        .iter()
        .map(|&value| value < (low + high) / 2.0)
        .collect();
    let turns = dark
        .iter()
        .zip(dark.iter().cycle().skip(1))
        .filter(|(a, b)| a != b)
        .count();
    let facing = (0..POINTS / 2)
        .filter(|&index| dark[index] == dark[index + POINTS / 2])
        .count();
    turns == 4 && facing >= POINTS * 3 / 8
}

/// Follows the corners from one to its neighbours and theirs, as long as they are
/// where the last step predicts them.
fn grow(candidates: &[Point], seed: usize) -> Option<BTreeMap<Cell, usize>> {
    let (right, down) = basis(candidates, seed)?;
    let mut grid = BTreeMap::from([((0, 0), seed)]);
    let mut steps = BTreeMap::from([((0, 0), [right, down])]);
    let mut queue = vec![(0, 0)];
    while let Some(cell) = queue.pop() {
        let (from, step) = (candidates[grid[&cell]], steps[&cell]);
        for (axis, sign) in [(0, 1), (0, -1), (1, 1), (1, -1)] {
            let next = if axis == 0 {
                (cell.0 + sign, cell.1)
            } else {
                (cell.0, cell.1 + sign)
            };
            if grid.contains_key(&next) {
                continue;
            }
            let vector = step[axis].map(|part| part * f64::from(sign));
            let expected = [from[0] + vector[0], from[1] + vector[1]];
            let Some(index) = nearest(candidates, expected, 0.25 * length(vector)) else {
                continue;
            };
            if grid.values().any(|&taken| taken == index) {
                continue;
            }
            let walked = [
                candidates[index][0] - from[0],
                candidates[index][1] - from[1],
            ];
            let mut there = step;
            there[axis] = walked.map(|part| part * f64::from(sign));
            grid.insert(next, index);
            steps.insert(next, there);
            queue.insert(0, next);
        }
    }
    Some(grid)
}

/// Returns the steps from a corner to two neighbours, roughly at right angles.
fn basis(candidates: &[Point], seed: usize) -> Option<(Point, Point)> {
    let from = candidates[seed];
    let mut around: Vec<Point> = candidates
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != seed)
        .map(|(_, point)| [point[0] - from[0], point[1] - from[1]])
        .collect();
    around.sort_by(|a, b| length(*a).total_cmp(&length(*b)));
    let right = *around.first()?;
    let square = |other: &&Point| {
        let cosine =
            (right[0] * other[0] + right[1] * other[1]) / (length(right) * length(**other));
        cosine.abs() < 0.5
    };
    let down = around.iter().take(8).find(square)?;
    (length(*down) < 2.0 * length(right)).then_some((right, *down))
}

/// Returns the corners line by line, if the grid is a full rectangle of that shape,
/// lying or standing.
fn rectangle(grid: &BTreeMap<Cell, usize>, columns: usize, rows: usize) -> Option<Vec<usize>> {
    if grid.len() != columns * rows {
        return None;
    }
    let spread = |part: fn(&Cell) -> i32| {
        let low = grid.keys().map(part).min().unwrap_or(0);
        let high = grid.keys().map(part).max().unwrap_or(0);
        (low, (high - low + 1) as usize)
    };
    let ((left, across), (top, along)) = (spread(|cell| cell.0), spread(|cell| cell.1));
    let lying = (across, along) == (columns, rows);
    if !lying && (across, along) != (rows, columns) {
        return None;
    }
    (0..(columns * rows) as i32)
        .map(|number| {
            let (line, column) = (number / columns as i32, number % columns as i32);
            let cell = if lying {
                (left + column, top + line)
            } else {
                (left + line, top + column)
            };
            grid.get(&cell).copied()
        })
        .collect()
}

/// Returns the candidate nearest to a point, within a distance.
fn nearest(candidates: &[Point], point: Point, within: f64) -> Option<usize> {
    let away = |candidate: &Point| length([candidate[0] - point[0], candidate[1] - point[1]]);
    (0..candidates.len())
        .min_by(|&a, &b| away(&candidates[a]).total_cmp(&away(&candidates[b])))
        .filter(|&index| away(&candidates[index]) <= within)
}

fn length(vector: Point) -> f64 {
    vector[0].hypot(vector[1])
}

/// Moves a corner to the point where the edges around it meet.
///
/// On an edge the gradient is at right angles to it, and so to the line from the
/// corner to the pixel; away from edges there is none. The corner is the point for
/// which that holds best, by weighted least squares (Förstner).
fn refine(picture: &Grey, start: Point) -> Point {
    let mut corner = start;
    for _ in 0..50 {
        let (mut xx, mut xy, mut yy, mut bx, mut by) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for dy in -WINDOW..=WINDOW {
            for dx in -WINDOW..=WINDOW {
                let (dx, dy) = (f64::from(dx), f64::from(dy));
                let (x, y) = (corner[0] + dx, corner[1] + dy);
                let gx = (picture.between(x + 1.0, y) - picture.between(x - 1.0, y)) / 2.0;
                let gy = (picture.between(x, y + 1.0) - picture.between(x, y - 1.0)) / 2.0;
                let spread = f64::from(WINDOW * WINDOW) / 2.0;
                let weight = (-(dx * dx + dy * dy) / (2.0 * spread)).exp();
                xx += weight * gx * gx;
                xy += weight * gx * gy;
                yy += weight * gy * gy;
                bx += weight * (gx * gx * dx + gx * gy * dy);
                by += weight * (gx * gy * dx + gy * gy * dy);
            }
        }
        let determinant = xx * yy - xy * xy;
        if determinant <= 0.0 {
            break;
        }
        let step = [
            (yy * bx - xy * by) / determinant,
            (xx * by - xy * bx) / determinant,
        ];
        corner = [corner[0] + step[0], corner[1] + step[1]];
        if length(step) < 1e-3 {
            break;
        }
    }
    corner
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::{Picture, Size};

    /// Returns the place of corner (i, j) of a board of 9x6 inner corners that is
    /// seen at an angle.
    fn corner(i: f64, j: f64) -> Point {
        [70.3 + 31.0 * i + 7.0 * j, 60.6 - 5.0 * i + 29.0 * j]
    }

    fn drawn() -> Grey {
        let size = Size {
            width: 480,
            height: 320,
        };
        let mut picture = Picture::filled(size, [230; 3]);
        // Inverts `corner`, at 4x4 points of each pixel.
        let determinant = 31.0 * 29.0 + 7.0 * 5.0;
        for (index, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            let mut sum = 0.0;
            for sample in 0..16 {
                let x = (index % 480) as f64 + f64::from(sample % 4) / 4.0 - 0.375 - 70.3;
                let y = (index / 480) as f64 + f64::from(sample / 4) / 4.0 - 0.375 - 60.6;
                let i = (29.0 * x - 7.0 * y) / determinant;
                let j = (5.0 * x + 31.0 * y) / determinant;
                let inside = (-1.0..9.0).contains(&i) && (-1.0..6.0).contains(&j);
                let dark = inside && (i.floor() + j.floor()) as i32 % 2 == 0;
                sum += if dark { 20.0 } else { 230.0 };
            }
            pixel.fill((sum / 16.0) as u8);
        }
        Grey::of(&picture)
    }

    #[test]
    fn every_corner_is_found_to_a_twentieth_of_a_pixel() {
        let board = find(&drawn(), 9, 6).expect("no board");
        assert_eq!(board.corners.len(), 54);
        for i in 0..9 {
            for j in 0..6 {
                let [x, y] = corner(f64::from(i), f64::from(j));
                let near = |found: &&Point| (found[0] - x).hypot(found[1] - y) < 0.05;
                assert_eq!(
                    board.corners.iter().filter(near).count(),
                    1,
                    "corner {i} {j}"
                );
            }
        }
        // The corners are in order, because straight lines have no residual.
        let lines = board.lines();
        assert_eq!(lines.len(), 15);
        assert!(
            lines
                .iter()
                .all(|line| crate::line::largest_residual(line) < 0.1)
        );
    }

    #[test]
    fn a_board_of_another_shape_is_not_found() {
        assert!(find(&drawn(), 8, 6).is_none());
        let blank = Grey::of(&Picture::filled(
            Size {
                width: 100,
                height: 80,
            },
            [99; 3],
        ));
        assert!(find(&blank, 9, 6).is_none());
    }
}
