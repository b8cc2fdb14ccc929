// SPDX-License-Identifier: GPL-2.0

//! Tests of the claim protocol: `loom` tries every order in which the threads of a job can act on
//! its [`Slot`], and every value that the memory orderings let them see.

use super::{
    claim::{
        Outcome,
        Phase,
        Slot,
        Word, //
    },
    status::Status, //
};

use loom::{
    sync::{
        atomic::{
            AtomicU64,
            AtomicUsize,
            Ordering, //
        }, //
        Arc,
    },
    thread::{
        self,
        JoinHandle, //
    }, //
};

const DONE: Status = Status(1);
const BUSY: Status = Status(1 << 16);

/// The word of a slot, of which every thread sees the latest value, to test the orders.
///
/// `loom` (0.7) tries two accesses in both orders only if the earlier one was the very last, and
/// one of them writes. A load can therefore hide another. Loads that write back the value that they
/// find hide none.
struct Latest(AtomicU64);

impl Latest {
    fn slot() -> Arc<Slot<Self>> {
        Arc::new(Slot::with(Self(AtomicU64::new(0))))
    }
}

impl Word for Latest {
    fn load(&self, order: Ordering) -> u64 {
        self.0.fetch_or(0, order)
    }

    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.0.compare_exchange(current, new, success, failure)
    }
}

/// The word of a slot, of which a thread may see an old value, to test what else it sees then.
///
/// Here a write to another variable, which orders nothing, compensates for the accesses that loads
/// hide.
struct AnyOf {
    word: AtomicU64,
    turns: AtomicUsize,
}

impl AnyOf {
    fn slot() -> Slot<Self> {
        Slot::with(Self {
            word: AtomicU64::new(0),
            turns: AtomicUsize::new(0),
        })
    }
}

impl Word for AnyOf {
    fn load(&self, order: Ordering) -> u64 {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.word.load(order)
    }

    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.word.compare_exchange(current, new, success, failure)
    }
}

/// Runs `body` in all orders, and prints how many there are.
fn explore(name: &str, body: impl Fn() + Sync + Send + 'static) {
    use std::sync::atomic::AtomicUsize;

    let orders = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = orders.clone();
    loom::model(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        body();
    });
    println!("{name}: {} orders", orders.load(Ordering::Relaxed));
}

fn spawn<S: 'static, T: 'static>(
    shared: &Arc<S>,
    party: impl FnOnce(&S) -> T + 'static,
) -> JoinHandle<T> {
    let shared = shared.clone();
    thread::spawn(move || party(&shared))
}

/// Latches the job if it runs, as the watchdog and unbinding do. Returns whether it did, and so has
/// to wake the thread.
fn expire(slot: &Slot<Latest>) -> bool {
    let Phase::Running(job) = slot.phase() else {
        return false;
    };
    let expired = slot.expire(job);
    if expired {
        slot.add(job, BUSY);
    }
    expired
}

#[test]
fn interrupt_and_unbinding_end_a_job_exactly_once() {
    explore("one job, two that latch and claim it", || {
        let slot = Latest::slot();
        let job = slot.start().unwrap();
        slot.launched(job);

        let interrupt = spawn(&slot, |slot| {
            let latched = slot.unlatched().is_some_and(|job| slot.latch(job, DONE));
            (latched, slot.claim_latched())
        });
        let expired = slot.expire(job);
        let unbinding = slot.claim_latched();

        let (latched, thread) = interrupt.join().unwrap();
        assert_ne!(latched, expired, "one of them latches the job");
        let outcomes = [thread, unbinding];
        let ends: Vec<_> = outcomes.iter().flatten().collect();
        assert_eq!(ends.len(), 1, "{outcomes:?}");
        assert_eq!((ends[0].generation, ends[0].late), (job, expired));
        // Whichever thread claims the job has the status that it was latched with, and perhaps that
        // which the interrupt handler added.
        let is_silent = expired && ends[0].status == Status::SILENCE;
        assert!(is_silent || ends[0].status == DONE);
        assert_eq!(slot.claim_latched(), None);
    });
}

#[test]
fn of_interrupt_and_watchdog_one_wakes_the_thread_which_ends_the_job() {
    explore("one job, two that latch it", || {
        let slot = Latest::slot();
        let job = slot.start().unwrap();

        // The thread runs only for the caller that latched the job.
        let interrupt = spawn(&slot, move |slot| slot.latch(job, DONE));
        let watchdog = spawn(&slot, expire);
        slot.launched(job);

        let [on_time, late] = [interrupt.join().unwrap(), watchdog.join().unwrap()];
        assert_ne!(on_time, late, "one of them wakes the thread");
        // The thread waits for the interrupt handler of a job that the watchdog latched, so the
        // events that the handler has seen are not lost.
        assert_eq!(slot.is_late(), late);
        let outcome = slot.claim_latched().unwrap();
        assert_eq!((outcome.generation, outcome.late), (job, late));
        let status = if late { DONE.or(BUSY) } else { DONE };
        assert_eq!(outcome.status, status);
        assert_eq!(slot.claim_latched(), None);
    });
}

#[test]
fn watchdog_and_unbinding_wake_the_thread_once() {
    explore("one job, two that find it late", || {
        let slot = Latest::slot();
        let job = slot.start().unwrap();

        let watchdog = spawn(&slot, expire);
        slot.launched(job);
        let unbinding = expire(&slot);

        assert_ne!(watchdog.join().unwrap(), unbinding);
        let outcome = slot.claim_latched().unwrap();
        assert_eq!((outcome.generation, outcome.late), (job, true));
        assert_eq!(outcome.status, BUSY);
    });
}

#[test]
fn late_parties_of_one_job_leave_the_next_one_alone() {
    explore("two jobs, late parties of the first", || {
        let slot = Latest::slot();
        let first = slot.start().unwrap();
        slot.launched(first);
        assert!(slot.expire(first));

        // The interrupt handler and the caller of `expire` add what they read at any moment.
        let interrupt = spawn(&slot, move |slot| slot.add(first, DONE));
        let watchdog = spawn(&slot, move |slot| slot.add(first, BUSY));
        assert_eq!(slot.claim_latched().unwrap().generation, first);
        let second = slot.start().unwrap();

        interrupt.join().unwrap();
        watchdog.join().unwrap();
        assert_eq!(slot.unlatched(), Some(second));
        assert!(slot.latch(second, Status(2)));
        assert_eq!(slot.claim_latched().unwrap().status, Status(2));
    });
}

#[test]
fn a_thread_late_for_one_job_ends_the_next_only_by_its_own_interrupt() {
    explore("two jobs, a late thread of the first", || {
        let slot = Latest::slot();
        let first = slot.start().unwrap();
        assert!(slot.latch(first, DONE));

        let late = spawn(&slot, |slot| slot.claim_latched());
        let early = slot.claim_latched();
        // Whichever caller was first, that job has ended, so the next one can start.
        let second = slot.start().unwrap();
        assert!(slot.latch(second, Status(2)));
        let late = late.join().unwrap();

        let got = |outcome: Option<Outcome>| outcome.map(|o| (o.generation, o.status));
        if early.is_some() {
            assert_eq!(got(early), Some((first, DONE)));
            // The late thread finds nothing, or the second job when that is done.
            assert!(late.is_none() || got(late) == Some((second, Status(2))));
        } else {
            assert_eq!(got(late), Some((first, DONE)));
        }
    });
}

/// A slot, and variables that are ordered by the slot alone.
struct World {
    slot: Slot<AnyOf>,
    job: AtomicUsize,
    interrupt: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            slot: AnyOf::slot(),
            job: AtomicUsize::new(0),
            interrupt: AtomicUsize::new(0),
        })
    }
}

#[test]
fn who_sees_a_job_sees_what_was_before_its_start() {
    explore("start, then interrupt", || {
        let world = World::new();
        let interrupt = spawn(&world, |world| {
            if world.slot.unlatched().is_some() {
                assert_eq!(world.job.load(Ordering::Relaxed), 7);
            }
        });
        world.job.store(7, Ordering::Relaxed);
        world.slot.start().unwrap();
        interrupt.join().unwrap();
    });
}

#[test]
fn a_watchdog_that_ends_a_job_sees_its_starter_through() {
    explore("start, launch, then a watchdog", || {
        let world = World::new();
        let watchdog = spawn(&world, |world| {
            if let Phase::Running(job) = world.slot.phase() {
                assert_eq!(world.job.load(Ordering::Relaxed), 7);
                assert!(world.slot.expire(job));
            }
        });
        let job = world.slot.start().unwrap();
        // Here the thread starts the engine, which takes a while.
        world.job.store(7, Ordering::Relaxed);
        world.slot.launched(job);
        watchdog.join().unwrap();
    });
}

#[test]
fn who_claims_a_latched_job_sees_what_was_before_the_latch() {
    explore("latch, then a claim", || {
        let world = World::new();
        let thread = spawn(&world, |world| {
            if world.slot.claim_latched().is_some() {
                assert_eq!(world.interrupt.load(Ordering::Relaxed), 9);
                assert_eq!(world.job.load(Ordering::Relaxed), 7);
            }
        });
        world.job.store(7, Ordering::Relaxed);
        let job = world.slot.start().unwrap();
        world.interrupt.store(9, Ordering::Relaxed);
        assert!(world.slot.latch(job, DONE));
        thread.join().unwrap();
    });
}

#[test]
fn who_starts_a_job_sees_what_was_before_the_end_of_the_last() {
    explore("claim, then a start", || {
        let world = World::new();
        let job = world.slot.start().unwrap();
        assert!(world.slot.latch(job, DONE));
        let next = spawn(&world, |world| {
            if world.slot.start().is_some() {
                assert_eq!(world.job.load(Ordering::Relaxed), 7);
            }
        });
        world.job.store(7, Ordering::Relaxed);
        world.slot.claim_latched().unwrap();
        next.join().unwrap();
    });
}
