// SPDX-License-Identifier: GPL-2.0

//! Pixel formats, frame sizes and rectangles as V4L2 passes them. They are plain values that are
//! copied from and to the C structures, which are packed.

use super::bindings;

/// The two queues of a mem2mem device, seen from userspace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT` or its multi-planar type: frames to the device.
    Output,
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE` or its multi-planar type: frames from the device.
    Capture,
}

impl Direction {
    /// Returns the direction of a buffer type; [`None`] for a type that no video queue has.
    pub(super) fn of(buffer_type: u32) -> Option<Self> {
        match buffer_type {
            bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT
            | bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE => Some(Self::Output),
            bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE
            | bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE => Some(Self::Capture),
            _ => None,
        }
    }

    /// Returns the buffer type of this direction in one of the two APIs.
    pub(super) const fn buffer_type(self, api: Api) -> u32 {
        match (self, api) {
            (Self::Output, Api::SinglePlanar) => bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT,
            (Self::Output, Api::MultiPlanar) => {
                bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
            }
            (Self::Capture, Api::SinglePlanar) => {
                bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE
            }
            (Self::Capture, Api::MultiPlanar) => {
                bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE
            }
        }
    }
}

/// The API with which userspace describes formats and buffers. A device has one of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    /// One memory plane for each buffer (`V4L2_CAP_VIDEO_M2M`).
    SinglePlanar,
    /// One or more memory planes for each buffer (`V4L2_CAP_VIDEO_M2M_MPLANE`).
    MultiPlanar,
}

impl Api {
    /// Returns the API of a buffer type that [`Direction::of`] knows.
    fn of(buffer_type: u32) -> Self {
        match buffer_type {
            bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT
            | bindings::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE => Self::SinglePlanar,
            _ => Self::MultiPlanar,
        }
    }
}

/// One memory plane of a [`PixelFormat`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Plane {
    /// Bytes from the start of one line to the start of the next.
    pub(crate) bytes_per_line: u32,
    /// Bytes that a buffer needs for this plane.
    pub(crate) size_image: u32,
}

/// The colorimetry of a frame: how its sample values are to be interpreted. A device that does not
/// convert colours copies it from its OUTPUT to its CAPTURE queue.
#[derive(Clone, Copy)]
pub(crate) struct Colorimetry(bindings::helper_colorimetry);

impl Colorimetry {
    /// Returns the colorimetry of ITU-R BT.709, with limited range.
    pub(crate) fn rec709() -> Self {
        // CAST: The constants are small.
        Self(bindings::helper_colorimetry {
            colorspace: bindings::v4l2_colorspace_V4L2_COLORSPACE_REC709,
            ycbcr_enc: bindings::v4l2_ycbcr_encoding_V4L2_YCBCR_ENC_709 as u8,
            quantization: bindings::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE as u8,
            xfer_func: bindings::v4l2_xfer_func_V4L2_XFER_FUNC_709 as u8,
        })
    }

    /// Returns the colour space of ITU-R BT.709, with all else at "default": what that is depends
    /// on the pixel format.
    #[allow(dead_code, reason = "for drivers of RGB formats")]
    pub(crate) fn default_of_rec709() -> Self {
        Self(bindings::helper_colorimetry {
            colorspace: bindings::v4l2_colorspace_V4L2_COLORSPACE_REC709,
            ..Default::default()
        })
    }

    /// Returns the colorimetry, with BT.709 in the place of a default colour space.
    #[allow(dead_code, reason = "for drivers of RGB formats")]
    pub(crate) fn or_rec709(mut self) -> Self {
        if self.0.colorspace == bindings::v4l2_colorspace_V4L2_COLORSPACE_DEFAULT {
            self.0.colorspace = bindings::v4l2_colorspace_V4L2_COLORSPACE_REC709;
        }
        self
    }

    /// Returns the colorimetry without any field at "default". Such a field gets the value that
    /// V4L2 defines for the colour space, and a default colour space becomes BT.709. It is for
    /// Y'CbCr formats: the default quantization of an RGB format is another one.
    pub(crate) fn resolved(mut self) -> Self {
        // SAFETY: The structure is valid for reads and writes.
        unsafe { bindings::helper_v4l2_resolve_colorimetry(&mut self.0) };
        self
    }

    fn load(raw: &bindings::v4l2_pix_format_mplane) -> Self {
        Self(bindings::helper_colorimetry {
            colorspace: raw.colorspace,
            // SAFETY: Both members of the union are the same byte.
            ycbcr_enc: unsafe { raw.__bindgen_anon_1.ycbcr_enc },
            quantization: raw.quantization,
            xfer_func: raw.xfer_func,
        })
    }

    fn store(self, raw: &mut bindings::v4l2_pix_format_mplane) {
        raw.colorspace = self.0.colorspace;
        raw.__bindgen_anon_1.ycbcr_enc = self.0.ycbcr_enc;
        raw.quantization = self.0.quantization;
        raw.xfer_func = self.0.xfer_func;
    }

    /// As [`Self::load`], of the single-planar structure, whose fields are wider. A value that the
    /// multi-planar structure cannot have becomes "default".
    fn load_single(raw: &bindings::v4l2_pix_format) -> Self {
        let byte = |value: u32| u8::try_from(value).unwrap_or(0);
        Self(bindings::helper_colorimetry {
            colorspace: raw.colorspace,
            // SAFETY: Both members of the union are the same integer.
            ycbcr_enc: byte(unsafe { raw.__bindgen_anon_1.ycbcr_enc }),
            quantization: byte(raw.quantization),
            xfer_func: byte(raw.xfer_func),
        })
    }

    /// As [`Self::store`], to the single-planar structure.
    fn store_single(self, raw: &mut bindings::v4l2_pix_format) {
        raw.colorspace = self.0.colorspace;
        raw.__bindgen_anon_1.ycbcr_enc = self.0.ycbcr_enc.into();
        raw.quantization = self.0.quantization.into();
        raw.xfer_func = self.0.xfer_func.into();
    }
}

/// The most memory planes of a [`PixelFormat`]. V4L2 allows eight, but no format that is neither
/// compressed nor tiled uses more than three.
const MAX_PLANES: u8 = 3;

/// A format of one queue: [`struct v4l2_pix_format_mplane`] or `struct v4l2_pix_format`, which has
/// one memory plane.
///
/// [`struct v4l2_pix_format_mplane`]: srctree/include/uapi/linux/videodev2.h
#[derive(Clone, Copy)]
pub(crate) struct PixelFormat {
    /// The pixel format's FourCC.
    pub(crate) fourcc: u32,
    /// The width, pixels.
    pub(crate) width: u32,
    /// The height, pixels (lines).
    pub(crate) height: u32,
    /// The colorimetry of the frames.
    pub(crate) colorimetry: Colorimetry,
    /// The memory planes. Those beyond `num_planes` are zero, except in a format that userspace
    /// asks for.
    planes: [Plane; MAX_PLANES as usize],
    num_planes: u8,
}

impl PixelFormat {
    /// Creates a progressive format with at most [`MAX_PLANES`] memory planes; further ones are
    /// ignored.
    pub(crate) fn new(
        fourcc: u32,
        width: u32,
        height: u32,
        colorimetry: Colorimetry,
        planes: &[Plane],
    ) -> Self {
        let mut this = Self {
            fourcc,
            width,
            height,
            colorimetry,
            planes: [Plane::default(); MAX_PLANES as usize],
            num_planes: 0,
        };
        for (to, from) in this.planes.iter_mut().zip(planes) {
            *to = *from;
            this.num_planes += 1;
        }
        this
    }

    /// Returns the memory planes.
    pub(crate) fn planes(&self) -> &[Plane] {
        self.planes
            .get(..usize::from(self.num_planes))
            .unwrap_or(&[])
    }

    /// Returns the bytes that a buffer needs for each memory plane, and the number of planes.
    pub(super) fn plane_sizes(&self) -> ([u32; MAX_PLANES as usize], u32) {
        let sizes = self.planes.map(|plane| plane.size_image);
        (sizes, self.num_planes.min(MAX_PLANES).into())
    }

    /// Copies the values out of the C structure of an ioctl, for a type of a video queue.
    // Not inlined, to have the code once for three ioctls. The fields are read through the outer
    // structure, which is aligned: the inner one is packed, and would be read byte by byte.
    #[inline(never)]
    pub(super) fn load(raw: &bindings::v4l2_format) -> Self {
        if Api::of(raw.type_) == Api::SinglePlanar {
            // SAFETY: All members of the union are plain numbers, and the V4L2 core initialised all
            // of its bytes. By the type this is the one that userspace wrote.
            let pix = unsafe { &raw.fmt.pix };
            let plane = Plane {
                bytes_per_line: pix.bytesperline,
                size_image: pix.sizeimage,
            };
            let colorimetry = Colorimetry::load_single(pix);
            return Self::new(
                pix.pixelformat,
                pix.width,
                pix.height,
                colorimetry,
                &[plane],
            );
        }
        // SAFETY: As above.
        unsafe {
            let mut planes = [Plane::default(); MAX_PLANES as usize];
            for (index, plane) in planes.iter_mut().enumerate() {
                plane.bytes_per_line = raw.fmt.pix_mp.plane_fmt[index].bytesperline;
                plane.size_image = raw.fmt.pix_mp.plane_fmt[index].sizeimage;
            }
            Self {
                fourcc: raw.fmt.pix_mp.pixelformat,
                width: raw.fmt.pix_mp.width,
                height: raw.fmt.pix_mp.height,
                colorimetry: Colorimetry::load(&raw.fmt.pix_mp),
                planes,
                num_planes: raw.fmt.pix_mp.num_planes.min(MAX_PLANES),
            }
        }
    }

    /// Writes the C structure of `raw`'s type, and zeroes every field that is not part of this
    /// format.
    // Not inlined, and written through the outer structure, for the same reasons as in `load`.
    #[inline(never)]
    pub(super) fn store(&self, raw: &mut bindings::v4l2_format) {
        if Api::of(raw.type_) == Api::SinglePlanar {
            let plane = self.planes().first().copied().unwrap_or_default();
            let mut pix = bindings::v4l2_pix_format {
                width: self.width,
                height: self.height,
                pixelformat: self.fourcc,
                field: bindings::v4l2_field_V4L2_FIELD_NONE,
                bytesperline: plane.bytes_per_line,
                sizeimage: plane.size_image,
                ..Default::default()
            };
            self.colorimetry.store_single(&mut pix);
            raw.fmt.pix = pix;
            return;
        }
        raw.fmt.pix_mp = bindings::v4l2_pix_format_mplane::default();
        // SAFETY: The member of the union was written above.
        unsafe {
            raw.fmt.pix_mp.width = self.width;
            raw.fmt.pix_mp.height = self.height;
            raw.fmt.pix_mp.pixelformat = self.fourcc;
            raw.fmt.pix_mp.field = bindings::v4l2_field_V4L2_FIELD_NONE;
            raw.fmt.pix_mp.num_planes = self.num_planes;
            for (index, plane) in self.planes.iter().enumerate() {
                raw.fmt.pix_mp.plane_fmt[index].bytesperline = plane.bytes_per_line;
                raw.fmt.pix_mp.plane_fmt[index].sizeimage = plane.size_image;
            }
            self.colorimetry.store(&mut raw.fmt.pix_mp);
        }
    }
}

/// The frame sizes of a format: every multiple of the step between the bounds, in pixels.
#[derive(Clone, Copy)]
pub(crate) struct FrameSizes {
    /// Smallest width and height.
    pub(crate) min: (u32, u32),
    /// Largest width and height.
    pub(crate) max: (u32, u32),
    /// Step of width and height.
    pub(crate) step: (u32, u32),
}

/// A rectangle in pixels: [`struct v4l2_rect`].
///
/// [`struct v4l2_rect`]: srctree/include/uapi/linux/v4l2-common.h
#[derive(Clone, Copy)]
pub(crate) struct Rect {
    /// First column.
    pub(crate) left: i32,
    /// First line.
    pub(crate) top: i32,
    /// Columns.
    pub(crate) width: u32,
    /// Lines.
    pub(crate) height: u32,
}

impl Rect {
    pub(super) fn from_raw(raw: &bindings::v4l2_rect) -> Self {
        Self {
            left: raw.left,
            top: raw.top,
            width: raw.width,
            height: raw.height,
        }
    }

    pub(super) fn to_raw(self) -> bindings::v4l2_rect {
        bindings::v4l2_rect {
            left: self.left,
            top: self.top,
            width: self.width,
            height: self.height,
        }
    }
}
