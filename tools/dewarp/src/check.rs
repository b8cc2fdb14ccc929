// SPDX-License-Identifier: GPL-2.0
//! The effect of a map in the engine: how far it enlarges and reduces, which
//! blocks show only an edge, which vertices could not be stored, and how far
//! the engine's straight lines between vertices are from the intended map.

mod block;

use crate::format::{MAX, Size};
use crate::map::{LARGEST, VertexMap};

pub(crate) use block::{Block, blocks};

/// Source pixels per output pixel from which a bilinear filter, which reads 2x2
/// of them, leaves some out. It is assumed that the engine's filter is
/// bilinear.
const SKIPS: f64 = 2.0;

/// Pixels that a map may be off before the user is warned.
const TOLERANCE: f64 = 1.0;

/// A place in the output, and an amount there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spot {
    /// The pixel of the output.
    pub at: [u32; 2],
    /// The amount; its meaning depends on the field that has the spot.
    pub amount: f64,
}

/// Keeps the spot with the larger amount.
fn more(worst: &mut Option<Spot>, spot: Spot) {
    if worst.is_none_or(|worst| spot.amount > worst.amount) {
        *worst = Some(spot);
    }
}

/// What can be computed from the vertices alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// The smallest and largest coordinates, x and y, in source pixels.
    pub range: [[f64; 2]; 2],
    /// The number of blocks of the map.
    pub blocks: usize,
    /// Vertices that the lens does not see: both coordinates have the largest
    /// value.
    pub blind: usize,
    /// Blocks that show a line or a point of the source, which is its edge.
    pub flat: usize,
    /// Blocks that show only the boundary colour.
    pub outside: usize,
    /// Blocks that show the source mirrored.
    pub mirrored: usize,
    /// The smallest number of source pixels per output pixel in any direction,
    /// among blocks that have a scale.
    pub least: Option<Spot>,
    /// The largest such number.
    pub most: Option<Spot>,
    /// The block in the middle, if it shows the source.
    pub middle: Option<Middle>,
}

/// The transformation of the source in a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Middle {
    /// Source pixels per output pixel, across and down in the output.
    pub scale: [f64; 2],
    /// How far the source is turned, in degrees.
    pub turned: f64,
    /// Whether the source is mirrored.
    pub mirrored: bool,
}

impl Survey {
    /// Examines a map. Blocks that are not wholly inside `source` have no
    /// scale, nor have those at its left and upper edges.
    pub fn of(map: &VertexMap, source: Option<Size>) -> Self {
        let mut survey = Survey {
            range: [[f64::INFINITY, 0.0]; 2],
            blocks: 0,
            blind: 0,
            flat: 0,
            outside: 0,
            middle: None,
            mirrored: 0,
            least: None,
            most: None,
        };
        let (columns, rows) = VertexMap::dimensions(map.size());
        for row in 0..rows {
            for column in 0..columns {
                let point = map.point(column, row);
                if point == [LARGEST / 16.0; 2] {
                    survey.blind += 1;
                    continue;
                }
                for (range, part) in survey.range.iter_mut().zip(point) {
                    *range = [range[0].min(part), range[1].max(part)];
                }
            }
        }
        for block in blocks(map) {
            survey.add(&block, source);
        }
        let middle = blocks(map).nth((rows - 1) / 2 * (columns - 1) + (columns - 1) / 2);
        survey.middle = middle
            .filter(|block| block.area() != 0.0 && block.lies_in(source))
            .map(|block| block.middle_of());
        survey
    }

    fn add(&mut self, block: &Block, source: Option<Size>) {
        self.blocks += 1;
        let [[a, b], [c, d]] = block.slope();
        let area = block.area();
        if block.is_outside(source) {
            self.outside += 1;
            return;
        }
        if area == 0.0 {
            self.flat += 1;
            return;
        }
        self.mirrored += usize::from(block.is_mirrored());
        // A vertex at 0 may be clamped, and then its block is cut off.
        let cut = block.corners.iter().flatten().any(|part| *part == 0.0);
        if cut || !block.lies_in(source) {
            return;
        }
        // The singular values of the slope.
        let sum = a * a + b * b + c * c + d * d;
        let root = (sum * sum - 4.0 * area * area).max(0.0).sqrt();
        let [least, most] = [sum - root, sum + root].map(|twice| (twice.max(0.0) / 2.0).sqrt());
        let at = block.at;
        more(&mut self.most, Spot { at, amount: most });
        if self.least.is_none_or(|spot| least < spot.amount) {
            self.least = Some(Spot { at, amount: least });
        }
    }
}

/// The comparison of a map with the function that it approximates.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What can be computed from the vertices.
    pub survey: Survey,
    /// The number of vertices of the map.
    pub vertices: usize,
    /// Vertices that are more than one output pixel away from the intended
    /// point.
    pub clamped: usize,
    /// The vertex that is furthest away, in source pixels.
    pub furthest: Option<Spot>,
    /// Vertices at which the lens sees nothing.
    pub blind: usize,
    /// The largest error in the middle of a block, in source pixels.
    pub coarsest: Option<Spot>,
    /// Blocks that show anything of the source but its edge.
    pub showing: usize,
    /// Blocks wholly inside the source: those that show it mirrored, and those
    /// that do not.
    pub sides: [usize; 2],
    size: Size,
}

impl Check {
    /// Compares `map` with the function it was made from.
    pub fn of(map: &VertexMap, source: Size, exact: impl Fn(f64, f64) -> [f64; 2]) -> Self {
        let (columns, rows) = VertexMap::dimensions(map.size());
        let mut check = Check {
            survey: Survey::of(map, Some(source)),
            vertices: columns * rows,
            clamped: 0,
            furthest: None,
            blind: 0,
            coarsest: None,
            showing: blocks(map).filter(|block| block.meets(source)).count(),
            sides: [0; 2],
            size: map.size(),
        };
        for block in blocks(map).filter(|block| block.lies_in(Some(source))) {
            check.sides[0] += usize::from(block.is_mirrored());
            check.sides[1] += usize::from(block.is_upright());
        }
        // The last vertices of a flipped picture are off by one output pixel,
        // because they lie beyond the source's first pixel.
        let pixel = check.survey.most.map_or(1.0, |spot| spot.amount.max(1.0));
        // Whether each vertex stores the intended point.
        let mut held_well = vec![false; check.vertices];
        for row in 0..rows {
            for column in 0..columns {
                let at = map.position(column, row);
                let meant = exact(f64::from(at[0]), f64::from(at[1]));
                if meant.iter().any(|part| !part.is_finite()) {
                    check.blind += 1;
                    continue;
                }
                let held = map.point(column, row);
                held_well[row * columns + column] = distance(meant, held) < 0.1;
                let [dx, dy] = [0, 1].map(|axis| (meant[axis] - held[axis]).abs());
                let amount = dx.max(dy);
                if amount > pixel + 1.0 / 16.0 {
                    check.clamped += 1;
                    more(&mut check.furthest, Spot { at, amount });
                }
            }
        }
        for (index, block) in blocks(map).enumerate() {
            // A vertex that could not be stored has already been reported.
            let first = index / (columns - 1) * columns + index % (columns - 1);
            let corners = [first, first + 1, first + columns, first + columns + 1];
            if !corners.iter().all(|corner| held_well[*corner]) || !block.lies_in(Some(source)) {
                continue;
            }
            let [x, y] = block.middle();
            let amount = distance(exact(x, y), block.between());
            if amount.is_finite() {
                let at = block.at;
                more(&mut check.coarsest, Spot { at, amount });
            }
        }
        check
    }

    /// Returns the error for a map that shows nothing of the source.
    pub fn blank(&self) -> Option<String> {
        (self.showing == 0).then(|| {
            format!(
                "the output would show nothing of the source: of {} vertices {} are out of the lens's \
                 sight and the others beside the source; look at the view (--pan, --tilt, --zoom, \
                 --rectify) and at the numbers of the calibration",
                self.vertices, self.blind
            )
        })
    }

    /// Returns the warnings, one sentence each, about a map that is to show the
    /// source mirrored or not.
    pub fn warnings(&self, mirrored: bool) -> Vec<String> {
        let mut warnings = Vec::new();
        let wrong = self.sides[usize::from(mirrored)];
        if wrong > 0 {
            let how = if mirrored { "unmirrored" } else { "mirrored" };
            warnings.push(format!(
                "{wrong} of {} blocks show the source {how}: look at the numbers of the calibration",
                self.survey.blocks
            ));
        }
        if let Some(Spot { at: [x, y], amount }) = self.furthest {
            warnings.push(format!(
                "{} of {} vertices lie outside the 0 to 4095 15/16 that a map can hold: what is left \
                 of the source or above it shows its edge; furthest, by {} pixels, at ({x}, {y}) \
                 of the output",
                self.clamped,
                self.vertices,
                short(amount)
            ));
        }
        if self.blind > 0 {
            warnings.push(format!(
                "{} of {} vertices are out of the lens's sight and show the boundary colour",
                self.blind, self.vertices
            ));
        }
        if let Some(Spot { at: [x, y], amount }) =
            self.survey.most.filter(|spot| spot.amount > SKIPS)
        {
            warnings.push(format!(
                "at ({x}, {y}) of the output {} source pixels make one: the engine's filter is \
                 assumed to read 2x2, so fine detail is lost there; {} keeps it",
                short(amount),
                self.larger(amount / SKIPS)
            ));
        }
        if let Some(Spot { at: [x, y], amount }) =
            self.coarsest.filter(|spot| spot.amount > TOLERANCE)
        {
            warnings.push(format!(
                "between the vertices around ({x}, {y}) of the output the map is off by {} source \
                 pixels: it bends more than blocks of 16 pixels can follow; {} has more of them",
                short(amount),
                self.larger((amount / TOLERANCE).sqrt())
            ));
        }
        warnings
    }
}

impl Check {
    /// Returns the options that show the source this many times as large.
    fn larger(&self, times: f64) -> &'static str {
        let room = |side: u32, most: u32| f64::from(side) * times <= f64::from(most);
        match room(self.size.width, MAX.width) && room(self.size.height, MAX.height) {
            true => "a larger --size, or a narrower view (--zoom, --crop)",
            false => "a narrower view (--zoom, --crop)",
        }
    }
}

/// Formats a number of pixels with few digits.
fn short(pixels: f64) -> String {
    match pixels < 1e6 {
        true => format!("{pixels:.1}"),
        false => format!("{pixels:.1e}"),
    }
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 320,
        height: 240,
    };

    fn check(exact: impl Fn(f64, f64) -> [f64; 2] + Copy) -> Check {
        Check::of(&VertexMap::from_fn(SIZE, exact), SIZE, exact)
    }

    #[test]
    fn an_identity_has_nothing_to_tell() {
        let check = check(|x, y| [x, y]);
        assert_eq!(check.warnings(false), Vec::<String>::new());
        assert_eq!(check.survey.range, [[0.0, 320.0], [0.0, 240.0]]);
        let amounts = [check.survey.least, check.survey.most].map(|spot| spot.unwrap().amount);
        assert_eq!(amounts, [1.0, 1.0]);
        assert_eq!((check.survey.flat, check.survey.mirrored), (0, 0));
    }

    #[test]
    fn what_is_left_of_the_source_is_told_with_place_and_distance() {
        let check = check(|x, y| [x - 20.0, y]);
        // Two columns of 16 vertices: at -20 and at -4.
        assert_eq!(check.clamped, 32);
        let furthest = Spot {
            at: [0, 0],
            amount: 20.0,
        };
        assert_eq!(check.furthest, Some(furthest));
        assert!(
            check.warnings(false)[0]
                .starts_with("32 of 336 vertices lie outside the 0 to 4095 15/16")
        );
        // Blocks between two clamped columns show the edge.
        assert_eq!(check.survey.flat, 15);
    }

    #[test]
    fn a_flip_s_last_column_is_no_warning() {
        let halved = Check::of(
            &VertexMap::from_fn(SIZE, |x, y| [638.0 - 2.0 * x, 478.0 - 2.0 * y]),
            Size {
                width: 640,
                height: 480,
            },
            |x, y| [638.0 - 2.0 * x, 478.0 - 2.0 * y],
        );
        assert_eq!(halved.warnings(false), Vec::<String>::new());
        let check = check(|x, y| [319.0 - x, y]);
        assert_eq!(check.warnings(true), Vec::<String>::new());
        let told = check.warnings(false);
        assert!(
            told[0].contains("blocks show the source mirrored"),
            "{told:?}"
        );
        assert_eq!(check.survey.mirrored, check.survey.blocks);
    }

    #[test]
    fn a_map_that_shows_nothing_of_the_source_is_blank() {
        assert_eq!(check(|x, y| [x, y]).blank(), None);
        assert_eq!(check(|x, y| [x + 319.0, y]).blank(), None);
        for exact in [
            |_, _| [f64::INFINITY; 2],
            |x, y| [x + 320.0, y],
            |x, y| [x, y - 240.0],
        ] {
            let told = check(exact).blank().unwrap();
            assert!(
                told.contains("would show nothing of the source: of 336 vertices"),
                "{told}"
            );
        }
    }

    #[test]
    fn what_is_far_away_is_told_in_few_digits() {
        let told = check(|x, y| [x - 1e300, y]).warnings(false);
        assert!(told[0].contains("furthest, by 1.0e300 pixels"), "{told:?}");
    }

    #[test]
    fn what_the_lens_does_not_see_is_counted() {
        let check = check(|x, y| {
            if x < 100.0 {
                [f64::INFINITY; 2]
            } else {
                [x, y]
            }
        });
        assert_eq!(check.blind, 7 * 16);
        assert!(
            check.warnings(false)[0].starts_with("112 of 336 vertices are out of the lens's sight")
        );
    }

    #[test]
    fn reduction_and_bends_are_told_where_they_are_worst() {
        // 3 source pixels per output pixel across; the map leaves the source
        // after a third of the output.
        let warnings = check(|x, y| [3.0 * x, y]).warnings(false);
        assert!(
            warnings[0].starts_with("at (16, 16) of the output 3.0 source pixels"),
            "{warnings:?}"
        );
        // A wave as long as a block, so that the vertices do not show it.
        let wave = |x: f64, y: f64| [x, y + 3.0 * (x * std::f64::consts::PI / 16.0).sin().powi(2)];
        let check = check(wave);
        assert!((check.coarsest.unwrap().amount - 3.0).abs() < 0.1);
        assert!(check.warnings(false)[0].contains("off by 3.0 source pixels"));
    }

    #[test]
    fn a_larger_output_is_advised_only_where_there_is_room_for_it() {
        let told = |size: Size| {
            let source = Size {
                width: 4096,
                height: 4096,
            };
            let shrunk = |x: f64, y: f64| [x * 3.0, y * 3.0];
            let check = Check::of(&VertexMap::from_fn(size, shrunk), source, shrunk);
            check.warnings(false).pop().unwrap()
        };
        let small = told(SIZE);
        assert!(
            small.contains("a larger --size, or a narrower view"),
            "{small}"
        );
        let large = told(MAX);
        assert!(
            large.contains("a narrower view") && !large.contains("--size"),
            "{large}"
        );
    }

    #[test]
    fn the_scale_is_the_same_in_every_direction_of_a_turned_picture() {
        let map = VertexMap::from_fn(SIZE, |x, y| {
            [300.0 + 0.5 * x - 0.5 * y, 10.0 + 0.5 * x + 0.5 * y]
        });
        let survey = Survey::of(&map, None);
        for spot in [survey.least, survey.most] {
            assert!(
                (spot.unwrap().amount - 0.5f64.sqrt()).abs() < 0.01,
                "{spot:?}"
            );
        }
    }
}
