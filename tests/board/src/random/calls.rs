// SPDX-License-Identifier: GPL-2.0

//! The ioctls that random arguments are sent to, the meaning of the fields of their arguments, and
//! the values that such fields may have.

use std::mem::offset_of;

use self::Field::{
    Bytes, Control, ControlCount, Controls, Count, Entity, Event, Fourcc, Index, Length, Link,
    Memory, Offset, Planes, PlanesAt, Pointer, RequestFd, Rounding, Sent, Side, Stride, Target,
    Type, Which,
};
use crate::v4l2::bindings::{
    V4L2_BUF_FLAG_REQUEST_FD, v4l2_buffer, v4l2_capability, v4l2_control, v4l2_create_buffers,
    v4l2_crop, v4l2_cropcap, v4l2_decoder_cmd, v4l2_encoder_cmd, v4l2_event,
    v4l2_event_subscription, v4l2_exportbuffer, v4l2_ext_controls, v4l2_fmtdesc, v4l2_format,
    v4l2_frmivalenum, v4l2_frmsizeenum, v4l2_input, v4l2_pix_format_mplane, v4l2_plane_pix_format,
    v4l2_query_ext_ctrl, v4l2_queryctrl, v4l2_querymenu, v4l2_rect, v4l2_remove_buffers,
    v4l2_requestbuffers, v4l2_selection, v4l2_streamparm,
};
use crate::v4l2::media::{DeviceInfo, Topology};
use crate::v4l2::{HFLIP, MAP, PREFETCH_MODE, PREFETCH_THRESHOLD, VFLIP};

/// The meaning of a field of an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// `V4L2_BUF_TYPE_…`
    Type,
    /// `V4L2_MEMORY_…`
    Memory,
    /// A small number.
    Index,
    /// A number of buffers.
    Count,
    /// The number of planes of a format.
    Planes,
    /// The number of planes, or of other elements, behind a pointer.
    Length,
    /// `sizeimage`.
    Bytes,
    /// `bytesperline`.
    Stride,
    /// Width or height.
    Side,
    /// An offset or coordinate that is 0 in most cases.
    Offset,
    /// `V4L2_PIX_FMT_…`
    Fourcc,
    /// `V4L2_CID_…`
    Control,
    /// `V4L2_CTRL_WHICH_…`
    Which,
    /// A number of controls.
    ControlCount,
    /// `V4L2_EVENT_…`
    Event,
    /// `V4L2_SEL_TGT_…`
    Target,
    /// `V4L2_SEL_FLAG_…`, or some other bits.
    Rounding,
    /// `V4L2_BUF_FLAG_…`
    Sent,
    /// A request's file.
    RequestFd,
    /// An entity of the media device.
    Entity,
    /// Both ends of a link, and its flags.
    Link,
    /// A pointer to planes.
    PlanesAt,
    /// A pointer to controls.
    Controls,
    /// A pointer to memory for an answer.
    Pointer,
}

impl Field {
    /// Returns values that let an ioctl succeed, and values that are wrong.
    pub(crate) fn values(self) -> (&'static [u32], &'static [u32]) {
        const NM12: u32 = u32::from_le_bytes(*b"NM12");
        const NV12: u32 = u32::from_le_bytes(*b"NV12");
        const NV16: u32 = u32::from_le_bytes(*b"NV16");
        const YUYV: u32 = u32::from_le_bytes(*b"YUYV");
        const MPEG: u32 = u32::from_le_bytes(*b"MPEG");
        /// Flags in an identifier that ask for the next control.
        const NEXT: u32 = 0xc000_0000;
        match self {
            Self::Type => (&[9, 10], &[1, 2, 0, 3, 8, 11, 13, 14, 99]),
            // DMABUF is left out: after a QBUF that fails, vb2 counts imported buffers wrongly, and
            // reports that on a debug kernel.
            Self::Memory => (&[1], &[0, 2, 3, 99]),
            Self::Index => (&[0, 0, 1, 2], &[3, 31, 32, 255]),
            Self::Count => (&[0, 1, 2, 3], &[4, 32]),
            Self::Length => (&[8, 8, 8, 2], &[0, 9]),
            Self::Planes => (&[1, 1, 2], &[0, 8, 9]),
            Self::Bytes => (&[0x8_0000], &[0x1000, 38016, 460_800]),
            Self::Stride => (&[0, 0, 0, 704], &[1, 4095, 0xfff8, 0x1_0000]),
            Self::Side => (&[176, 144, 320, 640], &[8, 1920, 1080]),
            Self::Offset => (&[0, 0, 16], &[479]),
            Self::Fourcc => (&[NV12, NM12, NV16, YUYV], &[MPEG]),
            Self::Control => (
                &[
                    MAP,
                    MAP,
                    PREFETCH_MODE,
                    PREFETCH_MODE,
                    PREFETCH_THRESHOLD,
                    HFLIP,
                    VFLIP,
                    NEXT,
                ],
                &[MAP - 1, PREFETCH_THRESHOLD + 1, NEXT | MAP, 0x0098_0001],
            ),
            Self::Which => (
                &[0, 0, 0x0098_0000, 0x0f01_0000, 0x0f00_0000],
                &[0x0f02_0000, 0x0f03_0000, 0x0f04_0000, 0x0099_0000],
            ),
            Self::ControlCount => (&[1, 1, 2, 0], &[3, 4, 5, 1024, 1025]),
            Self::Event => (&[3], &[0, 1, 4, 5, 6]),
            Self::Target => (&[0], &[1, 2, 3, 0x100, 0x101, 0x103]),
            Self::Rounding => (&[0, 1, 2, 3], &[4, 0x8_0000]),
            Self::Sent => (&[0], &[0x7fff, !V4L2_BUF_FLAG_REQUEST_FD]),
            Self::Entity => (&[1, 0x8000_0000, 0x8000_0001], &[0, 0x8000_00ff]),
            Self::RequestFd | Self::Link | Self::PlanesAt | Self::Controls | Self::Pointer => {
                (&[], &[0])
            }
        }
    }
}

/// The kind of file that an ioctl is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Video,
    Media,
    Request,
}

/// How often an ioctl has to succeed, so that the test means something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It succeeds with almost any likely argument.
    Often,
    /// It succeeds when the state is right.
    Sometimes,
    /// It succeeds with the prefetch controls, which the C driver does not have.
    WithNumbers,
    /// It never succeeds: the driver does not have it. (The old ioctls for cropping use the compose
    /// rectangle.)
    Unknown,
}

/// An ioctl.
pub(crate) struct Call {
    pub name: &'static str,
    pub file: File,
    /// The number of the ioctl.
    pub request: u64,
    /// How often it is sent, relative to the others.
    pub weight: usize,
    pub due: Due,
    /// The places of fields in its argument that the kernel reads.
    pub fields: &'static [(usize, Field)],
}

const NONE: u64 = 0;
const WRITE: u64 = 1;
const READ: u64 = 2;
const BOTH: u64 = READ | WRITE;

type Fields = &'static [(usize, Field)];

/// Computes the number as `_IOC()` does.
const fn code(magic: u8, direction: u64, number: u64, size: usize) -> u64 {
    // CAST: It is less than 2^14.
    direction << 30 | (size as u64) << 16 | (magic as u64) << 8 | number
}

const fn video<A>(name: &'static str, direction: u64, number: u64, fields: Fields) -> Call {
    Call {
        name,
        file: File::Video,
        request: code(b'V', direction, number, size_of::<A>()),
        weight: 3,
        due: Due::Often,
        fields,
    }
}

const fn media(name: &'static str, direction: u64, number: u64, size: usize, f: Fields) -> Call {
    Call {
        name,
        file: File::Media,
        request: code(b'|', direction, number, size),
        weight: 3,
        due: Due::Often,
        fields: f,
    }
}

const fn request(name: &'static str, number: u64) -> Call {
    Call {
        name,
        file: File::Request,
        request: code(b'|', NONE, number, 0),
        weight: 6,
        due: Due::Sometimes,
        fields: &[],
    }
}

impl Call {
    const fn weighing(self, weight: usize) -> Self {
        Self { weight, ..self }
    }

    const fn due(self, due: Due) -> Self {
        Self { due, ..self }
    }
}

/// The offset of a field of a multi-planar format in `v4l2_format`.
macro_rules! pix {
    ($field:ident) => {
        offset_of!(v4l2_format, fmt) + offset_of!(v4l2_pix_format_mplane, $field)
    };
}

const STRIDE: usize = pix!(plane_fmt) + offset_of!(v4l2_plane_pix_format, bytesperline);

const FORMAT: Fields = &[
    (offset_of!(v4l2_format, type_), Type),
    (pix!(width), Side),
    (pix!(height), Side),
    (pix!(pixelformat), Fourcc),
    (STRIDE, Stride),
    (pix!(num_planes), Planes),
];

/// The offset of the format in the argument of `VIDIOC_CREATE_BUFS`.
const CREATED: usize = offset_of!(v4l2_create_buffers, format);
const SIZES: usize = CREATED + pix!(plane_fmt) + offset_of!(v4l2_plane_pix_format, sizeimage);

const CREATE: Fields = &[
    (offset_of!(v4l2_create_buffers, count), Count),
    (offset_of!(v4l2_create_buffers, memory), Memory),
    (CREATED + offset_of!(v4l2_format, type_), Type),
    (CREATED + pix!(num_planes), Planes),
    (SIZES, Bytes),
    (SIZES + size_of::<v4l2_plane_pix_format>(), Bytes),
];

const BUFFER: Fields = &[
    (offset_of!(v4l2_buffer, index), Index),
    (offset_of!(v4l2_buffer, type_), Type),
    (offset_of!(v4l2_buffer, flags), Sent),
    (offset_of!(v4l2_buffer, memory), Memory),
    (offset_of!(v4l2_buffer, m), PlanesAt),
    (offset_of!(v4l2_buffer, length), Length),
    (offset_of!(v4l2_buffer, __bindgen_anon_1), RequestFd),
];

const EXT_CONTROLS: Fields = &[
    (offset_of!(v4l2_ext_controls, __bindgen_anon_1), Which),
    (offset_of!(v4l2_ext_controls, count), ControlCount),
    (offset_of!(v4l2_ext_controls, request_fd), RequestFd),
    (offset_of!(v4l2_ext_controls, controls), Controls),
];

const SUBSCRIPTION: Fields = &[
    (offset_of!(v4l2_event_subscription, type_), Event),
    (offset_of!(v4l2_event_subscription, id), Control),
    (offset_of!(v4l2_event_subscription, flags), Rounding),
];

/// The offset of a side of a rectangle in the argument of `VIDIOC_S_SELECTION`.
macro_rules! rect {
    ($field:ident) => {
        offset_of!(v4l2_selection, r) + offset_of!(v4l2_rect, $field)
    };
}

const SELECTION: Fields = &[
    (offset_of!(v4l2_selection, type_), Type),
    (offset_of!(v4l2_selection, target), Target),
    (offset_of!(v4l2_selection, flags), Rounding),
    (rect!(left), Offset),
    (rect!(top), Offset),
    (rect!(width), Side),
    (rect!(height), Side),
];

const FIRST: Fields = &[(0, Index)];
const TYPE: Fields = &[(0, Type)];
const CONTROL: Fields = &[(0, Control)];

/// Counts and pointers of `struct media_v2_topology`.
const TOPOLOGY: Fields = &[
    (8, Length),
    (16, Pointer),
    (24, Length),
    (32, Pointer),
    (40, Length),
    (48, Pointer),
    (56, Length),
    (64, Pointer),
];

/// All ioctls, except `VIDIOC_S_PRIORITY`, with which one file would lock the others out, and
/// `VIDIOC_LOG_STATUS`, which prints.
pub(crate) const CALLS: &[Call] = &[
    video::<v4l2_capability>("QUERYCAP", READ, 0, &[]),
    video::<v4l2_fmtdesc>("ENUM_FMT", BOTH, 2, &[(0, Index), (4, Type)]),
    video::<v4l2_format>("G_FMT", BOTH, 4, FORMAT),
    video::<v4l2_format>("S_FMT", BOTH, 5, FORMAT).due(Due::Sometimes),
    video::<v4l2_requestbuffers>(
        "REQBUFS",
        BOTH,
        8,
        &[(0, Count), (4, Type), (8, Memory), (16, Offset)],
    ),
    video::<v4l2_buffer>("QUERYBUF", BOTH, 9, BUFFER).due(Due::Sometimes),
    video::<v4l2_buffer>("QBUF", BOTH, 15, BUFFER)
        .weighing(16)
        .due(Due::Sometimes),
    video::<v4l2_exportbuffer>(
        "EXPBUF",
        BOTH,
        16,
        &[(0, Type), (4, Index), (8, Index), (12, Rounding)],
    )
    .due(Due::Sometimes),
    video::<v4l2_buffer>("DQBUF", BOTH, 17, BUFFER)
        .weighing(8)
        .due(Due::Sometimes),
    video::<u32>("STREAMON", WRITE, 18, TYPE).weighing(6),
    video::<u32>("STREAMOFF", WRITE, 19, TYPE),
    video::<v4l2_streamparm>("G_PARM", BOTH, 21, TYPE).due(Due::Unknown),
    video::<v4l2_input>("ENUMINPUT", BOTH, 26, FIRST).due(Due::Unknown),
    video::<v4l2_control>("G_CTRL", BOTH, 27, CONTROL).due(Due::WithNumbers),
    video::<v4l2_control>("S_CTRL", BOTH, 28, &[(0, Control), (4, Index)]).due(Due::WithNumbers),
    video::<v4l2_queryctrl>("QUERYCTRL", BOTH, 36, CONTROL),
    video::<v4l2_querymenu>("QUERYMENU", BOTH, 37, &[(0, Control), (4, Index)])
        .due(Due::WithNumbers),
    video::<v4l2_cropcap>("CROPCAP", BOTH, 58, TYPE).due(Due::Unknown),
    video::<v4l2_crop>("G_CROP", BOTH, 59, TYPE).due(Due::Unknown),
    video::<v4l2_crop>(
        "S_CROP",
        WRITE,
        60,
        &[(0, Type), (4, Offset), (8, Offset), (12, Side), (16, Side)],
    )
    .due(Due::Unknown),
    video::<v4l2_format>("TRY_FMT", BOTH, 64, FORMAT),
    video::<u32>("G_PRIORITY", READ, 67, &[]),
    video::<v4l2_ext_controls>("G_EXT_CTRLS", BOTH, 71, EXT_CONTROLS),
    video::<v4l2_ext_controls>("S_EXT_CTRLS", BOTH, 72, EXT_CONTROLS).weighing(5),
    video::<v4l2_ext_controls>("TRY_EXT_CTRLS", BOTH, 73, EXT_CONTROLS),
    video::<v4l2_frmsizeenum>("ENUM_FRAMESIZES", BOTH, 74, &[(0, Index), (4, Fourcc)]),
    video::<v4l2_frmivalenum>("ENUM_FRAMEINTERVALS", BOTH, 75, &[(4, Fourcc)]).due(Due::Unknown),
    video::<v4l2_encoder_cmd>("ENCODER_CMD", BOTH, 77, FIRST).due(Due::Unknown),
    video::<v4l2_event>("DQEVENT", READ, 89, &[]).due(Due::Sometimes),
    video::<v4l2_event_subscription>("SUBSCRIBE_EVENT", WRITE, 90, SUBSCRIPTION),
    video::<v4l2_event_subscription>("UNSUBSCRIBE_EVENT", WRITE, 91, SUBSCRIPTION),
    video::<v4l2_create_buffers>("CREATE_BUFS", BOTH, 92, CREATE).due(Due::Sometimes),
    video::<v4l2_buffer>("PREPARE_BUF", BOTH, 93, BUFFER).due(Due::Sometimes),
    video::<v4l2_selection>("G_SELECTION", BOTH, 94, SELECTION).due(Due::Sometimes),
    video::<v4l2_selection>("S_SELECTION", BOTH, 95, SELECTION).due(Due::Sometimes),
    video::<v4l2_decoder_cmd>("DECODER_CMD", BOTH, 96, FIRST).due(Due::Unknown),
    video::<v4l2_query_ext_ctrl>("QUERY_EXT_CTRL", BOTH, 103, CONTROL),
    video::<v4l2_remove_buffers>(
        "REMOVE_BUFS",
        BOTH,
        104,
        &[(0, Index), (4, Count), (8, Type)],
    )
    .due(Due::Sometimes),
    media("DEVICE_INFO", BOTH, 0, size_of::<DeviceInfo>(), &[]),
    // `struct media_entity_desc` and `struct media_links_enum`.
    media("ENUM_ENTITIES", BOTH, 1, 256, &[(0, Entity)]),
    media(
        "ENUM_LINKS",
        BOTH,
        2,
        40,
        &[(0, Entity), (8, Pointer), (16, Pointer)],
    ),
    media("SETUP_LINK", BOTH, 3, 52, &[(0, Link)]).due(Due::Sometimes),
    media("G_TOPOLOGY", BOTH, 4, size_of::<Topology>(), TOPOLOGY),
    media("REQUEST_ALLOC", READ, 5, 4, &[]).weighing(2),
    request("REQUEST_QUEUE", 0x80),
    request("REQUEST_REINIT", 0x81).weighing(3),
];
