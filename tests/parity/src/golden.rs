// SPDX-License-Identifier: GPL-2.0

//! The frames that are due where a fault of the C driver leaves nothing to compare with: what the
//! engine's model makes of the source, with the map that is due and the crop that was programmed.

use dw100_model::{Crop, Image, ImageSpec, dewarp_image};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;
use twox_hash::XxHash64;

use crate::format::Format;
use crate::map;
use crate::matrix::Combination;
use crate::record::Started;
use crate::registers::{ROI_START, SCALE_FACTOR};

/// Digests of the destination's planes, as the board leaves them.
///
/// # Errors
///
/// What the model does not take.
pub fn planes(combination: &Combination, started: &Started) -> Result<Vec<String>, String> {
    let setting = &combination.setting;
    let (from, to) = (setting.source, setting.destination);
    let words = combination.map.words(from, to);
    let words = words.unwrap_or_else(|| map::identity(from, to));
    let roi = started.get(ROI_START);
    let crop = Crop {
        scale: started.get(SCALE_FACTOR),
        roi: (roi & 0xffff, roi >> 16),
    };
    let source = source(setting.input, &setting.input.buffers(from));
    let image = Image {
        format: setting.input.pixels(),
        width: from.width,
        height: from.height,
        data: &source,
    };
    let shape = ImageSpec {
        format: setting.output.pixels(),
        width: to.width,
        height: to.height,
    };
    let frame = dewarp_image(&image, &shape, &words, crop).map_err(|error| error.to_string())?;
    let mut rest = frame.as_slice();
    let buffers = setting.output.buffers(to).into_iter();
    Ok(buffers
        .map(|bytes| {
            let (plane, others) = rest.split_at(bytes as usize);
            rest = others;
            format!("{:016x}", XxHash64::oneshot(0, plane))
        })
        .collect())
}

/// What the board fills the source's buffers with, one after the other.
fn source(format: Format, buffers: &[u32]) -> Vec<u8> {
    debug_assert_eq!(buffers.len(), 1 + usize::from(format.two_buffers()));
    let filled = buffers
        .iter()
        .zip(1..)
        .map(|(&bytes, seed)| noise(bytes as usize, seed));
    filled.flatten().collect()
}

/// Bytes that look like nothing in particular and are the same each time: the board's.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    XorShiftRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::{self, Extent};

    fn digests(name: &str, scale: u32, roi: u32) -> Vec<String> {
        let mut all = matrix::combinations(Extent::Registers).into_iter();
        let combination = all.find(|combination| combination.to_string() == name);
        let started = Started {
            registers: [(SCALE_FACTOR, scale), (ROI_START, roi)].into(),
            lut: None,
            status: 1,
        };
        planes(&combination.unwrap(), &started).unwrap()
    }

    fn hash(bytes: &[u8]) -> String {
        format!("{:016x}", XxHash64::oneshot(0, bytes))
    }

    #[test]
    fn the_whole_through_the_identity_is_the_source() {
        let one = "nv12 176x144 -> nv12 176x144, map identity, crop whole";
        assert_eq!(digests(one, 128, 0), [hash(&noise(176 * 144 * 3 / 2, 1))]);
        let two = "nv12m 648x488 -> nv12m 648x488, map identity, crop whole";
        let luma = 648 * 488;
        let due = [hash(&noise(luma, 1)), hash(&noise(luma / 2, 2))];
        assert_eq!(digests(two, 128, 0), due);
    }

    #[test]
    fn a_place_or_a_scale_beside_the_right_one_makes_another_frame() {
        let name = "nv12 176x144 -> nv12 176x144, map lens, crop whole";
        let right = digests(name, 64, 36 << 16 | 44);
        assert_ne!(digests(name, 65, 36 << 16 | 44), right);
        assert_ne!(digests(name, 64, 36 << 16 | 45), right);
        assert_ne!(digests(name, 64, 37 << 16 | 44), right);
    }
}
