// SPDX-License-Identifier: GPL-2.0

//! One frame's life: it is started with a program and a pair of buffers, the hard
//! half of the interrupt stops the engine and keeps the status, the threaded half
//! gives the buffers back and starts the next one. If no interrupt comes in time, a
//! watchdog does what the hard half would have done.

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
        status::{
            Status,
            Verdict, //
        }, //
    },
    engine::Engine,
    media::{
        buffer::State,
        m2m::Job, //
    },
    platform::{
        irq,
        limit::RateLimit,
        timer, //
    }, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    irq::{
        IrqReturn,
        ThreadedIrqReturn, //
    },
    new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        SpinLock, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// The engine and the frame that it works on.
#[pin_data]
pub(crate) struct Runner {
    engine: Engine,
    /// Who ends the frame. All that the hard half may touch besides the engine.
    claim: claim::Slot,
    /// How long the frame may take, nanoseconds.
    limit: Atomic<i64>,
    /// The frame, for who has claimed it.
    #[pin]
    job: SpinLock<Option<Job>>,
    #[pin]
    complaints: RateLimit,
}

impl Runner {
    /// An idle runner.
    pub(crate) fn new(engine: Engine) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                engine,
                claim: claim::Slot::new(),
                limit: Atomic::new(0),
                job <- new_spinlock!(None, "Runner::job"),
                complaints <- RateLimit::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a frame, which is to end within `limit`. A frame that cannot be started comes back
    /// as failed.
    pub(crate) fn start(&self, job: Job, program: &Program, limit: Delta) {
        // Whoever ends the frame has to find it, so it is there before anybody may. mem2mem
        // starts a job only when the last one has ended: a job found here is a bug, and
        // dropping it ends it.
        let left_over = self.job.lock().replace(job);
        drop(left_over);
        self.limit.store(limit.as_nanos(), Relaxed);
        let started = self.claim.start().is_some_and(|generation| {
            let started = self.engine.start(program).is_ok();
            if started {
                self.claim.launched(generation);
            }
            started || self.claim.claim_if(generation).is_none()
        });
        if !started {
            drop(self.take());
        }
    }

    /// The job, for who has claimed it. It must not be ended with the lock held: that
    /// starts the next one.
    fn take(&self) -> Option<Job> {
        self.job.lock().take()
    }
}

/// The interrupt of a runner's engine.
pub(crate) struct Interrupt(pub(crate) Arc<Runner>);

impl irq::Handler for Interrupt {
    /// Registers and one atomic word.
    fn hard(&self, device: &Device<Bound>) -> ThreadedIrqReturn {
        // With no frame running, the engine may be without power, and its interrupt
        // is masked.
        let Some(generation) = self.0.claim.running() else {
            return ThreadedIrqReturn::None;
        };
        match self.0.engine.quiesce(device) {
            Some(status) if self.0.claim.latch(generation, status) => ThreadedIrqReturn::WakeThread,
            _ => ThreadedIrqReturn::None,
        }
    }

    fn threaded(&self, device: &Device<Bound>, number: irq::Number) -> IrqReturn {
        let Some(outcome) = self.0.claim.claim_latched() else {
            return IrqReturn::None;
        };
        let mut status = outcome.status.unwrap_or(Status::SILENCE);
        let silent = status.verdict() == Verdict::None;
        if silent {
            // The watchdog latched the frame. Its interrupt may be under way all the same, and must
            // not be taken for the next frame's; or it was held up, and the frame is done.
            number.wait_for_hard_half();
            status = self.0.engine.status(device);
        }
        let state = match status.verdict() {
            Verdict::Done => State::Done,
            Verdict::Failed | Verdict::None => State::Error,
        };
        if silent || state == State::Error {
            // What stopped it halfway must not stop the next frame. The job keeps the device
            // powered. The reset fails only when there is no next frame.
            let _ = self.0.engine.reset();
        }
        if let Some(job) = self.0.take() {
            job.finish(state);
        }
        // The next frame does not wait for the message.
        let errors = status.errors();
        if (silent || !errors.is_empty()) && self.0.complaints.allows(c"dw100") {
            dev_err!(
                device,
                "{}: engine reports {:?} (INTERRUPT_STATUS {:#04x})\n",
                if silent {
                    "no interrupt in time"
                } else {
                    "interrupt"
                },
                errors,
                status.pending()
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
        // From here on the frame ends by the threaded half, which does not run before it is woken.
        if claim.latch(generation, Status::SILENCE) {
            self.runner.engine.silence(device);
            self.line.wake_thread();
        }
        None
    }
}
