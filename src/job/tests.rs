// SPDX-License-Identifier: GPL-2.0

//! Tests of how a frame ends, step by step. They call the functions that the kernel calls, in every
//! order.

use super::{
    bench::{
        wait,
        Bench,
        BUFFERS,
        CID_ARRAY, //
    },
    interrupt::MOST_REPEATED,
    *,
};
use crate::{
    dewarp::status::Status,
    engine::kunit::PROGRAM,
    media::{
        buffer::State,
        format::Direction, //
    },
    platform::kunit::{
        ensure,
        has_warned,
        Helper,
        Software, //
    }, //
};
use irq::Handler as _;
use kernel::{
    faux,
    irq::ThreadedIrqReturn,
    time::delay::fsleep, //
};

/// A limit that no test waits for.
const LONG: Delta = Delta::from_secs(3600);
/// A limit that every test which uses it waits for.
const SHORT: Delta = Delta::from_millis(10);

/// The progress of a helper.
type Flag = Arc<Atomic<i32>>;

/// Creates a flag, and returns it for the test and for the helper.
fn flag() -> Result<(Flag, Flag)> {
    let flag = Arc::new(Atomic::new(0), GFP_KERNEL)?;
    Ok((flag.clone(), flag))
}

/// Starts a helper that stops the stream. When this returns, the helper is about to stop it; the
/// flag becomes 2 when the stream has stopped.
fn stop_beside(bench: &Arc<Bench>) -> Result<(Flag, Helper)> {
    let other = bench.clone();
    let (phase, shown) = flag()?;
    let helper = Helper::start(move || {
        shown.store(1, Relaxed);
        other.stream.stop();
        shown.store(2, Relaxed);
    })?;
    ensure!(wait(|| phase.load(Relaxed) == 1));
    Ok((phase, helper))
}

#[kunit_tests(dw100_job)]
mod steps {
    use super::*;

    #[test]
    fn an_interrupt_with_status_0_is_nobodys_and_touches_nothing() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        ensure!(bench.is_running());
        for rest in [0, 0xff00, 0x1_ff00] {
            bench.panel.set_status(rest);
            let before = bench.panel.values();
            ensure!(matches!(bench.handle(), ThreadedIrqReturn::None));
            ensure!(!bench.handle_threaded());
            ensure!(bench.panel.values() == before);
            ensure!(bench.has_returned(&[]));
        }
        bench.panel.report(1);
        bench.software.wire().raise();
        ensure!(wait(|| bench.stream.held() == 0));
        ensure!(bench.has_returned(&[(0, false)]));
        Ok(())
    }

    #[test]
    fn a_frame_that_is_done_is_gated_masked_acknowledged_and_ends_once() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        ensure!(bench.panel.is_on_the_bus());
        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
        ensure!(bench.panel.is_off_the_bus());
        ensure!(bench.panel.status() == 0xff00_0000);
        ensure!(bench.has_returned(&[]));

        ensure!(matches!(bench.handle(), ThreadedIrqReturn::Handled));
        ensure!(bench.handle_threaded());
        ensure!(bench.has_returned(&[(0, false)]));
        ensure!(!bench.panel.was_reset());
        ensure!(!bench.handle_threaded());
        ensure!(bench.has_returned(&[]));
        ensure!(bench.stream.held() == 0);
        Ok(())
    }

    #[test]
    fn each_error_fails_its_frame_and_resets_the_engine() -> Result {
        let bench = Bench::new(LONG, false)?;
        bench.fill(0)?;
        for bit in 1..8 {
            bench.stream.queue_pair(0)?;
            // mem2mem's worker may be the thread that starts the frame.
            ensure!(wait(|| bench.is_running()));
            bench.panel.report(1 << bit);
            ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
            ensure!(bench.panel.is_off_the_bus());
            ensure!(bench.panel.status() == 0xff00_0000);
            ensure!(bench.handle_threaded());
            ensure!(bench.panel.was_reset());
            ensure!(bench.has_returned(&[(0, true)]));
            ensure!(bench.stream.held() == 0);
        }
        Ok(())
    }

    #[test]
    fn the_next_frame_starts_when_one_ends_well_or_not() -> Result {
        let bench = Bench::running(LONG, false, BUFFERS)?;
        for (frame, events) in (0..BUFFERS).zip([1, 2, 4, 1]) {
            ensure!(bench.panel.is_on_the_bus());
            bench.panel.report(events);
            ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
            ensure!(bench.handle_threaded());
            ensure!(bench.has_returned(&[(frame, events != 1)]));
        }
        ensure!(!bench.is_running());
        ensure!(bench.started() == 4);
        Ok(())
    }

    #[test]
    fn an_interrupt_after_the_end_touches_nothing() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
        for ended in [false, true] {
            if ended {
                ensure!(bench.handle_threaded());
            }
            bench.panel.report(1);
            let before = bench.panel.values();
            let answer = bench.handle();
            // Until the thread has run, the acknowledgment may be in flight.
            ensure!(if ended {
                matches!(answer, ThreadedIrqReturn::None)
            } else {
                matches!(answer, ThreadedIrqReturn::Handled)
            });
            ensure!(bench.panel.values() == before);
        }
        ensure!(bench.has_returned(&[(0, false)]));
        ensure!(!bench.handle_threaded());
        Ok(())
    }

    #[test]
    fn what_was_for_one_frame_does_not_end_the_next() -> Result {
        let bench = Bench::running(LONG, false, 2)?;
        let runner = &bench.shared.runner;
        let first = runner.claim.unlatched().ok_or(EINVAL)?;
        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
        ensure!(bench.handle_threaded());
        ensure!(bench.has_returned(&[(0, false)]));

        // An interrupt handler and a watchdog that saw the first frame and were delayed.
        ensure!(!runner.claim.latch(first, Status(1)));
        ensure!(!runner.claim.expire(first));
        ensure!(!bench.handle_threaded());
        ensure!(bench.is_running());
        ensure!(bench.panel.is_on_the_bus());
        ensure!(bench.has_returned(&[]));
        Ok(())
    }

    #[test]
    fn who_knows_another_device_to_be_bound_starts_no_frame() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        let job = bench.latched().ok_or(EINVAL)?;
        let before = bench.panel.values();
        let other = faux::Registration::new(c"dw100-other", None)?;
        let frame = Frame {
            job,
            account: Arc::new(Account::new(2, 1), GFP_KERNEL)?,
        };
        let runner = &bench.shared.runner;
        let refused = runner.start(other.as_ref().as_ref(), frame, &PROGRAM, LONG);
        ensure!(refused.is_err());
        drop(refused);
        ensure!(bench.panel.values() == before);
        ensure!(runner.claim.phase() == claim::Phase::Over);
        ensure!(bench.has_returned(&[(0, true)]));
        Ok(())
    }

    #[test]
    fn a_watchdog_that_comes_at_once_leaves_the_frame_alone() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        let before = bench.panel.values();
        ensure!(bench.expire() == Some(LONG));
        ensure!(bench.expire().is_some_and(|left| left <= LONG));
        ensure!(bench.is_running());
        ensure!(bench.panel.values() == before);
        ensure!(!bench.handle_threaded());
        ensure!(bench.has_returned(&[]));
        Ok(())
    }

    #[test]
    fn a_watchdog_that_comes_late_ends_the_frame_once_as_failed() -> Result {
        let bench = Bench::running(SHORT, false, 1)?;
        ensure!(bench.expire() == Some(SHORT));
        fsleep(SHORT);
        ensure!(bench.expire().is_none());
        ensure!(wait(|| bench.stream.held() == 0));
        ensure!(bench.panel.was_reset());
        ensure!(bench.has_returned(&[(0, true)]));

        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::None));
        ensure!(!bench.handle_threaded());
        ensure!(bench.expire().is_none());
        ensure!(bench.has_returned(&[]));
        Ok(())
    }

    #[test]
    fn a_watchdog_does_not_charge_a_frame_for_the_one_before() -> Result {
        let bench = Bench::running(SHORT, false, 2)?;
        ensure!(bench.expire() == Some(SHORT));
        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
        ensure!(bench.handle_threaded());
        fsleep(SHORT);
        ensure!(bench.expire() == Some(SHORT));
        ensure!(bench.is_running());
        ensure!(bench.has_returned(&[(0, false)]));
        Ok(())
    }

    #[test]
    fn a_watchdog_has_nothing_to_do_without_a_frame_and_waits_while_one_is_started() -> Result {
        let bench = Bench::new(SHORT, false)?;
        ensure!(bench.expire().is_none());
        let claim = &bench.shared.runner.claim;
        ensure!(claim.start().is_some());
        bench
            .shared
            .runner
            .limit_ns
            .store(SHORT.as_nanos(), Relaxed);
        ensure!(bench.expire() == Some(SHORT));
        fsleep(SHORT);
        ensure!(bench.expire() == Some(SHORT));
        ensure!(bench.end_claim());
        Ok(())
    }

    #[test]
    fn a_frame_that_is_done_when_its_time_is_over_does_not_fail() -> Result {
        let bench = Bench::running(SHORT, false, 1)?;
        ensure!(bench.expire() == Some(SHORT));
        fsleep(SHORT);
        bench.panel.report(1);
        // The watchdog wakes the kernel's interrupt thread.
        ensure!(bench.expire().is_none());
        ensure!(wait(|| bench.stream.held() == 0));
        ensure!(bench.has_returned(&[(0, false)]));
        ensure!(bench.panel.was_reset());
        Ok(())
    }

    #[test]
    fn an_interrupt_that_was_only_held_up_does_not_fail_the_frame() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        // Does what the watchdog does, without waking the kernel's interrupt thread.
        let claim = &bench.shared.runner.claim;
        let frame = claim.unlatched().ok_or(EINVAL)?;
        ensure!(claim.expire(frame));
        // Does what an interrupt handler does that found the frame running before and has
        // acknowledged its event.
        ensure!(!claim.latch(frame, Status(1)));
        ensure!(bench.handle_threaded());
        ensure!(bench.has_returned(&[(0, false)]));
        ensure!(bench.panel.was_reset());
        Ok(())
    }

    #[test]
    fn an_interrupt_that_never_stops_is_left_to_the_kernel() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        bench.panel.report(1);
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::WakeThread));
        for _ in 0..MOST_REPEATED {
            ensure!(matches!(bench.handle(), ThreadedIrqReturn::Handled));
        }
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::None));
        ensure!(bench.handle_threaded());
        ensure!(bench.has_returned(&[(0, false)]));
        Ok(())
    }

    #[test]
    fn an_interrupt_while_the_watchdog_ends_the_frame_is_ours_and_touches_nothing() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        let claim = &bench.shared.runner.claim;
        let frame = claim.unlatched().ok_or(EINVAL)?;
        ensure!(claim.expire(frame));
        bench.panel.report(1);
        let before = bench.panel.values();
        ensure!(matches!(bench.handle(), ThreadedIrqReturn::Handled));
        ensure!(bench.panel.values() == before);
        ensure!(bench.handle_threaded());
        ensure!(bench.has_returned(&[(0, true)]));
        Ok(())
    }

    #[test]
    fn a_frame_without_an_interrupt_is_ended_by_the_timer() -> Result {
        let bench = Bench::running(SHORT, true, BUFFERS)?;
        let since = Instant::<Monotonic>::now();
        ensure!(wait(|| bench.stream.held() == 0));
        // Each of the four frames had at least its limit.
        ensure!(since.elapsed() >= SHORT);
        ensure!(bench.has_returned(&[(0, true), (1, true), (2, true), (3, true)]));
        ensure!(bench.started() == 4);
        Ok(())
    }

    #[test]
    fn a_frame_that_cannot_be_started_comes_back_as_failed() -> Result {
        let bench = Bench::running(LONG, false, 1)?;
        bench.panel.report(1);
        bench.software.wire().raise();
        ensure!(wait(|| bench.stream.held() == 0));
        ensure!(bench.has_returned(&[(0, false)]));
        // The claim behaves as if another frame had not ended.
        let claim = &bench.shared.runner.claim;
        ensure!(claim.start().is_some());
        let before = bench.panel.values();
        bench.stream.queue_pair(1)?;
        // mem2mem's worker may be the thread that tries to start the frame.
        ensure!(wait(|| bench.stream.held() == 0));
        ensure!(bench.panel.values() == before);
        ensure!(bench.has_returned(&[(1, true)]));
        ensure!(bench.end_claim());
        bench.stream.queue_pair(2)?;
        ensure!(wait(|| bench.is_running()));
        Ok(())
    }

    #[test]
    fn a_frame_that_cannot_be_started_comes_back_after_the_one_before() -> Result {
        for others in [0, 1] {
            let bench = Bench::running(LONG, false, 2)?;
            // While another file streams, a job has one frame only.
            let other = bench.node.open()?;
            if others > 0 {
                other.allocate(1)?;
                other.start()?;
            }
            let job = bench.latched().ok_or(EINVAL)?;
            // The claim behaves as if another frame had not ended.
            let claim = &bench.shared.runner.claim;
            ensure!(claim.start().is_some());
            job.finish(State::Done, || {});
            // mem2mem's worker may be the thread that tries to start the second frame.
            ensure!(wait(|| bench.stream.held() == 0));
            ensure!(bench.has_returned(&[(0, false), (1, true)]));
            ensure!(bench.started() == 2);
            ensure!(bench.end_claim());
        }
        Ok(())
    }

    #[test]
    fn stopping_waits_for_buffers_that_are_being_returned() -> Result {
        let warned = has_warned();
        let bench = Arc::new(Bench::running(LONG, false, 1)?, GFP_KERNEL)?;
        let job = bench.latched().ok_or(EINVAL)?;
        let (handing, shown) = flag()?;
        let (go, awaited) = flag()?;
        let helper = Helper::start(move || {
            job.finish(State::Done, || {
                shown.store(1, Relaxed);
                wait(|| awaited.load(Relaxed) == 1);
            });
        })?;
        ensure!(wait(|| handing.load(Relaxed) == 1));
        let (phase, stopping) = stop_beside(&bench)?;
        // This is ample time for a stop that does not wait.
        fsleep(Delta::from_millis(500));
        let waits = phase.load(Relaxed) == 1 && bench.stream.held() == 2;
        go.store(1, Relaxed);
        helper.join();
        stopping.join();
        ensure!(waits);
        ensure!(bench.stream.held() == 0);
        ensure!(warned || !has_warned());
        Ok(())
    }

    #[test]
    fn an_array_has_no_more_elements_than_v4l2_can_count() -> Result {
        let bench = Bench::new(LONG, false)?;
        let stream = &bench.stream;
        stream.set_dimensions(CID_ARRAY, 3, 5)?;
        // In 32 bits, the two values of the first array would have 8 bytes, and the other arrays
        // 0x10000 and 0 elements.
        for (columns, rows) in [(0x2000_0001, 1), (0x1_0000, 0x1_0001), (0x1_0000, 0x1_0000)] {
            ensure!(stream.set_dimensions(CID_ARRAY, columns, rows) == Err(EINVAL));
        }
        ensure!(stream.set_dimensions(CID_ARRAY, 0x1000_0000, 1) == Err(EINVAL));
        ensure!(stream.set_dimensions(CID_ARRAY, 0, 7) == Err(EINVAL));
        ensure!(stream.elements(CID_ARRAY)? == 15);
        Ok(())
    }

    /// Unbinds the device of a bench with [`BUFFERS`] frames, and checks that the running frame
    /// ends, and that no frame starts afterwards.
    fn unbind(limit: Delta, timer: bool) -> Result {
        let warned = has_warned();
        let bench = Bench::running(limit, timer, BUFFERS)?;
        let Bench {
            stream,
            shared,
            panel,
            software,
            interrupt,
            ..
        } = bench;
        let wire = software.wire();
        let (unbound, shown) = flag()?;
        let helper = Helper::start(move || {
            drop(software);
            shown.store(1, Relaxed);
        })?;
        let in_time = wait(|| unbound.load(Relaxed) == 1);
        // If unbinding hangs, the test ends the frame for it.
        ensure!(wait(|| {
            if !in_time {
                panel.report(1);
                wire.raise();
            }
            unbound.load(Relaxed) == 1
        }));
        helper.join();
        ensure!(in_time);
        // A frame that has not ended is ended here, otherwise the file is never closed.
        let claim = &shared.runner.claim;
        let over = claim.unlatched().is_none() && !claim.is_latched();
        drop(shared.runner.take());
        ensure!(over);
        // The thread that stops the streams may not have done so yet.
        ensure!(wait(|| stream.held() == 0));
        ensure!(panel.was_reset());
        ensure!(warned || !has_warned());

        // Does what a request could do, which the V4L2 core does not refuse then.
        let before = panel.values();
        let started = shared.started.load(Relaxed);
        stream.start()?;
        stream.queue_pair(0)?;
        ensure!(wait(|| stream.held() == 0));
        ensure!(shared.started.load(Relaxed) == started);
        ensure!(shared.runner.claim.phase() == claim::Phase::Over);
        ensure!(stream
            .take(Direction::Output)
            .is_some_and(|frame| frame.failed));
        ensure!(stream
            .take(Direction::Capture)
            .is_some_and(|frame| frame.failed));
        let other = Software::new()?;
        ensure!(matches!(
            interrupt.handle(other.device()),
            ThreadedIrqReturn::None
        ));
        ensure!(panel.values() == before);
        Ok(())
    }

    #[test]
    fn unbinding_ends_the_running_frame_and_nothing_starts_after() -> Result {
        unbind(SHORT, true)
    }

    #[test]
    fn unbinding_ends_a_frame_that_takes_too_long_and_nothing_starts_after() -> Result {
        unbind(LONG, true)
    }

    #[test]
    fn stopping_waits_for_the_running_frame_and_returns_every_buffer() -> Result {
        let warned = has_warned();
        let bench = Arc::new(Bench::running(LONG, false, BUFFERS)?, GFP_KERNEL)?;
        let (phase, helper) = stop_beside(&bench)?;
        fsleep(SHORT);
        ensure!(phase.load(Relaxed) == 1);
        // Repeated, in case the helper is slower than this.
        ensure!(wait(|| {
            bench.panel.report(1);
            bench.software.wire().raise();
            phase.load(Relaxed) == 2
        }));
        helper.join();
        ensure!(bench.stream.held() == 0);
        ensure!(!bench.is_running());
        ensure!(warned || !has_warned());
        // The stream starts again, with all buffers.
        bench.fill(BUFFERS)?;
        ensure!(bench.stream.held() == 8);
        Ok(())
    }
}
