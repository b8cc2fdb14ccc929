// SPDX-License-Identifier: GPL-2.0
//! The source of the page's pictures: a file, or a camera's newest frame.

use std::sync::Arc;
#[cfg(feature = "device")]
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

#[cfg(feature = "device")]
use dewarp::Error;
#[cfg(feature = "device")]
use dewarp::camera::Camera;
use dewarp::{Format, Result, Size};

/// The time limit for a frame.
#[cfg(feature = "device")]
const PATIENCE: Duration = Duration::from_secs(10);

/// A tight frame.
pub struct Frame {
    pub format: Format,
    pub size: Size,
    pub bytes: Vec<u8>,
}

/// A source of frames.
pub enum Feed {
    /// One frame that does not change.
    Still(Arc<Frame>),
    #[cfg(feature = "device")]
    Live(Live),
}

impl Feed {
    /// Returns a frame. A camera's frame is returned only once.
    pub fn next(&self) -> Result<Arc<Frame>> {
        match self {
            Feed::Still(frame) => Ok(Arc::clone(frame)),
            #[cfg(feature = "device")]
            Feed::Live(live) => live.next(),
        }
    }

    pub fn is_live(&self) -> bool {
        !matches!(self, Feed::Still(_))
    }
}

/// A camera that captures continuously.
#[cfg(feature = "device")]
pub struct Live(Arc<(Mutex<Newest>, Condvar)>);

/// The newest frame, or the reason why there are no more.
#[cfg(feature = "device")]
type Newest = Option<Result<Arc<Frame>>>;

#[cfg(feature = "device")]
impl Live {
    /// Starts the capture.
    pub fn start(camera: Camera) -> Result<Self> {
        camera.start()?;
        let shared = Arc::new((Mutex::new(None), Condvar::new()));
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || film(camera, &theirs));
        Ok(Live(shared))
    }

    fn next(&self) -> Result<Arc<Frame>> {
        let (newest, came) = &*self.0;
        let newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = came.wait_timeout_while(newest, PATIENCE, |newest| newest.is_none());
        let (mut newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match newest.take() {
            Some(Ok(frame)) => Ok(frame),
            Some(Err(error)) => {
                *newest = Some(Err(error.clone()));
                Err(error)
            }
            None => Err(Error::failed(format!(
                "the camera gave no frame for {} s",
                PATIENCE.as_secs()
            ))),
        }
    }
}

/// Captures until an error occurs.
#[cfg(feature = "device")]
fn film(mut camera: Camera, (newest, came): &(Mutex<Newest>, Condvar)) {
    loop {
        let frame = match filmed(&mut camera) {
            Ok(None) => continue,
            Ok(Some(frame)) => Ok(Arc::new(frame)),
            Err(error) => Err(error),
        };
        let over = frame.is_err();
        *newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(frame);
        came.notify_one();
        if over {
            return;
        }
    }
}

#[cfg(feature = "device")]
fn filmed(camera: &mut Camera) -> Result<Option<Frame>> {
    let Some(filmed) = camera.filmed(PATIENCE)? else {
        return Ok(None);
    };
    let bytes = camera.read(filmed.index)?;
    camera.film(filmed.index)?;
    Ok(Some(Frame {
        format: camera.format,
        size: camera.size,
        bytes,
    }))
}
