// SPDX-License-Identifier: GPL-2.0

//! Tests the driver `samples/vim2m` beside the kernel's vim2m, of which it is a port. Both are
//! loaded with `multiplanar=2`.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use crate::binding::Binding;
use crate::harness::{Test, becomes_true, fails, test};
use crate::lifetime::closing;
use crate::lifetime::situations::gone;
use crate::v4l2::{
    Device, Errno, Format, HFLIP, PATIENCE, Sent, Stream, VFLIP, Way, Which, one_frame,
};

/// The names of the two devices and, of the first, also of its driver and its module.
const OURS: &str = "vim2m_rust";
const THEIRS: &str = "vim2m.0";

/// The module, where the suite puts it on the board, and its parameter.
const MODULE: [&str; 2] = ["/in/vim2m_rust.ko", "multiplanar=2"];

/// `V4L2_CID_TRANS_TIME_MSEC`: how long a frame takes, milliseconds.
const TIME_MS: u32 = 0x0098_1900;
/// `V4L2_CID_TRANS_NUM_BUFS`: how many frames are processed before those of another file.
const FRAMES: u32 = 0x0098_1901;

/// The formats of both queues, and those that only CAPTURE has.
const BOTH: [&[u8; 4]; 4] = [b"RGBP", b"RGBR", b"RGB3", b"BGR3"];
const CAPTURE: [&[u8; 4]; 5] = [b"YUYV", b"BA81", b"GBRG", b"GRBG", b"RGGB"];

/// Sizes of a source and of its destination.
const SIZES: [[(u32, u32); 2]; 4] = [
    [(64, 48), (64, 48)],
    [(64, 48), (150, 34)],
    [(128, 96), (42, 40)],
    [(96, 64), (48, 32)],
];

/// The seed of the pictures and of the moments.
const SEED: u64 = 0x5eed_0024;

/// Returns all tests; with `full`, everything that is up to chance is repeated ten times.
pub fn tests(full: bool) -> impl Iterator<Item = &'static Test> {
    static TESTS: [&[Test]; 2] = [&all::<1>(), &all::<10>()];
    TESTS[usize::from(full)].iter()
}

const fn all<const TIMES: u32>() -> [Test; 8] {
    [
        test(
            "frames are those of vim2m in every pair of formats, scaled and mirrored",
            frames,
        ),
        test("a file's frames in turn wait for each other", turn),
        test("another file waits until a turn is over", turns),
        test(
            "a control of a request takes effect with its frame",
            request,
        ),
        test("unbinding ends a frame that takes seconds", || {
            unbind(10_000, 3 * TIMES)
        }),
        test("unbinding at a random moment of a stream", || {
            unbind(1, 20 * TIMES)
        }),
        test(
            "the module stays while a file is open and goes after",
            module,
        ),
        test("a request and its file are closed at the same time", || {
            closed_together(200 * TIMES)
        }),
    ]
}

/// Opens the device with that name.
fn open(name: &str) -> Result<Device> {
    for entry in fs::read_dir("/dev")? {
        let path = entry?.path();
        if !path.to_string_lossy().starts_with("/dev/video") {
            continue;
        }
        let device = Device::open_node(&path)?;
        if device.name()? == name {
            return Ok(device);
        }
    }
    bail!("no video node belongs to {name}")
}

/// Opens our device, with small frames that take so long.
fn opened(time_ms: i32) -> Result<Device> {
    let device = open(OURS)?;
    let format = Format::new(b"RGB3", 64, 48);
    device.set_formats(&format, &format)?;
    device.set_number(Which::Current, TIME_MS, time_ms)?;
    Ok(device)
}

/// Returns a picture of that many bytes.
fn picture(bytes: usize) -> Vec<u8> {
    let mut picture = vec![0; bytes];
    XorShiftRng::seed_from_u64(SEED).fill_bytes(&mut picture);
    picture
}

/// A picture for [`opened`].
fn small() -> [Vec<u8>; 1] {
    [picture(64 * 48 * 3)]
}

fn frames() -> Result<()> {
    let devices = [open(OURS)?, open(THEIRS)?];
    for device in &devices {
        device.set_number(Which::Current, TIME_MS, 1)?;
    }
    for source in BOTH {
        for destination in BOTH.into_iter().chain(CAPTURE) {
            for [from, to] in SIZES {
                let formats = [
                    Format::new(source, from.0, from.1),
                    Format::new(destination, to.0, to.1),
                ];
                let flips = [0, 1, 2, 3].map(|bits| [bits & 1, bits >> 1]);
                for flips in flips {
                    same(&devices, &formats, flips)
                        .with_context(|| format!("{formats:?}, flips {flips:?}"))?;
                }
            }
        }
    }
    Ok(())
}

/// Compares the formats and one frame of two devices.
fn same(devices: &[Device; 2], [source, destination]: &[Format; 2], flips: [i32; 2]) -> Result<()> {
    let frame = |device: &Device| -> Result<_> {
        let (output, capture) = device.set_formats(source, destination)?;
        device.set_number(Which::Current, HFLIP, flips[0])?;
        device.set_number(Which::Current, VFLIP, flips[1])?;
        let size = output.sizes()[0];
        let planes = (output.planes, capture.planes);
        Ok((planes, one_frame(device, &[picture(size)])?))
    };
    let [ours, theirs] = [frame(&devices[0])?, frame(&devices[1])?];
    ensure!(ours.0 == theirs.0, "{:?} is not {:?}", ours.0, theirs.0);
    let differ = ours.1[0].iter().zip(&theirs.1[0]).filter(|(a, b)| a != b);
    let count = differ.count();
    ensure!(
        count == 0 && ours.1[0].len() == theirs.1[0].len(),
        "{count} bytes differ"
    );
    Ok(())
}

fn turn() -> Result<()> {
    let device = opened(1)?;
    device.set_number(Which::Current, FRAMES, 3)?;
    let stream = Stream::start(&device, 3)?;
    fails(
        device.set_number(Which::Current, FRAMES, 1),
        Errno::EBUSY,
        "setting the frames in turn of a stream",
    )?;
    for round in 0..2 {
        for index in 0..3 {
            stream.queue(index, &Sent::default())?;
            // A queue without a buffer would be ready at once.
            let early = index < 2 && device.ready(Way::Capture, Duration::from_millis(100))?;
            ensure!(!early, "a frame of 3 is done in round {round}");
        }
        for _ in 0..3 {
            stream.dequeue()?;
        }
    }
    Ok(())
}

fn turns() -> Result<()> {
    for (frames, done) in [(4, 4), (1, 2)] {
        let [first, second] = [opened(100)?, opened(1)?];
        first.set_number(Which::Current, FRAMES, frames)?;
        let [one, other] = [Stream::start(&first, 4)?, Stream::start(&second, 1)?];
        for index in 0..4 {
            one.queue(index, &Sent::default())?;
        }
        other.queue(0, &Sent::default())?;
        ensure!(second.ready(Way::Capture, PATIENCE)?, "no frame");
        let mut ended = 0;
        while one.capture.dequeue().is_ok() {
            ended += 1;
        }
        let is_right = if frames == 1 {
            ended <= done
        } else {
            ended == done
        };
        ensure!(
            is_right,
            "with {frames} in turn, {ended} were done before another file's"
        );
    }
    Ok(())
}

fn request() -> Result<()> {
    let device = opened(1)?;
    let source = small();
    let plain = one_frame(&device, &source)?;
    device.set_number(Which::Current, HFLIP, 1)?;
    let mirrored = one_frame(&device, &source)?;
    device.set_number(Which::Current, HFLIP, 0)?;
    ensure!(plain != mirrored, "HFLIP changes nothing");

    let media = device.media()?;
    let stream = Stream::start(&device, 3)?;
    let mut requests = Vec::new();
    for index in 0..3 {
        let request = media.request()?;
        if index == 1 {
            device.set_number(Which::Request(&request), HFLIP, 1)?;
        }
        stream.output.write(index, &source)?;
        let sent = Sent {
            request: Some(&request),
            ..Sent::default()
        };
        stream.queue(index, &sent)?;
        request.queue()?;
        requests.push(request);
    }
    for (index, wanted) in [&plain, &mirrored, &mirrored].into_iter().enumerate() {
        let (_, capture) = stream.dequeue()?;
        let frame = stream.capture.read(capture.index);
        ensure!(
            frame == *wanted,
            "frame {index} is not mirrored as it should be"
        );
    }
    for request in &requests {
        ensure!(request.completed(PATIENCE)?, "a request is not complete");
    }
    let now = device.number(Which::Current, HFLIP)?;
    ensure!(now == 1, "HFLIP is {now} after the request");
    Ok(())
}

/// Unbinds the device, so many times, under a stream whose frames take so long, a request and a
/// mapping.
fn unbind(time_ms: i32, times: u32) -> Result<()> {
    let binding = Binding::of(OURS);
    let mut random = XorShiftRng::seed_from_u64(SEED);
    for round in 0..times {
        let delay = Duration::from_micros(u64::from(random.next_u32() % 20_000));
        let passed = (|| {
            let device = opened(time_ms)?;
            let request = device.media()?.request()?;
            device.set_number(Which::Request(&request), VFLIP, 1)?;
            let stream = Stream::start(&device, 4)?;
            for index in 0..4 {
                stream.queue(index, &Sent::default())?;
            }
            sleep(delay);
            binding.unbind()?;
            gone(&device)?;
            fails(
                request.queue(),
                Errno::ENOENT,
                "queueing a request without a buffer",
            )
            .or_else(|_| {
                fails(
                    request.queue(),
                    Errno::ENODEV,
                    "queueing a request of no device",
                )
            })?;
            let mapped = stream.into_mappings();
            drop(device);
            ensure!(
                mapped[0][0][0].len() >= 64 * 48 * 3,
                "the mapping is too short"
            );
            drop(mapped);
            binding.bind()?;
            one_frame(&opened(1)?, &small()).context("after binding again")
        })();
        passed.with_context(|| format!("round {round} of the seed {SEED:#x}, after {delay:?}"))?;
    }
    Ok(())
}

/// Runs a command. Returns whether it succeeded.
fn runs(program: &str, words: &[&str]) -> Result<bool> {
    let output = Command::new(program).args(words).output();
    Ok(output
        .with_context(|| format!("starting {program}"))?
        .status
        .success())
}

fn module() -> Result<()> {
    let remove = || runs("driver", &["unload", "vim2m"]);
    let device = opened(1)?;
    let stream = Stream::start(&device, 2)?;
    stream.frame(&small())?;
    ensure!(!remove()?, "rmmod succeeded under a stream");
    Binding::of(OURS).unbind()?;
    ensure!(!remove()?, "rmmod succeeded under an open file");
    drop(stream);
    drop(device);
    ensure!(becomes_true(PATIENCE, remove)?, "the module stays for ever");
    ensure!(runs("insmod", &MODULE)?, "insmod failed");
    one_frame(&opened(1)?, &small()).map(drop)
}

/// Closes a request and its file at the same time, so many times.
fn closed_together(rounds: u32) -> Result<()> {
    let device = open(OURS).or_else(|_| open(THEIRS))?;
    closing::at_the_same_time(rounds, &device, |device, request| {
        Ok(device.set_number(Which::Request(request), HFLIP, 1)?)
    })
}
