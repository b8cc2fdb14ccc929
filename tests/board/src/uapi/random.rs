// SPDX-License-Identifier: GPL-2.0

//! Random arguments in every ioctl, plausible enough for many to reach the driver.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::libc;
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use super::hostile::works;
use super::random_calls::{CALLS, Call, Due, Field, File};
use super::{Test, test};
use crate::v4l2::bindings::{
    V4L2_BUF_FLAG_REQUEST_FD, v4l2_exportbuffer, v4l2_ext_control, v4l2_plane,
};
use crate::v4l2::media::{Graph, Link};
use crate::v4l2::{Device, MAP, Media, PREFETCH_MODE, Request, Way};

pub(super) const TESTS: &[Test] = &[test(
    "random arguments in any ioctl leave a device that works",
    random,
)];

/// Numbers that arithmetic likes least.
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

/// A source of numbers that gives the same ones for the same seed.
struct Random(XorShiftRng);

impl Random {
    fn next(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// True once in `times`.
    fn once_in(&mut self, times: u32) -> bool {
        self.next() % times == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.next() as usize % from.len()]
    }
}

/// What both threads send their ioctls to.
struct Shared {
    devices: [Device; 3],
    media: Media,
    /// The entities of the media device.
    entities: Vec<u32>,
    /// Its links: words of the argument, by their places, that describe each.
    links: Vec<[(usize, u32); 5]>,
    /// How often each of [`CALLS`] was sent, and succeeded.
    sent: Vec<[AtomicU32; 2]>,
}

/// Words of memory that arguments point to: more than the kernel writes behind any pointer, which
/// is a map of the largest size.
const SCRATCH: usize = 1 << 18;

/// Where in that memory answers go: what is below is for planes and controls, 1024 of which are
/// the most that the kernel takes.
const ANSWERS: usize = 1 << 13;

/// Words of an argument: more than any ioctl's.
const ARGUMENT: usize = 80;

/// A thread that sends ioctls.
struct Sender<'s> {
    shared: &'s Shared,
    random: Random,
    /// Which device or request is next. The first two devices mostly have buffers of their own,
    /// the second one's go in requests, and the last one has buffers of others.
    place: usize,
    /// Whether the argument is about OUTPUT.
    output: bool,
    scratch: Vec<u32>,
    requests: [Request; 3],
    /// Buffers of the devices.
    exported: Vec<OwnedFd>,
}

impl<'s> Sender<'s> {
    fn new(shared: &'s Shared, seed: u64) -> Result<Self> {
        let media = &shared.media;
        Ok(Self {
            shared,
            random: Random(XorShiftRng::seed_from_u64(seed)),
            place: 0,
            output: false,
            scratch: vec![0; SCRATCH],
            requests: [media.request()?, media.request()?, media.request()?],
            exported: Vec::new(),
        })
    }

    /// The address of a word of the scratch memory.
    fn address(&mut self, word: usize) -> u64 {
        self.scratch[word..].as_mut_ptr().expose_provenance() as u64
    }

    /// A pointer to memory of this thread, or, if it may be `wrong`, to nothing.
    fn pointer(&mut self, word: usize, wrong: bool) -> u64 {
        match (wrong, self.random.next() % 4) {
            (false, _) => self.address(word),
            (true, 0) => 0,
            (true, 1) => 1 << 52,
            // Addresses of the kernel.
            (true, 2) => u64::MAX << 47,
            (true, _) => self.address(word) + 1,
        }
    }

    fn put(&mut self, word: usize, byte: usize, value: u32) {
        self.scratch[word + byte / 4] = value;
    }

    /// Lays out the planes of a buffer.
    fn planes(&mut self, wrong: bool) {
        const SIZE: usize = size_of::<v4l2_plane>() / 4;
        self.scratch[..8 * SIZE].fill(0);
        for plane in 0..8 {
            let fd = match self.random.next() as usize % 4 {
                0 => -1,
                n => self.exported.get(n).map_or(-1, AsRawFd::as_raw_fd),
            };
            // CAST: The bits of a signed number.
            let mut words = [38016, 0, fd as u32, 0];
            if wrong {
                let word = self.random.next() as usize % 4;
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

    /// Lays out four controls.
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
                self.random.next().into()
            };
            // CAST: Both halves.
            self.put(
                at,
                12,
                value as u32 & if id == MAP || wrong { u32::MAX } else { 1 },
            );
            self.put(at, 16, (value >> 32) as u32);
        }
    }

    /// A value of a field that is one word.
    fn value(&mut self, field: Field, wrong: bool) -> u32 {
        let (likely, other) = match (field, self.place) {
            (Field::Sent, 1) if self.output => {
                (&[V4L2_BUF_FLAG_REQUEST_FD][..], &[0, u32::MAX][..])
            }
            _ => field.values(),
        };
        match (wrong, self.random.next() % 4) {
            (true, 0) => self.random.next(),
            (true, 1) => self.random.pick(&NASTY),
            (true, _) => self.random.pick(other),
            (false, 0..=2) if field == Field::Entity => self.random.pick(&self.shared.entities),
            (false, _) if field == Field::RequestFd => {
                let place = self.random.next() as usize % self.requests.len();
                // CAST: The bits of a signed number.
                self.requests[place].as_raw_fd() as u32
            }
            (false, _) => self.random.pick(likely),
        }
    }

    /// An argument for an ioctl.
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
                    for (place, word) in self.random.pick(&self.shared.links) {
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
            // CAST: Both halves.
            argument[place / 4] = pointer as u32;
            argument[place / 4 + 1] = (pointer >> 32) as u32;
        }
        argument
    }

    /// Sends an ioctl; keeps the file that it opens, if any.
    fn send(&mut self, call: &Call) -> bool {
        let place = self.random.pick(&[0, 1, 2]);
        self.place = place;
        let mut argument = self.argument(call);
        let file: RawFd = match call.file {
            File::Video => self.shared.devices[place].as_raw_fd(),
            File::Media => self.shared.media.as_raw_fd(),
            File::Request => self.requests[place].as_raw_fd(),
        };
        // SAFETY: The argument is as long as any ioctl's. What points out of it points to scratch
        // memory of this thread, which is longer than anything that the kernel reads or writes
        // there, or where no memory of this process is.
        let result = unsafe { libc::ioctl(file, call.request, argument.as_mut_ptr()) };
        if result < 0 {
            return false;
        }
        match call.name {
            "EXPBUF" => {
                let fd = argument[std::mem::offset_of!(v4l2_exportbuffer, fd) / 4];
                // CAST: The bits of a signed number.
                // SAFETY: The kernel has just opened it for us.
                self.exported
                    .push(unsafe { OwnedFd::from_raw_fd(fd as i32) });
                if self.exported.len() > 8 {
                    self.exported.swap_remove(0);
                }
            }
            "REQUEST_ALLOC" => {
                // CAST: The bits of a signed number.
                // SAFETY: The kernel has just opened it for us.
                let file = unsafe { std::fs::File::from_raw_fd(argument[0] as i32) };
                self.requests[place] = Request::from(file);
            }
            _ => {}
        }
        true
    }

    /// Sends ioctls, so many or as long as there is time; whether it came to its end.
    fn run(&mut self, rounds: usize, time: Duration) -> bool {
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
            let [sent, good] = &self.shared.sent[index];
            sent.fetch_add(1, Ordering::Relaxed);
            good.fetch_add(succeeded.into(), Ordering::Relaxed);
        }
        true
    }
}

/// The links between pads as `struct media_link_desc` has them.
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

fn random() -> Result<()> {
    const SEEDS: [u64; 2] = [0x5eed_0001, 0x5eed_0002];
    let first = Device::open()?;
    let media = first.media()?;
    let graph = media.graph()?;
    let shared = Shared {
        entities: graph.entities.iter().map(|entity| entity.id).collect(),
        links: links(&graph),
        media,
        devices: [first.again()?, first.again()?, first],
        sent: CALLS.iter().map(|_| Default::default()).collect(),
    };
    let has_numbers = shared.devices[0].query(PREFETCH_MODE).is_ok();
    let senders = SEEDS
        .into_iter()
        .map(|seed| Sender::new(&shared, seed))
        .collect::<Result<Vec<_>>>()?;
    // A board that does not come to the end, as with a debug kernel on a busy machine, has not to
    // show that enough was sent.
    let complete: Result<bool> = thread::scope(|scope| {
        let threads = senders
            .into_iter()
            .map(|mut sender| scope.spawn(move || sender.run(6_000, Duration::from_secs(20))))
            .collect::<Vec<_>>();
        threads.into_iter().try_fold(true, |complete, thread| {
            let end = thread.join();
            Ok(end.map_err(|_| anyhow!("a thread that sends ioctls panicked"))? && complete)
        })
    });
    let complete = complete?;
    for (call, counts) in CALLS.iter().zip(&shared.sent) {
        let [sent, good] = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let least = match call.due {
            Due::Often => sent / 8,
            Due::WithNumbers if has_numbers => sent / 8,
            Due::Sometimes => sent / 100 + 1,
            Due::WithNumbers | Due::Unknown => 0,
        };
        ensure!(
            !complete || good >= least && sent > 100,
            "{} succeeded {good} times of {sent}: the test is not what it should be",
            call.name
        );
    }
    drop(shared);
    works(&Device::open()?).with_context(|| format!("after the ioctls of the seeds {SEEDS:x?}"))
}
