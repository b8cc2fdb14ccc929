// SPDX-License-Identifier: GPL-2.0
//! The model's keys: faults to inject, and values to change. `KEY=VALUE`, several
//! with `;` between them.
//!
//! | key | what happens to the Nth frame from now, or with `every:N` to each Nth |
//! |---|---|
//! | `drop-irq=N` | the pixels are written, but neither frame done nor a bus timeout is raised until the bus is closed or the engine reset |
//! | `stall=N` | the job never completes |
//! | `error=BITS@N` | BITS (1 to 0xff, as in INTERRUPT_STATUS) are raised instead of frame done; pixels are written only if BITS holds frame done |
//! | `spurious-irq=N` | half-way through the frame the line rises with no status bit set, whatever the enables; it falls 10 us after INTERRUPT_STATUS is first read, or after 10 ms |
//! | `dma-fault=N` | the fetch of the source meets an AXI error response |
//!
//! `off` in place of N removes a fault. `timeout-cycles=N` overrules the bus timeout
//! (0: never, `default`: as the registers say); `pixels-per-clock=X` sets the speed.
//! `pixels=off` is an aid for tests that look at registers only: the map is still
//! fetched, but the source is not read and no pixel is written; registers, status,
//! times and interrupts do not change. `pixels=on` ends it.
//! `world=NAME` adds an alternative of [`crate::world`], `world=default` removes all.
//! Other keys of one kind replace each other. If several faults apply to one frame, the
//! first of stall, dma-fault, error and drop-irq is used.

use serde::Deserialize;
use serde::Serialize;

use crate::regs;
use crate::timing::Timing;
use crate::world::Worlds;

/// The frames that a fault applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum When {
    /// The frame that brings this count to 0.
    Once(u32),
    /// Each frame that brings `left` to 0. It starts at `period` again then.
    Every { period: u32, left: u32 },
}

/// A fault's schedule; [`None`] if the fault is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Schedule(Option<When>);

impl Schedule {
    /// Counts one frame, and returns whether the fault applies to it.
    fn hits(&mut self) -> bool {
        match &mut self.0 {
            None => false,
            Some(When::Once(left)) => {
                *left = left.saturating_sub(1);
                let hit = *left == 0;
                if hit {
                    self.0 = None;
                }
                hit
            }
            Some(When::Every { period, left }) => {
                *left = left.saturating_sub(1);
                let hit = *left == 0;
                if hit {
                    *left = *period;
                }
                hit
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let count = |text: &str| text.parse().ok().filter(|&n: &u32| n > 0);
        if text == "off" {
            return Some(Self(None));
        }
        let when = match text.strip_prefix("every:") {
            Some(period) => count(period).map(|period| When::Every {
                period,
                left: period,
            })?,
            None => When::Once(count(text)?),
        };
        Some(Self(Some(when)))
    }
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The pixels are written and frame done is raised.
    Done,
    /// The pixels are written and nothing is raised.
    Silent,
    /// These status bits are raised.
    Error(u8),
    /// The bus answers with an error.
    DmaFault,
    /// The job does not end.
    Never,
}

impl Ending {
    /// Returns whether the pixels of a job with this ending reach memory.
    pub fn writes_pixels(self) -> bool {
        match self {
            Self::Done | Self::Silent => true,
            Self::Error(bits) => bits & regs::STATUS_FRAME_DONE != 0,
            Self::DmaFault | Self::Never => false,
        }
    }
}

/// The faults that apply to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How the frame's job ends.
    pub ending: Ending,
    /// Whether the line glitches half-way through the frame.
    pub glitch: bool,
}

/// All settings that the keys change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    drop_irq: Schedule,
    stall: Schedule,
    spurious_irq: Schedule,
    dma_fault: Schedule,
    error: Schedule,
    error_bits: u8,
    /// Whether frames read no source and write no destination.
    pub pixels_off: bool,
    /// Speed and bus timeout.
    pub timing: Timing,
    /// How the engine differs from the default model.
    pub worlds: Worlds,
}

impl Settings {
    /// Counts one frame, and returns the faults that apply to it.
    pub fn next_frame(&mut self) -> Fate {
        // Every schedule counts every frame, also when another fault applies.
        let (stall, dma) = (self.stall.hits(), self.dma_fault.hits());
        let (error, silent) = (self.error.hits(), self.drop_irq.hits());
        Fate {
            ending: match (stall, dma, error, silent) {
                (true, ..) => Ending::Never,
                (_, true, ..) => Ending::DmaFault,
                (_, _, true, _) => Ending::Error(self.error_bits),
                (_, _, _, true) => Ending::Silent,
                _ => Ending::Done,
            },
            glitch: self.spurious_irq.hits(),
        }
    }

    /// Applies a list of keys. If one of them is wrong, applies none.
    ///
    /// # Errors
    ///
    /// Returns a message that says which key is wrong, and what would be right.
    pub fn apply(&mut self, keys: &str) -> Result<(), String> {
        let mut next = self.clone();
        for pair in keys.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("{pair:?} is not of the form KEY=VALUE"))?;
            next.set(key.trim(), value.trim())?;
        }
        *self = next;
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |due: &str| format!("{key}={value}: the value must be {due}");
        const WHEN: &str = "N or every:N with N from 1, or off";
        let schedule = |text| Schedule::parse(text).ok_or_else(|| wrong(WHEN));
        match key {
            "drop-irq" => self.drop_irq = schedule(value)?,
            "stall" => self.stall = schedule(value)?,
            "spurious-irq" => self.spurious_irq = schedule(value)?,
            "dma-fault" => self.dma_fault = schedule(value)?,
            "error" if value == "off" => self.error = Schedule(None),
            "error" => {
                let due = || {
                    wrong("BITS@N or BITS@every:N with BITS from 1 to 0xff and N from 1, or off")
                };
                let (bits, when) = value.split_once('@').ok_or_else(due)?;
                let bits = match bits.strip_prefix("0x") {
                    Some(hex) => u8::from_str_radix(hex, 16),
                    None => bits.parse(),
                };
                self.error_bits = bits.ok().filter(|&bits| bits != 0).ok_or_else(due)?;
                self.error = Schedule::parse(when).ok_or_else(due)?;
            }
            "timeout-cycles" if value == "default" => self.timing.time_out_cycles = None,
            "timeout-cycles" => {
                let due = "a number of 500 MHz cycles, 0 for never, or default";
                self.timing.time_out_cycles = Some(value.parse().map_err(|_| wrong(due))?);
            }
            "pixels-per-clock" => {
                let rate = value.parse().ok().filter(|r| (0.001..=1000.0).contains(r));
                self.timing.pixels_per_clock =
                    rate.ok_or_else(|| wrong("a number from 0.001 to 1000"))?;
            }
            "pixels" => {
                self.pixels_off = match value {
                    "on" => false,
                    "off" => true,
                    _ => return Err(wrong("on or off")),
                }
            }
            "world" => self.worlds = self.worlds.with_name(value)?,
            _ => {
                return Err(format!(
                    "unknown key {key:?}: use drop-irq, stall, error, spurious-irq, dma-fault, \
                     timeout-cycles, pixels-per-clock, pixels or world"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    fn endings(keys: &str, frames: usize) -> Vec<Ending> {
        let mut settings = Settings::default();
        settings.apply(keys).unwrap();
        (0..frames).map(|_| settings.next_frame().ending).collect()
    }

    #[test]
    fn a_number_hits_one_frame_and_every_hits_each_nth() {
        use Ending::*;
        assert_eq!(endings("stall=2", 4), [Done, Never, Done, Done]);
        assert_eq!(endings("drop-irq=every:2", 4), [Done, Silent, Done, Silent]);
        assert_eq!(endings("error=0x84@1", 2), [Error(0x84), Done]);
        assert_eq!(endings("dma-fault=1; stall=1", 2), [Never, Done]);
        assert_eq!(endings("stall=every:1;stall=off", 2), [Done, Done]);
    }

    #[test]
    fn bad_keys_are_refused_with_what_would_be_right() {
        for (keys, due) in [
            ("stahl=1", "unknown key \"stahl\": use drop-irq, stall"),
            ("stall", "not of the form KEY=VALUE"),
            ("stall=0", "N or every:N with N from 1"),
            ("stall=every:", "N or every:N with N from 1"),
            ("error=0@1", "BITS from 1 to 0xff"),
            ("error=256@1", "BITS from 1 to 0xff"),
            ("error=1", "BITS@N"),
            ("timeout-cycles=-1", "a number of 500 MHz cycles"),
            ("pixels-per-clock=0", "from 0.001 to 1000"),
            ("pixels-per-clock=nan", "from 0.001 to 1000"),
            ("pixels=no", "pixels=no: the value must be on or off"),
            (
                "world=",
                "world=: the value must be default or one of int-clr-held",
            ),
        ] {
            let error = Settings::default().apply(keys).unwrap_err();
            assert!(error.contains(due), "{keys}: {error}");
        }
    }

    #[test]
    fn worlds_add_up_until_the_default_is_asked_for() {
        let mut settings = Settings::default();
        settings.apply("world=slow;world=round-down").unwrap();
        assert!(settings.worlds.has(World::Slow) && settings.worlds.has(World::RoundDown));
        settings.apply("world=default;world=slow").unwrap();
        assert_eq!(settings.worlds, Worlds::NONE.with(World::Slow));
    }

    #[test]
    fn one_bad_key_leaves_everything_as_it_was() {
        let mut settings = Settings::default();
        assert!(settings.apply("stall=1;nonsense=2").is_err());
        assert_eq!(settings, Settings::default());
    }
}
