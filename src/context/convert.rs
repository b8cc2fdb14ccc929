// SPDX-License-Identifier: GPL-2.0

//! Conversions between the types of `media` and those of `dewarp`, which do not depend on each
//! other.

use crate::{
    dewarp::{
        crop,
        format,
        frame,
        image::Image, //
    },
    media::{
        buffer::Buffer,
        format::{
            Colorimetry,
            Direction,
            PixelFormat,
            Plane,
            Rect, //
        }, //
    }, //
};
use kernel::prelude::*;

pub(super) fn direction_of(direction: Direction) -> format::Direction {
    match direction {
        Direction::Output => format::Direction::Output,
        Direction::Capture => format::Direction::Capture,
    }
}

pub(super) fn rect(from: crop::Rect) -> Rect {
    Rect {
        left: from.left,
        top: from.top,
        width: from.width,
        height: from.height,
    }
}

pub(super) fn pixel_format(image: &Image, colorimetry: Colorimetry) -> PixelFormat {
    let mut planes = [Plane::default(); 2];
    let mut count = 0;
    for (to, from) in planes.iter_mut().zip(image.planes()) {
        *to = Plane {
            bytes_per_line: from.bytes_per_line,
            size_image: from.size_image,
        };
        count += 1;
    }
    PixelFormat::new(
        image.format().fourcc,
        image.size().width(),
        image.size().height(),
        colorimetry,
        planes.get(..count).unwrap_or(&[]),
    )
}

/// Returns an image with the addresses of a buffer's planes.
pub(super) fn place(image: Image, buffer: &Buffer) -> Result<frame::Buffer> {
    let second = match image.format().memory_planes {
        2 => buffer.dma_address(1)?,
        _ => 0,
    };
    Ok(frame::Buffer {
        image,
        addresses: [buffer.dma_address(0)?, second],
    })
}
