// SPDX-License-Identifier: GPL-2.0
//! Worlds: assumed alternatives to the behaviour that this model has by default.
//!
//! The DW100 has no public manual. Where its behaviour is not known, the default is
//! one assumption, and a world is another one. A driver that works in each world in which
//! the known drivers work does not depend on which assumption is right. Every world is an
//! **assumed alternative**: it was not measured on hardware.
//!
//! `world=NAME` is a model key (see [`crate::fault`]); it may be given several times,
//! and each adds one world. `world=default` removes all of them. A world takes effect
//! with the next register access or event. Power-on reset keeps the worlds.
//!
//! When a bus *hangs*, no register write has an effect any more, reads still work, jobs
//! never end, and nothing is raised, until power-on reset.
//!
//! Sources: "C" is the upstream C driver (dw100.c of Linux 7.3.4, with line numbers), which
//! runs on silicon; "NXP" is the driver of NXP's BSP (isp-vvcam, `vvcam/dwe`); "DW200" are
//! NXP's and Eswin's drivers for the sibling IP; "list" is the thread on linux-media about
//! the bus time-out under PREEMPT_RT. A row is one of section 8 ("What silicon has seen")
//! of the project's list of facts, a finding one of the review of this driver beside C's
//! and NXP's.

use serde::Deserialize;
use serde::Serialize;

/// One alternative. The comment of each says what the engine does, and which known
/// driver's behaviour suggests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum World {
    /// Bits 31:24 of INTERRUPT_STATUS (INT_CLR) keep the value last written: while a bit
    /// is 1, its event is cleared as it comes, and neither shows nor raises the line. It
    /// is suggested by C (L1387), NXP and DW200: the last write before a frame always has
    /// these bits 0, and two revisions of NXP's write clear and enables, then enables
    /// alone (row 1). It is the assumed alternative to a strobe that clears itself.
    IntClrHeld,
    /// CTRL's formats, prefetch and ENABLE count as they stood before the write that
    /// raises START; a START without ENABLE before it is lost. It is suggested by C
    /// (L1156, L1189) and NXP, which write CTRL before they raise START in a write of its
    /// own (row 2). It is the assumed alternative to fields that are taken when the job
    /// begins.
    CtrlBeforeStart,
    /// The write of MAP_LUT_ADDR latches CTRL's formats and DST_*_BASE, DST_IMG_SIZE,
    /// DST_IMG_STRIDE and DST_*_SIZE1 for the next job. It is suggested by C (L1494),
    /// which writes the map last of all, by NXP, which writes it after CTRL and the
    /// destination, and by what is known of a job without a map: it never completes (row
    /// 3). It is the assumed alternative to registers that are latched when the job
    /// begins.
    LutArmsDestination,
    /// A START that comes while the AXI master is enabled is lost. It is suggested by C
    /// (L1484) and NXP, which disable it before they program a frame (row 3). It is the
    /// assumed alternative to an order that does not matter.
    StartNeedsClosedBus,
    /// ROI_START.Y counts in units of the ratio of the widths, as X does. It is suggested
    /// by C (L1229 to L1235, row 10). It is the assumed alternative to units of the ratio
    /// of the heights, which differs where source and destination differ in shape.
    RoiByWidth,
    /// SOFT_RESET while the AXI master is enabled hangs the bus. It is suggested by C and
    /// NXP, which reset an idle engine with the bus gated only (row 4). It is the assumed
    /// alternative to a reset that is always safe.
    ResetOpenBusHangs,
    /// SOFT_RESET hangs the bus while a job, running or stuck, has it, and for 50 us
    /// after it was gated under such a job. FRAME_BUSY does not tell: a gated job stays
    /// busy. It is suggested by C and NXP, as [`World::ResetOpenBusHangs`] is; a
    /// timed-out engine has up to 16 reads outstanding (row 4, finding 3). It is the
    /// assumed alternative to a reset that is always safe.
    ResetInFlightHangs,
    /// A reset takes effect only when SOFT_RESET was held for 1 us; register writes
    /// within 1 us after it was written 1 are lost, but for CTRL's SOFT_RESET bit itself.
    /// It is suggested by NXP, which leaves SOFT_RESET set until CTRL is next written; C
    /// and Eswin do not wait (finding 3). It is the assumed alternative to a reset that
    /// takes no time.
    ResetNeedsTime,
    /// SOFT_RESET keeps the registers that describe a frame. No source says which are
    /// cleared; C writes all of them for each frame. It is the assumed alternative to
    /// clearing.
    ResetKeepsRegisters,
    /// The bus time-out counts from the moment the AXI master is enabled, also while a
    /// frame runs. It is suggested by the linux-media list: the time-out depends on "the
    /// geometry of the data", and was seen "after changing the vertex map" (row 7,
    /// finding 12). It is the assumed alternative to a running job that holds the
    /// counter.
    TimeOutInFrame,
    /// TIME_OUT is raised together with FRAME_DONE. It is suggested by NXP, which takes
    /// FRAME_DONE for success whatever else is set, and by C, which acknowledges TIME_OUT
    /// with every event (L1428, row 7). It is the assumed alternative to FRAME_DONE
    /// alone.
    DoneWithTimeOut,
    /// Bytes beyond DST_*_SIZE1 wrap to the plane's start. It is suggested by NXP's
    /// header, which calls these registers the sizes of ring buffers (row 9). It is the
    /// assumed alternative to bytes that are dropped.
    SizeWraps,
    /// A write reaches the block 3,000 ns after the CPU made it, in order; a read waits
    /// for the writes before it. Posted writes to a slow peripheral behave so: the
    /// acknowledgement may arrive after the interrupt handler returned (finding 9). It is
    /// the assumed alternative to writes that take no time.
    LateWrites,
    /// BUS_CTRL reads 0 for 2 us after SOFT_RESET was written 1. It is suggested by C and
    /// NXP, which read it before each write and never right after a reset (row 5). It is
    /// the assumed alternative to a register that a reset leaves alone.
    BusCtrlLate,
    /// Bits 33:32 of all addresses are tied to 0. It is suggested by C (32-bit DMA mask),
    /// NXP and Eswin (addresses are `u32`; row 8). It is the assumed alternative to the
    /// 34 bits that the registers hold.
    LowAddresses,
    /// Frames take four times as long. Pixels per clock are not public; sensors limit the
    /// figures that are known (row 12). It is the assumed alternative to
    /// [`crate::timing`].
    Slow,
    /// Enables of 0 do not lower the line, only acknowledging does. It is suggested by C,
    /// which masks only between two writes of one handler and acknowledges with the
    /// second, and by NXP, which never masks alone (finding 11). It is the assumed
    /// alternative to a line that is the level of the enabled status.
    MaskKeepsLine,
    /// FRAME_BUSY stays 1 for 1 us after FRAME_DONE; the last 256 bytes of each plane
    /// reach memory at the end of that time, and are lost if the AXI master is disabled
    /// before. It is suggested by C, which gates microseconds after the line rose, and
    /// NXP, which gates in a tasklet (row 6, finding 8). It is the assumed alternative to
    /// pixels that are complete with FRAME_DONE.
    BurstAtDone,
    /// A job that met an error goes idle by itself. It is suggested by C, which starts
    /// the next frame after an error without a reset. It is the assumed alternative to an
    /// engine that stays busy until it is reset.
    ErrorEnds,
    /// With traversal prefetch, blocks whose vertices lie further apart in the source
    /// than in the destination get the boundary colour. It is suggested by C, whose
    /// comment says that calculation is "required to support any scaling factor" (L1178);
    /// NXP uses traversal always (row 11). It is the assumed alternative to prefetch
    /// modes that differ in time alone.
    TraversalDiffers,
    /// Coordinates beyond W-1 or H-1 give the boundary colour. libcamera's comment
    /// ("black for everything > 63" of 64 pixels) leaves open what lies between the last
    /// sample and the limit (row 14). It is the assumed alternative to a last sample that
    /// repeats up to W.
    EdgeBlack,
    /// Interpolation, of vertices and of samples, truncates. Filter and rounding are not
    /// public. It is the assumed alternative to rounding half up.
    RoundDown,
}

impl World {
    /// All worlds, in the order of their declaration.
    pub const ALL: [Self; 22] = [
        Self::IntClrHeld,
        Self::CtrlBeforeStart,
        Self::LutArmsDestination,
        Self::StartNeedsClosedBus,
        Self::RoiByWidth,
        Self::ResetOpenBusHangs,
        Self::ResetInFlightHangs,
        Self::ResetNeedsTime,
        Self::ResetKeepsRegisters,
        Self::TimeOutInFrame,
        Self::DoneWithTimeOut,
        Self::SizeWraps,
        Self::LateWrites,
        Self::BusCtrlLate,
        Self::LowAddresses,
        Self::Slow,
        Self::MaskKeepsLine,
        Self::BurstAtDone,
        Self::ErrorEnds,
        Self::TraversalDiffers,
        Self::EdgeBlack,
        Self::RoundDown,
    ];

    /// Returns the name of the world in the key `world=NAME`.
    pub fn name(self) -> &'static str {
        match self {
            Self::IntClrHeld => "int-clr-held",
            Self::CtrlBeforeStart => "ctrl-before-start",
            Self::LutArmsDestination => "lut-arms-destination",
            Self::StartNeedsClosedBus => "start-needs-closed-bus",
            Self::RoiByWidth => "roi-by-width",
            Self::ResetOpenBusHangs => "reset-open-bus-hangs",
            Self::ResetInFlightHangs => "reset-in-flight-hangs",
            Self::ResetNeedsTime => "reset-needs-time",
            Self::ResetKeepsRegisters => "reset-keeps-registers",
            Self::TimeOutInFrame => "time-out-in-frame",
            Self::DoneWithTimeOut => "done-with-time-out",
            Self::SizeWraps => "size-wraps",
            Self::LateWrites => "late-writes",
            Self::BusCtrlLate => "bus-ctrl-late",
            Self::LowAddresses => "low-addresses",
            Self::Slow => "slow",
            Self::MaskKeepsLine => "mask-keeps-line",
            Self::BurstAtDone => "burst-at-done",
            Self::ErrorEnds => "error-ends",
            Self::TraversalDiffers => "traversal-differs",
            Self::EdgeBlack => "edge-black",
            Self::RoundDown => "round-down",
        }
    }
}

/// The worlds that hold together. Without any, this is the default model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worlds(u32);

impl Worlds {
    /// The default model.
    pub const NONE: Self = Self(0);

    /// Returns whether `world` holds.
    pub fn has(self, world: World) -> bool {
        self.0 & (1 << world as u8) != 0
    }

    /// Returns these worlds and `world`.
    pub fn with(self, world: World) -> Self {
        Self(self.0 | 1 << world as u8)
    }

    /// Returns these worlds and the one of this name; no world for "default".
    ///
    /// # Errors
    ///
    /// Returns a message with the names of all worlds if `name` is not one of them.
    pub fn with_name(self, name: &str) -> Result<Self, String> {
        if name == "default" {
            return Ok(Self::NONE);
        }
        let found = World::ALL.into_iter().find(|world| world.name() == name);
        found.map(|world| self.with(world)).ok_or_else(|| {
            let names = World::ALL.map(World::name).join(", ");
            format!("world={name}: the value must be default or one of {names}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_apart_and_each_adds_one_world() {
        let mut worlds = Worlds::NONE;
        for (place, world) in World::ALL.into_iter().enumerate() {
            assert_eq!(world as usize, place);
            assert!(!worlds.has(world));
            worlds = worlds.with_name(world.name()).unwrap();
            assert!(worlds.has(world));
        }
        assert_eq!(worlds.with_name("default"), Ok(Worlds::NONE));
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let error = Worlds::NONE.with_name("flat").unwrap_err();
        assert!(error.starts_with("world=flat: the value must be default or one of int-clr-held"));
        assert!(error.ends_with("round-down"), "{error}");
    }
}
