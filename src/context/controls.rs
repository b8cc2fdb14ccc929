// SPDX-License-Identifier: GPL-2.0

//! The controls of an open file.

use crate::{
    dewarp::{
        map::Grid,
        prefetch::Prefetch,
        size::Size, //
    },
    media::control::{
        Array,
        Item,
        Kind,
        Number,
        CID_HFLIP,
        CID_USER_BASE,
        CID_VFLIP, //
    }, //
};
use kernel::prelude::*;

/// `V4L2_CID_USER_DW100_BASE`, from which sixteen control identifiers are the DW100's.
const CID_BASE: u32 = CID_USER_BASE + 0x1190;
/// The vertex map, `V4L2_CID_DW100_DEWARPING_16x16_VERTEX_MAP`.
pub(super) const CID_VERTEX_MAP: u32 = CID_BASE + 1;
/// The prefetch mode, a [`PrefetchMode`]. The last two of the sixteen identifiers are this
/// driver's, because upstream assigns them from the first on.
///
/// [`PrefetchMode`]: crate::dewarp::prefetch::PrefetchMode
pub(super) const CID_PREFETCH_MODE: u32 = CID_BASE + 14;
/// The threshold of [`PrefetchMode::Auto`].
///
/// [`PrefetchMode::Auto`]: crate::dewarp::prefetch::PrefetchMode::Auto
pub(super) const CID_PREFETCH_THRESHOLD: u32 = CID_BASE + 15;

/// Returns the control of a flip, which applies to the identity map, and not to a map that the user
/// set.
const fn flip(id: u32, name: &'static CStr) -> Number {
    Number {
        id,
        name,
        kind: Kind::Boolean,
        of_default: true,
        default: 0,
    }
}

/// The vertex map, whose first dimensions are for the default size.
pub(super) const VERTEX_MAP: Array = Array {
    id: CID_VERTEX_MAP,
    name: c"Dewarping Vertex Map",
    dimensions: (
        Grid::of(Size::DEFAULT).columns(),
        Grid::of(Size::DEFAULT).rows(),
    ),
};

/// The other controls.
pub(super) const NUMBERS: [Number; 4] = [
    Number {
        id: CID_PREFETCH_MODE,
        name: c"Prefetch Mode",
        kind: Kind::Menu(&[
            Item::new(c"Traversal"),
            Item::new(c"Calculation"),
            Item::new(c"Auto"),
        ]),
        of_default: false,
        // CAST: The code of a mode.
        default: Prefetch::DEFAULT.mode as u8,
    },
    Number {
        id: CID_PREFETCH_THRESHOLD,
        name: c"Prefetch Threshold",
        kind: Kind::Integer(Prefetch::MAX_THRESHOLD),
        of_default: false,
        default: Prefetch::DEFAULT.threshold,
    },
    flip(CID_HFLIP, c"Horizontal Flip"),
    flip(CID_VFLIP, c"Vertical Flip"),
];
