// SPDX-License-Identifier: GPL-2.0
//! Tests properties of whole pictures that hold for any map.

use proptest::prelude::*;
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use super::*;

fn format() -> impl Strategy<Value = PixelFormat> {
    prop::sample::select(PixelFormat::ALL.to_vec())
}

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut bytes = vec![0; len];
    XorShiftRng::seed_from_u64(u64::from(seed)).fill_bytes(&mut bytes);
    bytes
}

fn run(format: (PixelFormat, PixelFormat), size: (u32, u32), data: &[u8], map: &[u32]) -> Vec<u8> {
    let (width, height) = size;
    let src = Image {
        format: format.0,
        width,
        height,
        data,
    };
    let dst = ImageSpec {
        format: format.1,
        width,
        height,
    };
    dewarp_image(&src, &dst, map, Crop::FULL).unwrap()
}

/// Returns Y, U and V of the pixel at (x, y), by the definition of the formats.
fn pixel(format: PixelFormat, width: u32, height: u32, data: &[u8], x: u32, y: u32) -> [u8; 3] {
    let (x, y) = (x as usize, y as usize);
    let (width, height) = (width as usize, height as usize);
    let pairs = width.div_ceil(2);
    let (luma, u, v) = match format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => {
            let four = (y * pairs + x / 2) * 4;
            match format {
                PixelFormat::Yuyv => (four + x % 2 * 2, four + 1, four + 3),
                _ => (four + x % 2 * 2 + 1, four, four + 2),
            }
        }
        _ => {
            let row = match format {
                PixelFormat::Nv12 | PixelFormat::Nv21 => y / 2,
                _ => y,
            };
            let pair = width * height + (row * pairs + x / 2) * 2;
            match format {
                PixelFormat::Nv12 | PixelFormat::Nv16 => (y * width + x, pair, pair + 1),
                _ => (y * width + x, pair + 1, pair),
            }
        }
    };
    [data[luma], data[u], data[v]]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn identity_is_the_identity_in_every_format(
        format in format(),
        width in (1u32..50).prop_map(|n| n * 2),
        height in 1u32..70,
        seed in any::<u32>(),
    ) {
        let data = noise(format.frame_size(width, height), seed);
        let map = identity_map(width, height);
        prop_assert!(run((format, format), (width, height), &data, &map) == data);
    }

    #[test]
    fn identity_between_formats_keeps_luma_and_the_even_rows_chroma(
        formats in (format(), format()),
        width in (1u32..40).prop_map(|n| n * 2),
        height in (1u32..30).prop_map(|n| n * 2),
        seed in any::<u32>(),
    ) {
        let data = noise(formats.0.frame_size(width, height), seed);
        let out = run(formats, (width, height), &data, &identity_map(width, height));
        for y in 0..height {
            for x in 0..width {
                let from = pixel(formats.0, width, height, &data, x, y);
                let to = pixel(formats.1, width, height, &out, x, y);
                prop_assert_eq!(from[0], to[0]);
                if y % 2 == 0 {
                    prop_assert_eq!(from, to, "{:?} at {},{}", formats, x, y);
                }
            }
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_under_any_map_inside_it(
        formats in (format(), format()),
        colour in any::<[u8; 3]>(),
        seed in any::<u32>(),
    ) {
        let (width, height) = (48, 40);
        let flat = |format: PixelFormat| {
            // The flat frame is built by hand, without the engine.
            let (luma, chroma) = format.plane_sizes(width, height);
            let [y, u, v] = colour;
            let (unit, pair) = match format {
                PixelFormat::Nv12 | PixelFormat::Nv16 => (vec![y], [u, v]),
                PixelFormat::Nv21 | PixelFormat::Nv61 => (vec![y], [v, u]),
                PixelFormat::Yuyv => (vec![y, u, y, v], [0, 0]),
                PixelFormat::Uyvy => (vec![u, y, v, y], [0, 0]),
            };
            let luma = unit.iter().copied().cycle().take(luma);
            luma.chain(pair.into_iter().cycle().take(chroma)).collect::<Vec<u8>>()
        };
        let map: Vec<u32> = noise(4 * 4 * 4, seed)
            .chunks_exact(4)
            .map(|b| {
                let (x, y) = (u32::from(b[0]) << 8 | u32::from(b[1]), u32::from(b[2]) << 8 | u32::from(b[3]));
                ((y % (height * 16)) << 16) | (x % (width * 16))
            })
            .collect();
        prop_assert!(run(formats, (width, height), &flat(formats.0), &map) == flat(formats.1));
    }

    #[test]
    fn a_map_outside_the_source_gives_black(formats in (format(), format()), seed in any::<u32>()) {
        let (width, height) = (32, 32);
        let data = noise(formats.0.frame_size(width, height), seed);
        for vertex in [width * 16, (height * 16) << 16] {
            let out = run(formats, (width, height), &data, &[vertex; 9]);
            for (x, y) in [(0, 0), (31, 31), (5, 16)] {
                prop_assert_eq!(pixel(formats.1, width, height, &out, x, y), [0, 128, 128]);
            }
        }
    }

    #[test]
    fn a_shifted_map_shifts_the_picture(
        dx in 0u32..8,
        dy in 0u32..8,
        format in format(),
        seed in any::<u32>(),
    ) {
        let (dx, dy) = (dx * 2, dy * 2);
        let (width, height) = (48, 32);
        let data = noise(format.frame_size(width, height), seed);
        let map: Vec<u32> = identity_map(width, height)
            .iter()
            .map(|vertex| vertex + (dy << 20 | dx << 4))
            .collect();
        let out = run((format, format), (width, height), &data, &map);
        for (x, y) in [(0, 0), (17, 9), (width - dx - 1, height - dy - 1)] {
            prop_assert_eq!(
                pixel(format, width, height, &out, x, y),
                pixel(format, width, height, &data, x + dx, y + dy)
            );
        }
    }
}

#[test]
fn the_identity_map_ends_at_the_side_or_where_the_format_ends() {
    assert_eq!(
        identity_map(24, 16),
        [0, 256, 384, 256 << 16, (256 << 16) | 256, (256 << 16) | 384]
    );
    assert_eq!(identity_map(4096, 16)[256], 0xffff);
}

#[test]
fn half_scale_zooms_into_the_region() {
    let (width, height) = (64, 48);
    let data = noise(PixelFormat::Nv12.frame_size(width, height), 9);
    let src = Image {
        format: PixelFormat::Nv12,
        width,
        height,
        data: &data,
    };
    let dst = ImageSpec {
        format: PixelFormat::Nv12,
        width,
        height,
    };
    let crop = Crop {
        scale: 64,
        roi: (20, 10),
    };
    let out = dewarp_image(&src, &dst, &identity_map(width, height), crop).unwrap();
    for (x, y) in [(0, 0), (10, 6), (62, 46)] {
        let from = pixel(
            PixelFormat::Nv12,
            width,
            height,
            &data,
            20 + x / 2,
            10 + y / 2,
        );
        let to = pixel(PixelFormat::Nv12, width, height, &out, x, y);
        assert_eq!(from[0], to[0]);
    }
}

#[test]
fn bad_sizes_are_refused_with_what_is_due() {
    let src = Image {
        format: PixelFormat::Nv12,
        width: 32,
        height: 16,
        data: &[0; 768],
    };
    let dst = ImageSpec {
        format: PixelFormat::Nv12,
        width: 32,
        height: 16,
    };
    let map = identity_map(32, 16);
    let with = |src: Image<'_>, dst, map: &[u32], crop| dewarp_image(&src, &dst, map, crop);
    assert!(with(src, dst, &map, Crop::FULL).is_ok());
    let short = Image {
        data: &[0; 767],
        ..src
    };
    assert_eq!(
        with(short, dst, &map, Crop::FULL),
        Err(Error::Data(767, 768))
    );
    assert_eq!(with(src, dst, &map[1..], Crop::FULL), Err(Error::Map(5, 6)));
    let odd = Image { width: 31, ..src };
    assert_eq!(with(odd, dst, &map, Crop::FULL), Err(Error::Size(31, 16)));
    let wide = ImageSpec { width: 8192, ..dst };
    assert_eq!(
        with(src, wide, &map, Crop::FULL),
        Err(Error::Size(8192, 16))
    );
    let crop = Crop {
        scale: 129,
        ..Crop::FULL
    };
    assert_eq!(with(src, dst, &map, crop), Err(Error::Crop(crop)));
    assert!("nv13".parse::<PixelFormat>().is_err());
    assert_eq!("nv61m".parse(), Ok(PixelFormat::Nv61));
}
