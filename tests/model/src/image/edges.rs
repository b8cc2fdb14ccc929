// SPDX-License-Identifier: GPL-2.0
//! Tests what libcamera says about the engine's edges, in the default model and in the
//! worlds.
//!
//! Source: libcamera, `src/libcamera/converter/converter_dw100_vertexmap.cpp`, the comment
//! in `Dw100VertexMap::getVertexMap()`. Its example is a picture of 64 pixels and five
//! vertices, and it says that the vertical axis behaves the same. It describes what the
//! hardware does; no other public source does so for the edges.

use super::*;
use crate::world::World;

const SIDE: u32 = 64;

/// Returns the source's luma at a place: no two are equal, and none is black.
fn source(at: u32) -> u8 {
    at as u8 * 3 + 1
}

/// Returns one line of luma of a 64x64 picture. The map has these source positions along
/// one axis, and is the identity along the other.
fn line(worlds: Worlds, vertices: [u32; 5], vertical: bool) -> Vec<u8> {
    let side = SIDE as usize;
    let place = |x: usize, y: usize| if vertical { (y, x) } else { (x, y) };
    let mut data = vec![128; PixelFormat::Nv12.frame_size(SIDE, SIDE)];
    for (i, byte) in data[..side * side].iter_mut().enumerate() {
        *byte = source(place(i % side, i / side).0 as u32);
    }
    let vertex = |i: usize| {
        let (along, across) = place(i % 5, i / 5);
        let (along, across) = (vertices[along] * 16, across as u32 * 256);
        match vertical {
            true => along << 16 | across,
            false => across << 16 | along,
        }
    };
    let map: Vec<u32> = (0..25).map(vertex).collect();
    let (format, width, height) = (PixelFormat::Nv12, SIDE, SIDE);
    let src = Image {
        format,
        width,
        height,
        data: &data,
    };
    let dst = ImageSpec {
        format,
        width,
        height,
    };
    let out = dewarp_image_in(worlds, &src, &dst, &map, Crop::FULL).unwrap();
    let pixel = |(x, y)| out[y * side + x];
    (0..side).map(|i| pixel(place(i, 17))).collect()
}

/// Compares the line along both axes, in the default model and in the world where the
/// boundary begins directly after the last sample: libcamera's four cases hold in both.
fn check(vertices: [u32; 5], expected: impl Fn(u32) -> u8, off_by: u8) {
    for worlds in [Worlds::NONE, Worlds::NONE.with(World::EdgeBlack)] {
        for vertical in [false, true] {
            for (at, found) in (0..SIDE).zip(line(worlds, vertices, vertical)) {
                let due = expected(at);
                let context = format!("{at}: {found}, not {due}, vertical: {vertical}");
                assert!(found.abs_diff(due) <= off_by, "{context}");
            }
        }
    }
}

#[test]
fn a_pixel_perfect_map_ends_with_a_vertex_at_the_width() {
    check([0, 16, 32, 48, 64], source, 0);
}

#[test]
fn zooming_out_stretches_the_first_pixel_and_is_black_beyond_the_last() {
    // -10, 0, 32, 64, 74, of which the engine gets 0 for the first.
    let expected = |at| match at {
        0..16 => source(0),
        16..48 => source((at - 16) * 2),
        _ => 0,
    };
    check([0, 0, 32, 64, 74], expected, 0);
}

#[test]
fn a_half_turn_from_the_width_to_zero_begins_with_one_black_line() {
    let expected = |at| match at {
        0 => 0,
        _ => source(64 - at),
    };
    check([64, 48, 32, 16, 0], expected, 0);
}

#[test]
fn a_half_turn_from_the_last_pixel_is_right_but_for_the_last_block() {
    // 63, 47, 31, 15, -1, of which the engine gets 0 for the last.
    check([63, 47, 31, 15, 0], |at| source(63 - at), 3);
    let line = line(Worlds::NONE, [63, 47, 31, 15, 0], false);
    let exact: Vec<u8> = (0..48).map(|at| source(63 - at)).collect();
    assert_eq!(line[..48], exact);
    assert_ne!(line[62], source(1), "the clamped vertex shows a little");
}
