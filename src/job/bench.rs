// SPDX-License-Identifier: GPL-2.0

//! A test bench for [`Runner`], [`Interrupt`] and [`Watchdog`]: a device in software with
//! registers in memory, and a mem2mem device whose jobs the runner gets.

use super::{
    interrupt::Interrupt,
    watchdog::Watchdog,
    *, //
};
use crate::{
    dewarp::status::Status,
    engine::kunit::{
        Panel,
        PROGRAM, //
    },
    media::{
        control::CID_USER_BASE,
        kunit::{
            Node,
            Stream, //
        },
        prelude::*, //
    },
    platform::{
        binding::Binding,
        kunit::{
            Software,
            Wire, //
        },
        timer::{
            self,
            Timer, //
        }, //
    }, //
};
use irq::Handler as _;
use kernel::{
    irq::{
        IrqReturn,
        ThreadedIrqReturn, //
    },
    module::this_module,
    time::delay::fsleep, //
};

/// The number of buffers of each queue.
pub(super) const BUFFERS: u32 = 4;

/// The array control.
pub(super) const CID_ARRAY: u32 = CID_USER_BASE | 0x1000;

/// The longest time that anything may take on a busy machine.
const PATIENCE: Delta = Delta::from_secs(20);

/// The data that all open files share.
pub(super) struct Shared {
    pub(super) runner: Arc<Runner>,
    line: irq::Line,
    /// The watchdog's timer; [`None`] if the test itself calls the watchdog.
    timer: Option<Arc<Timer<Watchdog>>>,
    limit: Delta,
    /// The number of frames that were started.
    pub(super) started: Atomic<i32>,
    account: Arc<Account>,
}

/// An open file whose frames only start the engine.
pub(super) struct Context(Arc<Shared>);

/// Returns the only format.
fn format() -> PixelFormat {
    let plane = Plane {
        bytes_per_line: 64,
        size_image: 4096,
    };
    PixelFormat::new(
        u32::from_le_bytes(*b"GREY"),
        64,
        64,
        Colorimetry::rec709(),
        &[plane],
    )
}

#[vtable]
impl Operations for Context {
    type Device = Shared;
    type Memory = DmaContig;
    type Prepared = ();

    const NAME: &'static CStr = c"bench";
    const CARD: &'static CStr = c"bench";
    const CONTROLS: &'static [Control] = &[Control::new(
        CID_ARRAY,
        c"array",
        Kind::Array {
            columns: 1,
            rows: 1,
        },
    )];

    fn open(device: Arc<Shared>) -> impl PinInit<Self, Error> {
        Ok(Self(device))
    }

    fn nth_format(_: Direction, index: u32) -> Option<u32> {
        (index == 0).then(|| format().fourcc)
    }

    fn frame_sizes(_: u32) -> Option<FrameSizes> {
        None
    }

    fn format(&self, _: Direction) -> PixelFormat {
        format()
    }

    fn try_format(&self, _: Direction, _: &PixelFormat) -> PixelFormat {
        format()
    }

    fn set_format(&self, _: Direction, _: &PixelFormat, _: Dimensions<'_>) -> Result<PixelFormat> {
        Ok(format())
    }

    fn set_control(&self, _: u32, _: Value<'_>, change: Change<'_>) -> Result<Changed> {
        Ok(change.lock().done())
    }

    fn run(&self, bound: &Device<Bound>, job: Job) -> Run {
        self.0.started.fetch_add(1, Relaxed);
        let frame = Frame {
            job,
            account: self.0.account.clone(),
        };
        let started = self.0.runner.start(bound, frame, &PROGRAM, self.0.limit);
        if let Some(timer) = &self.0.timer {
            Timer::arm(timer, self.0.limit);
        }
        match started {
            Ok(()) => Run::Started,
            Err(job) => Run::Ended(job, buffer::State::Error),
        }
    }

    fn abandon(device: &Shared, bound: &Device<Bound>) {
        device.runner.abandon(bound, &device.line);
    }
}

/// Ends the frames that are queued, so that closing the file does not wait for ever.
struct End {
    stream: Arc<Stream<Context>>,
    runner: Arc<Runner>,
    panel: Panel,
    wire: Wire,
    line: irq::Line,
}

impl Drop for End {
    fn drop(&mut self) {
        wait(|| {
            if self.runner.claim.unlatched().is_some() {
                self.panel.report(1);
                self.wire.raise();
            }
            // The test may have latched a frame without waking the thread.
            self.line.wake_thread();
            self.stream.held() == 0
        });
    }
}

/// The bench. Its fields are dropped in this order: the queued frames end, the file is closed, and
/// the device is unbound.
pub(super) struct Bench {
    _end: End,
    pub(super) stream: Arc<Stream<Context>>,
    pub(super) shared: Arc<Shared>,
    pub(super) panel: Panel,
    /// The interrupt handler, for tests that call it as the kernel does.
    pub(super) interrupt: Interrupt,
    /// A watchdog without a timer.
    pub(super) watchdog: Watchdog,
    /// The video device, to open another file.
    pub(super) node: Node<Context>,
    pub(super) software: Software,
}

impl Bench {
    /// Creates a bench whose stream has buffers, and whose frames have the time limit `limit`. If
    /// `timer` is true, the watchdog's timer enforces the limit.
    pub(super) fn new(limit: Delta, timer: bool) -> Result<Self> {
        let software = Software::new()?;
        let device = software.device();
        let (engine, panel) = Panel::new(device)?;
        engine.reset(device)?;
        let runner = Runner::new(engine)?;
        let binding = Binding::new(device)?;
        let line = irq::request(software.platform()?, 0, Interrupt(runner.clone()))?;
        let watchdog = || Watchdog::new(runner.clone(), line.clone());
        let timer = timer.then(|| Timer::new(device, watchdog())).transpose()?;
        let shared = Arc::new(
            Shared {
                runner: runner.clone(),
                line: line.clone(),
                timer,
                limit,
                started: Atomic::new(0),
                account: Arc::new(Account::new(1, 1), GFP_KERNEL)?,
            },
            GFP_KERNEL,
        )?;
        let module = this_module::<crate::DriverModule>();
        let node = Node::<Context>::register(device, module, binding, shared.clone())?;
        let stream = Arc::new(node.open()?, GFP_KERNEL)?;
        stream.allocate(BUFFERS)?;
        Ok(Self {
            _end: End {
                stream: stream.clone(),
                runner: runner.clone(),
                panel: panel.clone(),
                wire: software.wire(),
                line: line.clone(),
            },
            stream,
            shared,
            panel,
            interrupt: Interrupt(runner.clone()),
            watchdog: watchdog(),
            node,
            software,
        })
    }

    /// Creates a bench with `frames` queued, of which the first one runs.
    pub(super) fn running(limit: Delta, timer: bool, frames: u32) -> Result<Self> {
        let this = Self::new(limit, timer)?;
        this.fill(frames)?;
        Ok(this)
    }

    /// Starts the stream with `frames` queued.
    pub(super) fn fill(&self, frames: u32) -> Result {
        self.stream.start()?;
        (0..frames).try_for_each(|index| self.stream.queue_pair(index))
    }

    /// Calls the interrupt handler, as the kernel does.
    pub(super) fn handle(&self) -> ThreadedIrqReturn {
        self.interrupt.handle(self.software.device())
    }

    /// Calls the interrupt thread's function, as the kernel does. Returns whether it handled a
    /// frame.
    pub(super) fn handle_threaded(&self) -> bool {
        let (device, number) = (self.software.device(), self.software.wire().number());
        matches!(
            self.interrupt.handle_threaded(device, number),
            IrqReturn::Handled
        )
    }

    /// Calls the watchdog, as its timer does.
    pub(super) fn expire(&self) -> Option<Delta> {
        timer::Expire::expire(&self.watchdog, self.software.device())
    }

    /// Returns the number of frames that were started.
    pub(super) fn started(&self) -> i32 {
        self.shared.started.load(Relaxed)
    }

    /// Reports an event, lets the interrupt handler latch the running frame, and takes the
    /// frame out, for a test that ends it in the place of the interrupt thread.
    pub(super) fn latched(&self) -> Option<Job> {
        self.panel.report(1);
        self.handle();
        let runner = &self.shared.runner;
        runner.claim.claim_latched()?;
        runner.take().map(|frame| frame.job)
    }

    /// Ends what a test started in the claim alone. Returns whether there was anything.
    pub(super) fn end_claim(&self) -> bool {
        let claim = &self.shared.runner.claim;
        let started = claim.unlatched();
        started.is_some_and(|frame| claim.latch(frame, Status::SILENCE))
            && claim.claim_latched().is_some()
    }

    /// Returns whether a frame runs.
    pub(super) fn is_running(&self) -> bool {
        self.shared.runner.claim.unlatched().is_some()
    }

    /// Takes the frames that were returned and not taken yet: each frame's number, and whether it
    /// failed. Returns [`None`] if the two queues do not agree.
    pub(super) fn returned(&self) -> Option<KVec<(u32, bool)>> {
        let mut all = KVec::new();
        // The CAPTURE buffer is returned first.
        while let Some(frame) = self.stream.take(Direction::Output) {
            if self.stream.take(Direction::Capture) != Some(frame) {
                return None;
            }
            all.push((frame.index, frame.failed), GFP_KERNEL).ok()?;
        }
        Some(all)
    }

    /// Returns whether exactly these frames were returned and not taken yet.
    pub(super) fn has_returned(&self, frames: &[(u32, bool)]) -> bool {
        self.returned().is_some_and(|all| *all == *frames)
    }
}

/// Waits until `until` returns true. Returns false if that takes too long.
pub(super) fn wait(mut until: impl FnMut() -> bool) -> bool {
    let start = Instant::<Monotonic>::now();
    loop {
        if until() {
            return true;
        }
        if start.elapsed() > PATIENCE {
            return false;
        }
        fsleep(Delta::from_micros(200));
    }
}
