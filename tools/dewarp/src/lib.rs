// SPDX-License-Identifier: GPL-2.0
//! What the `dewarp` command is made of: lens models and the vertex maps made
//! from them, the pixel formats the DW100 takes, and pictures as frames. All of
//! it is plain computation; only [`node`], [`device`], [`camera`] and [`stream`]
//! talk to a device.

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
