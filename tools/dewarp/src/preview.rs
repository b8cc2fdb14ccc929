// SPDX-License-Identifier: GPL-2.0
//! Pictures of a map, made without a device: the place of its grid in the
//! source, the engine's output according to the model, and how much the map
//! enlarges and reduces.

mod legend;

use dw100_model::{Crop, Image, ImageSpec, PixelFormat, dewarp_image};
use tiny_skia::{Color, Paint, Path, PathBuilder, Pixmap, Stroke, Transform};

use crate::check::{Block, blocks};
use crate::error::{Error, Result};
use crate::format::{Format, Size};
use crate::map::VertexMap;
use crate::picture::Picture;

/// The format of the frames for the model: of all formats it keeps most of the
/// colour.
const FORMAT: &str = "nv16";

/// The base-2 logarithm of the largest scale that the heat map distinguishes,
/// 4. The smallest is 1/4.
const STEPS: f64 = 2.0;

/// The number of circles along the shorter side of the local scale.
const CIRCLES: usize = 8;

/// The largest number of grid lines of which all are drawn. In a large picture
/// the blocks would be hard to tell apart.
const LARGE: usize = 60;

/// Computes the picture that the engine's model makes with this map.
pub fn result(picture: &Picture, map: &VertexMap) -> Result<Picture> {
    let picture = &even(picture);
    let ours: Format = FORMAT.parse().map_err(Error::failed)?;
    let failed = |error: dw100_model::image::Error| Error::failed(error.to_string());
    let theirs: PixelFormat = FORMAT.parse().map_err(failed)?;
    let frame = picture.to_frame(ours)?;
    let source = Image {
        format: theirs,
        width: picture.size.width,
        height: picture.size.height,
        data: &frame,
    };
    let spec = ImageSpec {
        format: theirs,
        width: map.size().width,
        height: map.size().height,
    };
    let output = dewarp_image(&source, &spec, map.vertices(), Crop::FULL).map_err(failed)?;
    Picture::from_frame(ours, map.size(), &output)
}

/// Repeats the last pixels if a side is odd, because chroma needs even sides.
fn even(picture: &Picture) -> Picture {
    let Size { width, height } = picture.size;
    let size = Size {
        width: width.next_multiple_of(2),
        height: height.next_multiple_of(2),
    };
    let mut rgb = Vec::with_capacity(size.width as usize * size.height as usize * 3);
    for line in picture.rgb.chunks(width as usize * 3) {
        rgb.extend_from_slice(line);
        if size.width > width {
            rgb.extend_from_slice(&line[line.len() - 3..]);
        }
    }
    if size.height > height {
        rgb.extend_from_within(rgb.len() - size.width as usize * 3..);
    }
    Picture { size, rgb }
}

/// Draws the map's grid over the source; of a large map only some lines.
pub fn with_grid(picture: &Picture, map: &VertexMap) -> Result<Picture> {
    let width = picture.size.width;
    let mut canvas = canvas(picture)?;
    let (columns, rows) = VertexMap::dimensions(map.size());
    let step = columns.max(rows).div_ceil(LARGE).next_power_of_two();
    // The last line is always drawn, because it is the output's edge.
    let lines = |count: usize| (0..count - 1).step_by(step).chain([count - 1]);
    let mut path = PathBuilder::new();
    for row in lines(rows) {
        follow(
            &mut path,
            picture.size,
            (0..columns).map(|column| map.point(column, row)),
        );
    }
    for column in lines(columns) {
        follow(
            &mut path,
            picture.size,
            (0..rows).map(|row| map.point(column, row)),
        );
    }
    if let Some(path) = path.finish() {
        // CAST: it is about a thousandth of the picture.
        let thin = (width as f32 / 800.0).max(1.0);
        // A darker line below it makes it visible on any colour.
        for (colour, width) in [([0, 0, 0, 160], 3.0 * thin), ([255, 32, 160, 255], thin)] {
            line(&mut canvas, &path, colour, width);
        }
    }
    Ok(drawn(&canvas))
}

/// Creates a canvas with the picture.
fn canvas(picture: &Picture) -> Result<Pixmap> {
    let Size { width, height } = picture.size;
    let mut canvas = Pixmap::new(width, height)
        .ok_or_else(|| Error::failed(format!("no picture of {} can be drawn on", picture.size)))?;
    let pixels = canvas.data_mut().chunks_exact_mut(4);
    for (pixel, rgb) in pixels.zip(picture.rgb.chunks_exact(3)) {
        pixel.copy_from_slice(&[rgb[0], rgb[1], rgb[2], 255]);
    }
    Ok(canvas)
}

/// Returns the canvas as a picture.
fn drawn(canvas: &Pixmap) -> Picture {
    Picture {
        size: Size {
            width: canvas.width(),
            height: canvas.height(),
        },
        rgb: canvas
            .data()
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2]])
            .collect(),
    }
}

/// Draws a path.
fn line(canvas: &mut Pixmap, path: &Path, [r, g, b, a]: [u8; 4], width: f32) {
    let paint = Paint {
        shader: tiny_skia::Shader::SolidColor(Color::from_rgba8(r, g, b, a)),
        ..Paint::default()
    };
    let stroke = Stroke {
        width,
        ..Stroke::default()
    };
    canvas.stroke_path(path, &paint, &stroke, Transform::identity(), None);
}

/// Adds a line through points of the source; points outside of it interrupt the
/// line.
fn follow(path: &mut PathBuilder, size: Size, points: impl Iterator<Item = [f64; 2]>) {
    let mut drawing = false;
    for [x, y] in points {
        let inside = x <= f64::from(size.width) && y <= f64::from(size.height);
        // CAST: it is below 4096.
        match (inside, drawing) {
            (true, true) => path.line_to(x as f32, y as f32),
            (true, false) => path.move_to(x as f32, y as f32),
            (false, _) => {}
        }
        drawing = inside;
    }
}

/// Draws the local scale with the key to its colours, and what circles of the
/// source become in the output: ellipses, where the map squeezes them.
pub fn heat_with_key(map: &VertexMap, source: Size) -> Result<Picture> {
    let picture = heat(map, source);
    let mut canvas = canvas(&picture)?;
    let (columns, rows) = VertexMap::dimensions(map.size());
    // The distance between circles, in blocks.
    let step = (columns.min(rows) / CIRCLES).max(2);
    let chosen = |index: usize| {
        let [column, row] = [index % (columns - 1), index / (columns - 1)];
        column % step == step / 2 && row % step == step / 2
    };
    for (index, block) in blocks(map).enumerate() {
        let shows = block.lies_in(Some(source)) && block.scale() > 0.0;
        if let Some(path) = (shows && chosen(index))
            .then(|| ellipse(&block, step))
            .flatten()
        {
            // CAST: it is below 4096.
            let width = (map.size().width as f32 / 640.0).max(1.0);
            line(&mut canvas, &path, [0, 0, 0, 255], width);
        }
    }
    Ok(legend::below(&drawn(&canvas)))
}

/// Returns what a circle of the source becomes around the middle of a block.
/// Its mean radius is a third of `step` blocks.
fn ellipse(block: &Block, step: usize) -> Option<Path> {
    let [[a, b], [c, d]] = block.slope();
    let radius = block.scale() * 16.0 * step as f64 / 3.0;
    let mut path = PathBuilder::new();
    for part in 0..=32 {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(part) / 32.0).sin_cos();
        // The inverse of the slope.
        let x = (d * cos - b * sin) * radius / (a * d - b * c);
        let y = (a * sin - c * cos) * radius / (a * d - b * c);
        let [left, top] = block.middle();
        // CAST: it is a few thousand at most, or outside of the canvas.
        let (x, y) = ((left + x) as f32, (top + y) as f32);
        match part {
            0 => path.move_to(x, y),
            _ => path.line_to(x, y),
        }
    }
    path.finish()
}

/// Draws how many source pixels each block's pixels take: white is one, blue
/// less (the source is enlarged), red more; grey shows no part of the source,
/// black only its edge.
pub fn heat(map: &VertexMap, source: Size) -> Picture {
    let mut picture = Picture::filled(map.size(), [0; 3]);
    let width = map.size().width as usize;
    for block in blocks(map) {
        let colour = match block.lies_in(Some(source)) {
            true => shade(block.scale()),
            false => [128; 3],
        };
        for y in rows_of(&block) {
            let line = &mut picture.rgb[y * width * 3..][..width * 3];
            let [left, across] = [block.at[0] as usize, block.side[0] as usize];
            for pixel in line[left * 3..][..across * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
    picture
}

fn rows_of(block: &Block) -> std::ops::Range<usize> {
    let top = block.at[1] as usize;
    top..top + block.side[1] as usize
}

/// Returns the colour of a scale.
fn shade(scale: f64) -> [u8; 3] {
    if scale == 0.0 {
        return [0; 3];
    }
    let steps = (scale.log2() / STEPS).clamp(-1.0, 1.0);
    // CAST: it is from 0 to 255.
    let rest = (255.0 * (1.0 - steps.abs())) as u8;
    match steps < 0.0 {
        true => [rest, rest, 255],
        false => [255, rest, rest],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        width: 320,
        height: 240,
    };

    #[test]
    fn the_identity_s_result_is_the_source() {
        let mut picture = Picture::filled(SIZE, [200, 60, 30]);
        picture.rgb[..3 * 320 * 100].fill(90);
        let back = result(&picture, &VertexMap::identity(SIZE, SIZE)).unwrap();
        let worst = picture.worst_difference(&back);
        assert!(worst <= Some(3), "{worst:?}");
    }

    #[test]
    fn the_grid_lies_where_the_vertices_point() {
        let picture = Picture::filled(SIZE, [0; 3]);
        let map = VertexMap::from_fn(SIZE, |x, y| [40.0 + x / 2.0, 30.0 + y / 2.0]);
        let drawn = with_grid(&picture, &map).unwrap();
        let red = |x: usize, y: usize| drawn.rgb[(y * 320 + x) * 3];
        assert!(red(100, 30) > 60 && red(40, 100) > 60, "no border");
        assert_eq!(red(20, 100), 0, "outside the part that the map shows");
    }

    #[test]
    fn circles_become_ellipses_where_the_output_is_squeezed() {
        let shown = |across: f64| {
            let map = VertexMap::from_fn(SIZE, |x, y| [40.0 + across * x, 30.0 + y / 2.0]);
            let large = Size {
                width: 2000,
                height: 2000,
            };
            let picture = heat_with_key(&map, large).unwrap();
            // The blue of the background is larger than this.
            let drawn = |x: usize, y: usize| picture.rgb[(y * 320 + x) * 3 + 2] < 200;
            // From the middle of the block at (144, 112).
            let reach = |dx: usize, dy: usize| (2..24).find(|r| drawn(152 + r * dx, 120 + r * dy));
            (reach(1, 0), reach(0, 1))
        };
        let (right, down) = shown(0.5);
        assert!(right.is_some() && right == down, "{right:?} {down:?}");
        let (right, down) = shown(1.0);
        assert!(right.unwrap() * 3 < down.unwrap() * 2, "{right:?} {down:?}");
    }

    #[test]
    fn a_picture_of_any_size_is_dewarped() {
        for (width, height) in [(410, 308), (411, 309), (3500, 3500), (64, 48)] {
            let size = Size { width, height };
            let map = VertexMap::identity(SIZE, size);
            let shown = result(&Picture::filled(size, [200, 60, 30]), &map).unwrap();
            let expected = Picture::filled(SIZE, [200, 60, 30]);
            let worst = shown.worst_difference(&expected);
            assert!(worst <= Some(3), "{size}: {worst:?}");
        }
    }

    #[test]
    fn the_heat_map_is_white_at_1_red_above_and_blue_below() {
        let colour = |scale: f64| {
            let map = VertexMap::from_fn(SIZE, |x, y| [x * scale, y * scale]);
            let large = Size {
                width: 2000,
                height: 2000,
            };
            heat(&map, large).rgb[..3].to_vec()
        };
        assert_eq!(colour(1.0), [255, 255, 255]);
        assert_eq!(colour(2.0), [255, 127, 127]);
        assert_eq!(colour(0.5), [127, 127, 255]);
        let outside = VertexMap::from_fn(SIZE, |x, y| [x + 321.0, y]);
        assert_eq!(heat(&outside, SIZE).rgb[..3], [128; 3]);
        let edge = VertexMap::from_fn(SIZE, |x, y| [x - 321.0, y]);
        assert_eq!(heat(&edge, SIZE).rgb[..3], [0; 3]);
    }
}
