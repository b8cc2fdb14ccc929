// SPDX-License-Identifier: GPL-2.0
//! The golden reference: the engine's dewarp on plain raw frames, without registers.
//!
//! A raw frame consists of its planes one after the other; rows have no padding.

use std::fmt;
use std::str::FromStr;

use crate::dewarp::dewarp;
use crate::memory::BusError;
use crate::memory::Ram;
use crate::program::Layout;
use crate::program::MapTable;
use crate::program::Plane;
use crate::program::Program;
use crate::program::Surface;
use crate::world::Worlds;

/// Pixel formats that the engine reads and writes, named as V4L2 names them. The
/// two-buffer variants (`nv12m`, ...) hold the same bytes and share a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the format")]
pub enum PixelFormat {
    Nv12,
    Nv21,
    Nv16,
    Nv61,
    Yuyv,
    Uyvy,
}

impl PixelFormat {
    /// All formats.
    pub const ALL: [Self; 6] = [
        Self::Nv12,
        Self::Nv21,
        Self::Nv16,
        Self::Nv61,
        Self::Yuyv,
        Self::Uyvy,
    ];

    /// Returns the engine's layout of this format.
    pub fn layout(self) -> Layout {
        match self {
            Self::Nv12 | Self::Nv21 => Layout::Yuv420SemiPlanar,
            Self::Nv16 | Self::Nv61 => Layout::Yuv422SemiPlanar,
            Self::Yuyv | Self::Uyvy => Layout::Yuv422Packed,
        }
    }

    /// Returns the luma and chroma swap bits that turn the engine's byte order into this
    /// format's.
    fn swaps(self) -> (u8, u8) {
        match self {
            Self::Nv12 | Self::Nv16 | Self::Yuyv => (0, 0),
            Self::Nv21 | Self::Nv61 => (0, 1),
            Self::Uyvy => (1, 0),
        }
    }

    /// Returns the bytes of a frame of `width` x `height` pixels: luma (or packed) plane,
    /// chroma plane.
    pub fn plane_sizes(self, width: u32, height: u32) -> (usize, usize) {
        let layout = self.layout();
        (
            layout.luma_row(width) * height as usize,
            layout.chroma_row(width) * layout.chroma_rows(height) as usize,
        )
    }

    /// Returns the bytes of a whole frame of `width` x `height` pixels.
    pub fn frame_size(self, width: u32, height: u32) -> usize {
        let (luma, chroma) = self.plane_sizes(width, height);
        luma + chroma
    }
}

impl FromStr for PixelFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "nv12" | "nv12m" => Ok(Self::Nv12),
            "nv21" | "nv21m" => Ok(Self::Nv21),
            "nv16" | "nv16m" => Ok(Self::Nv16),
            "nv61" | "nv61m" => Ok(Self::Nv61),
            "yuyv" => Ok(Self::Yuyv),
            "uyvy" => Ok(Self::Uyvy),
            _ => Err(Error::Format(name.to_owned())),
        }
    }
}

/// A raw frame.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Pixel format.
    pub format: PixelFormat,
    /// Pixels, 2 to 8190, even.
    pub width: u32,
    /// Pixels, 1 to 8191.
    pub height: u32,
    /// The planes, one after the other, without padding.
    pub data: &'a [u8],
}

/// The shape of a raw frame.
#[derive(Clone, Copy, Debug)]
pub struct ImageSpec {
    /// Pixel format.
    pub format: PixelFormat,
    /// Pixels, 2 to 8190, even.
    pub width: u32,
    /// Pixels, 1 to 8191.
    pub height: u32,
}

/// A crop in the units of the engine's registers; see [`crate::grid`] for its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// SCALE_FACTOR, UQ1.7, valid from 32 to 128.
    pub scale: u32,
    /// ROI_START, destination pixels.
    pub roi: (u32, u32),
}

impl Crop {
    /// The whole source.
    pub const FULL: Self = Self {
        scale: 128,
        roi: (0, 0),
    };
}

/// The reasons why a frame cannot be dewarped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No format has this name.
    Format(String),
    /// A side does not fit in the engine's 13 bits, or the width is odd.
    Size(u32, u32),
    /// Bytes found in the source frame, and bytes due.
    Data(usize, usize),
    /// Vertices found in the map, and vertices due for the destination's size.
    Map(usize, usize),
    /// SCALE_FACTOR or ROI_START is outside the registers' range.
    Crop(Crop),
    /// The engine met a bus error. That cannot happen with checked sizes.
    Bus(BusError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(name) => write!(
                f,
                "unknown format {name:?}: use nv12, nv21, nv16, nv61, yuyv or uyvy"
            ),
            Self::Size(w, h) => write!(
                f,
                "{w}x{h} pixels: the width must be 2 to 8190 and even, the height 1 to 8191"
            ),
            Self::Data(found, due) => write!(f, "frame of {found} bytes where {due} are due"),
            Self::Map(found, due) => write!(f, "map of {found} vertices where {due} are due"),
            Self::Crop(crop) => write!(
                f,
                "scale {} with region start {:?}: the scale must be 32 to 128, the start 0 to 8191",
                crop.scale, crop.roi
            ),
            Self::Bus(error) => write!(f, "bus error at {:#x}", error.address),
        }
    }
}

impl std::error::Error for Error {}

/// Returns the vertices in a row and the rows of vertices of a map for a destination of
/// this size.
pub fn map_size(width: u32, height: u32) -> (u32, u32) {
    (width.div_ceil(16) + 1, height.div_ceil(16) + 1)
}

/// Creates the vertex map that shows each destination pixel the source pixel of the same
/// place.
///
/// UQ12.4 ends at 4095 15/16, so the last vertex of a side of 4096 pixels is 1/16 too
/// small.
pub fn identity_map(width: u32, height: u32) -> Vec<u32> {
    let (columns, rows) = map_size(width, height);
    let vertex = |i: u32, side: u32| ((16 * i).min(side) * 16).min(0xffff);
    (0..rows)
        .flat_map(|r| (0..columns).map(move |c| vertex(r, height) << 16 | vertex(c, width)))
        .collect()
}

/// Dewarps a frame as the engine of the default model does, byte for byte. `map` holds the
/// vertices of `dst`'s blocks ([`map_size`]), row by row. The boundary pixel is black.
///
/// # Errors
///
/// Returns [`Error`] if a size, the frame's length, the map's length or the crop is wrong.
pub fn dewarp_image(
    src: &Image<'_>,
    dst: &ImageSpec,
    map: &[u32],
    crop: Crop,
) -> Result<Vec<u8>, Error> {
    dewarp_image_in(Worlds::NONE, src, dst, map, crop)
}

/// Dewarps a frame as the engine of other `worlds` does, with calculation prefetch.
///
/// # Errors
///
/// Returns [`Error`] in the same cases as [`dewarp_image`].
pub fn dewarp_image_in(
    worlds: Worlds,
    src: &Image<'_>,
    dst: &ImageSpec,
    map: &[u32],
    crop: Crop,
) -> Result<Vec<u8>, Error> {
    for (width, height) in [(src.width, src.height), (dst.width, dst.height)] {
        if !(2..=8190).contains(&width) || width % 2 != 0 || !(1..=8191).contains(&height) {
            return Err(Error::Size(width, height));
        }
    }
    let (src_luma, src_chroma) = src.format.plane_sizes(src.width, src.height);
    if src.data.len() != src_luma + src_chroma {
        return Err(Error::Data(src.data.len(), src_luma + src_chroma));
    }
    let (columns, rows) = map_size(dst.width, dst.height);
    if map.len() != columns as usize * rows as usize {
        return Err(Error::Map(map.len(), columns as usize * rows as usize));
    }
    if !(32..=128).contains(&crop.scale) || crop.roi.0 > 8191 || crop.roi.1 > 8191 {
        return Err(Error::Crop(crop));
    }

    let mut layout = Allocator::default();
    let table = MapTable {
        base: layout.place(map.len() * 4),
        columns,
        rows,
    };
    let source = layout.surface(src.format, src.width, src.height);
    let destination = layout.surface(dst.format, dst.width, dst.height);
    let program = Program {
        source,
        destination,
        map: table,
        scale: crop.scale,
        roi: crop.roi,
        boundary: [0, 128, 128],
        traversal: false,
        worlds,
    };

    let mut ram = Ram::new(0, layout.end);
    let vertices: Vec<u8> = map.iter().flat_map(|v| v.to_le_bytes()).collect();
    let (luma, chroma) = src.data.split_at(src_luma);
    let mut store = |base, bytes: &[u8]| {
        ram.slice(base, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    };
    store(table.base, &vertices)
        .and_then(|()| store(source.luma.base, luma))
        .and_then(|()| store(source.chroma.base, chroma))
        .map_err(Error::Bus)?;

    dewarp(&program, &mut ram).map_err(Error::Bus)?;

    let (luma, chroma) = dst.format.plane_sizes(dst.width, dst.height);
    let mut out = Vec::with_capacity(luma + chroma);
    for (base, len) in [
        (destination.luma.base, luma),
        (destination.chroma.base, chroma),
    ] {
        out.extend_from_slice(ram.slice(base, len).map_err(Error::Bus)?);
    }
    Ok(out)
}

/// Allocates ranges of memory at 16-byte aligned addresses.
#[derive(Default)]
struct Allocator {
    end: usize,
}

impl Allocator {
    fn place(&mut self, len: usize) -> u64 {
        let base = self.end;
        self.end += len.next_multiple_of(16);
        base as u64
    }

    fn surface(&mut self, format: PixelFormat, width: u32, height: u32) -> Surface {
        let layout = format.layout();
        let (luma, chroma) = format.plane_sizes(width, height);
        let (luma_swap, chroma_swap) = format.swaps();
        let mut plane = |len: usize, swap| Plane {
            base: self.place(len),
            swap,
            bound: len as u64,
            wraps: false,
        };
        let (luma, chroma) = (plane(luma, luma_swap), plane(chroma, chroma_swap));
        Surface {
            layout,
            width,
            height,
            // Because the width is even, the rows of both planes have the same length.
            stride: layout.luma_row(width) as u32,
            luma,
            chroma,
        }
    }
}

#[cfg(test)]
mod edges;
#[cfg(test)]
mod tests;
