// SPDX-License-Identifier: GPL-2.0

//! Tests a map in each format, compared with the model's frames.

use dewarp::format::{Format as Pixels, NV12};
use dw100_board::v4l2::{Device, Way};

use crate::chart;
use crate::frame::Shot;
use crate::maps::Kind;
use crate::report::Judged;
use crate::samples::Differences;
use crate::session::{Outcome, Session};

/// How many conversions that differ are reported one by one.
const TOLD: usize = 4;

/// Returns the formats of the device's sources and destinations.
fn known() -> Outcome<[Vec<Pixels>; 2]> {
    let device = Device::open()?;
    let known = |way| -> Outcome<Vec<Pixels>> {
        let formats = device.formats(way)?;
        Ok(formats
            .into_iter()
            .filter_map(Pixels::from_fourcc)
            .collect())
    };
    Ok([known(Way::Output)?, known(Way::Capture)?])
}

/// Returns the source's format for frames of a format: the same, if the engine reads it.
fn source_for(pixels: Pixels, sources: &[Pixels]) -> Pixels {
    if sources.contains(&pixels) {
        pixels
    } else {
        NV12
    }
}

/// Processes a frame to each format with a map, and, with full sizes, from each one to each other
/// one.
pub fn run(session: &mut Session, kind: Kind) -> Outcome {
    let (source, target) = kind.sizes(session.sizes.format);
    let map = kind.map(source, target);
    let [sources, targets] = known()?;
    for &to in &targets {
        let from = source_for(to, &sources);
        let shot = Shot::new((from, source), (to, target), map.clone());
        let frame = chart::frame(from, source)?;
        let topic = if from == to {
            format!("{} map, {to}", kind.name())
        } else {
            format!("{} map, {from} to {to}", kind.name())
        };
        let shots = session.shoot(&topic, &shot, &frame)?;
        session.judge(&topic, &shot, &frame, &shots)?;
    }
    if session.sizes.conversions {
        conversions(session, kind, &map, &sources, &targets)?;
    }
    Ok(())
}

/// Converts each format to each other one, except those that differ only in their memory planes.
fn conversions(
    session: &mut Session,
    kind: Kind,
    map: &[u32],
    sources: &[Pixels],
    targets: &[Pixels],
) -> Outcome {
    let (source, target) = kind.sizes(session.sizes.format);
    let (mut exact, mut explained, mut differ) = (0, 0, Vec::new());
    for &from in sources.iter().filter(|pixels| !pixels.split) {
        let frame = chart::frame(from, source)?;
        let others = targets.iter().filter(|to| !to.split);
        for &to in others.filter(|to| source_for(**to, sources) != from) {
            let shot = Shot::new((from, source), (to, target), map.to_vec());
            let what = format!("{} map, {from} to {to}", kind.name());
            let shots = session.shoot(&what, &shot, &frame)?;
            match told(session, &shot, &frame, shots.frame.as_deref())? {
                None => exact += 1,
                Some((_, true)) => explained += 1,
                Some((why, false)) => differ.push(format!("{from} to {to}: {why}")),
            }
        }
    }
    let topic = format!("{} map, from each format to each other one", kind.name());
    let assumed = "the model's frames, to the last bit";
    let count = exact + explained + differ.len();
    let judged = if !differ.is_empty() {
        let more = differ.len().saturating_sub(TOLD);
        let mut found = format!("{exact} of {count} exact. ");
        found += &differ[..differ.len() - more].join(". ");
        if more > 0 {
            found += &format!(". And {more} more");
        }
        Judged::differs(topic, assumed, found)
    } else if explained > 0 {
        let found =
            format!("{exact} of {count} exact, the others beside the model of what was told above");
        Judged::differs(topic, assumed, found)
    } else {
        Judged::as_assumed(topic, assumed, format!("{count} of {count} exact"))
    };
    Ok(session.report(judged)?)
}

/// Returns how a frame differs from the model's, and whether the model of the worlds that were
/// found computes it; [`None`] if it is exact.
fn told(
    session: &Session,
    shot: &Shot,
    source: &[u8],
    got: Option<&[u8]>,
) -> Outcome<Option<(String, bool)>> {
    let Some(got) = got else {
        return Ok(Some(("it came back as failed".to_owned(), false)));
    };
    let (pixels, size): (Pixels, _) = shot.target;
    let wanted = shot.model(dw100_model::Worlds::NONE, source)?;
    let found = Differences::between(pixels, size, got, &wanted);
    if found.none() {
        return Ok(None);
    }
    Ok(Some((
        found.to_string(),
        session.explained(shot, source, got)?.is_some(),
    )))
}
