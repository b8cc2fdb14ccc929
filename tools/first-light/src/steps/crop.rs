// SPDX-License-Identifier: GPL-2.0

//! Tests where a crop begins. This driver composes it into the vertex map, which does not depend on
//! how the engine reads its crop registers. The C driver writes these, and computes ROI_START.Y
//! from the ratio of the widths: between sizes of different shapes that shows how the engine reads
//! it.

use dewarp::format::{NV12, Size};
use dw100_board::v4l2::Rect;

use super::edges::painted;
use crate::frame::Shot;
use crate::maps::Kind;
use crate::module::Driver;
use crate::report::Judged;
use crate::session::{Outcome, Session};

/// As wide as the source, and half as high.
const SOURCE: Size = Size {
    width: 352,
    height: 288,
};
const TARGET: Size = Size {
    width: 352,
    height: 144,
};

/// The middle of the source, at half its sides: the smallest crop that the C driver does not
/// change.
const CROP: (u32, u32, u32, u32) = (88, 72, 176, 144);

/// Returns the luma of a line of the source: half of its number, above black.
fn luma(line: u32) -> u8 {
    // CAST: It is less than 288 / 2 + 20.
    (line / 2 + 20) as u8
}

/// Returns the line of the source that has a luma, to two lines.
fn line_of(luma: u8) -> u32 {
    2 * u32::from(luma.saturating_sub(20))
}

/// Returns whether a line is the expected one, except for rounding.
fn near(line: u32, wanted: u32) -> bool {
    line.abs_diff(wanted) <= 3
}

/// Sets crops, and checks where the picture begins.
pub fn run(session: &mut Session) -> Outcome {
    let (left, top, width, height) = CROP;
    // CAST: They are small numbers.
    let crop = Rect::new(left as i32, top as i32, width, height);
    let shot = Shot {
        crop: Some(crop),
        ..Shot::new(
            (NV12, SOURCE),
            (NV12, TARGET),
            Kind::Identity.map(SOURCE, TARGET),
        )
    };
    let frame = painted(SOURCE, |_, y| luma(y));
    let shots = session.shoot("a crop between sizes of different shapes", &shot, &frame)?;
    let Some(made) = shots.frame else {
        return Ok(());
    };
    let samples = TARGET.width as usize * TARGET.height as usize;
    let first = line_of(made[TARGET.width as usize / 2]);
    let last = line_of(made[samples - TARGET.width as usize / 2]);
    let found = format!("the picture begins at line {first} of the source and ends at line {last}");
    if let Some(registers) = &shots.registers {
        let value = |name: &str| registers.get(name).unwrap_or(0);
        let text = format!(
            "SCALE_FACTOR {:#x}, ROI_START {:#010x}",
            value("SCALE_FACTOR"),
            value("ROI_START")
        );
        session.text("crop registers", text)?;
    }
    let judged = match session.driver {
        Driver::Rust => {
            let topic = "a crop of this driver, which is in the vertex map";
            let assumed = format!("it begins at line {top}, in every world");
            if near(first, top) {
                Judged::allowed(topic, assumed, found)
            } else {
                Judged::differs(topic, assumed, found)
            }
        }
        Driver::C => {
            let topic = "ROI_START.Y as the engine reads it, by a crop of the C driver";
            // The C driver writes a number of the source's lines where the engine counts the
            // destination's.
            let wrong = top * SOURCE.height / TARGET.height;
            let assumed = format!(
                "in lines of the destination: the C driver's crop from line {top} begins at line {wrong}"
            );
            if near(first, wrong) {
                Judged::as_assumed(topic, assumed, found)
            } else if near(first, top) {
                Judged::world(topic, assumed, found, "roi-by-width")
            } else {
                Judged::differs(topic, assumed, found)
            }
        }
    };
    Ok(session.report(judged)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dw100_model::{Crop, Image, ImageSpec, PixelFormat, World, Worlds, dewarp_image_in};

    /// Returns the first line that the engine shows with the registers that the C driver writes for
    /// the crop.
    fn first_line(worlds: Worlds) -> u32 {
        let frame = painted(SOURCE, |_, y| luma(y));
        let image = Image {
            format: PixelFormat::Nv12,
            width: SOURCE.width,
            height: SOURCE.height,
            data: &frame,
        };
        let spec = ImageSpec {
            format: PixelFormat::Nv12,
            width: TARGET.width,
            height: TARGET.height,
        };
        let map = Kind::Identity.map(SOURCE, TARGET);
        let crop = Crop {
            scale: 64,
            roi: (CROP.0, CROP.1),
        };
        let made = dewarp_image_in(worlds, &image, &spec, &map, crop).unwrap();
        line_of(made[TARGET.width as usize / 2])
    }

    #[test]
    fn the_model_begins_the_c_drivers_crop_where_it_is_looked_for() {
        assert!(near(first_line(Worlds::NONE), 144));
        assert!(near(first_line(Worlds::NONE.with(World::RoiByWidth)), 72));
    }
}
