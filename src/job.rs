// SPDX-License-Identifier: GPL-2.0

//! One frame's life: it is started with a program and a pair of buffers; the interrupt handler
//! disables the engine's AXI master and latches the status; the interrupt thread starts the next
//! frame and returns the buffers. If no interrupt comes in time, a watchdog does what the interrupt
//! handler would have done.

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
