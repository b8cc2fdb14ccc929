// SPDX-License-Identifier: GPL-2.0

//! Tests the last close of a request with controls, at the same time as that of the file of the
//! video device whose controls they are: both take the controls out of the request.

use std::hint::spin_loop;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use crate::scheduling::pin;
use crate::v4l2::{Device, Request};

/// The seed of the delays.
const SEED: u64 = 0x5eed_0013;

/// The longest delay before a file is closed, nanoseconds. Which of the two is later at the same
/// place is up to chance: each takes some microseconds on a kernel that checks every access to
/// memory.
const LONGEST: u64 = 60_000;

/// Closes both so many times, each in a thread on its own CPU, after `fill` has set a control in
/// the request.
pub(crate) fn at_the_same_time(
    rounds: u32,
    device: &Device,
    fill: impl Fn(&Device, &Request) -> Result<()>,
) -> Result<()> {
    let cpus = thread::available_parallelism()?.get();
    ensure!(cpus > 1, "this takes two CPUs");
    let mut random = XorShiftRng::seed_from_u64(SEED);
    for round in 0..rounds {
        let mut delay = || Duration::from_nanos(random.next_u64() % LONGEST);
        let delays = [delay(), delay()];
        once(device, &fill, delays)
            .with_context(|| format!("round {round} of the seed {SEED:#x}, after {delays:?}"))?;
    }
    Ok(())
}

fn once(
    node: &Device,
    fill: impl Fn(&Device, &Request) -> Result<()>,
    delays: [Duration; 2],
) -> Result<()> {
    let device = node.again()?;
    let request = device.media()?.request()?;
    fill(&device, &request)?;
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let start = &start;
        let threads = [
            scope.spawn(move || close(1, start, delays[1], request)),
            scope.spawn(move || close(0, start, delays[0], device)),
        ];
        let mut ended = threads.map(|thread| thread.join()).into_iter();
        ended.try_for_each(|end| end.ok().context("a thread panicked")?)
    })
}

/// Closes `file` on this CPU, `delay` after both threads have started.
fn close<F>(cpu: usize, start: &Barrier, delay: Duration, file: F) -> Result<()> {
    let pinned = pin(cpu);
    start.wait();
    let end = Instant::now() + delay;
    while Instant::now() < end {
        spin_loop();
    }
    drop(file);
    pinned
}
