// SPDX-License-Identifier: GPL-2.0

//! How many boards are up at the same time.

use std::collections::BinaryHeap;
use std::sync::{Condvar, Mutex, PoisonError};

use super::locked;

/// Places for boards.
pub(super) struct Slots {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Places that nobody has.
    free: usize,
    /// Who waits for one: how long each may take, in seconds.
    waiting: BinaryHeap<u64>,
}

impl Slots {
    /// So many.
    pub(super) fn new(count: usize) -> Self {
        Self {
            state: Mutex::new(State {
                free: count,
                waiting: BinaryHeap::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a place, and keeps it until the value is dropped. Who may take longest, in seconds, goes
    /// first: what is long and comes last keeps one CPU waiting for the other.
    pub(super) fn take(&self, longest: u64) -> Slot<'_> {
        let mut state = locked(&self.state);
        state.waiting.push(longest);
        let others_turn =
            |state: &mut State| state.free == 0 || state.waiting.peek() > Some(&longest);
        let state = self.changed.wait_while(state, others_turn);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        // The longest that waits is this one, or as long.
        state.waiting.pop();
        state.free -= 1;
        // There may be a place for the next one, too.
        self.changed.notify_all();
        Slot(self)
    }
}

/// A place that is taken.
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
    fn no_more_boards_are_up_than_there_are_places() {
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
    fn who_may_take_longest_goes_first() {
        let (slots, order) = (Slots::new(1), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            let first = slots.take(0);
            for longest in [1, 3, 2] {
                let (slots, order) = (&slots, &order);
                scope.spawn(move || {
                    let _slot = slots.take(longest);
                    locked(order).push(longest);
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
