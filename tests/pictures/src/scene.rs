// SPDX-License-Identifier: GPL-2.0
//! The rendered scene: the front of a house, whose lines are all straight, seen
//! through a wide lens. It is computed with the four basic operations only, so
//! that it is the same, byte for byte, on every machine.

use dewarp::lens::Inverse;
use dewarp::lens::{Brown, Distortion};
use dewarp::{Lens, Picture, Size};

/// The size of the scene.
pub const SIZE: Size = Size {
    width: 1920,
    height: 1080,
};

/// The lens: the camera calibration in `scene_intrinsics.yml`.
pub const LENS: Lens = Lens {
    focal: [1050.0, 1050.0],
    center: [968.0, 533.0],
    distortion: Distortion::Brown(Brown {
        radial: [-0.24, 0.06, -0.007],
        tangential: [0.0008, -0.0005],
        ..Brown::NONE
    }),
};

/// Red, green and blue.
pub type Colour = [u8; 3];

const WALL: Colour = [214, 190, 160];
const LEDGE: Colour = [242, 236, 224];
const SHADE: Colour = [120, 98, 80];
const PILLAR: Colour = [178, 146, 116];
const FRAME: Colour = [246, 246, 246];
const GLASS: Colour = [44, 62, 88];
const LIT: Colour = [250, 208, 110];
const SHUTTER: Colour = [52, 112, 92];

/// The distance from floor to floor and from pillar to pillar, in pixels of a
/// camera without distortion.
const FLOOR: f64 = 216.0;
const BAY: f64 = 240.0;

/// Points in each direction at which a pixel on a border is sampled.
const SAMPLES: i32 = 4;

/// Renders the scene as the lens shows it.
pub fn render() -> Picture {
    through(SIZE, &LENS, colour)
}

/// Renders what a lens shows of a wall. `colour` returns the colour of the wall at
/// point (x, y), in pixels of a camera without distortion.
pub fn through(size: Size, lens: &Lens, colour: impl Fn([f64; 2]) -> Colour) -> Picture {
    let (width, height) = (size.width as usize, size.height as usize);
    let mut picture = Picture::filled(size, [0; 3]);
    let inverse = lens.inverse();
    let mut above = corners(size, &inverse, 0);
    for y in 0..height {
        let below = corners(size, &inverse, y + 1);
        for x in 0..width {
            let quad = [above[x], above[x + 1], below[x], below[x + 1]];
            picture.rgb[(y * width + x) * 3..][..3].copy_from_slice(&pixel(quad, &colour));
        }
        above = below;
    }
    picture
}

/// Returns the points of the wall at the upper corners of the pixels of a line.
fn corners(size: Size, inverse: &Inverse, line: usize) -> Vec<[f64; 2]> {
    (0..=size.width)
        .map(|column| {
            let corner = [f64::from(column) - 0.5, line as f64 - 0.5];
            // The lens can be inverted everywhere in the picture; a test checks
            // that.
            inverse.undistort(corner).unwrap_or(corner)
        })
        .collect()
}

/// Returns the mean colour of a pixel whose corners are these points of the wall.
fn pixel([a, b, c, d]: [[f64; 2]; 4], colour: &impl Fn([f64; 2]) -> Colour) -> Colour {
    let here = colour(a);
    // No part of the wall is as thin as a pixel.
    if [b, c, d].into_iter().all(|corner| colour(corner) == here) {
        return here;
    }
    let mut sum = [0; 3];
    let mix = |a: [f64; 2], b: [f64; 2], part: f64| {
        [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
    };
    for sample in 0..SAMPLES * SAMPLES {
        let part = |number: i32| (f64::from(number) + 0.5) / f64::from(SAMPLES);
        let (across, down) = (part(sample % SAMPLES), part(sample / SAMPLES));
        let point = mix(mix(a, b, across), mix(c, d, across), down);
        for (total, channel) in sum.iter_mut().zip(colour(point)) {
            *total += i32::from(channel);
        }
    }
    let count = SAMPLES * SAMPLES;
    sum.map(|total| u8::try_from((total + count / 2) / count).unwrap_or(u8::MAX))
}

/// Returns the colour of a point of the house.
fn colour([x, y]: [f64; 2]) -> Colour {
    let (bay, floor) = ((x / BAY).floor(), ((y - 30.0) / FLOOR).floor());
    let (x, y) = (x - bay * BAY, y - 30.0 - floor * FLOOR);
    match () {
        // A ledge is along each floor, in front of the pillars, with its shade
        // below it.
        () if y < 20.0 => LEDGE,
        () if y < 28.0 => SHADE,
        () if x < 36.0 => PILLAR,
        () => window(x - 138.0, y - 122.0, bay as i64, floor as i64).unwrap_or(WALL),
    }
}

/// Returns the colour of a window and its shutters, relative to their middle.
fn window(x: f64, y: f64, bay: i64, floor: i64) -> Option<Colour> {
    let (x, y) = (x.abs(), y.abs());
    if y > 66.0 || x > 74.0 {
        return None;
    }
    if x > 42.0 {
        // Slats would be too fine for the picture's resolution.
        return (x > 46.0).then_some(SHUTTER);
    }
    let pane = if (bay * 5 + floor * 3).rem_euclid(7) == 0 {
        LIT
    } else {
        GLASS
    };
    let framed = x > 36.0 || y > 60.0 || x < 3.0 || (18.0..23.0).contains(&y);
    Some(if framed { FRAME } else { pane })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dewarp::Calibration;

    #[test]
    fn the_committed_calibration_is_the_lens_that_was_used() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scene_intrinsics.yml");
        let calibration = Calibration::load(file.as_ref()).unwrap();
        assert_eq!(
            calibration,
            Calibration {
                lens: LENS,
                size: Some(SIZE)
            }
        );
    }

    #[test]
    fn the_lens_can_be_undone_in_the_whole_picture() {
        let (right, bottom) = (f64::from(SIZE.width), f64::from(SIZE.height));
        for corner in [[-0.5, -0.5], [right, -0.5], [-0.5, bottom], [right, bottom]] {
            assert!(LENS.inverse().undistort(corner).is_some(), "{corner:?}");
        }
    }

    #[test]
    fn the_committed_scene_is_what_is_rendered_byte_for_byte() {
        let name = format!("dw100-scene-{}.png", std::process::id());
        let path = std::env::temp_dir().join(name);
        render().save(&path).unwrap();
        let rendered = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let committed = include_bytes!("../scene.png");
        // assert_eq would print every byte.
        assert!(
            rendered == committed,
            "make it again with `dw100-pictures scene`"
        );
        assert!(committed.len() < 500_000, "{}", committed.len());
    }
}
