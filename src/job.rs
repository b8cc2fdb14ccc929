// SPDX-License-Identifier: GPL-2.0

//! How one frame runs: it is started with a program and a pair of buffers; the interrupt handler
//! disables the engine's AXI master and latches the frame with its status; the interrupt thread
//! starts the next frame and returns the buffers, after a reset of the engine if the frame failed.
//! If no interrupt comes in time, a watchdog does what the interrupt handler would have done.
//! Unbinding does the same if the frame does not end within a fifth of a second.

#[cfg(CONFIG_KUNIT = "y")]
mod bench;
pub(crate) mod interrupt;
#[cfg(CONFIG_KUNIT = "y")]
mod races;
#[cfg(CONFIG_KUNIT = "y")]
mod tests;
pub(crate) mod watchdog;

use crate::{
    dewarp::{
        claim,
        frame::Program,
        statistics::{
            Account,
            Totals, //
        }, //
    },
    engine::{
        regs::Snapshot,
        Engine, //
    },
    media::m2m::Job,
    platform::{
        irq,
        limit::RateLimit, //
    },
    trace, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    fmt,
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

/// A frame to run, and the account that counts it.
pub(crate) struct Frame {
    /// The frame as mem2mem has it, with its buffers.
    pub(crate) job: Job,
    /// The account of the open file that the buffers belong to.
    pub(crate) account: Arc<Account>,
}

/// The engine and the running frame.
///
/// The interrupt handler and the watchdog must not take a lock. They use `engine`, `claim`,
/// `clock`, `totals` and the atomic variables only.
#[pin_data]
pub(crate) struct Runner {
    engine: Engine,
    /// Decides which of the interrupt handler, the watchdog and unbinding ends the frame.
    claim: claim::Slot,
    /// The time limit of the frame, in nanoseconds.
    limit_ns: Atomic<i64>,
    /// The number of interrupts since the last one that found a running frame. Only the interrupt
    /// handler uses it.
    repeated: Atomic<u32>,
    /// The running frame. The interrupt thread takes it out after it has claimed it.
    #[pin]
    frame: SpinLock<Option<Frame>>,
    /// The registers at the last time-out, read before the reset.
    #[pin]
    time_out: Mutex<Option<Snapshot>>,
    /// Limits the rate of error messages.
    #[pin]
    messages: RateLimit,
    totals: Totals,
    clock: Clock,
}

/// When the frame was started, and when the interrupt handler had masked its interrupt. The write
/// that enables the AXI master is ordered after the store of the first; the latch is ordered after
/// the store of the second. So the thread that claims the frame has both.
struct Clock {
    epoch: Instant<Monotonic>,
    /// When the frame was started, in nanoseconds since `epoch`.
    started_ns: Atomic<i64>,
    /// When its interrupt was masked, in nanoseconds since `epoch`.
    interrupted_ns: Atomic<i64>,
}

impl Clock {
    fn new() -> Self {
        Self {
            epoch: Instant::now(),
            started_ns: Atomic::new(0),
            interrupted_ns: Atomic::new(0),
        }
    }

    /// Stores the current time in one of the fields.
    fn set(&self, moment_ns: &Atomic<i64>) {
        moment_ns.store(self.epoch.elapsed().as_nanos(), Relaxed);
    }

    /// Returns how long the frame waited after it was ready, and how long the engine took, in
    /// nanoseconds. The latter is meaningless for a late frame.
    fn times(&self, ready: Instant<Monotonic>) -> (u64, u64) {
        let started_ns = self.started_ns.load(Relaxed);
        let wait_ns = started_ns - (ready - self.epoch).as_nanos();
        let engine_ns = self.interrupted_ns.load(Relaxed) - started_ns;
        let positive = |ns: i64| u64::try_from(ns).unwrap_or(0);
        (positive(wait_ns), positive(engine_ns))
    }
}

impl Runner {
    /// Creates a runner without a frame.
    pub(crate) fn new(engine: Engine) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                engine,
                claim: claim::Slot::new(),
                limit_ns: Atomic::new(0),
                repeated: Atomic::new(0),
                frame <- new_spinlock!(None, "Runner::frame"),
                time_out <- new_mutex!(None, "Runner::time_out"),
                messages <- RateLimit::new(),
                totals: Totals::new(),
                clock: Clock::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns the engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the counters of all open files together.
    pub(crate) fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Prints the registers at the last time-out: BUS_CTRL with the AXI master disabled, and
    /// INTERRUPT_STATUS with the events and FRAME_BUSY of the frame's status. A frame that
    /// unbinding ended counts as one that timed out. Prints `none` if there was none.
    pub(crate) fn show_time_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Copied, so that the interrupt thread does not wait for the printing.
        let registers = *self.time_out.lock();
        match registers {
            Some(registers) => write!(f, "{registers}"),
            None => writeln!(f, "none"),
        }
    }

    /// Starts a frame with a time limit. The caller arms the watchdog afterwards.
    ///
    /// Returns the frame's job if it cannot be started; the caller ends it as failed.
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
        let file = frame.account.number;
        // The frame is stored before the claim starts, because the interrupt thread may take it at
        // once after that. The last frame was taken out before this one is started. If a frame is
        // still there, that is a bug, and dropping it ends it as failed.
        let left_over = self.frame.lock().replace(frame);
        drop(left_over);
        self.limit_ns.store(limit.as_nanos(), Relaxed);
        let Some(generation) = self.claim.start() else {
            // The last frame is not claimed yet, which is a bug, too. If the interrupt thread has
            // taken this frame in its place, it also ends this frame.
            return self.take().map_or(Ok(()), |frame| Err(self.refuse(frame)));
        };
        trace::job_start(generation.number(), file, program);
        self.clock.set(&self.clock.started_ns);
        self.engine.start(registers, program);
        self.claim.launched(generation);
        Ok(())
    }

    /// Ends the running frame, if there is one that is not being started. The thread of the
    /// interrupt `line` returns its buffers, as failed unless the engine reports that the frame is
    /// done. No frame may be started during the call.
    pub(crate) fn abandon(&self, device: &Device<Bound>, line: &irq::Line) {
        if let claim::Phase::Running(generation) = self.claim.phase() {
            self.expire(generation, device, line);
        }
    }

    /// Ends a running frame without waiting for its interrupt. The thread of the interrupt `line`
    /// returns its buffers. Until that thread runs, no other frame starts and the device stays
    /// powered.
    fn expire(&self, generation: claim::Generation, device: &Device<Bound>, line: &irq::Line) {
        if self.claim.expire(generation) {
            // The engine may be done with the frame although no interrupt came.
            self.claim.add(generation, self.engine.quiesce_late(device));
            line.wake_thread();
        }
    }

    /// Counts a frame that was not started, and returns its job, which the caller ends as failed.
    // Not inlined, so that the callers share one copy of the code.
    #[inline(never)]
    pub(crate) fn refuse(&self, frame: Frame) -> Job {
        self.note_refused(&frame.account);
        frame.job
    }

    /// Counts a frame that was not started, of the open file with this account.
    pub(crate) fn note_refused(&self, account: &Account) {
        self.totals.frames.note_refused();
        account.frames.note_refused();
    }

    /// Takes the frame out. The caller must not end it with the lock held, because that starts the
    /// next frame, which takes the lock.
    fn take(&self) -> Option<Frame> {
        self.frame.lock().take()
    }
}
