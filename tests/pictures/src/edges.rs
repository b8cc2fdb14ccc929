// SPDX-License-Identifier: GPL-2.0
//! Follows the long edges of a picture from side to side, and from top to bottom,
//! to a fraction of a pixel. An edge may bend in any direction.

use crate::grey::Grey;
use crate::line::Point;

/// Columns from one sample of an edge to the next.
const STEP: usize = 4;

/// The weakest edge that is followed: the change of luma over two pixels.
const WEAKEST: f64 = 12.0;

/// The largest distance of a sample from its expected place, in pixels. The
/// second sample of an edge may be anywhere within 45 degrees.
const SURPRISE: f64 = 1.5;

/// How many samples of an edge may be missing where something covers it.
const GAP: usize = 24;

/// The part of the picture's side that an edge must span to count.
const SPAN: f64 = 0.6;

/// Finds the long edges of a picture: first those that go across, then those that
/// go down, each as points from one end to the other.
pub fn long_edges(picture: &Grey) -> [Vec<Vec<Point>>; 2] {
    let across = edges_across(picture);
    let down = edges_across(&picture.transposed())
        .into_iter()
        .map(|edge| edge.into_iter().map(|[x, y]| [y, x]).collect())
        .collect();
    [across, down]
}

/// An edge that is followed.
struct Trail {
    points: Vec<Point>,
    /// Whether the picture becomes lighter downwards at the edge.
    rising: bool,
}

impl Trail {
    /// Returns the expected place of the edge at column `x`: straight on from the
    /// last samples.
    fn expected(&self, x: f64) -> f64 {
        let recent = &self.points[self.points.len().saturating_sub(8)..];
        match recent {
            [first, .., last] => {
                last[1] + (x - last[0]) * (last[1] - first[1]) / (last[0] - first[0])
            }
            [only] => only[1],
            [] => f64::NAN,
        }
    }

    fn end(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |point| point[0])
    }

    fn span(&self) -> f64 {
        self.points
            .first()
            .map_or(0.0, |first| self.end() - first[0])
    }
}

/// Finds the edges that go from left to right.
fn edges_across(picture: &Grey) -> Vec<Vec<Point>> {
    let mut open: Vec<Trail> = Vec::new();
    let mut long: Vec<Vec<Point>> = Vec::new();
    let enough = SPAN * picture.width as f64;
    let mut close = |trail: Trail| {
        if trail.span() >= enough {
            long.push(trail.points);
        }
    };
    for column in (2..picture.width.saturating_sub(2)).step_by(STEP) {
        let x = column as f64;
        let mut samples = crossings(picture, column as isize);
        // The longest trails choose first, so that a short wrong one does not
        // take their samples.
        open.sort_by(|a, b| b.span().total_cmp(&a.span()));
        for trail in &mut open {
            let expected = trail.expected(x);
            let surprise = if trail.points.len() < 2 {
                STEP as f64
            } else {
                SURPRISE
            };
            let best = samples
                .iter()
                .enumerate()
                .filter(|(_, sample)| sample.rising == trail.rising)
                .map(|(index, sample)| (index, (sample.y - expected).abs()))
                .filter(|&(_, away)| away <= surprise)
                .min_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((index, _)) = best {
                trail.points.push([x, samples.swap_remove(index).y]);
            }
        }
        let lost = (STEP * GAP) as f64;
        for index in (0..open.len()).rev() {
            // A trail of a few samples has no reliable direction yet, so it
            // bridges a short gap only.
            let patience = if open[index].points.len() < 8 {
                STEP as f64
            } else {
                lost
            };
            if x - open[index].end() > patience {
                close(open.swap_remove(index));
            }
        }
        open.extend(samples.into_iter().map(|sample| Trail {
            points: vec![[x, sample.y]],
            rising: sample.rising,
        }));
    }
    open.into_iter().for_each(&mut close);
    long
}

/// The point where an edge crosses a column.
struct Crossing {
    y: f64,
    rising: bool,
}

/// Finds every edge that crosses a column: the places where the luma changes
/// fastest.
fn crossings(picture: &Grey, x: isize) -> Vec<Crossing> {
    let height = picture.height as isize;
    // Three columns and five lines reduce the rounding errors of 8-bit samples.
    let slope = |y: isize| -> f64 {
        (-1..=1)
            .map(|dx| {
                let at = |dy| picture.at(x + dx, y + dy);
                (at(2) - at(-2)) / 4.0 + (at(1) - at(-1)) / 2.0
            })
            .sum::<f64>()
            / 3.0
    };
    let slopes: Vec<f64> = (0..height).map(slope).collect();
    slopes
        .windows(3)
        .zip(1..)
        .filter_map(|(window, y)| {
            let [before, here, after] = [window[0], window[1], window[2]]
                .map(|v: f64| if window[1] < 0.0 { -v } else { v });
            if here < WEAKEST || here <= before || here < after {
                return None;
            }
            // The top of the parabola through the three values.
            let offset = 0.5 * (before - after) / (before - 2.0 * here + after);
            Some(Crossing {
                y: f64::from(y) + offset,
                rising: window[1] > 0.0,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::largest_residual;
    use dewarp::{Picture, Size};

    /// Draws a dark field below the curve `y(x)`, with an anti-aliased border.
    fn field(y: impl Fn(f64) -> f64) -> Grey {
        let size = Size {
            width: 400,
            height: 200,
        };
        let mut picture = Picture::filled(size, [220; 3]);
        for (index, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            let below = (index / 400) as f64 + 0.5 - y((index % 400) as f64);
            pixel.fill((220.0 - 180.0 * below.clamp(0.0, 1.0)) as u8);
        }
        Grey::of(&picture)
    }

    #[test]
    fn a_straight_edge_has_a_residual_of_less_than_a_tenth() {
        let [across, down] = long_edges(&field(|x| 50.3 + 0.2 * x));
        assert_eq!((across.len(), down.len()), (1, 0));
        assert!(largest_residual(&across[0]) < 0.1);
        // The border is where it was drawn.
        assert!(
            (across[0][0][1] - (50.3 + 0.2 * 2.0)).abs() < 0.15,
            "{:?}",
            across[0][0]
        );
    }

    #[test]
    fn a_bent_edge_is_followed_along_its_bend() {
        let bow = |x: f64| 60.0 + (x - 200.0) * (x - 200.0) / 1000.0;
        let [across, _] = long_edges(&field(bow));
        assert_eq!(across.len(), 1);
        let edge = &across[0];
        assert!(edge.len() > 95, "{}", edge.len());
        assert!(edge.iter().all(|[x, y]| (y - bow(*x)).abs() < 0.15));
        // Two thirds of the bow's 38 px are beyond the fitted line.
        let residual = largest_residual(edge);
        assert!((25.0..26.0).contains(&residual), "{residual}");
    }

    #[test]
    fn an_edge_goes_on_behind_a_post() {
        let mut picture = Picture::filled(
            Size {
                width: 400,
                height: 200,
            },
            [220; 3],
        );
        for (index, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            if index / 400 >= 100 {
                pixel.fill(40);
            }
            if (150..190).contains(&(index % 400)) {
                pixel.fill(130);
            }
        }
        let [across, down] = long_edges(&Grey::of(&picture));
        assert_eq!(across.len(), 1);
        // These are the post's own sides, which change from dark-light to
        // light-dark.
        assert!(down.len() <= 2);
    }

    #[test]
    fn a_blank_picture_has_no_edges() {
        let blank = Picture::filled(
            Size {
                width: 400,
                height: 200,
            },
            [99; 3],
        );
        assert!(long_edges(&Grey::of(&blank)).iter().all(Vec::is_empty));
    }
}
