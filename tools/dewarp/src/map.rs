// SPDX-License-Identifier: GPL-2.0
//! Vertex maps: for every corner of the destination's 16x16 blocks, the point of the source to
//! fetch there. The words are those of the control `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP`.

use crate::error::{Error, Result};
use crate::format::Size;
use crate::lens::Lens;
use crate::view::{Camera, Layout, View};

/// The side of a block, in pixels.
const BLOCK: u32 = 16;

/// The largest coordinate that a vertex can store, in sixteenths of a pixel: 4095 15/16.
pub(crate) const LARGEST: f64 = 65535.0;

/// A map for one size of destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VertexMap {
    size: Size,
    vertices: Vec<u32>,
}

impl VertexMap {
    /// Returns the vertices in a line and in a column of the map of a destination of `size`.
    pub fn dimensions(size: Size) -> (usize, usize) {
        let count = |length: u32| length.div_ceil(BLOCK) as usize + 1;
        (count(size.width), count(size.height))
    }

    /// Returns the bytes of the map of a destination of `size`.
    pub fn bytes_for(size: Size) -> usize {
        let (columns, rows) = Self::dimensions(size);
        columns * rows * 4
    }

    /// Creates the map whose vertex at the destination's (x, y) points at `source(x, y)`.
    ///
    /// The last block is cut off at the picture's edge, so that its outer vertices are at x = width
    /// and y = height. Coordinates are rounded to 1/16 pixel and clamped to 0 ..= 4095 15/16. The
    /// engine cannot represent a negative one, so what lies to the left of or above the source
    /// shows its first column or line, not the boundary colour.
    pub fn from_fn(size: Size, source: impl Fn(f64, f64) -> [f64; 2]) -> Self {
        let (columns, rows) = Self::dimensions(size);
        let mut vertices = Vec::with_capacity(columns * rows);
        for row in 0..rows {
            for column in 0..columns {
                let [x, y] = position(size, column, row);
                let [sx, sy] = source(f64::from(x), f64::from(y));
                vertices.push(fixed(sy) << 16 | fixed(sx));
            }
        }
        VertexMap { size, vertices }
    }

    /// Creates the map that shows the whole source, scaled to the destination.
    pub fn identity(size: Size, source: Size) -> Self {
        let layout = Layout::whole(size, source);
        Self::from_fn(size, |x, y| layout.point(x, y))
    }

    /// Creates the map that undoes `lens`, whose matrix is in pixels of the source.
    ///
    /// The destination is the picture of a camera without distortion at the same place, with the
    /// same matrix but focal lengths `zoom` times as long, scaled to the destination's size.
    pub fn undistort(size: Size, source: Size, lens: &Lens, zoom: f64) -> Self {
        let camera = Camera::like(lens).zoomed(zoom);
        let view = View::new(*lens, camera, Layout::whole(size, source));
        Self::from_fn(size, |x, y| view.source(x, y))
    }

    /// Reads the map in a map file.
    ///
    /// Returns a bad-use error if the length is not the one for a destination of `size`.
    pub fn from_bytes(size: Size, bytes: &[u8]) -> Result<Self> {
        let want = Self::bytes_for(size);
        if bytes.len() != want {
            let (columns, rows) = Self::dimensions(size);
            return Err(Error::bad_use(format!(
                "the map has {} bytes, and an output of {size} takes {want} ({columns}x{rows} \
                 vertices of 4 bytes); make it with `dewarp map --size {size}`",
                bytes.len(),
            )));
        }
        let vertices = bytes
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
            .collect();
        Ok(VertexMap { size, vertices })
    }

    /// Reads the map in a map file for a destination of unknown size. Returns the map of every
    /// shape with as many vertices. The first is the one in which vertices are most similar to
    /// those above them; the others follow in this order.
    pub fn guesses(bytes: &[u8]) -> Vec<Self> {
        let words = bytes.len() / 4;
        let apart = |map: &VertexMap, columns: usize| {
            let steps = map.vertices.iter().zip(&map.vertices[columns..]);
            let far = |(a, b): (&u32, &u32)| {
                u64::from((a & 0xffff).abs_diff(b & 0xffff))
                    + u64::from((a >> 16).abs_diff(b >> 16))
            };
            steps.map(far).sum::<u64>() / (map.vertices.len() - columns) as u64
        };
        let mut shapes: Vec<(u64, Self)> = (2..=words / 2)
            .filter(|columns| words % columns == 0)
            .filter_map(|columns| {
                let side = |count: usize| u32::try_from(count - 1).ok()?.checked_mul(BLOCK);
                let size = Size {
                    width: side(columns)?,
                    height: side(words / columns)?,
                };
                // The size is the multiple of 16; 8 pixels less would have as many vertices.
                let map = Self::from_bytes(size.check().ok()?, bytes).ok()?;
                Some((apart(&map, columns), map))
            })
            .collect();
        shapes.sort_by_key(|(apart, _)| *apart);
        shapes.into_iter().map(|(_, map)| map).collect()
    }

    /// Returns the content of a map file: little-endian words, row by row.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.vertices
            .iter()
            .flat_map(|vertex| vertex.to_le_bytes())
            .collect()
    }

    /// Returns the destination's pixel at which a vertex is.
    pub fn position(&self, column: usize, row: usize) -> [u32; 2] {
        position(self.size, column, row)
    }

    /// Returns the source's point that a vertex stores, in pixels.
    pub fn point(&self, column: usize, row: usize) -> [f64; 2] {
        let (columns, _) = Self::dimensions(self.size);
        let vertex = self.vertices[row * columns + column];
        [vertex & 0xffff, vertex >> 16].map(|half| f64::from(half) / 16.0)
    }

    /// Returns the sizes of destination that have as many vertices in a line and a column.
    pub fn sizes(&self) -> Vec<Size> {
        let (columns, rows) = Self::dimensions(self.size);
        // CAST: it is at most the number of vertices of the largest output.
        let ends = |count: usize| [0, BLOCK / 2].map(|less| BLOCK * (count as u32 - 1) - less);
        let pairs = ends(columns)
            .into_iter()
            .flat_map(|width| ends(rows).map(|height| Size { width, height }));
        pairs.filter(|size| size.check().is_ok()).collect()
    }

    /// Returns the size of the destination.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns the vertices, row by row: UQ12.4 of y in the high half, of x in the low.
    pub fn vertices(&self) -> &[u32] {
        &self.vertices
    }
}

/// Returns the pixel of a destination of `size` at which a vertex is.
fn position(size: Size, column: usize, row: usize) -> [u32; 2] {
    // CAST: the columns and rows of a map are counted from pixels.
    [
        (column as u32 * BLOCK).min(size.width),
        (row as u32 * BLOCK).min(size.height),
    ]
}

/// Converts a coordinate into UQ12.4.
fn fixed(pixels: f64) -> u32 {
    // CAST: it is clamped to 0 ..= 65535 first; NaN becomes 0.
    (pixels * 16.0).round().clamp(0.0, LARGEST) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lens::{Brown, Distortion};
    use proptest::prelude::*;

    const VGA: Size = Size {
        width: 640,
        height: 480,
    };
    const HD: Size = Size {
        width: 1920,
        height: 1080,
    };

    /// The left camera of the committed photograph (tests/pictures/left_intrinsics.yml).
    const LEFT: Lens = Lens {
        focal: [535.915_733_961_632, 535.915_733_961_632],
        center: [342.283_154_733_083, 235.570_829_097_882],
        distortion: Distortion::Brown(Brown {
            radial: [
                -0.266_372_609_096_609,
                -0.038_588_898_922_305,
                0.238_391_530_808_785,
            ],
            tangential: [0.001_783_194_704_285, -0.000_281_221_004_411],
            ..Brown::NONE
        }),
    };

    /// A wide lens with all five coefficients large.
    const WIDE: Lens = Lens {
        focal: [1000.0, 990.0],
        center: [970.5, 530.25],
        distortion: Distortion::Brown(Brown {
            radial: [-0.21, 0.06, -0.009],
            tangential: [0.004, -0.003],
            ..Brown::NONE
        }),
    };

    /// A destination pixel and its source.
    type Point = ([u32; 2], [f64; 2]);

    /// The sources that OpenCV 5.0.0 computes for destination pixels: values of
    /// `cv2.initUndistortRectifyMap(K, D, None, K, (w + 1, h + 1), CV_32FC1)` at (column, row).
    const OPENCV: [(&Lens, Size, &[Point]); 2] =
        [(&LEFT, VGA, &LEFT_POINTS), (&WIDE, HD, &WIDE_POINTS)];

    const LEFT_POINTS: [Point; 12] = [
        ([0, 0], [42.1793, 29.6661]),
        ([640, 0], [605.6439, 27.6043]),
        ([0, 480], [41.3294, 451.0085]),
        ([640, 480], [606.0628, 452.6948]),
        ([16, 32], [53.7266, 56.0785]),
        ([320, 0], [321.1555, 12.7124]),
        ([336, 240], [336.0001, 240.0001]),
        ([0, 240], [33.6611, 239.9535]),
        ([640, 240], [616.3825, 239.9443]),
        ([320, 480], [321.1654, 467.0697]),
        ([592, 448], [569.1081, 428.9319]),
        ([160, 352], [167.7073, 347.2171]),
    ];
    const WIDE_POINTS: [Point; 12] = [
        ([0, 0], [173.5328, 101.6926]),
        ([1920, 0], [1736.1094, 105.4091]),
        ([0, 1080], [167.1411, 988.1475]),
        ([1920, 1080], [1742.1908, 983.9432]),
        ([960, 0], [959.7665, 32.8240]),
        ([960, 1080], [959.6503, 1051.0796]),
        ([0, 544], [139.0364, 545.7206]),
        ([1920, 544], [1772.2466, 545.4704]),
        ([976, 528], [975.9996, 528.0002]),
        ([1904, 1072], [1733.1138, 979.5026]),
        ([48, 1056], [196.0924, 974.1490]),
        ([1440, 272], [1410.6326, 288.8200]),
    ];

    #[test]
    fn lens_vertices_agree_with_opencv_to_a_sixteenth() {
        for (lens, size, points) in OPENCV {
            let map = VertexMap::undistort(size, size, lens, 1.0);
            let (columns, _) = VertexMap::dimensions(size);
            for ([x, y], [sx, sy]) in points {
                let vertex =
                    map.vertices()[y.div_ceil(16) as usize * columns + x.div_ceil(16) as usize];
                let [vx, vy] = [vertex & 0xffff, vertex >> 16].map(|half| f64::from(half) / 16.0);
                // The tolerance is half a sixteenth of rounding, and OpenCV's single precision.
                assert!(
                    (vx - sx).abs() <= 0.0315,
                    "{size} ({x}, {y}): x {vx}, OpenCV {sx}"
                );
                assert!(
                    (vy - sy).abs() <= 0.0315,
                    "{size} ({x}, {y}): y {vy}, OpenCV {sy}"
                );
            }
        }
    }

    #[test]
    fn identity_is_exact_on_every_block_corner_and_ends_at_the_edge() {
        // 1080 is not a multiple of 16: the last row is at 1080, not at 1088.
        let map = VertexMap::identity(HD, HD);
        assert_eq!(VertexMap::dimensions(HD), (121, 69));
        assert_eq!(map.vertices()[1], 16 << 4);
        assert_eq!(map.vertices()[121], 16 << 20);
        assert_eq!(map.vertices()[120], 1920 << 4);
        assert_eq!(map.vertices().last(), Some(&(1080 << 20 | 1920 << 4)));
    }

    #[test]
    fn identity_scales_when_the_source_has_another_size() {
        let map = VertexMap::identity(
            VGA,
            Size {
                width: 1280,
                height: 240,
            },
        );
        assert_eq!(map.vertices().last(), Some(&(240 << 20 | 1280 << 4)));
        assert_eq!(map.vertices()[1], 32 << 4);
    }

    #[test]
    fn a_coordinate_of_4096_saturates_instead_of_wrapping_to_0() {
        let widest = Size {
            width: 4096,
            height: 144,
        };
        let map = VertexMap::identity(widest, widest);
        assert_eq!(map.vertices()[256], 0xffff);
    }

    #[test]
    fn what_lies_left_of_the_source_is_clamped_to_0() {
        let map = VertexMap::from_fn(VGA, |x, y| [x - 100.0, y - 100.0]);
        assert_eq!(map.vertices()[0], 0);
        assert_eq!(fixed(f64::NAN), 0);
    }

    #[test]
    fn a_map_of_the_wrong_length_is_refused_with_both_lengths() {
        let error = VertexMap::from_bytes(VGA, &[0; 100]).unwrap_err();
        assert!(error.to_string().contains("has 100 bytes"), "{error}");
        assert!(
            error.to_string().contains("takes 5084 (41x31 vertices"),
            "{error}"
        );
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_lens_that_bends_nothing_is_the_identity() {
        let lens = Lens::straight([500.0, 510.0], [320.0, 240.0]);
        assert_eq!(
            VertexMap::undistort(VGA, VGA, &lens, 1.0),
            VertexMap::identity(VGA, VGA)
        );
    }

    #[test]
    fn zoom_enlarges_the_middle() {
        let lens = Lens::straight([500.0, 500.0], [320.0, 240.0]);
        let map = VertexMap::undistort(VGA, VGA, &lens, 2.0);
        assert_eq!(map.vertices()[0], 120 << 20 | 160 << 4);
        assert_eq!(map.vertices().last(), Some(&(360 << 20 | 480 << 4)));
    }

    fn sizes() -> impl Strategy<Value = Size> {
        (22u32..=512, 18u32..=384).prop_map(|(w, h)| Size {
            width: w * 8,
            height: h * 8,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn maps_survive_their_file_form(size in sizes(), seed in any::<u32>()) {
            let map = VertexMap::from_fn(size, |x, y| {
                [x * f64::from(seed % 7), y + f64::from(seed % 1000)]
            });
            let bytes = map.to_bytes();
            prop_assert_eq!(bytes.len(), VertexMap::bytes_for(size));
            prop_assert_eq!(VertexMap::from_bytes(size, &bytes).unwrap(), map);
        }

        #[test]
        fn identity_grows_along_lines_and_columns(size in sizes()) {
            let (columns, rows) = VertexMap::dimensions(size);
            let map = VertexMap::identity(size, size);
            for row in map.vertices().chunks(columns) {
                prop_assert!(row.windows(2).all(|pair| pair[0] & 0xffff < pair[1] & 0xffff));
            }
            for column in 0..columns {
                let ys: Vec<u32> = (0..rows).map(|row| map.vertices()[row * columns + column] >> 16).collect();
                prop_assert!(ys.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }
    }
}
