// SPDX-License-Identifier: GPL-2.0
//! The pictures the project is shown and tested with, and the measurement that
//! tells a straightened picture from a bent one. The measurement looks at
//! pixels only: it knows neither lens nor map.

pub mod chessboard;
pub mod edges;
pub mod grey;
pub mod line;
pub mod scene;
pub mod straightness;

pub use straightness::{Measured, PictureKind};
