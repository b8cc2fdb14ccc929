// SPDX-License-Identifier: GPL-2.0

//! The vertex maps that frames are processed with.

use dewarp::format::Size;
use dewarp::lens::{Brown, Distortion};
use dewarp::{Lens, VertexMap};

/// A kind of map, with the sizes that it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The source without a change.
    Identity,
    /// The source without a lens's distortion.
    Lens,
    /// The source at half its size.
    Half,
    /// The source at twice its size.
    Double,
    /// The source turned by 90 degrees.
    Turned,
    /// The source without a fisheye lens's distortion. It uses the middle of the source most.
    Fisheye,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Identity,
        Self::Lens,
        Self::Half,
        Self::Double,
        Self::Turned,
        Self::Fisheye,
    ];

    /// Returns the map's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Lens => "lens",
            Self::Half => "0.5x",
            Self::Double => "2x",
            Self::Turned => "90 degrees",
            Self::Fisheye => "fisheye",
        }
    }

    /// Returns the sizes of source and destination. The larger one is `size`.
    pub fn sizes(self, size: Size) -> (Size, Size) {
        let half = Size {
            width: size.width / 2,
            height: size.height / 2,
        }
        .nearest();
        match self {
            Self::Half => (size, half),
            Self::Double => (half, size),
            Self::Turned => (
                size,
                Size {
                    width: size.height,
                    height: size.width,
                }
                .nearest(),
            ),
            Self::Identity | Self::Lens | Self::Fisheye => (size, size),
        }
    }

    /// Returns the map for these sizes.
    pub fn map(self, source: Size, target: Size) -> Vec<u32> {
        let [width, height] = [source.width, source.height].map(f64::from);
        let center = [width * 0.51, height * 0.49];
        let map = match self {
            Self::Identity | Self::Half | Self::Double => VertexMap::identity(target, source),
            Self::Turned => {
                // The destination's line y shows the source's column y, from the bottom up.
                let along = width / f64::from(target.height);
                let across = height / f64::from(target.width);
                VertexMap::from_fn(target, |x, y| [y * along, height - 1.0 - x * across])
            }
            Self::Lens => {
                let lens = Lens {
                    focal: [width * 0.8; 2],
                    center,
                    distortion: Distortion::Brown(Brown {
                        radial: [-0.27, 0.05, -0.004],
                        tangential: [0.002, -0.001],
                        ..Brown::NONE
                    }),
                };
                VertexMap::undistort(target, source, &lens, 1.0)
            }
            Self::Fisheye => {
                let lens = Lens {
                    focal: [width * 0.42; 2],
                    center,
                    distortion: Distortion::Fisheye([0.06, -0.01, 0.004, -0.0009]),
                };
                VertexMap::undistort(target, source, &lens, 0.8)
            }
        };
        map.vertices().to_vec()
    }
}

/// Returns a map whose columns of blocks show one source place each: even columns of blocks are
/// flat, the odd ones between them lead from one place to the next. `places` are in 1/16 pixel;
/// the last place fills the remaining columns.
pub fn flat_columns(target: Size, places: &[[u32; 2]]) -> Vec<u32> {
    let (columns, rows) = VertexMap::dimensions(target);
    let vertex = |column: usize| {
        let place = places.get(column / 2).or(places.last());
        place.map_or(0, |[x, y]| y << 16 | x)
    };
    (0..rows).flat_map(|_| (0..columns).map(vertex)).collect()
}

/// Returns how many places [`flat_columns`] can show.
pub fn flat_places(target: Size) -> usize {
    (target.width / 16).div_ceil(2) as usize
}

/// Returns the middle pixel of the flat column number `place`.
pub fn flat_middle(place: usize) -> usize {
    place * 32 + 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use dw100_model::{Crop, Image, ImageSpec, PixelFormat, dewarp_image};

    const SIZE: Size = Size {
        width: 640,
        height: 480,
    };

    #[test]
    fn each_map_fits_its_sizes_and_none_is_another() {
        let maps = Kind::ALL.map(|kind| {
            let (source, target) = kind.sizes(SIZE);
            let map = kind.map(source, target);
            let (columns, rows) = VertexMap::dimensions(target);
            assert_eq!(map.len(), columns * rows, "{kind:?}");
            map
        });
        for (at, map) in maps.iter().enumerate() {
            assert!(maps[..at].iter().all(|other| other != map));
        }
    }

    #[test]
    fn flat_columns_show_their_places() {
        let target = Size {
            width: 176,
            height: 144,
        };
        let source: Vec<u8> = (0..176 * 144).map(|at| (at % 176) as u8).collect();
        let mut frame = source;
        frame.resize(176 * 144 * 3 / 2, 128);
        let places: Vec<[u32; 2]> = (0..flat_places(target) as u32)
            .map(|n| [16 * (n + 3), 16])
            .collect();
        let image = Image {
            format: PixelFormat::Nv12,
            width: 176,
            height: 144,
            data: &frame,
        };
        let spec = ImageSpec {
            format: PixelFormat::Nv12,
            width: 176,
            height: 144,
        };
        let map = flat_columns(target, &places);
        let made = dewarp_image(&image, &spec, &map, Crop::FULL).unwrap();
        for (place, [x, _]) in places.iter().enumerate() {
            assert_eq!(u32::from(made[176 * 70 + flat_middle(place)]), x / 16);
        }
    }
}
