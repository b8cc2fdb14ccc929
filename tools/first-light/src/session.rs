// SPDX-License-Identifier: GPL-2.0

//! The state and functions that the steps of one driver share: they process frames within a time
//! limit, and report lines and pictures at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, anyhow};
use dewarp::format::{Format as Pixels, NV12, Size};
use dw100_model::{World, Worlds};
use serde::{Deserialize, Serialize};

use crate::board::KernelLog;
use crate::frame::{Ended, Shot, Shots, send};
use crate::journal::Journal;
use crate::maps::Kind;
use crate::module::Driver;
use crate::report::{Judged, Line, Picture, Speed, Text};
use crate::samples::Differences;
use crate::{chart, png};

/// The smallest size that the engine's drivers accept.
pub const SMALLEST: Size = Size {
    width: 176,
    height: 144,
};

/// The time limit of all steps together. Steps that are left then are not measured.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Why a step was not completed.
pub enum Halt {
    /// The bus hangs: the engine must not be accessed any more.
    Hung(String),
    /// This driver cannot be used here.
    Driver(Error),
    /// This step cannot be done.
    Step(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Step(error.into())
    }
}

/// The result of a step.
pub type Outcome<T = ()> = std::result::Result<T, Halt>;

/// A message from the process with the steps to the one that writes the report.
#[derive(Serialize, Deserialize)]
pub enum Message {
    /// A step with this name begins.
    Step(String),
    /// A line.
    Line(Line),
    /// A time.
    Speed(Speed),
    /// A picture.
    Picture(Picture),
    /// A text.
    Text(Text),
    /// The number of all frames that were processed so far.
    Frames(u64),
    /// The bus hangs.
    Hung(String),
    /// The driver cannot be used.
    Unusable(String),
    /// All steps are over.
    End,
}

/// The sizes and numbers of frames.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// The size of frames in each format.
    pub format: Size,
    /// The size of frames that are timed.
    pub timed: Size,
    /// The size of the largest frames.
    pub largest: Size,
    /// The number of frames that are timed.
    pub count: u32,
    /// The number of frames for the spread of the engine's time.
    pub repeats: u32,
    /// Whether each format is also converted to each other one.
    pub conversions: bool,
}

impl Sizes {
    /// The sizes for a board.
    pub const FULL: Self = Self {
        format: Size {
            width: 640,
            height: 480,
        },
        timed: Size {
            width: 1920,
            height: 1080,
        },
        largest: Size {
            width: 4096,
            height: 3072,
        },
        count: 5,
        repeats: 200,
        conversions: true,
    };

    /// The sizes for `--quick`.
    pub const QUICK: Self = Self {
        format: SMALLEST,
        timed: Size {
            width: 352,
            height: 288,
        },
        largest: Size {
            width: 1280,
            height: 720,
        },
        count: 2,
        repeats: 20,
        conversions: false,
    };
}

/// One driver's steps.
pub struct Session {
    /// The driver.
    pub driver: Driver,
    /// The directory of the modules.
    pub kit: PathBuf,
    /// Parameters of the module.
    pub parameters: &'static str,
    /// The sizes and numbers of frames.
    pub sizes: Sizes,
    /// The kernel's log since this driver's turn began.
    pub log: KernelLog,
    /// The rate of the AXI clock, in Hz.
    pub axi_hz: u64,
    /// Worlds that were found in the turns before.
    pub known: BTreeSet<String>,
    /// Worlds that were found and that change what the model computes for a frame.
    pub worlds: Worlds,
    /// The running step.
    pub step: String,
    journal: Journal,
    out: File,
    began: Instant,
    frames: u64,
    /// The last step for which a picture of a difference was reported.
    pictured: String,
}

impl Session {
    /// Begins the turn of a driver. Messages are written to `out`; `began` is when the program
    /// began.
    pub fn new(
        driver: Driver,
        kit: PathBuf,
        parameters: &'static str,
        sizes: Sizes,
        journal: Journal,
        out: File,
        began: Instant,
    ) -> Self {
        Self {
            driver,
            kit,
            parameters,
            sizes,
            log: KernelLog::from_now(),
            axi_hz: crate::board::ASSUMED_HZ,
            known: BTreeSet::new(),
            worlds: Worlds::NONE,
            step: String::new(),
            journal,
            out,
            began,
            frames: 0,
            pictured: String::new(),
        }
    }

    /// Sends a message.
    pub fn tell(&mut self, message: &Message) -> Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        Ok(self.out.write_all(&line)?)
    }

    /// Returns whether there is time left.
    pub fn has_time(&self) -> bool {
        self.began.elapsed() < LIMIT
    }

    /// Writes what is about to be done with the engine to the journal on the disk.
    pub fn intend(&self, what: &str) -> Result<()> {
        self.journal.note(&format!("{}: {what}", self.step))
    }

    /// Reports a line.
    pub fn report(&mut self, judged: Judged) -> Result<()> {
        let line = Line::of(judged, &self.step, self.driver);
        self.tell(&Message::Line(line))
    }

    /// Adds a world that changes the pixels of frames.
    pub fn believe(&mut self, world: World) {
        self.worlds = self.worlds.with(world);
    }

    /// Reports a text.
    pub fn text(&mut self, title: &str, text: impl Into<String>) -> Result<()> {
        self.tell(&Message::Text(Text {
            driver: self.driver.module().to_owned(),
            title: title.to_owned(),
            text: text.into(),
        }))
    }

    /// Reports a picture.
    pub fn picture(&mut self, title: &str, caption: &str, png: String) -> Result<()> {
        self.tell(&Message::Picture(Picture {
            driver: self.driver.module().to_owned(),
            title: title.to_owned(),
            caption: caption.to_owned(),
            png,
        }))
    }

    /// Processes frames. If one is not returned in time, checks whether the engine has recovered.
    pub fn shoot(&mut self, what: &str, shot: &Shot, source: &[u8]) -> Outcome<Shots> {
        self.intend(what)?;
        let before = watchdog_fired();
        let shots = self.send(what, shot.count, || send(shot, source))?;
        if shots.failed == 0 || watchdog_fired() == before {
            return Ok(shots);
        }
        self.recover(what)?;
        Err(Halt::Step(anyhow!(
            "{what}: a frame did not come back in the time that it may take"
        )))
    }

    /// Checks whether the engine works after a frame timed out and the driver reset it.
    pub fn recover(&mut self, what: &str) -> Outcome {
        self.intend(&format!(
            "looking whether the engine recovered from: {what}"
        ))?;
        let (shot, source) = simple()?;
        let works = self
            .send("the frame after it", 1, || send(&shot, &source))?
            .frame
            .is_some();
        if !works {
            return Err(Halt::Hung(format!(
                "{what}: a frame did not come back in the time that it may take, and after the reset the next \
                 one did not, either"
            )));
        }
        Ok(self.report(Judged::differs(
            "frames come back",
            "each frame ends with an interrupt",
            format!("{what}: a frame timed out; the driver's reset recovered the engine"),
        ))?)
    }

    /// Processes `count` frames with `by`. A frame that is not returned at all means a hung bus.
    pub fn send(
        &mut self,
        what: &str,
        count: u32,
        by: impl FnOnce() -> Result<Ended>,
    ) -> Outcome<Shots> {
        self.frames += u64::from(count);
        let ended = by();
        self.tell(&Message::Frames(self.frames))?;
        match ended? {
            Ended::Back(shots) => Ok(shots),
            Ended::Lost => Err(Halt::Hung(format!(
                "{what}: a frame did not come back from {} within {} s",
                self.driver.title(),
                crate::frame::PATIENCE.as_secs()
            ))),
        }
    }

    /// Returns the difference of a frame from the model's, in a few words. Reports it as a line,
    /// with a picture of the first difference of a step.
    pub fn judge(
        &mut self,
        topic: &str,
        shot: &Shot,
        source: &[u8],
        shots: &Shots,
    ) -> Outcome<String> {
        let assumed = "the model's frame, to the last bit";
        let Some(got) = &shots.frame else {
            let found = "the frame came back as failed";
            self.report(Judged::differs(topic, assumed, found))?;
            return Ok(found.to_owned());
        };
        let (pixels, size) = shot.target;
        let wanted = shot.model(Worlds::NONE, source)?;
        let found = Differences::between(pixels, size, got, &wanted);
        let told = found.to_string();
        if found.none() {
            self.report(Judged::as_assumed(topic, assumed, &told))?;
            return Ok(found.brief());
        }
        let judged = match self.explained(shot, source, got)? {
            Some(world) => Judged::world(
                topic,
                assumed,
                format!("{told}; exact beside the model of {world}"),
                world,
            ),
            None => Judged::differs(topic, assumed, &told),
        };
        self.report(judged)?;
        if self.pictured != self.step {
            self.pictured.clone_from(&self.step);
            let png = png::of_difference(pixels, size, got, &wanted)?;
            let title = format!("{topic}: where it differs");
            self.picture(&title, &told, png)?;
        }
        Ok(found.brief())
    }

    /// Returns the world that explains this frame: the model computes exactly this frame in the
    /// worlds that were found before.
    pub fn explained(
        &self,
        shot: &Shot,
        source: &[u8],
        got: &[u8],
    ) -> Result<Option<&'static str>> {
        if self.worlds == Worlds::NONE || shot.model(self.worlds, source)? != got {
            return Ok(None);
        }
        let one = |world: &World| self.worlds.has(*world);
        Ok(World::ALL.into_iter().find(one).map(World::name))
    }

    /// Reports a picture of a frame from the board, for the page.
    pub fn show(&mut self, title: &str, caption: &str, shot: &Shot, shots: &Shots) -> Result<()> {
        match &shots.frame {
            Some(frame) => {
                let png = png::of_frame(shot.target.0, shot.target.1, frame)?;
                self.picture(title, caption, png)
            }
            None => Ok(()),
        }
    }
}

/// Returns a frame of the smallest size with the identity map.
pub fn simple() -> Result<(Shot, Vec<u8>)> {
    let side: (Pixels, Size) = (NV12, SMALLEST);
    let map = Kind::Identity.map(SMALLEST, SMALLEST);
    Ok((Shot::new(side, side, map), chart::frame(NV12, SMALLEST)?))
}

/// Returns how often the driver's watchdog fired; 0 if the driver has no statistics.
fn watchdog_fired() -> u64 {
    crate::steps::interrupts::Counts::read().map_or(0, |counts| counts.get("watchdog_fired"))
}
