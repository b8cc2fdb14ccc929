// SPDX-License-Identifier: GPL-2.0

//! Tests that random arguments in every ioctl leave a device that works.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use super::hostile::works;
use super::{Test, test};
use crate::random::calls::{CALLS, Due};
use crate::random::{Counts, Sender, Targets};
use crate::v4l2::{Device, PREFETCH_MODE};

pub(super) const TESTS: &[Test] = &[test(
    "random arguments in any ioctl leave a device that works",
    random,
)];

fn random() -> Result<()> {
    const SEEDS: [u64; 2] = [0x5eed_0001, 0x5eed_0002];
    let targets = Targets::open()?;
    let counts: Counts = [const { [const { AtomicU32::new(0) }; 2] }; CALLS.len()];
    let has_numbers = targets.devices[0].query(PREFETCH_MODE).is_ok();
    let senders = SEEDS
        .into_iter()
        .map(|seed| Ok(Sender::new(&targets, &counts, targets.requests()?, seed)))
        .collect::<Result<Vec<_>>>()?;
    // A board that does not send all calls, as with a debug kernel on a busy machine, need not
    // have as many successes.
    let complete: Result<bool> = thread::scope(|scope| {
        let threads = senders
            .into_iter()
            .map(|mut sender| scope.spawn(move || sender.run(6_000, Duration::from_secs(20))))
            .collect::<Vec<_>>();
        threads.into_iter().try_fold(true, |complete, thread| {
            let end = thread.join();
            Ok(end.map_err(|_| anyhow!("a thread that sends ioctls panicked"))? && complete)
        })
    });
    let least_sent = if complete? { 100 } else { 10 };
    for (call, count) in CALLS.iter().zip(&counts) {
        let [sent, good] = count.each_ref().map(|count| count.load(Ordering::Relaxed));
        let least = match call.due {
            Due::Often => sent / 8,
            Due::WithNumbers if has_numbers => sent / 8,
            // If only a few were sent, no success proves nothing.
            Due::Sometimes if sent > 100 => sent / 100 + 1,
            Due::Sometimes | Due::WithNumbers | Due::Unknown => 0,
        };
        ensure!(
            good >= least && sent > least_sent,
            "{} succeeded {good} times of {sent}, due were {least} of more than {least_sent}: \
             the test is not what it should be",
            call.name
        );
    }
    drop(targets);
    works(&Device::open()?).with_context(|| format!("after the ioctls of the seeds {SEEDS:x?}"))
}
