// SPDX-License-Identifier: GPL-2.0

//! Races for the end of a frame between interrupts, the watchdog, a stream that is stopped, and a
//! device that is unbound. Each frame ends once, whichever is first.

use super::{
    bench::{
        wait,
        Bench,
        BUFFERS, //
    },
    *,
};
use crate::{
    engine::kunit::Panel,
    platform::kunit::{
        ensure,
        has_warned,
        Helper,
        Wire, //
    }, //
};
use kernel::{
    interrupt::local_interrupt_disable,
    time::delay::fsleep, //
};

/// The number of frames after which the watchdog and the interrupt have met at every distance
/// several times.
const FRAMES: i32 = 1000;
/// How often a stream is stopped.
const STOPS: u32 = 60;
/// How often a device is unbound.
const UNBINDS: u32 = 16;

/// The time limit of a frame where the watchdog and the interrupt should meet.
const LIMIT: Delta = Delta::from_micros(400);
/// The difference between the moment of an interrupt and that of the one before, microseconds.
const STEP: i64 = 17;

/// How long to wait for a moment. A few frames end meanwhile, the last one of them perhaps before
/// the moment was seen.
const MOMENT: Delta = Delta::from_millis(50);

/// A moment in a frame's life at which its stream is stopped, or its device unbound.
#[derive(Clone, Copy)]
enum Moment {
    /// The engine processes the frame.
    Running,
    /// The interrupt handler or the watchdog has latched the frame.
    Latched,
    /// The interrupt thread has claimed the frame, and has not returned all buffers or started
    /// another frame.
    Claimed,
}

impl Moment {
    /// All moments.
    const ALL: [Self; 3] = [Self::Running, Self::Latched, Self::Claimed];

    /// Waits for the moment without sleeping, because it is short. Returns false if it was not
    /// seen.
    ///
    /// A frame stays latched only until the interrupt thread runs, and on a busy machine this
    /// function may never look at that time. So it raises the interrupt itself, with the interrupts
    /// of its CPU disabled: the thread can only run on another CPU until it has looked.
    fn is_seen(self, bench: &Bench) -> bool {
        let claim = &bench.shared.runner.claim;
        let start = Instant::<Monotonic>::now();
        while start.elapsed() < MOMENT {
            let seen = match self {
                Self::Running => matches!(claim.phase(), claim::Phase::Running(_)),
                Self::Latched if claim.unlatched().is_some() => {
                    bench.panel.report(1);
                    let _disabled = local_interrupt_disable();
                    bench.software.wire().raise();
                    claim.is_latched()
                }
                Self::Latched => false,
                Self::Claimed => {
                    claim.phase() == claim::Phase::Over
                        && !claim.is_latched()
                        && bench.stream.held() > 0
                }
            };
            if seen {
                return true;
            }
            core::hint::spin_loop();
        }
        false
    }
}

/// How often each moment was met.
struct Met([u32; 3]);

impl Met {
    /// Waits for one of the three moments in turn, and in every fourth round for a time that
    /// differs from round to round.
    fn wait(&mut self, bench: &Bench, round: u32) {
        let place = (round % 4) as usize;
        match (Moment::ALL.get(place), self.0.get_mut(place)) {
            (Some(moment), Some(count)) => *count += u32::from(moment.is_seen(bench)),
            _ => fsleep(Delta::from_micros(i64::from(round) * STEP % 1500)),
        }
    }

    /// Returns whether another round is due: of `least` rounds, and of ten times as many until each
    /// moment was met, because a short moment may pass unseen on a busy machine.
    fn is_due(&self, round: u32, least: u32) -> bool {
        round < least || !self.each() && round < 10 * least
    }

    /// Returns whether each moment was met.
    fn each(&self) -> bool {
        self.0.iter().all(|&count| count > 0)
    }

    /// Prints how often each moment was met.
    fn tell(&self) {
        let [running, latched, claimed] = self.0;
        kernel::kunit::info(format_args!(
            "    # met frames: running {running}, latched {latched}, claimed {claimed}\n"
        ));
    }
}

/// Helpers that repeat their work until they are told to end.
struct Crew {
    end: Arc<Atomic<i32>>,
    helpers: KVec<Helper>,
}

impl Crew {
    fn new() -> Result<Self> {
        Ok(Self {
            end: Arc::new(Atomic::new(0), GFP_KERNEL)?,
            helpers: KVec::new(),
        })
    }

    /// Adds a helper that repeats `work`, with the number of the repetition.
    fn add(&mut self, mut work: impl FnMut(i64) + Send + 'static) -> Result {
        let end = self.end.clone();
        let helper = Helper::start(move || {
            let mut number = 0;
            while end.load(Relaxed) == 0 {
                work(number);
                number += 1;
            }
        })?;
        Ok(self.helpers.push(helper, GFP_KERNEL)?)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.end.store(1, Relaxed);
        for helper in self.helpers.drain_all() {
            helper.join();
        }
    }
}

/// Acts as the engine: reports its frames as done, each a little later than the last until the
/// delay is `latest`, and does not report every eighth frame.
fn engine(panel: Panel, wire: Wire, latest: Delta) -> impl FnMut(i64) + Send + 'static {
    let mut delay = 0;
    move |number| {
        if !panel.is_on_the_bus() {
            return fsleep(Delta::from_micros(20));
        }
        if number % 8 == 0 {
            return fsleep(latest + latest);
        }
        delay = (delay + STEP) % latest.as_micros_ceil();
        fsleep(Delta::from_micros(delay));
        panel.report(1);
        wire.raise();
    }
}

/// Acts as another device that raises the same interrupt.
fn noise(wire: Wire) -> impl FnMut(i64) + Send + 'static {
    move |number| {
        fsleep(Delta::from_micros(number * STEP % 397));
        wire.raise();
    }
}

#[kunit_tests(dw100_races)]
mod tests {
    use super::*;

    #[test]
    fn interrupt_and_watchdog_end_each_frame_once() -> Result {
        let warned = has_warned();
        let bench = Arc::new(Bench::new(LIMIT, false)?, GFP_KERNEL)?;
        let wire = bench.software.wire();
        let mut crew = Crew::new()?;
        crew.add(engine(bench.panel.clone(), wire, LIMIT + LIMIT))?;
        crew.add(noise(wire))?;
        let other = bench.clone();
        crew.add(move |_| {
            let _ = other.expire();
            fsleep(Delta::from_micros(20));
        })?;

        bench.fill(BUFFERS)?;
        let mut ended = [0; 2];
        let mut queued = 4;
        let mut agree = true;
        while ended[0] + ended[1] < FRAMES && agree {
            let mut returned = KVec::new();
            agree = wait(|| {
                returned = bench.returned().unwrap_or_default();
                !returned.is_empty()
            });
            for (index, failed) in returned {
                let [done, failures] = &mut ended;
                *(if failed { failures } else { done }) += 1;
                if queued < FRAMES {
                    bench.stream.queue_pair(index)?;
                    queued += 1;
                }
            }
        }
        drop(crew);
        kernel::kunit::info(format_args!("    # done, failed: {ended:?}\n"));
        ensure!(agree);
        ensure!(bench.stream.held() == 0);
        ensure!(bench.has_returned(&[]));
        ensure!(bench.started() == FRAMES);
        // Otherwise the interrupt and the watchdog have not met.
        ensure!(ended[0] > FRAMES / 50 && ended[1] > FRAMES / 50);
        ensure!(!bench.is_running());
        ensure!(bench.shared.runner.take().is_none());
        ensure!(warned || !has_warned());
        Ok(())
    }

    #[test]
    fn a_stream_stops_and_starts_again_whatever_ends_its_frames() -> Result {
        let warned = has_warned();
        let bench = Bench::new(LIMIT, true)?;
        let wire = bench.software.wire();
        let mut crew = Crew::new()?;
        crew.add(engine(bench.panel.clone(), wire, LIMIT + LIMIT))?;
        crew.add(noise(wire))?;
        let mut met = Met([0; 3]);
        let mut round = 0;
        while met.is_due(round, STOPS) {
            bench.fill(BUFFERS)?;
            met.wait(&bench, round);
            bench.stream.stop();
            ensure!(bench.stream.held() == 0);
            ensure!(!bench.is_running());
            ensure!(bench.shared.runner.take().is_none());
            round += 1;
        }
        met.tell();
        ensure!(met.each());
        ensure!(warned || !has_warned());
        Ok(())
    }

    #[test]
    fn a_device_is_unbound_whatever_ends_its_frames() -> Result {
        let warned = has_warned();
        let mut met = Met([0; 3]);
        let mut round = 0;
        while met.is_due(round, UNBINDS) {
            let bench = Bench::new(LIMIT, true)?;
            let wire = bench.software.wire();
            let mut crew = Crew::new()?;
            crew.add(engine(bench.panel.clone(), wire, LIMIT + LIMIT))?;
            crew.add(noise(wire))?;
            bench.fill(BUFFERS)?;
            met.wait(&bench, round);
            let Bench {
                stream,
                shared,
                panel,
                software,
                ..
            } = bench;
            drop(software);
            // On a busy machine the thread that stops the stream may not have done so yet.
            ensure!(wait(|| stream.held() == 0));
            ensure!(shared.runner.claim.phase() == claim::Phase::Over);
            ensure!(shared.runner.take().is_none());
            ensure!(panel.is_off_the_bus());
            round += 1;
        }
        met.tell();
        ensure!(met.each());
        ensure!(warned || !has_warned());
        Ok(())
    }
}
