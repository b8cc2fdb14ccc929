// SPDX-License-Identifier: GPL-2.0

//! The interrupt of the engine: the handler disables the AXI master and latches the status, the thread
//! claims the frame, starts the next one and returns the buffers.

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

/// How often the interrupt may come again for a frame whose end is under way, before it is taken
/// for one that nobody can silence.
pub(super) const MOST_REPEATED: u32 = 1000;

/// The interrupt of a runner's engine.
pub(crate) struct Interrupt(pub(crate) Arc<Runner>);

impl irq::Handler for Interrupt {
    /// Registers and atomic words.
    fn hard(&self, device: &Device<Bound>) -> ThreadedIrqReturn {
        // With no frame running, the engine may be without power, and its interrupt
        // is masked.
        let Some(generation) = self.0.claim.running() else {
            self.0.totals.note_stale();
            // Until an acknowledgement has arrived the interrupt comes again: the interrupt handler has
            // written it, or the watchdog is about to. It is this device's, and the kernel must not
            // disable it as nobody's. One that never stops keeps the thread from running, which has this
            // CPU: then the kernel must.
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
                // The next frame has started, and this frame's buffers are not returned yet.
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
