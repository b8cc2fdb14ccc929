// SPDX-License-Identifier: GPL-2.0

//! Tests an ioctl of one open file that waits, for its process's memory or for a stream that is
//! being stopped: the other files of the device go on.

use std::fs;
use std::os::fd::AsRawFd;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::thread::{scope, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::{MOMENT, map_in, while_held, works};
use crate::binding::Binding;
use crate::harness::{becomes_true, fails};
use crate::model;
use crate::picture::Bands;
use crate::v4l2::bindings;
use crate::v4l2::control::Verb;
use crate::v4l2::held::HeldMemory;
use crate::v4l2::{Device, Errno, MAP, PATIENCE, Request, Sent, Stream, Way, Which, raw};

/// The longest time of a call of another file on a slow kernel of a busy machine. It tests whether
/// the call waits, and not how fast it is.
const BOUND: Duration = Duration::from_secs(10);

/// The watchdog time with which a frame does not end during the test, milliseconds.
const WATCHDOG_MS: &str = "60000";

/// A call and its name.
type Call = (&'static str, fn(&Device) -> Result<()>);

/// The calls that do not need the engine.
const CALLS: [Call; 11] = [
    ("VIDIOC_QUERYCAP", |device| {
        Ok(device.capability().map(drop)?)
    }),
    ("VIDIOC_ENUM_FMT", |device| {
        Ok(device.nth_format(Way::Output, 0).map(drop)?)
    }),
    ("VIDIOC_ENUM_FRAMESIZES", |device| {
        Ok(device.frame_sizes(b"NV12", 0).map(drop)?)
    }),
    ("VIDIOC_G_FMT", |device| {
        Ok(device.format(Way::Capture).map(drop)?)
    }),
    ("VIDIOC_TRY_FMT", |device| {
        let format = device.format(Way::Output)?;
        Ok(device.try_format(Way::Output, &format).map(drop)?)
    }),
    ("VIDIOC_S_FMT", |device| {
        for way in Way::BOTH {
            device.set_format(way, &device.format(way)?)?;
        }
        Ok(())
    }),
    ("VIDIOC_QUERY_EXT_CTRL", |device| {
        Ok(device.query(MAP).map(drop)?)
    }),
    ("VIDIOC_G_EXT_CTRLS or VIDIOC_S_EXT_CTRLS", |device| {
        let map = device.map(Which::Current)?;
        Ok(device.set_map(Which::Current, &map)?)
    }),
    ("VIDIOC_G_SELECTION or VIDIOC_S_SELECTION", |device| {
        Ok(device.set_crop(device.crop()?).map(drop)?)
    }),
    ("VIDIOC_S_PRIORITY", |device| {
        let priority = bindings::v4l2_priority_V4L2_PRIORITY_INTERACTIVE;
        // SAFETY: The argument is a number.
        Ok(unsafe { raw::s_priority(device.as_raw_fd(), &priority) }.map(drop)?)
    }),
    ("VIDIOC_SUBSCRIBE_EVENT", |device| {
        device.subscribe(bindings::V4L2_EVENT_CTRL, MAP, 0)?;
        let event = device.event().map(drop);
        ensure!(event == Err(Errno::ENOENT), "there is an event: {event:?}");
        Ok(device.unsubscribe(bindings::V4L2_EVENT_CTRL, MAP)?)
    }),
];

/// The calls that need the engine.
const FRAMES: [Call; 2] = [
    ("streaming", |device| {
        let bands = Bands::set(device)?;
        device.set_map(Which::Current, &bands.map(9))?;
        let stream = Stream::start(device, 1)?;
        bands.check(&stream.frame(&bands.source)?, 9)
    }),
    ("a request", |device| {
        let bands = Bands::set(device)?;
        let stream = Stream::start(device, 1)?;
        let request: Request = device.media()?.request()?;
        device.set_map(Which::Request(&request), &bands.map(5))?;
        stream.output.write(0, &bands.source)?;
        let sent = Sent {
            request: Some(&request),
            ..Sent::default()
        };
        stream.queue(0, &sent)?;
        request.queue()?;
        let (_, capture) = stream.dequeue()?;
        bands.check(&stream.capture.read(capture.index), 5)
    }),
];

/// Opens the device again and makes the calls on that file, which is returned. If one of them
/// waits, `let_go` ends the wait, and an error is returned.
fn others_go_on(
    calls: impl Iterator<Item = &'static Call> + Send,
    let_go: impl Fn(),
) -> Result<Device> {
    let (started, names) = channel();
    scope(|scope| {
        let other = scope.spawn(move || -> Result<Device> {
            let start = |name| started.send(name).context("nobody listens");
            start("open()")?;
            let device = Device::open()?;
            for (name, call) in calls {
                start(name)?;
                call(&device).context(*name)?;
            }
            Ok(device)
        });
        let mut last = "nothing";
        loop {
            let mut begun = false;
            let ended = becomes_true(BOUND, || {
                let next = names.try_recv();
                begun = next.is_ok();
                last = next.unwrap_or(last);
                Ok(begun || other.is_finished())
            })?;
            if !ended {
                let_go();
                let _ = other.join();
                bail!("{last} of another file waits for more than {BOUND:?}");
            }
            if !begun {
                let result = other.join();
                return result.map_err(|_| anyhow!("a thread panicked after {last}"))?;
            }
        }
    })
}

/// Tests the map in held memory.
fn map_held(verb: Verb) -> Result<()> {
    let device = Device::open()?;
    let bytes = 4 * device.query(MAP)?.elems;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    let call = || map_in(&device, verb, bytes, &memory);
    while_held(&memory, call, || {
        others_go_on(CALLS.iter().chain(&FRAMES), || memory.let_go()).map(drop)
    })
}

pub(super) fn map_read() -> Result<()> {
    map_held(Verb::Get)
}

pub(super) fn map_written() -> Result<()> {
    map_held(Verb::Set)
}

/// Tests the whole argument in held memory.
pub(super) fn format() -> Result<()> {
    let device = Device::open()?;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    // SAFETY: The memory is larger than the argument.
    let call = || unsafe { raw::s_fmt(device.as_raw_fd(), memory.as_ptr().cast()) };
    while_held(&memory, call, || {
        others_go_on(CALLS.iter().chain(&FRAMES), || memory.let_go()).map(drop)
    })
}

/// A thread in `VIDIOC_S_FMT`.
struct Setter<'a> {
    /// Returns whether the call has returned.
    is_done: &'a dyn Fn() -> bool,
    /// The thread's handle, which is valid until the value is dropped.
    thread: libc::pthread_t,
}

/// Runs `meanwhile` while `VIDIOC_STREAMOFF` waits for a frame that does not end, and
/// `VIDIOC_S_FMT` of the same file waits for that. Unbinding the device ends the frame. Returns the
/// result of `VIDIOC_S_FMT`.
fn while_stopping(meanwhile: impl FnOnce(&Setter<'_>) -> Result<()>) -> Result<Result<(), Errno>> {
    let device = Device::open()?;
    let binding = Binding::find()?;
    let watchdog = format!("/sys/kernel/debug/{}/watchdog_ms", device.name()?);
    fs::write(&watchdog, WATCHDOG_MS).context(watchdog)?;
    Bands::set(&device)?;
    let format = device.format(Way::Capture)?;
    let stream = Stream::start(&device, 1)?;
    model::set("stall=1")?;
    stream.queue(0, &Sent::default())?;
    let (tell, told) = channel();
    let set = scope(|scope| {
        let stopper = scope.spawn(|| device.stop(Way::Output));
        let stopping = || -> Result<()> {
            ensure!(!stopper.is_finished(), "VIDIOC_STREAMOFF is over");
            Ok(())
        };
        sleep(MOMENT);
        let setter = scope.spawn(|| {
            // SAFETY: The function has no preconditions.
            let _ = tell.send(unsafe { libc::pthread_self() });
            device.set_format(Way::Capture, &format).map(drop)
        });
        let thread = told.recv_timeout(PATIENCE)?;
        sleep(MOMENT);
        let is_done = || setter.is_finished();
        let result = stopping()
            .and_then(|()| {
                meanwhile(&Setter {
                    is_done: &is_done,
                    thread,
                })
            })
            .and_then(|()| stopping());
        // Unbinding ends the frame, whatever the result, so that the threads end.
        binding.unbind()?;
        result?;
        setter.join().map_err(|_| anyhow!("the thread panicked"))
    });
    drop(stream);
    drop(device);
    binding.bind()?;
    works().context("after binding again")?;
    set
}

pub(super) fn format_behind_a_stop() -> Result<()> {
    let mut other = None;
    let set = while_stopping(|setter| {
        ensure!(!(setter.is_done)(), "VIDIOC_S_FMT does not wait");
        // Closing the file waits for VIDIOC_STREAMOFF in the V4L2 core, so it is kept.
        other = Some(others_go_on(CALLS.iter(), || ())?);
        ensure!(!(setter.is_done)(), "VIDIOC_S_FMT is over");
        Ok(())
    })?;
    drop(other);
    // The queue has buffers.
    fails(set, Errno::EBUSY, "VIDIOC_S_FMT")
}

/// The number of signals that were handled.
static SIGNALS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, SeqCst);
}

/// Installs a handler that counts a signal. `flags` decide whether the system calls that it
/// interrupts are restarted.
fn listen(signal: Signal, flags: SaFlags) -> Result<()> {
    let action = SigAction::new(SigHandler::Handler(count), flags, SigSet::empty());
    // SAFETY: The handler only increments an atomic counter.
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

pub(super) fn signals() -> Result<()> {
    listen(Signal::SIGUSR1, SaFlags::SA_RESTART)?;
    listen(Signal::SIGUSR2, SaFlags::empty())?;
    let set = while_stopping(|setter| {
        for signal in [Signal::SIGUSR1, Signal::SIGUSR2] {
            ensure!(!(setter.is_done)(), "VIDIOC_S_FMT is over before {signal}");
            let before = SIGNALS.load(SeqCst);
            // SAFETY: The thread is not joined yet.
            let error = unsafe { libc::pthread_kill(setter.thread, signal as libc::c_int) };
            ensure!(error == 0, "pthread_kill gives {error}");
            let counted = becomes_true(PATIENCE, || Ok(SIGNALS.load(SeqCst) > before))?;
            ensure!(counted, "{signal} does not arrive");
            sleep(MOMENT);
        }
        Ok(())
    })?;
    fails(set, Errno::EINTR, "VIDIOC_S_FMT")
}
