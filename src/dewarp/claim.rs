// SPDX-License-Identifier: GPL-2.0

//! Who ends a job: hard interrupt, interrupt thread, watchdog, abort and unbind all want to, and one
//! of them does, once.
//!
//! One atomic word holds the state, the status of the interrupt, and the number of the job.

use super::status::Status;

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// The atomic word under a [`Slot`]. Takes its methods' meaning from [`AtomicU64`].
pub trait Word {
    /// See [`AtomicU64::load`].
    fn load(&self, order: Ordering) -> u64;

    /// See [`AtomicU64::compare_exchange`].
    ///
    /// # Errors
    ///
    /// The value found, if it was not `current`.
    fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64>;
}

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

/// The number of a job. Two jobs of one slot never share one (48 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// What the one who ended a job gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The job that ended.
    pub generation: Generation,
    /// The status of its interrupt; `None` if it was ended without one.
    pub status: Option<Status>,
}

/// How far a job has come, for who watches over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is none, or its end is under way.
    Over,
    /// It is being started: it is not late, and its starter still uses it.
    Starting,
    /// The engine is at work on it.
    Running(Generation),
}

/// The engine's place for one job.
///
/// ```text
///         start             launched            latch
///   Idle -------> Starting ----------> Running -------> Latched
///    ^               |  \________________|____latch_____^  |
///    +---------------+-------------------+----------------+
///              claim_any                  claim_latched, claim_any
/// ```
///
/// A job may be latched before its starter says that it is launched: the engine is fast. A
/// watchdog must not, for it ends what the starter may not be through with: see [`Phase`].
///
/// All that happens before [`start`](Self::start) is visible to who sees the job, and all that
/// happens before [`latch`](Self::latch) to who claims it: each change of the word both acquires and
/// releases. No method blocks. [`running`](Self::running) and [`latch`](Self::latch) do not even
/// loop: they are for the hard interrupt.
pub struct Slot<W = AtomicU64> {
    word: W,
}

impl Slot {
    /// An idle slot.
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
    /// An idle slot over a word that is 0.
    pub const fn with(word: W) -> Self {
        Self { word }
    }
}

impl<W: Word> Slot<W> {
    /// A job starts. Call it before the engine does, and [`launched`](Self::launched) after.
    ///
    /// `None` if the last one has not ended.
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

    /// The engine is at work on this job, if that has not ended since. Its starter is through.
    pub fn launched(&self, generation: Generation) {
        let _ = self.replace(State::starting(generation), State::running(generation));
    }

    /// How far the job has come. Who finds it running sees what its starter did.
    pub fn phase(&self) -> Phase {
        let found = State(self.word.load(Ordering::Acquire));
        match found.code() {
            State::STARTING => Phase::Starting,
            State::RUNNING => Phase::Running(found.generation()),
            _ => Phase::Over,
        }
    }

    /// The job that the engine is at work on, if its interrupt has not been latched.
    ///
    /// The hard interrupt asks this before it reads the status, so that the status of one job is
    /// never taken for that of the next.
    pub fn running(&self) -> Option<Generation> {
        let found = State(self.word.load(Ordering::Acquire));
        found.is_unlatched().then(|| found.generation())
    }

    /// Keeps the status of a job's interrupt for who ends the job.
    ///
    /// False if the job has ended, or has a status already: the interrupt is stale.
    pub fn latch(&self, generation: Generation, status: Status) -> bool {
        let latched = State::latched(generation, status);
        let Err(found) = self.replace(State::running(generation), latched) else {
            return true;
        };
        // What is being started may be launched meanwhile, once.
        found.0 == State::starting(generation).0
            && (self.replace(found, latched).is_ok()
                || self.replace(State::running(generation), latched).is_ok())
    }

    /// Ends the job whose interrupt has been latched. For the interrupt thread.
    ///
    /// `None` if there is none, or someone else was first.
    pub fn claim_latched(&self) -> Option<Outcome> {
        self.claim(|state| state.is_latched())
    }

    /// Ends whatever job there is. For unbind, when no new one can start.
    ///
    /// `None` if there is none.
    pub fn claim_any(&self) -> Option<Outcome> {
        self.claim(|state| !state.is_idle())
    }

    /// Goes to idle from a state that `admits`. Repeats only if the job went a step further.
    fn claim(&self, admits: impl Fn(State) -> bool) -> Option<Outcome> {
        let mut found = State(self.word.load(Ordering::Relaxed));
        while admits(found) {
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

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }

    const fn next(self) -> Self {
        Self((self.0 + 1) & ((1 << Self::BITS) - 1))
    }
}

/// The word: generation in 63:16, pending events in 15:8, state in 7:0.
#[derive(Clone, Copy)]
struct State(u64);

impl State {
    const IDLE: u64 = 0;
    const STARTING: u64 = 1;
    const RUNNING: u64 = 2;
    const LATCHED: u64 = 3;

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
        Self(generation.0 << 16 | u64::from(status.pending()) << 8 | Self::LATCHED)
    }

    const fn code(self) -> u64 {
        self.0 & 0xff
    }

    const fn is_idle(self) -> bool {
        self.code() == Self::IDLE
    }

    const fn is_unlatched(self) -> bool {
        matches!(self.code(), Self::STARTING | Self::RUNNING)
    }

    const fn is_latched(self) -> bool {
        self.code() == Self::LATCHED
    }

    const fn generation(self) -> Generation {
        Generation(self.0 >> 16)
    }

    fn outcome(self) -> Outcome {
        Outcome {
            generation: self.generation(),
            // CAST: Masked to 8 bits.
            status: self
                .is_latched()
                .then_some(Status((self.0 >> 8 & 0xff) as u32)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Status = Status(1);

    #[test]
    fn a_job_goes_from_start_to_its_one_end() {
        let slot = Slot::new();
        assert_eq!(slot.running(), None);
        assert_eq!(slot.claim_any(), None);

        let job = slot.start().unwrap();
        assert_eq!(slot.start(), None);
        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.running(), Some(job));

        assert!(slot.latch(job, Status(0x1_ff82)));
        assert_eq!(slot.running(), None);
        assert_eq!(slot.start(), None);
        let outcome = slot.claim_latched().unwrap();
        assert_eq!(outcome.generation, job);
        assert_eq!(outcome.status, Some(Status(0x82)));

        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.claim_any(), None);
    }

    #[test]
    fn a_job_can_be_latched_before_and_after_it_is_launched() {
        let slot = Slot::new();
        assert_eq!(slot.phase(), Phase::Over);
        for launch in [false, true] {
            let job = slot.start().unwrap();
            assert_eq!(slot.phase(), Phase::Starting);
            assert_eq!(slot.running(), Some(job));
            if launch {
                slot.launched(job);
                assert_eq!(slot.phase(), Phase::Running(job));
            }
            assert!(slot.latch(job, DONE));
            assert_eq!(slot.phase(), Phase::Over);
            slot.launched(job);
            assert_eq!(slot.claim_latched().unwrap().status, Some(DONE));
            slot.launched(job);
            assert_eq!(slot.phase(), Phase::Over);
        }
    }

    #[test]
    fn a_job_that_ends_without_an_interrupt_has_no_status() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        slot.launched(job);
        assert_eq!(slot.claim_any().unwrap().status, None);
        slot.start().unwrap();
        assert_eq!(slot.claim_any().unwrap().status, None);
    }

    #[test]
    fn nobody_of_one_job_ends_the_next() {
        let slot = Slot::new();
        let old = slot.start().unwrap();
        slot.claim_any().unwrap();
        let new = slot.start().unwrap();
        assert_ne!(old, new);

        assert!(!slot.latch(old, DONE));
        assert_eq!(slot.claim_latched(), None);
        assert_eq!(slot.running(), Some(new));
        assert!(slot.latch(new, DONE));
        assert_eq!(slot.claim_latched().unwrap().status, Some(DONE));
    }

    #[test]
    fn a_second_interrupt_is_stale() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        assert!(slot.latch(job, DONE));
        assert!(!slot.latch(job, Status(2)));
        assert_eq!(slot.claim_any().unwrap().status, Some(DONE));
        assert!(!slot.latch(job, DONE));
    }

    #[test]
    fn generations_go_round_without_a_panic() {
        let slot = Slot::with(AtomicU64::new(u64::MAX << 16));
        let job = slot.start().unwrap();
        assert_eq!(job, Generation(0));
        assert!(slot.claim_any().is_some());
    }
}
