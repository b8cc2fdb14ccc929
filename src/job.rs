// SPDX-License-Identifier: GPL-2.0

//! One frame's life: it is started with a program and a pair of buffers, the hard
//! half of the interrupt stops the engine and keeps the status, the threaded half
//! gives the buffers back and starts the next one.

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
    platform::irq, //
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
        Arc,
        SpinLock, //
    }, //
};

/// The engine and the frame that it works on.
#[pin_data]
pub(crate) struct Runner {
    engine: Engine,
    /// Who ends the frame. All that the hard half may touch besides the engine.
    claim: claim::Slot,
    /// The frame, for who has claimed it.
    #[pin]
    job: SpinLock<Option<Job>>,
}

impl Runner {
    /// An idle runner.
    pub(crate) fn new(engine: Engine) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                engine,
                claim: claim::Slot::new(),
                job <- new_spinlock!(None, "Runner::job"),
            }),
            GFP_KERNEL,
        )
    }

    /// The engine.
    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Starts a frame. A frame that cannot be started comes back as failed.
    pub(crate) fn start(&self, job: Job, program: &Program) {
        // Whoever ends the frame has to find it, so it is there before anybody may. mem2mem
        // starts a job only when the last one has ended: a job found here is a bug, and
        // dropping it ends it.
        let left_over = self.job.lock().replace(job);
        drop(left_over);
        let started = self.claim.start().is_some_and(|generation| {
            self.engine.start(program).is_ok() || self.claim.claim_if(generation).is_none()
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

    fn threaded(&self, device: &Device<Bound>) -> IrqReturn {
        let Some(outcome) = self.0.claim.claim_latched() else {
            return IrqReturn::None;
        };
        let status = outcome.status.unwrap_or(Status(0));
        let state = match status.verdict() {
            Verdict::Done => State::Done,
            Verdict::Failed | Verdict::None => {
                // What stopped it halfway must not stop the next frame. The job keeps the
                // device powered. The reset fails only when there is no next frame.
                let _ = self.0.engine.reset();
                State::Error
            }
        };
        if let Some(job) = self.0.take() {
            job.finish(state);
        }
        // The next frame does not wait for the message.
        let errors = status.errors();
        if !errors.is_empty() {
            dev_err!(
                device,
                "engine reports {:?} (INTERRUPT_STATUS {:#04x})\n",
                errors,
                status.pending()
            );
        }
        IrqReturn::Handled
    }
}
