// SPDX-License-Identifier: GPL-2.0

//! Generates random arguments for every ioctl, plausible enough that many reach the driver.

pub mod calls;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::libc;
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use self::calls::{CALLS, Call, Field, File};
use crate::v4l2::bindings::{
    V4L2_BUF_FLAG_REQUEST_FD, v4l2_exportbuffer, v4l2_ext_control, v4l2_plane,
};
use crate::v4l2::media::{Graph, Link};
use crate::v4l2::{Device, MAP, Media, Request, Way};

/// Numbers at which arithmetic is most likely to fail.
const NASTY: [u32; 14] = [
    0,
    1,
    2,
    3,
    7,
    33,
    1000,
    0x1_0000,
    0x10_0000,
    0x7fff_f000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    u32::MAX,
];

/// A source of random numbers that returns the same ones for the same seed.
pub struct Random(XorShiftRng);

impl Random {
    /// Creates the source of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(XorShiftRng::seed_from_u64(seed))
    }

    /// Returns any 32-bit number.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// Returns `true` once in `times`, on average.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.word() % times == 0
    }

    /// Returns one of several values.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.word() as usize % from.len()]
    }
}

/// How often each of `CALLS` was sent, and how often it succeeded.
pub type Counts = [[AtomicU32; 2]; CALLS.len()];

/// The files that several senders send their ioctls to.
pub struct Targets {
    /// Open files.
    pub devices: [Device; 3],
    media: Media,
    /// The entities of the media device.
    entities: Vec<u32>,
    /// Its links: the values of the argument that describe each, with their places.
    links: Vec<[(usize, u32); 5]>,
}

impl Targets {
    /// Opens the device three times.
    pub fn open() -> Result<Self> {
        let first = Device::open()?;
        let media = first.media()?;
        let graph = media.graph()?;
        Ok(Self {
            entities: graph.entities.iter().map(|entity| entity.id).collect(),
            links: links(&graph),
            media,
            devices: [first.again()?, first.again()?, first],
        })
    }

    /// Allocates three requests.
    pub fn requests(&self) -> Result<[Request; 3]> {
        let media = &self.media;
        Ok([media.request()?, media.request()?, media.request()?])
    }
}

/// The number of 32-bit elements of memory that arguments point to: more than the kernel writes
/// through any pointer, the most of which is a map of the largest size.
const SCRATCH: usize = 1 << 18;

/// The place of answers in that memory. The memory below it is for planes and controls, 1024 of
/// which are the most that the kernel accepts.
const ANSWERS: usize = 1 << 13;

/// The number of 32-bit elements of an argument: more than that of any ioctl.
const ARGUMENT: usize = 80;

/// Sends ioctls.
pub struct Sender<'s> {
    targets: &'s Targets,
    counts: &'s Counts,
    random: Random,
    /// The device or request that is next. The first two devices mostly have driver buffers, the
    /// second one's go in requests, and the last one imports buffers.
    place: usize,
    /// Whether the argument is for OUTPUT.
    output: bool,
    scratch: Vec<u32>,
    requests: [Request; 3],
    /// Exported buffers of the devices.
    exported: Vec<OwnedFd>,
}

impl<'s> Sender<'s> {
    /// Creates a sender with the numbers of `seed`, and with these requests at first.
    pub fn new(
        targets: &'s Targets,
        counts: &'s Counts,
        requests: [Request; 3],
        seed: u64,
    ) -> Self {
        Self {
            targets,
            counts,
            random: Random::new(seed),
            place: 0,
            output: false,
            scratch: vec![0; SCRATCH],
            requests,
            exported: Vec::new(),
        }
    }

    /// Returns its requests, for the caller to close.
    pub fn into_requests(self) -> [Request; 3] {
        self.requests
    }

    /// Returns the address of an element of the scratch memory.
    fn address(&mut self, word: usize) -> u64 {
        self.scratch[word..].as_mut_ptr().expose_provenance() as u64
    }

    /// Returns a pointer to memory of this sender, or, if it may be `wrong`, to no memory.
    fn pointer(&mut self, word: usize, wrong: bool) -> u64 {
        match (wrong, self.random.word() % 4) {
            (false, _) => self.address(word),
            (true, 0) => 0,
            (true, 1) => 1 << 52,
            // An address of the kernel.
            (true, 2) => u64::MAX << 47,
            (true, _) => self.address(word) + 1,
        }
    }

    fn put(&mut self, word: usize, byte: usize, value: u32) {
        self.scratch[word + byte / 4] = value;
    }

    /// Writes the planes of a buffer.
    fn planes(&mut self, wrong: bool) {
        const SIZE: usize = size_of::<v4l2_plane>() / 4;
        self.scratch[..8 * SIZE].fill(0);
        for plane in 0..8 {
            let fd = match self.random.word() as usize % 4 {
                0 => -1,
                n => self.exported.get(n).map_or(-1, AsRawFd::as_raw_fd),
            };
            // CAST: It keeps the bits of a signed number.
            let mut words = [38016, 0, fd as u32, 0];
            if wrong {
                let word = self.random.word() as usize % 4;
                words[word] = self.random.pick(&NASTY);
            }
            let places = [
                std::mem::offset_of!(v4l2_plane, bytesused),
                std::mem::offset_of!(v4l2_plane, length),
                std::mem::offset_of!(v4l2_plane, m),
                std::mem::offset_of!(v4l2_plane, data_offset),
            ];
            for (place, word) in places.into_iter().zip(words) {
                self.put(plane * SIZE, place, word);
            }
        }
    }

    /// Writes four controls.
    fn controls(&mut self, wrong: bool) {
        const SIZE: usize = size_of::<v4l2_ext_control>() / 4;
        self.scratch[..ANSWERS].fill(0);
        for control in 0..4 {
            let id = self.value(Field::Control, wrong);
            let size = if id == MAP { 4 * SCRATCH as u32 / 2 } else { 0 };
            let size = if wrong && self.random.once_in(3) {
                self.random.pick(&[0, 4, 480, u32::MAX])
            } else {
                size
            };
            let at = control * SIZE;
            self.put(at, 0, id);
            self.put(at, 4, size);
            let value = if id == MAP || wrong {
                let wrong = wrong && self.random.once_in(2);
                self.pointer(ANSWERS, wrong)
            } else {
                self.random.word().into()
            };
            // CAST: Both halves are written.
            self.put(
                at,
                12,
                value as u32 & if id == MAP || wrong { u32::MAX } else { 1 },
            );
            self.put(at, 16, (value >> 32) as u32);
        }
    }

    /// Returns a value for a field of 32 bits.
    fn value(&mut self, field: Field, wrong: bool) -> u32 {
        let (likely, other) = match (field, self.place) {
            (Field::Sent, 1) if self.output => {
                (&[V4L2_BUF_FLAG_REQUEST_FD][..], &[0, u32::MAX][..])
            }
            _ => field.values(),
        };
        match (wrong, self.random.word() % 4) {
            (true, 0) => self.random.word(),
            (true, 1) => self.random.pick(&NASTY),
            (true, _) => self.random.pick(other),
            (false, 0..=2) if field == Field::Entity => self.random.pick(&self.targets.entities),
            (false, _) if field == Field::RequestFd => {
                let place = self.random.word() as usize % self.requests.len();
                // CAST: It keeps the bits of a signed number.
                self.requests[place].as_raw_fd() as u32
            }
            (false, _) => self.random.pick(likely),
        }
    }

    /// Returns an argument for an ioctl.
    fn argument(&mut self, call: &Call) -> [u32; ARGUMENT] {
        let mut argument = [0; ARGUMENT];
        let plausible = self.random.once_in(2);
        if !plausible && self.random.once_in(4) {
            argument = argument.map(|_: u32| self.random.pick(&NASTY));
        }
        for &(place, field) in call.fields {
            let wrong = !plausible && self.random.once_in(4);
            let pointer = match field {
                Field::Link => {
                    for (place, word) in self.random.pick(&self.targets.links) {
                        argument[place / 4] = if wrong {
                            self.value(Field::Index, wrong)
                        } else {
                            word
                        };
                    }
                    continue;
                }
                Field::PlanesAt => {
                    let inside = !plausible && self.random.once_in(4);
                    self.planes(inside);
                    self.pointer(0, wrong)
                }
                Field::Controls => {
                    let inside = !plausible && self.random.once_in(4);
                    self.controls(inside);
                    self.pointer(0, wrong)
                }
                Field::Pointer => self.pointer(ANSWERS, wrong),
                _ => {
                    let value = self.value(field, wrong);
                    if field == Field::Type {
                        self.output = value == Way::Output.buffer_type();
                    }
                    argument[place / 4] = value;
                    continue;
                }
            };
            // CAST: Both halves are written.
            argument[place / 4] = pointer as u32;
            argument[place / 4 + 1] = (pointer >> 32) as u32;
        }
        argument
    }

    /// Sends an ioctl, and keeps the file that it opens, if any. Returns whether it succeeded.
    fn send(&mut self, call: &Call) -> bool {
        let place = self.random.pick(&[0, 1, 2]);
        self.place = place;
        let mut argument = self.argument(call);
        let file: RawFd = match call.file {
            File::Video => self.targets.devices[place].as_raw_fd(),
            File::Media => self.targets.media.as_raw_fd(),
            File::Request => self.requests[place].as_raw_fd(),
        };
        // SAFETY: The argument is at least as long as that of any ioctl. Its pointers point to
        // scratch memory of this sender, which is longer than anything that the kernel reads or
        // writes there, or to addresses where this process has no memory.
        let result = unsafe { libc::ioctl(file, call.request, argument.as_mut_ptr()) };
        if result < 0 {
            return false;
        }
        match call.name {
            "EXPBUF" => {
                let fd = argument[std::mem::offset_of!(v4l2_exportbuffer, fd) / 4];
                // CAST: It keeps the bits of a signed number.
                // SAFETY: The kernel has just opened the descriptor for this process, which owns
                // it.
                self.exported
                    .push(unsafe { OwnedFd::from_raw_fd(fd as i32) });
                if self.exported.len() > 8 {
                    self.exported.swap_remove(0);
                }
            }
            "REQUEST_ALLOC" => {
                // CAST: It keeps the bits of a signed number.
                // SAFETY: The kernel has just opened the descriptor for this process, which owns
                // it.
                let file = unsafe { std::fs::File::from_raw_fd(argument[0] as i32) };
                self.requests[place] = Request::from(file);
            }
            _ => {}
        }
        true
    }

    /// Sends `rounds` ioctls, or as many as there is time for. Returns whether it sent all of
    /// them.
    pub fn run(&mut self, rounds: usize, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mix: Vec<usize> = CALLS
            .iter()
            .enumerate()
            .flat_map(|(index, call)| vec![index; call.weight])
            .collect();
        for _ in 0..rounds {
            if Instant::now() > end {
                return false;
            }
            let index = self.random.pick(&mix);
            let succeeded = self.send(&CALLS[index]);
            let [sent, good] = &self.counts[index];
            sent.fetch_add(1, Ordering::Relaxed);
            good.fetch_add(succeeded.into(), Ordering::Relaxed);
        }
        true
    }
}

/// Returns the links between pads in the form of `struct media_link_desc`.
fn links(graph: &Graph) -> Vec<[(usize, u32); 5]> {
    let pad = |id| graph.pads.iter().find(|pad| pad.id == id);
    let describe = |link: &Link| {
        let (source, sink) = (pad(link.source)?, pad(link.sink)?);
        Some([
            (0, source.entity),
            (4, source.index),
            (20, sink.entity),
            (24, sink.index),
            (40, link.flags),
        ])
    };
    graph.links.iter().filter_map(describe).collect()
}
