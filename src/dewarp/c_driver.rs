// SPDX-License-Identifier: GPL-2.0

//! The values that the C driver and the V4L2 core compute, by their own arithmetic, for comparison.
//! Tests only.

use super::{
    buffer::Buffer,
    format::Format,
    frame::Program,
    size::Size, //
};

/// Returns one side, by the C code of `clamp_roundup()` and `round_up()`.
pub(super) fn side(x: u32, min: u32, max: u32) -> u32 {
    let clamped = if x <= min {
        min
    } else if x >= max {
        max
    } else {
        x
    };
    (clamped.wrapping_sub(1) | 7).wrapping_add(1)
}

/// Returns the length of a line and the size of each memory plane, bytes, by the C code of
/// `v4l2_fill_pixfmt_mp()` and the rows of `v4l2_format_info()` for this driver's formats.
pub(super) fn planes(format: &Format, size: Size) -> Vec<(u32, u32)> {
    // Bytes of a pixel in each component plane, and the vertical divisor of the second; hdiv is 2.
    let (bpp, vdiv): (&[u32], u32) = match &format.fourcc.to_le_bytes() {
        b"YUYV" | b"UYVY" => (&[2], 1),
        b"NV16" | b"NV61" | b"NM16" | b"NM61" => (&[1, 2], 1),
        b"NV12" | b"NV21" | b"NM12" | b"NM21" => (&[1, 2], 2),
        other => panic!("{other:?}"),
    };
    let component: Vec<_> = bpp
        .iter()
        .enumerate()
        .map(|(plane, bpp)| {
            let (hdiv, vdiv) = if plane == 0 { (1, 1) } else { (2, vdiv) };
            let line = size.width() * bpp / hdiv;
            (line, line * size.height().div_ceil(vdiv))
        })
        .collect();
    if &format.fourcc.to_le_bytes()[..2] == b"NM" {
        component
    } else {
        vec![(component[0].0, component.iter().map(|c| c.1).sum())]
    }
}

/// Returns the map of the C driver, by its arithmetic: `dw100_ctrl_dewarping_map_init()`.
pub(super) fn map(source: Size, destination: Size) -> Vec<u32> {
    let convert = |a: u32| ((a & 0xfff) << 4) as u16;
    let (mw, mh) = (
        destination.width().div_ceil(16) + 1,
        destination.height().div_ceil(16) + 1,
    );
    let (qsw, qsh) = (convert(source.width()), convert(source.height()));
    let (qdx, qdy) = (u32::from(qsw) / (mw - 1), u32::from(qsh) / (mh - 1));
    (0..mw * mh)
        .map(|idx| {
            let qy = (idx / mw * qdy).min(qsh.into());
            let qx = (idx % mw * qdx).min(qsw.into());
            qy << 16 | qx
        })
        .collect()
}

/// Returns the program of the C driver without a crop, by its arithmetic: `dw100_hw_set_source()`,
/// `dw100_hw_set_destination()`, `dw100_hw_set_mapping()` and `dw100_hw_init_ctrl()`.
pub(super) fn program(source: &Buffer, destination: &Buffer, map: u64) -> Program {
    let ([source_y, mut source_uv], [destination_y, mut destination_uv]) =
        (source.addresses, destination.addresses);
    let (source, destination) = (&source.image, &destination.image);
    let base = |address: u64| (address >> 4) as u32 & 0x3fff_ffff;
    let size = |w: u32, h: u32| (w & 0x1fff) | (h & 0x1fff) << 16;
    let (ifmt, ofmt) = (source.format(), destination.format());
    let (icode, ocode) = (ifmt.layout.code(), ofmt.layout.code());
    let (w, h) = (destination.size().width(), destination.size().height());

    if source.planes().count() == 1 {
        source_uv = source_y + u64::from(source.bytes_per_line() * source.size().height());
    }
    let sizeimage: Vec<_> = destination.planes().map(|p| p.size_image).collect();
    let (size_y, size_uv) = if let [y, uv] = sizeimage[..] {
        (y, uv)
    } else {
        let luma = (destination.bytes_per_line() * h + 15) & !15;
        destination_uv = destination_y + u64::from(luma);
        (sizeimage[0], sizeimage[0] / if ocode == 2 { 2 } else { 1 })
    };

    let mut swap = 0;
    if ifmt.swap_uv && icode == 1 {
        swap |= 1;
    }
    if ofmt.swap_uv ^ (ifmt.swap_uv && icode != 1) {
        swap |= if ocode == 1 { 1 << 8 } else { (1 << 4) << 8 };
    }

    Program {
        ctrl: 1 | 32 << 18 | 1 << 16 | icode << 4 | ocode << 6,
        lut_address: base(map),
        lut_size: (w.div_ceil(16) + 1) | (h.div_ceil(16) + 1) << 16,
        source_y: base(source_y),
        source_uv: base(source_uv),
        source_size: size(source.size().width(), source.size().height()),
        source_stride: source.bytes_per_line(),
        destination_y: base(destination_y),
        destination_uv: base(destination_uv),
        destination_size: size(w, h),
        destination_stride: destination.bytes_per_line(),
        swap,
        destination_y_size: size_y >> 4,
        destination_uv_size: size_uv >> 4,
    }
}

/// Returns whether the frame failed, and the errors that are printed, by the C code of
/// `dw100_irq_handler()`.
pub(super) fn verdict(status: u32) -> (bool, u32) {
    let pending = status & 0xff;
    let frame_done = pending & 1;
    let mut errors = (pending >> 1) & 0x7f;
    if frame_done != 0 {
        errors &= !((0x80 >> 1) & 0x7f);
    }
    (frame_done == 0, errors)
}
