// SPDX-License-Identifier: GPL-2.0

//! Tests faults of the V4L2 core, each shown with a C driver: dw100, or vivid where faults of dw100
//! itself would show first. On the unpatched kernel each test fails, or the kernel prints a report;
//! with the patches in `patches/` each passes, and no report is printed. The tests need the debug
//! kernel. See `docs/v4l2-core.md`.

use std::fs;
use std::hint::spin_loop;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use crate::binding::Binding;
use crate::harness::{Test, becomes_true, fails, test};
use crate::kernel_log::Log;
use crate::picture::Bands;
use crate::scheduling::{Class, pin};
use crate::v4l2::bindings::V4L2_EVENT_CTRL;
use crate::v4l2::dma_heap::Heap;
use crate::v4l2::held::HeldMemory;
use crate::v4l2::{Device, Errno, Format, Memory, PATIENCE, Queue, Sent, Stream, Way, Which};

/// The tests. Their names are those of `xtask/src/test/v4l2_core.rs`.
pub const TESTS: &[Test] = &[
    test(
        "a request and the file of its controls are closed at the same time",
        closed_together,
    ),
    test(
        "a mem2mem device is freed while its work item is pending",
        pending_work,
    ),
    test(
        "an ioctl of the media device waits for its argument during unbinding",
        late_argument,
    ),
    test(
        "a request is used and closed after its driver was unbound",
        late_request,
    ),
    test("dma-bufs that cannot be attached are freed", freed_buffers),
    test(
        "no plane is longer than the dma-buf that it shares",
        shared_plane,
    ),
    test(
        "VIDIOC_REQBUFS takes no lock of controls under that of buffers",
        lock_circle,
    ),
    test(
        "VIDIOC_DQEVENT ends when the device is unregistered",
        event_ends,
    ),
    test(
        "a prepared buffer is finished before it is removed",
        prepared_buffer,
    ),
    test(
        "a buffer of a queue that streams is removed",
        buffer_of_stream,
    ),
];

/// How often two files are closed at the same time. Without the patch some hundred rounds are
/// enough.
const ROUNDS: u32 = 1500;

/// The longest time between the two, in iterations of an empty loop.
const DELAY: u32 = 4000;

/// The longest time for which a CPU is kept busy. Unbinding may wait for SRCU, which needs a worker
/// of that CPU.
const BUSY: Duration = Duration::from_secs(8);

/// `V4L2_CID_BRIGHTNESS`, a control of vivid.
const BRIGHTNESS: u32 = 0x0098_0900;

/// Returns whether the kernel's log has a report.
fn reported() -> Result<bool> {
    /// `SYSLOG_ACTION_READ_ALL`
    const READ_ALL: i32 = 3;
    let mut log = vec![0_u8; 1 << 18];
    // SAFETY: The buffer has the size that is passed.
    let read = unsafe { libc::klogctl(READ_ALL, log.as_mut_ptr().cast(), 1 << 18) };
    let read = usize::try_from(Errno::result(read)?)?;
    let log = String::from_utf8_lossy(&log[..read]);
    Ok(log.contains("BUG: ") || log.contains("[ cut here ]"))
}

/// The camera of the kernel's test driver vivid, which frees its objects when they are not used any
/// more. dw100 frees them when it is unbound, which the kernel reports whatever the core does.
struct Camera {
    device: Device,
    name: String,
}

impl Camera {
    /// Opens the camera.
    fn open() -> Result<Self> {
        let device = Device::of_driver("vivid").context("is vivid loaded?")?;
        let name = device.name()?;
        Ok(Self { device, name })
    }

    /// Unbinds the camera, closes its node, and waits until it is freed.
    fn freed(self) -> Result<()> {
        fs::write(VIVID.to_owned() + "unbind", self.name).context("unbinding vivid")?;
        drop(self.device);
        sleep(LATE);
        Ok(())
    }
}

/// Longer than the debug kernel delays the release of device model objects, which is up to four
/// seconds.
const LATE: Duration = Duration::from_secs(6);

/// The directory of vivid in sysfs.
const VIVID: &str = "/sys/bus/platform/drivers/vivid/";

/// Unloads vivid. Returns `false` if the kernel refuses.
fn unloads() -> Result<bool> {
    let mut rmmod = Command::new("rmmod");
    Ok(rmmod.arg("vivid").output()?.status.success())
}

/// Unloads vivid, which may be in use for some time yet, and loads it with the options of the
/// suite.
fn reload() -> Result<()> {
    ensure!(becomes_true(PATIENCE, unloads)?, "vivid cannot be unloaded");
    let mut modprobe = Command::new("modprobe");
    let status = modprobe
        .args(["vivid", "node_types=1", "multiplanar=2"])
        .status()?;
    ensure!(status.success(), "modprobe vivid: {status}");
    Ok(())
}

/// A file that a thread closes, and how long it waits before that.
type Closed = (Box<dyn Send>, u32);

fn closed_together() -> Result<()> {
    let mut random = XorShiftRng::seed_from_u64(0xd100);
    // Each of two threads closes the files that it is sent.
    let together = Barrier::new(2);
    let close = |cpu, things: Receiver<Closed>, done: Sender<()>| -> Result<()> {
        pin(cpu)?;
        for (thing, delay) in things {
            together.wait();
            for _ in 0..delay {
                spin_loop();
            }
            drop(thing);
            done.send(())?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let (done, both) = mpsc::channel();
        let to = [0, 1].map(|cpu| {
            let (to, things) = mpsc::channel();
            let done = done.clone();
            scope.spawn(move || close(cpu, things, done));
            to
        });
        let mut rounds = || -> Result<()> {
            for round in 0..ROUNDS {
                let device = Device::open()?;
                let request = device.media()?.request()?;
                let map = device.map(Which::Default)?;
                device.set_map(Which::Request(&request), &map)?;
                let things: [Box<dyn Send>; 2] = [Box::new(request), Box::new(device)];
                for (to, thing) in to.iter().zip(things) {
                    to.send((thing, random.next_u32() % DELAY))
                        .map_err(|_| anyhow!("a thread ended"))?;
                }
                for _ in 0..2 {
                    both.recv_timeout(PATIENCE).context("a thread hangs")?;
                }
                ensure!(
                    round % 16 != 0 || !reported()?,
                    "the kernel reports after {round} rounds"
                );
            }
            Ok(())
        };
        let result = rounds();
        drop(to);
        result
    })
}

fn pending_work() -> Result<()> {
    let binding = Binding::find()?;
    // Otherwise the kernel gives other tasks a twentieth of the CPU.
    fs::write("/sys/kernel/debug/sched/fair_server/cpu0/runtime", "0")
        .context("taking ordinary tasks' share of the CPU")?;
    pin(1)?;
    let [busy, stop] = [AtomicBool::new(false), AtomicBool::new(false)];
    thread::scope(|scope| {
        // Its priority is between that of the interrupt thread, which schedules the work, and that
        // of the worker.
        let hog = || -> Result<()> {
            pin(0)?;
            Class::RealTime(40).take()?;
            busy.store(true, Ordering::Relaxed);
            let start = Instant::now();
            while !stop.load(Ordering::Relaxed) && start.elapsed() < BUSY {
                spin_loop();
            }
            Ok(())
        };
        let one_frame = || -> Result<()> {
            let device = Device::open()?;
            let bands = Bands::set(&device)?;
            let stream = Stream::start(&device, 1)?;
            stream.output.write(0, &bands.source)?;
            scope.spawn(hog);
            let taken = becomes_true(PATIENCE, || Ok(busy.load(Ordering::Relaxed)))?;
            ensure!(taken, "the CPU was not taken");
            stream.queue(0, &Sent::default())?;
            stream.dequeue().map(drop)
        };
        let unbind = || binding.unbind_as(Class::Ordinary).map(drop);
        let result = one_frame().and_then(|()| unbind());
        stop.store(true, Ordering::Relaxed);
        result
    })
}

fn late_argument() -> Result<()> {
    let camera = Camera::open()?;
    let media = camera.device.media()?;
    let memory = HeldMemory::new().context("is this a kernel with CONFIG_USERFAULTFD?")?;
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        // SAFETY: The memory has a megabyte, more than the page that must be valid.
        scope.spawn(|| sender.send(unsafe { media.info_to(memory.as_ptr()) }));
        let unbind = || -> Result<()> {
            ensure!(memory.is_touched(PATIENCE)?, "the ioctl did not begin");
            camera.freed()
        };
        let result = unbind();
        memory.let_go();
        result?;
        let told = receiver.recv_timeout(PATIENCE).context("the ioctl hangs")?;
        fails(told, Errno::EIO, "the ioctl that waited")
    })?;
    drop(media);
    reload()
}

fn late_request() -> Result<()> {
    let camera = Camera::open()?;
    let request = camera.device.media()?.request()?;
    camera.freed()?;
    fails(request.queue(), Errno::ENODEV, "queueing the request")?;
    fails(request.reinit(), Errno::ENODEV, "emptying the request")?;
    ensure!(!unloads()?, "the module is unloaded with a request open");
    drop(request);
    reload()
}

/// Returns how many dma-bufs there are.
fn dma_bufs() -> Result<usize> {
    let list = fs::read_to_string("/sys/kernel/debug/dma_buf/bufinfo")?;
    let total = list.lines().find_map(|line| {
        let rest = line.strip_prefix("Total ")?;
        rest.split_once(" objects")?.0.parse().ok()
    });
    total.context("bufinfo has no total")
}

fn freed_buffers() -> Result<()> {
    let heap = Heap::open()?;
    let before = dma_bufs()?;
    {
        let device = Camera::open()?.device;
        let format = device.set_format(Way::Capture, &Format::new(b"NM12", 640, 480))?;
        let queue = Queue::import(&device, Way::Capture, 1)?;
        // The first plane fails, then the second.
        for short in 0..2 {
            let planes = format
                .sizes()
                .into_iter()
                .map(|length| heap.allocate(length))
                .collect::<Result<Vec<_>, _>>()?;
            let mut said: Vec<_> = planes.iter().map(|plane| (plane, plane.len())).collect();
            said[short].1 += 1 << 16;
            fails(
                queue.queue_shared(0, &Sent::default(), &said),
                Errno::EFAULT,
                "queueing a plane that is longer than its dma-buf",
            )?;
        }
    }
    let mut after = before;
    let freed = becomes_true(Duration::from_secs(5), || {
        after = dma_bufs()?;
        Ok(after <= before)
    })?;
    ensure!(freed, "{} dma-bufs are left", after - before);
    Ok(())
}

fn shared_plane() -> Result<()> {
    let heap = Heap::open()?;
    let device = Camera::open()?.device;
    let format = device.set_format(Way::Capture, &Format::new(b"NM12", 640, 480))?;
    let queue = Queue::import(&device, Way::Capture, 1)?;
    let sizes = format.sizes();
    let buffer = heap.allocate(sizes.iter().sum())?;
    let whole = buffer.len();
    let mut planes = [(&buffer, whole), (&buffer, whole + (1 << 16))];
    fails(
        queue.queue_shared(0, &Sent::default(), &planes),
        Errno::EFAULT,
        "queueing a second plane that is longer than the dma-buf",
    )?;
    planes[1].1 = whole;
    queue
        .queue_shared(0, &Sent::default(), &planes)
        .context("queueing planes that are not")
}

fn lock_circle() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    // This copies to the process with the lock of the controls held.
    device.map(Which::Current)?;
    // This takes the lock of the buffers in mmap().
    let mut stream = Stream::prepare(&device, 1)?;
    stream.output.unmap();
    let request = device.media()?.request()?;
    device.set_map(Which::Request(&request), &bands.map(3))?;
    let sent = Sent {
        request: Some(&request),
        bytesused: Some(1),
        ..Sent::default()
    };
    stream.output.queue(0, &sent)?;
    request.queue()?;
    // Only the buffer holds the request now.
    drop(request);
    // lockdep reports a circle in the kernel's log, and this process gets no error.
    device.request_buffers(Way::Output, Memory::Mmap, 0)?;
    Ok(())
}

fn event_ends() -> Result<()> {
    let Camera { device, name } = Camera::open()?;
    device.subscribe(V4L2_EVENT_CTRL, BRIGHTNESS, 0)?;
    // From here on DQEVENT waits.
    fcntl(device.as_raw_fd(), FcntlArg::F_SETFL(OFlag::O_RDWR))?;
    let (sender, receiver) = mpsc::channel();
    // The thread is not joined: one that waits for ever ends with the process.
    thread::spawn(move || sender.send(device.event().map(drop)));
    sleep(Duration::from_millis(300));
    ensure!(receiver.try_recv().is_err(), "DQEVENT did not wait");
    let start = Instant::now();
    fs::write(VIVID.to_owned() + "unbind", name).context("unbinding vivid")?;
    let told = receiver
        .recv_timeout(PATIENCE)
        .with_context(|| format!("DQEVENT waits {:?} after unbinding", start.elapsed()))?;
    fails(told, Errno::ENODEV, "the DQEVENT that waited")?;
    sleep(LATE);
    reload()
}

/// Checks that vb2 prints no warning about a queue's calls while `with` uses the camera, and closes
/// it.
fn balanced(with: impl FnOnce(Device) -> Result<()>) -> Result<()> {
    let mut log = Log::from_now()?;
    with(Camera::open()?.device)?;
    let mut said = log.texts()?;
    said.retain(|text| text.contains("unbalanced counters"));
    ensure!(said.is_empty(), "the kernel says {said:?}");
    Ok(())
}

fn prepared_buffer() -> Result<()> {
    balanced(|device| {
        let queue = Queue::allocate(&device, Way::Capture, 1)?;
        queue.prepare(0, &Sent::default())?;
        device.remove_buffers(Way::Capture, 0, 1)?;
        Ok(())
    })
}

fn buffer_of_stream() -> Result<()> {
    balanced(|device| {
        let queue = Queue::allocate(&device, Way::Capture, 4)?;
        for index in 0..3 {
            queue.queue(index, &Sent::default())?;
        }
        device.start(Way::Capture)?;
        device.remove_buffers(Way::Capture, 3, 1)?;
        device.stop(Way::Capture)?;
        Ok(())
    })
}
