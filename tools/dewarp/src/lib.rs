// SPDX-License-Identifier: GPL-2.0
//! What the `dewarp` command is made of: lens models and the vertex maps made
//! from them, the pixel formats the DW100 takes, and pictures as frames. All of
//! it is plain computation; only [`device`] and [`stream`] talk to a device.

pub mod calibration;
pub mod check;
#[cfg(feature = "device")]
pub mod device;
pub mod error;
pub mod file;
pub mod format;
pub mod lens;
pub mod map;
pub mod picture;
#[cfg(feature = "preview")]
pub mod preview;
#[cfg(feature = "device")]
pub mod stream;
pub mod view;

pub use calibration::{Calibration, Rectification};
pub use check::Check;
pub use error::{Error, Result};
pub use format::{Format, Size};
pub use lens::{Distortion, Lens};
pub use map::VertexMap;
pub use picture::Picture;
