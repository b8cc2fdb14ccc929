// SPDX-License-Identifier: GPL-2.0
//! The result of a run: frames, time, and the engine's time, from the driver's
//! statistics in debugfs.

use std::fmt;
use std::time::Duration;

/// The result of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Frames that each output delivered.
    pub frames: u64,
    /// Frames of all outputs on which the engine failed.
    pub errors: u64,
    /// Frames that the camera lost in between; `None` without a camera.
    pub dropped: Option<u64>,
    /// The time from the first start to the last frame.
    pub elapsed: Duration,
    /// The engine's time, if it is known.
    pub engine: Option<EngineTime>,
}

impl Outcome {
    /// Returns the frames per second.
    pub fn rate(&self) -> f64 {
        self.frames as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} frames in {:.2} s, {:.1} a second, {} failed",
            self.frames,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.errors
        )?;
        if let Some(dropped) = self.dropped {
            write!(f, ", {dropped} dropped by the camera")?;
        }
        if let Some(engine) = self.engine {
            // CAST: 2^53 nanoseconds are three months.
            let [mean, max] = [engine.mean_ns, engine.max_ns as f64].map(|ns| ns / 1e6);
            write!(f, "; engine {mean:.2} ms a frame, {max:.2} ms at most")?;
        }
        Ok(())
    }
}

/// The engine's time for the frames of a process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EngineTime {
    /// The mean of a frame, in nanoseconds.
    pub mean_ns: f64,
    /// The slowest frame, in nanoseconds.
    pub max_ns: u64,
}

impl EngineTime {
    /// Reads the text of `statistics`, which has a part for each open file, and
    /// adds up all files that `process` has open.
    ///
    /// Returns `None` if none of them has a finished frame.
    pub fn of_process(text: &str, process: u32) -> Option<Self> {
        let files = text.split("\n\n").filter_map(|part| {
            let value = |name: &str| -> Option<u64> {
                let line = part.lines().find_map(|line| line.strip_prefix(name))?;
                line.strip_prefix(": ")?.parse().ok()
            };
            let own = value("process") == Some(process.into());
            let frames = value("frames_done").filter(|frames| own && *frames > 0)?;
            Some((frames, value("engine_ns_mean")?, value("engine_ns_max")?))
        });
        let (frames, sum, max_ns) = files.fold((0, 0.0, 0), |total, (frames, mean, max)| {
            // CAST: 2^53 nanoseconds are three months.
            let sum = total.1 + frames as f64 * mean as f64;
            (total.0 + frames, sum, max.max(total.2))
        });
        (frames > 0).then(|| EngineTime {
            mean_ns: sum / frames as f64,
            max_ns,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The statistics of a device with a frame of another process, a file of
    /// this process with three frames, another one with one frame, and one
    /// without frames.
    const TEXT: &str = "\
interrupts_silent: 0
interrupts_stale: 0
frames_done: 5
frames_failed: 0
engine_ns_max: 9000
engine_ns_mean: 3000

context: 1
process: 70
frames_done: 1
engine_ns_max: 9000
engine_ns_mean: 9000

context: 2
process: 77
frames_done: 3
frames_failed: 0
engine_ns_last: 1
engine_ns_max: 300
engine_ns_mean: 200

context: 3
process: 77
frames_done: 1
engine_ns_max: 1000
engine_ns_mean: 1000

context: 4
process: 78
frames_done: 0
engine_ns_max: 0
engine_ns_mean: 0
";

    #[test]
    fn the_files_of_a_process_count_and_no_others() {
        let ours = EngineTime {
            mean_ns: 400.0,
            max_ns: 1000,
        };
        assert_eq!(EngineTime::of_process(TEXT, 77), Some(ours));
        for nobody in [7, 78, 79] {
            assert_eq!(EngineTime::of_process(TEXT, nobody), None, "{nobody}");
        }
        assert_eq!(EngineTime::of_process("", 77), None);
    }

    #[test]
    fn the_closing_line_says_what_is_known() {
        let mut outcome = Outcome {
            frames: 300,
            errors: 1,
            dropped: None,
            elapsed: Duration::from_millis(10_020),
            engine: None,
        };
        assert_eq!(
            outcome.to_string(),
            "300 frames in 10.02 s, 29.9 a second, 1 failed"
        );
        outcome.dropped = Some(2);
        outcome.engine = Some(EngineTime {
            mean_ns: 4_271_337.5,
            max_ns: 5_100_000,
        });
        assert_eq!(
            outcome.to_string(),
            "300 frames in 10.02 s, 29.9 a second, 1 failed, 2 dropped by the camera; \
             engine 4.27 ms a frame, 5.10 ms at most"
        );
    }
}
