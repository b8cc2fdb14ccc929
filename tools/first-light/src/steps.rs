// SPDX-License-Identifier: GPL-2.0

//! The steps of each driver, in order.

pub mod above;
pub mod crop;
pub mod edges;
pub mod formats;
pub mod interrupts;
pub mod loading;
pub mod registers;
pub mod rounding;
pub mod speed;
pub mod time_out;

use anyhow::Result;

use crate::maps::Kind;
use crate::module::Driver;
use crate::report::Judged;
use crate::session::{Halt, Message, Outcome, Session};

/// A step: its name and its function.
pub struct Step {
    /// The step's name, which says what it checks.
    pub name: String,
    run: Box<dyn FnOnce(&mut Session) -> Outcome>,
    /// Whether the step is done even when the time is up.
    always: bool,
}

fn step(name: &str, run: impl FnOnce(&mut Session) -> Outcome + 'static) -> Step {
    Step {
        name: name.to_owned(),
        run: Box::new(run),
        always: false,
    }
}

fn always(name: &str, run: impl FnOnce(&mut Session) -> Outcome + 'static) -> Step {
    Step {
        always: true,
        ..step(name, run)
    }
}

/// A turn of a driver: everything from loading its module to removing it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// This driver, with everything that is measured in each run.
    Rust,
    /// The C driver.
    C,
    /// This driver with 34-bit addresses.
    Above4G,
    /// This driver with a watchdog that is too early.
    TimeOut,
}

impl Turn {
    /// Returns the driver that is loaded.
    pub fn driver(self) -> Driver {
        match self {
            Self::C => Driver::C,
            Self::Rust | Self::Above4G | Self::TimeOut => Driver::Rust,
        }
    }

    /// Returns the parameters of its module.
    pub fn parameters(self) -> &'static str {
        match self {
            Self::Above4G => "dma_bits=34",
            Self::Rust | Self::C | Self::TimeOut => "",
        }
    }

    /// Returns the turn's steps.
    pub fn steps(self) -> Vec<Step> {
        let mut steps = vec![always("loading the module", loading::load)];
        match self {
            Self::Rust | Self::C => {
                steps.push(step("the registers of an idle engine", registers::idle));
                steps.push(step("the first frame", registers::first_frame));
                steps.push(step("the edges of the source", edges::run));
                steps.push(step("the rounding between samples", rounding::run));
                for kind in [Kind::Identity, Kind::Lens] {
                    steps.push(step(
                        &format!("the {} map in each format", kind.name()),
                        move |session| formats::run(session, kind),
                    ));
                }
                for kind in Kind::ALL {
                    steps.push(step(
                        &format!("speed and picture: {}", kind.name()),
                        move |session| speed::run(session, kind),
                    ));
                }
                steps.push(step("the largest frame", speed::largest));
                steps.push(step("many equal frames", interrupts::spread));
                steps.push(step("the crop", crop::run));
                steps.push(step("interrupts and errors", interrupts::run));
                steps.push(step("the registers after a power-up", registers::kept));
            }
            Self::Above4G => steps.push(step("memory above 4 GiB", above::run)),
            Self::TimeOut => steps.push(step("recovery from a forced time-out", time_out::run)),
        }
        steps.push(always("removing the module", loading::unload));
        steps
    }
}

/// Runs the steps of a turn, and reports how they end.
pub fn run(turn: Turn, session: &mut Session) -> Result<()> {
    for step in turn.steps() {
        session.step = step.name.clone();
        session.intend("begins")?;
        session.tell(&Message::Step(step.name.clone()))?;
        if !step.always && !session.has_time() {
            let why = "the time for all steps is up";
            session.report(Judged::not_measured(step.name, "", why))?;
            continue;
        }
        match (step.run)(session) {
            Ok(()) => {}
            Err(Halt::Step(why)) => {
                let name = session.step.clone();
                session.report(Judged::not_measured(name, "", format!("{why:#}")))?;
            }
            Err(Halt::Driver(why)) => {
                return session.tell(&Message::Unusable(format!("{why:#}")));
            }
            Err(Halt::Hung(why)) => return session.tell(&Message::Hung(why)),
        }
        session.intend("ends")?;
    }
    session.tell(&Message::End)
}
