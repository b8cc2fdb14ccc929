// SPDX-License-Identifier: GPL-2.0

//! What the implementation of a mem2mem driver uses.

#![allow(unused_imports, reason = "a driver uses a part of it")]

pub(crate) use super::{
    buffer::{
        self,
        Buffer, //
    },
    control::{
        self,
        Control,
        Dimensions,
        Item,
        Kind,
        Value, //
    },
    format::{
        Api,
        Colorimetry,
        Direction,
        FrameSizes,
        PixelFormat,
        Plane,
        Rect, //
    },
    m2m::{
        self,
        Controls,
        Job,
        Operations,
        Run, //
    },
    memory::{
        DmaContig,
        Vmalloc, //
    },
    order::{
        Change,
        Changed, //
    },
};
