// SPDX-License-Identifier: GPL-2.0

//! The order in which an open file's frames start and its controls change.
//!
//! A frame starts with the controls of its request, and userspace may set the same controls at the
//! same time. V4L2 learns the values of the request later, see [`request`](super::request), and
//! must then keep the value that was set last. So the changes of controls and the starts of frames
//! are numbered under one mutex, `Handle::starting`.

use kernel::{
    prelude::*,
    sync::{
        Mutex,
        MutexGuard, //
    }, //
};

use super::format::Direction;

/// Counts the changes of the controls and the frames of an open file.
pub(super) struct Order {
    /// How often controls have changed.
    changes: u64,
    /// The value of `changes` when each control changed last, by its index in the driver's list.
    changed: KVec<u64>,
    /// The numbers of the next frames of the OUTPUT and of the CAPTURE queue.
    sequences: [u32; 2],
}

impl Order {
    /// Creates it for a file with `controls` controls, none of which has changed.
    pub(super) fn new(controls: usize) -> Result<Self> {
        Ok(Self {
            changes: 0,
            changed: KVec::from_elem(0, controls, GFP_KERNEL)?,
            sequences: [0; 2],
        })
    }

    /// Notes that the control with index `index` changes now.
    fn note(&mut self, index: usize) {
        self.changes = self.changes.wrapping_add(1);
        if let Some(changed) = self.changed.get_mut(index) {
            *changed = self.changes;
        }
    }

    /// Notes that the controls whose indices are set bits of `controls` change now. Returns the
    /// number of changes until now.
    pub(super) fn note_all(&mut self, controls: u32) -> u64 {
        for index in 0..self.changed.len() {
            if controls >> index & 1 != 0 {
                self.note(index);
            }
        }
        self.changes
    }

    /// Returns whether the control with index `index` has changed since the change number `change`.
    pub(super) fn has_changed_since(&self, change: u64, index: usize) -> bool {
        let changed = self.changed.get(index);
        changed.is_some_and(|changed| *changed > change)
    }

    /// Starts counting the frames of a queue that starts to stream.
    pub(super) fn reset_sequence(&mut self, direction: Direction) {
        match direction {
            Direction::Output => self.sequences[0] = 0,
            Direction::Capture => self.sequences[1] = 0,
        }
    }

    /// Returns the numbers of a frame that starts, in the OUTPUT and in the CAPTURE queue.
    pub(super) fn next_sequences(&mut self) -> [u32; 2] {
        let next = self.sequences.map(|number| number.wrapping_add(1));
        core::mem::replace(&mut self.sequences, next)
    }
}

/// A control that userspace changes. Frames may start meanwhile, until [`Change::lock`].
pub(crate) struct Change<'a> {
    order: &'a Mutex<Order>,
    index: usize,
}

impl<'a> Change<'a> {
    /// Creates the change of the control with index `index`.
    pub(super) fn new(order: &'a Mutex<Order>, index: usize) -> Self {
        Self { order, index }
    }

    /// Waits for a frame of the file that is being started, and lets none start until the result is
    /// dropped. The lock is taken after that of the controls, and frames wait for it, so it must be
    /// held briefly.
    pub(crate) fn lock(&self) -> Changing<'_> {
        Changing {
            order: self.order.lock(),
            index: self.index,
        }
    }
}

/// A control that is being changed, while no frame starts.
pub(crate) struct Changing<'a> {
    order: MutexGuard<'a, Order>,
    index: usize,
}

impl Changing<'_> {
    /// Notes that the control has changed, and lets frames start again.
    pub(crate) fn done(mut self) -> Changed {
        self.order.note(self.index);
        Changed(())
    }
}

/// Proof that the change of a control was noted.
pub(crate) struct Changed(());
