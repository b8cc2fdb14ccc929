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
    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    // The orders are constants of its callers: inline, it is one instruction.
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
    /// The watchdog latched it: its interrupt did not come in time.
    pub late: bool,
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
///         start             launched         latch, expire
///   Idle -------> Starting ----------> Running -------> Latched
///    ^               |  \________________|____latch_____^  |
///    +---------------+-------------------+----------------+
///              claim_any                  claim_latched, claim_any
/// ```
///
/// The watchdog latches by [`expire`](Self::expire), and adds the status that it reads afterwards.
/// An interrupt handler that found the job running just before may have read and acknowledged an
/// event that the watchdog does not see; its [`latch`](Self::latch) adds that, too. Before such a
/// job is claimed, wait for the handler: see [`is_late`](Self::is_late).
///
/// A job may be latched before its starter says that it is launched: the engine is fast. A
/// watchdog must not, for it ends what the starter may not be through with: see [`Phase`].
///
/// All that happens before [`start`](Self::start) is visible to who sees the job, and all that
/// happens before [`latch`](Self::latch) to who claims it: each change of the word both acquires and
/// releases. No method blocks. [`running`](Self::running), [`latch`](Self::latch) and
/// [`add`](Self::add) take a bounded number of steps: they are for hard interrupt context.
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

    /// Keeps the status of a job's interrupt for who ends the job. For the interrupt handler.
    ///
    /// False if the job has ended, or was latched before: the interrupt is stale. If it was the
    /// watchdog that latched it, the status is added to what that found.
    pub fn latch(&self, generation: Generation, status: Status) -> bool {
        let latched = State::latched(generation, status);
        let running = State::running(generation);
        // What is being started may be launched meanwhile, once.
        for expected in [running, State::starting(generation), running] {
            if self.replace(expected, latched).is_ok() {
                return true;
            }
        }
        self.add(generation, status);
        false
    }

    /// Latches a job whose time is over, with no event yet. For the watchdog, which must have found
    /// the job running.
    ///
    /// False if the job has ended, or was latched before. If true, no other frame starts until the
    /// interrupt thread is woken. An interrupt handler that found the job running may still be at the
    /// engine, too.
    pub fn expire(&self, generation: Generation) -> bool {
        self.replace(State::running(generation), State::late(generation))
            .is_ok()
    }

    /// Adds a status to that of a job which the watchdog latched, if that job was not claimed yet.
    pub fn add(&self, generation: Generation, status: Status) {
        let mut found = State(self.word.load(Ordering::Relaxed));
        // Repeats only if the other one of watchdog and interrupt handler has added its own.
        while found.generation() == generation && found.is_late() {
            match self.replace(found, found.with(status)) {
                Ok(()) => return,
                Err(newer) => found = newer,
            }
        }
    }

    /// Whether a job was latched that nobody has claimed yet.
    pub fn is_latched(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_latched()
    }

    /// Whether the job was latched by the watchdog. Its interrupt handler may run at the same time:
    /// who is to claim the job waits for that first.
    pub fn is_late(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_late()
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

/// The word: generation in 63:16, packed status in 15:7, state in 6:0.
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

    /// The same with the events of `status` added.
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
            // CAST: Masked to 9 bits.
            status: self.is_latched().then_some(Status::unpack(
                (self.0 >> Self::STATUS_SHIFT & 0x1ff) as u16,
            )),
            late: self.is_late(),
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
        assert!(slot.is_latched() && !slot.is_late());
        let outcome = slot.claim_latched().unwrap();
        assert_eq!(outcome.generation, job);
        assert_eq!(outcome.status, Some(Status(0x1_0082)));
        assert!(!outcome.late && !slot.is_latched());

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
    fn what_the_watchdog_latched_takes_the_status_of_an_interrupt_held_up() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        assert!(!slot.expire(job), "it is being started");
        slot.launched(job);
        assert!(slot.expire(job));
        assert!(slot.is_latched() && slot.is_late());
        assert!(!slot.expire(job));
        slot.add(job, Status(0x1_0000));
        assert!(!slot.latch(job, DONE));
        let outcome = slot.claim_latched().unwrap();
        assert!(outcome.late);
        assert_eq!(outcome.status, Some(Status(0x1_0001)));
        assert!(!slot.is_late());

        let next = slot.start().unwrap();
        slot.launched(next);
        slot.add(next, DONE);
        assert!(slot.expire(next));
        assert!(!slot.latch(job, DONE), "of the job before");
        slot.add(job, DONE);
        assert_eq!(slot.claim_any().unwrap().status, Some(Status::SILENCE));
    }

    #[test]
    fn an_event_that_two_have_read_is_an_event() {
        let slot = Slot::new();
        let job = slot.start().unwrap();
        slot.launched(job);
        assert!(slot.expire(job));
        slot.add(job, Status(0x1_0001));
        assert!(!slot.latch(job, Status(0x1_0003)));
        let outcome = slot.claim_latched().unwrap();
        assert_eq!(outcome.status, Some(Status(0x1_0003)));
    }

    #[test]
    fn jobs_are_numbered_one_after_the_other() {
        let slot = Slot::new();
        for number in 1..=3 {
            assert_eq!(slot.start().unwrap().number(), number);
            assert!(slot.claim_any().is_some());
        }
    }

    #[test]
    fn generations_go_round_without_a_panic() {
        let slot = Slot::with(AtomicU64::new(u64::MAX << 16));
        let job = slot.start().unwrap();
        assert_eq!(job.number(), 0);
        assert!(slot.claim_any().is_some());
    }
}
