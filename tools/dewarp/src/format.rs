// SPDX-License-Identifier: GPL-2.0
//! Picture sizes and the pixel formats of the DW100: the layout of a frame in
//! memory, both tight (as in a file) and in the planes of a V4L2 buffer.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The smallest picture the engine takes.
pub const MIN: Size = Size {
    width: 176,
    height: 144,
};
/// The largest picture the engine takes.
pub const MAX: Size = Size {
    width: 4096,
    height: 3072,
};
/// The step between sizes, in pixels.
pub const STEP: u32 = 8;

/// The sizes, in words for the user.
pub const SIZES: &str = "\
Sizes are multiples of 8 from 176x144 to 4096x3072, as the device takes them.";

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a line.
    pub width: u32,
    /// Lines in a picture.
    pub height: u32,
}

impl Size {
    /// Returns the nearest size that the engine takes.
    pub fn nearest(self) -> Size {
        let fit = |value: u32, min: u32, max: u32| (value.clamp(min, max) + STEP / 2) / STEP * STEP;
        Size {
            width: fit(self.width, MIN.width, MAX.width),
            height: fit(self.height, MIN.height, MAX.height),
        }
    }

    /// Returns this size if the engine takes it.
    ///
    /// Returns an error that names the nearest size otherwise.
    pub fn check(self) -> Result<Size> {
        match self.nearest() {
            nearest if nearest == self => Ok(self),
            nearest => Err(self.refused(nearest)),
        }
    }

    /// Creates the error for a size that the device changed to `nearest`.
    pub fn refused(self, nearest: Size) -> Error {
        Error::bad_use(format!(
            "{self} is not a size the device takes; nearest is {nearest}"
        ))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parse = || {
            let (width, height) = text.split_once('x')?;
            Some(Size {
                width: width.parse().ok()?,
                height: height.parse().ok()?,
            })
        };
        match parse() {
            Some(size) if size.width > 0 && size.height > 0 => Ok(size),
            _ => Err(format!("{text} is not WIDTHxHEIGHT, such as 640x480")),
        }
    }
}

/// The layout of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A plane of luma, then a plane of chroma pairs for every second line.
    SemiPlanar420,
    /// A plane of luma, then a plane of chroma pairs for every line.
    SemiPlanar422,
    /// Luma and chroma samples alternate.
    Packed422,
}

/// A pixel format of the DW100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// The name, as on the command line.
    pub name: &'static str,
    /// The V4L2 code.
    pub fourcc: [u8; 4],
    /// The layout of the samples.
    pub layout: Layout,
    /// Whether Cr comes before Cb (and, when packed, chroma before luma).
    pub swapped: bool,
    /// Whether luma and chroma are in separate memory planes.
    pub split: bool,
}

const fn format(
    name: &'static str,
    fourcc: &[u8; 4],
    layout: Layout,
    swapped: bool,
    split: bool,
) -> Format {
    Format {
        name,
        fourcc: *fourcc,
        layout,
        swapped,
        split,
    }
}

/// The default format for sending 4:2:0.
pub const NV12: Format = format("nv12", b"NV12", Layout::SemiPlanar420, false, false);

/// The default format for sending 4:2:2.
pub const NV16: Format = format("nv16", b"NV16", Layout::SemiPlanar422, false, false);

/// Every format, in the order of the help text.
pub const FORMATS: [Format; 10] = [
    NV12,
    format("nv12m", b"NM12", Layout::SemiPlanar420, false, true),
    format("nv21", b"NV21", Layout::SemiPlanar420, true, false),
    format("nv21m", b"NM21", Layout::SemiPlanar420, true, true),
    NV16,
    format("nv16m", b"NM16", Layout::SemiPlanar422, false, true),
    format("nv61", b"NV61", Layout::SemiPlanar422, true, false),
    format("nv61m", b"NM61", Layout::SemiPlanar422, true, true),
    format("yuyv", b"YUYV", Layout::Packed422, false, false),
    format("uyvy", b"UYVY", Layout::Packed422, true, false),
];

impl Format {
    /// Returns the format of this V4L2 code.
    pub fn from_fourcc(fourcc: [u8; 4]) -> Option<Format> {
        FORMATS.into_iter().find(|format| format.fourcc == fourcc)
    }

    /// Returns the bytes of a line and the number of lines of each colour
    /// plane.
    pub fn planes(self, size: Size) -> Vec<(usize, usize)> {
        let (width, height) = (size.width as usize, size.height as usize);
        match self.layout {
            Layout::SemiPlanar420 => vec![(width, height), (width, height / 2)],
            Layout::SemiPlanar422 => vec![(width, height), (width, height)],
            Layout::Packed422 => vec![(2 * width, height)],
        }
    }

    /// Returns how many memory planes a buffer has.
    pub fn memory_planes(self) -> usize {
        if self.split { 2 } else { 1 }
    }

    /// Returns the bytes of a tight frame, which has no padding, and its planes
    /// one after the other.
    pub fn frame_bytes(self, size: Size) -> usize {
        self.planes(size)
            .iter()
            .map(|(bytes, lines)| bytes * lines)
            .sum()
    }

    /// Writes a tight frame into the planes of a buffer. `strides` has the
    /// bytes per line of each memory plane.
    pub fn spread(
        self,
        size: Size,
        frame: &[u8],
        planes: &mut [&mut [u8]],
        strides: &[usize],
    ) -> Result<()> {
        let lines = self.lines(size, strides);
        let lengths = planes.iter().map(|plane| plane.len()).collect();
        check_lines(&lines, frame.len(), lengths)?;
        for line in lines {
            planes[line.plane][line.offset..][..line.bytes]
                .copy_from_slice(&frame[line.tight..][..line.bytes]);
        }
        Ok(())
    }

    /// Reads a tight frame out of the planes of a buffer: the inverse of
    /// [`Format::spread`].
    pub fn gather(self, size: Size, planes: &[&[u8]], strides: &[usize]) -> Result<Vec<u8>> {
        let mut frame = vec![0; self.frame_bytes(size)];
        let lines = self.lines(size, strides);
        let lengths = planes.iter().map(|plane| plane.len()).collect();
        check_lines(&lines, frame.len(), lengths)?;
        for line in lines {
            frame[line.tight..][..line.bytes]
                .copy_from_slice(&planes[line.plane][line.offset..][..line.bytes]);
        }
        Ok(frame)
    }

    /// Returns every line of a frame: where it is in the tight frame and in a
    /// buffer.
    fn lines(self, size: Size, strides: &[usize]) -> Vec<Line> {
        let mut lines = Vec::new();
        let (mut tight, mut offset) = (0, 0);
        for (index, (bytes, count)) in self.planes(size).into_iter().enumerate() {
            let plane = if self.split { index } else { 0 };
            if self.split {
                offset = 0;
            }
            let stride = strides.get(plane).copied().unwrap_or(0).max(bytes);
            for _ in 0..count {
                lines.push(Line {
                    plane,
                    offset,
                    tight,
                    bytes,
                });
                tight += bytes;
                offset += stride;
            }
        }
        lines
    }
}

/// One line of one colour plane.
struct Line {
    plane: usize,
    offset: usize,
    tight: usize,
    bytes: usize,
}

/// Checks that every line lies inside the frame and the planes.
fn check_lines(lines: &[Line], frame: usize, planes: Vec<usize>) -> Result<()> {
    for line in lines {
        let room = planes.get(line.plane).copied().unwrap_or(0);
        if line.offset + line.bytes > room || line.tight + line.bytes > frame {
            return Err(Error::failed(format!(
                "a frame does not fit its buffer: a line of plane {} ends at byte {} of {room}",
                line.plane,
                line.offset + line.bytes,
            )));
        }
    }
    Ok(())
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        FORMATS
            .into_iter()
            .find(|format| format.name == text)
            .ok_or_else(|| {
                let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
                format!("{text} is none of {}", names.join(" "))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VGA: Size = Size {
        width: 640,
        height: 480,
    };

    #[test]
    fn nearest_size_is_the_closest_multiple_of_8_in_range() {
        let nearest = |width, height| Size { width, height }.nearest().to_string();
        assert_eq!(nearest(640, 481), "640x480");
        assert_eq!(nearest(645, 484), "648x488");
        assert_eq!(nearest(1, 1), "176x144");
        assert_eq!(nearest(9999, 9999), "4096x3072");
        assert_eq!(nearest(u32::MAX, 145), "4096x144");
    }

    #[test]
    fn a_size_off_the_grid_is_refused_with_the_nearest_one() {
        assert_eq!(VGA.check(), Ok(VGA));
        let error = Size {
            width: 640,
            height: 481,
        }
        .check()
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "640x481 is not a size the device takes; nearest is 640x480"
        );
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn frame_bytes_follow_the_subsampling() {
        let bytes = |name: &str| name.parse::<Format>().unwrap().frame_bytes(VGA);
        assert_eq!(bytes("nv12"), 460_800);
        assert_eq!(bytes("nv21m"), 460_800);
        assert_eq!(bytes("nv16"), 614_400);
        assert_eq!(bytes("uyvy"), 614_400);
    }

    #[test]
    fn a_frame_survives_padded_lines_in_every_format() {
        let size = Size {
            width: 176,
            height: 144,
        };
        for format in FORMATS {
            let frame: Vec<u8> = (0..format.frame_bytes(size))
                .map(|i| (i % 251) as u8)
                .collect();
            let planes = format.planes(size);
            let memory = format.memory_planes();
            let strides: Vec<usize> = planes
                .iter()
                .take(memory)
                .map(|plane| plane.0 + 48)
                .collect();
            let mut buffers: Vec<Vec<u8>> = if format.split {
                planes
                    .iter()
                    .zip(&strides)
                    .map(|(plane, stride)| vec![0xee; stride * plane.1])
                    .collect()
            } else {
                vec![vec![
                    0xee;
                    planes.iter().map(|plane| plane.1 * strides[0]).sum()
                ]]
            };
            let mut slices: Vec<&mut [u8]> = buffers.iter_mut().map(Vec::as_mut_slice).collect();
            format.spread(size, &frame, &mut slices, &strides).unwrap();
            // The padding is unchanged, which shows that the strides were used.
            assert_eq!(buffers[0][planes[0].0], 0xee, "{format}");
            let slices: Vec<&[u8]> = buffers.iter().map(Vec::as_slice).collect();
            assert_eq!(
                format.gather(size, &slices, &strides).unwrap(),
                frame,
                "{format}"
            );
        }
    }

    #[test]
    fn a_buffer_too_small_for_a_frame_is_an_error_and_not_a_panic() {
        let nv12: Format = "nv12".parse().unwrap();
        let mut small = vec![0; 1000];
        let frame = vec![0; nv12.frame_bytes(VGA)];
        assert!(nv12.spread(VGA, &frame, &mut [&mut small], &[640]).is_err());
        assert!(nv12.gather(VGA, &[&small], &[640]).is_err());
        assert!(nv12.gather(VGA, &[], &[]).is_err());
    }
}
