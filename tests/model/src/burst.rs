// SPDX-License-Identifier: GPL-2.0
//! The last bytes of a frame that is done ([`crate::world::World::BurstAtDone`]): they
//! are held back while the pixels are written, and are written later or lost.

use serde::Deserialize;
use serde::Serialize;

use crate::memory::BusError;
use crate::memory::Memory;
use crate::program::Plane;
use crate::program::Surface;

/// How long the last bytes stay in flight, nanoseconds. Assumed.
const FLIGHT_NS: i64 = 1_000;

/// Bytes of each plane that are held back. Assumed: 16 bursts of 16 bytes.
const LENGTH: u64 = 256;

/// The end of a plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tail {
    /// Address of the first byte.
    start: u64,
    /// The bytes that are to be written, in order; [`None`] where no byte was written.
    /// There are at most [`LENGTH`].
    bytes: Vec<Option<u8>>,
}

impl Tail {
    /// Creates an empty tail for the end of a plane of which `extent` bytes are
    /// written.
    fn of(plane: &Plane, extent: u64) -> Self {
        let extent = extent.min(plane.bound);
        let length = extent.min(LENGTH);
        Self {
            start: plane.base + extent - length,
            bytes: vec![None; length as usize],
        }
    }

    /// Returns empty tails for both planes of a destination.
    pub fn both(surface: &Surface) -> Vec<Self> {
        let (layout, stride) = (surface.layout, u64::from(surface.stride));
        let extent = |rows: u32, row: usize| match rows.checked_sub(1) {
            Some(last) => u64::from(last) * stride + row as u64,
            None => 0,
        };
        let luma = extent(surface.height, layout.luma_row(surface.width));
        let rows = layout.chroma_rows(surface.height);
        let chroma = extent(rows, layout.chroma_row(surface.width));
        vec![
            Self::of(&surface.luma, luma),
            Self::of(&surface.chroma, chroma),
        ]
    }

    fn slot(&mut self, address: u64) -> Option<&mut Option<u8>> {
        let at = address.checked_sub(self.start)?;
        self.bytes.get_mut(usize::try_from(at).ok()?)
    }

    fn overlaps(&self, address: u64, len: usize) -> bool {
        let (end, own_end) = (address + len as u64, self.start + self.bytes.len() as u64);
        address < own_end && self.start < end
    }

    fn write(&self, memory: &mut impl Memory) -> Result<(), BusError> {
        let mut run = Vec::with_capacity(self.bytes.len());
        for (at, byte) in (self.start..).zip(self.bytes.iter().chain([&None])) {
            match byte {
                Some(byte) => run.push(*byte),
                None if run.is_empty() => (),
                None => {
                    memory.write(at - run.len() as u64, &run)?;
                    run.clear();
                }
            }
        }
        Ok(())
    }
}

/// Memory that keeps the bytes that are written to some tails, and passes on all
/// others.
pub struct HoldBack<'a, M> {
    memory: &'a mut M,
    tails: Vec<Tail>,
}

impl<'a, M: Memory> HoldBack<'a, M> {
    /// Creates it. `memory` gets all bytes that do not belong to `tails`.
    pub fn new(memory: &'a mut M, tails: Vec<Tail>) -> Self {
        Self { memory, tails }
    }

    /// Returns the tails with the bytes that were held back.
    pub fn into_tails(self) -> Vec<Tail> {
        self.tails
    }
}

impl<M: Memory> Memory for HoldBack<'_, M> {
    fn read(&mut self, address: u64, buf: &mut [u8]) -> Result<(), BusError> {
        self.memory.read(address, buf)
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Result<(), BusError> {
        if !self
            .tails
            .iter()
            .any(|tail| tail.overlaps(address, data.len()))
        {
            return self.memory.write(address, data);
        }
        let mut passed = 0;
        for (place, (at, &byte)) in (address..).zip(data).enumerate() {
            let slot = self.tails.iter_mut().find_map(|tail| tail.slot(at));
            if let Some(slot) = slot {
                *slot = Some(byte);
                if passed < place {
                    let run = &data[passed..place];
                    self.memory.write(address + passed as u64, run)?;
                }
                passed = place + 1;
            }
        }
        match data.get(passed..).filter(|rest| !rest.is_empty()) {
            Some(rest) => self.memory.write(address + passed as u64, rest),
            None => Ok(()),
        }
    }
}

/// The last bytes in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    tails: Vec<Tail>,
    lands_ns: i64,
}

impl Burst {
    /// Creates a burst of bytes that leave the engine at `now_ns`.
    pub fn new(tails: Vec<Tail>, now_ns: i64) -> Self {
        Self {
            tails,
            lands_ns: now_ns.saturating_add(FLIGHT_NS),
        }
    }

    /// Returns when the bytes reach memory, nanoseconds.
    pub fn deadline(&self) -> i64 {
        self.lands_ns
    }

    /// Writes the bytes to memory.
    pub fn land(self, memory: &mut impl Memory) -> Result<(), BusError> {
        self.tails.iter().try_for_each(|tail| tail.write(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dewarp::dewarp;
    use crate::image::identity_map;
    use crate::memory::Ram;
    use crate::program::Layout;
    use crate::program::tests::program;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_held_back_completes_the_picture(
            width in 1u32..64,
            height in 1u32..40,
            stride in 0u32..80,
            layout in 0u32..3,
            swap in any::<[u8; 2]>(),
            bound in 0u64..0x800,
            wraps in any::<bool>(),
        ) {
            let mut program = program(width, height);
            let planes = [&mut program.destination.luma, &mut program.destination.chroma];
            for (plane, swap) in planes.into_iter().zip(swap) {
                (plane.swap, plane.bound, plane.wraps) = (swap, bound, wraps);
            }
            program.destination.stride = stride;
            program.destination.layout = Layout::from_field(layout).unwrap();
            let mut at_once = Ram::new(0, 0x20000);
            let source = at_once.slice(0x4000, 0x8000).unwrap();
            source.iter_mut().zip(1..).for_each(|(byte, i): (_, u32)| *byte = (i % 255) as u8 + 1);
            for (at, vertex) in (0x1000..).step_by(4).zip(identity_map(width, height)) {
                at_once.write(at, &vertex.to_le_bytes()).unwrap();
            }
            let mut later = at_once.clone();
            dewarp(&program, &mut at_once).unwrap();
            let mut hold = HoldBack::new(&mut later, Tail::both(&program.destination));
            dewarp(&program, &mut hold).unwrap();
            let tails = hold.into_tails();
            prop_assert!(tails.iter().all(|tail| tail.bytes.len() <= 256));
            Burst::new(tails, 0).land(&mut later).unwrap();
            let all = |ram: &mut Ram| ram.slice(0, 0x20000).unwrap().to_vec();
            prop_assert!(all(&mut at_once) == all(&mut later));
        }
    }

    #[test]
    fn the_last_256_bytes_of_each_plane_are_held_back() {
        let mut ram = Ram::new(0, 0x20000);
        let program = program(32, 32);
        ram.slice(0x4000, 0x8000).unwrap().fill(7);
        let mut hold = HoldBack::new(&mut ram, Tail::both(&program.destination));
        dewarp(&program, &mut hold).unwrap();
        let tails = hold.into_tails();
        let written = |ram: &mut Ram, base, len| {
            let bytes = ram.slice(base, len).unwrap();
            bytes.iter().filter(|&&byte| byte == 7).count()
        };
        assert_eq!(
            tails.iter().map(|t| t.start).collect::<Vec<_>>(),
            [0xc300, 0x10100]
        );
        assert_eq!(written(&mut ram, 0xc000, 1024), 1024 - 256);
        assert_eq!(written(&mut ram, 0x10000, 512), 512 - 256);
        Burst::new(tails, 0).land(&mut ram).unwrap();
        assert_eq!(written(&mut ram, 0xc000, 1024), 1024);
        assert_eq!(written(&mut ram, 0x10000, 512), 512);
    }
}
