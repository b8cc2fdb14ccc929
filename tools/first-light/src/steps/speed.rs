// SPDX-License-Identifier: GPL-2.0

//! Measures how fast the engine processes frames with each map in each prefetch mode, and whether
//! the picture is right.

use dewarp::format::{NV12, Size};

use crate::board::memory_mib;
use crate::chart;
use crate::frame::{Prefetch, Shot, Shots};
use crate::maps::Kind;
use crate::module::Driver;
use crate::png;
use crate::report::{Judged, Speed};
use crate::samples::Differences;
use crate::session::{Outcome, Session};

/// The pixels in a cycle that are assumed in calculation mode. By the C driver's comment it takes
/// four times as long as traversal, which is assumed to process one pixel in a cycle.
const CALCULATION: f64 = 0.25;

/// The pixels in a cycle in calculation mode of an engine that is four times slower.
const SLOW: f64 = CALCULATION / 4.0;

/// The factor by which a measured value may differ and still count as the assumed one. The value
/// includes the time until the interrupt handler runs.
const TOLERANCE: f64 = 1.5;

/// Times of frames of one kind.
struct Timed {
    shots: Shots,
    /// The shortest time of a frame.
    least_ns: u64,
    pixels_per_clock: f64,
}

/// Processes frames and measures their time.
fn timed(session: &mut Session, what: &str, shot: &Shot, source: &[u8]) -> Outcome<Timed> {
    let shots = session.shoot(what, shot, source)?;
    let wall = shots.wall_ns.iter().copied().min();
    let least_ns = match shots.engine {
        Some(time) => time.min,
        None => wall.unwrap_or(0),
    };
    let size = shot.target.1;
    let pixels = f64::from(size.width * size.height);
    let cycles = least_ns as f64 * session.axi_hz as f64 / 1e9;
    let pixels_per_clock = if least_ns == 0 { 0.0 } else { pixels / cycles };
    Ok(Timed {
        shots,
        least_ns,
        pixels_per_clock,
    })
}

/// Returns the clock by which times of this driver are measured.
fn clock(driver: Driver) -> &'static str {
    match driver {
        Driver::Rust => "engine",
        Driver::C => "wall",
    }
}

/// Measures a map in each prefetch mode, and compares the pictures.
pub fn run(session: &mut Session, kind: Kind) -> Outcome {
    let (source, target) = kind.sizes(session.sizes.timed);
    let frame = chart::frame(NV12, source)?;
    let mut shot = Shot {
        count: session.sizes.count,
        ..Shot::new((NV12, source), (NV12, target), kind.map(source, target))
    };
    let modes: &[Option<Prefetch>] = match session.driver {
        Driver::Rust => &Prefetch::ALL.map(Some),
        // The C driver has no control for it.
        Driver::C => &[None],
    };
    let mut reference: Option<Vec<u8>> = None;
    let mut rate = None;
    for mode in modes {
        shot.prefetch = *mode;
        let mode = mode.unwrap_or(Prefetch::Calculation);
        let what = format!("{} map, {} mode", kind.name(), mode.name());
        let found = timed(session, &what, &shot, &frame)?;
        let picture = if mode == Prefetch::Calculation {
            let told = session.judge(
                &format!("{} map, {source} to {target}", kind.name()),
                &shot,
                &frame,
                &found.shots,
            )?;
            if session.driver == Driver::Rust {
                session.show(kind.name(), &told, &shot, &found.shots)?;
            }
            told
        } else {
            beside_model(&shot, &frame, &found.shots)?
        };
        let beside_calculation = match (mode, &reference, &found.shots.frame) {
            (Prefetch::Calculation, ..) | (_, None, _) => [String::new(), String::new()],
            (_, Some(_), None) => ["it came back as failed"; 2].map(str::to_owned),
            (_, Some(wanted), Some(got)) => {
                let found = Differences::between(NV12, target, got, wanted);
                [found.to_string(), found.brief()]
            }
        };
        session.tell(&crate::session::Message::Speed(Speed {
            driver: session.driver.module().to_owned(),
            map: kind.name().to_owned(),
            mode: mode.name().to_owned(),
            source: source.to_string(),
            target: target.to_string(),
            least_ns: found.least_ns,
            clock: clock(session.driver).to_owned(),
            pixels_per_clock: found.pixels_per_clock,
            picture,
            beside_calculation: beside_calculation[1].clone(),
        }))?;
        if mode == Prefetch::Calculation {
            reference.clone_from(&found.shots.frame);
            if kind == Kind::Identity {
                calculation_rate(session, &found)?;
            }
            rate = Some(found.pixels_per_clock);
        } else {
            mode_picture(session, kind, mode, &beside_calculation[0])?;
            let pair = reference.as_ref().zip(found.shots.frame.as_ref());
            if let Some((wanted, got)) = pair.filter(|(wanted, got)| wanted != got) {
                let title = format!("{what}: where it differs from calculation");
                let png = png::of_difference(NV12, target, got, wanted)?;
                session.picture(&title, &beside_calculation[0], png)?;
            }
            if kind == Kind::Identity {
                mode_rate(session, mode, rate.unwrap_or(0.0), found.pixels_per_clock)?;
            }
        }
    }
    Ok(())
}

/// Returns how a frame differs from the model's, in words.
fn beside_model(shot: &Shot, source: &[u8], shots: &Shots) -> Outcome<String> {
    let Some(got) = &shots.frame else {
        return Ok("failed".to_owned());
    };
    let wanted = shot.model(dw100_model::Worlds::NONE, source)?;
    Ok(Differences::between(shot.target.0, shot.target.1, got, &wanted).brief())
}

/// Returns whether two values are the same within the tolerance of the measurement.
fn near(value: f64, wanted: f64) -> bool {
    value > wanted / TOLERANCE && value < wanted * TOLERANCE
}

/// Reports how fast the identity is in calculation mode.
fn calculation_rate(session: &mut Session, found: &Timed) -> Outcome {
    let topic = "pixels per clock, identity, calculation mode";
    let assumed = "1/4 (one in a cycle with traversal, by the C driver's comment a fourth of that)";
    let rate = found.pixels_per_clock;
    let told = format!(
        "{rate:.3}: {} us a frame by the {}'s clock, at {} MHz",
        found.least_ns / 1000,
        clock(session.driver),
        session.axi_hz / 1_000_000
    );
    Ok(session.report(if rate == 0.0 {
        Judged::not_measured(topic, assumed, "no frame came back as done")
    } else if near(rate, CALCULATION) {
        Judged::as_assumed(topic, assumed, told)
    } else if near(rate, SLOW) {
        Judged::world(topic, assumed, told, "slow")
    } else {
        Judged::differs(topic, assumed, told)
    })?)
}

/// Reports how fast the identity is in another mode.
fn mode_rate(session: &mut Session, mode: Prefetch, calculation: f64, rate: f64) -> Outcome {
    let topic = format!("speed of the {} mode, identity", mode.name());
    let (assumed, factor) = match mode {
        Prefetch::Traversal => ("four times that of calculation", 4.0),
        Prefetch::Calculation | Prefetch::Auto => ("that of calculation", 1.0),
    };
    if rate == 0.0 || calculation == 0.0 {
        let why = "no frame came back as done";
        return Ok(session.report(Judged::not_measured(topic, assumed, why))?);
    }
    let found = format!(
        "{rate:.3} pixels per clock, {:.2} times that of calculation",
        rate / calculation
    );
    Ok(session.report(if near(rate / calculation, factor) {
        Judged::allowed(topic, assumed, found)
    } else {
        Judged::differs(topic, assumed, found)
    })?)
}

/// Reports whether a mode produces the picture of the calculation mode.
fn mode_picture(session: &mut Session, kind: Kind, mode: Prefetch, told: &str) -> Outcome {
    let topic = format!("picture of the {} mode, {} map", mode.name(), kind.name());
    let assumed = "that of the calculation mode";
    Ok(session.report(match (told, mode) {
        ("", _) => Judged::not_measured(topic, assumed, "there is no picture to compare with"),
        ("exact", _) => Judged::as_assumed(topic, assumed, "the same"),
        (_, Prefetch::Traversal) => Judged::world(topic, assumed, told, "traversal-differs"),
        (..) => Judged::differs(topic, assumed, told),
    })?)
}

/// Returns the largest size up to `size` of which a source and a destination fit into the
/// contiguous memory.
pub fn largest_size(size: Size) -> Size {
    let free = memory_mib("CmaFree") * 1024 * 1024;
    let mut size = size;
    let bytes = |size: Size| 2 * NV12.frame_bytes(size) as u64;
    // A kernel without such memory may have enough of other memory, so the size is tried.
    while free > 0 && bytes(size) > free * 8 / 10 && size.width > 640 {
        size = Size {
            width: size.width * 3 / 4,
            height: size.height * 3 / 4,
        }
        .nearest();
    }
    size
}

/// Processes frames of the largest size, which take longest.
pub fn largest(session: &mut Session) -> Outcome {
    let size = largest_size(session.sizes.largest);
    let frame = chart::frame(NV12, size)?;
    let kind = Kind::Identity;
    let shot = Shot {
        count: 2,
        prefetch: match session.driver {
            Driver::Rust => Some(Prefetch::Calculation),
            Driver::C => None,
        },
        ..Shot::new((NV12, size), (NV12, size), kind.map(size, size))
    };
    let what = format!("a frame of {size}");
    let found = timed(session, &what, &shot, &frame)?;
    session.tell(&crate::session::Message::Speed(Speed {
        driver: session.driver.module().to_owned(),
        map: "identity, largest".to_owned(),
        mode: Prefetch::Calculation.name().to_owned(),
        source: size.to_string(),
        target: size.to_string(),
        least_ns: found.least_ns,
        clock: clock(session.driver).to_owned(),
        pixels_per_clock: found.pixels_per_clock,
        picture: match &found.shots.frame {
            // With the identity map the result is the source, whatever the rounding.
            Some(got) => Differences::between(NV12, size, got, &frame).brief(),
            None => "failed".to_owned(),
        },
        beside_calculation: String::new(),
    }))?;
    let topic = format!("the largest frame, {size}");
    let assumed = "done, however long it takes";
    Ok(session.report(if found.shots.failed == 0 {
        let found = format!("done in {} ms", found.least_ns / 1_000_000);
        Judged::as_assumed(topic, assumed, found)
    } else {
        // The errors of the frame are in the statistics.
        let found = format!(
            "{} of {} came back as failed",
            found.shots.failed, shot.count
        );
        Judged::differs(topic, assumed, found)
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_near_one_figure_at_most() {
        assert!(near(0.24, CALCULATION) && !near(0.24, SLOW));
        assert!(near(0.0615, SLOW) && !near(0.0615, CALCULATION));
        assert!(!near(0.12, SLOW) && !near(0.12, CALCULATION) && !near(0.0, SLOW));
    }
}
