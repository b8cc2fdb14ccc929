// SPDX-License-Identifier: GPL-2.0

//! Tests how the engine rounds between samples: a ramp in steps of 1/16 pixel between known
//! samples, and one in steps of 1/256, which only the interpolation of the map can produce.

use dewarp::VertexMap;
use dewarp::format::{NV12, Size};
use dw100_model::World;

use super::edges::{listed, luma_at, painted};
use crate::frame::Shot;
use crate::report::Judged;
use crate::session::{Outcome, SMALLEST, Session};

/// Pairs of neighbouring samples.
const PAIRS: [(u8, u8); 4] = [(0, 255), (255, 0), (10, 11), (100, 117)];

/// Returns the place of the first sample of a pair.
fn place(pair: usize) -> u32 {
    // CAST: It is a small number.
    24 + 16 * pair as u32
}

/// Returns luma of the source: the pairs, and a middle grey between them.
fn luma(at: u32) -> u8 {
    let pairs = PAIRS.iter().enumerate();
    for (number, (first, second)) in pairs {
        if at <= place(number) && at + 8 > place(number) {
            return *first;
        }
        if at > place(number) && at <= place(number) + 8 {
            return *second;
        }
    }
    128
}

/// How a sum of weighted samples is rounded to a sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Rounding {
    HalfUp,
    Down,
}

impl Rounding {
    /// Returns the sample at the place `part`/`of` between two samples.
    fn between(self, (first, second): (u8, u8), part: u32, of: u32) -> u8 {
        let sum = u32::from(first) * (of - part) + u32::from(second) * part;
        let more = match self {
            Self::HalfUp => of / 2,
            Self::Down => 0,
        };
        // CAST: It is between two bytes.
        ((sum + more) / of) as u8
    }
}

/// Returns the rounding that produces all these samples, each at k/16 of its pair; both where they
/// produce the same.
fn roundings(found: &[Vec<u8>]) -> Vec<Rounding> {
    let makes = |rounding: &Rounding| {
        found.iter().zip(PAIRS).all(|(samples, pair)| {
            let wanted = (0..16).map(|k| rounding.between(pair, k, 16));
            samples.iter().copied().eq(wanted)
        })
    };
    [Rounding::HalfUp, Rounding::Down]
        .into_iter()
        .filter(makes)
        .collect()
}

/// Tests the ramps, along lines and along columns.
pub fn run(session: &mut Session) -> Outcome {
    let assumed = "weights in 1/256, the sum rounded half up";
    for along in ["a line", "a column"] {
        let in_line = along == "a line";
        let mut found = Vec::new();
        for (number, _) in PAIRS.iter().enumerate() {
            let frame = painted(SMALLEST, |x, y| luma(if in_line { x } else { y }));
            let places: Vec<[u32; 2]> = (0..16)
                .map(|k| {
                    let at = 16 * place(number) + k;
                    if in_line {
                        [at, 16 * 40]
                    } else {
                        [16 * 40, at]
                    }
                })
                .collect();
            let what = format!("a ramp in 1/16 pixel along {along}, pair {}", number + 1);
            let Some(samples) = luma_at(session, &what, (SMALLEST, frame), &places)? else {
                return Ok(());
            };
            found.push(samples);
        }
        let topic = format!("rounding along {along}");
        let table: Vec<String> = PAIRS
            .iter()
            .zip(&found)
            .map(|((first, second), samples)| {
                format!("from {first} to {second} in 1/16: {}", listed(samples))
            })
            .collect();
        let table = table.join("; ");
        session.report(match roundings(&found).as_slice() {
            [Rounding::HalfUp, ..] => {
                Judged::as_assumed(topic, assumed, format!("the same: {table}"))
            }
            [Rounding::Down] => {
                Judged::world(topic, assumed, format!("truncated: {table}"), "round-down")
            }
            [..] => Judged::differs(topic, assumed, table),
        })?;
        if roundings(&found) == [Rounding::Down] {
            session.believe(World::RoundDown);
        }
    }
    between_vertices(session)
}

/// Tests a block whose vertices are 1/16 pixel apart: its 16 pixels are 1/256 apart, if the engine
/// has that precision between vertices.
fn between_vertices(session: &mut Session) -> Outcome {
    let target = Size {
        width: 176,
        height: 144,
    };
    let (columns, rows) = VertexMap::dimensions(target);
    // CAST: There are few columns.
    let vertex = |column: usize| (16 * 40) << 16 | (16 * place(0) + column as u32);
    let map = (0..rows).flat_map(|_| (0..columns).map(vertex)).collect();
    let frame = painted(SMALLEST, |x, _| luma(x));
    let shot = Shot::new((NV12, SMALLEST), (NV12, target), map);
    let what = "a ramp in 1/256 pixel between two vertices";
    let shots = session.shoot(what, &shot, &frame)?;
    let Some(made) = shots.frame else {
        return Ok(());
    };
    let samples = &made[target.width as usize * 40..][..32];
    let wanted = |rounding: Rounding| -> Vec<u8> {
        (0..32)
            .map(|k| rounding.between(PAIRS[0], k, 256))
            .collect()
    };
    let assumed = "coordinates in steps of 1/256 pixel between vertices";
    let listed = listed(samples);
    let steps = wanted(Rounding::HalfUp) == samples || wanted(Rounding::Down) == samples;
    Ok(session.report(if steps {
        Judged::allowed(what, assumed, format!("the same: {listed}"))
    } else {
        Judged::differs(
            what,
            assumed,
            format!("from 0 to 255 in 32 steps of 1/256: {listed}"),
        )
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rounding_is_told_from_the_other_and_from_neither() {
        let ramp = |rounding: Rounding| -> Vec<Vec<u8>> {
            PAIRS
                .iter()
                .map(|pair| (0..16).map(|k| rounding.between(*pair, k, 16)).collect())
                .collect()
        };
        assert_eq!(roundings(&ramp(Rounding::HalfUp)), [Rounding::HalfUp]);
        assert_eq!(roundings(&ramp(Rounding::Down)), [Rounding::Down]);
        let mut other = ramp(Rounding::Down);
        other[3][7] ^= 4;
        assert!(roundings(&other).is_empty());
    }

    #[test]
    fn the_pairs_lie_where_they_are_looked_for() {
        for (number, (first, second)) in PAIRS.into_iter().enumerate() {
            let at = place(number);
            assert_eq!([luma(at), luma(at + 1)], [first, second]);
            assert!(at + 1 < SMALLEST.height);
        }
    }
}
