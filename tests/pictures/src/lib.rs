// SPDX-License-Identifier: GPL-2.0
//! The pictures that the project's documents and tests use, and the measurement
//! that tells a straightened picture from a bent one. The measurement uses the
//! pixels only, and neither lens nor map.

pub mod chessboard;
pub mod edges;
pub mod grey;
pub mod line;
pub mod scene;
pub mod straightness;

pub use straightness::{Measured, PictureKind};
