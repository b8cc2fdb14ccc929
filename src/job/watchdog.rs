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

/// What ends a frame whose interrupt does not come: a timer that finds the frame running, and finds it
/// running again when its time limit is over. So a frame has at least its limit, and at most twice that.
pub(crate) struct Watchdog {
    runner: Arc<Runner>,
    line: irq::Line,
    epoch: Instant<Monotonic>,
    /// The frame that was found, and when, in nanoseconds since `epoch`. For the timer alone.
    found: (Atomic<u64>, Atomic<i64>),
}

impl Watchdog {
    /// Watches over the frames of `runner`, whose interrupt is `line`.
    pub(crate) fn new(runner: Arc<Runner>, line: irq::Line) -> Self {
        Self {
            runner,
            line,
            epoch: Instant::now(),
            // No frame has this number.
            found: (Atomic::new(u64::MAX), Atomic::new(0)),
        }
    }
}

impl timer::Expire for Watchdog {
    /// Registers and atomic words.
    fn expire(&self, device: &Device<Bound>) -> Option<Delta> {
        let claim = &self.runner.claim;
        let phase = claim.phase();
        let limit = Delta::from_nanos(self.runner.limit.load(Relaxed));
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
        // Somebody may have set the timer for an earlier frame, late.
        let left = Delta::from_nanos(since.load(Relaxed)) + limit - now;
        if left > Delta::ZERO {
            return Some(left);
        }
        self.runner.expire(generation, device, &self.line);
        None
    }
}
