// SPDX-License-Identifier: GPL-2.0

//! Sends random calls from several processes that share files. Some of them are killed, while the
//! engine fails and its driver is unbound and bound again. The same seed makes the same choices;
//! their order in time depends on the machine.

use std::os::fd::AsFd;
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};

use crate::binding::Binding;
use crate::faults::works;
use crate::harness::{Child, becomes_true, plan, verdict};
use crate::model;
use crate::random::calls::{CALLS, Due};
use crate::random::{Counts, Random, Sender, Targets};
use crate::scheduling::Class;
use crate::v4l2::memory::Mapping;
use crate::v4l2::{Device, Errno, PATIENCE, PollFlags, Request, wait};

/// The number of processes at a time.
const PROCESSES: u64 = 3;

/// The faults of the engine that are injected, a few frames later.
const FAULTS: [&str; 6] = [
    "drop-irq=",
    "stall=",
    "spurious-irq=",
    "dma-fault=",
    "error=0x24@",
    "error=0x81@",
];

/// The number of calls that are needed for a result. A slow machine has this many times as long for
/// them.
const LEAST: u32 = 2000;
const PATIENT: u32 = 20;

/// How long the processes go on after the last disturbance.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// The longest time until a process ends, on a slow kernel of a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// Sends random calls for this time, and prints the verdict.
pub fn run(seed: u64, time: Duration) {
    println!("fuzz --seed {seed} --seconds {}", time.as_secs());
    plan(1);
    let result = rounds(seed, time).with_context(|| format!("seed {seed}"));
    let name =
        "random calls of several processes, with faults and unbinding, leave a device that works";
    verdict(name, result);
}

fn rounds(seed: u64, time: Duration) -> Result<()> {
    let start = Instant::now();
    let counts = shared_counts()?;
    let mut random = Random::new(seed);
    let (mut rounds, mut unbound) = (0_u32, 0_u32);
    let few = || sent(counts).iter().sum::<u32>() < LEAST;
    while start.elapsed() < time || few() && start.elapsed() < PATIENT * time {
        unbound += round(&mut random, counts).with_context(|| format!("round {rounds}"))?;
        rounds += 1;
    }
    model::set("drop-irq=off;stall=off;spurious-irq=off;dma-fault=off;error=off")?;
    works().context("after all that")?;
    for (call, count) in CALLS.iter().zip(counts) {
        let [sent, good] = count.each_ref().map(|count| count.load(Relaxed));
        let due = match call.due {
            Due::Often => sent > 300,
            // An engine that fails, and a device that is unbound, make these calls succeed rarely.
            Due::Sometimes => sent > 3000,
            _ => false,
        };
        ensure!(
            good > 0 || !due,
            "{} never succeeded in {sent} times",
            call.name
        );
    }
    let [good, bad] = sent(counts);
    let sent = good + bad;
    println!(
        "{sent} calls, of which {good} succeeded, in {rounds} rounds; unbound {unbound} times"
    );
    ensure!(
        sent >= LEAST && good > sent / 50,
        "only {good} calls of {sent} succeeded"
    );
    Ok(())
}

/// Returns how many calls succeeded and failed.
fn sent(counts: &Counts) -> [u32; 2] {
    let add = |[all_good, all_bad]: [u32; 2], count: &[AtomicU32; 2]| {
        let [sent, good] = count.each_ref().map(|count| count.load(Relaxed));
        [all_good + good, all_bad + sent.saturating_sub(good)]
    };
    counts.iter().fold([0; 2], add)
}

/// Maps counters that all processes share.
fn shared_counts() -> Result<&'static Counts> {
    let size = std::num::NonZeroUsize::new(size_of::<Counts>()).context("there are calls")?;
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: The kernel chooses a free address range.
    let place = unsafe { mmap_anonymous(None, size, access, MapFlags::MAP_SHARED)? };
    // SAFETY: The memory is as large as the counters, it is zero, and it is mapped as long as there
    // is a process.
    Ok(unsafe { place.cast().as_ref() })
}

/// Runs processes that have opened the device, until their time is up. Returns how often the device
/// was unbound.
fn round(random: &mut Random, counts: &'static Counts) -> Result<u32> {
    let there = becomes_true(PATIENCE, || Ok(Device::open().is_ok()))?;
    ensure!(there, "there is no node");
    let mut common = Some(opened()?);
    let length = Duration::from_millis(u64::from(500 + random.word() % 2000));
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        let seed = u64::from(random.word());
        // It is longer than the wait for processes that are killed while they run.
        let time = length + AFTERWARDS;
        // The child takes its own copy of the files.
        children.push(Child::start(|| {
            child(common.take(), counts, seed, time);
            Ok(())
        })?);
    }
    // In some rounds only the processes keep the files open, so that their end closes them.
    let kept = common.take_if(|_| random.once_in(2));
    drop(common);
    let disturbed = disturb(random, length);
    let ended = children
        .into_iter()
        .try_for_each(|child| end(child, random.once_in(2)));
    drop(kept);
    ended?;
    disturbed
}

/// Injects faults of the engine now and then, and unbinds its driver meanwhile.
fn disturb(random: &mut Random, length: Duration) -> Result<u32> {
    let device = Binding::find()?;
    let end = Instant::now() + length;
    let mut unbound = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(u64::from(random.word() % 150)));
        let (fault, frame) = (random.pick(&FAULTS), 1 + random.word() % 8);
        model::set(&format!("{fault}{frame}"))?;
        if random.once_in(8) {
            // Unbinding runs before all other threads, or shares the CPU with them.
            let classes = [Class::Ordinary, Class::RealTime(1)];
            device.unbind_as(random.pick(&classes))?;
            sleep(Duration::from_millis(u64::from(random.word() % 100)));
            device.bind()?;
            unbound += 1;
        }
    }
    Ok(unbound)
}

/// Waits for the end of a process, which is killed first if `now` is set.
fn end(child: Child, now: bool) -> Result<()> {
    if !now {
        return child.end(BOUND);
    }
    child.kill()?;
    let status = child.ended_within(BOUND)?;
    status.map(drop).context("a process does not die")
}

/// Opens the files that the processes of a round share.
fn opened() -> Result<(Targets, [Request; 3])> {
    let targets = Targets::open()?;
    let requests = targets.requests()?;
    Ok((targets, requests))
}

/// Runs one process: it sends calls to the files that it shares with others, and to some of its
/// own. When those are gone, it opens the device that is bound next.
fn child(mut next: Option<(Targets, [Request; 3])>, counts: &Counts, seed: u64, time: Duration) {
    let mut random = Random::new(seed);
    for device in next
        .iter_mut()
        .flat_map(|(targets, _)| &mut targets.devices)
    {
        if random.once_in(3)
            && let Ok(own) = device.again()
        {
            *device = own;
        }
    }
    let end = Instant::now() + time;
    let left = || end.saturating_duration_since(Instant::now());
    while !left().is_zero() {
        let Some((targets, requests)) = next.take().or_else(|| opened().ok()) else {
            continue;
        };
        let seed = u64::from(random.word());
        let mut sender = Sender::new(&targets, counts, requests, seed);
        while sender.run(20, left()) {
            let device = random.pick(&[0, 1, 2]);
            look(&targets.devices[device], &mut random);
            let dead = targets.devices[device].capability() == Err(Errno::ENODEV);
            if dead && random.once_in(3) {
                break;
            }
        }
        let requests = sender.into_requests();
        close(targets, requests);
    }
}

/// Closes everything, the requests and the files from one thread each.
fn close(targets: Targets, requests: [Request; 3]) {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            start.wait();
            drop(requests);
        });
        start.wait();
        drop(targets);
    });
}

/// Maps a buffer, and polls.
fn look(device: &Device, random: &mut Random) {
    /// The offset at which buffers of the CAPTURE queue begin.
    const CAPTURE: u32 = 1 << 30;
    let offset = random.pick(&[0, CAPTURE, 0x1_0000, CAPTURE + 0x1_0000]);
    if let Ok(mapping) = Mapping::new(device.as_fd(), offset, 4096) {
        mapping.fill(0x77);
    }
    let events = random.pick(&[PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::POLLPRI]);
    // The result does not matter.
    let _ = wait(
        device,
        events,
        Duration::from_millis(u64::from(random.word() % 10)),
    );
}
