// SPDX-License-Identifier: GPL-2.0

//! The virtual device: it processes one frame at a time.

use crate::media::prelude::*;
use crate::platform::delayed::{Delayed, Work};
use kernel::sync::{Arc, Mutex};
use kernel::{device::Bound, new_mutex, prelude::*};

/// The frame that is being processed. Its end takes the place of an interrupt.
struct Running(Arc<Mutex<Option<Job>>>);

impl Work for Running {
    fn work(&self) {
        let job = self.0.lock().take();
        if let Some(job) = job {
            job.finish(buffer::State::Done, || {});
        }
    }
}

/// What all open files share.
pub(crate) struct Device {
    running: Arc<Mutex<Option<Job>>>,
    end: Arc<Delayed<Running>>,
}

impl Device {
    /// Creates a device that processes nothing.
    pub(crate) fn new(device: &kernel::device::Device<Bound>) -> Result<Arc<Self>> {
        let running = Arc::pin_init(new_mutex!(None, "Device::running"), GFP_KERNEL)?;
        let end = Delayed::new(device, Running(running.clone()))?;
        Ok(Arc::new(Self { running, end }, GFP_KERNEL)?)
    }

    /// Starts a frame, whose image is written already. It ends after `time_ms` milliseconds.
    pub(crate) fn start(&self, job: Job, time_ms: u32) {
        *self.running.lock() = Some(job);
        Delayed::start(&self.end, time_ms);
    }

    /// Ends the running frame as failed, if there is one.
    pub(crate) fn abandon(&self) {
        let job = self.running.lock().take();
        drop(job);
    }
}
