// SPDX-License-Identifier: GPL-2.0

//! INTERRUPT_STATUS: the engine's report about a frame, and the values to write in reply.

use core::fmt;

/// How a frame ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no event. An interrupt is not this device's then, and a late frame has failed.
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

    /// The value to write to let all events raise the interrupt.
    pub const ENABLE_ALL: u32 = Self::PENDING << 8;

    /// The value to write to acknowledge every event and let none raise the interrupt.
    ///
    /// It acknowledges every event, and not only those that were read: the bus time-out's counter
    /// runs until the AXI master is disabled, and another event may come after the read. The next
    /// frame also acknowledges all events.
    pub const ACKNOWLEDGE_ALL: u32 = Self::PENDING << 24;

    /// The status of an engine that reports no event and is idle.
    pub const SILENCE: Self = Self(0);

    /// Returns the events that wait to be acknowledged: bits 7:0.
    pub const fn pending(self) -> u32 {
        self.0 & Self::PENDING
    }

    /// Returns whether the destination is complete.
    pub const fn is_frame_done(self) -> bool {
        self.0 & Self::FRAME_DONE != 0
    }

    /// Returns whether the engine works on a frame: FRAME_BUSY, bit 16.
    ///
    /// The meaning of FRAME_BUSY together with FRAME_DONE is not known. NXP's driver
    /// (`dwe_on_buf_update`) takes it for a frame that is not over.
    pub const fn is_busy(self) -> bool {
        self.0 & Self::FRAME_BUSY != 0
    }

    /// Returns the events and FRAME_BUSY of two values together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the events in bits 7:0 and FRAME_BUSY in bit 8.
    pub const fn pack(self) -> u16 {
        // CAST: The value has 9 bits.
        (self.pending() | (self.is_busy() as u32) << 8) as u16
    }

    /// Returns the value whose events and FRAME_BUSY were packed.
    pub const fn unpack(packed: u16) -> Self {
        let packed = packed as u32;
        let busy = if packed >> 8 & 1 != 0 {
            Self::FRAME_BUSY
        } else {
            0
        };
        Self(packed & Self::PENDING | busy)
    }

    /// Returns the errors that are worth a message.
    ///
    /// For a frame that is done, the error "frame done" is left out, as in the C driver. Its
    /// meaning there is not public.
    pub const fn errors(self) -> Errors {
        let meaningless = if self.is_frame_done() {
            Self::ERR_FRAME_DONE
        } else {
            0
        };
        Errors(self.pending() & !Self::FRAME_DONE & !meaningless)
    }

    /// Returns how the frame ended. A frame that is done is not failed by an error that is reported
    /// with it.
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
    /// The names of the errors, from bit 1 on.
    pub const NAMES: [&'static str; 7] = [
        "bus time-out",
        "AXI response",
        "X",
        "macroblock fetch",
        "frame 2",
        "frame 3",
        "frame done",
    ];

    /// Returns whether there is no error.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the bits as in INTERRUPT_STATUS.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Returns the numbers of the errors in [`Errors::NAMES`], lowest bit first.
    pub fn numbers(self) -> impl Iterator<Item = usize> {
        let mut left = self.0 >> 1;
        core::iter::from_fn(move || {
            let lowest = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            // CAST: `lowest` is less than 32.
            (lowest < u32::BITS).then_some(lowest as usize)
        })
    }

    /// Returns the names of the errors, lowest bit first.
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
            // Enables, busy and reserved bits do not affect the verdict.
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
