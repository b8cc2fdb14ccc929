// SPDX-License-Identifier: GPL-2.0

//! The view that a vertex map is composed with: a crop of the source, and flips of the destination.

use super::{
    crop::Crop,
    size::Size, //
};

/// The part of a source that is shown, and its orientation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    crop: Crop,
    /// For each side of the destination, across and down: its length in pixels if it is mirrored.
    mirrored: [Option<u32>; 2],
}

impl View {
    /// Creates the view of a crop in a destination, mirrored from left to right and from top to
    /// bottom according to the two flips.
    pub fn new(crop: Crop, flips: [bool; 2], destination: Size) -> Self {
        let [across, down] = flips;
        Self {
            crop,
            mirrored: [
                across.then_some(destination.width()),
                down.then_some(destination.height()),
            ],
        }
    }

    /// Returns whether the view is the whole source as it is, so that a map is the same with it and
    /// without.
    pub fn is_plain(&self) -> bool {
        self.crop.is_full() && self.mirrored == [None; 2]
    }

    /// Moves the vertices of a map over the whole source to where they show the view.
    pub fn compose(&self, vertices: &mut [u32]) {
        let [across, down] = self.crop.motions(self.mirrored);
        for vertex in vertices {
            // CAST: Each coordinate has 16 bits.
            *vertex = (down.of(*vertex >> 16) << 16 | across.of(*vertex & 0xffff)) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::crop::Rect;
    use super::super::map::Identity;
    use super::*;
    use proptest::prelude::*;

    fn any_size() -> impl Strategy<Value = Size> {
        (176u32..=4096, 144u32..=3072).prop_map(|(w, h)| Size::constrained(w, h))
    }

    fn rect(left: i32, top: i32, width: u32, height: u32) -> Rect {
        Rect {
            left,
            top,
            width,
            height,
        }
    }

    /// Returns the identity map, composed with a view.
    fn shown(source: Size, destination: Size, wanted: Rect, flips: [bool; 2]) -> Vec<u32> {
        let identity = Identity::new(source, destination);
        let mut map = vec![0; identity.grid().vertices()];
        identity.fill(&mut map, 0);
        let crop = Crop::adjusted(wanted, source, 0).unwrap();
        View::new(crop, flips, destination).compose(&mut map);
        map
    }

    proptest! {
        #[test]
        fn the_whole_source_leaves_every_vertex_as_it_is(source in any_size(), map: [u32; 32]) {
            let view = View::new(Crop::full(source), [false; 2], Size::DEFAULT);
            prop_assert!(view.is_plain());
            let mut composed = map;
            view.compose(&mut composed);
            prop_assert_eq!(composed, map);
        }

        /// The pixel at p of W shows what the pixel at W - 1 - p shows without the flip, within two
        /// roundings to 1/16 pixel, and another 1/16 pixel where the identity saturates.
        #[test]
        fn a_flip_shows_the_mirror_image(
            source in any_size(), destination in any_size(), across: bool, down: bool,
            left in 0i32..4000, top in 0i32..3000, width in 16u32..4096, height in 16u32..3072,
        ) {
            let wanted = rect(left, top, width, height);
            let map = shown(source, destination, wanted, [across, down]);
            let crop = Crop::adjusted(wanted, source, 0).unwrap().rect();
            let columns = destination.width().div_ceil(16) + 1;
            for (index, word) in (0u32..).zip(map) {
                let (width, height) = (destination.width(), destination.height());
                for (got, flip, corner, start, length, side) in [
                    (word & 0xffff, across, index % columns, crop.left, crop.width, width),
                    (word >> 16, down, index / columns, crop.top, crop.height, height),
                ] {
                    let place = f64::from((16 * corner).min(side));
                    let place = if flip { f64::from(side) - 1.0 - place } else { place };
                    let share = place / f64::from(side);
                    let due = 16.0 * (f64::from(start) + share * f64::from(length));
                    let error = f64::from(got) - due.clamp(0.0, 65535.0);
                    let limit = if source.width() == 4096 { 2.001 } else { 1.001 };
                    prop_assert!(error.abs() <= limit, "{got} is not {due}");
                }
            }
        }
    }

    #[test]
    fn a_crop_worked_out_by_hand_moves_these_vertices() {
        // The middle half of 640x480.
        let crop = Crop::adjusted(rect(160, 120, 320, 240), Size::DEFAULT, 0).unwrap();
        let view = View::new(crop, [false; 2], Size::DEFAULT);
        assert!(!view.is_plain());
        let mut map = [0, 240 << 20 | 320 << 4, 480 << 20 | 640 << 4, 0x0001_0003];
        view.compose(&mut map);
        assert_eq!(map[0], 120 << 20 | 160 << 4);
        assert_eq!(map[1], 240 << 20 | 320 << 4);
        assert_eq!(map[2], 360 << 20 | 480 << 4);
        // 1.5 and 0.5 sixteenths round up.
        assert_eq!(map[3], (120 * 16 + 1) << 16 | (160 * 16 + 2));
    }

    #[test]
    fn flips_worked_out_by_hand_move_these_vertices() {
        let whole = rect(0, 0, 640, 480);
        let size = Size::DEFAULT;
        assert!(!View::new(Crop::full(size), [true, false], size).is_plain());
        assert!(!View::new(Crop::full(size), [false, true], size).is_plain());
        // 639, 623 ... 15, and -1, which becomes 0.
        let map = shown(size, size, whole, [true, false]);
        assert_eq!(map[..2], [639 << 4, 623 << 4]);
        assert_eq!(map[39..42], [15 << 4, 0, 16 << 20 | 639 << 4]);
        // 479, 463 ... 15, 0.
        let map = shown(size, size, whole, [false, true]);
        assert_eq!(map[0], 479 << 20);
        assert_eq!(map[41 * 29 + 40], 15 << 20 | 640 << 4);
        assert_eq!(map[41 * 30 + 40], 640 << 4);
        // With the middle half at twice the size, the last pixel is half a pixel before the end.
        let map = shown(size, size, rect(160, 120, 320, 240), [true, true]);
        assert_eq!(map[0], (359 << 4 | 8) << 16 | (479 << 4 | 8));
        assert_eq!(map[41 * 30 + 40], (119 << 4 | 8) << 16 | (159 << 4 | 8));
        // UQ12.4 cannot express 4096, but the mirrored coordinate does not become less than 0.
        let map = shown(Size::MAX, Size::MAX, rect(0, 0, 4096, 3072), [true, false]);
        assert_eq!(map[..2], [4095 << 4, 4079 << 4]);
        assert_eq!(map[255..257], [15 << 4, 0]);
    }
}
