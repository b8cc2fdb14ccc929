// SPDX-License-Identifier: GPL-2.0

//! The controls of an open file.

use crate::{
    dewarp::{
        map::Grid,
        prefetch::Prefetch,
        size::Size, //
    },
    media::control::{
        Control,
        Item,
        Kind,
        CID_HFLIP,
        CID_USER_BASE,
        CID_VFLIP, //
    }, //
};

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

/// The controls of an open file. The flips apply to the identity map, and not to a map that the
/// user set.
pub(super) const CONTROLS: [Control; 5] = [
    Control::new(
        CID_VERTEX_MAP,
        c"Dewarping Vertex Map",
        // The first dimensions are those for the default size.
        Kind::Array {
            columns: Grid::of(Size::DEFAULT).columns(),
            rows: Grid::of(Size::DEFAULT).rows(),
        },
    ),
    Control::new(
        CID_PREFETCH_MODE,
        c"Prefetch Mode",
        Kind::Menu {
            items: &[
                Item::new(c"Traversal"),
                Item::new(c"Calculation"),
                Item::new(c"Auto"),
            ],
            // CAST: The code of a mode.
            first: Prefetch::DEFAULT.mode as u8,
        },
    ),
    Control::new(
        CID_PREFETCH_THRESHOLD,
        c"Prefetch Threshold",
        Kind::Integer {
            min: 0,
            // CAST: `From` is not const.
            max: Prefetch::MAX_THRESHOLD as i32,
            // CAST: As above.
            first: Prefetch::DEFAULT.threshold as i32,
        },
    ),
    Control::of_default(CID_HFLIP, c"Horizontal Flip", Kind::Boolean),
    Control::of_default(CID_VFLIP, c"Vertical Flip", Kind::Boolean),
];
