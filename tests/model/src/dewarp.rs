// SPDX-License-Identifier: GPL-2.0
//! The pixels of one frame: fetches the source, looks each destination pixel up in
//! the map, and writes it. Registers and time are elsewhere.
//!
//! Assumed: the whole source is fetched before the first byte is written, so a
//! destination that overlaps its source is well-defined. If a bus error occurs while
//! a frame is written, the rows before the error are in memory.

use crate::grid;
use crate::grid::Grid;
use crate::memory::BusError;
use crate::memory::Memory;
use crate::program::Layout;
use crate::program::Program;
use crate::sample::Picture;
use crate::swap;

/// Dewarps the frame that `program` describes, from and to `memory`.
pub fn dewarp(program: &Program, memory: &mut impl Memory) -> Result<(), BusError> {
    let map = grid::fetch(program, memory)?;
    pixels(program, &map, memory)
}

/// Does the same as [`dewarp`], with a map that is already fetched.
pub fn pixels(program: &Program, map: &[u8], memory: &mut impl Memory) -> Result<(), BusError> {
    let mut grid = Grid::new(program, map);
    let source = Picture::fetch(&program.source, program.worlds, memory)?;
    let destination = &program.destination;
    let layout = destination.layout;
    let stride = u64::from(destination.stride);
    let [y_outside, uv_outside @ ..] = program.boundary;

    let width = destination.width as usize;
    let mut xs = vec![0; width];
    let mut ys = vec![0; width];
    let mut luma = vec![0; width];
    let mut chroma = vec![0; width.div_ceil(2) * 2];
    let mut packed = vec![0; layout.luma_row(destination.width)];

    for y in 0..destination.height {
        grid.row(y, &mut xs, &mut ys);
        source.luma_row(&xs, &ys, y_outside, &mut luma);
        let has_chroma = y % layout.rows_per_chroma() == 0;
        if has_chroma {
            source.chroma_row(&xs, &ys, uv_outside, &mut chroma);
        }
        let luma_offset = u64::from(y) * stride;
        let chroma_offset = u64::from(y / layout.rows_per_chroma()) * stride;
        match layout {
            Layout::Yuv422Packed => {
                pack(&luma, &chroma, &mut packed);
                swap::write_row(memory, &destination.luma, luma_offset, &packed)?;
            }
            Layout::Yuv422SemiPlanar | Layout::Yuv420SemiPlanar => {
                swap::write_row(memory, &destination.luma, luma_offset, &luma)?;
                if has_chroma {
                    swap::write_row(memory, &destination.chroma, chroma_offset, &chroma)?;
                }
            }
        }
    }
    Ok(())
}

/// Packs a row as Y U Y V. The last pixel of an odd row is repeated (assumed).
fn pack(luma: &[u8], chroma: &[u8], packed: &mut [u8]) {
    let pairs = luma.chunks(2).zip(chroma.chunks_exact(2));
    for (out, (luma, chroma)) in packed.chunks_exact_mut(4).zip(pairs) {
        let (first, last) = (luma[0], luma[luma.len() - 1]);
        out.copy_from_slice(&[first, chroma[0], last, chroma[1]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Ram;
    use crate::program::tests::program;
    use proptest::prelude::*;

    /// Memory that records where the engine wrote.
    struct Watched {
        ram: Ram,
        writes: Vec<(u64, usize)>,
    }

    impl Memory for Watched {
        fn read(&mut self, address: u64, buf: &mut [u8]) -> Result<(), BusError> {
            self.ram.read(address, buf)
        }

        fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusError> {
            self.writes.push((address, data.len()));
            self.ram.write(address, data)
        }
    }

    #[test]
    fn a_missing_source_is_a_bus_error_and_writes_nothing() {
        let program = program(32, 32);
        let mut memory = Watched {
            ram: Ram::new(program.map.base, 0x1000),
            writes: Vec::new(),
        };
        let error = dewarp(&program, &mut memory).unwrap_err();
        assert_eq!(error.address, program.source.luma.base);
        assert!(memory.writes.is_empty());
    }

    proptest! {
        #[test]
        fn writes_stay_within_the_bounds(
            luma_bound in 0u64..0x500,
            chroma_bound in 0u64..0x300,
            stride in 0u32..80,
            swap in any::<[u8; 2]>(),
            layout in 0u32..3,
        ) {
            let mut program = program(32, 32);
            program.destination.layout = Layout::from_field(layout).unwrap();
            program.destination.stride = stride;
            program.destination.luma.bound = luma_bound;
            program.destination.chroma.bound = chroma_bound;
            program.destination.luma.swap = swap[0];
            program.destination.chroma.swap = swap[1];
            let mut memory = Watched { ram: Ram::new(0, 0x20000), writes: Vec::new() };
            dewarp(&program, &mut memory).unwrap();
            let (luma, chroma) = (program.destination.luma, program.destination.chroma);
            for (start, len) in memory.writes {
                let end = start + len as u64;
                let inside = [luma, chroma]
                    .iter()
                    .any(|plane| start >= plane.base && end <= plane.base + plane.bound);
                prop_assert!(inside, "{:#x}..{:#x}", start, end);
            }
        }
    }
}
