// SPDX-License-Identifier: GPL-2.0

//! Tests coordinates at the edges of the source: from the last sample on, at the width and height,
//! at the largest that a vertex holds, and at 0, which negative ones become.

use dewarp::format::{NV12, Size};
use dw100_model::World;

use crate::frame::Shot;
use crate::maps::{flat_columns, flat_middle, flat_places};
use crate::report::Judged;
use crate::session::{Outcome, SMALLEST, Session};

/// Luma of the sample before the last, of the last, and of the boundary.
const BEFORE: u8 = 90;
const LAST: u8 = 200;
const BOUNDARY: u8 = 0;

/// The size of a destination that can show 17 places.
const TARGET: Size = Size {
    width: 544,
    height: 144,
};

/// The largest coordinate of a vertex, 4095 15/16.
const LARGEST: u32 = 0xffff;

/// Reads the luma that the engine shows for places in 1/16 pixel.
pub fn luma_at(
    session: &mut Session,
    what: &str,
    source: (Size, Vec<u8>),
    places: &[[u32; 2]],
) -> Outcome<Option<Vec<u8>>> {
    debug_assert!(places.len() <= flat_places(TARGET));
    let (size, frame) = source;
    let shot = Shot::new((NV12, size), (NV12, TARGET), flat_columns(TARGET, places));
    let shots = session.shoot(what, &shot, &frame)?;
    let middle = TARGET.width as usize * (TARGET.height as usize / 2);
    Ok(shots.frame.map(|frame| {
        (0..places.len())
            .map(|place| frame[middle + flat_middle(place)])
            .collect()
    }))
}

/// Returns a frame of NV12 with luma from a function.
pub fn painted(size: Size, luma: impl Fn(u32, u32) -> u8) -> Vec<u8> {
    let places = (0..size.height).flat_map(|y| (0..size.width).map(move |x| (x, y)));
    let mut frame: Vec<u8> = places.map(|(x, y)| luma(x, y)).collect();
    frame.resize(NV12.frame_bytes(size), 128);
    frame
}

/// Reads the edges of a source of the smallest size.
pub fn run(session: &mut Session) -> Outcome {
    let size = SMALLEST;
    let middle = |side: u32| 16 * (side / 2);
    for (name, side) in [("right", size.width), ("lower", size.height)] {
        let along = |at: u32| match name {
            "right" => [at, middle(size.height)],
            _ => [middle(size.width), at],
        };
        let frame = painted(size, |x, y| {
            let at = if name == "right" { x } else { y };
            match side - 1 - at {
                0 => LAST,
                1 => BEFORE,
                _ => 30,
            }
        });
        let first = 16 * (side - 1);
        let places: Vec<[u32; 2]> = (first..=first + 16).map(along).collect();
        let what = format!("coordinates at the {name} edge");
        let Some(found) = luma_at(session, &what, (size, frame), &places)? else {
            return Ok(());
        };
        session.report(judge(name, &found))?;
        if is_black(&found) {
            session.believe(World::EdgeBlack);
        }
    }
    ends(session)
}

/// Returns whether samples at (side - 1) + k/16, for k from 0 to 16, have the boundary's luma
/// directly after the last sample.
fn is_black(found: &[u8]) -> bool {
    found[0] == LAST && found[1..].iter().all(|&luma| luma == BOUNDARY)
}

/// Returns the line that these samples show.
fn judge(name: &str, found: &[u8]) -> Judged {
    let topic = format!("from the last sample to the {name} edge");
    let assumed = "the last sample repeats up to the edge, from there on the boundary colour";
    let repeats = found[..16].iter().all(|&luma| luma == LAST) && found[16] == BOUNDARY;
    let listed = listed(found);
    if repeats {
        Judged::as_assumed(topic, assumed, "the same")
    } else if is_black(found) {
        Judged::world(
            topic,
            assumed,
            "the boundary colour right beyond the last sample",
            "edge-black",
        )
    } else {
        Judged::differs(
            topic,
            assumed,
            format!(
                "the last sample is {LAST}, the one before {BEFORE}, the boundary {BOUNDARY}; at k/16 beyond the \
                 last sample the engine finds {listed}"
            ),
        )
    }
}

/// Returns samples as a list.
pub fn listed(samples: &[u8]) -> String {
    let words: Vec<String> = samples.iter().map(u8::to_string).collect();
    words.join(" ")
}

/// Tests the coordinate 0 and the largest one.
fn ends(session: &mut Session) -> Outcome {
    let size = SMALLEST;
    let middle = 16 * (size.height / 2);
    let frame = painted(size, |x, _| if x == 0 { 150 } else { 60 });
    let places = [[0, middle], [LARGEST, middle], [16 * 8, middle]];
    let what = "coordinates 0 and 4095 15/16 on a small source";
    if let Some(found) = luma_at(session, what, (size, frame), &places)? {
        let topic = "coordinate 0, which negative ones are clamped to";
        let assumed = "the first column";
        session.report(match found[0] {
            150 => Judged::allowed(topic, assumed, "the same"),
            luma => Judged::differs(
                topic,
                assumed,
                format!("luma {luma}, where the first column has 150"),
            ),
        })?;
        let topic = "coordinate 4095 15/16 on a small source";
        let assumed = "the boundary colour";
        session.report(match found[1] {
            BOUNDARY => Judged::allowed(topic, assumed, "the same"),
            luma => Judged::differs(topic, assumed, format!("luma {luma}; the boundary's is 0")),
        })?;
    }

    let wide = Size {
        width: 4096,
        height: 144,
    };
    let frame = painted(wide, |x, _| match 4095 - x {
        0 => LAST,
        1 => BEFORE,
        _ => 30,
    });
    let places = [[LARGEST, middle], [16 * 4095, middle], [16 * 4094, middle]];
    let what = "coordinate 4095 15/16 on a source 4096 wide";
    if let Some(found) = luma_at(session, what, (wide, frame), &places)? {
        let assumed = "the last sample";
        session.report(match found.as_slice() {
            [LAST, LAST, BEFORE] => Judged::as_assumed(what, assumed, "the same"),
            [BOUNDARY, LAST, BEFORE] => {
                Judged::world(what, assumed, "the boundary colour", "edge-black")
            }
            found => Judged::differs(
                what,
                assumed,
                format!(
                    "at 4095 15/16, 4095 and 4094 the engine finds {}, where the samples are {LAST}, {LAST} and \
                     {BEFORE}",
                    listed(found)
                ),
            ),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Verdict;

    #[test]
    fn the_edge_is_told_by_its_seventeen_samples() {
        let mut repeats = [LAST; 17];
        repeats[16] = BOUNDARY;
        assert_eq!(judge("right", &repeats).verdict, Verdict::AsAssumed);
        let mut black = [BOUNDARY; 17];
        black[0] = LAST;
        assert_eq!(judge("right", &black).world, "edge-black");
        let fades: Vec<u8> = (0..=16)
            .map(|k| 200 - 200 * k / 16)
            .map(|v: u32| v as u8)
            .collect();
        let judged = judge("right", &fades);
        assert_eq!(judged.verdict, Verdict::Differs);
        assert!(judged.found.contains("200 188 175"), "{}", judged.found);
    }

    #[test]
    fn the_target_has_room_for_an_edge() {
        assert!(flat_places(TARGET) >= 17);
    }
}
