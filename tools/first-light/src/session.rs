// SPDX-License-Identifier: GPL-2.0

//! What the steps of one driver have at hand: frames that are sent within a bound, lines and
//! pictures that are reported as they come.

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

/// The smallest size that the engine's drivers take.
pub const SMALLEST: Size = Size {
    width: 176,
    height: 144,
};

/// How long all steps may take. What is left then is not measured.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Why a step did not come to its end.
pub enum Halt {
    /// The bus hangs: nobody is to touch the engine any more.
    Hung(String),
    /// This driver is of no use here.
    Driver(Error),
    /// This step cannot be done.
    Step(Error),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Step(error.into())
    }
}

/// What a step ends with.
pub type Outcome<T = ()> = std::result::Result<T, Halt>;

/// What the process with the steps tells the one that writes the report.
#[derive(Serialize, Deserialize)]
pub enum Message {
    /// A step begins: its name.
    Step(String),
    /// A line.
    Line(Line),
    /// A time.
    Speed(Speed),
    /// A picture.
    Picture(Picture),
    /// A text.
    Text(Text),
    /// All frames that were sent so far.
    Frames(u64),
    /// The bus hangs.
    Hung(String),
    /// The driver is of no use.
    Unusable(String),
    /// All steps are over.
    End,
}

/// How large frames are, and how many.
#[derive(Clone, Copy)]
pub struct Sizes {
    /// Of frames in each format.
    pub format: Size,
    /// Of frames that are timed.
    pub timed: Size,
    /// The largest frames.
    pub largest: Size,
    /// Frames that are timed.
    pub count: u32,
    /// Frames for the spread of the engine's time.
    pub repeats: u32,
    /// Whether each format is also turned into each other one.
    pub conversions: bool,
}

impl Sizes {
    /// For a board.
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

    /// For `--quick`.
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
    /// Where the modules are.
    pub kit: PathBuf,
    /// Parameters of the module.
    pub parameters: &'static str,
    /// How large frames are.
    pub sizes: Sizes,
    /// The kernel's log since this driver's turn began.
    pub log: KernelLog,
    /// The rate of the AXI clock, in Hz.
    pub axi_hz: u64,
    /// Worlds that were named in the turns before.
    pub known: BTreeSet<String>,
    /// Worlds that were named and that change what the model makes of a frame.
    pub worlds: Worlds,
    /// The step at work.
    pub step: String,
    journal: Journal,
    out: File,
    began: Instant,
    frames: u64,
    /// The step of which a picture of a difference was reported.
    pictured: String,
}

impl Session {
    /// Begins the turn of a driver. Messages go to `out`; `began` is when the program did.
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

    /// Whether there is time left.
    pub fn has_time(&self) -> bool {
        self.began.elapsed() < LIMIT
    }

    /// Writes down what is about to be done to the engine, on the disk.
    pub fn intend(&self, what: &str) -> Result<()> {
        self.journal.note(&format!("{}: {what}", self.step))
    }

    /// Reports a line.
    pub fn report(&mut self, judged: Judged) -> Result<()> {
        let line = Line::of(judged, &self.step, self.driver);
        self.tell(&Message::Line(line))
    }

    /// Keeps a world in mind that changes what frames look like.
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

    /// Sends frames. When one does not come back in time, looks whether the engine has recovered.
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

    /// Looks whether the engine works after a frame was timed out and the driver has reset it.
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

    /// Sends `count` frames by `by`, and takes one that does not come back at all for a hung bus.
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

    /// What a frame that came back differs from the model's by, in a few words. Reports it as a line,
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

    /// The world whose model makes this very frame, among those that were named before.
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

    /// A frame as the board made it, for the page.
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

/// A frame of the smallest size through the identity.
pub fn simple() -> Result<(Shot, Vec<u8>)> {
    let side: (Pixels, Size) = (NV12, SMALLEST);
    let map = Kind::Identity.map(SMALLEST, SMALLEST);
    Ok((Shot::new(side, side, map), chart::frame(NV12, SMALLEST)?))
}

/// How often the driver's watchdog fired; 0 where the driver has no statistics.
fn watchdog_fired() -> u64 {
    crate::steps::interrupts::Counts::read().map_or(0, |counts| counts.get("watchdog_fired"))
}
