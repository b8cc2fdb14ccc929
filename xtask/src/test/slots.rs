// SPDX-License-Identifier: GPL-2.0

//! How many boards are up at the same time.

use std::sync::{Condvar, Mutex, PoisonError};

use super::locked;

/// Places for boards.
pub(super) struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    /// So many.
    pub(super) fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count),
            freed: Condvar::new(),
        }
    }

    /// Waits for a place, and keeps it until the value is dropped.
    pub(super) fn take(&self) -> Slot<'_> {
        let none = |free: &mut usize| *free == 0;
        let free = self.freed.wait_while(locked(&self.free), none);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Slot(self)
    }
}

/// A place that is taken.
pub(super) struct Slot<'a>(&'a Slots);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *locked(&self.0.free) += 1;
        self.0.freed.notify_one();
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
                    let _slot = slots.take();
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
}
