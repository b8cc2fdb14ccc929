// SPDX-License-Identifier: GPL-2.0

//! Every order in which the parties of a job can act on its [`Slot`], and every value that the
//! memory orderings let them see, tried out by `loom`. Tests only.

use super::{
    claim::{
        Generation,
        Outcome,
        Slot,
        Word, //
    },
    status::Status, //
};

use loom::{
    sync::{
        Arc, //
        atomic::{
            AtomicU64,
            AtomicUsize,
            Ordering, //
        },
    },
    thread, //
};

use std::sync::atomic::AtomicUsize as Counter;

const DONE: Status = Status(1);

impl Word for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange(current, new, success, failure)
    }
}

/// A slot, and what its parties hand on by it. All else is relaxed: the slot alone must order it.
struct World {
    slot: Slot<AtomicU64>,
    /// Set before the start, read by the interrupt, taken by who ends the job.
    buffers: AtomicUsize,
    /// Set by the interrupt, read by who ends the job.
    timestamp: AtomicUsize,
    ends: AtomicUsize,
}

impl World {
    const BUFFERS: usize = 7;
    const TIMESTAMP: usize = 9;

    fn new() -> Arc<Self> {
        Arc::new(Self {
            slot: Slot::with(AtomicU64::new(0)),
            buffers: AtomicUsize::new(0),
            timestamp: AtomicUsize::new(0),
            ends: AtomicUsize::new(0),
        })
    }

    /// Starts a job; the one before it must have been ended.
    fn start(&self) -> Generation {
        let job = self.try_start();
        job.expect("the job before has not ended")
    }

    fn try_start(&self) -> Option<Generation> {
        self.buffers.store(Self::BUFFERS, Ordering::Relaxed);
        self.slot.start()
    }

    /// The hard half.
    fn interrupt(&self) -> bool {
        let Some(job) = self.slot.running() else {
            return false;
        };
        self.timestamp.store(Self::TIMESTAMP, Ordering::Relaxed);
        self.slot.latch(job, DONE)
    }

    /// What the one who claimed a job does.
    fn end(&self, outcome: Outcome) {
        self.ends.fetch_add(1, Ordering::Relaxed);
        assert_eq!(self.buffers.load(Ordering::Relaxed), Self::BUFFERS);
        if outcome.status.is_some() {
            assert_eq!(self.timestamp.load(Ordering::Relaxed), Self::TIMESTAMP);
        }
        self.buffers.store(0, Ordering::Relaxed);
    }

    fn end_if_any(&self, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            self.end(outcome);
        }
    }

    fn ends(&self) -> usize {
        self.ends.load(Ordering::Relaxed)
    }
}

/// Runs `body` in all orders, and prints how many there are.
fn explore(name: &str, body: impl Fn(&Arc<World>) + Sync + Send + 'static) {
    let orders = std::sync::Arc::new(Counter::new(0));
    let count = orders.clone();
    loom::model(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        body(&World::new());
    });
    println!(
        "{name}: {} orders",
        orders.load(std::sync::atomic::Ordering::Relaxed)
    );
}

fn spawn<T: 'static>(
    world: &Arc<World>,
    party: impl FnOnce(&World) -> T + 'static,
) -> thread::JoinHandle<T> {
    let world = world.clone();
    thread::spawn(move || party(&world))
}

#[test]
fn interrupt_watchdog_and_unbind_end_a_job_exactly_once() {
    explore("one job, three that end it", |world| {
        let job = world.start();
        let interrupt = spawn(world, |world| {
            let latched = world.interrupt();
            let outcome = world.slot.claim_latched();
            assert!(latched || outcome.is_none());
            world.end_if_any(outcome);
        });
        let watchdog = spawn(world, move |world| {
            world.end_if_any(world.slot.claim_if(job));
        });
        world.end_if_any(world.slot.claim_any());

        interrupt.join().unwrap();
        watchdog.join().unwrap();
        assert_eq!(world.ends(), 1);
        assert_eq!(world.slot.running(), None);
        assert_eq!(world.slot.claim_any(), None);
    });
}

#[test]
fn a_late_interrupt_and_a_late_watchdog_leave_the_next_job_alone() {
    explore("two jobs, the first one's late parties", |world| {
        let first = world.slot.start().unwrap();
        // The status of the first job, read in time, latched whenever.
        let interrupt = spawn(world, move |world| world.slot.latch(first, DONE));
        let watchdog = spawn(world, move |world| world.slot.claim_if(first).is_some());
        let thread = world.slot.claim_if(first).is_some();

        // Whoever was first: that job has ended, so the next one can start.
        let second = world.slot.start().unwrap();
        interrupt.join().unwrap();
        let watchdog = watchdog.join().unwrap();

        assert!(thread != watchdog);
        assert_eq!(world.slot.running(), Some(second));
        let outcome = world.slot.claim_any().unwrap();
        assert_eq!((outcome.generation, outcome.status), (second, None));
    });
}

#[test]
fn the_next_start_sees_all_that_the_end_before_it_did() {
    explore("one who ends, one who starts", |world| {
        let job = world.start();
        let watchdog = spawn(world, move |world| {
            world.timestamp.store(World::TIMESTAMP, Ordering::Relaxed);
            world.slot.claim_if(job).unwrap();
        });
        if world.slot.start().is_some() {
            let seen = world.timestamp.load(Ordering::Relaxed);
            assert_eq!(seen, World::TIMESTAMP);
        }
        watchdog.join().unwrap();
    });
}
