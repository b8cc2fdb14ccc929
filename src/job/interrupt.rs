// SPDX-License-Identifier: GPL-2.0

//! The interrupt of the engine: the handler disables the AXI master and latches the status, the
//! thread claims the frame, starts the next one and returns the buffers.

use super::{
    Frame,
    Runner, //
};
use crate::{
    dewarp::{
        statistics::Ended,
        status::{
            Status,
            Verdict, //
        }, //
    },
    media::buffer::State,
    platform::irq,
    trace, //
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
    prelude::*,
    sync::{
        atomic::Relaxed,
        Arc, //
    }, //
};

/// How often the interrupt may be raised again for a latched frame, before it is left to the
/// kernel. That is a guess: the acknowledgment arrives after a few at most. The kernel disables an
/// interrupt after about 100,000 that nobody handled.
pub(super) const MOST_REPEATED: u32 = 1000;

/// The interrupt handler and thread of a runner's engine.
pub(crate) struct Interrupt(pub(crate) Arc<Runner>);

impl irq::Handler for Interrupt {
    /// Uses registers and atomic variables only.
    fn handle(&self, device: &Device<Bound>) -> ThreadedIrqReturn {
        // If no frame runs, the engine may be without power, so its registers are not read. Its
        // interrupt is masked then.
        let Some(generation) = self.0.claim.unlatched() else {
            self.0.totals.note_stale();
            // Between the latch and the arrival of the acknowledgment at the engine, the interrupt
            // is raised again. It is this device's then, and the kernel must not count it as
            // unhandled. An interrupt that never stops keeps the thread from this CPU, so after
            // some time it is reported as unhandled, and the kernel disables it.
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
        // Before the latch, so that the thread that claims the frame sees the time.
        self.0.clock.set(&self.0.clock.interrupted_ns);
        let latched = self.0.claim.latch(generation, status);
        trace::irq(generation.number(), status, latched);
        if latched {
            ThreadedIrqReturn::WakeThread
        } else {
            self.0.totals.note_stale();
            ThreadedIrqReturn::None
        }
    }

    fn handle_threaded(&self, device: &Device<Bound>, number: irq::Number) -> IrqReturn {
        if self.0.claim.is_late() {
            // The watchdog or unbinding latched the frame, and the interrupt handler may run for
            // the same frame on another CPU. It must end first: it must not acknowledge events of
            // the next frame, and the events that it acknowledged belong to this frame's status.
            number.wait_for_handler();
        }
        let Some(outcome) = self.0.claim.claim_latched() else {
            return IrqReturn::None;
        };
        let status = outcome.status;
        let state = match status.verdict() {
            Verdict::Done => State::Done,
            Verdict::Failed | Verdict::None => State::Error,
        };
        if outcome.late {
            // For debugfs. The access fails for another device only, which this is not.
            if let Ok(registers) = self.0.engine.snapshot(device) {
                *self.0.time_out.lock() = Some(registers.with_status(status));
            }
        }
        // A failed frame may leave the engine in a state in which the next frame fails, so it is
        // reset. The job keeps the device powered. The access fails for another device only, which
        // this is not.
        let reset = (outcome.late || state == State::Error)
            .then(|| self.0.engine.reset(device).ok())
            .flatten();
        if let Some(Frame { job, account }) = self.0.take() {
            let (wait, engine) = self.0.clock.times(job.ready());
            let ended = Ended {
                done: state == State::Done,
                status,
                wait,
                engine: (!outcome.late).then_some(engine),
                reset: reset.is_some(),
            };
            job.finish(state, || {
                // Called after the attempt to start the next frame, before this frame's buffers are
                // returned.
                self.0.totals.frames.note(&ended);
                account.frames.note(&ended);
                trace::job_finish(outcome.generation.number(), account.number, &ended);
            });
        }
        // Last, so that the next frame does not wait for the message.
        let errors = status.errors();
        if (outcome.late || !errors.is_empty()) && self.0.messages.allows(c"dw100") {
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
