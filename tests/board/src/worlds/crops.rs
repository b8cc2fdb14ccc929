// SPDX-License-Identifier: GPL-2.0

//! A crop shows the requested part of the source, whichever way the engine reads its own crop
//! registers.

use anyhow::{Result, ensure};

use super::{Record, opened};
use crate::picture::{gather, paint, spread};
use crate::v4l2::{Device, Format, Rect, Stream, Which};

/// The source's size.
const SOURCE: (u32, u32) = (640, 480);

/// The crops: the destination's size, and the rectangle. None reaches the last column or line of
/// the source, beyond which engines may differ.
const CROPS: [((u32, u32), [u32; 4]); 3] = [
    // The crop has the source's shape, in a picture of another shape.
    ((320, 480), [160, 120, 320, 240]),
    // The crop has another shape.
    ((320, 240), [100, 40, 200, 400]),
    // The crop has a shape that the engine's crop registers cannot express.
    ((176, 144), [301, 217, 33, 47]),
];

/// The difference of luma from one pixel of the ruler to the next.
const STEP: f64 = 4.0;

/// The largest error of luma: vertices are rounded to 1/16 pixel, pictures to 1/256 pixel and to a
/// whole number.
const LUMA_SLACK: f64 = 1.5;

/// The largest error of chroma, which shows roughly where a pixel comes from: there is one sample
/// for two pixels.
const CHROMA_SLACK: f64 = 3.0;

pub(super) fn run(record: &Record<'_>) -> Result<()> {
    let node = Device::open()?;
    let source = Format::new(b"NV12", SOURCE.0, SOURCE.1);
    let rulers = [
        paint(&source, |x, y| ruler([x, y], 0))?,
        paint(&source, |x, y| ruler([x, y], 1))?,
    ];
    for (to, rect) in CROPS {
        for map in [Map::Whole, Map::Quarter] {
            let shows = shown(&node, &rulers, to, rect, map)?;
            let [left, top, width, height] = rect;
            let name = format!("{width}x{height} at {left},{top} to {to:?}, {map:?}");
            record.picture(&name, shows)?;
        }
    }
    Ok(())
}

/// The vertex map that is used with the crop.
#[derive(Clone, Copy, Debug)]
enum Map {
    /// The driver's own map, which shows the whole source.
    Whole,
    /// A map that is set, which shows a quarter of the source from its first pixel on.
    Quarter,
}

/// Returns how the frame with a crop differs from the expected one. Returns an error if there is
/// no frame.
fn shown(
    node: &Device,
    rulers: &[Vec<u8>; 2],
    to: (u32, u32),
    rect: [u32; 4],
    map: Map,
) -> Result<Option<String>> {
    let (device, [output, capture]) =
        opened(node, (b"NV12", SOURCE.0, SOURCE.1), (b"NV12", to.0, to.1))?;
    let [left, top, width, height] = rect;
    // CAST: They are less than a side.
    let wanted = Rect::new(left as i32, top as i32, width, height);
    // The crop is set while it streams, or before.
    let (share, mut crop) = match map {
        Map::Whole => (1.0, None),
        Map::Quarter => {
            device.set_map(Which::Current, &quarter(&output, &capture))?;
            (0.5, Some(device.set_crop(wanted)))
        }
    };
    let stream = Stream::start(&device, 1)?;
    if let Err(error) = crop.get_or_insert_with(|| device.set_crop(wanted)) {
        return Ok(Some(format!("VIDIOC_S_SELECTION gives {error:?}")));
    }
    let along = |from: u32, length: u32, side: u32| -> Vec<f64> {
        let place = |at: u32| f64::from(from) + share * f64::from(at * length) / f64::from(side);
        (0..side).map(place).collect()
    };
    let due = [
        along(left, width, capture.width),
        along(top, height, capture.height),
    ];
    for (axis, ruler) in rulers.iter().enumerate() {
        let planes = stream.frame(&spread(&output, ruler, 0)?)?;
        if let Err(difference) = compared(&gather(&capture, &planes)?, axis, &due) {
            return Ok(Some(format!("{difference:#}")));
        }
    }
    Ok(None)
}

/// Returns the map that shows the source's first quarter.
fn quarter(output: &Format, capture: &Format) -> Vec<u32> {
    let [w, h, width, height] =
        [output.width, output.height, capture.width, capture.height].map(f64::from);
    let map = dewarp::map::VertexMap::from_fn(crate::picture::size(capture), |x, y| {
        [0.5 * w * x / width, 0.5 * h * y / height]
    });
    map.vertices().to_vec()
}

/// Returns the colour of a pixel of the source: luma shows its column or its line in waves, chroma
/// both of them roughly.
fn ruler(place: [u32; 2], axis: usize) -> (u8, u8, u8) {
    let [rough_x, rough_y] = rough(place.map(f64::from));
    // CAST: All are less than 256.
    (wave(place[axis].into()) as u8, rough_x as u8, rough_y as u8)
}

/// Rises and falls between 0 and 252.
fn wave(place: f64) -> f64 {
    let phase = (STEP * place).rem_euclid(504.0);
    phase.min(504.0 - phase)
}

fn rough([x, y]: [f64; 2]) -> [f64; 2] {
    [
        x * 256.0 / f64::from(SOURCE.0),
        y * 256.0 / f64::from(SOURCE.1),
    ]
}

/// Checks that an NV12 picture shows the expected columns and lines of the source.
fn compared(picture: &[u8], axis: usize, due: &[Vec<f64>; 2]) -> Result<()> {
    let [columns, lines] = due;
    let waves: Vec<f64> = due[axis].iter().copied().map(wave).collect();
    let (luma, chroma) = picture.split_at(columns.len() * lines.len());
    let differs = |got: u8, due: f64, slack: f64| (f64::from(got) - due).abs() > slack;
    for (y, row) in luma.chunks(columns.len()).enumerate() {
        for (x, &got) in row.iter().enumerate() {
            let due = waves[[x, y][axis]];
            ensure!(
                !differs(got, due, LUMA_SLACK),
                "luma {got} at {x},{y}, not the {due:.1} of the source at {:.1},{:.1}",
                columns[x],
                lines[y]
            );
        }
    }
    for (y, row) in chroma.chunks(columns.len()).enumerate() {
        for (x, pair) in row.chunks(2).enumerate() {
            let from = [columns[2 * x], lines[2 * y]];
            for (&got, due) in pair.iter().zip(rough(from)) {
                ensure!(
                    !differs(got, due, CHROMA_SLACK),
                    "chroma {got} at {},{}, not the {due:.1} of the source at {:.1},{:.1}",
                    2 * x,
                    2 * y,
                    from[0],
                    from[1]
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the picture that shows these places of the source.
    fn picture(axis: usize, [columns, lines]: &[Vec<f64>; 2]) -> Vec<u8> {
        // CAST: They are small numbers.
        let format = Format::new(b"NV12", columns.len() as u32, lines.len() as u32);
        paint(&format, |x, y| {
            let from = [columns[x as usize], lines[y as usize]];
            let [u, v] = rough(from);
            (wave(from[axis]).round() as u8, u as u8, v as u8)
        })
        .unwrap()
    }

    #[test]
    fn a_picture_of_another_place_or_scale_is_seen_on_either_axis() {
        let places = |start: [f64; 2], step: f64| {
            [(start[0], 176), (start[1], 144)]
                .map(|(start, count)| (0..count).map(|at| start + f64::from(at) * step).collect())
        };
        let due = places([301.0, 217.0], 0.25);
        for axis in [0, 1] {
            assert!(compared(&picture(axis, &due), axis, &due).is_ok());
            for wrong in [
                places([302.0, 218.0], 0.25),
                places([427.0, 343.0], 0.25),
                places([301.0, 217.0], 0.3),
            ] {
                let said = compared(&picture(axis, &wrong), axis, &due).unwrap_err();
                assert!(said.to_string().contains("of the source at 3"), "{said}");
            }
        }
    }

    #[test]
    fn waves_are_whole_at_whole_pixels() {
        let waves = [0.0, 1.0, 63.0, 64.0, 126.0].map(wave);
        assert_eq!(waves, [0.0, 4.0, 252.0, 248.0, 0.0]);
    }
}
