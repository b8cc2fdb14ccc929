// SPDX-License-Identifier: GPL-2.0
//! The library of the `dewarp` command: lens models and the vertex maps made
//! from them, the pixel formats that the DW100 takes, and pictures as frames.
//! Only [`node`], [`device`], [`camera`] and [`stream`] access a device; the
//! other modules compute.

pub mod board;
pub mod calibration;
#[cfg(feature = "device")]
pub mod camera;
pub mod check;
pub mod crop;
#[cfg(feature = "device")]
pub mod device;
pub mod error;
pub mod file;
pub mod format;
pub mod frames;
pub mod lens;
pub mod map;
#[cfg(feature = "device")]
pub mod node;
pub mod picture;
#[cfg(feature = "preview")]
pub mod preview;
pub mod source;
pub mod statistics;
pub mod straight;
#[cfg(feature = "device")]
pub mod stream;
pub mod view;
pub mod words;
pub mod y4m;

pub use calibration::{Calibration, Rectification};
pub use check::Check;
pub use error::{Error, Result};
pub use format::{Format, Size};
pub use lens::{Distortion, Lens};
pub use map::VertexMap;
pub use picture::Picture;
pub use straight::Straight;
