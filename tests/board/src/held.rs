// SPDX-License-Identifier: GPL-2.0

//! Tests a process that keeps an ioctl waiting for a page of its memory, for as long as it likes,
//! with a lock of the V4L2 core held: unbinding does not wait for it, and neither do other open
//! files. See `docs/v4l2-core.md`.

mod files;

use std::fs::File;
use std::io::{Read, Write};
use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::unistd::pipe;

use crate::binding::Binding;
use crate::harness::{Child, Test, fails, test};
use crate::model;
use crate::picture::Bands;
use crate::v4l2::bindings::{v4l2_ext_control, v4l2_ext_control__bindgen_ty_1};
use crate::v4l2::control::Verb;
use crate::v4l2::held::HeldMemory;
use crate::v4l2::{Device, Errno, MAP, PATIENCE, Sent, Stream, Way, Which};

/// The tests. They need a kernel with `CONFIG_USERFAULTFD`.
pub const TESTS: &[Test] = &[
    test(
        "unbinding does not wait for a process that keeps the controls of a file locked",
        controls,
    ),
    test(
        "unbinding does not wait for a process that keeps the graph of the media device locked",
        graph,
    ),
    test(
        "unbinding does not wait for a process that reads from debugfs",
        || debugfs("statistics", |memory, file| memory.read_from(file)),
    ),
    test(
        "unbinding does not wait for a process that reads the time of the watchdog",
        || debugfs("watchdog_ms", |memory, file| memory.read_from(file)),
    ),
    test(
        "unbinding does not wait for a process that sets the time of the watchdog",
        || debugfs("watchdog_ms", |memory, file| memory.write_to(file)),
    ),
    test(
        "unbinding does not wait when who unbinds is killed meanwhile",
        killed,
    ),
    test(
        "other files go on while a map is read to memory that is not there",
        files::map_read,
    ),
    test(
        "other files go on while a map is set from memory that is not there",
        files::map_written,
    ),
    test(
        "other files go on while a format is set from memory that is not there",
        files::format,
    ),
    test(
        "other files go on while a format is set that waits for the end of a stream",
        files::format_behind_a_stop,
    ),
    test(
        "VIDIOC_S_FMT that waits is made again after a signal or ends as that one says",
        files::signals,
    ),
];

/// The longest time until a waiting process ends after it was killed, and the upper bound of the
/// moments.
const BOUND: Duration = Duration::from_secs(10);

/// How long to wait until a thread waits for a lock.
const MOMENT: Duration = Duration::from_millis(200);

/// Checks that the device can process a frame.
fn works() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(21))?;
    let stream = Stream::start(&device, 1)?;
    bands.check(&stream.frame(&bands.source)?, 21)
}

/// Runs `hold` in a thread, which must access `memory` and wait there, and then `meanwhile`.
/// Releases the memory afterwards.
fn while_held<R>(
    memory: &HeldMemory,
    hold: impl FnOnce() -> R + Send,
    meanwhile: impl FnOnce() -> Result<()>,
) -> Result<()>
where
    R: Send,
{
    thread::scope(|scope| {
        let holder = scope.spawn(hold);
        let result = match memory.is_touched(PATIENCE) {
            Ok(true) => meanwhile(),
            Ok(false) => Err(anyhow!("the ioctl did not touch the memory")),
            Err(error) => Err(error.into()),
        };
        memory.let_go();
        ensure!(holder.join().is_ok(), "the thread panicked");
        result
    })
}

/// Reads or sets the map, of `bytes` bytes, in held memory.
fn map_in(device: &Device, verb: Verb, bytes: u32, memory: &HeldMemory) -> Result<(), Errno> {
    let mut control = v4l2_ext_control {
        id: MAP,
        size: bytes,
        reserved2: [0],
        __bindgen_anon_1: v4l2_ext_control__bindgen_ty_1 {
            p_u32: memory.as_ptr().cast(),
        },
    };
    // SAFETY: The memory is larger than the largest map.
    unsafe { device.ext_control(verb, Which::Current, &mut control) }
}

fn controls() -> Result<()> {
    let [device, other] = [Device::open()?, Device::open()?];
    let media = device.media()?;
    let binding = Binding::find()?;
    // The frame never ends. Its file cannot be stopped while another one is starting.
    let bands = Bands::set(&other)?;
    other.set_map(Which::Current, &bands.map(3))?;
    let stalled = Stream::start(&other, 1)?;
    model::set("stall=1")?;
    stalled.queue(0, &Sent::default())?;

    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(4))?;
    let starting = Stream::prepare(&device, 1)?;
    let bytes = 4 * device.query(MAP)?.elems;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    let get_map = || map_in(&device, Verb::Get, bytes, &memory);
    // It waits for the lock of the controls, and holds the lock that stopping a stream takes.
    let start = || starting.device.start(Way::Output);
    while_held(&memory, get_map, || {
        thread::scope(|scope| {
            let starter = scope.spawn(start);
            sleep(MOMENT);
            ensure!(!starter.is_finished(), "STREAMON did not wait");
            let result = binding.unbind().and_then(|_| {
                // The media device is not unregistered yet, and its parent has no driver.
                let driver = media.info()?.driver();
                ensure!(driver == "dw100", "the media device is of {driver:?}");
                Ok(())
            });
            memory.let_go();
            ensure!(starter.join().is_ok(), "the thread panicked");
            result
        })
    })?;
    drop((starting, stalled));
    drop((device, other, media));
    binding.bind()?;
    works().context("after binding again")
}

fn graph() -> Result<()> {
    let device = Device::open()?;
    let binding = Binding::find()?;
    let media = device.media()?;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    // SAFETY: The memory has a megabyte, more than the page that must be valid.
    let get_graph = || unsafe { media.entities_to(memory.as_ptr()) };
    while_held(&memory, get_graph, || binding.unbind().map(drop))?;
    fails(
        media.graph().map(drop),
        Errno::EIO,
        "asking a device that is gone",
    )?;
    drop((device, media));
    binding.bind()?;
    works()
}

/// Unbinds the device while a system call on a file of debugfs waits for memory.
fn debugfs(
    name: &str,
    call: impl FnOnce(&HeldMemory, &File) -> Result<usize, Errno> + Send,
) -> Result<()> {
    let device = Device::open()?;
    let binding = Binding::find()?;
    let path = format!("/sys/kernel/debug/{}/{name}", device.name()?);
    let file = File::options()
        .read(true)
        .write(name == "watchdog_ms")
        .open(&path);
    let file = file.context(path)?;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    while_held(
        &memory,
        || call(&memory, &file),
        || binding.unbind().map(drop),
    )?;
    drop((device, file));
    binding.bind()?;
    works()
}

/// Kills the unbinding process at later and later moments: some processes have come as far as
/// creating a thread. On a machine with other work the time for that is not known.
fn killed() -> Result<()> {
    let binding = Binding::find()?;
    let mut unbound = 0;
    let mut moment = Duration::ZERO;
    while unbound < 10 {
        ensure!(
            moment < BOUND,
            "after {moment:?}, {unbound} came as far as to unbind the device"
        );
        let (told, tell) = pipe()?;
        let (mut told, mut tell) = (File::from(told), File::from(tell));
        // The child is started before there are threads, because a process with threads must not
        // fork.
        let child = Child::start(|| {
            told.read_exact(&mut [0])?;
            binding.unbind().map(drop)
        })?;
        let media = Device::open()?.media()?;
        let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
        // SAFETY: The memory has a megabyte, more than the page that must be valid.
        let get_graph = || unsafe { media.entities_to(memory.as_ptr()) };
        while_held(&memory, get_graph, || {
            tell.write_all(&[0])?;
            sleep(moment);
            child.kill()?;
            let ended = child.ended_within(BOUND)?.is_some();
            ensure!(ended, "killed after {moment:?}, it goes on after {BOUND:?}");
            Ok(())
        })?;
        drop(media);
        if !binding.bound() {
            unbound += 1;
            binding.bind()?;
        }
        moment += moment / 4 + Duration::from_micros(500);
    }
    works()
}
