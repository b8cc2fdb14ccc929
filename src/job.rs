// SPDX-License-Identifier: GPL-2.0

//! One frame's life: it is started with a program and a pair of buffers; the interrupt handler
//! disables the engine's AXI master and latches the status; the interrupt thread starts the next
//! frame and returns the buffers. If no interrupt comes in time, a watchdog does what the interrupt
//! handler would have done.

#[cfg(CONFIG_KUNIT = "y")]
mod bench;
#[cfg(CONFIG_KUNIT = "y")]
mod races;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;

use crate::{
    dewarp::{
        claim,
        frame::Program,
        statistics::{
            Account,
            Ended,
            Totals, //
        },
        status::{
            Status,
            Verdict, //
        }, //
    },
    engine::{
        Engine,
        Snapshot, //
    },
    media::{
        buffer::State,
        m2m::Job, //
    },
    platform::{
        irq,
        limit::RateLimit,
        timer, //
    },
    trace, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    fmt,
    irq::{
        IrqReturn,
        ThreadedIrqReturn, //
    },
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// A frame that is to be made, and who is to account for it.
pub(crate) struct Frame {
    /// Its buffers.
    pub(crate) job: Job,
    /// Of its open file.
    pub(crate) account: Arc<Account>,
}

/// The engine and the frame that it works on.
#[pin_data]
pub(crate) struct Runner {
    engine: Engine,
    /// Who ends the frame. The hard half touches nothing else but the engine, and what counts.
    claim: claim::Slot,
    /// How long the frame may take, nanoseconds.
    limit: Atomic<i64>,
    /// How often the interrupt has come again since the frame was latched. For the interrupt handler.
    repeated: Atomic<u32>,
    /// The frame, for who has claimed it.
    #[pin]
    frame: SpinLock<Option<Frame>>,
    /// The registers when a frame's time was last over, before the reset.
    #[pin]
    time_out: Mutex<Option<Snapshot>>,
    #[pin]
    complaints: RateLimit,
    totals: Totals,
    clock: Clock,
}

/// How often the interrupt may come again for a frame whose end is under way, before it is taken
/// for one that nobody can silence.
const MOST_REPEATED: u32 = 1000;

/// When the frame was started, and when its interrupt had been seen to, in nanoseconds since
/// `epoch`.
struct Clock {
    epoch: Instant<Monotonic>,
    started: Atomic<i64>,
    interrupted: Atomic<i64>,
}

impl Clock {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            started: Atomic::new(0),
            interrupted: Atomic::new(0),
        }
    }

    /// It is now.
    fn set(&self, moment: &Atomic<i64>) {
        moment.store(self.epoch.elapsed().as_nanos(), Relaxed);
    }

    /// How long a frame that was ready at that moment has waited, and how long the engine took, in
    /// nanoseconds.
    fn times(&self, ready: Instant<Monotonic>) -> (u64, u64) {
        let started = self.started.load(Relaxed);
        let waited = started - (ready - self.epoch).as_nanos();
        let took = self.interrupted.load(Relaxed) - started;
        let positive = |nanos: i64| u64::try_from(nanos).unwrap_or(0);
        (positive(waited), positive(took))
    }
}

impl Runner {
    /// An idle runner.
    pub(crate) fn new(engine: Engine) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                engine,
                claim: claim::Slot::new(),
                limit: Atomic::new(0),
                repeated: Atomic::new(0),
                frame <- new_spinlock!(None, "Runner::frame"),
                time_out <- new_mutex!(None, "Runner::time_out"),
                complaints <- RateLimit::new(),
                totals: Totals::new(),
                clock: Clock::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What was counted.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Shows the registers as they were when a frame's time was last over: BUS_CTRL with the AXI
    /// master disabled, and INTERRUPT_STATUS with the events and FRAME_BUSY as the watchdog found
    /// them. `none` if no frame has run out of time.
    pub(crate) fn show_time_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The interrupt thread does not wait until it is printed.
        let registers = *self.time_out.lock();
        match registers {
            Some(registers) => write!(f, "{registers}"),
            None => writeln!(f, "none"),
        }
    }

    /// Starts a frame, which is to end within `limit`. One that cannot be started comes back, to be
    /// ended as failed.
    pub(crate) fn start(
        &self,
        device: &Device<Bound>,
        frame: Frame,
        program: &Program,
        limit: Delta,
    ) -> Result<(), Job> {
        let Ok(registers) = self.engine.registers(device) else {
            return Err(self.refuse(frame));
        };
        let context = frame.account.number;
        // Whoever ends the frame has to find it, so it is there before anybody may. A frame
        // is started only when the last one was taken out: one found here is a bug, and dropping
        // it ends it.
        let left_over = self.frame.lock().replace(frame);
        drop(left_over);
        self.limit.store(limit.as_nanos(), Relaxed);
        let Some(generation) = self.claim.start() else {
            return self.take().map_or(Ok(()), |frame| Err(self.refuse(frame)));
        };
        trace::job_start(generation.number(), context, program);
        self.clock.set(&self.clock.started);
        self.engine.start(registers, program);
        self.claim.launched(generation);
        Ok(())
    }

    /// Ends the frame that is at work as failed, if there is one and it is not done, by the thread of
    /// the interrupt `line`. Nobody may start one meanwhile.
    pub(crate) fn abandon(&self, device: &Device<Bound>, line: &irq::Line) {
        if let claim::Phase::Running(generation) = self.claim.phase() {
            self.expire(generation, device, line);
        }
    }

    /// Ends a frame that was found running, and whose time is over, by the thread of the interrupt
    /// `line`. It does not run before it is woken: until then no other frame starts, and the device
    /// stays powered.
    fn expire(&self, generation: claim::Generation, device: &Device<Bound>, line: &irq::Line) {
        if self.claim.expire(generation) {
            // A frame that is done is done, although its interrupt did not come.
            self.claim.add(generation, self.engine.quiesce_late(device));
            line.wake_thread();
        }
    }

    /// Gives a frame back that the engine was not started with, or is kept from ending, to be ended
    /// as failed.
    // One copy of the code for all who call it.
    #[inline(never)]
    pub(crate) fn refuse(&self, frame: Frame) -> Job {
        self.totals.frames.note_refused();
        frame.account.frames.note_refused();
        frame.job
    }

    /// The frame, for who has claimed it. It must not be ended with the lock held: that
    /// starts the next one.
    fn take(&self) -> Option<Frame> {
        self.frame.lock().take()
    }
}

/// The interrupt of a runner's engine.
pub(crate) struct Interrupt(pub(crate) Arc<Runner>);

impl irq::Handler for Interrupt {
    /// Registers and atomic words.
    fn hard(&self, device: &Device<Bound>) -> ThreadedIrqReturn {
        // With no frame running, the engine may be without power, and its interrupt
        // is masked.
        let Some(generation) = self.0.claim.running() else {
            self.0.totals.note_stale();
            // Until an acknowledgement has arrived the interrupt comes again: that of the interrupt
            // handler is on its way, or the watchdog is about to write it. It is this device's, and
            // the kernel must not disable it as nobody's. One that never stops keeps the thread from
            // running, which has this CPU: then the kernel must.
            let repeated = self.0.repeated.load(Relaxed);
            self.0.repeated.store(repeated.saturating_add(1), Relaxed);
            return if self.0.claim.is_latched() && repeated < MOST_REPEATED {
                ThreadedIrqReturn::Handled
            } else {
                ThreadedIrqReturn::None
            };
        };
        self.0.repeated.store(0, Relaxed);
        let Some(status) = self.0.engine.quiesce(device) else {
            self.0.totals.note_silent();
            trace::irq(generation.number(), Status::SILENCE, false);
            return ThreadedIrqReturn::None;
        };
        // Who claims the frame is to see when this was.
        self.0.clock.set(&self.0.clock.interrupted);
        let latched = self.0.claim.latch(generation, status);
        trace::irq(generation.number(), status, latched);
        if latched {
            ThreadedIrqReturn::WakeThread
        } else {
            self.0.totals.note_stale();
            ThreadedIrqReturn::None
        }
    }

    fn threaded(&self, device: &Device<Bound>, number: irq::Number) -> IrqReturn {
        if self.0.claim.is_late() {
            // The watchdog latched the frame. Its interrupt handler may run at the same time: it
            // must not take the next frame's events for this one's, and what it has acknowledged of
            // this one counts.
            number.wait_for_hard_half();
        }
        let Some(outcome) = self.0.claim.claim_latched() else {
            return IrqReturn::None;
        };
        let status = outcome.status.unwrap_or(Status::SILENCE);
        let state = match status.verdict() {
            Verdict::Done => State::Done,
            Verdict::Failed | Verdict::None => State::Error,
        };
        if outcome.late {
            // The registers are read for debugfs only, and fail only for another device.
            if let Ok(registers) = self.0.engine.snapshot(device) {
                *self.0.time_out.lock() = Some(registers.with_status(status));
            }
        }
        // What stopped it halfway must not stop the next frame. The job keeps the device
        // powered. The reset fails only for another device.
        let reset = (outcome.late || state == State::Error)
            .then(|| self.0.engine.reset(device).ok())
            .flatten();
        if let Some(Frame { job, account }) = self.0.take() {
            let (wait, took) = self.0.clock.times(job.ready());
            let ended = Ended {
                done: state == State::Done,
                status,
                wait,
                engine: (!outcome.late).then_some(took),
                reset: reset.is_some(),
            };
            job.finish(state, || {
                // The engine is at work again, and this frame's user may not look yet.
                self.0.totals.frames.note(&ended);
                account.frames.note(&ended);
                trace::job_finish(outcome.generation.number(), account.number, &ended);
            });
        }
        // The next frame does not wait for the message.
        let errors = status.errors();
        if (outcome.late || !errors.is_empty()) && self.0.complaints.allows(c"dw100") {
            dev_err!(
                device,
                "{}: the engine reports {:?} (INTERRUPT_STATUS {:#04x}){}\n",
                if outcome.late {
                    "no interrupt in time"
                } else {
                    "interrupt"
                },
                errors,
                status.pending(),
                if reset.is_some_and(Status::is_busy) {
                    ", and is busy after a reset"
                } else {
                    ""
                }
            );
        }
        IrqReturn::Handled
    }
}

/// What ends a frame whose interrupt does not come: a timer that finds the frame at work, and again
/// when the time that it may take is over. So it has that long, and at most twice that long.
pub(crate) struct Watchdog {
    runner: Arc<Runner>,
    line: irq::Line,
    epoch: Instant<Monotonic>,
    /// The frame that was found, and when, in nanoseconds since `epoch`. For the timer alone.
    found: (Atomic<u64>, Atomic<i64>),
}

impl Watchdog {
    /// Watches over the frames of `runner`, whose interrupt is `line`.
    pub(crate) fn new(runner: Arc<Runner>, line: irq::Line) -> Self {
        Self {
            runner,
            line,
            epoch: Instant::now(),
            // No frame has this number.
            found: (Atomic::new(u64::MAX), Atomic::new(0)),
        }
    }
}

impl timer::Expire for Watchdog {
    /// Registers and atomic words.
    fn expire(&self, device: &Device<Bound>) -> Option<Delta> {
        let claim = &self.runner.claim;
        let phase = claim.phase();
        let limit = Delta::from_nanos(self.runner.limit.load(Relaxed));
        let generation = match phase {
            claim::Phase::Over => return None,
            claim::Phase::Starting => return Some(limit),
            claim::Phase::Running(generation) => generation,
        };
        let now = self.epoch.elapsed();
        let (frame, since) = &self.found;
        if frame.load(Relaxed) != generation.number() {
            frame.store(generation.number(), Relaxed);
            since.store(now.as_nanos(), Relaxed);
            return Some(limit);
        }
        // Somebody may have set the timer for an earlier frame, late.
        let left = Delta::from_nanos(since.load(Relaxed)) + limit - now;
        if left > Delta::ZERO {
            return Some(left);
        }
        self.runner.expire(generation, device, &self.line);
        None
    }
}
