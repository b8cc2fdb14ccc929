// SPDX-License-Identifier: GPL-2.0

//! Formats and rectangles in V4L2's terms.

use v4l2r::bindings::{self, v4l2_format, v4l2_pix_format_mplane, v4l2_rect};

use super::device::Way;

/// The colours of a frame: numbers of `enum v4l2_colorspace` and its companions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Colours {
    /// `V4L2_COLORSPACE_…`
    pub colorspace: u32,
    /// `V4L2_XFER_FUNC_…`
    pub transfer: u8,
    /// `V4L2_YCBCR_ENC_…`
    pub encoding: u8,
    /// `V4L2_QUANTIZATION_…`
    pub quantization: u8,
}

/// A memory plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Plane {
    /// Bytes from one line's start to the next one's.
    pub bytesperline: u32,
    /// Bytes of the plane.
    pub sizeimage: u32,
}

/// The format of a queue.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Format {
    /// `V4L2_PIX_FMT_…`
    pub fourcc: [u8; 4],
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// `V4L2_FIELD_…`
    pub field: u32,
    /// Memory planes.
    pub planes: Vec<Plane>,
    /// Colours.
    pub colours: Colours,
}

impl Format {
    /// Creates a format of which the driver chooses all other fields.
    pub fn new(fourcc: &[u8; 4], width: u32, height: u32) -> Self {
        Self {
            fourcc: *fourcc,
            width,
            height,
            ..Self::default()
        }
    }

    /// Returns the format with this distance between lines in each plane, bytes.
    pub fn with_stride(mut self, bytesperline: u32) -> Self {
        let plane = Plane {
            bytesperline,
            sizeimage: 0,
        };
        self.planes = vec![plane; 2];
        self
    }

    /// Returns the format with these colours.
    pub fn with_colours(self, colours: Colours) -> Self {
        Self { colours, ..self }
    }

    /// Returns the distance between lines of each plane, bytes.
    pub fn strides(&self) -> Vec<usize> {
        self.planes
            .iter()
            .map(|plane| plane.bytesperline as usize)
            .collect()
    }

    /// Returns the bytes of each plane.
    pub fn sizes(&self) -> Vec<usize> {
        self.planes
            .iter()
            .map(|plane| plane.sizeimage as usize)
            .collect()
    }

    /// Returns the structure that the ioctls take.
    pub fn to_raw(&self, way: Way) -> v4l2_format {
        let mut pix_mp = v4l2_pix_format_mplane {
            width: self.width,
            height: self.height,
            pixelformat: u32::from_le_bytes(self.fourcc),
            field: self.field,
            colorspace: self.colours.colorspace,
            xfer_func: self.colours.transfer,
            quantization: self.colours.quantization,
            __bindgen_anon_1: bindings::v4l2_pix_format_mplane__bindgen_ty_1 {
                ycbcr_enc: self.colours.encoding,
            },
            // It is at most eight: a test that requests more planes passes eight.
            num_planes: self.planes.len().min(8) as u8,
            ..Default::default()
        };
        for (to, from) in pix_mp.plane_fmt.iter_mut().zip(&self.planes) {
            to.bytesperline = from.bytesperline;
            to.sizeimage = from.sizeimage;
        }
        v4l2_format {
            type_: way.buffer_type(),
            fmt: bindings::v4l2_format__bindgen_ty_1 { pix_mp },
        }
    }

    /// Creates the format from the structure that an ioctl returned for a multi-planar queue.
    pub fn from_raw(raw: &v4l2_format) -> Self {
        // SAFETY: The fields are plain numbers, all of which the caller or the kernel
        // initialised.
        let pix = unsafe { raw.fmt.pix_mp };
        // SAFETY: The fields are plain numbers, and both fields of the union are the same byte.
        let encoding = unsafe { pix.__bindgen_anon_1.ycbcr_enc };
        Self {
            fourcc: pix.pixelformat.to_le_bytes(),
            width: pix.width,
            height: pix.height,
            field: pix.field,
            planes: pix
                .plane_fmt
                .iter()
                .take(pix.num_planes.into())
                .map(|plane| Plane {
                    bytesperline: plane.bytesperline,
                    sizeimage: plane.sizeimage,
                })
                .collect(),
            colours: Colours {
                colorspace: pix.colorspace,
                transfer: pix.xfer_func,
                encoding,
                quantization: pix.quantization,
            },
        }
    }
}

/// A rectangle in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rect {
    /// First column.
    pub left: i32,
    /// First line.
    pub top: i32,
    /// Columns.
    pub width: u32,
    /// Lines.
    pub height: u32,
}

impl Rect {
    /// Creates a rectangle, with the fields in the order of `struct v4l2_rect`.
    pub fn new(left: i32, top: i32, width: u32, height: u32) -> Self {
        Self {
            left,
            top,
            width,
            height,
        }
    }
}

impl From<Rect> for v4l2_rect {
    fn from(rect: Rect) -> Self {
        Self {
            left: rect.left,
            top: rect.top,
            width: rect.width,
            height: rect.height,
        }
    }
}

impl From<v4l2_rect> for Rect {
    fn from(rect: v4l2_rect) -> Self {
        Self::new(rect.left, rect.top, rect.width, rect.height)
    }
}
