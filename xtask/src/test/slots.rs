// SPDX-License-Identifier: GPL-2.0

//! Limits the number of boards that run in parallel.

use std::cell::Cell;
use std::collections::BinaryHeap;
use std::fs;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::locked;
use crate::host;

/// The memory of this machine that a board takes, in kilobytes: 1 GB of its own, which the debug kernel
/// uses completely, and what QEMU needs. Boards with more memory use hardly more than that.
const BOARD_KB: usize = 1_400_000;

/// Returns the number of boards that this machine can run in parallel.
///
/// A board uses about two thirds of a CPU: it starts, waits for files, and with several CPUs waits for
/// itself. With two boards a third of two CPUs was measured to be idle, so there are three boards for
/// two CPUs. There is at least one board, even if there seems to be too little memory.
pub(super) fn boards() -> usize {
    let available = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    room(host::jobs(), available_kb(&available))
}

fn room(cpus: usize, available_kb: Option<usize>) -> usize {
    let in_memory = available_kb.map_or(usize::MAX, |kb| kb / BOARD_KB);
    (cpus * 3).div_ceil(2).min(in_memory).max(1)
}

/// Returns `MemAvailable` of `/proc/meminfo`.
fn available_kb(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

thread_local! {
    static WAITED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Returns how long this thread has waited for slots until now.
pub(super) fn waited() -> Duration {
    WAITED.get()
}

/// The slots for boards.
pub(super) struct Slots {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The number of free slots.
    free: usize,
    /// The time limits, in seconds, of those who wait for a slot.
    waiting: BinaryHeap<u64>,
}

impl Slots {
    /// Creates `count` slots.
    pub(super) fn new(count: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: count,
                waiting: BinaryHeap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a slot and returns it. The slot is free again when it is dropped. The work with the
    /// longest time limit (`limit_s`, in seconds) gets the next slot: if long work came last, it would
    /// run alone in the end.
    pub(super) fn take(&self, limit_s: u64) -> Slot<'_> {
        let started = Instant::now();
        let mut state = locked(&self.state);
        state.waiting.push(limit_s);
        let others_turn =
            |state: &mut State| state.free == 0 || state.waiting.peek() > Some(&limit_s);
        let state = self.changed.wait_while(state, others_turn);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        // The largest time limit is this one, or one that is equal.
        state.waiting.pop();
        state.free -= 1;
        WAITED.set(WAITED.get() + started.elapsed());
        // Another slot may be free for the next one that waits.
        self.changed.notify_all();
        Slot(self)
    }
}

/// A slot that is in use.
pub(super) struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        locked(&self.0.state).free += 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn boards_are_as_many_as_cpus_and_memory_allow_and_never_none() {
        let gigabyte = 1_000_000;
        assert_eq!(room(2, Some(20 * gigabyte)), 3);
        assert_eq!(room(1, Some(20 * gigabyte)), 2);
        assert_eq!(room(16, Some(20 * gigabyte)), 14);
        assert_eq!(room(16, Some(100 * gigabyte)), 24);
        assert_eq!(room(4, Some(3 * gigabyte)), 2);
        assert_eq!(room(4, Some(gigabyte)), 1);
        assert_eq!(room(2, None), 3);
        let meminfo = "MemTotal:       24000000 kB\nMemAvailable:   20000000 kB\nBuffers: 1 kB\n";
        assert_eq!(available_kb(meminfo), Some(20_000_000));
        assert_eq!(available_kb("MemFree: 1 kB\n"), None);
        assert!(boards() > 0);
    }

    #[test]
    fn no_more_boards_run_than_there_are_slots() {
        let (slots, up) = (Slots::new(2), Mutex::new((0, 0)));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _slot = slots.take(1);
                    {
                        let mut up = locked(&up);
                        *up = (up.0 + 1, up.1.max(up.0 + 1));
                    }
                    thread::sleep(std::time::Duration::from_millis(5));
                    locked(&up).0 -= 1;
                });
            }
        });
        assert_eq!(*locked(&up), (0, 2));
    }

    #[test]
    fn the_longest_time_limit_goes_first() {
        let (slots, order) = (Slots::new(1), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = slots.take(0);
            for limit_s in [1, 3, 2] {
                let (slots, order) = (&slots, &order);
                scope.spawn(move || {
                    let _slot = slots.take(limit_s);
                    locked(order).push(limit_s);
                });
            }
            while locked(&slots.state).waiting.len() < 3 {
                thread::yield_now();
            }
            drop(first);
        });
        assert_eq!(*locked(&order), [3, 2, 1]);
    }
}
