// SPDX-License-Identifier: GPL-2.0
//! Pictures as RGB, and RGB as frames of the formats that the DW100 takes. Picture files are in
//! [`crate::file`].
//!
//! Colours: PNG and JPEG files hold sRGB. A frame made from one uses the BT.601 matrix over the
//! full range of the bytes, as JPEG does, so that nothing is lost twice; [`crate::device`] tells
//! V4L2 the same. The engine copies samples and does not convert colours, so the result is read in
//! the same way. Raw frames are passed on as they are.

use yuv::{
    BufferStoreMut, YuvBiPlanarImage, YuvBiPlanarImageMut, YuvChromaSubsampling, YuvConversionMode,
    YuvError, YuvPackedImage, YuvPackedImageMut, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
};

use crate::error::{Error, Result};
use crate::format::{Format, Layout, Size};

const RANGE: YuvRange = YuvRange::Full;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;
const MODE: YuvConversionMode = YuvConversionMode::Balanced;

/// The largest number of pixels in a picture: five times the engine's largest, which leaves room
/// for those that `preview` and `compare` put side by side.
const MOST_PIXELS: u64 = 1 << 26;

/// Returns this size if a picture may have it. It is checked before memory is allocated.
pub fn bounded(size: Size) -> std::result::Result<Size, String> {
    match u64::from(size.width) * u64::from(size.height) {
        ..=MOST_PIXELS => Ok(size),
        pixels => Err(format!(
            "{size} are {pixels} pixels, more than the {MOST_PIXELS} that a picture may have"
        )),
    }
}

/// An RGB picture, 8 bits a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Its size.
    pub size: Size,
    /// R, G, B of each pixel, line by line.
    pub rgb: Vec<u8>,
}

impl Picture {
    /// Creates a picture of one colour.
    pub fn filled(size: Size, colour: [u8; 3]) -> Self {
        Picture {
            size,
            rgb: colour.repeat(size.width as usize * size.height as usize),
        }
    }

    /// Converts the picture into a tight frame.
    pub fn to_frame(&self, format: Format) -> Result<Vec<u8>> {
        let Size { width, height } = self.size;
        let mut frame = vec![0; format.frame_bytes(self.size)];
        let stride = width * 3;
        let made = if format.layout == Layout::Packed422 {
            let mut planar = YuvPlanarImageMut::alloc(width, height, YuvChromaSubsampling::Yuv422);
            let pack = if format.swapped {
                yuv::yuv422_to_uyvy422
            } else {
                yuv::yuv422_to_yuyv422
            };
            yuv::rgb_to_yuv422(&mut planar, &self.rgb, stride, RANGE, MATRIX, MODE).and_then(|()| {
                let mut packed = YuvPackedImageMut {
                    yuy: BufferStoreMut::Borrowed(&mut frame),
                    yuy_stride: 2 * width,
                    width,
                    height,
                };
                pack(&mut packed, &planar.to_fixed())
            })
        } else {
            let (luma, chroma) = frame.split_at_mut(width as usize * height as usize);
            let mut planes = YuvBiPlanarImageMut {
                y_plane: BufferStoreMut::Borrowed(luma),
                y_stride: width,
                uv_plane: BufferStoreMut::Borrowed(chroma),
                uv_stride: width,
                width,
                height,
            };
            let convert = match (format.layout, format.swapped) {
                (Layout::SemiPlanar420, false) => yuv::rgb_to_yuv_nv12,
                (Layout::SemiPlanar420, true) => yuv::rgb_to_yuv_nv21,
                (_, false) => yuv::rgb_to_yuv_nv16,
                (_, true) => yuv::rgb_to_yuv_nv61,
            };
            convert(&mut planes, &self.rgb, stride, RANGE, MATRIX, MODE)
        };
        made.map_err(conversion)?;
        Ok(frame)
    }

    /// Creates the picture of a tight frame.
    pub fn from_frame(format: Format, size: Size, frame: &[u8]) -> Result<Self> {
        let want = format.frame_bytes(size);
        if frame.len() != want {
            return Err(Error::bad_use(format!(
                "a {format} frame of {size} has {want} bytes, not {}",
                frame.len()
            )));
        }
        let Size { width, height } = size;
        let mut picture = Picture::filled(size, [0; 3]);
        let stride = width * 3;
        if format.layout == Layout::Packed422 {
            let packed = YuvPackedImage {
                yuy: frame,
                yuy_stride: 2 * width,
                width,
                height,
            };
            let convert = if format.swapped {
                yuv::uyvy422_to_rgb
            } else {
                yuv::yuyv422_to_rgb
            };
            convert(&packed, &mut picture.rgb, stride, RANGE, MATRIX)
        } else {
            let (luma, chroma) = frame.split_at(width as usize * height as usize);
            let planes = YuvBiPlanarImage {
                y_plane: luma,
                y_stride: width,
                uv_plane: chroma,
                uv_stride: width,
                width,
                height,
            };
            let convert = match (format.layout, format.swapped) {
                (Layout::SemiPlanar420, false) => yuv::yuv_nv12_to_rgb,
                (Layout::SemiPlanar420, true) => yuv::yuv_nv21_to_rgb,
                (_, false) => yuv::yuv_nv16_to_rgb,
                (_, true) => yuv::yuv_nv61_to_rgb,
            };
            convert(&planes, &mut picture.rgb, stride, RANGE, MATRIX, MODE)
        }
        .map_err(conversion)?;
        Ok(picture)
    }

    /// Puts two pictures next to each other, with a white gap between them and the tops aligned.
    ///
    /// Returns a bad-use error if that has more pixels than [`bounded`] allows.
    pub fn beside(&self, other: &Picture) -> Result<Picture> {
        const GAP: u32 = 8;
        let size = Size {
            width: self.size.width + GAP + other.size.width,
            height: self.size.height.max(other.size.height),
        };
        let size = bounded(size).map_err(|why| Error::bad_use(format!("side by side: {why}")))?;
        let mut both = Picture::filled(size, [255; 3]);
        both.paste(self, 0);
        both.paste(other, self.size.width + GAP);
        Ok(both)
    }

    /// Copies `other` in with its left edge at column `left`.
    fn paste(&mut self, other: &Picture, left: u32) {
        let (from, to) = (other.size.width as usize * 3, self.size.width as usize * 3);
        for (source, target) in other.rgb.chunks(from).zip(self.rgb.chunks_mut(to)) {
            target[left as usize * 3..][..from].copy_from_slice(source);
        }
    }
}

/// Creates the error for a colour conversion that failed. Sizes are checked before, so this is a
/// bug or a size that the formats cannot represent.
fn conversion(error: YuvError) -> Error {
    Error::failed(format!("cannot convert the colours: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::FORMATS;

    const SIZE: Size = Size {
        width: 176,
        height: 144,
    };

    impl Picture {
        /// Returns the largest difference of a sample from the other picture's.
        pub(crate) fn worst_difference(&self, other: &Picture) -> Option<u8> {
            let pairs = self.rgb.iter().zip(&other.rgb);
            pairs.map(|(a, b)| a.abs_diff(*b)).max()
        }
    }

    /// Creates smooth colours, so that subsampled chroma loses little.
    fn gradient() -> Picture {
        let mut picture = Picture::filled(SIZE, [0; 3]);
        for (i, pixel) in picture.rgb.chunks_mut(3).enumerate() {
            let (x, y) = (i % 176, i / 176);
            pixel.copy_from_slice(&[(x + 40) as u8, (y + 60) as u8, (200 - x / 2 - y / 4) as u8]);
        }
        picture
    }

    #[test]
    fn colours_survive_a_frame_of_every_format() {
        let picture = gradient();
        for format in FORMATS {
            let frame = picture.to_frame(format).unwrap();
            let back = Picture::from_frame(format, SIZE, &frame).unwrap();
            let worst = picture.worst_difference(&back);
            assert!(worst <= Some(4), "{format}: {worst:?}");
        }
    }

    #[test]
    fn frames_are_bt601_over_the_full_range() {
        let sample = |colour| {
            let frame = Picture::filled(SIZE, colour)
                .to_frame("nv12".parse().unwrap())
                .unwrap();
            let luma = SIZE.width as usize * SIZE.height as usize;
            [frame[0], frame[luma], frame[luma + 1]]
        };
        assert_eq!(sample([255, 255, 255]), [255, 128, 128]);
        assert_eq!(sample([0, 0, 0]), [0, 128, 128]);
        // Y = 0.299 R, Cb = 128 - 0.168736 R, Cr = 128 + 0.5 R (ITU-T T.871, JFIF).
        let [y, cb, cr] = sample([200, 0, 0]);
        assert!(
            y.abs_diff(60) <= 1 && cb.abs_diff(94) <= 1 && cr.abs_diff(228) <= 1,
            "{y} {cb} {cr}"
        );
    }

    #[test]
    fn the_swapped_formats_swap_what_their_names_say() {
        let red = Picture::filled(SIZE, [200, 0, 0]);
        let frame = |name: &str| red.to_frame(name.parse().unwrap()).unwrap();
        let luma = SIZE.width as usize * SIZE.height as usize;
        let (nv12, nv21) = (frame("nv12"), frame("nv21"));
        assert!(nv12[luma] < 128 && nv12[luma + 1] > 128);
        assert_eq!([nv21[luma], nv21[luma + 1]], [nv12[luma + 1], nv12[luma]]);
        let (yuyv, uyvy) = (frame("yuyv"), frame("uyvy"));
        assert!(yuyv[1] < 128 && yuyv[3] > 128);
        assert_eq!([uyvy[0], uyvy[1], uyvy[2]], [yuyv[1], yuyv[0], yuyv[3]]);
    }

    #[test]
    fn a_frame_of_the_wrong_length_is_refused() {
        let error = Picture::from_frame("nv16".parse().unwrap(), SIZE, &[0; 5]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a nv16 frame of 176x144 has 50688 bytes, not 5"
        );
    }

    #[test]
    fn beside_puts_the_second_picture_on_the_right() {
        let left = Picture::filled(
            Size {
                width: 4,
                height: 2,
            },
            [1, 2, 3],
        );
        let right = Picture::filled(
            Size {
                width: 3,
                height: 3,
            },
            [4, 5, 6],
        );
        let both = left.beside(&right).unwrap();
        assert_eq!(
            both.size,
            Size {
                width: 15,
                height: 3
            }
        );
        assert_eq!(both.rgb[..3], [1, 2, 3]);
        assert_eq!(both.rgb[12 * 3..][..3], [4, 5, 6]);
        assert_eq!(both.rgb[5 * 3..][..3], [255; 3]);
        let high = |width, height| Picture::filled(Size { width, height }, [0; 3]);
        let error = high(1, 1 << 20).beside(&high(100, 1)).unwrap_err();
        assert!(error.to_string().contains("109x1048576"), "{error}");
    }
}
