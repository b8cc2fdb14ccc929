// SPDX-License-Identifier: GPL-2.0

//! Vertex maps: those that are set, the identity as it should be and as the C driver computes it
//! (faults 12 and 13), and the composition of a map with a crop.

use dw100_model::trace;

use crate::crop::Rect;
use crate::format::Size;

/// The maps that frames are processed with, in the order of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Map {
    /// The map that the driver uses when none was set.
    Identity,
    /// The map of a lens, whose corners reach beyond the source.
    Lens,
    /// A map turned by 30 degrees, and enlarged by half.
    Turned,
}

impl Map {
    /// All maps.
    pub const ALL: [Self; 3] = [Self::Identity, Self::Lens, Self::Turned];

    /// Returns the map's name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Lens => "lens",
            Self::Turned => "turned",
        }
    }

    /// Returns the elements to set, if this map has to be set.
    pub fn words(self, source: Size, destination: Size) -> Option<Vec<u32>> {
        match self {
            Self::Identity => None,
            Self::Lens => Some(drawn(source, destination, |u, v| {
                let bend = 0.85 + 0.15 * (u * u + v * v);
                (u * bend, v * bend)
            })),
            Self::Turned => {
                let (sine, cosine) = std::f64::consts::FRAC_PI_6.sin_cos();
                Some(drawn(source, destination, |u, v| {
                    let (u, v) = (u / 1.5, v / 1.5);
                    (cosine * u - sine * v, sine * u + cosine * v)
                }))
            }
        }
    }
}

/// Computes a map from a function between places, each -1 to 1 from edge to edge.
fn drawn(source: Size, destination: Size, place: impl Fn(f64, f64) -> (f64, f64)) -> Vec<u32> {
    let middle = |position: u32, side: u32| 2.0 * f64::from(position) / f64::from(side) - 1.0;
    let fixed = |place: f64, side: u32| {
        // CAST: A float saturates.
        ((place + 1.0) / 2.0 * f64::from(side) * 16.0).round() as u16
    };
    let word = |(x, y)| {
        let (u, v) = place(middle(x, destination.width), middle(y, destination.height));
        u32::from(fixed(v, source.height)) << 16 | u32::from(fixed(u, source.width))
    };
    corners(destination).map(word).collect()
}

/// Returns the corners of a destination's blocks, row by row.
fn corners(destination: Size) -> impl Iterator<Item = (u32, u32)> {
    let (columns, rows) = destination.vertices();
    (0..rows).flat_map(move |row| {
        let y = (16 * row).min(destination.height);
        (0..columns).map(move |column| ((16 * column).min(destination.width), y))
    })
}

/// Computes the identity as it should be: each corner's share of the source, rounded to the nearest
/// 1/16 pixel, half up. A value that UQ12.4 cannot hold saturates.
pub fn identity(source: Size, destination: Size) -> Vec<u32> {
    let share = |position: u32, from: u32, to: u32| {
        let sixteenths = u64::from(position) * u64::from(from) * 16;
        let rounded = (2 * sixteenths + u64::from(to)) / (2 * u64::from(to));
        // CAST: It is not more than 0xffff.
        rounded.min(0xffff) as u32
    };
    let word = |(x, y)| {
        share(y, source.height, destination.height) << 16
            | share(x, source.width, destination.width)
    };
    corners(destination).map(word).collect()
}

/// Computes the identity of the C driver, by its code: `dw100_ctrl_dewarping_map_init()`. A side of
/// 4096 counts as 0 (fault 12), and all blocks count as equal, with a size in whole 1/16 pixels
/// (fault 13).
pub fn identity_of_the_c_driver(source: Size, destination: Size) -> Vec<u32> {
    let (columns, rows) = destination.vertices();
    let (wide, tall) = ((source.width & 0xfff) << 4, (source.height & 0xfff) << 4);
    let (step_x, step_y) = (wide / (columns - 1), tall / (rows - 1));
    (0..columns * rows)
        .map(|index| {
            let x = (index % columns * step_x).min(wide);
            let y = (index / columns * step_y).min(tall);
            y << 16 | x
        })
        .collect()
}

/// Composes a map with a crop of its source: the map's picture of the whole source becomes one of
/// the crop. Each coordinate is the exact quotient, rounded to the nearest 1/16 pixel, half up,
/// plus the start of the crop. A value that UQ12.4 cannot hold saturates.
pub fn composed(words: &[u32], crop: Rect, source: Size) -> Vec<u32> {
    let axis = |v: u32, start: u32, length: u32, side: u32| {
        let [v, start, length, side] = [v, start, length, side].map(u64::from);
        // A half is added to the quotient before it is truncated; therefore numerator and
        // denominator are doubled.
        let (numerator, denominator) = (2 * v * length + side, 2 * side);
        let sixteenths = numerator / denominator + 16 * start;
        // CAST: It is not more than 0xffff.
        sixteenths.min(0xffff) as u32
    };
    let Rect(left, top, width, height) = crop;
    let word = |&word: &u32| {
        let x = axis(word & 0xffff, left, width, source.width);
        let y = axis(word >> 16, top, height, source.height);
        y << 16 | x
    };
    words.iter().map(word).collect()
}

/// Computes the digest by which the trace names a map.
pub fn digest(words: &[u32]) -> String {
    trace::digest(&bytes(words))
}

/// Returns the bytes of a map in memory.
pub fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: Size = Size::new(640, 480);

    #[test]
    fn whole_blocks_without_scaling_have_one_identity() {
        assert_eq!(identity(VGA, VGA), identity_of_the_c_driver(VGA, VGA));
        assert_eq!(identity(VGA, VGA)[40], 640 << 4);
        assert_eq!(identity(VGA, VGA)[41], 16 << 20);
    }

    #[test]
    fn the_faulty_identities_are_off_as_far_as_is_known() {
        let hd = Size::new(1920, 1080);
        let worst = |source, destination, shift: u32| {
            let theirs = identity_of_the_c_driver(source, destination);
            let ours = identity(source, destination).into_iter().zip(theirs);
            ours.map(|(a, b)| (a >> shift & 0xffff).abs_diff(b >> shift & 0xffff))
                .max()
        };
        // The error is 8.4 lines at 1080, and 0 in 1920 columns.
        assert_eq!(worst(hd, hd, 16), Some(134));
        assert_eq!(worst(hd, hd, 0), Some(0));
        let largest = Size::new(4096, 3072);
        assert_eq!(worst(largest, largest, 0), Some(0xffff));
        assert_eq!(worst(largest, largest, 16), Some(0));
        // The blocks are all whole, but 85 1/3 sixteenths each.
        assert_eq!(worst(VGA, Size::new(1920, 1440), 0), Some(40));
    }

    #[test]
    fn the_whole_source_as_a_crop_leaves_any_map_as_it_is() {
        for source in [VGA, Size::new(4096, 3072), Size::new(1368, 1032)] {
            let words: Vec<u32> = (0..=0xffff).map(|x| (0xffff - x) << 16 | x).collect();
            assert_eq!(composed(&words, Rect::whole(source), source), words);
        }
    }

    #[test]
    fn a_crop_is_composed_as_worked_out_by_hand() {
        let one = |word, crop| composed(&[word], crop, VGA)[0];
        // The middle half: the source's corners move to the crop's, and its middle stays.
        let middle = Rect(160, 120, 320, 240);
        assert_eq!(one(0, middle), 120 << 20 | 160 << 4);
        assert_eq!(one(480 << 20 | 640 << 4, middle), 360 << 20 | 480 << 4);
        assert_eq!(one(240 << 20 | 320 << 4, middle), 240 << 20 | 320 << 4);
        // 1/16 pixel of 640 and of 480 in 320 and 240 is rounded up from a half, and so is 3/16.
        assert_eq!(one(1 << 16 | 1, middle), (1920 + 1) << 16 | (2560 + 1));
        assert_eq!(one(3 << 16 | 3, middle), (1920 + 2) << 16 | (2560 + 2));
        // 19/16 * 16/640 is less than a half of 1/16, 20/16 is exactly a half.
        let corner = Rect(624, 464, 16, 16);
        assert_eq!(one(19, corner) & 0xffff, 624 << 4);
        assert_eq!(one(20, corner) & 0xffff, (624 << 4) + 1);
        // 14/16 * 16/480 is less than a half of 1/16, 15/16 is exactly a half.
        assert_eq!(one(14 << 16, corner) >> 16, 464 << 4);
        assert_eq!(one(15 << 16, corner) >> 16, (464 << 4) + 1);
    }

    #[test]
    fn what_lies_beyond_the_source_saturates_and_does_not_wrap() {
        let source = Size::new(4096, 3072);
        let corner = Rect(3000, 2000, 1096, 1072);
        let far = composed(&[0xffff_ffff], corner, source)[0];
        // 65535 * 1096 / 4096 is 17535.7, and 48000 more is too much; so is 65535 * 1072 / 3072
        // with 32000, which is 54869.
        assert_eq!(far, 54869 << 16 | 0xffff);
    }

    #[test]
    fn maps_to_set_have_a_word_a_vertex_and_are_no_identities() {
        for map in [Map::Lens, Map::Turned] {
            let words = map.words(VGA, Size::new(648, 488)).unwrap();
            assert_eq!(words.len(), 42 * 32);
            assert_ne!(words, identity(VGA, Size::new(648, 488)));
            // The middle stays where it is.
            let middle = map.words(VGA, VGA).unwrap()[15 * 41 + 20];
            assert_eq!(middle, (240 << 20) | (320 << 4));
        }
        assert_eq!(Map::Identity.words(VGA, VGA), None);
        // Beyond the source at the right, cut at the left.
        let lens = Map::Lens.words(VGA, VGA).unwrap();
        assert_eq!(lens[0], 0);
        assert!(lens[40] & 0xffff > 640 << 4);
    }
}
