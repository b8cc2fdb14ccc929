// SPDX-License-Identifier: GPL-2.0
//! Register writes in flight to the block ([`crate::world::World::LateWrites`]).

use std::collections::VecDeque;

use serde::Deserialize;
use serde::Serialize;

/// How long a write takes to reach the block, nanoseconds. Assumed. On the emulated board, where an
/// instruction takes 1 ns, the kernel is still leaving the interrupt 500 ns after its handler's
/// last write. An acknowledgement must arrive after that.
const DELAY_NS: i64 = 3_000;

/// How many writes may be in flight; one more makes the first one arrive. Assumed. It bounds the
/// queue whatever the guest does.
const CAPACITY: usize = 64;

/// A register write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// When the write reaches the block, in nanoseconds.
    pub due_ns: i64,
    /// Byte offset of the register.
    pub offset: u64,
    /// The value that is written.
    pub value: u32,
}

/// The writes in flight, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted(VecDeque<Write>);

impl Posted {
    /// Adds a write. Returns the one that has to arrive because the queue is full, if any.
    pub fn push(&mut self, now_ns: i64, offset: u64, value: u32) -> Option<Write> {
        let first = (self.0.len() >= CAPACITY)
            .then(|| self.0.pop_front())
            .flatten();
        self.0.push_back(Write {
            due_ns: now_ns.saturating_add(DELAY_NS),
            offset,
            value,
        });
        first
    }

    /// Takes the first write, whether it is due or not.
    pub fn pop(&mut self) -> Option<Write> {
        self.0.pop_front()
    }

    /// Takes the first write if it is due by now.
    pub fn pop_due(&mut self, now_ns: i64) -> Option<Write> {
        self.deadline().filter(|&at| at <= now_ns)?;
        self.pop()
    }

    /// Returns when the first write is due, nanoseconds.
    pub fn deadline(&self) -> Option<i64> {
        self.0.front().map(|write| write.due_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_arrive_in_their_order_and_after_their_time() {
        let mut posted = Posted::default();
        assert_eq!(posted.deadline(), None);
        for value in 0..3 {
            assert_eq!(posted.push(100 * i64::from(value), 0x04, value), None);
        }
        assert_eq!(posted.pop_due(2_999), None);
        assert_eq!(posted.pop_due(3_150).map(|write| write.value), Some(0));
        assert_eq!(posted.pop_due(3_150).map(|write| write.value), Some(1));
        assert_eq!(posted.pop_due(3_150), None);
        assert_eq!(posted.deadline(), Some(3_200));
        assert_eq!(posted.pop().map(|write| write.value), Some(2));
    }

    #[test]
    fn a_write_too_many_pushes_out_the_first() {
        let mut posted = Posted::default();
        for value in 0..1_000 {
            let out = posted.push(0, 0x04, value).map(|write| write.value);
            assert_eq!(out, value.checked_sub(CAPACITY as u32));
        }
        assert_eq!(posted.0.len(), CAPACITY);
    }
}
