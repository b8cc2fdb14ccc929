// SPDX-License-Identifier: GPL-2.0

//! The watchdog: it ends a frame whose interrupt does not come in time.

use super::Runner;
use crate::{
    dewarp::claim,
    platform::{
        irq,
        timer, //
    }, //
};
use kernel::{
    device::{
        Bound,
        Device, //
    },
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// A timer that ends a frame whose interrupt does not come. When it first expires for a frame, it
/// notes the frame and the time. It ends the frame when that still runs one time limit later. So a
/// frame has at least its time limit, and one that hangs usually ends after twice that.
///
/// The timer may have been armed for an earlier frame, by a thread that was delayed. That is why
/// the first time is noted by the timer itself.
pub(crate) struct Watchdog {
    runner: Arc<Runner>,
    line: irq::Line,
    epoch: Instant<Monotonic>,
    /// The frame that the timer found running, and when, in nanoseconds since `epoch`. Only the
    /// timer uses it.
    found: (Atomic<u64>, Atomic<i64>),
}

impl Watchdog {
    /// Creates the watchdog for the frames of `runner`, whose interrupt is `line`.
    pub(crate) fn new(runner: Arc<Runner>, line: irq::Line) -> Self {
        Self {
            runner,
            line,
            epoch: Instant::now(),
            // The number of no frame.
            found: (Atomic::new(u64::MAX), Atomic::new(0)),
        }
    }
}

impl timer::Expire for Watchdog {
    /// Uses registers and atomic variables only.
    fn expire(&self, device: &Device<Bound>) -> Option<Delta> {
        let claim = &self.runner.claim;
        let phase = claim.phase();
        let limit = Delta::from_nanos(self.runner.limit_ns.load(Relaxed));
        let generation = match phase {
            claim::Phase::Over => return None,
            claim::Phase::Starting => return Some(limit),
            claim::Phase::Running(generation) => generation,
        };
        let now = self.epoch.elapsed();
        let (frame, since) = &self.found;
        if frame.load(Relaxed) != generation.number() {
            frame.store(generation.number(), Relaxed);
            since.store(now.as_nanos(), Relaxed);
            return Some(limit);
        }
        // The timer may have expired early: a delayed thread armed it for an earlier frame.
        let left = Delta::from_nanos(since.load(Relaxed)) + limit - now;
        if left > Delta::ZERO {
            return Some(left);
        }
        self.runner.expire(generation, device, &self.line);
        None
    }
}
