// SPDX-License-Identifier: GPL-2.0

//! The claim protocol. The interrupt handler, the watchdog and unbinding may all end the same job.
//! Exactly one of them latches it: it records that the job is over, and wakes the interrupt thread.
//! That thread then claims the job: it makes the slot idle, and it alone returns the job's buffers.
//!
//! One atomic word holds the job's state, its status, and its number.

use super::status::Status;

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// The atomic word of a [`Slot`]. The driver has an [`AtomicU64`]; the tests of the memory
/// orderings have a type of the crate `loom`.
pub trait Word {
    /// See [`AtomicU64::load`].
    fn load(&self, order: Ordering) -> u64;

    /// See [`AtomicU64::compare_exchange`].
    ///
    /// # Errors
    ///
    /// Returns the value of the word if it was not `current`.
    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;
}

impl Word for AtomicU64 {
    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    // Inlined, so that the compiler knows the orderings, which are constants.
    #[inline(always)]
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

/// The number of a job. It has 48 bits, so that no number is used twice while a device is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// The result of claiming a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The job that ended.
    pub generation: Generation,
    /// The events that the job was latched with, and those that were added.
    pub status: Status,
    /// Whether the job was latched by [`Slot::expire`].
    pub late: bool,
}

/// The phase of a job, for the watchdog and for unbinding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is no job, or it is latched and not yet claimed.
    Over,
    /// The job is being started. The starting thread still uses it, so it must not be latched by
    /// [`Slot::expire`].
    Starting,
    /// The engine processes the job.
    Running(Generation),
}

/// The state of the engine's job.
///
/// ```text
///   state               method          next state
///   Idle                start           Starting
///   Starting            launched        Running
///   Starting, Running   latch           Latched
///   Running             expire          Late
///   Late                add, latch      Late, with more events
///   Latched, Late       claim_latched   Idle
/// ```
///
/// The interrupt handler latches a job with the status that it read. The watchdog and unbinding
/// latch it by [`expire`](Self::expire), and only then read the status and add it. An interrupt
/// handler that called [`unlatched`](Self::unlatched) before that may read and acknowledge events
/// that they cannot see any more; its [`latch`](Self::latch) adds those events. The thread that
/// claims a late job must therefore wait for the interrupt handler first: see
/// [`is_late`](Self::is_late).
///
/// The interrupt handler may latch a job that is still being started, because the engine may be
/// done before [`launched`](Self::launched) is called.
///
/// What happens before [`start`](Self::start) is visible to a thread that gets the job's number
/// from another method, and what happens before [`latch`](Self::latch) is visible to the thread
/// that claims the job, because each change of the word acquires and releases.
/// [`is_latched`](Self::is_latched) and [`is_late`](Self::is_late) order nothing.
///
/// No method blocks. [`unlatched`](Self::unlatched), [`latch`](Self::latch) and [`add`](Self::add)
/// take a bounded number of steps, because the interrupt handler calls them.
pub struct Slot<W = AtomicU64> {
    word: W,
}

impl Slot {
    /// Creates a slot without a job.
    pub const fn new() -> Self {
        Self::with(AtomicU64::new(0))
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::new()
    }
}

impl<W> Slot<W> {
    /// Creates a slot without a job. The lowest seven bits of `word` must be 0.
    pub const fn with(word: W) -> Self {
        Self { word }
    }
}

impl<W: Word> Slot<W> {
    /// Starts a job. The caller calls this before it starts the engine, and
    /// [`launched`](Self::launched) afterwards.
    ///
    /// Returns `None` if the last job has not been claimed, or if another thread has just started
    /// a job.
    pub fn start(&self) -> Option<Generation> {
        let found = State(self.word.load(Ordering::Relaxed));
        if found.is_idle() {
            let generation = found.generation().next();
            self.replace(found, State::starting(generation))
                .ok()
                .map(|()| generation)
        } else {
            None
        }
    }

    /// Marks a job as running, unless it is latched by now. The caller must not use the job
    /// afterwards: it may be over.
    pub fn launched(&self, generation: Generation) {
        let _ = self.replace(State::starting(generation), State::running(generation));
    }

    /// Returns the job's phase. If the job is running, what its starting thread did before
    /// [`launched`](Self::launched) is visible to the caller.
    pub fn phase(&self) -> Phase {
        let found = State(self.word.load(Ordering::Acquire));
        match found.code() {
            State::STARTING => Phase::Starting,
            State::RUNNING => Phase::Running(found.generation()),
            _ => Phase::Over,
        }
    }

    /// Returns the job that is being started or runs.
    ///
    /// The interrupt handler calls this before it reads the status, so that the status of one job
    /// is never taken for the status of the next.
    pub fn unlatched(&self) -> Option<Generation> {
        let found = State(self.word.load(Ordering::Acquire));
        found.is_unlatched().then(|| found.generation())
    }

    /// Latches a job with the status of its interrupt. The interrupt handler calls this.
    ///
    /// Returns false if the job is latched or claimed already. If it is late, the status is added.
    pub fn latch(&self, generation: Generation, status: Status) -> bool {
        let latched = State::latched(generation, status);
        let running = State::running(generation);
        // A job in Starting can become Running once, so three attempts are enough. Most jobs run.
        for expected in [running, State::starting(generation), running] {
            if self.replace(expected, latched).is_ok() {
                return true;
            }
        }
        self.add(generation, status);
        false
    }

    /// Latches a running job, with a status without events. The watchdog calls this when the job's
    /// time limit has passed, and unbinding to end the running job.
    ///
    /// Returns false if the job is not running. If it returns true, the caller must wake the
    /// interrupt thread, which alone claims the job; no other job starts before that. The interrupt
    /// handler may still access the engine at the same time.
    pub fn expire(&self, generation: Generation) -> bool {
        self.replace(State::running(generation), State::late(generation))
            .is_ok()
    }

    /// Adds events to the status of a late job, unless it is claimed by now.
    pub fn add(&self, generation: Generation, status: Status) {
        let mut found = State(self.word.load(Ordering::Relaxed));
        // It is repeated at most once: the caller of `expire` and the interrupt handler each add
        // once.
        while found.generation() == generation && found.is_late() {
            match self.replace(found, found.with(status)) {
                Ok(()) => return,
                Err(newer) => found = newer,
            }
        }
    }

    /// Returns whether there is a latched job, late or not.
    pub fn is_latched(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_latched()
    }

    /// Returns whether the job is late. The interrupt handler may still run for such a job, so the
    /// caller must wait for the handler before it claims the job.
    ///
    /// A thread that was woken for a latched job gets the final answer: only
    /// [`claim_latched`](Self::claim_latched) changes the state of such a job.
    pub fn is_late(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_late()
    }

    /// Claims the latched job: of several callers, one gets the outcome. The interrupt thread calls
    /// this.
    ///
    /// Returns `None` if there is no latched job.
    pub fn claim_latched(&self) -> Option<Outcome> {
        let mut found = State(self.word.load(Ordering::Relaxed));
        // It is repeated if events were added meanwhile, which happens at most twice for a job.
        while found.is_latched() {
            match self.replace(found, State::idle(found.generation())) {
                Ok(()) => return Some(found.outcome()),
                Err(newer) => found = newer,
            }
        }
        None
    }

    fn replace(&self, current: State, new: State) -> Result<(), State> {
        self.word
            .compare_exchange(current.0, new.0, Ordering::AcqRel, Ordering::Relaxed)
            .map(|_| ())
            .map_err(State)
    }
}

impl Generation {
    const BITS: u32 = 48;

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }

    const fn next(self) -> Self {
        Self((self.0 + 1) & ((1 << Self::BITS) - 1))
    }
}

/// The value of the word: the generation in bits 63:16, the packed status in 15:7, a code for the
/// state in 6:0.
#[derive(Clone, Copy)]
struct State(u64);

impl State {
    const IDLE: u64 = 0;
    const STARTING: u64 = 1;
    const RUNNING: u64 = 2;
    const LATCHED: u64 = 3;
    const LATE: u64 = 4;
    const CODE: u64 = 0x7f;
    const STATUS_SHIFT: u32 = 7;

    const fn idle(generation: Generation) -> Self {
        Self(generation.0 << 16 | Self::IDLE)
    }

    const fn starting(generation: Generation) -> Self {
        Self(generation.0 << 16 | Self::STARTING)
    }

    const fn running(generation: Generation) -> Self {
        Self(generation.0 << 16 | Self::RUNNING)
    }

    fn latched(generation: Generation, status: Status) -> Self {
        Self(generation.0 << 16 | Self::LATCHED).with(status)
    }

    const fn late(generation: Generation) -> Self {
        Self(generation.0 << 16 | Self::LATE)
    }

    /// Returns the same state with the events of `status` added.
    fn with(self, status: Status) -> Self {
        Self(self.0 | u64::from(status.pack()) << Self::STATUS_SHIFT)
    }

    const fn code(self) -> u64 {
        self.0 & Self::CODE
    }

    const fn is_idle(self) -> bool {
        self.code() == Self::IDLE
    }

    const fn is_unlatched(self) -> bool {
        matches!(self.code(), Self::STARTING | Self::RUNNING)
    }

    const fn is_latched(self) -> bool {
        matches!(self.code(), Self::LATCHED | Self::LATE)
    }

    const fn is_late(self) -> bool {
        self.code() == Self::LATE
    }

    const fn generation(self) -> Generation {
        Generation(self.0 >> 16)
    }

    fn outcome(self) -> Outcome {
        Outcome {
            generation: self.generation(),
            // CAST: The value is masked to 9 bits.
            status: Status::unpack((self.0 >> Self::STATUS_SHIFT & 0x1ff) as u16),
            late: self.is_late(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Status = Status(1);

    /// Latches the job with `status`, and claims it.
    fn end(slot: &Slot, job: Generation, status: Status) -> Outcome {
        assert!(slot.latch(job, status));
        slot.claim_latched().unwrap()
    }

    #[test]
    fn a_job_ends_exactly_once() {
        let slot = Slot::new();
        assert_eq!(slot.unlatched(), None);
        assert_eq!(slot.claim_latched(), None);

        let job = slot.start().unwrap();
        assert_eq!(slot.start(), None);
        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.unlatched(), Some(job));

        assert!(slot.latch(job, Status(0x1_ff82)));
        assert_eq!(slot.unlatched(), None);
        assert_eq!(slot.start(), None);
        assert!(slot.is_latched() && !slot.is_late());
        let outcome = slot.claim_latched().unwrap();
        assert_eq!(outcome.generation, job);
        assert_eq!(outcome.status, Status(0x1_0082));
        assert!(!outcome.late && !slot.is_latched());

        assert_eq!(slot.claim_latched(), None);
    }

    #[test]
    fn a_job_can_be_latched_before_and_after_it_is_launched() {
        let slot = Slot::new();
        assert_eq!(slot.phase(), Phase::Over);
        for launch in [false, true] {
            let job = slot.start().unwrap();
            assert_eq!(slot.phase(), Phase::Starting);
            assert_eq!(slot.unlatched(), Some(job));
            if launch {
                slot.launched(job);
                assert_eq!(slot.phase(), Phase::Running(job));
            }
            assert!(slot.latch(job, DONE));
            assert_eq!(slot.phase(), Phase::Over);
            slot.launched(job);
            assert_eq!(slot.claim_latched().unwrap().status, DONE);
            slot.launched(job);
            assert_eq!(slot.phase(), Phase::Over);
        }
    }

    #[test]
    fn a_job_that_is_not_latched_is_not_claimed() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        assert_eq!(slot.claim_latched(), None);
        slot.launched(job);
        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.phase(), Phase::Running(job));
    }

    #[test]
    fn callers_for_one_job_do_not_end_the_next() {
        let slot = Slot::new();
        let old = slot.start().unwrap();
        end(&slot, old, DONE);
        let new = slot.start().unwrap();
        assert_ne!(old, new);

        assert!(!slot.latch(old, DONE));
        assert!(!slot.expire(old));
        slot.launched(old);
        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.phase(), Phase::Starting);
        assert_eq!(end(&slot, new, Status(2)).status, Status(2));
    }

    #[test]
    fn a_second_interrupt_is_stale() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        assert!(slot.latch(job, DONE));
        assert!(!slot.latch(job, Status(2)));
        assert_eq!(slot.claim_latched().unwrap().status, DONE);
        assert!(!slot.latch(job, DONE));
    }

    #[test]
    fn a_late_job_gets_the_status_of_a_delayed_interrupt() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        assert!(!slot.expire(job), "a job that is being started expired");
        slot.launched(job);
        assert!(slot.expire(job));
        assert!(slot.is_latched() && slot.is_late());
        assert!(!slot.expire(job));
        slot.add(job, Status(0x1_0000));
        assert!(!slot.latch(job, DONE));
        let outcome = slot.claim_latched().unwrap();
        assert!(outcome.late);
        assert_eq!(outcome.status, Status(0x1_0001));
        assert!(!slot.is_late());

        let next = slot.start().unwrap();
        slot.launched(next);
        slot.add(next, DONE);
        assert!(slot.expire(next));
        assert!(!slot.latch(job, DONE), "an interrupt of the last job");
        slot.add(job, DONE);
        assert_eq!(slot.claim_latched().unwrap().status, Status::SILENCE);
    }

    #[test]
    fn an_event_that_was_read_twice_is_reported_once() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        slot.launched(job);
        assert!(slot.expire(job));
        slot.add(job, Status(0x1_0001));
        assert!(!slot.latch(job, Status(0x1_0003)));
        let outcome = slot.claim_latched().unwrap();
        assert_eq!(outcome.status, Status(0x1_0003));
    }

    #[test]
    fn jobs_are_numbered_one_after_the_other() {
        let slot = Slot::new();
        for number in 1..=3 {
            let job = slot.start().unwrap();
            assert_eq!(job.number(), number);
            end(&slot, job, DONE);
        }
    }

    #[test]
    fn generations_wrap_without_a_panic() {
        let slot = Slot::with(AtomicU64::new(u64::MAX << 16));
        let job = slot.start().unwrap();
        assert_eq!(job.number(), 0);
        end(&slot, job, DONE);
    }
}
