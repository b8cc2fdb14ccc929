// SPDX-License-Identifier: GPL-2.0

//! The order in which a file's buffers come back, and that a stream is stopped after them.

use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Mutex,
        SpinLock, //
    }, //
};

/// How the buffers of a file's frames come back: in the order of the frames, although the next one
/// starts before; and before the file's stream is stopped, although its job may be over. `J` is a frame that
/// could not be started, which dropping ends.
#[pin_data]
pub(super) struct HandBack<J> {
    /// Held from before a frame's job may end until its buffers are back: by the thread that starts
    /// frames meanwhile, of whatever file, and so taken before the `starting` of a file.
    #[pin]
    turn: Mutex<()>,
    #[pin]
    state: SpinLock<State<J>>,
}

/// What a frame that cannot be started has to know.
struct State<J> {
    /// Whether buffers are being handed back.
    busy: bool,
    /// The frame that is to follow them. There is no other until it has ended: its job runs.
    refused: Option<J>,
}

impl<J: Unpin> HandBack<J> {
    /// Creates one with nothing in flight.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            turn <- new_mutex!((), "HandBack::turn"),
            state <- new_spinlock!(State { busy: false, refused: None }, "HandBack::state"),
        })
    }

    /// Waits until no buffers are being handed back. To be called when no job runs.
    pub(super) fn wait(&self) {
        drop(self.turn.lock());
    }

    /// Ends a frame that could not be started, when what is being handed back is back.
    pub(super) fn refuse(&self, job: J) {
        let mut state = self.state.lock();
        let ends_now = if state.busy {
            state.refused.replace(job)
        } else {
            Some(job)
        };
        drop(state);
        drop(ends_now);
    }

    /// Runs `work`, which returns buffers.
    pub(super) fn during(&self, work: impl FnOnce()) {
        let turn = self.turn.lock();
        self.state.lock().busy = true;
        work();
        let refused = {
            let mut state = self.state.lock();
            state.busy = false;
            state.refused.take()
        };
        drop(turn);
        drop(refused);
    }
}
