// SPDX-License-Identifier: GPL-2.0
//! Reads and writes rows in memory through the byte swaps of SWAP_CONTROL.
//!
//! The four bits swap neighbouring bytes, 16-bit units in 32 bits, 32-bit units in 64,
//! and 64-bit units in 128. That equals inverting address bits 0 to 3, because a plane
//! begins at a multiple of 16. Assumed: the swap acts on the address within the plane,
//! so a row that is no multiple of the unit exchanges bytes with its padding.
//!
//! Assumed: bytes beyond `DST_*_SIZE1` are dropped, without an error. NXP's header calls
//! that register the size of a ring buffer; in [`crate::world::World::SizeWraps`] the
//! engine writes such bytes at the plane's start.

use crate::memory::BusError;
use crate::memory::Memory;
use crate::program::Plane;

/// Reads the bytes at `offset` of a plane into `row`.
pub fn read_row(
    memory: &mut impl Memory,
    plane: &Plane,
    offset: u64,
    row: &mut [u8],
) -> Result<(), BusError> {
    let flip = u64::from(plane.swap & 0xf);
    if flip == 0 {
        return memory.read(plane.base + offset, row);
    }
    let (start, end) = span(offset, row.len(), flip);
    let mut raw = vec![0; (end - start) as usize];
    memory.read(plane.base + start, &mut raw)?;
    for (at, byte) in (offset..).zip(row) {
        *byte = raw[((at ^ flip) - start) as usize];
    }
    Ok(())
}

/// Writes `row` to the bytes at `offset` of a plane. Bytes beyond the plane's bound are
/// dropped, or wrap; a bound of 0 drops all (assumed).
pub fn write_row(
    memory: &mut impl Memory,
    plane: &Plane,
    offset: u64,
    row: &[u8],
) -> Result<(), BusError> {
    let flip = u64::from(plane.swap & 0xf);
    if flip == 0 {
        return write_run(memory, plane, offset, row);
    }
    let (start, end) = span(offset, row.len(), flip);
    let byte_at = |at: u64| {
        let from = (at ^ flip).checked_sub(offset)?;
        row.get(usize::try_from(from).ok()?).copied()
    };
    // The write strobes cover only the bytes of the row, not those between them.
    let mut run = Vec::with_capacity((end - start) as usize);
    for at in start..=end {
        match byte_at(at).filter(|_| at < end) {
            Some(byte) => run.push(byte),
            None => {
                write_run(memory, plane, at - run.len() as u64, &run)?;
                run.clear();
            }
        }
    }
    Ok(())
}

/// Writes bytes to consecutive places of a plane from `offset` on, up to the plane's
/// end.
fn write_run(
    memory: &mut impl Memory,
    plane: &Plane,
    mut offset: u64,
    mut run: &[u8],
) -> Result<(), BusError> {
    if plane.wraps && plane.bound != 0 {
        offset %= plane.bound;
    }
    while !run.is_empty() && offset < plane.bound {
        let room = usize::try_from(plane.bound - offset).unwrap_or(usize::MAX);
        let (here, rest) = run.split_at(run.len().min(room));
        memory.write(plane.base + offset, here)?;
        match plane.wraps {
            true => (offset, run) = (0, rest),
            false => break,
        }
    }
    Ok(())
}

/// Returns the range of whole swap units that `len` bytes at `offset` touch.
fn span(offset: u64, len: usize, flip: u64) -> (u64, u64) {
    let unit = (flip + 1).next_power_of_two();
    let end = offset + len as u64;
    (offset / unit * unit, end.div_ceil(unit) * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Ram;
    use proptest::prelude::*;

    fn plane(swap: u8) -> Plane {
        Plane {
            base: 0x1000,
            swap,
            bound: u64::MAX,
            wraps: false,
        }
    }

    #[test]
    fn each_bit_swaps_its_unit() {
        let bytes: Vec<u8> = (0..16).collect();
        let expected: [(u8, [u8; 16]); 4] = [
            (1, [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14]),
            (2, [2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13]),
            (4, [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]),
            (8, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]),
        ];
        for (swap, expected) in expected {
            let mut ram = Ram::new(0x1000, 16);
            write_row(&mut ram, &plane(swap), 0, &bytes).unwrap();
            assert_eq!(ram.slice(0x1000, 16).unwrap(), expected, "swap {swap}");
        }
    }

    #[test]
    fn nothing_is_written_beyond_the_bound() {
        for swap in 0..16 {
            let mut ram = Ram::new(0x1000, 48);
            let plane = Plane {
                bound: 20,
                ..plane(swap)
            };
            write_row(&mut ram, &plane, 0, &[0xff; 32]).unwrap();
            let bytes = ram.slice(0x1000, 48).unwrap();
            let written = bytes.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
            assert!(written <= 20, "swap {swap}: wrote {written} bytes");
            assert!(written >= 16, "swap {swap}: wrote {written} bytes");
        }
    }

    #[test]
    fn what_is_beyond_the_bound_is_dropped_or_wraps() {
        let row: Vec<u8> = (1..=40).collect();
        for (wraps, expected) in [(false, [1, 2, 16]), (true, [33, 34, 32])] {
            let mut ram = Ram::new(0x1000, 64);
            let plane = Plane {
                bound: 16,
                wraps,
                ..plane(0)
            };
            write_row(&mut ram, &plane, 0, &row).unwrap();
            let bytes = ram.slice(0x1000, 64).unwrap();
            assert_eq!([bytes[0], bytes[1], bytes[15]], expected);
            assert!(bytes[16..].iter().all(|&byte| byte == 0));
            let mut ram = Ram::new(0x1000, 64);
            write_row(&mut ram, &plane, 20, &row[..2]).unwrap();
            let found = ram.slice(0x1004, 2).unwrap();
            assert_eq!(found, if wraps { [1, 2] } else { [0, 0] });
        }
    }

    #[test]
    fn swapped_bytes_wrap_like_others() {
        let row: Vec<u8> = (1..=32).collect();
        let mut ram = Ram::new(0x1000, 32);
        let plane = Plane {
            bound: 16,
            wraps: true,
            ..plane(1)
        };
        write_row(&mut ram, &plane, 0, &row).unwrap();
        assert_eq!(ram.slice(0x1000, 4).unwrap(), [18, 17, 20, 19]);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            swap in 0u8..16,
            offset in 0u64..40,
            row in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            let mut ram = Ram::new(0x1000, 96);
            write_row(&mut ram, &plane(swap), offset, &row).unwrap();
            let mut back = vec![0; row.len()];
            read_row(&mut ram, &plane(swap), offset, &mut back).unwrap();
            prop_assert_eq!(back, row.clone());
            let touched = ram.slice(0x1000, 96).unwrap().iter().filter(|&&b| b != 0).count();
            prop_assert_eq!(touched, row.iter().filter(|&&b| b != 0).count());
        }
    }
}
