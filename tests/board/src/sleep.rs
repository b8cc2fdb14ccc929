// SPDX-License-Identifier: GPL-2.0

//! Tests system sleep while streams run: every frame is returned once, whole, and in order, whether
//! the system slept or returned half-way.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::endure::stream;
use crate::harness::{Test, becomes_true, test};
use crate::model;
use crate::picture::Bands;
use crate::v4l2::{Device, PATIENCE, Stream, Which};

/// The tests. They need a kernel with `CONFIG_PM_DEBUG`, and an alarm on the first UART, which
/// `cargo xtask board --alarm` provides.
pub const TESTS: &[Test] = &[
    test(
        "no frame is lost or torn when the system stops short of sleep, devices suspended",
        || streams_through(|| short_of_sleep("devices")),
    ),
    test(
        "no frame is lost or torn when the system stops short of sleep, power domains off",
        || streams_through(|| short_of_sleep("platform")),
    ),
    test(
        "no frame is lost or torn when the system sleeps and wakes up",
        || {
            let alarm = Alarm::set()?;
            streams_through(|| asleep(&alarm))
        },
    ),
    test("a device that does not stream sleeps and wakes up", idle),
];

/// How often the system sleeps in a test.
const SLEEPS: usize = 2;

/// How many files stream.
const FILES: u32 = 3;

/// The size of a frame, and the pixels in a cycle with which it takes 200 ms. That is longer than
/// suspending all devices takes, so one frame is always in flight. The driver's watchdog must allow
/// that time.
const SIZE: (u32, u32) = (640, 480);
const SLOW: &str = "pixels-per-clock=0.003";

/// Puts the system to sleep, until it is woken up.
fn sleep(alarm: Option<&Alarm>) -> Result<()> {
    for _ in 0..20 {
        alarm.map_or(Ok(()), Alarm::ask)?;
        match fs::write("/sys/power/state", "freeze") {
            // The event that wakes the system up came too early.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
            result => return result.context("is this a kernel with CONFIG_SUSPEND?"),
        }
    }
    bail!("the system never went to sleep")
}

/// Suspends up to a stage, and resumes at once.
fn short_of_sleep(stage: &str) -> Result<()> {
    let setting = Path::new("/sys/power/pm_test");
    fs::write("/sys/module/suspend/parameters/pm_test_delay", "0")?;
    fs::write(setting, stage).context("is this a kernel with CONFIG_PM_DEBUG?")?;
    let slept = sleep(None);
    fs::write(setting, "none")?;
    slept
}

/// Sleeps until the alarm.
fn asleep(alarm: &Alarm) -> Result<()> {
    let counter = Path::new("/sys/power/suspend_stats/success");
    let count = || -> Result<u32> { Ok(fs::read_to_string(counter)?.trim().parse()?) };
    let before = count()?;
    sleep(Some(alarm))?;
    ensure!(count()? == before + 1, "the system did not sleep");
    Ok(())
}

/// The event that wakes the system up: a character on the first UART, some seconds after this board
/// sends one.
struct Alarm(File);

impl Alarm {
    const SETTING: &'static str = "/sys/class/tty/ttymxc0/power/wakeup";

    fn set() -> Result<Self> {
        let path = "/dev/ttymxc0";
        let uart = OpenOptions::new().read(true).write(true).open(path)?;
        let stty = ["-F", path, "raw", "-echo"];
        let status = Command::new("stty").args(stty).status()?;
        ensure!(status.success(), "stty: {status}");
        fs::write(Self::SETTING, "enabled")?;
        Ok(Self(uart))
    }

    /// Requests the alarm.
    fn ask(&self) -> Result<()> {
        Ok((&self.0).write_all(b"\n")?)
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let _ = fs::write(Self::SETTING, "disabled");
    }
}

/// Processes frames of several files while the system sleeps repeatedly.
fn streams_through(sleep: impl Fn() -> Result<()>) -> Result<()> {
    model::set(SLOW)?;
    let over = AtomicBool::new(false);
    let counts: Vec<AtomicU32> = (0..FILES).map(|_| AtomicU32::new(0)).collect();
    let streamed = thread::scope(|scope| {
        let over = &over;
        let streams: Vec<_> = (0..)
            .zip(&counts)
            .map(|(file, count)| {
                let goes_on = move |frames| {
                    count.store(frames, Ordering::Relaxed);
                    !over.load(Ordering::Relaxed)
                };
                // No requests are used, because the C driver has faults with them.
                scope.spawn(move || stream(2 * file, SIZE, false, goes_on))
            })
            .collect();
        // From the first sleep on, all files stream when the system is suspended.
        let mut slept = goes_on(&counts).context("before any sleep");
        for round in 0..SLEEPS {
            slept = slept.and_then(|()| {
                sleep()?;
                goes_on(&counts).with_context(|| format!("after sleep {round}"))
            });
        }
        over.store(true, Ordering::Relaxed);
        let ended = streams.into_iter().map(|stream| match stream.join() {
            Ok(result) => result,
            Err(_) => bail!("a stream panicked"),
        });
        // The error of a stream says more than that it stopped.
        ended.collect::<Result<Vec<_>>>().and(slept)
    });
    model::set("pixels-per-clock=1")?;
    streamed
}

/// Waits until each file has had a few more frames.
fn goes_on(counts: &[AtomicU32]) -> Result<()> {
    for count in counts {
        let before = count.load(Ordering::Relaxed);
        let more = || Ok(count.load(Ordering::Relaxed) >= before + 3);
        ensure!(becomes_true(3 * PATIENCE, more)?, "a stream stands still");
    }
    Ok(())
}

/// Checks that a device without streams sleeps, and works afterwards.
fn idle() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(6))?;
    short_of_sleep("platform")?;
    let status = device.sysfs()?.join("power/runtime_status");
    let start = Instant::now();
    while fs::read_to_string(&status)?.trim() != "suspended" {
        ensure!(start.elapsed() < PATIENCE, "the device stays powered");
        thread::sleep(Duration::from_millis(10));
    }
    let stream = Stream::start(&device, 1)?;
    bands.check(&stream.frame(&bands.source)?, 6)
}
