// SPDX-License-Identifier: GPL-2.0

//! An image with its addresses, and addresses in the engine's format.

use super::image::Image;

/// An image and its addresses in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The shape of the image.
    pub image: Image,
    /// The DMA address of each memory plane. The second is not used if the format has only one.
    pub addresses: [u64; 2],
}

impl Buffer {
    /// Checks that the engine can reach all of the image.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] with the start of the plane that it cannot reach.
    pub fn check(&self) -> Result<(), Unreachable> {
        for (start, bytes) in [
            (self.luma(), self.image.luma_bytes()),
            (self.chroma(), self.image.chroma_bytes()),
        ] {
            base(start, bytes).ok_or(Unreachable(start))?;
        }
        Ok(())
    }

    /// Returns the address of luma, or of all samples in the packed layout.
    pub const fn luma(&self) -> u64 {
        let [luma, _] = self.addresses;
        luma
    }

    /// Returns the address of chroma, which is in its own memory plane, or directly behind luma.
    ///
    /// The C driver aligns it to 16 bytes behind the luma of a destination. This is not needed,
    /// because a plane is a multiple of 16 bytes.
    pub fn chroma(&self) -> u64 {
        match (self.image.format().memory_planes, self.addresses) {
            (2, [_, chroma]) => chroma,
            (_, [luma, _]) => luma.saturating_add(u64::from(self.image.luma_bytes())),
        }
    }
}

/// An address that the engine cannot use. The engine uses multiples of 16 bytes, up to an end of
/// 2^34.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable(pub u64);

/// Returns the register value for the start of a plane of `bytes` bytes: the upper 30 of 34 bits.
/// Returns [`None`] if it starts or ends where the engine cannot reach.
// Not inlined, to have the code once for all callers.
#[inline(never)]
pub fn base(address: u64, bytes: u32) -> Option<u32> {
    const LIMIT: u64 = 1 << 34;

    let ends_below = address <= LIMIT - u64::from(bytes);
    // CAST: The value is masked to 30 bits. Only a plane without bytes can start at the limit.
    (address & 0xf == 0 && ends_below).then_some((address >> 4 & 0x3fff_ffff) as u32)
}

#[cfg(test)]
mod tests {
    use super::super::format::{
        find_any,
        fourcc, //
    };
    use super::super::size::Size;
    use super::*;
    use proptest::prelude::*;

    fn chroma(code: &[u8; 4], addresses: [u64; 2]) -> u64 {
        let image = Image::new(find_any(fourcc(code)).unwrap(), Size::DEFAULT);
        Buffer { image, addresses }.chroma()
    }

    proptest! {
        #[test]
        fn any_address_is_expressed_exactly_or_not_at_all(
            address: u64, shift in 0u32..64, bytes: u32,
        ) {
            let address = address >> shift;
            let usable =
                address % 16 == 0 && u128::from(address) + u128::from(bytes) <= 1 << 34;
            match base(address, bytes) {
                Some(register) => {
                    prop_assert!(usable);
                    prop_assert_eq!(u64::from(register) << 4, address & ((1 << 34) - 1));
                    prop_assert!(bytes == 0 || address < 1 << 34);
                }
                None => prop_assert!(!usable),
            }
        }
    }

    #[test]
    fn what_ends_at_2_to_the_34_can_be_reached_and_nothing_behind() {
        assert_eq!(base((1 << 34) - 16, 16), Some(0x3fff_ffff));
        assert_eq!(base((1 << 34) - 16, 17), None);
        assert_eq!(base(1 << 34, 0), Some(0));
        assert_eq!(base(!15, 16), None);
        assert_eq!(base(8, 8), None);
    }

    #[test]
    fn chroma_has_an_address_of_its_own_only_in_two_planes() {
        assert_eq!(chroma(b"NM16", [0x1000, 0x9000]), 0x9000);
        assert_eq!(chroma(b"NV16", [0x1000, 0x9000]), 0x1000 + 640 * 480);
        assert_eq!(chroma(b"NV12", [u64::MAX - 1, 0]), u64::MAX);
    }

    #[test]
    fn a_buffer_is_checked_in_both_planes() {
        let check = |code, addresses| {
            let image = Image::new(find_any(fourcc(code)).unwrap(), Size::DEFAULT);
            Buffer { image, addresses }.check()
        };
        assert_eq!(check(b"NM12", [0x1000, 0x9000]), Ok(()));
        assert_eq!(check(b"NM12", [0x1008, 0x9000]), Err(Unreachable(0x1008)));
        assert_eq!(check(b"NM12", [0x1000, 0x9008]), Err(Unreachable(0x9008)));
        assert_eq!(check(b"NV12", [0x1000, 0x9008]), Ok(()));
        // Chroma, not luma, ends behind the limit.
        let late = (1 << 34) - 640 * 480;
        assert_eq!(check(b"NV12", [late, 0]), Err(Unreachable(1 << 34)));
        assert_eq!(check(b"YUYV", [late - 640 * 480, 0]), Ok(()));
    }
}
