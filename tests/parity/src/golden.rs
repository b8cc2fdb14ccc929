// SPDX-License-Identifier: GPL-2.0

//! The expected frames where those of the C driver are different: what the engine's model computes
//! from the source with the expected map, which is composed with the crop.

use dw100_model::{Crop, Image, ImageSpec, dewarp_image};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;
use twox_hash::XxHash64;

use crate::crop;
use crate::format::Format;
use crate::map;
use crate::matrix::Combination;

/// Returns digests of the destination's planes, as the board writes them.
///
/// # Errors
///
/// Returns a message if the model does not accept the frame.
pub fn planes(combination: &Combination) -> Result<Vec<String>, String> {
    let setting = &combination.setting;
    let frame = frame(combination)?;
    let mut rest = frame.as_slice();
    let buffers = setting.output.buffers(setting.destination).into_iter();
    Ok(buffers
        .map(|bytes| {
            let (plane, others) = rest.split_at(bytes as usize);
            rest = others;
            format!("{:016x}", XxHash64::oneshot(0, plane))
        })
        .collect())
}

/// Returns the destination, one buffer after the other.
fn frame(combination: &Combination) -> Result<Vec<u8>, String> {
    let setting = &combination.setting;
    let (from, to) = (setting.source, setting.destination);
    let words = combination.map.words(from, to);
    let words = words.unwrap_or_else(|| map::identity(from, to));
    let crop = crop::granted(combination.crop.wanted(from), from);
    let words = map::composed(&words, crop, from);
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
    dewarp_image(&image, &shape, &words, Crop::FULL).map_err(|error| error.to_string())
}

/// Returns the bytes that the board fills the source's buffers with, one buffer after the other.
fn source(format: Format, buffers: &[u32]) -> Vec<u8> {
    debug_assert_eq!(buffers.len(), 1 + usize::from(format.two_buffers()));
    let filled = buffers
        .iter()
        .zip(1..)
        .map(|(&bytes, seed)| noise(bytes as usize, seed));
    filled.flatten().collect()
}

/// Returns pseudo-random bytes, which are the same for the same seed. The board uses the same
/// generator.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    XorShiftRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::matrix::{self, Extent};

    fn digests(name: &str) -> Vec<String> {
        let mut all = matrix::combinations(Extent::Registers).into_iter();
        let combination = all.find(|combination| combination.to_string() == name);
        planes(&combination.unwrap()).unwrap()
    }

    fn hash(bytes: &[u8]) -> String {
        format!("{:016x}", XxHash64::oneshot(0, bytes))
    }

    #[test]
    fn the_whole_through_the_identity_is_the_source() {
        let one = "nv12 176x144 -> nv12 176x144, map identity, crop whole";
        assert_eq!(digests(one), [hash(&noise(176 * 144 * 3 / 2, 1))]);
        let two = "nv12m 648x488 -> nv12m 648x488, map identity, crop whole";
        let luma = 648 * 488;
        let due = [hash(&noise(luma, 1)), hash(&noise(luma / 2, 2))];
        assert_eq!(digests(two), due);
    }

    #[test]
    fn each_map_and_each_crop_makes_another_frame() {
        let maps = ["identity", "lens", "turned"];
        let crops = ["whole", "middle", "odd shape", "1x1 probe"];
        let pairs = maps
            .iter()
            .flat_map(|map| crops.map(|crop| (*map, crop)))
            .map(|(map, crop)| {
                digests(&format!(
                    "nv12 184x152 -> nv12 200x168, map {map}, crop {crop}"
                ))
            });
        let all: HashSet<_> = pairs.collect();
        assert_eq!(all.len(), 12);
    }

    #[test]
    fn the_crop_of_a_destination_of_its_size_is_its_part_of_the_source() {
        // Half of each side at a quarter: every second vertex and every second pixel of the
        // destination lie on a whole source pixel.
        let name = "yuyv 640x480 -> yuyv 640x480, map identity, crop middle";
        let mut all = matrix::combinations(Extent::Registers).into_iter();
        let combination = all.find(|combination| combination.to_string() == name);
        let source = noise(640 * 480 * 2, 1);
        let frame = frame(&combination.unwrap()).unwrap();
        for (x, y) in [(0, 0), (2, 0), (0, 2), (318, 478), (638, 478)] {
            let due = source[(120 + y / 2) * 1280 + 2 * (160 + x / 2)];
            assert_eq!(frame[y * 1280 + 2 * x], due, "{x},{y}");
        }
    }
}
