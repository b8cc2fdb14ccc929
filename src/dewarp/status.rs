// SPDX-License-Identifier: GPL-2.0

//! INTERRUPT_STATUS: what the engine says about a frame, and what to answer.

use core::fmt;

/// How a frame ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did not: the interrupt is not ours.
    None,
    /// The destination is complete.
    Done,
    /// The engine reports an error, and not the end of the frame.
    Failed,
}

/// A value read from INTERRUPT_STATUS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u32);

impl Status {
    const FRAME_DONE: u32 = 1 << 0;
    const ERR_FRAME_DONE: u32 = 1 << 7;
    const PENDING: u32 = 0xff;
    const FRAME_BUSY: u32 = 1 << 16;

    /// What to write to let all events raise the interrupt.
    pub const ENABLE_ALL: u32 = Self::PENDING << 8;

    /// What to write to acknowledge every event and let none raise the interrupt.
    ///
    /// Every event, and not only those that were read: the bus time-out's counter runs until the AXI
    /// master is disabled, and another event may come after the read. The next frame acknowledges
    /// them all, too.
    pub const ACKNOWLEDGE_ALL: u32 = Self::PENDING << 24;

    /// The status of an engine that reports no event and is idle.
    pub const SILENCE: Self = Self(0);

    /// The events that wait to be acknowledged: bits 7:0.
    pub const fn pending(self) -> u32 {
        self.0 & Self::PENDING
    }

    /// Whether the destination is complete.
    pub const fn is_frame_done(self) -> bool {
        self.0 & Self::FRAME_DONE != 0
    }

    /// Whether the engine works on a frame: FRAME_BUSY, bit 16.
    ///
    /// What it says beside FRAME_DONE is not known. NXP's driver (`dwe_on_buf_update`) takes it for
    /// a frame that is not over.
    pub const fn is_busy(self) -> bool {
        self.0 & Self::FRAME_BUSY != 0
    }

    /// The events, and FRAME_BUSY, of two values together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The events in 7:0 and FRAME_BUSY in bit 8.
    pub const fn pack(self) -> u16 {
        // CAST: 9 bits.
        (self.pending() | (self.is_busy() as u32) << 8) as u16
    }

    /// The value whose events and FRAME_BUSY were packed.
    pub const fn unpack(packed: u16) -> Self {
        let packed = packed as u32;
        let busy = if packed >> 8 & 1 != 0 {
            Self::FRAME_BUSY
        } else {
            0
        };
        Self(packed & Self::PENDING | busy)
    }

    /// The errors worth a message.
    ///
    /// With a frame that is done, "frame done" as an error is left out, as the C driver does. What it
    /// means there is not public.
    pub const fn errors(self) -> Errors {
        let meaningless = if self.is_frame_done() {
            Self::ERR_FRAME_DONE
        } else {
            0
        };
        Errors(self.pending() & !Self::FRAME_DONE & !meaningless)
    }

    /// How the frame ended. Done wins over an error that stands beside it.
    pub const fn verdict(self) -> Verdict {
        if self.is_frame_done() {
            Verdict::Done
        } else if self.pending() != 0 {
            Verdict::Failed
        } else {
            Verdict::None
        }
    }
}

/// A set of error events, with the bits of INTERRUPT_STATUS. Prints as their names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errors(u32);

impl Errors {
    /// Of each error, from bit 1 on.
    pub const NAMES: [&'static str; 7] = [
        "bus time-out",
        "AXI response",
        "X",
        "macroblock fetch",
        "frame 2",
        "frame 3",
        "frame done",
    ];

    /// No error.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits as in INTERRUPT_STATUS.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The numbers of the errors in [`Errors::NAMES`], lowest bit first.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        let mut left = self.0 >> 1;
        core::iter::from_fn(move || {
            let lowest = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            // CAST: Less than 32.
            (lowest < u32::BITS).then_some(lowest as usize)
        })
    }

    /// The names of the errors, lowest bit first.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.numbers()
            .filter_map(|number| Self::NAMES.get(number).copied())
    }
}

impl fmt::Debug for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no error");
        }
        let mut separator = "";
        for name in self.names() {
            f.write_str(separator)?;
            f.write_str(name)?;
            separator = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::c_driver;
    use super::*;

    #[test]
    fn verdict_and_errors_are_those_of_the_c_driver_for_each_status() {
        for pending in 1..=0xff {
            // Enables, busy and reserved bits say nothing about it.
            for rest in [0, 0xff00, 0x1_ff00, 0xfffe_0000] {
                let status = Status(rest | pending);
                let (failed, errors) = c_driver::verdict(status.0);
                assert_eq!(status.verdict() == Verdict::Failed, failed, "{pending:#x}");
                assert_eq!(status.verdict() == Verdict::Done, !failed, "{pending:#x}");
                assert_eq!(status.errors().bits() >> 1, errors, "{pending:#x}");
            }
        }
    }

    #[test]
    fn an_interrupt_without_an_event_is_nobodys() {
        // Fault 10: the C driver ends the running job as failed.
        for rest in [0, 0xff00, 0x1_ff00] {
            assert_eq!(Status(rest).verdict(), Verdict::None);
            assert!(Status(rest).errors().is_empty());
        }
    }

    #[test]
    fn acknowledging_clears_every_event_and_enables_none() {
        assert_eq!(Status::ACKNOWLEDGE_ALL, 0xff00_0000);
        assert_eq!(Status::ENABLE_ALL, 0xff00);
    }

    #[test]
    fn packing_keeps_the_events_and_busy_and_nothing_else() {
        for raw in [0, 0x01, 0xff, 0x1_0000, 0x1_ff83, 0xfffe_ff00] {
            let status = Status(raw);
            let kept = Status::unpack(status.pack());
            assert_eq!(kept, Status(raw & 0x1_00ff), "{raw:#x}");
            assert_eq!(kept.is_busy(), status.is_busy());
        }
        assert_eq!(Status(5).or(Status(0x1_0003)), Status(0x1_0007));
    }

    #[test]
    fn errors_print_as_their_names() {
        let text = |status| format!("{:?}", Status(status).errors());
        assert_eq!(text(0x02), "bus time-out");
        assert_eq!(text(0x14), "AXI response, macroblock fetch");
        assert_eq!(text(0x80), "frame done");
        assert_eq!(text(0x81), "no error");
        assert_eq!(text(0x69), "X, frame 2, frame 3");
    }
}
