// SPDX-License-Identifier: GPL-2.0

//! The claim protocol. The interrupt, the watchdog and unbinding may all try to end the same job;
//! the protocol lets exactly one of them do it.
//!
//! One atomic word holds the job's state, the interrupt's status, and the job's number.

use super::status::Status;

use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};

/// The atomic word of a [`Slot`]. Its methods are those of [`AtomicU64`]; `loom` has its own type.
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

    // Inlined, because the callers pass constant orders: it is one instruction then.
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

/// The number of a job. It has 48 bits, so that it is never used again in the life of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u64);

/// What the caller that ended a job learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The job that ended.
    pub generation: Generation,
    /// The status of its interrupt; `None` if the job was not latched.
    pub status: Option<Status>,
    /// Whether the watchdog latched the job, because its interrupt did not come in time.
    pub late: bool,
}

/// The phase of a job, for the watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// There is no job, or it is latched.
    Over,
    /// The job is being started. The starting thread still uses it, so the watchdog must not end
    /// it.
    Starting,
    /// The engine processes the job.
    Running(Generation),
}

/// The state of the engine's job.
///
/// ```text
///         start             launched         latch, expire
///   Idle -------> Starting ----------> Running -------> Latched
///    ^               |  \________________|____latch_____^  |
///    +---------------+-------------------+----------------+
///              claim_any                  claim_latched, claim_any
/// ```
///
/// The watchdog latches a job by [`expire`](Self::expire), then reads the status and adds it. An
/// interrupt handler that saw the job running just before may have read and acknowledged an event
/// that the watchdog does not see; its [`latch`](Self::latch) adds that event. The thread that
/// claims a job which the watchdog latched must therefore wait for the interrupt handler first: see
/// [`is_late`](Self::is_late).
///
/// The interrupt handler may latch a job that is still being started, because the engine may be
/// done before [`launched`](Self::launched) is called. The watchdog may not: see [`Phase`].
///
/// What happens before [`start`](Self::start) is visible to every thread that sees the job, and
/// what happens before [`latch`](Self::latch) is visible to the thread that claims it, because each
/// change of the word acquires and releases. No method blocks. [`running`](Self::running),
/// [`latch`](Self::latch) and [`add`](Self::add) take a bounded number of steps, because the
/// interrupt handler calls them.
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
    /// Creates a slot without a job. `word` must be 0.
    pub const fn with(word: W) -> Self {
        Self { word }
    }
}

impl<W: Word> Slot<W> {
    /// Starts a job. The caller calls it before it starts the engine, and
    /// [`launched`](Self::launched) after.
    ///
    /// Returns `None` if the last job has not ended.
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

    /// Marks a job as running, unless it is latched by now. The caller does not use the job any
    /// more.
    pub fn launched(&self, generation: Generation) {
        let _ = self.replace(State::starting(generation), State::running(generation));
    }

    /// Returns the job's phase. If it is running, all that its starter did is visible.
    pub fn phase(&self) -> Phase {
        let found = State(self.word.load(Ordering::Acquire));
        match found.code() {
            State::STARTING => Phase::Starting,
            State::RUNNING => Phase::Running(found.generation()),
            _ => Phase::Over,
        }
    }

    /// Returns the job that is started or running, and not latched.
    ///
    /// The interrupt handler calls this before it reads the status, so that the status of one job
    /// is never taken for the status of the next.
    pub fn running(&self) -> Option<Generation> {
        let found = State(self.word.load(Ordering::Acquire));
        found.is_unlatched().then(|| found.generation())
    }

    /// Latches a job with the status of its interrupt. The interrupt handler calls this.
    ///
    /// Returns false if the job has ended or was latched before. If the watchdog latched it, the
    /// status is added to the watchdog's.
    pub fn latch(&self, generation: Generation, status: Status) -> bool {
        let latched = State::latched(generation, status);
        let running = State::running(generation);
        // A job in Starting can become Running once, so three attempts are enough.
        for expected in [running, State::starting(generation), running] {
            if self.replace(expected, latched).is_ok() {
                return true;
            }
        }
        self.add(generation, status);
        false
    }

    /// Latches a job whose time limit has passed, without an event. The watchdog calls this when it
    /// found the job running.
    ///
    /// Returns false if the job has ended or was latched before. After true, no other job starts
    /// until the caller wakes the interrupt thread. An interrupt handler that saw the job running
    /// may still access the engine at the same time.
    pub fn expire(&self, generation: Generation) -> bool {
        self.replace(State::running(generation), State::late(generation))
            .is_ok()
    }

    /// Adds events to the status of a job that the watchdog latched, unless the job was claimed.
    pub fn add(&self, generation: Generation, status: Status) {
        let mut found = State(self.word.load(Ordering::Relaxed));
        // Repeated at most once: the watchdog and the interrupt handler each add once.
        while found.generation() == generation && found.is_late() {
            match self.replace(found, found.with(status)) {
                Ok(()) => return,
                Err(newer) => found = newer,
            }
        }
    }

    /// Returns whether there is a latched job.
    pub fn is_latched(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_latched()
    }

    /// Returns whether the watchdog latched the job. The interrupt handler may still run for this
    /// job, so the caller waits for the handler before it claims the job.
    pub fn is_late(&self) -> bool {
        State(self.word.load(Ordering::Relaxed)).is_late()
    }

    /// Claims the latched job: of several callers, one gets the outcome. The interrupt thread calls
    /// this.
    ///
    /// Returns `None` if there is no latched job.
    pub fn claim_latched(&self) -> Option<Outcome> {
        self.claim(|state| state.is_latched())
    }

    /// Claims the job in whatever state it is. No new job may be started during the call.
    ///
    /// Returns `None` if there is no job.
    pub fn claim_any(&self) -> Option<Outcome> {
        self.claim(|state| !state.is_idle())
    }

    /// Goes to Idle from a state that `admits` accepts. Repeated if the job changed its state in
    /// between, which a job does a few times only.
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

    /// Returns the number.
    pub const fn number(self) -> u64 {
        self.0
    }

    const fn next(self) -> Self {
        Self((self.0 + 1) & ((1 << Self::BITS) - 1))
    }
}

/// The value of the word: the generation in bits 63:16, the packed status in 15:7, the state in
/// 6:0.
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
